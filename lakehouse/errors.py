"""The errors that Slipway raises on purpose. Each has what is wrong, where, the nearest valid value, and what to do.

What belongs here: the error family and the look-up of the nearest valid name. Not: handling (the CLI prints them,
the orchestration turns them into failures).
"""

import difflib
from collections.abc import Iterable

_SHOWN = 12


class SlipwayError(Exception):
    """Something a person can mend.

    `what` is a sentence about the fault, `where` the place (declaration and field, file and row, setting), `nearest`
    the valid value that comes closest, `fix` the next step to take.
    """

    def __init__(
        self, what: str, *, where: str | None = None, nearest: str | None = None, fix: str | None = None
    ) -> None:
        self.what = what
        self.where = where
        self.nearest = nearest
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        """Everything in reading order, on as many lines as there are parts."""
        parts = [self.what]
        if self.where:
            parts.append(f"  where:   {self.where}")
        if self.nearest:
            parts.append(f"  nearest: {self.nearest}")
        if self.fix:
            parts.append(f"  do:      {self.fix}")
        return "\n".join(parts)

    @property
    def kind(self) -> str:
        """The name in this family: an error of a narrower kind goes by that which it is of."""
        return next(one.__name__ for one in type(self).__mro__ if one.__module__ == __name__)

    def as_dict(self) -> dict[str, str | None]:
        """The parts by name, for `--json`."""
        return {
            "error": self.kind,
            "what": self.what,
            "where": self.where,
            "nearest": self.nearest,
            "fix": self.fix,
        }


class SlipwayWarning(UserWarning):
    """Something that should be mended, and keeps nothing from working."""


class DeclarationError(SlipwayError):
    """A declaration in assets/ that cannot mean anything."""


class UnknownNameError(SlipwayError):
    """A name (table, column, feature set, asset, snapshot) that does not exist."""


class DeliveryError(SlipwayError):
    """A delivered file that cannot be landed as it is."""


class ContractError(SlipwayError):
    """Rows or a schema that break a contract badly enough to refuse the write."""


class PublishConflictError(SlipwayError):
    """Another process published between the start and the end of this write."""


class HomeError(SlipwayError):
    """The home folder is in use, unreadable, full, or of a newer format."""


class SettingsError(SlipwayError):
    """A setting that cannot be used."""


class ProjectError(SlipwayError):
    """No project where one is needed, or one that is incomplete."""


class GateError(SlipwayError):
    """A model that did not pass its gates."""


def nearest_name(word: str, options: Iterable[str], *, least_ratio: float = 0.5) -> str | None:
    """The option that looks most like `word`, or None when none is so alike (0 to 1); case does not count."""
    by_lower = {option.lower(): option for option in options}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=least_ratio)
    return by_lower[found[0]] if found else None


def unknown_name(kind: str, word: str, options: Iterable[str], *, where: str | None = None) -> UnknownNameError:
    """The error for a name that does not exist, with the nearest that does (or the ones there are)."""
    known = sorted(options)
    shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    return UnknownNameError(
        f"There is no {kind} named {word!r}.",
        where=where,
        nearest=nearest_name(word, known),
        fix=f"Use one of: {shown}." if known else f"No {kind} exists yet.",
    )
