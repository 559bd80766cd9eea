"""What the dbt project declares: models, their inputs, docs and tests, read from dbt's manifest.

What belongs here: parsing the project and reading what dbt says of it. Not: running models (build.py).
dbt parses the project once for each state of its files; what is needed of its manifest is kept in the home.
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
from lakehouse.errors import DeclarationError, SlipwayError
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_PARSING = Lock()
"""dbt runs once at a time in a process: lineage asks for the project in a thread of its own."""


@dataclass(frozen=True)
class ModelTest:
    """A dbt test: which model it guards and what it says. Warnings do not keep the model from being published."""

    unique_id: str
    name: str
    says: str
    blocking: bool


@dataclass(frozen=True)
class TransformModel:
    """A dbt model: its table's name, its inputs' names, what its yml says, and its tests.

    `day_column` (meta.event_time) promises that the rows of a day come from the inputs' rows of that day and of
    `reach` days before (meta.reach_days); a model without it is made anew whenever an input changed. `units` are those
    of columns that say it (a column's meta.unit).
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
        """A short hash of what decides the rows."""
        content = [self.sql, self.macros, self.day_column, self.reach, sorted(self.column_types.items())]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TransformProject:
    """The dbt project: its folder, where dbt may put its files, and its models so that inputs come first; `state`
    tells one state of its files from another.
    """

    folder: Path
    work: Path
    models: tuple[TransformModel, ...]
    state: str

    def model(self, table: str) -> TransformModel:
        """The model that makes `table`."""
        return next(model for model in self.models if model.table == table)


def load_project(settings: Settings, home: Home) -> TransformProject:
    """The dbt project of the settings. Raises DeclarationError when dbt cannot parse it."""
    folder = settings.project / "dbt_project"
    if not (folder / "dbt_project.yml").exists():
        raise SlipwayError(
            "There is no dbt project.",
            where=str(folder),
            fix="Run from a checkout, or name the project's folder with SLIPWAY_PROJECT.",
        )
    work = home.work / "dbt"
    state = _state(folder)
    manifest_file = work / f"manifest-{state}.json"
    if not manifest_file.exists():
        work.mkdir(parents=True, exist_ok=True)
        # In a folder of its own: another process may be writing it, too.
        with TemporaryDirectory(dir=work) as scratch:
            whole = Path(scratch, manifest_file.name)
            whole.write_text(json.dumps(_needed(_parsed(folder, state))))
            whole.replace(manifest_file)
    return TransformProject(folder, work, _models(json.loads(manifest_file.read_text())), state)


def run_dbt(project: TransformProject, words: Sequence[str]):  # noqa: ANN201  # dbt's result, dbt is heavy to import
    """Run a dbt command on the project in this process. It is parsed for it only once a process."""
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
        "--no-write-json",  # nobody reads them, and they take longer to write than a small model to build
    ]
    return dbtRunner(manifest).invoke([*words, *places, *quiet])


def _parsed(folder: Path, state: str) -> "Manifest":
    with _PARSING:
        return _manifest(folder, state)


@cache
def _manifest(folder: Path, state: str) -> "Manifest":  # noqa: ARG001  # what dbt parses is in `state`
    """What dbt makes of the project; a process asks it once for each state, for all of its homes."""
    with TemporaryDirectory() as work:
        result = _invoke(folder, Path(work), ["parse", "--no-partial-parse"])
    if not result.success:
        raise DeclarationError(
            f"dbt cannot read the project: {result.exception}",
            where=str(folder),
            fix="Mend the named file; `dbt parse` in that folder says the same.",
        )
    parsed: Any = result.result  # for `parse`, the manifest
    return parsed


def _needed(manifest: "Manifest") -> dict[str, Any]:
    """What `_models` reads, as dbt writes it: macros of dbt itself, of which there are hundreds, are left out."""
    own = {one.package_name for one in manifest.nodes.values()}
    return {
        "sources": {key: one.to_dict(omit_none=False) for key, one in manifest.sources.items()},
        "nodes": {key: one.to_dict(omit_none=False) for key, one in manifest.nodes.items()},
        "macros": {
            key: {"package_name": one.package_name, "macro_sql": one.macro_sql}
            for key, one in manifest.macros.items()
            if one.package_name in own
        },
    }


def _state(folder: Path) -> str:
    """A hash of all of the project's files and of dbt itself."""
    digest = hashlib.sha256(version("dbt-core").encode())
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix in {".sql", ".yml", ".yaml"} and inside.parts[0] not in {"target", "logs"}:
            digest.update(str(inside).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _models(manifest: Mapping) -> tuple[TransformModel, ...]:
    names = {key: f"{one['schema']}.{one['name']}" for key, one in manifest["sources"].items()}
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    names.update({key: f"{node['schema']}.{node['alias']}" for key, node in nodes.items()})
    tests: dict[str, list[ModelTest]] = {}
    for key, node in manifest["nodes"].items():
        if node["resource_type"] == "test":
            guarded = node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), "")
            says = node["description"] or _in_words(node)
            blocking = node["config"]["severity"].lower() == "error"
            tests.setdefault(guarded, []).append(ModelTest(key, _short_name(node), says, blocking))
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


def _short_name(node: Mapping) -> str:
    """`amount_not_null` rather than dbt's own name, which repeats the model's."""
    metadata = node.get("test_metadata")
    return f"{node['column_name']}_{metadata['name']}" if metadata and node.get("column_name") else node["name"]


def _in_words(node: Mapping) -> str:
    column = node.get("column_name") or ""
    kind = (node.get("test_metadata") or {}).get("name", node["name"])
    words = {"unique": "appears once", "not_null": "is given", "accepted_values": "has an accepted value"}
    return f"{column} {words.get(kind, kind)}.".strip()


def _inputs_first(models: Sequence[TransformModel]) -> tuple[TransformModel, ...]:
    from graphlib import TopologicalSorter

    by_table = {model.table: model for model in models}
    graph = {model.table: [name for name in model.inputs if name in by_table] for model in models}
    return tuple(by_table[table] for table in TopologicalSorter(graph).static_order())
