"""The tables of the lineage store.

What belongs here: tables, and what their rows mean. Not: what is written to them (derivation.py, store.py).

Facts are stored as points in time, under ids that are hashes of names. So rows do not depend on the order of arrival:
events may come in any order, twice, from several processes, and the rows are the same. Each row has the generation that
it was last written in; a reader selects the rows that are newer than its own generation.
Times are microseconds since 1970, UTC.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

FORMAT = 1

metadata = MetaData()

state = Table(
    "lineage_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("format", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    comment="One row. Every writer increments the generation first, which serializes writers.",
)


def _key(name: str) -> Column[int]:
    """An integer column of the primary key: an id, which is a hash, or a time."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _generation() -> Column[int]:
    """The generation that the row was last written in."""
    return Column("generation", BigInteger, nullable=False, index=True)


events = Table(
    "lineage_events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("run", String(36), nullable=True),
    Column("body", LargeBinary, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Index("lineage_events_of_run", "run"),
    comment="Every event as received, deflated. All other tables can be rebuilt from them.",
)

datasets = Table(
    "lineage_datasets",
    metadata,
    _key("id"),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    _generation(),
)

symlinks = Table(
    "lineage_symlinks",
    metadata,
    _key("dataset"),
    _key("other"),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    _generation(),
    comment="Two names of one dataset; `at`: when it was last reported.",
)

jobs = Table(
    "lineage_jobs",
    metadata,
    _key("id"),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    _generation(),
)

contents = Table(
    "lineage_contents",
    metadata,
    _key("id"),
    Column("body", Text, nullable=False),
    comment="The contents of facets, each stored once.",
)

facets = Table(
    "lineage_facets",
    metadata,
    _key("owner"),
    Column("name", Text, primary_key=True),
    _key("scope"),
    Column("role", String(1), primary_key=True),
    _key("at"),
    _key("content"),
    _generation(),
    sqlite_with_rowid=False,
    comment="The facets of a dataset or a job over time. `scope`: the job that reported it, where jobs may differ. "
    "`role`: o from a writer, i from a reader.",
)

runs = Table(
    "lineage_runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job", BigInteger, nullable=False, index=True),
    Column("jobs", Text, nullable=False),
    Column("first", BigInteger, nullable=False, index=True),
    Column("last", BigInteger, nullable=False),
    Column("began", BigInteger, nullable=True),
    Column("ended", BigInteger, nullable=True),
    Column("state", String(8), nullable=False),
    Column("parent", String(36), nullable=True, index=True),
    Column("parent_job", BigInteger, nullable=True),
    Column("root", String(36), nullable=True),
    Column("parent_at", BigInteger, nullable=True),
    _generation(),
)

run_facets = Table(
    "lineage_run_facets",
    metadata,
    Column("run", String(36), primary_key=True),
    Column("name", Text, primary_key=True),
    _key("at"),
    _key("content"),
    sqlite_with_rowid=False,
)

run_datasets = Table(
    "lineage_run_datasets",
    metadata,
    Column("run", String(36), primary_key=True),
    Column("role", String(1), primary_key=True),
    _key("dataset"),
    Column("version", Text, nullable=True),
    Column("version_at", BigInteger, nullable=True),
    Column("rows", BigInteger, nullable=True),
    Column("bytes", BigInteger, nullable=True),
    Column("counted_at", BigInteger, nullable=True),
    _generation(),
    Index("lineage_run_datasets_of_dataset", "dataset", "role"),
    sqlite_with_rowid=False,
)

versions = Table(
    "lineage_versions",
    metadata,
    _key("dataset"),
    Column("version", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("run", String(36), nullable=False),
    _generation(),
    Index("lineage_versions_in_time", "dataset", "at"),
    sqlite_with_rowid=False,
    comment="When a version was first written, and by which run (empty: reported without a run).",
)

edges = Table(
    "lineage_edges",
    metadata,
    _key("source"),
    _key("target"),
    _key("job"),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    _generation(),
    Index("lineage_edges_of_target", "target", "job"),
    sqlite_with_rowid=False,
    comment="A job read the source and wrote the target; `first` and `last`: when.",
)
