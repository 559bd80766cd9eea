"""`slipway tables`: list tables, and describe one.

What belongs here: the command and how it shows what it finds. Not: reading metadata (lakehouse/tables/describe.py).
"""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.catalog.home import at_work
from lakehouse.errors import SlipwayError
from orchestration.cli.output import (
    HomeOption,
    JsonOption,
    console,
    lakehouse_at,
    leave,
    lines,
    print_facts,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.kinds.asset import Staleness
    from lakehouse.tables.describe import Description, Overview, SnapshotInfo
    from lakehouse.tables.provenance import SnapshotProvenance

EXAMPLES = """\
[bold]Examples[/bold]

slipway tables                      every table with its owner and staleness

slipway tables fraud.training       its columns, snapshots, branches and the location of its files

slipway tables fraud.training --json

slipway tables fraud.daily_activity --drop     drop the table and its files; the next run rebuilds it
"""


def command(
    name: Annotated[str | None, typer.Argument(help="A table (default: all tables).", show_default=False)] = None,
    *,
    drop: Annotated[bool, typer.Option("--drop", help="Drop the table with all its snapshots and files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Drop without confirmation.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show tables: rows, snapshots, columns, branches, owners and staleness."""
    lake = lakehouse_at(home, must_be=name is not None)
    if drop:
        _drop(lake, name, yes=yes, as_json=as_json)
    elif name is None:
        _show_all(lake, as_json=as_json)
    else:
        _show_one(lake, name, as_json=as_json)


def _show_all(lake: "Lakehouse", *, as_json: bool) -> None:
    from lakehouse.tables.describe import overviews
    from lakehouse.tables.system_table import is_system_table

    found = sorted(overviews(lake), key=lambda one: is_system_table(one.name))  # the platform's own records come last
    kinds, staleness = _declared(lake, [one.name for one in found])
    rows = [_line(one, kinds, staleness) for one in found]
    if as_json:
        print_json({"tables": rows})
    elif not rows:
        console.print("There are no tables yet. [bold]slipway demo[/bold] creates some.")
    else:
        print_table(
            "Tables",
            ["table", "what it is", "what is published"],
            [
                [
                    f"{row['name']}\n{row['description']}",
                    lines(row["kind"], row["owner"], _staleness(row)),
                    lines(f"{row['rows']:,} rows", _minute(row["published_at"]), row["snapshot_id"]),
                ]
                for row in rows
            ],
        )
        for row in rows:
            if row["reason"]:
                console.print(f"{row['name']} is stale: {row['reason']}", markup=False, highlight=False)


def _show_one(lake: "Lakehouse", name: str, *, as_json: bool) -> None:
    from lakehouse.tables.describe import describe

    found = describe(lake, name)
    kinds, staleness = _declared(lake, [name])
    content = {**_line(found.overview, kinds, staleness), **_details(found)}
    if as_json:
        print_json(content)
        return
    made = found.overview.published
    console.print(f"[bold]{name}[/bold] ({content['kind']}, owned by {content['owner'] or 'nobody'})", highlight=False)
    console.print(content["description"], markup=False, highlight=False)
    print_facts(
        {
            "rows": content["rows"],
            "snapshot": content["snapshot_id"],
            "published": _minute(content["published_at"]),
            "staleness": f"stale: {content['reason']}" if content["reason"] else _staleness(content),
            "run": made.run_id if made else None,
            "code": made.code_version if made else None,
            "contract": made.contract if made else None,
            "partitioned by": ", ".join(content["partitioned_by"]),
            "location": content["location"],
        }
    )
    print_table(
        "Columns",
        ["column", "type", "meaning"],
        [[column["name"], column["type"], column["doc"]] for column in content["columns"]],
    )
    print_table(
        "Snapshots, newest first",
        ["snapshot", "made by", "input snapshots"],
        [
            [
                lines(
                    one["snapshot_id"],
                    _minute(one["at"]),
                    f"{one['operation']}, {one['rows']:,} rows",
                    "" if one["published"] else "not published",
                ),
                lines(
                    f"run {one['run_id'][:8]}" if one["run_id"] else "",
                    f"code {one['code_version']}" if one["code_version"] else "",
                    f"contract {one['contract_version']}" if one["contract_version"] else "",
                ),
                lines(*(f"{name}\n  {pin}" for name, pin in one["input_snapshots"].items())),
            ]
            for one in content["snapshots"]
        ],
    )
    print_table(
        "Branches and tags",
        ["name", "snapshot", "kept for inspection"],
        [
            [
                lines(one["name"], one["kind"]),
                lines(one["snapshot_id"], _minute(one["at"])),
                f"until {_minute(one['kept_until'])}" if one["awaits_inspection"] else "",
            ]
            for one in content["branches"] + content["tags"]
        ],
    )


def _drop(lake: "Lakehouse", name: str | None, *, yes: bool, as_json: bool) -> None:
    """Drop a table, and with a source its quarantine: landing takes the rows in both for landed."""
    from lakehouse.contracts.quarantine import quarantine_name
    from lakehouse.tables.describe import drop

    if name is None:
        raise SlipwayError("--drop needs a table name.", where="slipway tables", nearest="slipway tables NAME --drop")
    lake.table(name)
    going = [one for one in (name, quarantine_name(name)) if lake.has(one)]
    if not yes and (as_json or not sys.stdin.isatty()):
        raise SlipwayError(
            f"Dropping {' and '.join(going)} cannot be undone, and the terminal is not interactive.",
            where="slipway tables --drop",
            nearest="--yes",
            fix="Add --yes to drop without confirmation.",
        )
    if not yes and not typer.confirm(f"Drop {' and '.join(going)} with all snapshots and files?"):
        console.print("Nothing was dropped.")
        leave(1)
    with at_work(lake.home, f"slipway tables {name} --drop"):
        for one in going:
            drop(lake, one)
    if as_json:
        print_json({"dropped": going})
    else:
        console.print(f"Dropped {' and '.join(going)}. [bold]slipway materialize {name}[/bold] rebuilds it.")


def _declared(lake: "Lakehouse", names: list[str]) -> tuple[dict[str, str], dict[str, "Staleness"]]:
    """The kind of each declared table, and its staleness where it is known.

    Only domains that have one of `names` are asked.
    """
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.loading import load_domains
    from lakehouse.transforms.project import load_project

    used = {name.split(".")[0] for name in names}
    if not used & {domain.name for domain in load_domains()}:
        return {}, {}
    graph = AssetGraph(load_domains(), load_project(lake.settings, lake.home), lake.settings.engine)
    return {asset.name: asset.kind.name for asset in graph}, graph.staleness(lake, domains=used)


def _line(one: "Overview", kinds: dict[str, str], staleness: dict[str, "Staleness"]) -> dict[str, Any]:
    """A table for JSON. `stale` is null where the table has no inputs, or a model is one (`slipway models`)."""
    from lakehouse.tables.system_table import is_system_table

    made, known = one.published, staleness.get(one.name)
    return {
        "name": one.name,
        "kind": "system table" if is_system_table(one.name) else kinds.get(one.name, "not declared"),
        "rows": made.rows if made else 0,
        "snapshot_id": str(made.snapshot_id) if made else None,
        "published_at": made.at.isoformat() if made else None,
        "owner": one.owner,
        "description": one.description,
        "stale": known.stale if known else None,
        "reason": known.reason or None if known else None,
    }


def _details(found: "Description") -> dict[str, Any]:
    made = found.overview.published
    references = [
        {
            **asdict(one),
            "snapshot_id": str(one.snapshot_id),
            "at": one.at.isoformat(),
            "kept_until": one.kept_until.isoformat() if one.kept_until else None,
        }
        for one in found.references
    ]
    return {
        "location": found.location,
        "partitioned_by": list(found.partitioned_by),
        "made_by": _made(made) if made else None,
        "columns": [asdict(column) for column in found.columns],
        "snapshots": [_snapshot(one) for one in found.snapshots],
        "branches": [one for one in references if one["kind"] == "branch"],
        "tags": [one for one in references if one["kind"] == "tag"],
    }


def _snapshot(one: "SnapshotInfo") -> dict[str, Any]:
    return {
        "snapshot_id": str(one.made.snapshot_id),
        "at": one.made.at.isoformat(),
        "operation": one.made.operation,
        "rows": one.made.rows,
        "published": one.published,
        **_made(one.made),
    }


def _made(made: "SnapshotProvenance") -> dict[str, Any]:
    return {
        "run_id": made.run_id,
        "code_version": made.code_version,
        "contract_version": made.contract,
        "input_snapshots": {name: str(pin) for name, pin in made.input_snapshots.items()},
    }


def _staleness(row: dict[str, Any]) -> str:
    if row["stale"] is None:
        return ""
    return "stale" if row["stale"] else "up to date"


def _minute(at: str | None) -> str:
    return f"{at[:16].replace('T', ' ')} UTC" if at else ""
