"""`slipway contract`: suggest, show, compare, export and import contracts.

What belongs here: the commands and how they show what they find. Not: contracts (lakehouse/contracts).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.errors import SlipwayError
from orchestration.cli import contract_audit
from orchestration.cli.contract_lookup import contract_in, contract_named, declared_contract
from orchestration.cli.output import (
    HomeOption,
    JsonOption,
    console,
    lakehouse_at,
    leave,
    print_facts,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse

app = typer.Typer(
    help="Suggest, show, compare, export and import data contracts.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def _examples(*lines: str) -> str:
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(lines)


app.command("audit", epilog=contract_audit.EXAMPLES)(contract_audit.command)

FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="Write to this file.", show_default=False)]


@app.command(
    "suggest",
    epilog=_examples(
        "slipway contract suggest fraud.transactions",
        "slipway contract suggest fraud.transactions --file draft.py     write the draft to a file",
    ),
)
def suggest_command(
    table: Annotated[str, typer.Argument(help="A published table.")],
    *,
    at: Annotated[str | None, typer.Option(help="Snapshot id, tag or branch (default: published).")] = None,
    file: FileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draft a contract from published data."""
    from lakehouse.contracts.as_json import as_object
    from lakehouse.contracts.suggest import suggest
    from orchestration.sources_by_name import sources

    declared = {source.name: source.contract for source in sources()}
    draft = suggest(lakehouse_at(home, must_be=True), table, at=at, declared=declared.get(table))
    content = {"contract": as_object(draft.contract), "seen": draft.comments, "source": draft.source}
    done = f"The draft is in {file}: describe each column, and remove rules that hold only by chance."
    _put(draft.source, file, done, content if as_json else None)


@app.command(
    "show",
    epilog=_examples(
        "slipway contract show fraud.transactions     its rules, its versions, its last audit",
        "slipway contract show fraud.transactions --html contract.html     the same with plots, in one file",
        "slipway contract show fraud.transactions --json",
    ),
)
def show_command(
    table: Annotated[str, typer.Argument(help="A source's table.")],
    *,
    html: Annotated[
        Path | None,
        typer.Option(help="Write an HTML page to this file; an existing file is replaced.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a contract, its versions and its last audit."""
    from lakehouse.contracts.as_json import as_object
    from lakehouse.contracts.versions import versions_of

    lake = lakehouse_at(home)
    contract = declared_contract(table)
    if html is not None:
        _write_page(lake, table, html)
        if not as_json:
            console.print(f"The contract of {table} is in {html}: open it in a browser.", markup=False, highlight=False)
            return
    kept, audits = versions_of(lake, table), _last_audits(lake, table)
    if as_json:
        checks = {
            name: {"description": description, "action": contract.action(name)}
            for name, (description, _) in contract.checks().items()
        }
        versions = [{"version": one.contract.version, "at": one.at, "changes": one.changes} for one in kept]
        print_json({"contract": as_object(contract), "checks": checks, "versions": versions, "audits": audits})
        return
    console.print(f"[bold]{table}[/bold], contract {contract.version}, owned by {contract.owner}", highlight=False)
    print_table(
        "Columns",
        ["column", "type", "description"],
        [[one.name, one.type + (" or null" if one.nullable else ""), one.description] for one in contract.columns],
    )
    results = {one["rule"]: one for one in audits}
    print_table(
        "Checks",
        ["check", "action", "description", "last audit"],
        [
            [name, contract.action(name), description, result_of(results.get(name))]
            for name, (description, _) in contract.checks().items()
        ],
        unbroken=["check"],
    )
    print_facts(
        {"last audit": f"{audits[0]['at']:%Y-%m-%d %H:%M} UTC, {audits[0]['delivery']}" if audits else "none yet"}
    )
    if kept:
        print_table(
            "Versions",
            ["version", "first used", "what changed"],
            [[one.contract.version, f"{one.at:%Y-%m-%d %H:%M}", "\n".join(one.changes)] for one in kept],
        )


@app.command(
    "export",
    epilog=_examples(
        "slipway contract export fraud.transactions",
        "slipway contract export fraud.transactions --file transactions.odcs.yaml",
    ),
)
def export_command(
    table: Annotated[str, typer.Argument(help="A source's table, or TABLE@VERSION for a stored version.")],
    *,
    file: FileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a contract as YAML of the Open Data Contract Standard (ODCS v3)."""
    from lakehouse.contracts.odcs import to_odcs

    text = to_odcs(contract_named(lakehouse_at(home), table))
    content = {"table": table, "file": str(file) if file else None, "odcs": text}
    _put(text, file, f"The contract of {table} is in {file}.", content if as_json else None)


@app.command(
    "import",
    epilog=_examples(
        "slipway contract import transactions.odcs.yaml     Python code for a domain's contracts.py",
        "slipway contract import transactions.odcs.yaml --file contracts.py",
    ),
)
def import_command(
    source: Annotated[
        Path,
        typer.Argument(help="An ODCS file (YAML), or the output of `slipway contract show --json`."),
    ],
    *,
    file: FileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a contract file to Python code for a domain's contracts.py."""
    from lakehouse.contracts.as_json import as_object
    from lakehouse.contracts.as_python import to_python

    lakehouse_at(home)
    contract = contract_in(source)
    text = to_python(contract, f"Contract of {contract.table}, imported from {source.name}.")
    content = {"contract": as_object(contract), "file": str(file) if file else None, "source": text}
    _put(text, file, f"The declaration of the contract of {contract.table} is in {file}.", content if as_json else None)


@app.command(
    "diff",
    epilog=_examples(
        "slipway contract diff transactions.odcs.yaml fraud.transactions     a received file and the declaration",
        "slipway contract diff transactions.odcs.yaml fraud.transactions --json",
    ),
)
def diff_command(
    old: Annotated[
        str,
        typer.Argument(help="Old contract: TABLE (declared), TABLE@VERSION (stored) or a file (ODCS YAML or JSON)."),
    ],
    new: Annotated[str, typer.Argument(help="New contract, in the same notation.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two contracts.

    Exit code 1 if a breaking change has no new major version.
    """
    from lakehouse.contracts.versions import diff, major

    lake = lakehouse_at(home)
    before, after = contract_named(lake, old), contract_named(lake, new)
    changes = diff(before, after)
    breaking = any(one.breaking for one in changes)
    hit = _models_on(after.table) if breaking else []
    needs_major = breaking and major(after.version) <= major(before.version)
    if as_json:
        listed = [{"description": one.description, "breaking": one.breaking, "columns": one.columns} for one in changes]
        print_json({"changes": listed, "breaking": breaking, "models": hit, "needs_new_major_version": needs_major})
    elif not changes:
        console.print("No changes.")
    else:
        words = [["breaking" if one.breaking else "compatible", one.description] for one in changes]
        print_table(f"{before.table} {before.version} -> {after.version}", ["", "change"], words)
        if hit:
            console.print(f"Affected models: {', '.join(hit)}.", markup=False, highlight=False)
        if needs_major:
            needed = f"{major(before.version) + 1}.0.0"
            console.print(f"A new major version is needed: {needed}.", markup=False, highlight=False)
    if needs_major:
        leave(1)


def _write_page(lake: "Lakehouse", table: str, file: Path) -> None:
    from lakehouse.reports.contract.page import write_page
    from orchestration.sources_by_name import source_named

    if file.is_dir():
        raise SlipwayError("The output path is a folder.", where=str(file), nearest=str(file / f"{table}.html"))
    write_page(lake, source_named(table), file)


def _models_on(table: str) -> list[str]:
    """Models of the domain that the table belongs to."""
    from lakehouse.loading import load_domains

    return [
        model.name
        for domain in load_domains()
        if any(source.name == table for source in domain.sources)
        for model in domain.models
    ]


def _last_audits(lake: "Lakehouse", table: str) -> list[dict[str, Any]]:
    """Check results of the newest audited delivery."""
    from lakehouse.contracts.audit_log import audits_of

    found = audits_of(lake, table).to_pylist()
    return [one for one in found if (one["at"], one["delivery"]) == (found[-1]["at"], found[-1]["delivery"])]


def result_of(audit: dict[str, Any] | None) -> str:
    """Short text of the last check result."""
    if audit is None:
        return ""
    if audit["passed"]:
        return "passed"
    if audit["failed_rows"]:
        return f"failed by {audit['failed_rows']:,} of {audit['rows']:,} rows"
    # A check of the whole delivery has no failed rows.
    return f"failed: {audit['message'].rpartition('Failed: ')[2]}"


def _put(text: str, file: Path | None, done: str, as_json: dict[str, Any] | None) -> None:
    """Write the text to the file, where one is given; show `as_json`, or that it is done, or else the text."""
    if file is not None:
        if file.exists():
            raise SlipwayError(
                f"{file} exists and is not overwritten.",
                where="--file",
                nearest=f"{file.stem}_new{file.suffix}",
            )
        file.write_text(text, encoding="utf-8")
    if as_json is not None:
        print_json(as_json)
    elif file is not None:
        console.print(done, markup=False, highlight=False)
    else:
        console.print(text, markup=False, highlight=False, soft_wrap=True, end="")
