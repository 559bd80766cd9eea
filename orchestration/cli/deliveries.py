"""What commands say of deliveries after they ran: refused, waiting, copies, given up, and rows in quarantine.

What belongs here: collecting and printing it. Not: any command, and deciding what becomes of deliveries.
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


def told_of(
    lake: "Lakehouse", sources: "Sequence[Source]", runs: Collection[str], recomputed: Collection[str]
) -> dict[str, Any]:
    """What is refused and waits of the sources, what is not landed for another reason, and rows in quarantine.

    `runs` are what a command ran: what they decided is marked `judged_now`. Rows in quarantine are counted of the
    sources that were `recomputed`.
    """
    from lakehouse.contracts.quarantine import waiting_rows
    from lakehouse.ingestion.blocked import blocked_deliveries

    rejected, waiting, left_out, rows = [], [], [], {}
    for source in sources:
        for one in blocked_deliveries(lake, source.name):
            told = {**one.as_dict(), "judged_now": one.run_id in runs, "message": one.status}
            (waiting if one.waits else rejected).append(told)
        left_out += _left_out(lake, source)
        number = waiting_rows(lake, source.shape) if source.name in recomputed else 0
        if number:
            rows[source.name] = number
    return {"rejected": rejected, "waiting": waiting, "left_out": left_out, "rows_in_quarantine": rows}


def _left_out(lake: "Lakehouse", source: "Source") -> list[dict[str, Any]]:
    """Files that lie in the drop folder and are not landed: copies of others, and what somebody gave up."""
    from lakehouse.ingestion.ingestion_log import Status, known_deliveries
    from lakehouse.sources.deliveries import inspect

    lines = known_deliveries(lake, source.name).values()
    dropped = {one.fingerprint: one for one in lines if one.status is Status.DROPPED}
    copies = {one.key: one for one in lines if one.status is Status.COPY}
    if not dropped and not copies:
        return []
    try:
        there = inspect(lake.home, source)
    except DeliveryError:  # nothing lies there
        return []
    names = {one.fingerprint: one.name for one in there if (one.fingerprint, one.name) not in copies}
    told = []
    for one in there:
        if one.fingerprint in dropped:
            message = f"{one.name} was discarded and is not landed: {dropped[one.fingerprint].reason}"
            told.append({"source": source.name, "delivery": one.name, "status": "dropped", "message": message})
        elif (one.fingerprint, one.name) in copies and one.fingerprint in names:
            message = f"{one.name} is {names[one.fingerprint]} once more, and was not landed."
            told.append({"source": source.name, "delivery": one.name, "status": "copy", "message": message})
    return told


def became_of(lake: "Lakehouse", source: "Source", names: Sequence[str]) -> list[dict[str, Any]]:
    """What the ledger says now of the deliveries of these names: published, refused, waiting, and why."""
    from lakehouse.ingestion.ingestion_log import Status, known_deliveries

    last = {line.delivery: line for line in known_deliveries(lake, source.name).values()}
    told = []
    for name in names:
        line = last[name]
        became = Status.REJECTED if line.status is Status.RETRY_REQUESTED else line.status
        told.append({"delivery": name, "became": str(became), "reason": line.reason})
    return told


def show_deliveries(told: dict[str, Any], *, more: bool = True) -> None:
    """What `told_of` found, in words; nothing where there is nothing to say. `more` names commands that say more."""
    for name, number in told["rows_in_quarantine"].items():
        _say(f"{number:,} rows are in quarantine: `slipway quarantine {name}` shows them.")
    for one in told["left_out"]:
        _say(one["message"])
    for one in told["rejected"]:
        _say("")
        show_rejected(one)
    for name in dict.fromkeys(one["source"] for one in told["waiting"]):
        waiting = [one["delivery"] for one in told["waiting"] if one["source"] == name]
        since = min((one["since"] for one in told["waiting"] if one["source"] == name and one["since"]), default=None)
        _say("")
        names = ", ".join(waiting)
        _say(f"{len(waiting)} deliveries of {name} are blocked by its circuit breaker{_since(since)}: {names}", "red")
        _say(f"  more: slipway breaker {name}")
    for name in dict.fromkeys(one["source"] for one in told["rejected"] if more):
        _say(f"  more: slipway quarantine {name}")


def show_rejected(one: dict[str, Any]) -> None:
    """One refused delivery: since when, why, and what to do."""
    again = ". It was checked again, and rejected again" if one.get("judged_now") and one["evaluated"] > 1 else ""
    _say(f"{one['delivery']} {one['says']}{again}.", "red")
    _say(f"  why:  {one['reason']}")
    if one["remedy"]:
        _say(f"  do:   {one['remedy']}")
    if one["branch"]:
        _say(f"  look: slipway query 'select * from {one['source']}' --at {one['branch']}")
    _say(f"  drop: slipway quarantine {one['source']} --drop --delivery {quote(one['delivery'])} --reason '...'")


def _say(text: str, style: str = "") -> None:
    console.print(Text(text, style=style), highlight=False)


def _since(moment: Any) -> str:  # noqa: ANN401  # a time or nothing
    return f" since {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
