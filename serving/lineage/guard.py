"""Access control of the lineage server, and the security headers of its pages.

What belongs here: hosts, origins, the token, headers. Not: routes. A foreign page in the same browser can reach
a server on this machine. So the Host header must be an address of this server (against DNS rebinding), and requests
that change something must not come from another origin.
"""

import hmac
import json
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

HEADERS = (
    (
        b"content-security-policy",
        (
            b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
            b"frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_PROTECTED_PATHS = ("/api/",)
_SAME_ORIGIN = "Send the request from the lineage server's own pages, or from a client other than a browser."


class Guard:
    """ASGI middleware that rejects requests without permission. With a token, the API requires it; the pages do not, so
    that they can ask the user for it.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None, token: str | None) -> None:
        self._app = app
        self._hosts = hosts
        self._token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        rejected = self._rejected(scope)
        if rejected:
            await _reject(send_with_headers, *rejected)
        else:
            await self._app(scope, receive, send_with_headers)

    def _rejected(self, scope: Scope) -> tuple[int, str, str, str] | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return (
                421,
                f"Unknown host {host[:100]!r}.",
                "Host",
                "Use the address that the server is bound to.",
            )
        origin = headers.get(b"origin")
        if origin is not None and _place(origin) != host.lower():
            return (
                403,
                f"Requests from pages of {origin[:100]!r} are rejected.",
                "Origin",
                _SAME_ORIGIN,
            )
        if headers.get(b"sec-fetch-site") in {"cross-site", "same-site"} and scope["method"] not in {"GET", "HEAD"}:
            return (
                403,
                "Requests from pages of other servers are rejected.",
                "Origin",
                _SAME_ORIGIN,
            )
        if self._token is not None and scope["path"].startswith(_PROTECTED_PATHS):
            given = headers.get(b"authorization", "")
            scheme, _, token = given.partition(" ")
            right = hmac.compare_digest(token.strip().encode("latin-1"), self._token)
            if scheme.lower() != "bearer" or not right:
                fix = "Send the header Authorization: Bearer TOKEN, with the server's SLIPWAY_LINEAGE_TOKEN."
                return 401, "The token is missing or wrong.", "Authorization", fix
        return None


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


async def _reject(send: Send, status: int, what: str, where: str, fix: str) -> None:
    problem = {"kind": "SlipwayError", "what": what, "where": where, "nearest": None, "fix": fix}
    body = json.dumps({"error": problem}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:  # noqa: PLR2004  # a status of HTTP
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
