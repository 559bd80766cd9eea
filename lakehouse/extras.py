"""Optional dependencies: packages that few projects need, and the extra that installs each.

What belongs here: which extra brings which package, and the error where it is missing. Not: using any of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from lakehouse.errors import SettingsError

EXTRAS = {
    "psycopg2": "postgres",
    "pyspark": "spark",
    "xgboost": "xgboost",
}
"""A package to import -> the extra of Slipway that installs it."""


class MissingExtraError(SettingsError):
    """A package that an extra of Slipway installs, and that is not installed."""


@contextmanager
def named(where: str) -> Iterator[None]:
    """While code of a project runs: an import that fails for want of an extra raises MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        raise missing_extra(error.name, where=where) from error


def require(package: str, *, where: str) -> None:
    """Raise MissingExtraError where the package is not installed; `where` is what asks for it."""
    if find_spec(package) is None:
        raise missing_extra(package, where=where)


def missing_extra(package: str, *, where: str | None = None) -> MissingExtraError:
    """The error for a package of EXTRAS that is not installed."""
    extra = EXTRAS[package]
    return MissingExtraError(
        f"The package {package} is not installed; the extra {extra!r} of Slipway brings it.",
        where=where,
        nearest=f"slipway[{extra}]",
        fix=f"In the project's pyproject.toml, depend on slipway[{extra}] in place of slipway; then install the "
        "project again.",
    )
