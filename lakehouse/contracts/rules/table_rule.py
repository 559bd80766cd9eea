"""The protocol of a rule on several columns, on another table, or on all rows together.

What belongs here: what each kind of table rule answers, with the answers that most kinds share. Not: the kinds, each in
a module of its own.

A kind is declared in one field of `Contract` (`field`). A new kind goes into `rules`; its declaration is a frozen
dataclass decorated with `registry.table_rule`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lakehouse.contracts.declaration_checks import Action
from lakehouse.contracts.rules.row_rule import RowRule
from lakehouse.errors import DeclarationError, nearest_name

if TYPE_CHECKING:
    from lakehouse.contracts.contract import Contract


class TableRule:
    """One rule of a contract. `name`, `description`, `action` and `columns` are fields or properties of each kind."""

    kind: ClassVar[str]
    order: ClassVar[int] = 100
    field: ClassVar[str] = "rules"
    library: ClassVar[str] = ""
    """The library that runs the rule, besides the engine."""
    on_rows: ClassVar[bool] = True
    """Whether the rule judges rows, which can be quarantined, or all rows of a write together."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401  # fields or properties, as the kind likes

    @classmethod
    def of(cls, contract: "Contract") -> list[Any]:
        """Return the rules of this kind that the contract declares."""
        return [one for one in getattr(contract, cls.field) if isinstance(one, cls)]

    def validate(self, contract: "Contract", where: str) -> None:
        """Raise DeclarationError if the rule does not apply to the contract."""
        for column in self.columns:
            contract.column(column, f"{where}, {self.kind} {self.name}")

    def compiled(self, contract: "Contract", action: Action) -> RowRule:
        """Return the rule for an audit of rows."""
        raise NotImplementedError

    def as_object(self) -> Any:  # noqa: ANN401  # JSON values
        """Return the declaration as JSON values; defaults are left out."""
        found = {
            one.name: _plain(getattr(self, one.name))
            for one in fields(self)  # type: ignore[arg-type]  # every kind is a dataclass
            if one.init and (one.default is MISSING or getattr(self, one.name) != one.default)
        }
        return {"rule": self.kind, **found} if self.field == "rules" and self.kind != "condition" else found

    @classmethod
    def from_object(cls, found: Any, where: str) -> Self:  # noqa: ANN401  # whatever JSON holds
        """Return the rule of JSON values. Raises DeclarationError for what is not one."""
        return cls(**checked(cls, {name: one for name, one in found.items() if name != "rule"}, where))

    def in_python(self) -> list[tuple[str, Any]]:
        """Return the arguments of the declaration in Python; defaults are left out."""
        return [
            (one.name, getattr(self, one.name))
            for one in fields(self)  # type: ignore[arg-type]  # every kind is a dataclass
            if one.default is MISSING or getattr(self, one.name) != one.default
        ]

    def to_odcs(self, table: str, odcs: dict[str, Any]) -> None:
        """Add the rule to the table of an ODCS document, by default as a custom check that other tools leave alone."""
        del table
        odcs.setdefault("quality", []).append(
            {"type": "custom", "engine": "slipway", "name": self.name, "implementation": self.as_object()}
        )

    @classmethod
    def from_quality(cls, quality: Mapping[str, Any]) -> Any | None:  # noqa: ANN401  # JSON values
        """Return the JSON values of the rule that a quality check of an ODCS table is; None if it is another kind's."""
        written = quality.get("implementation") if quality.get("engine") == "slipway" else None
        return written if isinstance(written, dict) and written.get("rule") == cls.kind else None

    @classmethod
    def from_relationship(cls, relationship: Mapping[str, Any]) -> Any | None:  # noqa: ANN401  # JSON values
        """Return the JSON values of the rule that a relationship of an ODCS table is; None if it is another kind's."""
        del relationship

    def promise(self) -> str:
        """Return what is compared between versions: the rule changed when it is another."""
        return self.description

    @classmethod
    def changes(cls, old: "Contract", new: "Contract") -> Iterator[tuple[str, bool, tuple[str, ...]]]:
        """Yield what changed, whether it breaks consumers, and the columns concerned.

        A rule that only warned promised nothing, so its end breaks nobody.
        """
        before, after = ({one.name: one for one in cls.of(each)} for each in (old, new))
        for name, one in before.items():
            promised = one.action != "warn"
            if name not in after:
                yield f"{name} was removed.", promised, one.columns
            elif one.promise() != after[name].promise():
                # Whether the other rule promises more or less cannot be told.
                was, now = (each.promise().removesuffix(".") for each in (one, after[name]))
                yield f"{name} changed from '{was}' to '{now}'.", promised, one.columns
        for name in (one for one in after if one not in before):
            yield f"{name} was added.", False, after[name].columns


def checked(kind: Any, found: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    """Return the JSON object's fields. Raises DeclarationError if they are not those of the declaration."""
    if not isinstance(found, dict):
        raise DeclarationError(f"{found!r} is not a JSON object.", where=where)
    names = [one.name for one in fields(kind) if one.init]
    for name in found:
        if name not in names:
            raise DeclarationError(
                f"{kind.__name__} has no field {name!r}.", where=where, nearest=nearest_name(name, names)
            )
    for one in fields(kind):
        if one.init and one.default is MISSING and one.name not in found:
            raise DeclarationError(f"The field {one.name} is missing.", where=where, nearest=f'"{one.name}": ...')
    return dict(found)


def _plain(value: Any) -> Any:  # noqa: ANN401
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
