"""`slipway lateness`: measured data lateness beside the declared delay.

What belongs here: the command. Not: measuring (lakehouse/training/lateness.py).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, print_json, print_table

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.features.feature_set import FeatureSet
    from lakehouse.training.lateness import DataLateness

EXAMPLES = """\
[bold]Examples[/bold]

slipway lateness fraud.terminal_risk   one feature set

slipway lateness fraud.training        all feature sets of a training set

slipway lateness --json                all feature sets
"""


def command(
    name: Annotated[
        str | None,
        typer.Argument(help="A feature set or a training set (default: all built feature sets).", show_default=False),
    ] = None,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the data lateness of features: measured arrival delays, and values not available at serving time.

    Rows that are older than their table's first publication were loaded as history and are not measured.
    """
    lake = lakehouse_at(home)
    from lakehouse.training.lateness import measure_lateness

    found = [measure_lateness(lake, one) for one in _chosen(lake, name)]
    if as_json:
        print_json([_content(one) for one in found])
        return
    for one in found:
        _show(one)


def _chosen(lake: "Lakehouse", name: str | None) -> list["FeatureSet"]:
    from lakehouse.errors import unknown_name
    from lakehouse.loading import load_domains

    domains = load_domains()
    sets = {one.name: [one] for domain in domains for one in domain.feature_sets}
    training = {one.name: list(one.feature_sets) for domain in domains for one in domain.training_sets}
    known = {**sets, **training}
    if name is None:
        # Sets of a domain that is not built cannot be measured; named explicitly, they raise an error.
        declared = [one for of_name in sets.values() for one in of_name]
        return [one for one in declared if all(map(lake.has, [one.spine, *(events.table for events in one.events)]))]
    if name not in known:
        raise unknown_name("feature set or training set", name, known)
    return known[name]


def _show(one: "DataLateness") -> None:
    from lakehouse.training.lateness import spoken

    rows = [
        [lag.events.table, lag.declared, *map(spoken, (lag.p50, lag.p99, lag.longest)), lag.live, lag.history]
        for lag in one.events
    ]
    if not one.events:
        console.print(f"[bold]{one.feature_set.name}[/bold]", highlight=False)
        console.print(
            "All features are computed from the row's own time, so there is no arrival delay.", highlight=False
        )
        return
    print_table(
        one.feature_set.name,
        ["events of", "declared delay", "p50", "p99", "longest", "live rows", "history rows"],
        rows,
    )
    if one.share is None:
        message = "Nothing to measure: all spine rows are older than the first publication of their tables."
    else:
        message = (
            f"{one.share:.2%} of {one.values:,} training values ({one.late:,}) were not available at serving time."
        )
    console.print(message, highlight=False)


def _content(one: "DataLateness") -> dict[str, Any]:
    return {
        "feature_set": one.feature_set.name,
        "values": one.values,
        "values_too_late": one.late,
        "share_too_late": one.share,
        "events": [
            {
                "table": lag.events.table,
                "declared": lag.declared,
                "seconds": {"p50": lag.p50, "p99": lag.p99, "longest": lag.longest},
                "rows": lag.rows,
                "rows_live": lag.live,
                "rows_history": lag.history,
                "rows_too_late": lag.late,
            }
            for lag in one.events
        ],
    }
