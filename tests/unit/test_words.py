"""The words of CONTEXT.md's right column stand in no identifier, command line text, error or page.

What belongs here: comparing the product's words with the glossary. Not: what docs show (test_docs.py).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell import TOP

PRODUCT = ("assets", "lakehouse", "orchestration", "serving")
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md")), TOP / "CHANGELOG.md"]
TEMPLATES = [
    path
    for folder in PRODUCT
    for path in sorted((TOP / folder).rglob("*"))
    if path.suffix in {".html", ".js", ".txt"} and "vendor" not in path.parts
]
MODULES = [path for folder in PRODUCT for path in sorted((TOP / folder).rglob("*.py"))]

MEANS_SOMETHING_ELSE: dict[str, str] = {
    "availability": "of a server, in a text",
    "companion": "of nothing yet",
}


def avoided() -> tuple[set[str], set[str]]:
    """The words to avoid anywhere, and those (in code font) to avoid as identifiers only."""
    anywhere, identifiers = set(), set()
    for line in (TOP / "CONTEXT.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "word":
            for word in cells[2].split(", "):
                (identifiers if word.startswith("`") else anywhere).add(word.strip("`"))
    return anywhere, identifiers | anywhere


ANYWHERE, IDENTIFIERS = avoided()


def pattern(words: set[str]) -> re.Pattern[str]:
    """Matches each of the words, and its plural, as words of their own."""
    return re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})s?\b", re.IGNORECASE)


def words_of(identifier: str) -> str:
    """`heldBack`, `held_back` and `HELD_BACK` as the words `held back`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", identifier).strip().lower()


def identifiers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that a module defines, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno


def texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every text of a module, docstrings and the fixed parts of f-strings included, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno


@pytest.mark.parametrize("folder", PRODUCT)
def test_identifiers_and_texts_of_modules_avoid_what_the_glossary_avoids(folder: str):
    names, words, found = pattern(IDENTIFIERS), pattern(ANYWHERE), []
    for path in MODULES:
        if path.is_relative_to(TOP / folder):
            tree, where = ast.parse(path.read_text()), path.relative_to(TOP)
            found += [f"{where}: {words_of(path.stem)}"] if names.search(words_of(path.stem)) else []
            found += [f"{where}:{line}: {name}" for name, line in identifiers(tree) if names.search(words_of(name))]
            for text, line in texts(tree):
                found += [f"{where}:{line}: {match.group()}" for match in words.finditer(text)]
    assert not found, f"{len(found)}:\n" + "\n".join(found)


@pytest.mark.parametrize("path", [*PAGES, *TEMPLATES], ids=lambda path: str(path.relative_to(TOP)))
def test_pages_and_templates_avoid_what_the_glossary_avoids(path: Path):
    words = pattern(ANYWHERE)
    found = [
        f"line {number}: {match.group()}"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for match in words.finditer(line)
    ]
    assert not found, "\n".join(found)


def test_an_avoided_word_is_found_in_every_spelling():
    names = pattern({"held back"})
    for name in ("held_back", "heldBack", "HELD_BACK", "was_held_back"):
        assert names.search(words_of(name)), name
    assert not names.search(words_of("withheld_backlog"))
