"""Contracts as pandera schemas, and contracts from pandera schemas and models.

What belongs here: the conversion, both ways. Not: the check of each kind of rule (rules/), and running custom checks in
an audit (rules/pandera_check.py).
"""

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse.contracts.columns import Column
from lakehouse.contracts.compile import compile_rules
from lakehouse.contracts.contract import Contract, PanderaCheck
from lakehouse.contracts.rules.column_rule import ColumnRule
from lakehouse.contracts.rules.pandera_check import Backend, CheckedRule
from lakehouse.contracts.rules.row_rule import RowRule
from lakehouse.errors import DeclarationError, SlipwayWarning, nearest_name
from lakehouse.tables.duck import borrow

if TYPE_CHECKING:
    import pandera.polars as pandera

_TYPES = {"int8": "int16", "int16": "int16", "int32": "int32", "int64": "int64", "float32": "float64"} | {
    "float64": "float64", "str": "text", "string": "text", "object": "text", "bool": "bool", "boolean": "bool",
}  # fmt: skip
_FIELDS = {
    "greater_than_or_equal_to": {"min_value": "at_least"},
    "less_than_or_equal_to": {"max_value": "at_most"},
    "isin": {"allowed_values": "one_of"},
    "str_length": {"min_value": "shortest", "max_value": "longest"},
}


def to_pandera(contract: Contract) -> "pandera.DataFrameSchema":
    """Return the contract as a schema of pandera.polars: each rule is a check with the rule's name.

    References to other tables are left out, and nulls are pandera's own `not_nullable`. Polars LazyFrames are only
    checked for their schema, as pandera does; validate a DataFrame.
    """
    import pandera.polars as pandera

    columns = {column.name: pandera_column(column) for column in contract.columns}
    of_columns = {name for column in contract.columns for name in column.row_rules}
    checks = [
        pandera.Check(partial(_row_passes, rule), name=rule.name, error=rule.name)
        for rule in compile_rules(contract)
        if isinstance(rule, CheckedRule) or (rule.failing is not None and rule.name not in of_columns)
    ]
    return pandera.DataFrameSchema(columns, checks=checks, name=contract.table)


def pandera_column(column: Column) -> "pandera.Column":
    """Return the rules of one column. Types are the table's matter, and not checked."""
    import pandera.polars as pandera

    checks = [
        pandera.Check(partial(_value_passes, rule, column), name=name, error=name)
        for name, rule in column.row_rules.items()
        if rule.kind != "not_null"  # pandera's own
    ]
    return pandera.Column(checks=checks, nullable=column.nullable, description=column.description)


def from_pandera(
    schema: Any,  # noqa: ANN401  # pandera is not imported before it is used
    *,
    table: str,
    version: str = "1.0.0",
    owner: str = "",
    **fields: Any,  # noqa: ANN401  # of Contract
) -> Contract:
    """Return the contract of a DataFrameSchema or DataFrameModel of pandera.polars or pandera.pandas.

    Types, nullable, unique, bounds, values, lengths and patterns become fields of the columns, every other check a
    `PanderaCheck`, which runs in the audit. `fields` are further fields of the contract. A SlipwayWarning names what a
    contract cannot hold. Raises DeclarationError for what is not a schema, and for types that a contract does not have.
    """
    model = schema if isinstance(schema, type) and hasattr(schema, "to_schema") else None
    found = model.to_schema() if model else schema
    where = f"contract of {table}"
    if not hasattr(found, "columns") or not hasattr(found, "checks"):
        raise DeclarationError(
            f"{schema!r} is not a pandera schema.",
            where=where,
            nearest="from_pandera(pandera.polars.DataFrameSchema({...}), table=...)",
            fix="Give a DataFrameSchema or a DataFrameModel of pandera.polars or pandera.pandas.",
        )
    backend: Backend = "polars" if "polars" in type(found).__module__ else "pandas"
    taken = _Schema(backend, model, where)
    columns = [taken.column(name, column) for name, column in found.columns.items()]
    for check in found.checks:
        taken.add(check, "")
    keys = [tuple(found.unique)] if found.unique and len(found.unique) > 1 else []
    alone = set(found.unique or ()) if not keys else set()
    columns = [{**one, "unique": True} if one["name"] in alone else one for one in columns]
    if getattr(found, "ordered", False):
        fields.setdefault("ordered", True)
    if taken.lost:
        warnings.warn(SlipwayWarning(f"{where}: not converted: {', '.join(taken.lost)}."), stacklevel=2)
    return Contract(
        table=table,
        version=version,
        owner=owner or f"team:{table.partition('.')[0]}",
        columns=[Column(**one) for one in columns],
        keys=[*keys, *fields.pop("keys", ())],
        rules=[*taken.checks, *fields.pop("rules", ())],
        **fields,
    )


class _Schema:
    """What is collected of a schema on the way to a contract."""

    def __init__(self, backend: Backend, model: Any, where: str) -> None:  # noqa: ANN401  # a DataFrameModel or None
        self.backend: Backend = backend
        self.model, self.where = model, where
        self.checks: list[PanderaCheck] = []
        self.lost: list[str] = []

    def column(self, name: str, found: Any) -> dict[str, Any]:  # noqa: ANN401  # a pandera Column
        """Return the fields of the column; its custom checks are added to `checks`."""
        fields: dict[str, Any] = {
            "name": name,
            "type": self._type(name, found.dtype),
            "description": found.description or found.title or name,
            "nullable": bool(found.nullable),
            "unique": bool(found.unique),
        }
        if getattr(found, "regex", False):
            self.lost.append(f"the pattern {name!r} of column names")
        for check in found.checks:
            taken = _as_fields(check, fields["type"])
            if taken is None or any(one in fields for one in taken):
                self.add(check, name)
            else:
                fields |= taken
        return fields

    def add(self, check: Any, column: str) -> None:  # noqa: ANN401  # a pandera Check
        """Add a check that is no field of a column."""
        names = {one.name for one in self.checks}
        base = "_".join(one for one in (column, check.name or "check") if one)
        base = "".join(letter if letter.isalnum() else "_" for letter in base).strip("_") or "check"
        base = base if not base[0].isdigit() else f"check_{base}"
        name = next(one for one in (base, *(f"{base}_{number}" for number in range(2, 1_000))) if one not in names)
        method = getattr(self.model, check.name, None) if self.model and check.name else None
        described = {"description": str(check.description or check.title or "")}
        if method is not None:  # the adapter that pandera makes of a method has no import path
            path = f"{self.model.__module__}:{self.model.__qualname__}.{check.name}"
            content = PanderaCheck(name, getattr(method, "__func__", method)).content
            more = {"reference": path, "content": content}
        else:
            more = {}
        action = "warn" if getattr(check, "raise_warning", False) else "quarantine"
        self.checks.append(
            PanderaCheck(name, check, column=column, action=action, backend=self.backend, **described, **more)
        )

    def _type(self, name: str, dtype: Any) -> str:  # noqa: ANN401  # a pandera DataType
        word = str(dtype).lower().partition("[")[0].partition("(")[0]
        if word.startswith("datetime"):
            if getattr(dtype.type, "time_zone", None) or getattr(dtype, "tz", None):
                self.lost.append(f"the time zone of {name}: a contract's timestamps are UTC without a zone")
            return "timestamp"
        if word in _TYPES:
            return _TYPES[word]
        raise DeclarationError(
            f"No column type of contracts corresponds to {dtype or 'a column without a dtype'}.",
            where=f"{self.where}, column {name}",
            nearest=nearest_name(word, _TYPES),
            fix="Give the column one of the types int16, int32, int64, float64, str, bool and datetime.",
        )


def _as_fields(check: Any, type_: str) -> dict[str, Any] | None:  # noqa: ANN401  # a pandera Check
    """Return the fields of a column that say the same as the check, if there are any."""
    if not check.is_builtin_check(check.name) or getattr(check, "raise_warning", False):
        return None
    given = check.statistics
    if check.name == "in_range" and given.get("include_min", True) and given.get("include_max", True):
        return {"at_least": given["min_value"], "at_most": given["max_value"]}
    if check.name == "str_length" and given.get("exact_value") is not None:
        return {"shortest": given["exact_value"], "longest": given["exact_value"]}
    if check.name == "isin" and type_ in {"bool", "timestamp"}:
        return None
    names = _FIELDS.get(check.name)
    if names is None:
        return None
    found = {field: given[name] for name, field in names.items() if given.get(name) is not None}
    return {name: tuple(value) if name == "one_of" else value for name, value in found.items()}


def _value_passes(rule: ColumnRule, column: Column, data: Any) -> pl.LazyFrame:  # noqa: ANN401  # pandera's PolarsData
    value = pl.col(data.key)
    return data.lazyframe.select(rule.passing(column, value) | value.is_null())


def _row_passes(rule: RowRule, data: Any) -> pl.LazyFrame:  # noqa: ANN401  # pandera's PolarsData
    rows = data.lazyframe.collect()
    if isinstance(rule, CheckedRule):
        return pl.LazyFrame({rule.name: ~rule.failing_rows(rows)})
    with borrow() as connection:
        connection.register("rows", rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
        found = connection.sql(f"select not coalesce({rule.in_duckdb}, false) as passes from rows").to_arrow_table()
    return pl.LazyFrame(pl.DataFrame(pl.from_arrow(found)))
