"""The words of CONTEXT.md in the code: no identifier and no text has a word of the `avoid` column.

What belongs here: names, texts and page templates of the packages, the tests and the benchmarks. Not: README.md and
docs/ (tests/test_docs.py). Words in code font are avoided in identifiers only, the others in identifiers and in texts.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGES = ("assets", "benchmarks", "lakehouse", "orchestration", "serving", "tests")
PYTHON = sorted(path for package in PACKAGES for path in (TOP / package).rglob("*.py"))
TEMPLATES = sorted(
    path
    for package in ("lakehouse", "orchestration", "serving", "dbt_project/models")
    for kind in ("*.html", "*.js", "*.sql", "*.yml")
    for path in (TOP / package).rglob(kind)
    if "vendor" not in path.parts
)

# (beginning of a path, word): the word there means something else than what the glossary calls otherwise.
SOMETHING_ELSE: dict[tuple[str, str], str] = {
    ("benchmarks/", "expectation"): "Great Expectations'",
    ("benchmarks/", "great_expectation"): "Great Expectations'",
    ("benchmarks/", "peer"): "other products, in environments of their own",
    ("lakehouse/kinds/dbt_model.py", "adapter"): "dbt's",
    ("lakehouse/lineage/emit/outbox.py", "journal"): "SQLite's journal mode",
    ("lakehouse/lineage/store/store.py", "journal"): "SQLite's journal mode",
    ("lakehouse/query/run.py", "replacement"): "DuckDB's replacement scans",
    ("lakehouse/sources/file_formats.py", "in line"): "DuckDB's error message",
    ("orchestration/cli/training_set.py", "entity dataframe"): "Feast's, by which the spine is explained once",
    ("orchestration/lineage/event_log.py", "shard"): "Dagster's event log",
    ("orchestration/lineage/events.py", "observation"): "Dagster's event",
    ("tests/", "ledger"): "the table `books.ledger`",
    ("tests/integration/test_spark_sql.py", "extract"): "SQL's function",
    ("tests/test_docs.py", "entity dataframe"): "Feast's, by which the spine is explained once",
    ("tests/unit/test_words.py", ""): "this test itself",
}


def avoided() -> tuple[set[str], set[str]]:
    """The words that are avoided in identifiers only, and those that are avoided everywhere."""
    in_identifiers, everywhere = set(), set()
    for line in (TOP / "CONTEXT.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "word":
            for word in cells[2].split(", "):
                (in_identifiers if word.startswith("`") else everywhere).add(word.strip("`").lower())
    return in_identifiers, everywhere


IN_IDENTIFIERS, EVERYWHERE = avoided()


def pattern(words: set[str], between: str) -> re.Pattern[str]:
    """Finds any of the words, also in the plural, with `between` for each space or hyphen within one."""
    alternatives = (re.sub(r"[ -]", between, word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![a-z])(?:{'|'.join(alternatives)})s?(?![a-z])")


IDENTIFIER = pattern(IN_IDENTIFIERS | EVERYWHERE, "_")
TEXT = pattern(EVERYWHERE, r"[\\s_-]+")


def snake(name: str) -> str:
    """`LandingRun` and `landing_run` are the same words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The names that a module gives: of functions, classes, parameters, variables, attributes and imports."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield 0, name


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The string constants of a module, docstrings among them: commands and assets show theirs to people."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def violations(path: Path, found: Iterator[tuple[int, str]], words: re.Pattern[str]) -> Iterator[str]:
    """`file:line: word in text` for each avoided word, but for those that mean something else there."""
    name = str(path.relative_to(TOP))
    for line, text in found:
        for match in words.finditer(text):
            word = match.group()
            if not any(name.startswith(where) and word.startswith(what) for where, what in SOMETHING_ELSE):
                yield f"{name}:{line}: {word!r} in {text.strip()[:80]!r}"


def test_files_that_docstrings_name_exist():
    missing = [
        f"{path.relative_to(TOP)}: {name}"
        for path in PYTHON
        for name in re.findall(r"(?<![<\w>])[\w/]+\.py\b", ast.get_docstring(ast.parse(path.read_text())) or "")
        if not any(str(one).endswith(f"/{name}") for one in PYTHON)
    ]
    assert not missing, "\n".join(missing)


def test_the_glossary_lists_words_to_avoid():
    assert {"told", "verdict", "landing zone"} <= IN_IDENTIFIERS | EVERYWHERE
    assert IDENTIFIER.search("was_told")
    assert not IDENTIFIER.search("untold")
    assert TEXT.search("the blast radius of a change")
    assert not TEXT.search("he said")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_identifier_has_a_word_that_the_glossary_avoids(package: str):
    wrong = []
    for path in PYTHON:
        if path.relative_to(TOP).parts[0] == package:
            names = [*identifiers(ast.parse(path.read_text())), (0, path.stem)]
            wrong += violations(path, ((line, snake(name)) for line, name in names), IDENTIFIER)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_text_has_a_word_that_the_glossary_avoids(package: str):
    wrong = []
    for path in PYTHON:
        if path.relative_to(TOP).parts[0] == package:
            wrong += violations(path, ((n, text.lower()) for n, text in texts(ast.parse(path.read_text()))), TEXT)
    assert not wrong, "\n".join(wrong)


def test_no_page_and_no_dbt_model_has_a_word_that_the_glossary_avoids():
    wrong = []
    for path in TEMPLATES:
        lines = enumerate(path.read_text().lower().splitlines(), start=1)
        wrong += violations(path, lines, TEXT)
    assert TEMPLATES
    assert not wrong, "\n".join(wrong)
