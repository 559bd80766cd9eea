"""Translate a model's SQL from DuckDB's dialect to Spark's, where both mean the same.

What belongs here: the translation, and what it rejects. Not: running it (transforms.py).
Models are written in DuckDB's dialect; sqlglot translates it. Where the two engines give different values for the same
SQL, it is rewritten here; constructs that tests/integration/test_spark_sql.py does not show to be equal are rejected.
"""

from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from lakehouse.errors import SlipwayError

_SAME: tuple[type[exp.Expr], ...] = (
    # what a query is made of
    *(exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.With, exp.CTE, exp.Subquery, exp.Table),
    *(exp.TableAlias, exp.Alias, exp.Identifier, exp.Column, exp.Star, exp.Distinct, exp.Union, exp.Except),
    *(exp.Intersect, exp.Paren, exp.Tuple, exp.Literal, exp.Null, exp.Boolean, exp.Var, exp.DataType),
    exp.DataTypeParam,
    # conditions
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Between, exp.In),
    *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least),
    # numbers and texts
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Abs, exp.Cast, exp.DPipe, exp.Lower, exp.Upper, exp.Length),
    # aggregates and windows
    *(exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Filter, exp.Window, exp.WindowSpec, exp.RowNumber, exp.Rank),
    *(exp.DenseRank, exp.Order, exp.Ordered),
    # times
    *(exp.TimestampTrunc, exp.DateTrunc, exp.Interval, exp.Extract, exp.Year, exp.Month, exp.Day),
)
_INTEGERS = {"TINYINT", "SMALLINT", "INT", "BIGINT"}
_FLOATS = {"DOUBLE", "FLOAT"}
_CASTS = {*_INTEGERS, *_FLOATS, "DECIMAL", "BOOLEAN", "VARCHAR", "TEXT", "TIMESTAMP", "TIMESTAMPNTZ", "DATE"}
_PARTS = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "WEEK", "QUARTER"}
_INFINITE = tuple(exp.cast(exp.Literal.string(sign), "double") for sign in ("-Infinity", "Infinity"))
_OTHER_LETTERS = r"[^\x00-\xb4\xb6-\xde\xe0-\xfe]"
"""What DuckDB and Java may write otherwise in upper or lower case, as a regular expression of Java's."""
_MOST_DIGITS = 18
"""Of a decimal that fits into 64 bits."""


def to_spark(sql: str, model: str, tables: Mapping[str, Mapping[str, str]], views: Mapping[str, str]) -> str:
    """Translate the SQL of `model` for Spark.

    `tables` are the columns of its inputs (table -> column -> DuckDB type), `views` the names of these tables in Spark.

    Raises SlipwayError, naming the model and the construct, for what Spark cannot do with the same meaning.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
        for table in tree.find_all(exp.Table):
            table.set("catalog", None)
        domains = {name.split(".")[0] for name in tables}
        schema: dict[str, object] = {
            domain: {name.split(".")[1]: dict(tables[name]) for name in tables if name.startswith(f"{domain}.")}
            for domain in domains
        }
        tree = qualify(tree, schema=schema, dialect="duckdb", validate_qualify_columns=False)
        tree = annotate_types(tree, schema=schema, dialect="duckdb")
        for node in list(tree.walk()):
            if not isinstance(node, _SAME):
                raise _rejected(model, node, "is not supported on Spark")
        for node in reversed(list(tree.bfs())):  # what a node is made of before the node itself
            changed = _changed(model, node)
            if changed is not node:
                changed.type = node.type
                node.replace(changed)
        for table in list(tree.find_all(exp.Table)):
            if table.args.get("db"):
                name = f"{table.db}.{table.name}"
                if name not in views:
                    raise _rejected(model, table, "is no input of the model")
                view = exp.to_table(views[name], dialect="spark")
                table.replace(exp.alias_(view, table.alias_or_name, table=True, quoted=True))
        return tree.sql(dialect="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as error:
        raise SlipwayError(
            f"The model's SQL cannot be translated for Spark: {str(error).splitlines()[0]}",
            where=f"model {model}",
            fix=_FIX,
        ) from error


_FIX = "Rewrite the SQL, or set SLIPWAY_ENGINE=embedded for this run: DuckDB runs it."


def _rejected(model: str, node: exp.Expr, why: str, nearest: str | None = None) -> SlipwayError:
    name = node.sql(dialect="duckdb")
    kind = node.sql_name().lower() if isinstance(node, exp.Func) else type(node).__name__.lower()
    shown = name if len(name) <= 80 else f"{name[:80]} ..."  # noqa: PLR2004  # a line
    return SlipwayError(f"{kind} {why}: {shown}", where=f"model {model}", nearest=nearest, fix=_FIX)


def _changed(model: str, node: exp.Expr) -> exp.Expr:
    """Return the node rewritten to mean in Spark what it means in DuckDB."""
    if isinstance(node, exp.Div):
        return _quotient(node)
    if isinstance(node, exp.Lower | exp.Upper):
        return _plain(node)
    if isinstance(node, exp.Cast):
        return _cast(model, node)
    if isinstance(node, exp.Avg | exp.Filter | exp.Window | exp.Sum):
        return _aggregate(model, node)
    if isinstance(node, exp.Like) and (not node.expression.is_string or "\\" in node.expression.name):
        raise _rejected(model, node, "takes a backslash for an escape in Spark", "like 'a%'")
    if isinstance(node, exp.Extract | exp.TimestampTrunc | exp.DateTrunc):
        unit = (node.this if isinstance(node, exp.Extract) else node.args["unit"]).name.upper()
        if unit not in _PARTS:
            raise _rejected(model, node, f"by {unit.lower()} differs between DuckDB and Spark")
        if not isinstance(node, exp.Extract):
            return _ntz(exp.TimestampTrunc(this=node.this, unit=exp.var(unit)))
    return node


def _aggregate(model: str, node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Avg):
        # With a condition or a window around it, it is seen to there.
        return node if isinstance(node.parent, exp.Filter | exp.Window) else _average(model, node, None)
    if isinstance(node, exp.Filter) and isinstance(node.this, exp.Avg) and not isinstance(node.parent, exp.Window):
        return _average(model, node.this, node.expression.this)
    if isinstance(node, exp.Window) and node.this.find(exp.Avg):
        raise _rejected(
            model, node, "of an average is not supported on Spark", "sum(x) over (...) / count(x) over (...)"
        )
    if isinstance(node, exp.Sum) and _kind(node.this) not in {*_INTEGERS, "DECIMAL"}:
        raise _rejected(
            model, node, "depends on the order of the rows unless it is exact", "sum(cast(x as decimal(18, 4)))"
        )
    return node


def _cast(model: str, node: exp.Cast) -> exp.Expr:
    target, source = node.to.this.name, _kind(node.this)
    if target not in _CASTS or isinstance(node, exp.TryCast):
        raise _rejected(model, node, "is not supported on Spark")
    if source in _FLOATS and target in _INTEGERS:
        node.set("this", exp.Anonymous(this="rint", expressions=[node.this]))
    elif source == "DECIMAL" and target in _INTEGERS:
        node.set("this", exp.Anonymous(this="round", expressions=[node.this]))
    elif source in _FLOATS and target == "DECIMAL":
        return _decimal(model, node)
    elif source in {*_FLOATS, "BOOLEAN"} and target in {"VARCHAR", "TEXT"}:
        raise _rejected(model, node, "gives other texts in Spark")
    elif not source and target in {*_INTEGERS, *_FLOATS, "DECIMAL"}:
        raise _rejected(model, node, "of an unknown type is not supported on Spark")
    elif source in {"VARCHAR", "TEXT"} and target in {*_INTEGERS, *_FLOATS, "DECIMAL", "BOOLEAN"}:
        raise _rejected(model, node, "reads other texts in Spark")
    return node


def _quotient(node: exp.Div) -> exp.Expr:
    """A double whatever is divided, and by zero infinite (or no number), as IEEE 754 has it; Spark would raise."""
    above, below = _double(node.this), _double(node.expression)
    if isinstance(node.expression, exp.Literal) and not node.expression.is_string and float(node.expression.name):
        return exp.Div(this=above, expression=below, typed=True, safe=True)
    # Of zeros Spark tells the one below zero from the other in texts alone.
    negative = exp.EQ(this=exp.cast(below.copy(), "text"), expression=exp.Literal.string("-0.0"))
    by_zero = exp.Mul(this=above.copy(), expression=exp.func("if", negative, *_INFINITE))
    is_zero = exp.EQ(this=below.copy(), expression=_double(exp.Literal.number(0)))
    divided = exp.Anonymous(this="try_divide", expressions=[above, below])
    return exp.Case(ifs=[exp.If(this=is_zero, true=by_zero)], default=divided)


def _plain(node: exp.Lower | exp.Upper) -> exp.Expr:
    """The text in the other case where both engines know the same; an error for any other text."""
    name = node.sql_name().lower()
    message = (
        f"{name} gives other texts in Spark: only of Latin-1 letters but sharp s and micro are they the same. {_FIX}"
    )
    other = exp.Anonymous(this="rlike", expressions=[node.this.copy(), exp.Literal.string(_OTHER_LETTERS)])
    raised = exp.cast(exp.Anonymous(this="raise_error", expressions=[exp.Literal.string(message)]), "text")
    return exp.Case(ifs=[exp.If(this=other, true=raised)], default=node.copy())


def _decimal(model: str, node: exp.Cast) -> exp.Expr:
    """A double as a decimal: DuckDB rounds the double times a power of ten, Spark the digits that the double shows."""
    sizes = [int(one.name) for one in node.to.expressions] or [_MOST_DIGITS, 3]
    precision, scale = sizes[0], sizes[1] if len(sizes) > 1 else 0
    if precision > _MOST_DIGITS:
        raise _rejected(model, node, "of a double has too many digits", f"decimal({_MOST_DIGITS}, {scale})")
    scaled = exp.Mul(this=exp.paren(node.this), expression=exp.Literal.number(f"1e{scale}"))
    whole = exp.cast(exp.Anonymous(this="round", expressions=[scaled]), "bigint")
    one = exp.cast(exp.Literal.string(f"1e-{scale}"), f"decimal({scale + 1}, {scale})")
    return exp.cast(exp.Mul(this=exp.cast(whole, "decimal(19, 0)"), expression=one), node.to)


def _average(model: str, node: exp.Avg, where: exp.Expr | None) -> exp.Expr:
    """The exact sum of integers, divided once; of the rows of the condition `where`."""
    if _kind(node.this) not in _INTEGERS:
        raise _rejected(model, node, "rounds in other places in Spark", "sum(cast(x as decimal(18, 4))) / count(x)")
    value = node.this if where is None else exp.Case(ifs=[exp.If(this=where.copy(), true=node.this.copy())])
    number = exp.func("nullif", _double(exp.Count(this=value.copy())), _double(exp.Literal.number(0)))
    return exp.Div(this=_double(exp.Sum(this=value.copy())), expression=number, typed=True, safe=True)


def _double(node: exp.Expr) -> exp.Expr:
    return exp.cast(exp.paren(node) if isinstance(node, exp.Binary) else node, "double")


def _ntz(node: exp.Expr) -> exp.Expr:
    return exp.cast(node, exp.DataType.build("timestampntz"))


def _kind(node: exp.Expr) -> str:
    """The type's name, empty when it is not known."""
    kind = node.type.this.name if node.type is not None else ""
    return "" if kind == "UNKNOWN" else kind
