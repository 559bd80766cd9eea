"""Check results of a landing as a whole: those of its deliveries combined, and every check that it can report.

What belongs here: combining and naming results. Not: the checks (evaluation.py, repeats.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lakehouse.contracts.audit import SAMPLE_ROWS
from lakehouse.ingestion.evaluation import READABLE, READABLE_DESCRIPTION
from lakehouse.ingestion.result import LandingResult
from lakehouse.sources.source import Source
from lakehouse.tables.check_result import CheckResult

DELIVERIES, BREAKER, CONSERVATION = "deliveries", "breaker", "conservation"
_COUNTED = ("rows_quarantined", "failed_rows", "rows", "repeated", "odd_days")


def together(check_results: Sequence[Sequence[CheckResult]]) -> list[CheckResult]:
    """Combine the results of several deliveries into one of each name: failed if one failed, with numbers summed."""
    by_name: dict[str, list[CheckResult]] = {}
    for of_one in check_results:
        for check_result in of_one:
            by_name.setdefault(check_result.name, []).append(check_result)
    return [_one_of(same) for same in by_name.values()]


def _one_of(same: Sequence[CheckResult]) -> CheckResult:
    failed = [check_result for check_result in same if not check_result.passed]
    chosen = (failed or same)[-1]
    if len(same) == 1:
        return chosen
    measured = dict(chosen.measured)
    for name in _COUNTED:
        if name in measured:
            measured[name] = sum(int(check_result.measured.get(name, 0)) for check_result in same)
    if "share" in measured and measured.get("rows"):
        failed_rows = measured.get("rows_quarantined", measured.get("failed_rows", 0))
        measured["share"] = int(failed_rows) / int(measured["rows"])
    message = f"{chosen.message} ({len(failed)} of {len(same)} deliveries.)" if failed else chosen.message
    sample = [row for check_result in failed for row in check_result.sample][:SAMPLE_ROWS]
    return replace(chosen, message=message, measured=measured, sample=sample)


def current_check_results(landed: LandingResult) -> list[CheckResult]:
    """Whether every delivery could be published, and whether the circuit breaker accepts deliveries."""
    # A copy is reported once; what was rejected earlier is so until the rejection is resolved.
    rejected = {one.delivery: one.reason.what for one in landed.rejected}
    rejected |= {one.delivery: one.reason for one in landed.blocked if not one.waits}
    waiting = list(dict.fromkeys([*landed.waiting, *(one.delivery for one in landed.blocked if one.waits)]))
    problems = []
    if rejected:
        shown = " ".join(f"{name}: {reason}" for name, reason in list(rejected.items())[:3])
        problems.append(f"{len(rejected)} deliveries are rejected: {shown}")
    if waiting:
        problems.append(f"{len(waiting)} deliveries wait: {', '.join(waiting[:3])}.")
    names = ", ".join([*rejected, *waiting][:SAMPLE_ROWS])
    measured = {"rejected": len(rejected), "waiting": len(waiting), **({"deliveries": names} if names else {})}
    message = " ".join(problems) or "Every delivery could be published."
    check_results = [CheckResult(DELIVERIES, not problems, message, blocking=False, measured=measured)]
    if landed.breaker is not None:
        passes, message = landed.breaker.passes, landed.breaker.message
        check_results.append(CheckResult(BREAKER, passes, message, blocking=False, measured={"waiting": len(waiting)}))
    return check_results


def check_names(source: Source) -> Mapping[str, tuple[str, bool]]:
    """Every check that landing can report: name -> (description, whether it blocks)."""
    own = {
        READABLE: (READABLE_DESCRIPTION, False),
        DELIVERIES: ("Every delivery could be published.", False),
        BREAKER: ("The circuit breaker is closed: deliveries are accepted.", False),
        CONSERVATION: ("Every delivered row is either published or in quarantine.", True),
    }
    return {**source.contract.checks(), **own}
