"""The kinds of mappings, and their validation.

What belongs here: frozen declarations that check themselves against a contract. Not: the words that declare them
(mappings.py), and applying them (casting.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import ClassVar

from lakehouse.contracts.contract import Column, Contract
from lakehouse.errors import DeclarationError, nearest_name

_NUMBERS = ("int16", "int32", "int64", "float64")
_LARGEST = 1e18


@dataclass(frozen=True, kw_only=True)
class ColumnMapping:
    """What all mappings have: the contract's column, and the days on which they hold."""

    column: str = ""
    since: date | None = None
    until: date | None = None

    kinds: ClassVar[tuple[str, ...]] = ()
    """The kinds of columns that it is for; all when empty."""

    def check(self, contract: Contract, where: str) -> None:
        """Raises DeclarationError for a column that the contract does not have, and for one of another kind."""
        columns = {one.name: one for one in contract.columns}
        for name in self.touched():
            if name not in columns:
                raise DeclarationError(
                    f"{self.line()} is for a column that the contract {contract.table} does not have: {name!r}.",
                    where=where,
                    nearest=nearest_name(name, columns),
                )
            if self.kinds and columns[name].type not in self.kinds:
                raise DeclarationError(
                    f"{self.line()} does not apply to a column of type {columns[name].type}.",
                    where=where,
                    fix=f"Use it for {', '.join(self.kinds)}.",
                )
        if self.since and self.until and self.since > self.until:
            raise DeclarationError(
                f"{self.line()} applies to no day.", where=where, nearest=f"since={self.until}, until={self.since}"
            )
        self._check_more(columns, where)

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:
        """What only this sort of mapping has to hold."""

    def touched(self) -> tuple[str, ...]:
        """The contract's columns that it is about."""
        return (self.column,) if self.column else ()

    def _arguments(self) -> list[str]:
        """The arguments of the line that declares it, but for the days."""
        return [repr(self.column)]

    def line(self) -> str:
        """The line of Python that declares it."""
        word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()
        days = [
            f"{name}=date({day.year}, {day.month}, {day.day})"
            for name, day in (("since", self.since), ("until", self.until))
            if day
        ]
        return f"{word}({', '.join([*self._arguments(), *days])})"


@dataclass(frozen=True, kw_only=True)
class FileEncoding(ColumnMapping):
    """Text files are not in UTF-8 but in this encoding, by Python's name of it."""

    encoding: str

    def _arguments(self) -> list[str]:
        return [repr(self.encoding)]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:  # noqa: ARG002  # asked by another field
        _check_encoding(self.encoding, where)
        if self.since or self.until:
            raise DeclarationError(f"{self.line()} applies to whole files, not to days.", where=where)


@dataclass(frozen=True, kw_only=True)
class Renamed(ColumnMapping):
    """A column is delivered under another name. Files that have the contract's name are still read."""

    delivered: str

    def _arguments(self) -> list[str]:
        return [repr(self.delivered), repr(self.column)]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:
        if self.delivered in columns:
            raise DeclarationError(
                f"{self.line()}: {self.delivered!r} is a column of the contract itself.",
                where=where,
                nearest=f"swapped({self.column!r}, {self.delivered!r})",
            )


@dataclass(frozen=True, kw_only=True)
class Ignored(ColumnMapping):
    """A delivered column that is left out."""

    delivered: str

    def _arguments(self) -> list[str]:
        return [repr(self.delivered)]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:
        if self.delivered in columns:
            raise DeclarationError(
                f"{self.line()}: {self.delivered!r} is a column of the contract.",
                where=where,
                fix="Take it out of the contract, or don't ignore it.",
            )


@dataclass(frozen=True, kw_only=True)
class Absent(ColumnMapping):
    """A column that is not delivered any more: it is null."""

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:
        if not columns[self.column].nullable:
            raise DeclarationError(
                f"{self.line()}: the contract says that {self.column!r} is given in each row.",
                where=where,
                fix="Declare the column nullable, or take it out of the contract.",
            )


@dataclass(frozen=True, kw_only=True)
class Retyped(ColumnMapping):
    """A column of another type in the file is read by what its values say: the text "12.5", the number 5.0 for 5."""


@dataclass(frozen=True, kw_only=True)
class Swapped(ColumnMapping):
    """Two columns have changed places."""

    other: str

    def touched(self) -> tuple[str, ...]:
        """Both columns."""
        return (self.column, self.other)

    def _arguments(self) -> list[str]:
        return [repr(self.column), repr(self.other)]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:  # noqa: ARG002  # asked by another field
        if self.column == self.other:
            raise DeclarationError(f"{self.line()} changes nothing.", where=where)


@dataclass(frozen=True, kw_only=True)
class Reencoded(ColumnMapping):
    """Texts are UTF-8 that somebody read in this encoding (`cafÃ©`): that is undone, where it can be."""

    encoding: str = "latin-1"
    kinds = ("text",)

    def _arguments(self) -> list[str]:
        return [repr(self.column), repr(self.encoding)]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:  # noqa: ARG002  # asked by another field
        _check_encoding(self.encoding, where)


@dataclass(frozen=True, kw_only=True)
class NullSpellings(ColumnMapping):
    """Values that stand for null."""

    spellings: tuple[str | int | float, ...]

    def _arguments(self) -> list[str]:
        return [repr(self.column), *map(repr, self.spellings)]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:  # noqa: ARG002  # asked by another field
        if not self.spellings:
            raise DeclarationError(
                f"{self.line()} names no spelling.", where=where, nearest=f'null_spellings("{self.column}", "NA")'
            )


@dataclass(frozen=True, kw_only=True)
class Recoded(ColumnMapping):
    """Values come in other codes: pairs of what is delivered and what it means. Others stay as they are."""

    codes: tuple[tuple[str | int | float, str | int], ...]
    kinds = ("int16", "int32", "int64", "text")

    def _arguments(self) -> list[str]:
        return [repr(self.column), repr(dict(self.codes))]

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:
        fits = str if columns[self.column].type == "text" else int
        for delivered, meaning in self.codes:
            if not isinstance(meaning, fits) or isinstance(meaning, bool):
                raise DeclarationError(
                    f"{self.line()}: {delivered!r} cannot mean {meaning!r} in a column of kind "
                    f"{columns[self.column].type}.",
                    where=where,
                    nearest=repr(str(meaning)) if fits is str else None,
                )
        if not self.codes:
            raise DeclarationError(f"{self.line()} names no code.", where=where)


@dataclass(frozen=True, kw_only=True)
class DecimalComma(ColumnMapping):
    """Numbers with a comma have it before the decimals, and points between thousands. Others are read as ever."""

    kinds = _NUMBERS


@dataclass(frozen=True, kw_only=True)
class Scaled(ColumnMapping):
    """Delivered numbers times `factor` are the contract's: 0.01 for cents that should be dollars. Exact."""

    factor: int | float
    kinds = _NUMBERS

    def _arguments(self) -> list[str]:
        return [repr(self.column), repr(self.factor)]

    @property
    def fraction(self) -> Fraction:
        """The factor as it is written: 0.01 is one hundredth."""
        return Fraction(str(self.factor))

    def _check_more(self, columns: Mapping[str, Column], where: str) -> None:  # noqa: ARG002  # asked by another field
        number = isinstance(self.factor, int | float) and not isinstance(self.factor, bool)
        if not number or not 0 < abs(self.factor) < _LARGEST:
            raise DeclarationError(f"{self.factor!r} is not a factor.", where=where, nearest="0.01")


def _check_encoding(name: str, where: str) -> None:
    try:
        "".encode(name)
    except LookupError:
        raise DeclarationError(f"There is no encoding {name!r}.", where=where, nearest="latin-1") from None
