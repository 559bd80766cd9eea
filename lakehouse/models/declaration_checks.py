"""Checks that declarations of models share.

What belongs here: checks of names, texts and options. Not: the declarations (model.py, candidate.py, gate.py).
"""

import re
from collections.abc import Iterable, Sequence

from lakehouse.errors import DeclarationError, nearest_name

PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


def check_name(name: str, form: re.Pattern[str], where: str, example: str) -> None:
    """Raise DeclarationError if the name does not have the form."""
    if isinstance(name, str) and form.fullmatch(name):
        return
    dotted = form is TABLE_NAME
    plain = re.sub(r"[^a-z0-9.]+" if dotted else r"[^a-z0-9]+", "_", str(name).lower()).strip("_.")
    raise DeclarationError(
        f"{name!r} is not a name.",
        where=where,
        nearest=plain if form.fullmatch(plain) else example,
        fix="Use lower-case letters, digits and underscores" + (", as domain.name." if dotted else "."),
    )


def check_text(text: str, where: str) -> None:
    """Raise DeclarationError if the description is empty."""
    if not text.strip():
        raise DeclarationError("The description is empty.", where=where, fix="Describe it in a sentence.")


def check_option(word: str, options: Iterable[str], where: str, kind: str) -> None:
    """Raise DeclarationError if the word is not one of the options."""
    if word not in options:
        raise DeclarationError(
            f"Unknown {kind} {word!r}.",
            where=where,
            nearest=nearest_name(word, options),
            fix=f"Known {kind}s: " + ", ".join(sorted(options)) + ".",
        )


def check_distinct(names: Sequence[str], where: str, kind: str) -> None:
    """Raise DeclarationError if there are no names, or one comes twice."""
    if not names:
        raise DeclarationError(f"No {kind} is declared.", where=where, fix=f"Declare at least one {kind}.")
    for name in names:
        if names.count(name) > 1:
            raise DeclarationError(
                f"The {kind} {name!r} is declared {names.count(name)} times.", where=where, fix="Keep one of them."
            )
