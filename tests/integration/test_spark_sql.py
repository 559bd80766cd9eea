"""DuckDB's SQL on Spark: what is translated means the same, and what is not gets an error that names it.

What belongs here: the translation (engines/spark/sql_translation.py), over rows chosen to tell the two engines apart.
Not: dbt.
"""

from datetime import datetime

import duckdb
import pyarrow as pa
import pytest

from lakehouse.engines.spark.sql_translation import to_spark
from lakehouse.errors import SlipwayError
from lakehouse.spark.errors import spark_errors
from lakehouse.spark.session import spark_of

# Numbers that are halves, and that a double cannot show exactly; nulls; negative ones; times around midnight and a leap
# day; texts with upper case, spaces, nothing in them and letters beyond ASCII.
ROWS = pa.table(
    {
        "number": pa.array([1, 2, None, -7, 7, 2_000_000_000, 0, 3], pa.int32()),
        "big": pa.array([10, -3, 4, None, 9_007_199_254_740_993, 2, 0, 3], pa.int64()),
        "price": pa.array([0.285, 1.005, 2.5, -2.5, 0.125, None, 1e6 + 0.005, 3.5], pa.float64()),
        "amount": pa.array(["0.29", "1.01", "-2.50", None, "7.00", "0.01", "99.99", "3.33"]).cast(pa.decimal128(12, 2)),
        "fine": pa.array(["0.285", "1.005", "-2.505", None, "7.125", "0.015", "9.995", "3.335"]).cast(
            pa.decimal128(9, 3)
        ),
        "name": pa.array(["Ann", "bob ", None, "", "Ärger", "ann", "x_y", "100%"]),
        "flag": pa.array([True, False, None, True, False, True, None, False]),
        "seen": pa.array(
            [
                datetime(2024, 2, 28, 23, 59, 59, 999_999),  # noqa: DTZ001  # table times are UTC without a zone
                datetime(2024, 2, 29),  # noqa: DTZ001
                None,
                datetime(2024, 12, 31, 12, 30),  # noqa: DTZ001
                datetime(1969, 12, 31, 23, 0, 0, 1),  # noqa: DTZ001
                datetime(2024, 3, 31, 1, 30),  # noqa: DTZ001
                datetime(2024, 1, 1),  # noqa: DTZ001
                datetime(2023, 10, 29, 2, 30),  # noqa: DTZ001
            ],
            pa.timestamp("us"),
        ),
        "day": pa.array([19_000, 19_001, None, 0, -1, 19_002, 19_003, 19_004], pa.date32()),
    }
)

CARRIED = [
    "number + big, number - 1, -number, big * 2, abs(number), abs(amount)",
    "number / 2, big / 4, amount / 3, amount / fine, price / 3",
    "number / 0, number / big, price / big, -price / big, amount / number, 1 / (price * 0), null / big, price / -0.5",
    "(number / 2) / 3, number / big / 3, cast(price as integer) / 2, cast(price as decimal(12, 2)) / number",
    "cast(price as integer), cast(price as bigint), cast(amount as integer), cast(fine as bigint)",
    "cast(price as decimal(12, 2)), cast(price as decimal(18, 3)), cast(fine as decimal(12, 2)), amount::double",
    "cast(number as decimal(18, 2)), amount + fine, amount * fine, amount * 2, amount - 1.5",
    "number::varchar, big::text, amount::varchar, day::varchar",
    "seen + interval 7 days, seen - interval 90 minutes, seen + interval 1 hour, seen + interval 1 month",
    "date_trunc('day', seen), date_trunc('hour', seen), date_trunc('month', seen), date_trunc('week', seen)",
    "date_trunc('day', seen)::timestamp, seen::date, day::timestamp",
    "extract(year from seen), extract(month from seen), extract(day from seen)",
    "extract(hour from seen), extract(minute from seen)",
    "year(seen), month(seen), day(seen), extract(week from seen), extract(quarter from seen)",
    "lower(name), upper(name), length(name), name || '!', name || name",
    "name like 'a%', name not like '%n%', name like 'x_y', name like '100%'",
    "coalesce(number, big, 0), nullif(number, 7), greatest(number, big), least(number, big)",
    "case when flag then number when number > 3 then -1 end, case name when 'Ann' then 1 else 0 end",
    "number is null, name is not null, number is distinct from big, number is not distinct from 7",
    "number between 1 and 7, number in (1, 2, null), number not in (1, 2)",
    "not flag, flag and number > 1, flag or big > 1",
    "number = big, number <> big, number < big, number >= 2, amount > 1, price <= 2.5, name < 'b', seen > '2024-01-01'",
    "amount > 1.005, fine = 7.125, seen between '2024-01-01' and '2024-03-01', day = date '2022-01-08'",
]

WHOLE = [
    "select count(*), count(number), count(distinct number), sum(number), sum(amount), min(name), max(seen) from t",
    "select avg(number), sum(amount) / count(amount), sum(fine) / count(*), avg(number) filter (where big > 1) from t",
    "select flag, count(*) as n, sum(amount) filter (where number > 1) as s from t group by flag having count(*) > 1",
    "select date_trunc('month', seen) as m, sum(big), sum(amount) / count(*) from t where big < 100 group by 1",
    "select *, row_number() over (order by seen) as place, rank() over (partition by flag order by number) as r from t",
    "select number, sum(amount) over (partition by flag order by seen rows between 1 preceding and current row) from t",
    "select * from (select *, row_number() over (partition by flag order by seen desc) as n from t) where n = 1",
    "with a as (select number from t), b as (select big as number, name from t) select * from a join b using (number)",
    "select l.number, r.name from t as l left join t as r on l.number = r.big and r.flag",
    "select number from t union all select big from t",
    "select number from t union select big from t",
    "select number from t except select big from t",
    "select distinct flag, name is null from t",
    "select t.* from t where number > (select avg(number) from t where number < 100)",
    'select "NUMBER" as a, Big as b from T',
]

REJECTED = {
    "median(amount)": "median",
    "sum(price)": "sum",
    "avg(price)": "avg",
    "avg(amount)": "avg",
    "price::varchar": "cast",
    "name::integer": "cast",
    "name::double": "cast",
    "name::float / 2": "cast",
    "sum(price) / count(*)": "sum",
    "avg(number) filter (where number > 1) over (order by number)": "window",
    "number % 2": "mod",
    "number // 2": "intdiv",
    "round(price, 2)": "round",
    "seen::timestamptz": "cast",
    "date_diff('day', seen, seen)": "datediff",
    "list(number)": "array_agg",
    "regexp_matches(name, 'a')": "regexp_like",
    "strftime(seen, '%Y')": "time_to_str",
    "random()": "rand",
    "extract(second from seen)": "extract",
    "try_cast(name as integer)": "try_cast",
    "no_such_function(number)": "anonymous",
    "name like 'x\\_y'": "like",
    "avg(number) over (order by number)": "window",
}


@pytest.fixture(scope="module")
def both(spark_lake):
    """Asks one statement on both engines; the rows of each, sorted, in DuckDB's types."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("create schema world")
    connection.register("given", ROWS)
    connection.execute("create table world.t as select * from given")
    connection.execute("set schema = 'world'")
    types = connection.sql("select * from world.t limit 0")
    columns = {"world.t": {name: str(kind) for name, kind in zip(types.columns, types.types, strict=True)}}
    session = spark_of(spark_lake)
    session.createDataFrame(ROWS).createOrReplaceTempView("world_t")

    def ask(sql):
        duck = connection.sql(sql).to_arrow_table()
        spark = session.sql(
            to_spark(
                sql.replace(" from t", " from world.t")
                .replace(" from T", " from world.t")
                .replace("join t ", "join world.t "),
                "world.model",
                columns,
                {"world.t": "world_t"},
            )
        )
        found = spark.toDF(*duck.column_names).toArrow().cast(duck.schema)
        return ordered(duck), ordered(found)

    return ask


def ordered(table):
    """The rows in one order, with each value as its text, which shows the last bit of a double."""
    return sorted(tuple(map(repr, row.values())) for row in table.to_pylist())


def test_every_expression_has_the_same_values_on_spark(both):
    """One statement for all of them: each is a column of it."""
    expressions = [one.strip() for columns in CARRIED for one in split(columns)]
    columns = ", ".join(f"{one} as c{place}" for place, one in enumerate(expressions))
    duck, spark = both(f"select row_number() over (order by seen) as place, {columns} from t")
    for place, expression in enumerate(expressions, start=1):
        assert [row[place] for row in spark] == [row[place] for row in duck], expression


@pytest.mark.parametrize("sql", WHOLE)
def test_a_statement_has_the_same_rows_on_spark(sql, both):
    duck, spark = both(sql)
    assert duck
    assert spark == duck


@pytest.mark.parametrize("expression", REJECTED)
def test_what_could_mean_something_else_is_rejected_with_model_and_construct(expression):
    with pytest.raises(SlipwayError) as caught:
        to_spark(
            f"select {expression} as x from world.t",
            "world.model",
            {
                "world.t": {
                    "number": "INTEGER",
                    "price": "DOUBLE",
                    "amount": "DECIMAL(12,2)",
                    "name": "VARCHAR",
                    "seen": "TIMESTAMP",
                }
            },
            {"world.t": "world_t"},
        )
    assert caught.value.what.startswith(REJECTED[expression])
    assert caught.value.where == "model world.model"
    assert "SLIPWAY_ENGINE=embedded" in (caught.value.fix or "")


@pytest.mark.parametrize("name", ["lower", "upper"])
def test_letters_are_the_same_in_the_other_case_or_rejected(name, spark_lake):
    letters = [chr(code) for code in range(1, 255) if code not in (0xB5, 0xDF)]
    session = spark_of(spark_lake)
    sql = f"select {name}(letter) as x from world.letters"
    carried = to_spark(sql, "world.model", {"world.letters": {"letter": "VARCHAR"}}, {"world.letters": "letters"})

    def on_spark(texts):
        session.createDataFrame(pa.table({"letter": texts})).createOrReplaceTempView("letters")
        return session.sql(carried).toArrow().column("x").to_pylist()

    given = pa.table({"letter": [*letters, "a\nÄ ö", None]})
    with duckdb.connect() as connection:
        connection.register("letters", given)
        duck = connection.sql(f"select {name}(letter) as x from letters").to_arrow_table().column("x").to_pylist()
    assert on_spark(given.column("letter").to_pylist()) == duck
    for text in ("straße", "İ", "ΟΔΟΣ", "µ"):
        with (
            pytest.raises(SlipwayError, match="gives other texts in Spark"),
            spark_errors("model world.model on Spark"),
        ):
            on_spark([text])


def test_a_table_that_is_no_input_and_sql_that_is_none_are_rejected():
    for sql, message in (("select * from other.table", "is no input"), ("select from where", "cannot be translated")):
        with pytest.raises(SlipwayError, match=message) as caught:
            to_spark(sql, "world.model", {"world.t": {"number": "INTEGER"}}, {"world.t": "world_t"})
        assert caught.value.where == "model world.model"


def split(columns):
    """The expressions of a list, parted at commas that stand in no parentheses."""
    found, depth = [""], 0
    for letter in columns:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return found
