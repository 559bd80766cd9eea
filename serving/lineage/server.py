"""Starting the lineage server.

What belongs here: the address it is bound to, and its conditions. Not: its routes (app.py).
"""

import signal
import socket
from collections.abc import Callable
from ipaddress import ip_address

import uvicorn

from lakehouse.errors import SettingsError, SlipwayError
from lakehouse.lineage.store.store import open_store
from lakehouse.settings import Settings
from serving.lineage.app import create_app
from serving.lineage.guard import LOOPBACK

SHORTEST_TOKEN = 16


def is_loopback(host: str) -> bool:
    """Whether the address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_binding(host: str, token: str | None) -> None:
    """Check that a server that other machines can reach has a token. Raises SettingsError."""
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise SettingsError(
            f"The token is shorter than {SHORTEST_TOKEN} characters.",
            where="SLIPWAY_LINEAGE_TOKEN",
            fix="Generate one: python -c 'import secrets; print(secrets.token_urlsafe())'.",
        )
    if token is None and not is_loopback(host):
        raise SettingsError(
            f"On {host}, the lineage server is reachable from other machines, but it has no token.",
            where="SLIPWAY_LINEAGE_TOKEN",
            nearest="--host 127.0.0.1",
            fix="Set a token of at least 16 characters, which clients must then send, or bind to 127.0.0.1.",
        )


def serve(settings: Settings, host: str, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; all accepted events are stored then. `on_listening` gets the address."""
    token = settings.lineage_token
    check_binding(host, token)
    listening = _listen(host, port)
    store = open_store(settings)
    # Bound to other addresses, the server is reached by names that it does not know; then the token protects it.
    hosts = LOOPBACK | {host.lower()} if is_loopback(host) else None
    app = create_app(store, settings, hosts=hosts, token=token)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=10
    )
    shown = f"[{host}]" if ":" in host else host
    on_listening(f"http://{shown}:{listening.getsockname()[1]}")
    # uvicorn shuts down gracefully and then raises the signal again, which would kill the process.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        store.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1_024)
    except OSError as error:
        listening.close()
        raise SlipwayError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            where="slipway lineage",
            nearest="--port 0",
            fix="Choose a free port (0: any), and an address of this machine.",
        ) from None
    return listening
