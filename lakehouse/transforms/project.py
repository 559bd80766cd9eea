"""The dbt project: its manifest, and its models with their inputs, columns and tests.

What belongs here: parsing the project and reading the manifest. Not: running models (build.py).
dbt parses the project once for each state of its files; the manifest is stored in the home.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.home import Home
from lakehouse.errors import DeclarationError, ProjectError
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_PARSING = Lock()
"""dbt runs once at a time in a process: lineage loads the project in a thread of its own."""
_LAYOUT = 2
"""The layout of the stored manifest. A manifest stored with another layout is parsed again."""


@dataclass(frozen=True)
class ModelTest:
    """A dbt test of a model. A failed test of severity `error` (`blocking`) stops the model from being published."""

    unique_id: str
    name: str
    description: str
    blocking: bool


@dataclass(frozen=True)
class TransformModel:
    """A dbt model: its table, the tables it reads, the properties from its yml, and its tests.

    `day_column` (meta.event_time) declares that the rows of a day depend on the inputs' rows of that day and of the
    `reach` days before it (meta.reach_days) only. A model without it is rebuilt as a whole whenever an input changes.
    `units` are the units of columns that declare one (a column's meta.unit).
    """

    unique_id: str
    table: str
    inputs: tuple[str, ...]
    sql: str
    macros: tuple[str, ...]
    description: str
    owner: str
    columns: Mapping[str, str]
    column_types: Mapping[str, str]
    day_column: str | None
    reach: int
    tests: tuple[ModelTest, ...]
    units: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """A short hash of what determines the model's rows."""
        content = [self.sql, self.macros, self.day_column, self.reach, sorted(self.column_types.items())]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TransformProject:
    """The dbt project: its folder, the folder for dbt's own files, its models in topological order, and its manifest.

    `state` is a hash of the project's files. The manifest is that of dbt's manifest.json, without dbt's own macros.
    """

    folder: Path
    work: Path
    models: tuple[TransformModel, ...]
    state: str
    manifest: Mapping[str, Any] = field(repr=False, compare=False)

    def model(self, table: str) -> TransformModel:
        """The model that builds `table`."""
        return next(model for model in self.models if model.table == table)

    def qualified_names(self, models: Sequence[TransformModel]) -> list[str]:
        """The models' names in dbt's selection syntax: project, folders and name, so that no other node matches."""
        return [".".join(self.manifest["nodes"][model.unique_id]["fqn"]) for model in models]


def load_project(settings: Settings, home: Home) -> TransformProject:
    """The dbt project of the settings. Raises DeclarationError when dbt cannot parse it."""
    folder = settings.project / "dbt_project"
    if not (folder / "dbt_project.yml").exists():
        raise ProjectError(
            "No dbt project found.",
            where=str(folder),
            fix="Restore dbt_project/dbt_project.yml, or name the project's folder with SLIPWAY_PROJECT.",
        )
    work = home.work / "dbt"
    state = _state(folder)
    manifest_file = work / f"manifest-{state}.json"
    if not manifest_file.exists():
        work.mkdir(parents=True, exist_ok=True)
        # In a folder of its own: another process may be writing it, too.
        with TemporaryDirectory(dir=work) as scratch:
            whole = Path(scratch, manifest_file.name)
            whole.write_text(json.dumps(_stored(_parsed(folder, state)), default=str))
            whole.replace(manifest_file)
    manifest = json.loads(manifest_file.read_text())
    return TransformProject(folder, work, _models(manifest), state, manifest)


def run_dbt(project: TransformProject, words: Sequence[str]):  # noqa: ANN201  # dbt's result, dbt is heavy to import
    """Run a dbt command on the project in this process, on the manifest that was parsed once in this process."""
    return _invoke(project.folder, project.work, words, _parsed(project.folder, project.state).deepcopy())


def _invoke(folder: Path, work: Path, words: Sequence[str], manifest: "Manifest | None" = None):  # noqa: ANN202
    """Run a dbt command; its logs and target files go to `work`."""
    from dbt.cli.main import dbtRunner

    places = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--target-path", str(work / "target")]
    quiet = [
        "--log-path",
        str(work / "logs"),
        "--log-level",
        "none",
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--no-write-json",  # nothing reads these files, and writing them takes longer than building a small model
    ]
    return dbtRunner(manifest).invoke([*words, *places, *quiet])


def _parsed(folder: Path, state: str) -> "Manifest":
    with _PARSING:
        return _manifest(folder, state)


@cache
def _manifest(folder: Path, state: str) -> "Manifest":  # noqa: ARG001  # what dbt parses is in `state`
    """Parse the project with dbt, once in a process for each state of its files."""
    with TemporaryDirectory() as work:
        result = _invoke(folder, Path(work), ["parse", "--no-partial-parse"])
    if not result.success:
        raise DeclarationError(
            f"dbt cannot parse the project: {result.exception}",
            where=str(folder),
            fix="Correct the named file; `dbt parse` in that folder reports the same error.",
        )
    parsed: Any = result.result  # for `parse`, the manifest
    return parsed


def _stored(manifest: "Manifest") -> dict[str, Any]:
    """Dbt's manifest.json without the hundreds of macros of dbt itself."""
    whole: dict[str, Any] = manifest.writable_manifest().to_dict(omit_none=False)
    own = {node["package_name"] for node in whole["nodes"].values()}
    macros = {key: one for key, one in whole["macros"].items() if one["package_name"] in own}
    return {**whole, "macros": macros, "docs": {}, "disabled": {}}


def _state(folder: Path) -> str:
    """A hash of all of the project's files and of dbt's version."""
    digest = hashlib.sha256(f"{_LAYOUT} {version('dbt-core')}".encode())
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix in {".sql", ".yml", ".yaml"} and inside.parts[0] not in {"target", "logs"}:
            digest.update(str(inside).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def table_of(node: Mapping[str, Any]) -> str:
    """The table of a dbt model or source: its Iceberg identifier."""
    return f"{node['schema']}.{node.get('alias') or node['name']}"


def _models(manifest: Mapping[str, Any]) -> tuple[TransformModel, ...]:
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    names = {key: table_of(node) for key, node in {**manifest["sources"], **nodes}.items()}
    tests: dict[str, list[ModelTest]] = {}
    for key, node in manifest["nodes"].items():
        if node["resource_type"] == "test":
            blocking = node["config"]["severity"].lower() == "error"
            test = ModelTest(key, node["name"], node["description"] or _describe(node), blocking)
            tests.setdefault(_tested(node, nodes), []).append(test)
    models = [
        TransformModel(
            unique_id=key,
            table=names[key],
            inputs=tuple(names[one] for one in node["depends_on"]["nodes"] if one in names),
            sql=node["raw_code"],
            macros=tuple(
                manifest["macros"][one]["macro_sql"]
                for one in sorted(node["depends_on"]["macros"])
                if one in manifest["macros"] and manifest["macros"][one]["package_name"] == node["package_name"]
            ),
            description=node["description"].strip(),
            owner=node["config"]["meta"].get("owner", ""),
            columns={name: column["description"] for name, column in node["columns"].items()},
            column_types={name: column["data_type"] or "" for name, column in node["columns"].items()},
            day_column=node["config"]["meta"].get("event_time"),
            reach=int(node["config"]["meta"].get("reach_days", 0)),
            tests=tuple(sorted(tests.get(key, []), key=lambda test: test.name)),
            units={
                name: str(column["config"]["meta"]["unit"])
                for name, column in node["columns"].items()
                if "unit" in column.get("config", {}).get("meta", {})
            },
        )
        for key, node in nodes.items()
    ]
    return _inputs_first(models)


def _tested(test: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """The model that a test belongs to: that of its yml, or, of a test in SQL, the one named in `meta.dagster.ref`
    (as in dagster-dbt), else the first that it reads.
    """
    meta = test["config"].get("meta") or {}
    wanted = meta.get("dagster", {}).get("ref", {}).get("name")
    named = [key for key in test["depends_on"]["nodes"] if wanted and key in models and models[key]["name"] == wanted]
    return next(iter([*named, *filter(None, [test.get("attached_node")]), *test["depends_on"]["nodes"]]), "")


def _describe(test: Mapping[str, Any]) -> str:
    """A sentence for a test whose yml has no description."""
    column = test.get("column_name") or ""
    kind = (test.get("test_metadata") or {}).get("name", test["name"])
    words = {"unique": "is unique", "not_null": "is not null", "accepted_values": "has an accepted value"}
    return f"{column} {words.get(kind, kind)}.".strip()


def _inputs_first(models: Sequence[TransformModel]) -> tuple[TransformModel, ...]:
    from graphlib import TopologicalSorter

    by_table = {model.table: model for model in models}
    graph = {model.table: [name for name in model.inputs if name in by_table] for model in models}
    return tuple(by_table[table] for table in TopologicalSorter(graph).static_order())
