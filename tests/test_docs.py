"""The documentation, held to the code: what it shows runs, what it names exists, and what exists is named.

What belongs here: checks of README.md, docs/ and CONTEXT.md. Not: whether docs/cli.md is as its commands say
(integration/test_cli.py) and docs/dependencies.md as pyproject.toml does (unit/test_dependencies.py).

Blocks of a page run in order, in one folder with a home of the small world, and Python blocks share their names.
`python` blocks are executed, `sql` blocks are asked with `slipway query`, the command lines of `sh` and `console`
blocks are run; one that ends on `# fails` must fail. What takes minutes or never returns is only checked to exist.
`text` blocks are not looked into, and other languages are not used.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from lakehouse import errors
from lakehouse.settings import known_settings
from orchestration.definitions import build_defs
from tests import scenario
from tests.environment import environment
from tests.shell import COMMANDS, TARGETS, TOP, Shell

OWN = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
PAGES = [*OWN, TOP / "CONTEXT.md", TOP / "CHANGELOG.md"]
GENERATED = {"cli.md"}
LONGEST_PAGE = 150
LISTS = {"benchmarks.md"}  # looked up in, not read from top to bottom

RUN = {"python", "sql", "sh", "console"}
SHOWN = {"text", "mermaid"}

# Words that the glossary avoids for what it names, and that mean something else as well.
ALSO_SOMETHING_ELSE = {"entity dataframe": "Feast's, by which the spine is explained once"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and the number of the first of them in its page."""

    language: str
    lines: tuple[str, ...]
    first: int


@dataclass(frozen=True)
class Page:
    """A page taken apart: its blocks, and its lines with nothing where blocks stood."""

    path: Path
    blocks: tuple[Block, ...]
    prose: tuple[str, ...]

    @property
    def words(self) -> str:
        """The prose without inline code, links' targets and pictures."""
        text = re.sub(r"`[^`]*`", " ", "\n".join(self.prose))
        return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def name_of(path: Path) -> str:
    return str(path.relative_to(TOP))


def take_apart(path: Path) -> Page:
    blocks, prose, inside = [], [], None
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        fence = re.fullmatch(r"\s*```(\w*)\s*", line)
        if fence and inside is None:
            inside = (fence.group(1), number + 1, [])
        elif fence and inside is not None:
            blocks.append(Block(inside[0], tuple(inside[2]), inside[1]))
            inside = None
        elif inside is not None:
            inside[2].append(line)
        prose.append("" if fence or inside is not None else line)
    assert inside is None, f"{name_of(path)}, line {inside and inside[1]}: a block is not closed"
    return Page(path, tuple(blocks), tuple(prose))


every_page = pytest.mark.parametrize("path", PAGES, ids=name_of)
every_own_page = pytest.mark.parametrize("path", OWN, ids=name_of)


# What is shown runs.


@pytest.fixture(scope="module")
def page_home(live_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world after a main job, with one row in quarantine. To be copied."""
    home = shutil.copytree(live_home, tmp_path_factory.mktemp("docs") / "home")
    with environment():
        lake = scenario.make_lake(home)
        # The last days come again with other content, and with one row that breaks a rule.
        again = scenario.payments_on(scenario.EVERY_DAY[-7:]).with_columns(pl.col("TX_AMOUNT").floor())
        scenario.deliver(lake, scenario.broken(again, every=len(again)))
        scenario.land_all(lake)
    return home


@pytest.mark.parametrize(
    "path", [page for page in OWN if RUN & {block.language for block in take_apart(page).blocks}], ids=name_of
)
def test_what_a_page_shows_runs(path: Path, page_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(page_home, tmp_path / ".slipway")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPWAY_PROJECT", str(TOP))
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / ".slipway"))
    shell, names = Shell(tmp_path), {"__name__": "docs"}
    for block in take_apart(path).blocks:
        if block.language == "python":
            source = "\n" * (block.first - 1) + "\n".join(block.lines)
            with environment(shell.exported):
                exec(compile(source, str(path), "exec"), names)  # noqa: S102  # this project's own page
        elif block.language == "sql":
            with _at_line(path, block.first), environment(shell.exported):
                shell.slipway(["query", "\n".join(block.lines)])
        elif block.language in {"sh", "console"}:
            for number, line in command_lines(path, block):
                with _at_line(path, number):
                    shell.run(line)


def command_lines(path: Path, block: Block) -> Iterator[tuple[int, str]]:
    """The command lines with their numbers.

    A generated page shows how to call each command, and examples with words beside them. Its examples that change
    something are left out: the tests of the command line run them.
    """
    for number, line in enumerate(block.lines, start=block.first):
        if path.name in GENERATED:
            command = re.split(r"\s{2,}", line)[0]
            if "OPTIONS" not in line and not re.match("slipway (materialize|new-domain|drill [a-z])", line):
                yield number, command
        elif line.strip() and not line.lstrip().startswith("#"):
            yield number, line


@contextlib.contextmanager
def _at_line(path: Path, number: int) -> Iterator[None]:
    """Adds to what goes wrong the place that it stands at."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{name_of(path)}, line {number}")
        raise


@every_own_page
def test_what_is_shown_needs_nothing_of_the_tests(path: Path):
    for block in take_apart(path).blocks:
        # Their rows would take the place of what was delivered to somebody's home.
        found = [line for line in block.lines if re.match(r"\s*(from|import) tests\b", line)]
        assert not found, f"{name_of(path)}, line {block.first}: {found}"


@every_page
def test_every_block_names_its_language(path: Path):
    for block in take_apart(path).blocks:
        assert block.language in RUN | SHOWN, f"{name_of(path)}, line {block.first}: {block.language!r}"


# What is named exists.


@pytest.fixture(scope="module")
def graph(landed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    """The definitions over the landed world."""
    with environment():
        lake = scenario.make_lake(shutil.copytree(landed_home, tmp_path_factory.mktemp("graph") / "home"))
        yield build_defs(lake)


def tables_of(graph: dg.Definitions) -> set[str]:
    return {".".join(key.path) for key in graph.resolve_asset_graph().materializable_asset_keys}


@every_page
def test_links_and_pictures_lead_somewhere(path: Path):
    text = "\n".join(take_apart(path).prose)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if "://" not in target and (not there.exists() or (anchor and anchor not in anchors(there))):
            broken.append(target)
    assert not broken


def anchors(path: Path) -> set[str]:
    """What a link into a page can name: its titles, as they are made into anchors."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@every_page
def test_paths_exist(path: Path):
    folders = "assets|benchmarks|dbt_project|docs|lakehouse|orchestration|tests"
    text = re.sub(r"\]\([^)]*\)", "", "\n".join(take_apart(path).prose))  # links are another test's
    for found in re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./*-]*", text):
        wanted = found.rstrip(".")
        made = re.fullmatch(r"assets/orders/(\w*)(\.py)?", wanted)
        if made:
            # What `slipway new-domain` writes.
            wanted = f"orchestration/cli/templates/{made.group(1)}{'.py.txt' if made.group(1) else ''}"
        assert list(TOP.glob(wanted)), f"{name_of(path)}: {found}"


@every_page
def test_tables_and_settings_that_are_named_exist(path: Path, graph: dg.Definitions):
    text = path.read_text()
    known = tables_of(graph) | {"fraud.transactions__quarantine"}
    wrong = {name for name in re.findall(r"\bfraud\.[a-z]\w*", text) if name not in known}
    wrong -= {"fraud.trainning"}  # misspelt to show an error
    wrong -= {f"fraud.{file.stem}" for file in (TOP / "assets" / "fraud").glob("*.py")}  # modules, in Python blocks
    assert not wrong
    assert set(re.findall(r"SLIPWAY_[A-Z_]+", text)) - {"SLIPWAY_", "SLIPWAY_HOEM"} <= set(known_settings())


@every_page
def test_inline_commands_exist(path: Path):
    text = "\n".join(take_apart(path).prose)
    for name in re.findall(r"`(?:\.venv/bin/)?slipway ([a-z-]+)", text):
        assert name in {one.split()[0] for one in COMMANDS}, f"{name_of(path)}: slipway {name}"
    for name in re.findall(r"`make ([a-z]+)", text):
        assert name in TARGETS, f"{name_of(path)}: make {name}"


def test_the_drawn_graph_is_the_graph(graph: dg.Definitions):
    drawn = set()
    for block in take_apart(TOP / "docs" / "architecture.md").blocks:
        if block.language == "mermaid":
            drawn = {tuple(line.split(" --> ")) for line in map(str.strip, block.lines) if "-->" in line}
    assets = graph.resolve_asset_graph()
    keys = assets.materializable_asset_keys
    fraud = [key for key in keys if key.path[0] == "fraud"]  # the example that the page explains
    assert drawn == {(up.path[-1], key.path[-1]) for key in fraud for up in assets.get(key).parent_keys}


# What exists is named.


def test_every_setting_is_documented_in_its_own_words():
    page = (TOP / "docs" / "operations.md").read_text()
    wanted = [f"| `{name}` | {message} |" for name, message in known_settings().items()]
    assert [line for line in page.splitlines() if line.startswith("| `SLIPWAY_")] == wanted, "\n" + "\n".join(wanted)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str):
    assert any(f"slipway {name}" in path.read_text() for path in OWN)


@pytest.mark.parametrize("name", [one.__name__ for one in errors.SlipwayError.__subclasses__()])
def test_every_error_has_a_remedy_in_the_docs(name: str):
    assert f"| `{name}` |" in (TOP / "docs" / "operations.md").read_text()


def test_every_job_schedule_and_sensor_is_documented(graph: dg.Definitions):
    page = (TOP / "docs" / "operations.md").read_text()
    jobs = [job.name for job in graph.resolve_all_job_defs() if not job.name.startswith("__")]
    for name in [*jobs, *(one.name for one in graph.schedules or ()), *(one.name for one in graph.sensors or ())]:
        documented = re.sub(r"^[a-z]+_", "fraud_", name)  # every domain has the same ones under its own name
        assert f"`{documented}`" in page, name


def test_every_decision_has_its_number_and_its_parts():
    decisions = sorted((TOP / "docs" / "adr").glob("*.md"))
    for number, path in enumerate(decisions, start=1):
        assert path.name.startswith(f"{number:04}-"), path.name
        text = path.read_text()
        assert text.startswith(f"# {number}. "), path.name
        for part in ("**Question.**", "**Decision.**", "**What follows.**"):
            assert part in text, f"{path.name}: {part}"


# One name for one thing.


def glossary() -> dict[str, str]:
    """Word -> what to avoid, from the tables of CONTEXT.md; a row may define two words."""
    found = {}
    for line in (TOP / "CONTEXT.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "word":
            found.update(dict.fromkeys(cells[0].split(", "), cells[2]))
    return found


@every_own_page
def test_bold_words_are_words_of_the_glossary(path: Path):
    parts = {"question.", "decision.", "what we found.", "what follows."}
    known = glossary()
    for word in re.findall(r"\*\*(.+?)\*\*", "\n".join(take_apart(path).prose)):
        plain = word.lower()
        assert plain in parts or plain in known or plain.removesuffix("s") in known, f"{name_of(path)}: {word}"


@every_own_page
def test_no_word_that_the_glossary_avoids(path: Path):
    avoided = {
        re.sub(r"\s*\(.*\)", "", word).strip() for words in glossary().values() for word in words.split(", ")
    } - ALSO_SOMETHING_ELSE.keys()
    text = take_apart(path).words
    for word in sorted(avoided):
        found = re.search(rf"\b{re.escape(word)}s?\b", text, flags=re.IGNORECASE)
        assert not found, f"{name_of(path)}: {found and found.group()!r} is a word to avoid"


@every_page
def test_pages_are_about_the_project_and_no_machine_of_anybody(path: Path):
    text = path.read_text()
    assert not re.search(r"/home/\w|/root\b|/Users/|/work/|\b[A-Z]:\\", text)
    for address in re.findall(r"\w+://([\w.-]+)", text):
        public = {"127.0.0.1", "catalog.example.org", "bucket", "slipway", "keepachangelog.com", "semver.org", "..."}
        public.add("openlineage.io")  # where the standard's events say that their schema stands
        assert address in public, address


@every_own_page
def test_pages_begin_with_what_they_are_about_and_stay_short(path: Path):
    lines = path.read_text().splitlines()
    assert re.match(r"# \S", lines[0])
    assert lines[2][:1].isalpha() or lines[2].startswith(("`", "**")), "a page begins with a paragraph"
    assert path.name in GENERATED | LISTS or len(lines) <= LONGEST_PAGE
