"""`slipway contract audit`: a published table against the contract that its source declares now.

What belongs here: the command. Not: checking (lakehouse/contracts, through the engine), and the audits of landings,
which `slipway contract show` has.
"""

from typing import Annotated

import typer

from orchestration.cli.contract_lookup import declared_contract
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, leave, print_json, print_table

EXAMPLES = """\
[bold]Examples[/bold]

slipway contract audit fraud.transactions     published rows against the declared contract

slipway contract audit fraud.transactions --json
"""


def command(
    table: Annotated[str, typer.Argument(help="A source's table.")],
    *,
    at: Annotated[str | None, typer.Option(help="Snapshot id, tag or branch (default: published).")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a published table against its contract; exit code 1 if a blocking check fails.

    All rows are checked, and nothing is written. Freshness and volume are checked per delivery only.
    """
    from lakehouse.engines.choice import engine_of
    from lakehouse.tables.read import resolve

    lake = lakehouse_at(home, must_be=True)
    used = declared_contract(table)
    snapshot = resolve(lake.table(used.table), at)
    results = engine_of(lake).audit(lake, used, at=snapshot)
    blocks = any(one.blocking and not one.passed for one in results)
    if as_json:
        checks = [
            {"name": one.name, "passed": one.passed, "action": one.action, "message": one.message, **one.measured}
            for one in results
        ]
        print_json({"table": used.table, "snapshot": snapshot, "contract": used.version, "checks": checks})
    else:
        print_table(
            f"{used.table} at {snapshot}, contract {used.version}",
            ["check", "action", "result", "message"],
            [[one.name, one.action, "passed" if one.passed else "failed", one.message] for one in results],
            unbroken=["check"],
        )
        failed = sum(not one.passed for one in results)
        console.print(f"{len(results) - failed} of {len(results)} checks passed.", markup=False, highlight=False)
    if blocks:
        leave(1)
