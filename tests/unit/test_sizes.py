"""Runs of days that fit into memory: found from totals, they are those that adding up day by day finds.

What belongs here: the cutting in lakehouse/tables/sizes.py. Not: rows that are worked on in parts
(integration/test_in_parts.py).
"""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import SlipwayError
from lakehouse.tables.sizes import Span, spans_within

FIRST = date(2018, 4, 1)
A_DAY = 86_400_000_000


def plainly(days, reaches, limit):
    """Day after day into the run for as long as it fits; None when a day alone does not."""

    def since(day):
        back = [len(days) * 9 if reach is None else -(-reach // A_DAY) for reach in reaches]
        return tuple(max(min(days), day - timedelta(days=one)) for one in back)

    def fits(first, last):
        inside = [(day, place) for day in days for place in range(len(reaches)) if since(first)[place] <= day <= last]
        return sum(days[day][place] for day, place in inside) <= limit

    runs = []
    for day in sorted(day for day in days if days[day][0]):
        if runs and fits(runs[-1][0], day):
            runs[-1][1] = day
        elif fits(day, day):
            runs.append([day, day])
        else:
            return None
    return [Span(first, last, since(first)) for first, last in runs]


@given(
    st.dictionaries(st.integers(0, 20), st.tuples(*[st.integers(0, 9)] * 3), max_size=12),
    st.tuples(st.just(0), *[st.one_of(st.none(), st.integers(0, 9).map(lambda half: half * A_DAY // 2))] * 2),
    st.integers(0, 200),
)
def test_runs_of_days_are_those_that_adding_up_finds(sizes, reaches, limit):
    days = {FIRST + timedelta(days=day): size for day, size in sizes.items()}
    try:
        found = list(spans_within(days, reaches, limit, whose="a test's", fix="Give it more."))
    except SlipwayError:
        found = None
    assert found == plainly(days, reaches, limit)
