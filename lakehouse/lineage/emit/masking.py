"""Keeping secrets and row values out of events.

What belongs here: what texts go through before they become part of an event. Not: which texts those are (events.py).
Errors quote what they found: a value of a row, an address with a password. What stands in quotes is masked unless it is
a name that is declared, and whatever the settings hold as a secret is masked wherever it stands.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from lakehouse.settings import Settings

MASK = "***"
MOST = 2_000
"""Characters of a text that are told at most."""
_QUOTED = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"|`([^`\n]*)`")
_LOGIN = re.compile(r"([a-z][a-z0-9+.-]*://)(?:[^\s/@]*:\S*|[^\s/@]+)@", re.IGNORECASE)
"""To the last @: a password may hold one, and a token stands alone."""
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_QUERY = re.compile(r"([a-z][a-z0-9+.-]*://[^\s?]*)\?\S+", re.IGNORECASE)
_KEYED = re.compile(r"(?i)\b([\w.-]*(?:password|passwd|secret|token|api[_-]?key|credential)[\w.-]*\s*[=:]\s*)\S+")
_SHORTEST = 4
"""A secret shorter than this would mask half of all words."""


@dataclass(frozen=True)
class Masking:
    """What must not be told (`secrets`), and the `names` that may be told although they stand in quotes."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    names: Collection[str] = frozenset()

    def text(self, text: str) -> str:
        """The text without secrets, and without what it quotes but for known names."""
        return self.plain(_QUOTED.sub(self._quoted, text[: 2 * MOST]))

    def plain(self, text: str, most: int = MOST) -> str:
        """The text without secrets; what it quotes stays. For texts that no row has a part in."""
        text = _QUERY.sub(rf"\1?{MASK}", _LOGIN.sub(rf"\1{MASK}@", text))
        text = _BEARER.sub(rf"\1 {MASK}", _KEYED.sub(rf"\1{MASK}", text))
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text if len(text) <= most else f"{text[:most]} ..."

    def _quoted(self, found: re.Match[str]) -> str:
        inside = next((group for group in found.groups() if group is not None), "")
        whole = found.group(0)
        return whole if inside in self.names else f"{whole[0]}{MASK}{whole[-1]}"


def masking_of(settings: Settings, names: Iterable[str]) -> Masking:
    """The masking for a home's settings; `names` are those of tables, columns and checks."""
    secrets = sorted({one for one in _secrets(settings) if len(one) >= _SHORTEST}, key=len, reverse=True)
    return Masking(tuple(secrets), frozenset(names))


def _secrets(settings: Settings) -> Iterable[str]:
    held = {**settings.catalog_properties, **settings.spark_properties, **settings.openlineage}
    for key, text in held.items():
        if re.search(r"(?i)password|secret|token|key|credential|auth", key):
            yield text
        yield from _logins(text)
    for address in (settings.catalog_address or "", settings.warehouse or ""):
        yield from _logins(address)
    for address in settings.notify:
        # All of such an address but its kind can be a token.
        yield address
        yield from (part for part in re.split(r"[/:@?&=]+", address.partition("://")[2]) if len(part) > 2 * _SHORTEST)


def _logins(address: str) -> Iterable[str]:
    login, at, _ = address.partition("://")[2].rpartition("@")
    if at and ":" in login:
        yield login.partition(":")[2]
    query = address.partition("?")[2]
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if re.search(r"(?i)password|secret|token|key|credential", key):
            yield value
