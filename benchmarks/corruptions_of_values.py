"""Corruptions of values: nulls, numbers, categories and texts that are not what they should be.

What belongs here: kinds that change what stands in a column. Not: kinds that change columns, times or rows
(corruptions_of_files.py).
"""

import polars as pl

from benchmarks.corruption_case import Case, Made, NotApplicableError


def nulls(case: Case) -> Made:
    """Values are missing."""
    column = case.one([name for name in case.rows.columns if name != case.data.time])
    return case.put(column, pl.lit(None), case.share(0.05, 0.2, 0.6)), (column,)


def null_respelt(case: Case) -> Made:
    """The place of null is taken by -1, 9999, NA or the like: of all nulls, and of more."""
    column = case.one([*case.data.amounts, *case.data.codes, *case.data.labels, *case.data.texts])
    dtype = case.rows.schema[column]
    spelling = case.one(["NA", "n/a", "-", "UNKNOWN"] if dtype == pl.String else [-1, 9999, -999])
    case.detail["spelling"] = spelling
    gone = case.some(case.share(0.05, 0.2, 0.6)) | case.rows[column].is_null()
    value = pl.when(gone).then(pl.lit(spelling, dtype)).otherwise(pl.col(column))
    return case.rows.with_columns(value.alias(column)), (column,)


def frozen(case: Case) -> Made:
    """A value is stuck: row after row the same."""
    column = case.one([*case.data.amounts, *case.data.labels])
    share = case.share(0.15, 0.5, 1.0)
    start = int(case.random.integers(int(len(case.rows) * (1 - share)) + 1))
    stuck = pl.int_range(pl.len()).is_between(start, start + int(share * len(case.rows)))
    value = pl.lit(case.rows[column].drop_nulls()[0], case.rows.schema[column])
    return case.rows.with_columns(pl.when(stuck).then(value).otherwise(column).alias(column)), (column,)


def rescaled(case: Case) -> Made:
    """Another unit: numbers are 10, 100 or 1,000 times as large, or as small."""
    column = case.one(case.data.amounts)
    whole = case.rows.schema[column].is_integer()
    factor = case.one([10, 100, 1000] if whole else [0.001, 0.01, 0.1, 10, 100, 1000])
    case.detail["factor"] = factor
    if whole:
        return case.wide(column, pl.Int64).put(column, pl.col(column) * factor), (column,)
    return case.put(column, (pl.col(column) * factor).round(6)), (column,)


def cents(case: Case) -> Made:
    """Money comes in cents, as whole numbers."""
    column = case.one([name for name in case.data.amounts if case.rows.schema[name].is_float()])
    case.detail["factor"] = 100
    return case.put(column, (pl.col(column) * 100).round()), (column,)


def sign_flipped(case: Case) -> Made:
    """What was above zero is below, and the other way round."""
    column = case.one(case.data.amounts)
    return case.put(column, -pl.col(column)), (column,)


def outliers(case: Case) -> Made:
    """A few values are far out."""
    column = case.one(case.data.amounts)
    top = abs(float(case.rows[column].quantile(0.99) or 1)) + 1
    values = pl.Series(top * case.random.uniform(20, 60, len(case.rows))).round()
    whole = case.rows.schema[column].is_integer()
    wide = case.wide(column, pl.Int64) if whole else case
    return wide.put(column, values.cast(pl.Int64) if whole else values, case.share(0.005, 0.02, 0.1)), (column,)


def mean_shifted(case: Case) -> Made:
    """All values move by a part of their spread."""
    column = case.one(case.data.amounts)
    values = case.rows[column].drop_nulls()
    spread = float(values.quantile(0.75) or 0) - float(values.quantile(0.25) or 0)
    moved = pl.col(column) + case.of(0.3, 0.8, 2.0) * spread
    case.detail["least"] = 0.9
    whole = case.rows.schema[column].is_integer()
    return case.put(column, (moved.round() if whole else moved.round(2)).cast(case.rows.schema[column]), 1.0), (column,)


def rounded(case: Case) -> Made:
    """Numbers lose their last digits."""
    column = case.one([name for name in case.data.amounts if name != "AGE"])
    if not case.rows.schema[column].is_integer():
        return case.put(column, pl.col(column).round()), (column,)
    to = 10 if column == "Quantity" else 1000
    return case.put(column, ((pl.col(column) / to).round() * to).cast(case.rows.schema[column])), (column,)


def decimal_comma(case: Case) -> Made:
    """Numbers are written 12,5 in place of 12.5."""
    column = case.one([name for name in case.data.amounts if case.rows.schema[name].is_float()])
    written = case.wide(column, pl.String)
    return written.put(column, pl.col(column).str.replace(".", ",", literal=True)), (column,)


def mixed_types(case: Case) -> Made:
    """Words and units stand among the numbers."""
    column = case.one(case.data.amounts)
    word = case.one([pl.lit("unknown"), pl.col(column) + pl.lit(" EUR"), pl.lit("n/a"), pl.lit("see note")])
    return case.wide(column, pl.String).put(column, word, case.share(0.02, 0.1, 0.5)), (column,)


def category_recoded(case: Case) -> Made:
    """Categories come in other codes: permuted, or as words for numbers."""
    column = case.one(case.data.codes)
    found = case.rows[column].drop_nulls().unique().sort().to_list()
    if len(found) < 2:  # one code has no other
        raise NotApplicableError
    text = case.rows.schema[column] == pl.String
    permuted = text or case.one([True, False])
    new = [found[-1], *found[:-1]] if permuted else [f"K{place}" for place in range(len(found))]
    case.detail["codes"] = dict(zip(found, new, strict=True))
    wide = case if type(new[0]) is type(found[0]) else case.wide(column, pl.String)
    values = wide.rows[column].replace_strict([str(one) if wide is not case else one for one in found], new)
    return wide.put(column, values), (column,)


def category_added(case: Case) -> Made:
    """A category that was never there before."""
    column = case.one(case.data.codes)
    text = case.rows.schema[column] == pl.String
    value = pl.lit("Atlantis" if text else 77, case.rows.schema[column])
    return case.put(column, value, case.share(0.02, 0.1, 0.4)), (column,)


def category_collapsed(case: Case) -> Made:
    """The rarer values of a category all become one."""
    share = case.share(0.1, 0.4, 0.9)
    column = case.one([*case.data.codes, *case.data.labels])
    counts = case.rows[column].drop_nulls().value_counts(sort=True)
    rare = counts.reverse().filter(pl.col("count").cum_sum() <= share * len(case.rows))[column]
    values = pl.lit(counts[column][0], case.rows.schema[column])
    return case.put(column, pl.when(pl.col(column).is_in(rare.implode())).then(values).otherwise(column), 1.0), (
        column,
    )


def truncated(case: Case) -> Made:
    """Texts are cut off."""
    column = case.one(case.data.texts)
    lengths = case.rows[column].str.len_chars()
    kept = max(2, int(float(lengths.median() or 4) * 0.6))  # type: ignore[arg-type]
    return case.put(column, pl.col(column).str.head(kept)), (column,)


def mojibake(case: Case) -> Made:
    """Letters beyond ASCII were read in the wrong encoding: what was E with an accent is two odd letters."""
    column = case.one(case.data.texts)
    odd = pl.col(column)
    for plain, accented in (("E", "É"), ("A", "Ä"), ("o", "ö")):
        odd = odd.str.replace_all(plain, accented.encode().decode("latin-1"), literal=True)
    return case.put(column, odd), (column,)


def case_changed(case: Case) -> Made:
    """Texts come in small letters, with blanks around."""
    column = case.one(case.data.texts)
    return case.put(column, pl.lit(" ") + pl.col(column).str.to_lowercase() + " "), (column,)


KINDS = (
    nulls,
    null_respelt,
    frozen,
    rescaled,
    cents,
    sign_flipped,
    outliers,
    mean_shifted,
    rounded,
    decimal_comma,
    mixed_types,
    category_recoded,
    category_added,
    category_collapsed,
    truncated,
    mojibake,
    case_changed,
)
