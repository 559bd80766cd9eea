"""The lineage server's FastAPI application.

What belongs here: routes and their parameters. Not: queries (lakehouse/lineage/), access control (guard.py), starting
the server (server.py).
"""

import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from pydantic import AwareDatetime, BaseModel
from pydantic_core import to_json
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from lakehouse.errors import SlipwayError, UnknownNameError
from lakehouse.lineage.graph.comparison import compare_runs
from lakehouse.lineage.graph.details import node_details
from lakehouse.lineage.graph.graph import Graph
from lakehouse.lineage.graph.impact import downstream_impact
from lakehouse.lineage.graph.links import Pages
from lakehouse.lineage.graph.runs import run_details, runs
from lakehouse.lineage.graph.search import overview as find_overview
from lakehouse.lineage.graph.search import search as find_words
from lakehouse.lineage.graph.subgraph import MOST_NODES, Selection, column_lineage, subgraph
from lakehouse.lineage.graph.view import microseconds
from lakehouse.lineage.store.store import BadEventError, Store, database_error
from lakehouse.settings import Settings
from serving.lineage import answers, run_answers
from serving.lineage.guard import LOOPBACK, Guard
from serving.lineage.kinds import kinds
from serving.lineage.posts import Posts
from serving.lineage.receiving import Receiver

STATIC = Path(__file__).parent / "static"
API = "/api/v1"

At = Annotated[AwareDatetime | None, Query(description="The graph as of this time; default: now.")]
Direction = Annotated[str, Query(description="both, upstream or downstream")]
Depth = Annotated[int | None, Query(ge=0, le=1_000)]
Limit = Annotated[int, Query(ge=1, le=MOST_NODES)]
Indirect = Annotated[bool, Query(description="Also follow columns that filter, join, group or sort rows.")]
Id = Annotated[str | None, Query(description="A node's id.")]


class PartQuery(BaseModel):
    """The query parameters of a part of the graph."""

    id: str | None = None
    name: str | None = None
    direction: Direction = "both"
    depth: Depth = 2
    column: str | None = None
    at: At = None
    limit: Limit = 400
    domain: str | None = None
    column_edges: bool = True
    indirect: Indirect = True

    def selection(self) -> Selection:
        """The same without the root and the time."""
        chosen = self.model_dump(include={"direction", "depth", "limit", "column_edges", "indirect"})
        return Selection(column=self.column or None, domain=self.domain or None, **chosen)


def create_app(
    store: Store, settings: Settings, *, hosts: frozenset[str] | None = LOOPBACK, token: str | None = None
) -> FastAPI:
    """Create the application. `hosts`: accepted Host headers (None: any); `token`: the required bearer token."""
    graph = Graph(store)
    pages = Pages(settings.dagster_url, settings.mlflow_url)
    receiver = Receiver(store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(_warm, graph)
        yield
        receiver.end()

    app = FastAPI(
        title="Slipway lineage",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        middleware=[Middleware(Guard, hosts=hosts, token=token), Middleware(Posts, receiver=receiver, under=API)],
        responses={"4XX": {"model": answers.Failure}},
    )

    @app.get(f"{API}/kinds", response_model=answers.KindsAnswer)
    def list_kinds() -> Response:
        return _answer({"kinds": kinds()})

    _add_graph(app, graph, pages)
    _add_runs(app, graph, pages)
    for kind in (SlipwayError, HTTPException, RequestValidationError, SQLAlchemyError):
        app.add_exception_handler(kind, _failed)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return app


def _warm(graph: Graph) -> None:
    """Load the graph before the first request, and exclude it from garbage collection."""
    with graph.view() as view:
        find_overview(graph, view)
        subgraph(graph, view, None, Selection(limit=MOST_NODES, column_edges=False))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _add_graph(app: FastAPI, graph: Graph, pages: Pages) -> None:
    @app.get(f"{API}/overview", response_model=answers.Overview)
    def overview(at: At = None) -> Response:
        with graph.view(_time(at)) as view:
            return _answer(find_overview(graph, view))

    @app.get(f"{API}/search", response_model=answers.SearchAnswer)
    def search(
        q: Annotated[str, Query(max_length=200)] = "",
        kind: str | None = None,
        domain: str | None = None,
        limit: Limit = 20,
        at: At = None,
    ) -> Response:
        with graph.view(_time(at)) as view:
            return _answer(find_words(graph, view, q, kind=kind or None, domain=domain or None, limit=limit))

    @app.get(f"{API}/graph", response_model=answers.GraphAnswer)
    def part(asked: Annotated[PartQuery, Query()]) -> Response:
        with graph.view(_time(asked.at)) as view:
            root = graph.find(view, id=asked.id, name=asked.name) if asked.id or asked.name else None
            return _answer(subgraph(graph, view, root, asked.selection()))

    @app.get(f"{API}/nodes/by-name", response_model=answers.NodeAnswer)
    def node_by_name(name: str, at: At = None) -> Response:
        with graph.view(_time(at)) as view:
            return _answer(node_details(graph, view, graph.find(view, name=name), pages))

    @app.get(f"{API}/nodes/{{id}}", response_model=answers.NodeAnswer)
    def node(id: str, at: At = None) -> Response:  # noqa: A002  # the API's word
        with graph.view(_time(at)) as view:
            return _answer(node_details(graph, view, graph.find(view, id=id), pages))

    @app.get(f"{API}/nodes/{{id}}/column/{{column:path}}", response_model=answers.ColumnAnswer)
    def column(
        id: str,  # noqa: A002  # the API's word
        column: str,
        direction: Direction = "both",
        depth: Depth = None,
        at: At = None,
        *,
        indirect: Indirect = True,
    ) -> Response:
        with graph.view(_time(at)) as view:
            chosen = Selection(direction=direction, depth=depth, column=column, indirect=indirect)
            return _answer(column_lineage(graph, view, graph.find(view, id=id), chosen))

    @app.get(f"{API}/impact", response_model=answers.ImpactAnswer)
    def impact(id: Id = None, name: str | None = None, column: str | None = None, at: At = None) -> Response:  # noqa: A002  # the API's word
        with graph.view(_time(at)) as view:
            return _answer(downstream_impact(graph, view, graph.find(view, id=id, name=name), column or None))


def _add_runs(app: FastAPI, graph: Graph, pages: Pages) -> None:
    @app.get(f"{API}/runs", response_model=run_answers.RunsAnswer)
    def list_runs(
        job: str | None = None,
        dataset: str | None = None,
        state: str | None = None,
        *,
        top_level: bool = False,
        limit: Limit = 50,
        at: At = None,
    ) -> Response:
        with graph.view(_time(at)) as view:
            node = graph.find(view, name=dataset) if dataset else None
            chosen = {"job": job or None, "state": state or None, "node": node, "top_level": top_level}
            return _answer({"runs": runs(graph, limit=limit, at=_time(at), **chosen)})

    @app.get(f"{API}/runs/diff", response_model=run_answers.DiffAnswer)
    def diff(a: str, b: str) -> Response:
        with graph.view() as view:
            return _answer(compare_runs(graph, view, a, b))

    @app.get(f"{API}/runs/{{id}}", response_model=run_answers.RunAnswer)
    def run(id: str) -> Response:  # noqa: A002  # the API's word
        with graph.view() as view:
            return _answer(run_details(graph, view, id, pages))


def _time(at: AwareDatetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _answer(content: Mapping[str, Any]) -> Response:
    """The answer as JSON. Tests check it against its model: validating large answers here would double the time."""
    return Response(to_json(content), media_type="application/json", headers={"cache-control": "no-store"})


def _failed(_: Request, error: Exception) -> Response:
    shown = database_error(error) if isinstance(error, SQLAlchemyError) else error
    return Response(to_json({"error": problem(shown)}), status_code=status_of(error), media_type="application/json")


def status_of(error: Exception) -> int:
    """The HTTP status of an error."""
    if isinstance(error, BadEventError):
        return error.status
    if isinstance(error, UnknownNameError):
        return 404
    if isinstance(error, HTTPException):
        return error.status_code
    return 503 if isinstance(error, SQLAlchemyError) else 422


def problem(error: Exception) -> dict[str, Any]:
    """The error as what is wrong, where, the nearest valid value, and what to do."""
    if isinstance(error, SlipwayError):
        parts = error.as_dict()
        return {"kind": parts.pop("error"), **parts}
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return {"kind": "SlipwayError", "what": f"{first['msg']}.", "where": where, "nearest": None, "fix": None}
    what = str(error.detail) if isinstance(error, HTTPException) else type(error).__name__
    return {"kind": "SlipwayError", "what": what, "where": None, "nearest": None, "fix": None}
