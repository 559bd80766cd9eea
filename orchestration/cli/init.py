"""`slipway init`: a new project that uses Slipway as an installed package.

What belongs here: which files a project starts with, writing all or nothing. Not: what the files say
(project_template/), and domains (new_domain.py).
"""

import json
import re
import shutil
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlparse

import typer

from lakehouse.errors import ProjectError
from orchestration.cli.output import JsonOption, console, print_json

EXAMPLES = """\
[bold]Examples[/bold]

slipway init my_project             an empty project, to which `slipway new-domain` adds domains

slipway init my_demo --demo         the demo project, on which `slipway demo` runs
"""

_HERE = Path(__file__).parent
_TEMPLATE = _HERE / "project_template"
_PLACES = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "gitignore.txt": ".gitignore",
    "workspace.yaml.txt": "workspace.yaml",
    "assets.txt": "assets/__init__.py",
    "test_project.py.txt": "tests/test_project.py",
    "workflow.yml.txt": ".github/workflows/test.yml",
}
_DEMO = ("assets", "dbt_project")
_DBT = ("dbt_project.yml", "profiles.yml", "macros")
"""What every dbt project of Slipway's has, whatever its models."""


def command(
    folder: Annotated[Path, typer.Argument(help="Folder to write the project to; it is created if missing.")],
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Include the demo's domains, fraud and credit.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Create a project: pyproject.toml, assets/, dbt_project/, workspace.yaml, tests and a CI workflow."""
    folder = folder.expanduser().absolute()
    files = project_files(folder.name, demo=demo)
    write_all(folder, files)
    first = "slipway demo" if demo else "slipway new-domain orders"
    if as_json:
        print_json({"project": str(folder), "files": sorted(str(folder / name) for name in files), "next": first})
        return
    text = [
        f"The project is in {folder} ({len(files)} files).",
        "",
        "Next:",
        f"  cd {folder}",
        *([f"  {first}     land, check, train and score simulated deliveries"] if demo else _NEXT),
    ]
    console.print("\n".join(text), markup=False, highlight=False, soft_wrap=True)


_NEXT = [
    "  slipway new-domain orders         write a domain with a small sample delivery",
    "  slipway materialize group:orders  run all of it",
    "  slipway up                        open the Dagster UI",
]


def project_files(title: str, *, demo: bool = False) -> dict[str, bytes]:
    """The content of a new project's files, by their path in it."""
    name = _distribution_name(title)
    requirement, wheel = _slipway()
    if demo:  # one candidate of its fraud model
        requirement = requirement.replace("slipway", "slipway[xgboost]", 1)
    find = "--find-links wheels " if wheel else ""
    words = {
        "NAME": name,
        "REQUIREMENT": requirement,
        "INSTALL": f"{find}--editable '.[test]'",
        "WHEELS": "| the Slipway that it was written with | `wheels/` |\n" if wheel else "",
    }
    files = {place: _filled(_TEMPLATE / template, words) for template, place in _PLACES.items()}
    if wheel:
        files[f"wheels/{wheel.name}"] = wheel.read_bytes()
    source = _demo_folder()
    for part in _DEMO if demo else ():
        files |= _content(source, source / part)
    for part in _DBT:
        files |= _content(source, source / "dbt_project" / part)
    files.setdefault("dbt_project/models/.gitkeep", b"")
    dbt = files["dbt_project/dbt_project.yml"].decode()
    files["dbt_project/dbt_project.yml"] = re.sub(
        r"^(name: |  )slipway\b", rf"\g<1>{re.sub(r'[-.]', '_', name)}", dbt, flags=re.MULTILINE
    ).encode()
    return files


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files; all of them or, when one fails, none. Raises ProjectError, and overwrites nothing."""
    taken = sorted(name for name in files if (folder / name).exists())
    if taken:
        raise ProjectError(
            f"The folder already has {'a file' if len(taken) == 1 else f'{len(taken)} files'} of a project.",
            where=str(folder / taken[0]),
            nearest=f"slipway init {folder.name}_2",
            fix="Choose another folder; nothing was written.",
        )
    ours: list[Path] = []
    try:
        for name, content in files.items():
            path = folder / name
            missing = [parent for parent in (path, *path.parents) if not parent.exists()]
            if missing:
                ours.append(missing[-1])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except BaseException as error:
        for path in reversed(ours):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.exists():
                path.unlink()
        if not isinstance(error, OSError):
            raise
        raise ProjectError(
            f"The project could not be written: {error.strerror or error}. No files were left behind.",
            where=str(error.filename or folder),
            fix="Choose a writable folder.",
        ) from error


def _distribution_name(title: str) -> str:
    """The folder's name as the name of a Python distribution."""
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f"{plain}-project" if plain == "slipway" else plain or "project"


def _filled(template: Path, words: dict[str, str]) -> bytes:
    return re.sub("|".join(words), lambda found: words[found.group()], template.read_text(encoding="utf-8")).encode()


def _demo_folder() -> Path:
    """Where the demo's files are: data of the installed package, or the checkout that it is installed from."""
    packaged = _HERE / "demo_project"
    return packaged if packaged.is_dir() else _HERE.parents[1]


def _content(top: Path, place: Path) -> dict[str, bytes]:
    """The files at `place`, without what Python and dbt leave behind."""
    paths = sorted(place.rglob("*")) if place.is_dir() else [place]
    left = {"__pycache__", "target", "logs", "dbt_packages"}
    inside = {path: path.relative_to(top) for path in paths if path.is_file()}
    return {str(name): path.read_bytes() for path, name in inside.items() if not left & set(name.parts)}


def _slipway() -> tuple[str, Path | None]:
    """The requirement by which the project gets this Slipway, and the wheel that it was installed from, if any.

    A Git address is required as such (PEP 610 says where a package came from); otherwise exactly this version is.
    """
    try:
        found = distribution("slipway")
    except PackageNotFoundError:  # run from a folder, without an installation
        return "slipway", None
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if "vcs_info" in origin:
        return f"slipway @ {origin['vcs_info']['vcs']}+{origin['url']}@{origin['vcs_info']['commit_id']}", None
    return f"slipway=={found.version}", _wheel(origin.get("url", ""), found)


def _wheel(url: str, found: Distribution) -> Path | None:
    path = Path(unquote(urlparse(url).path)) if url.startswith("file:") else None
    return path if path and path.suffix == ".whl" and path.is_file() and found.version in path.name else None
