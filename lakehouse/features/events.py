"""The declaration of a table of events, and of when its rows can be known.

What belongs here: the frozen declaration. Not: what is computed from events (aggregation.py).
"""

from dataclasses import dataclass

from lakehouse.errors import DeclarationError
from lakehouse.features.duration import microseconds

NO_DELAY = "0d"


@dataclass(frozen=True)
class Events:
    """Rows of `table` that happened at `event_time`, to an entity whose keys are the columns `keys`.

    An event counts from `delay` after it happened, or, with `available_at`, from the time in that column. `keys` are
    only given where the table calls them other than the entity does.
    """

    table: str
    event_time: str
    delay: str = NO_DELAY
    available_at: str = ""
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises DeclarationError for a delay without a unit, and for a delay beside a column that says it better."""
        object.__setattr__(self, "keys", tuple(self.keys))
        where = f"events of {self.table}"
        late = microseconds(self.delay, where=f"{where}, delay")
        if late and self.available_at:
            raise DeclarationError(
                f"Both a delay of {self.delay} and the column {self.available_at!r} say when a row can be known.",
                where=where,
                nearest=f'available_at="{self.available_at}"',
                fix="Declare one of the two.",
            )

    @property
    def late(self) -> int:
        """The delay in microseconds."""
        return microseconds(self.delay, where=f"events of {self.table}, delay")
