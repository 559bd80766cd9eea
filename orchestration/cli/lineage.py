"""`slipway lineage`: the lineage server, and lineage queries on the command line.

What belongs here: the commands. Not: showing answers (lineage_pages.py), the graph (lakehouse/lineage/), the server
(serving/lineage/).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lakehouse.errors import SlipwayError
from orchestration.cli.lineage_pages import show_difference, show_impact, show_paths, show_reconciled
from orchestration.cli.output import HomeOption, JsonOption, lakehouse_at, notes, print_json

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.lineage.graph.graph import Graph
    from lakehouse.lineage.graph.view import View

_COMMANDS = ("serve", "show", "diff", "impact", "reconcile")


def spelled_out(words: Sequence[str]) -> list[str]:
    """The words after `slipway lineage` with the command that may be left out: `serve`, and before a name `show`."""
    first = words[0] if words else "-"
    if first in {*_COMMANDS, "--help", "-h"}:
        return list(words)
    return ["serve" if first.startswith("-") else "show", *words]


class _Group(TyperGroup):
    """Commands of which two need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # Typer keeps Click's for itself
        return super().parse_args(ctx, spelled_out(args))


app = typer.Typer(
    cls=_Group,
    help="Browse lineage: `slipway lineage` starts the lineage server, `slipway lineage NAME` shows what is upstream "
    "and downstream of a table, column or model.",
    rich_markup_mode="rich",
)

NameArgument = Annotated[
    str, typer.Argument(help="A table, model or file by name, or one of its columns: NAME.COLUMN.")
]
AtOption = Annotated[
    datetime | None, typer.Option(help="Show the graph as of this time (UTC; default: now).", show_default=False)
]


def _examples(*lines: str) -> str:
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(lines)


@app.command(
    "serve",
    epilog=_examples(
        "slipway lineage                     http://127.0.0.1:5050",
        "slipway lineage serve --port 0      any free port, which is printed",
    ),
)
def serve_command(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.", min=0, max=65535)] = 5050,
    host: Annotated[
        str,
        typer.Option(
            help="Address to bind. The default is reachable from this machine only; others need SLIPWAY_LINEAGE_TOKEN."
        ),
    ] = "127.0.0.1",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the lineage server: web pages, and POST /api/v1/lineage for OpenLineage events. Runs until Ctrl-C.

    `slipway lineage` is short for `slipway lineage serve`.
    """
    from serving.lineage.server import serve

    lake = lakehouse_at(home)

    def print_address(address: str) -> None:
        if as_json:
            print_json({"address": address, "home": str(lake.home.root)})
            return
        from lakehouse.settings import redact

        kept = lake.settings.lineage_database
        notes.print(
            f"Lineage is on [bold]{address}[/bold], bound to {host}; events are stored in "
            f"{redact(kept) if kept else lake.home.lineage}. Ctrl-C stops it.",
            highlight=False,
        )

    serve(lake.settings, host, port, print_address)


@app.command(
    "show",
    epilog=_examples(
        "slipway lineage show fraud.customer_spend               upstream and downstream",
        "slipway lineage fraud.predictions --upstream            back to the delivered files",
        "slipway lineage fraud.customer_spend.amount_mean_7d --upstream        one column",
        "slipway lineage fraud.transactions --downstream --depth 2 --json",
    ),
)
def show_command(
    name: NameArgument,
    *,
    upstream: Annotated[bool, typer.Option("--upstream", help="Only upstream.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="Only downstream.")] = False,
    depth: Annotated[
        int | None, typer.Option(help="Number of steps to follow (default: all).", min=0, show_default=False)
    ] = None,
    indirect: Annotated[
        bool, typer.Option("--indirect", help="For a column, include indirect lineage: filters, groupings and joins.")
    ] = False,
    at: AtOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the upstream and downstream lineage of a table, column, model or file.

    `slipway lineage NAME` is short for `slipway lineage show NAME`.
    """
    from lakehouse.lineage.graph.paths import UP, lineage_paths

    both = upstream == downstream
    with _graph(lakehouse_at(home), at) as (graph, view):
        node, column = graph.find_place(view, name)
        found = {
            direction: lineage_paths(graph, view, (node, column), direction, depth, indirect=indirect)
            for direction, wanted in (("upstream", upstream), ("downstream", downstream))
            if wanted or both
        }
        node_summary = {"name": view.card(node).name, "kind": view.card(node).kind, "column": column or None, **found}
    if as_json:
        print_json(node_summary)
    else:
        show_paths(node_summary, found, up=UP)


@app.command(
    "diff",
    epilog=_examples(
        "slipway lineage diff 5f0c81c2 9a7d40b1          a unique prefix of each run's id",
        "slipway lineage diff 5f0c81c2 9a7d40b1 --json",
    ),
)
def diff_command(
    first: Annotated[str, typer.Argument(help="Run id, or a unique prefix of it.")],
    second: Annotated[str, typer.Argument(help="Id of the run to compare with.")],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: snapshots read and written, code, contracts, schemas and parameters."""
    from lakehouse.lineage.graph.comparison import compare_runs

    with _graph(lakehouse_at(home), None) as (graph, view):
        found = compare_runs(graph, view, first, second)
    if as_json:
        print_json(found)
    else:
        show_difference(found)


@app.command(
    "impact",
    epilog=_examples(
        "slipway lineage impact fraud.transactions.TX_AMOUNT         owners of everything that depends on this column",
        "slipway lineage impact fraud.customer_spend --json",
    ),
)
def impact_command(
    name: NameArgument,
    *,
    at: AtOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything downstream of a column or table, with owners."""
    from lakehouse.lineage.graph.impact import downstream_impact

    with _graph(lakehouse_at(home), at) as (graph, view):
        node, column = graph.find_place(view, name)
        found = downstream_impact(graph, view, node, column or None)
    if as_json:
        print_json(found)
    else:
        show_impact(found)


@app.command("reconcile", epilog=_examples("slipway lineage reconcile", "slipway lineage reconcile --json"))
def reconcile_command(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Emit lineage events that are missing because a run was killed, and send events left in the outbox."""
    from orchestration.instance import open_instance
    from orchestration.lineage.reconcile import reconcile

    lake = lakehouse_at(home)
    with open_instance(lake) as instance:
        found: dict[str, Any] = reconcile(lake, instance).as_dict()
    if as_json:
        print_json(found)
    else:
        show_reconciled(found)


@contextmanager
def _graph(lake: "Lakehouse", at: datetime | None) -> "Iterator[tuple[Graph, View]]":
    """The graph of the lakehouse's store, in a consistent state."""
    from lakehouse.lineage.graph.graph import Graph
    from lakehouse.lineage.graph.view import microseconds
    from lakehouse.lineage.store.store import open_store

    store = open_store(lake)
    try:
        graph = Graph(store)
        with graph.view(None if at is None else microseconds(at.replace(tzinfo=UTC))) as view:
            if not view.nodes():
                raise SlipwayError(
                    "No lineage events are stored yet."
                    if at is None
                    else "No lineage events were stored at that time.",
                    where=str(lake.home.lineage),
                    nearest="slipway materialize",
                    fix="Materialize an asset: every run emits its lineage.",
                )
            yield graph, view
    finally:
        store.close()
