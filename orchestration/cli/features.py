"""`slipway features`: the feature catalog.

What belongs here: the command and how it shows entries. Not: what an entry is (lakehouse/feature_catalog.py).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, print_facts, print_json, print_table

if TYPE_CHECKING:
    from lakehouse.feature_catalog import Entry

EXAMPLES = """\
[bold]Examples[/bold]

slipway features                        every feature set, and how fresh it is

slipway features fraud.customer_spend   its columns, windows, users and freshness

slipway features fraud.terminal_risk --json
"""


def command(
    name: Annotated[
        str | None, typer.Argument(help="A feature set; without it all of them.", show_default=False)
    ] = None,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show feature sets: what they mean, who uses them, how fresh they are."""
    lake = lakehouse_at(home)
    from assets.loading import load_domains
    from lakehouse.feature_catalog import entries, find_entry
    from lakehouse.models.relocation import existing_registry

    domains = load_domains()
    if name is not None:
        entry = find_entry(lake, domains, existing_registry(lake.home), name)
        if as_json:
            print_json(_content(entry))
        else:
            _show(entry)
        return
    found = entries(lake, domains, None)
    if as_json:
        print_json({"feature_sets": [_content(entry) for entry in found]})
        return
    print_table(
        "Feature sets",
        ["feature set", "entity", "newest day", "used by"],
        [
            [
                f"{one.feature_set.name}\n{one.feature_set.description}",
                f"{one.feature_set.entity.key}\n{len(one.feature_set.columns)} columns\n{_delay(one)}",
                f"{one.freshness.newest_day or 'none yet'}\n{_minute(one)}",
                "\n".join([*one.training_sets, *(user.model for user in one.users)]),
            ]
            for one in found
        ],
    )
    for one in found:
        if one.freshness.because:
            console.print(
                f"{one.feature_set.name} is out of line: {one.freshness.because}", markup=False, highlight=False
            )


def _show(entry: "Entry") -> None:
    one, fresh = entry.feature_set, entry.freshness
    console.print(f"[bold]{one.name}[/bold] (owned by {one.owner})", highlight=False)
    console.print(one.description, markup=False, highlight=False)
    print_facts(
        {
            "entity": one.entity.key,
            "made from": f"events of {one.source}, for each row of {one.spine} ({one.row_key})",
            "windows": ", ".join(_windows(entry)) or "none: read off each row's own time",
            "delay": one.delay,
            "newest day": fresh.newest_day,
            "published": _minute(entry),
            "snapshot": str(fresh.published.snapshot_id) if fresh.published else None,
            "rows": fresh.published.rows if fresh.published else None,
            "standing": f"out of line: {fresh.because}" if fresh.because else "in line with its inputs",
        }
    )
    print_table(
        "Columns",
        ["column", "type", "meaning"],
        [[feature.column, entry.types.get(feature.column), feature.says] for feature in one.described()],
    )
    rows = [
        [user.training_set, user.model, user.champion or "none yet", f"{len(user.columns)} of {len(one.columns)}"]
        for user in entry.users
    ]
    without = set(entry.training_sets) - {user.training_set for user in entry.users}
    rows += [[training_set, "", "", ""] for training_set in sorted(without)]
    print_table("Users", ["training set", "model", "champion", "columns used"], rows)


def _content(entry: "Entry") -> dict[str, Any]:
    one, fresh = entry.feature_set, entry.freshness
    return {
        "name": one.name,
        "owner": one.owner,
        "description": one.description,
        "entity": one.entity.key,
        "source": one.source,
        "spine": one.spine,
        "row_key": one.row_key,
        "event_time": one.event_time,
        "delay": one.delay,
        "windows": _windows(entry),
        "columns": [
            {"name": feature.column, "type": entry.types.get(feature.column), "meaning": feature.says}
            for feature in one.described()
        ],
        "training_sets": list(entry.training_sets),
        "models": [
            {
                "name": user.model,
                "training_set": user.training_set,
                "columns": list(user.columns),
                "champion": user.champion,
            }
            for user in entry.users
        ],
        "freshness": {
            "newest_day": str(fresh.newest_day) if fresh.newest_day else None,
            "published_at": fresh.published.at.isoformat() if fresh.published else None,
            "snapshot_id": str(fresh.published.snapshot_id) if fresh.published else None,
            "rows": fresh.published.rows if fresh.published else 0,
            "out_of_line": fresh.because is not None,
            "because": fresh.because,
        },
    }


def _windows(entry: "Entry") -> list[str]:
    return list(dict.fromkeys(window for one in entry.feature_set.aggregates for window in one.windows))


def _delay(entry: "Entry") -> str:
    return "no delay" if entry.feature_set.delay == "0d" else f"delay {entry.feature_set.delay}"


def _minute(entry: "Entry") -> str:
    made = entry.freshness.published
    return made.at.strftime("%Y-%m-%d %H:%M UTC") if made else ""
