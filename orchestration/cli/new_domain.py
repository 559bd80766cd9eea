"""`slipway new-domain`: the files of a new domain, and a small delivery to start with.

What belongs here: checking the name, writing all or nothing, telling what to do next. Not: what the files say
(templates/) and the delivery's rows (sample_events.py).
"""

import ast
import keyword
import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.catalog.home import at_work
from lakehouse.errors import DeclarationError, SlipwayError
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, print_json

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse

EXAMPLES = """\
[bold]Examples[/bold]

slipway new-domain orders           writes assets/orders/, a test of it and a small sample delivery

slipway new-domain orders --with-labels     labels are delivered later, by a separate source

slipway materialize group:orders    runs all of it: source, features, training set, model, predictions
"""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TEMPLATES = Path(__file__).parent / "templates"
_PLACEHOLDER = "DOMAIN"
_TEST = "test_domain.py"
_SCHEMAS = {"main", "temp", "system", "memory", "information_schema", "pg_catalog"}
"""Schemas that DuckDB has of its own."""


def command(
    name: Annotated[str, typer.Argument(help="The domain's name: lower-case letters, digits, underscores.")],
    *,
    with_labels: Annotated[
        bool, typer.Option("--with-labels", help="Labels are delivered later, by a separate source.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a domain with a sample delivery and a test, ready to run."""
    lake = lakehouse_at(home)
    assets = _assets_folder(lake)
    with at_work(lake.home, f"slipway new-domain {name}"):
        _check_name(lake, assets, name)
        files, deliveries = _write(lake, assets, name, with_labels=with_labels)
    if as_json:
        listed = {"files": [str(file) for file in files], "deliveries": {str(f): n for f, n in deliveries.items()}}
        print_json({"domain": name, **listed, "next": f"slipway materialize group:{name}"})
        return
    test = [f"{file.relative_to(assets.parent)} tests it." for file in files if file.parent.name == "tests"]
    text = [
        f"The domain is in assets/{name}/ ({len(files) - len(test)} files).",
        *test,
        *(f"{file} is a sample delivery of {rows} rows." for file, rows in deliveries.items()),
        "",
        "Next:",
        f"  slipway materialize group:{name}     run all of it",
        f'  slipway query "from {name}.predictions order by score desc limit 10"',
        "  slipway up     open the Dagster UI",
        "",
        f"Then adapt it: declare your columns in assets/{name}/contracts.py, replace the sample delivery, and change",
        "features, training set and model. Mistakes are reported when the files are loaded.",
    ]
    console.print("\n".join(text), markup=False, highlight=False, soft_wrap=True)


def _assets_folder(lake: "Lakehouse") -> Path:
    """The project's folder of domains. Raises ProjectError outside of a project."""
    from lakehouse.loading import domain_names

    domain_names()
    return lake.settings.project / "assets"


def _check_name(lake: "Lakehouse", assets: Path, name: str) -> None:
    """Raise DeclarationError for an invalid name, with the nearest valid one."""
    if not _NAME.fullmatch(name):
        what, fix = "is not a valid domain name", "Use lower-case letters, digits and single underscores."
    elif reserved := _reserved(name):
        what, fix = f"is a reserved word of {reserved}", "Choose another name."
    elif taken := _taken(lake, assets, name):
        what, fix = f"is taken: {taken}", "Choose another name, or remove the existing one."
    else:
        return
    raise DeclarationError(f"{name!r} {what}.", where="slipway new-domain", nearest=_free(lake, assets, name), fix=fix)


def _reserved(name: str) -> str | None:
    """The language in which `name` is reserved, or None: modules, tables, groups and jobs get this name."""
    import duckdb
    from dagster import DagsterInvalidDefinitionError, GraphDefinition

    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "Python"
    words = "select 1 from duckdb_keywords() where keyword_name = ? and keyword_category <> 'unreserved'"
    with duckdb.connect() as connection:
        if name in _SCHEMAS or connection.execute(words, [name]).fetchone():
            return "SQL"
    try:
        GraphDefinition(name=name)
    except DagsterInvalidDefinitionError:
        return "Dagster"
    return None


def _taken(lake: "Lakehouse", assets: Path, name: str) -> str | None:
    """Where the name is in use already, or None."""
    for place in (assets / name, assets / f"{name}.py"):
        if place.exists():
            return f"{place} exists"
    if any(table.startswith(f"{name}.") for table in lake.names()):
        return f"the home has tables {name}.*"
    drop = lake.home.drop_folder(f"{name}.events").parent
    return f"{drop} holds deliveries" if drop.exists() and any(drop.iterdir()) else None


def _free(lake: "Lakehouse", assets: Path, name: str) -> str:
    """The nearest name that can be used."""
    plain = re.sub(r"^[0-9_]+", "", re.sub(r"[^a-z0-9]+", "_", name.lower())).strip("_") or "orders"
    if _reserved(plain):
        plain += "es" if plain.endswith(("s", "x", "ch", "sh")) else "s"
    number, free = 1, plain
    while _reserved(free) or _taken(lake, assets, free):
        number += 1
        free = f"{plain}_{number}"
    return free


def _write(
    lake: "Lakehouse", assets: Path, name: str, *, with_labels: bool = False
) -> tuple[list[Path], dict[Path, int]]:
    """Write the domain, its test, sample deliveries, and its line in DOMAINS, the line last; or, when one fails, none.

    Returns the files, and the rows of each delivery.
    """
    from orchestration.cli.sample_events import sample_deliveries, write_sample

    beside, folder = assets / f".{name}.{uuid.uuid4().hex[:8]}", assets / name
    test, drop = assets.parent / "tests" / f"test_{name}.py", lake.home.drop_folder(f"{name}.events").parent
    ours = [beside]
    try:
        registered = _with_domain(assets / "__init__.py", name)
        texts = _texts(name, with_labels=with_labels)
        tested = texts.pop(_TEST)
        beside.mkdir()
        for file, text in texts.items():
            (beside / file).write_text(text)
        ours.append(drop)
        deliveries = {}
        for source, rows in sample_deliveries(name, with_labels=with_labels).items():
            deliveries[write_sample(lake.home.drop_folder(source), rows)] = rows.height
        beside.rename(folder)
        ours.append(folder)
        tests = [] if test.exists() or not test.parent.is_dir() else [test]  # a test of that name stays as it is
        ours += tests
        for path in tests:
            path.write_text(tested)
        _replace_text(assets / "__init__.py", registered)
    except BaseException as error:
        for path in ours:
            path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise SlipwayError(
            f"The domain could not be written: {error.strerror or error}. No files were left behind.",
            where=str(error.filename or assets),
            fix="Make the project's folder writable, or create another project: `slipway init my_project`.",
        ) from error
    return [*sorted(folder.glob("*.py")), *tests], deliveries


def _texts(name: str, *, with_labels: bool) -> dict[str, str]:
    """The content of the domain's files, by their names."""
    templates = {path.stem: path for path in _TEMPLATES.glob("*.txt")}
    if with_labels:
        templates |= {path.stem: path for path in (_TEMPLATES / "with_labels").glob("*.txt")}
    return {file: path.read_text().replace(_PLACEHOLDER, name) for file, path in sorted(templates.items())}


def _with_domain(module: Path, name: str) -> str:
    """The text of assets/__init__.py with `name` added to the tuple DOMAINS."""
    text = module.read_bytes()
    for statement in ast.parse(text).body:
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and statement.targets[0].id == "DOMAINS"
            and isinstance(statement.value, ast.Tuple)
        ):
            (*_, last) = statement.value.elts or [statement.value]
            begin, end = (
                sum(map(len, text.splitlines(keepends=True)[: (row or 0) - 1])) + (column or 0)  # both count bytes
                for row, column in ((last.lineno, last.col_offset), (last.end_lineno, last.end_col_offset))
            )
            added = f',\n    "{name}"' if statement.value.elts else f'("{name}",)'
            return (text[: end if statement.value.elts else begin] + added.encode() + text[end:]).decode()
    raise DeclarationError(
        "There is no tuple DOMAINS to add the domain to.",
        where=str(module),
        nearest=f'DOMAINS = ("{name}",)',
        fix="Restore the tuple.",
    )


def _replace_text(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        beside.write_text(text)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
