"""Where events are posted.

What belongs here: the two paths, reading bodies within bounds, answers. Not: what an event must be (validation.py).
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
"""So long a body may take: whoever sends it drop by drop would hold what came so far in memory for ever."""
_AT_ONCE = 100_000
"""Bytes that are read in passing; what is larger is read on a thread, so that others need not wait."""


class Posts:
    """Takes what is posted to the two paths; everything else goes on to the application.

    It stands in front of the application's routes, because of many small requests their way through a framework is a
    good part of the time.
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
        what = f"The body did not come within {BODY_SECONDS} seconds."
        return _rejected(SlipwayError(what, where="body", fix="Send it at once."), 408)
    except BadEventError as error:
        return _rejected(error, error.status)
    except SQLAlchemyError as error:
        return _rejected(database_error(error), 503)
    except SlipwayError as error:
        # The database is away or the disk is full: the sender keeps its event and tries again.
        return _rejected(error, 503)
    return Response(to_json({"received": len(events), "new": new}), status_code=201, media_type="application/json")


def _one_event(body: bytes) -> list[Checked]:
    return [checked(read_json(body))]


def _events(body: bytes) -> list[Checked]:
    found = read_json(body, LARGEST_BATCH)
    if not isinstance(found, list):
        raise BadEventError("A batch is a list of events.", where="body", nearest="[{...}, {...}]")
    if len(found) > MOST_IN_BATCH:
        raise TooLargeError(
            f"A batch of {len(found):,} events is refused.", where="body", nearest=f"{MOST_IN_BATCH:,} events"
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
    """The body, unpacked when it came packed. It is given up at the first byte too many."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Only what asks for leave first (CORS) may be posted from a page, and it gets none.
        raise BadEventError(
            f"{kind[:80]!r} is no form that events come in.", where="Content-Type", nearest="application/json"
        )
    packing = request.headers.get("content-encoding", "identity").lower()
    if packing not in {"identity", "gzip"}:
        raise BadEventError(f"{packing[:80]!r} is not unpacked here.", where="Content-Encoding", nearest="gzip")
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
                        f"More than {largest:,} bytes are refused.",
                        where="body",
                        nearest=f"{largest:,} bytes",
                        fix="Leave out what no one asks lineage for, or send it in several events.",
                    )
    except zlib.error as error:
        raise BadEventError("The body is not packed with gzip.", where="body") from error
    return b"".join(parts)


def _rejected(error: SlipwayError, status: int) -> Response:
    told = error.as_dict()
    problem = {"kind": told.pop("error"), **told}
    return Response(to_json({"error": problem}), status_code=status, media_type="application/json")
