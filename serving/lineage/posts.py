"""The endpoints that receive events.

What belongs here: the two paths, reading bodies up to a limit, answers. Not: validating events (validation.py).
"""

import asyncio
import zlib
from collections.abc import Callable

from pydantic_core import to_json
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lakehouse.errors import SlipwayError
from lakehouse.lineage.store.store import database_error
from lakehouse.lineage.store.validation import LARGEST_EVENT, BadEventError, Checked, TooLargeError, checked, read_json
from serving.lineage.receiving import Receiver

MOST_IN_BATCH = 10_000
LARGEST_BATCH = 5 * LARGEST_EVENT
BODY_SECONDS = 60
"""The time limit of a body: a slow sender must not occupy memory forever."""
_AT_ONCE = 100_000
"""Bytes; larger bodies are parsed on a thread, so that other requests do not wait."""


class Posts:
    """ASGI middleware that handles posts to the two paths and passes on everything else.

    It comes before the application's routes, because for many small requests routing takes a good part of the time.
    """

    def __init__(self, app: ASGIApp, *, receiver: Receiver, under: str) -> None:
        self._app = app
        self._receiver = receiver
        self._paths = {
            f"{under}/lineage": (LARGEST_EVENT, _one_event),
            f"{under}/lineage/batch": (LARGEST_BATCH, _events),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found = self._paths.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        answer = await _receive(self._receiver, Request(scope, receive), *found)
        await answer(scope, receive, send)


async def _receive(
    receiver: Receiver, request: Request, largest: int, read: Callable[[bytes], list[Checked]]
) -> Response:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(request, largest)
        events = read(body) if len(body) <= _AT_ONCE else await run_in_threadpool(read, body)
        new = await receiver.receive(events)
    except ClientDisconnect:
        return Response(status_code=400)
    except TimeoutError:
        what = f"The body did not arrive within {BODY_SECONDS} seconds."
        return _rejected(SlipwayError(what, where="body", fix="Send the body without interruption."), 408)
    except BadEventError as error:
        return _rejected(error, error.status)
    except SQLAlchemyError as error:
        return _rejected(database_error(error), 503)
    except SlipwayError as error:
        # The database is unavailable or the disk is full: the sender keeps its event and retries.
        return _rejected(error, 503)
    return Response(to_json({"received": len(events), "new": new}), status_code=201, media_type="application/json")


def _one_event(body: bytes) -> list[Checked]:
    return [checked(read_json(body))]


def _events(body: bytes) -> list[Checked]:
    found = read_json(body, LARGEST_BATCH)
    if not isinstance(found, list):
        raise BadEventError("A batch must be a list of events.", where="body", nearest="[{...}, {...}]")
    if len(found) > MOST_IN_BATCH:
        raise TooLargeError(
            f"A batch of {len(found):,} events is too large.", where="body", nearest=f"{MOST_IN_BATCH:,} events"
        )
    events = []
    for number, one in enumerate(found):
        try:
            events.append(checked(one))
        except BadEventError as error:
            error.where = f"[{number}] {error.where}"
            raise
    return events


async def _body(request: Request, largest: int) -> bytes:
    """Read the body, decompressed if need be; stop at the first byte over the limit."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        # A foreign page can post this type only after a CORS preflight, which fails.
        raise BadEventError(
            f"Unsupported content type {kind[:80]!r}.", where="Content-Type", nearest="application/json"
        )
    packing = request.headers.get("content-encoding", "identity").lower()
    if packing not in {"identity", "gzip"}:
        raise BadEventError(f"Unsupported content encoding {packing[:80]!r}.", where="Content-Encoding", nearest="gzip")
    unpack = zlib.decompressobj(wbits=31) if packing == "gzip" else None
    parts, size = [], 0
    try:
        async for part in request.stream():
            while part:
                plain = unpack.decompress(part, largest + 1 - size) if unpack else part
                part = unpack.unconsumed_tail if unpack else b""  # noqa: PLW2901  # what is left of it
                parts.append(plain)
                size += len(plain)
                if size > largest:
                    raise TooLargeError(
                        f"The body has more than {largest:,} bytes.",
                        where="body",
                        nearest=f"{largest:,} bytes",
                        fix="Leave out facets that lineage does not need, or split it into several events.",
                    )
    except zlib.error as error:
        raise BadEventError("The body is not valid gzip.", where="body") from error
    return b"".join(parts)


def _rejected(error: SlipwayError, status: int) -> Response:
    parts = error.as_dict()
    problem = {"kind": parts.pop("error"), **parts}
    return Response(to_json({"error": problem}), status_code=status, media_type="application/json")
