"""Promotion of a version to champion, or the reason why not.

What belongs here: moving the names `champion` and `challenger`, and what is written beside them. Not: judging
(gates.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse import clock
from lakehouse.errors import GateError, HomeError, UnknownNameError
from lakehouse.models.gates import GateResult
from lakehouse.models.model import Model
from lakehouse.models.protocol import Split
from lakehouse.models.registry import CHALLENGER, CHAMPION, Registry, Tag, Version
from lakehouse.models.scoring import score
from lakehouse.models.training import measure_on

_PASSED = "It passed all its gates."


@dataclass(frozen=True)
class Decision:
    """What became of a version: its alias, why, and which champion it replaced (None: there was none, or it stayed)."""

    version: Version
    promoted: bool
    alias: str
    reason: str
    superseded: int | None


def champion_metrics(registry: Registry, model: Model, split: Split) -> dict[str, float] | None:
    """The present champion's metrics on the test rows of `split`, None where there is no champion.

    Newcomers have to be compared on the same days. Where the champion cannot be asked any more, because an input of its
    or its files are gone, the metrics of its own test days have to do.
    """
    champion = registry.champion(model.name)
    if champion is None:
        return None
    try:
        return measure_on(model, split, score(registry, champion, split.test).to_numpy())
    except (UnknownNameError, HomeError):
        return champion.metrics


def promote(registry: Registry, model: Model, version: Version, results: Sequence[GateResult]) -> Decision:
    """Make `version` the champion if it passed all gates; otherwise leave it as challenger, with the reason.

    `results` are those of all the model's gates; a version that is champion already is replaced some day, never
    demoted. Raises GateError when a gate was not evaluated.

    Can be killed anywhere and called again. The alias moves in one transaction and is the only truth; before it moves,
    the newcomer says whom it is about to replace, so that the old champion can be told even if that is left to the
    next call.
    """
    lacking = {gate.name for gate in model.gates} - {result.gate.name for result in results}
    if lacking:
        raise GateError(
            f"Gates were not evaluated: {', '.join(sorted(lacking))}.",
            where=f"{version.uri}",
            fix="Evaluate all gates of the model before promoting.",
        )
    failed = " ".join(result.message for result in results if not result.passed)
    champion = registry.champion(model.name)
    if champion is not None:
        # The promotion that made it champion may have been killed before it was all written down.
        champion = _complete(registry, champion)
        if champion.version == version.version:
            reason = f"It is the champion until another replaces it, though now: {failed}" if failed else _PASSED
            return Decision(champion, promoted=True, alias=CHAMPION, reason=reason, superseded=_superseded(champion))
    if failed:
        registry.mark(version, {Tag.REASON: failed})
        registry.point(CHALLENGER, version)
        found = registry.version(version.name, version.version)
        return Decision(found, promoted=False, alias=CHALLENGER, reason=failed, superseded=None)
    now = clock.now().isoformat(timespec="seconds")
    registry.mark(version, {Tag.SUPERSEDES: str(champion.version) if champion else "", Tag.PROMOTED_AT: now})
    registry.point(CHAMPION, version)
    found = _complete(registry, registry.version(version.name, version.version))
    return Decision(found, promoted=True, alias=CHAMPION, reason=_PASSED, superseded=_superseded(found))


def _complete(registry: Registry, champion: Version) -> Version:
    """Write what follows from `champion` having the alias, where it is not written already."""
    for version in registry.versions(champion.name):
        if version.version != _superseded(champion):
            continue
        wanted = {
            Tag.SUPERSEDED_BY: str(champion.version),
            Tag.SUPERSEDED_AT: champion.tags.get(Tag.PROMOTED_AT, ""),
        }
        if any(version.tags.get(tag) != text for tag, text in wanted.items()):
            registry.mark(version, wanted)
    for stale in (Tag.REASON, Tag.SUPERSEDED_BY, Tag.SUPERSEDED_AT):
        registry.unmark(champion, stale)
    registry.unpoint(CHALLENGER, champion)
    return registry.version(champion.name, champion.version)


def _superseded(champion: Version) -> int | None:
    replaced = champion.tags.get(Tag.SUPERSEDES)
    return int(replaced) if replaced else None
