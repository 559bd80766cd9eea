"""SQL expressions in rules: parsed when they are declared, with the same result in DuckDB and in Spark.

What belongs here: which SQL a rule may use, and its form for each engine. Not: the rules (rules/condition.py), and
what a contract compiles to (compile.py).

DuckDB and Spark agree on less than it seems: one rounds where the other cuts off, one divides by zero and the other
raises. So an expression may use a list of words that mean the same in both, and is rewritten where a small change makes
them agree: integers are reckoned with in 64 bits, fractions as floats, division by zero raises in both, and what stands
behind AND and OR is only looked at where what stands before leaves it open.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import duckdb
import sqlglot
from sqlglot import Expr
from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from lakehouse.contracts.patterns import in_java
from lakehouse.contracts.types import SQL_TYPES
from lakehouse.errors import DeclarationError, nearest_name
from lakehouse.tables.duck import borrow, quoted

if TYPE_CHECKING:
    from lakehouse.contracts.columns import Column

DIVIDED_BY_ZERO = "division by zero"

_FUNCTIONS: dict[str, type[Expr]] = {
    "abs": exp.Abs,
    "ceil": exp.Ceil,
    "coalesce": exp.Coalesce,
    "contains": exp.Contains,
    "day": exp.Day,
    "ends_with": exp.EndsWith,
    "floor": exp.Floor,
    "greatest": exp.Greatest,
    "isnan": exp.IsNan,
    "least": exp.Least,
    "length": exp.Length,
    "lower": exp.Lower,
    "minute": exp.Minute,
    "hour": exp.Hour,
    "month": exp.Month,
    "nullif": exp.Nullif,
    "regexp_matches": exp.RegexpLike,
    "second": exp.Second,
    "starts_with": exp.StartsWith,
    "strpos": exp.StrPosition,
    "substring": exp.Substring,
    "trim": exp.Trim,
    "upper": exp.Upper,
    "year": exp.Year,
}
_INSTEAD = {"round": "floor(amount + 0.5)", "len": "length", "nvl": "coalesce", "ifnull": "coalesce"}
"""Supported alternatives to common functions that rules do not support."""
_OPERATORS = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Paren, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT,
    exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In, exp.Is, exp.Like, exp.Case, exp.If,
    exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Interval, exp.Var, exp.DPipe,
)  # fmt: skip
_CASTS = {
    "DATE": (exp.DataType.Type.DATE,),
    "DOUBLE": (exp.DataType.Type.DOUBLE,),
    "TIMESTAMP": (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPNTZ),
}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Abs)
_MAY_RAISE = (exp.Div, exp.Mod, exp.Cast, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Abs)


@cache
def understand(sql: str, columns: "tuple[Column, ...]", where: str) -> Expr:
    """The expression in DuckDB's words as both engines reckon it; `sql` is true, false or null of a row.

    Raises DeclarationError for SQL that cannot be read, for a column that is not there, for words that are not the same
    in both engines, and for what is no condition.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError as error:
        raise DeclarationError(
            f"{sql!r} cannot be parsed: {str(error).splitlines()[0]}", where=where, nearest='"amount <= limit"'
        ) from None
    kinds = {column.name.lower(): column for column in columns}
    for column in tree.find_all(exp.Column):
        if column.table or column.name.lower() not in kinds:
            raise DeclarationError(
                f"The contract has no column {column.sql()!r}.",
                where=where,
                nearest=nearest_name(column.name, [one.name for one in columns]),
                fix="Use the contract's columns: " + ", ".join(one.name for one in columns) + ".",
            )
        column.this.replace(exp.to_identifier(kinds[column.name.lower()].name, quoted=True))
    if not tree.find(exp.Column):
        raise DeclarationError(f"{sql!r} does not reference a column.", where=where, nearest=columns[0].name)
    truths = {column.name for column in columns if column.type == "bool"}
    for node in tree.walk():
        _check_allowed(node, sql, where)
        _check_compared(node, truths, where)
        _check_mixed(node, {one.name: _sort_of_kind(one) for one in columns}, where)
    _check_kinds(tree, columns, where)
    return _with_same_arithmetic(tree, columns)


def in_duckdb(tree: Expr) -> str:
    """DuckDB's SQL."""
    return tree.sql(dialect="duckdb")


def in_spark(tree: Expr) -> str:
    """Spark's SQL."""

    def reworded(node: Expr) -> Expr:
        if isinstance(node, exp.Anonymous) and node.name.lower() == "error":
            return exp.func("raise_error", *node.expressions)
        if isinstance(node, exp.Anonymous) and node.name.lower() == "row":
            return exp.func("struct", *node.expressions)
        if isinstance(node, exp.RegexpLike):
            return exp.RegexpLike(this=node.this, expression=exp.Literal.string(in_java(node.expression.name)))
        return node

    return tree.copy().transform(reworded).sql(dialect="spark")


def _check_allowed(node: Expr, sql: str, where: str) -> None:
    if isinstance(node, exp.Cast):
        if isinstance(node, exp.TryCast) or not any(node.to.this in kinds for kinds in _CASTS.values()):
            raise DeclarationError(
                f"A cast to {node.to.sql(dialect='duckdb')} gives different results in DuckDB and Spark.",
                where=where,
                nearest=nearest_name(node.to.sql(dialect="duckdb"), _CASTS) or "DOUBLE",
                fix="Cast to DOUBLE, DATE or TIMESTAMP.",
            )
        return
    if isinstance(node, exp.Like) and "\\" in node.expression.sql():
        raise DeclarationError(
            "DuckDB and Spark treat a backslash in LIKE differently.",
            where=f"{where}: {sql}",
            nearest="contains, starts_with, ends_with or regexp_matches",
        )
    _check_arguments(node, f"{where}: {sql}")
    if isinstance(node, (*_OPERATORS, exp.DataType, *_FUNCTIONS.values())):
        return
    word = node.name if isinstance(node, exp.Anonymous) else node.key if isinstance(node, exp.Func) else ""
    raise DeclarationError(
        f"{word or node.sql(dialect='duckdb')!r} cannot be used in a rule: its results may differ between "
        "DuckDB and Spark.",
        where=f"{where}: {sql}",
        nearest=_INSTEAD.get(word.lower()) or (nearest_name(word, _FUNCTIONS, least_ratio=0.7) if word else None),
        fix="Use comparisons, arithmetic, CASE and the functions " + ", ".join(_FUNCTIONS) + ".",
    )


def _check_arguments(node: Expr, where: str) -> None:
    """What the engines understand in one way only if it is known beforehand."""
    if isinstance(node, exp.RegexpLike):
        if not node.expression.is_string:
            raise DeclarationError(
                "A regular expression must be a string literal.",
                where=where,
                nearest="contains, starts_with, like",
            )
        in_java(node.expression.name, where)
    if isinstance(node, exp.Substring):
        start, length = node.args.get("start"), node.args.get("length")
        if not (start and start.is_int and int(start.name) > 0 and (length is None or length.is_int)):
            raise DeclarationError(
                "DuckDB and Spark treat positions outside of a text differently.",
                where=where,
                nearest="substring(text, 1, 3)",
                fix="Give substring a start of 1 or more and a length, both as literal whole numbers.",
            )


def _check_compared(node: Expr, truths: set[str], where: str) -> None:
    """DuckDB takes true for 1, Spark takes it for nothing that a number can be compared with."""
    sides = [node.this, node.args.get("expression")] if isinstance(node, exp.Binary) else []
    names = [one.name for one in sides if isinstance(one, exp.Column) and one.name in truths]
    if names and any(isinstance(one, exp.Literal) for one in sides):
        raise DeclarationError(
            f"{node.sql(dialect='duckdb')} compares a boolean with a number or a text.",
            where=where,
            nearest=f"{names[0]} = true",
        )


def _sort_of_kind(column: "Column") -> str:
    return "number" if column.type.startswith(("int", "float")) else column.type


def _check_mixed(node: Expr, sorts: dict[str, str], where: str) -> None:
    """DuckDB casts one side of a comparison to the other's kind, and fails at the first row that cannot be."""
    sides = [node.this, node.args.get("expression")] if isinstance(node, _COMPARISONS) else []
    operands = {}
    for one in sides:
        if isinstance(one, exp.Column):
            operands[sorts[one.name]] = one
        elif isinstance(one, exp.Literal):
            operands["text" if one.is_string else "number"] = one
    if {"number", "text"} != operands.keys():
        return
    literal = next((one for one in operands.values() if isinstance(one, exp.Literal)), None)
    nearest = None
    if literal is not None and (not literal.is_string or literal.name.lstrip("-").replace(".", "", 1).isdigit()):
        other = exp.Literal.number(literal.name) if literal.is_string else exp.Literal.string(literal.name)
        nearest = node.copy().transform(lambda one: other if one == literal else one).sql(dialect="duckdb")
        nearest = nearest.replace('"', "")
    raise DeclarationError(
        f"{node.sql(dialect='duckdb')} compares a number with a text.",
        where=where,
        nearest=nearest,
        fix="Compare numbers with numbers, texts with texts and times with times.",
    )


def _check_kinds(tree: Expr, columns: "Sequence[Column]", where: str) -> None:
    """DuckDB itself says whether the kinds fit, of a row without values."""
    values = ", ".join(f"null::{SQL_TYPES[one.type]}" for one in columns)
    names = ", ".join(quoted(one.name) for one in columns)
    with borrow() as connection:
        try:
            # A row without any value: what is written in the expression itself is cast all the same.
            answer = connection.sql(f"select ({in_duckdb(tree)}) from (values ({values})) as nothing({names})")
            kind = str(answer.types[0])
            answer.fetchall()
        except duckdb.Error as error:
            raise DeclarationError(
                f"The expression is invalid: {str(error).splitlines()[0].partition(': ')[2]}",
                where=where,
                fix="Compare numbers with numbers, texts with texts and times with times.",
            ) from None
    if kind != "BOOLEAN":
        raise DeclarationError(
            f"The expression has the type {kind}, not BOOLEAN.",
            where=where,
            nearest=f"{in_duckdb(tree)} = 0" if kind != "VARCHAR" else f"{in_duckdb(tree)} = ''",
        )


def _with_same_arithmetic(tree: Expr, columns: "Sequence[Column]") -> Expr:
    whole = {one.name for one in columns if one.type.startswith("int")}

    def rewritten(node: Expr) -> Expr:
        if isinstance(node, exp.Literal) and not node.is_string and not node.is_int:
            # As a text: engines that take 0.1 for a decimal may miss its float by the last bit.
            return exp.cast(exp.Literal.string(node.this), "DOUBLE")
        if isinstance(node, exp.Column) and node.name in whole and _reckoned_with(node):
            return exp.cast(node.copy(), "BIGINT")
        return node

    def guarded(node: Expr) -> Expr:
        if isinstance(node, exp.Div):
            return exp.Div(this=_double(node.this), expression=_not_zero(_double(node.expression), "DOUBLE"))
        if isinstance(node, exp.Mod):
            return exp.Mod(this=exp.paren(node.this, copy=False), expression=_not_zero(node.expression, "BIGINT"))
        if isinstance(node, exp.Trim) and not node.expression:
            return exp.Trim(this=node.this, expression=exp.Literal.string(" "))  # which space is one differs, too
        if isinstance(node, exp.IsNan):
            return exp.func("coalesce", node, exp.false())  # of null Spark says false, DuckDB null
        if isinstance(node, exp.And | exp.Or) and node.expression.find(*_MAY_RAISE):
            left, right, together = node.this, node.expression, type(node)
            decided = exp.not_(exp.paren(left)) if isinstance(node, exp.And) else left
            answer = exp.false() if isinstance(node, exp.And) else exp.true()
            both = together(this=exp.paren(left), expression=exp.paren(right))
            return exp.paren(exp.Case(ifs=[exp.If(this=decided.copy(), true=answer)], default=both))
        return node

    return _bottom_up(tree.copy().transform(rewritten), guarded)


def _bottom_up(node: Expr, change: Callable[[Expr], Expr]) -> Expr:
    for child in list(node.iter_expressions()):
        new = _bottom_up(child, change)
        if new is not child:
            child.replace(new)
    return change(node)


def _reckoned_with(column: Expr) -> bool:
    parent = column.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return isinstance(parent, _ARITHMETIC)


def _double(node: Expr) -> Expr:
    return exp.cast(exp.paren(node.copy()), "DOUBLE")


def _not_zero(divisor: Expr, kind: str) -> Expr:
    """The divisor, or an error where it is zero."""
    failing = exp.cast(exp.Anonymous(this="error", expressions=[exp.Literal.string(DIVIDED_BY_ZERO)]), kind)
    zero = exp.EQ(this=exp.paren(divisor.copy()), expression=exp.Literal.number(0))
    return exp.paren(exp.Case(ifs=[exp.If(this=zero, true=failing)], default=exp.paren(divisor.copy())))
