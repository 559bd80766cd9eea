"""The deliveries section of a command's output: rejected, blocked, copied and discarded files, and rows in quarantine.

What belongs here: collecting and printing it. Not: commands, and decisions about deliveries (lakehouse/ingestion).
"""

from collections.abc import Collection, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from rich.text import Text

from lakehouse.errors import DeliveryError
from orchestration.cli.output import console

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.sources.source import Source


def deliveries_summary(
    lake: "Lakehouse", sources: "Sequence[Source]", runs: Collection[str], recomputed: Collection[str]
) -> dict[str, Any]:
    """Rejected, blocked and otherwise skipped deliveries of the sources, and their rows in quarantine.

    `runs` are the ids of the runs that a command started: deliveries that they evaluated are marked `evaluated_now`.
    Rows in quarantine are counted for the sources in `recomputed` only.
    """
    from lakehouse.contracts.quarantine import waiting_rows
    from lakehouse.ingestion.blocked import blocked_deliveries

    rejected, waiting, left_out, rows = [], [], [], {}
    for source in sources:
        for one in blocked_deliveries(lake, source.name):
            entry = {**one.as_dict(), "evaluated_now": one.run_id in runs, "message": one.status}
            (waiting if one.waits else rejected).append(entry)
        left_out += _left_out(lake, source)
        number = waiting_rows(lake, source.shape) if source.name in recomputed else 0
        if number:
            rows[source.name] = number
    return {"rejected": rejected, "waiting": waiting, "left_out": left_out, "rows_in_quarantine": rows}


def _left_out(lake: "Lakehouse", source: "Source") -> list[dict[str, Any]]:
    """Files in the drop folder that are not landed: copies of other files, and discarded deliveries."""
    from lakehouse.ingestion.ingestion_log import Status, known_deliveries
    from lakehouse.sources.deliveries import inspect

    lines = known_deliveries(lake, source.name).values()
    dropped = {one.fingerprint: one for one in lines if one.status is Status.DROPPED}
    copies = {one.key: one for one in lines if one.status is Status.COPY}
    if not dropped and not copies:
        return []
    try:
        there = inspect(lake.home, source)
    except DeliveryError:  # the drop folder is empty
        return []
    names = {one.fingerprint: one.name for one in there if (one.fingerprint, one.name) not in copies}
    skipped = []
    for one in there:
        if one.fingerprint in dropped:
            message = f"{one.name} was dropped and is not landed: {dropped[one.fingerprint].reason}"
            skipped.append({"source": source.name, "delivery": one.name, "status": "dropped", "message": message})
        elif (one.fingerprint, one.name) in copies and one.fingerprint in names:
            message = f"{one.name} is a copy of {names[one.fingerprint]}, and was not landed."
            skipped.append({"source": source.name, "delivery": one.name, "status": "copy", "message": message})
    return skipped


def statuses_of(lake: "Lakehouse", source: "Source", names: Sequence[str]) -> list[dict[str, Any]]:
    """Current status and reason of the named deliveries, from the ingestion log."""
    from lakehouse.ingestion.ingestion_log import Status, known_deliveries

    last = {line.delivery: line for line in known_deliveries(lake, source.name).values()}
    statuses = []
    for name in names:
        line = last[name]
        status = Status.REJECTED if line.status is Status.RETRY_REQUESTED else line.status
        statuses.append({"delivery": name, "status": str(status), "reason": line.reason})
    return statuses


def show_deliveries(summary: dict[str, Any], *, more: bool = True) -> None:
    """Print what `deliveries_summary` found. With `more`, also the commands that show details."""
    for name, number in summary["rows_in_quarantine"].items():
        _print(f"{number:,} rows are in quarantine: `slipway quarantine {name}` shows them.")
    for one in summary["left_out"]:
        _print(one["message"])
    for one in summary["rejected"]:
        _print("")
        show_rejected(one)
    for name in dict.fromkeys(one["source"] for one in summary["waiting"]):
        waiting = [one["delivery"] for one in summary["waiting"] if one["source"] == name]
        since = min(
            (one["since"] for one in summary["waiting"] if one["source"] == name and one["since"]), default=None
        )
        _print("")
        names = ", ".join(waiting)
        _print(f"{len(waiting)} deliveries of {name} are blocked by its circuit breaker{_since(since)}: {names}", "red")
        _print(f"  more: slipway circuit-breaker {name}")
    for name in dict.fromkeys(one["source"] for one in summary["rejected"] if more):
        _print(f"  more: slipway quarantine {name}")


def show_rejected(one: dict[str, Any]) -> None:
    """Print one rejected delivery: since when, why, and what to do."""
    again = ". It was evaluated again and rejected again" if one.get("evaluated_now") and one["evaluated"] > 1 else ""
    _print(f"{one['delivery']} {one['message']}{again}.", "red")
    _print(f"  why:  {one['reason']}")
    if one["remedy"]:
        _print(f"  do:   {one['remedy']}")
    if one["branch"]:
        _print(f"  look: slipway query 'select * from {one['source']}' --at {one['branch']}")
    _print(f"  drop: slipway quarantine {one['source']} --drop --delivery {quote(one['delivery'])} --reason '...'")


def _print(text: str, style: str = "") -> None:
    console.print(Text(text, style=style), highlight=False)


def _since(moment: Any) -> str:  # noqa: ANN401  # a time or nothing
    return f" since {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
