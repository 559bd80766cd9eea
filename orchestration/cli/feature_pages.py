"""The feature catalog in the terminal: feature sets, features and what a search found, for people and as JSON.

What belongs here: how they are shown. Not: the command (features.py), and the site
(lakehouse/reports/feature_catalog/site.py).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestration.cli.output import console, notes, print_facts, print_table

if TYPE_CHECKING:
    from lakehouse.feature_tables.equal_values import Equal
    from lakehouse.reports.feature_catalog.details import Detail, FeatureDetail
    from lakehouse.reports.feature_catalog.distribution import Distribution
    from lakehouse.reports.feature_catalog.entries import Entry, Found

_STEPS = " ▁▂▃▄▅▆▇█"


def show_all(found: Sequence["Entry"]) -> None:
    """Feature sets, one below the other, and what is to be mended."""
    print_table(
        "Feature sets",
        ["feature set", "entity", "newest day", "used by"],
        [
            [
                f"{one.name}{_deprecated(one)}\n{one.feature_set.description}",
                f"{one.feature_set.entity}\n{len(one.feature_set.columns)} columns\n{_delay(one)}",
                f"{one.freshness.newest_day or 'none yet'}\n{_minute(one)}",
                "\n".join([*one.training_sets, *(user.model for user in one.users)]),
            ]
            for one in found
        ],
    )
    for one in found:
        if one.freshness.because:
            _print(f"{one.name} is stale: {one.freshness.because}")
        for warning in one.warnings:
            notes.print(f"Warning: {warning}", markup=False, highlight=False)


def show_found(found: Sequence["Found"], *, number: int) -> None:
    """The features that a search found, of a number of them."""
    if not found:
        notes.print(f"No match among {number} features. `slipway features` lists all sets.", markup=False)
        return
    print_table(
        f"{len(found)} of {number} features",
        ["feature", "meaning", "entity", "owner"],
        [
            [
                f"{one.name}{_deprecated(one.entry)}",
                one.feature.description,
                str(one.entry.feature_set.entity),
                one.entry.feature_set.owner,
            ]
            for one in found
        ],
    )


def show_set(entry: "Entry") -> None:
    """One feature set."""
    one, fresh = entry.feature_set, entry.freshness
    console.print(f"[bold]{one.name}[/bold] (owned by {one.owner})", highlight=False)
    _print(one.description)
    print_facts(
        {
            "deprecated": f"use {one.deprecated}" if one.deprecated else None,
            "entity": str(one.entity),
            "inputs": f"{', '.join(one.inputs()[1:]) or one.source}, for each row of {one.spine} ({one.row_key})",
            "windows": ", ".join(_windows(entry)) or "none: computed from each row's own time",
            "delay": one.delay,
            "newest day": fresh.newest_day,
            "published": _minute(entry),
            "snapshot": str(fresh.published.snapshot_id) if fresh.published else None,
            "rows": fresh.published.rows if fresh.published else None,
            "staleness": f"stale: {fresh.because}" if fresh.because else "up to date",
            "examples": f"{len(one.examples)}, run as tests" if one.examples else None,
        }
    )
    print_table(
        "Columns",
        ["column", "type", "meaning"],
        [[feature.column, entry.types.get(feature.column), feature.description] for feature in one.described()],
    )
    rows = [
        [user.training_set, user.model, user.champion or "none yet", f"{len(user.columns)} of {len(one.columns)}"]
        for user in entry.users
    ]
    without = set(entry.training_sets) - {user.training_set for user in entry.users}
    rows += [[training_set, "", "", ""] for training_set in sorted(without)]
    print_table("Users", ["training set", "model", "champion", "columns used"], rows)
    for warning in entry.warnings:
        notes.print(f"Warning: {warning}", markup=False, highlight=False)


def show_feature(page: "Detail", feature: "FeatureDetail") -> None:
    """One feature."""
    from lakehouse.reports.feature_catalog import wording

    entry, one, found = page.entry, page.entry.feature_set, feature.distribution
    console.print(f"[bold]{feature.name}[/bold] (owned by {one.owner})", highlight=False)
    _print(f"{feature.description[:1].upper()}{feature.description[1:]}.")
    print_facts(
        {
            "deprecated": f"use {one.deprecated}" if one.deprecated else None,
            "formula": feature.formula,
            "entity": str(one.entity),
            "type": feature.type,
            "unit": feature.unit,
            "newest day": entry.freshness.newest_day,
            "staleness": f"stale: {entry.freshness.because}" if entry.freshness.because else "up to date",
            "since": _since(feature),
            "distribution": _in_a_line(found) if found else None,
            "nulls": f"{found.null_share:.1%} of {found.rows:,} rows" if found else None,
            "inputs": ", ".join(map(".".join, feature.reads)),
            "delivered as": ", ".join(map(".".join, feature.delivered)),
            "used by": ", ".join(feature.used_by) or "nothing yet",
            "checked by": ", ".join(check.name for check in page.checks if check.table == one.name),
        }
    )
    # Not truncated, so that it can be copied.
    _print(f"\n{wording.on_the_command_line([feature.name])}\n{wording.in_python([feature.name])}", whole=True)


def show_equal(found: Sequence["Equal"]) -> None:
    """Features that are equal on the data."""
    for one in found:
        _print(f"Equal in all of {one.rows:,} rows: {', '.join(one.features)}")


def set_json(entry: "Entry") -> dict[str, Any]:
    """A feature set as JSON."""
    one = entry.feature_set
    return {
        "name": one.name,
        "owner": one.owner,
        "description": one.description,
        "deprecated": one.deprecated or None,
        "warnings": entry.warnings,
        "entity": str(one.entity),
        "source": one.source,
        "spine": one.spine,
        "row_key": one.row_key,
        "event_time": one.event_time,
        "delay": one.delay,
        "windows": _windows(entry),
        "columns": [
            {"name": feature.column, "type": entry.types.get(feature.column), "meaning": feature.description}
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
        "freshness": _freshness_json(entry),
    }


def found_json(found: "Found") -> dict[str, Any]:
    """A feature that a search found as JSON."""
    one = found.entry.feature_set
    return {
        "name": found.name,
        "meaning": found.feature.description,
        "entity": list(one.entity.keys),
        "source": one.source,
        "owner": one.owner,
        "deprecated": one.deprecated or None,
    }


def feature_json(page: "Detail", feature: "FeatureDetail") -> dict[str, Any]:
    """One feature as JSON."""
    one, found = page.entry.feature_set, feature.distribution
    return {
        "name": feature.name,
        "meaning": feature.description,
        "formula": feature.formula,
        "type": feature.type,
        "unit": feature.unit,
        "entity": list(one.entity.keys),
        "owner": one.owner,
        "deprecated": one.deprecated or None,
        "since": feature.since.day.isoformat() if feature.since else None,
        "inputs": [".".join(column) for column in feature.reads],
        "delivered_as": [".".join(column) for column in feature.delivered],
        "used_by": list(feature.used_by),
        "checks": [check.name for check in page.checks],
        "distribution": _distribution_json(found) if found else None,
        "freshness": _freshness_json(page.entry),
    }


def _distribution_json(found: "Distribution") -> dict[str, Any]:
    return {
        "rows": found.rows,
        "null_share": found.null_share,
        "least": found.least,
        "most": found.most,
        "mean": found.mean,
        "zeros": found.zeros,
        "bars_without_zeros": found.without_zeros,
        "quantiles": {str(share): value for share, value in (found.quantiles or {}).items()},
        "bars": [
            {"value": bar.label, "rows": bar.rows}
            if bar.label
            else {"low": bar.low, "high": bar.high, "rows": bar.rows}
            for bar in found.bars
        ],
    }


def _freshness_json(entry: "Entry") -> dict[str, Any]:
    fresh = entry.freshness
    return {
        "newest_day": str(fresh.newest_day) if fresh.newest_day else None,
        "published_at": fresh.published.at.isoformat() if fresh.published else None,
        "snapshot_id": str(fresh.published.snapshot_id) if fresh.published else None,
        "rows": fresh.published.rows if fresh.published else 0,
        "stale": fresh.because is not None,
        "because": fresh.because,
    }


def _in_a_line(found: "Distribution") -> str:
    """A histogram that fits into a line; of what is no number the most frequent values."""
    from lakehouse.reports.feature_catalog.drawing import ends, number

    if found.least is None or not found.quantiles:
        return ", ".join(f"{bar.label} ({bar.rows:,})" for bar in found.bars)
    most = max(bar.rows for bar in found.bars)
    drawn = "".join(_STEPS[-(-bar.rows * (len(_STEPS) - 1) // most)] for bar in found.bars)
    low, high = ends(found)
    middle = f"median {number(found.quantiles[0.5])}, mean {number(found.mean)}"
    zeros = f", {found.zeros / found.rows:.1%} zero, not drawn" if found.without_zeros else ""
    return f"{low} {drawn} {high}  ({middle}{zeros})"


def _since(feature: "FeatureDetail") -> str | None:
    if feature.since is None:
        return None
    return f"{'before ' if feature.since.at_least else ''}{feature.since.day:%Y-%m-%d}"


def _windows(entry: "Entry") -> list[str]:
    return list(dict.fromkeys(window for one in entry.feature_set.aggregates for window in one.windows))


def _delay(entry: "Entry") -> str:
    return "no delay" if entry.feature_set.delay == "0d" else f"delay {entry.feature_set.delay}"


def _deprecated(entry: "Entry") -> str:
    return f"\ndeprecated: use {entry.feature_set.deprecated}" if entry.feature_set.deprecated else ""


def _minute(entry: "Entry") -> str:
    made = entry.freshness.published
    return made.at.strftime("%Y-%m-%d %H:%M UTC") if made else ""


def _print(text: str, *, whole: bool = False) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=whole)
