"""What pyproject.toml asks for, what requirements.lock pins, and what docs/dependencies.md justifies, are the same."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

TOP = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIRED = [Requirement(line) for lines in (PROJECT["dependencies"], *EXTRAS.values()) for line in lines]
LOCK = (TOP / "requirements.lock").read_text()
PAGE = (TOP / "docs" / "dependencies.md").read_text()


def locked() -> dict[str, list[Version]]:
    """The versions that the lock has of each package: more than one where they differ between Pythons."""
    found: dict[str, list[Version]] = {}
    for name, pinned in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", LOCK, flags=re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(Version(pinned))
    return found


@pytest.mark.parametrize("requirement", REQUIRED, ids=lambda requirement: requirement.name)
def test_a_dependency_has_a_lower_bound_that_the_lock_keeps(requirement):
    assert any(part.operator == ">=" for part in requirement.specifier), f"{requirement} has no lower bound"
    versions = locked().get(canonicalize_name(requirement.name), [])
    assert versions, f"{requirement.name} is not in requirements.lock; run `make lock`"
    outside = [str(version) for version in versions if version not in requirement.specifier]
    assert not outside, f"requirements.lock pins {outside}, outside of {requirement}; run `make lock`"


def test_every_dependency_and_nothing_else_has_one_line_in_the_docs():
    described = re.findall(r"^- `([^`]+)`: \S", PAGE, flags=re.MULTILINE)
    assert sorted(described) == sorted(requirement.name for requirement in REQUIRED)


def test_every_extra_has_its_section_in_the_docs():
    assert sorted(re.findall(r"^## Extra: (\S+)$", PAGE, flags=re.MULTILINE)) == sorted(EXTRAS)


def test_every_locked_package_is_pinned_with_a_hash():
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(entries) > len(REQUIRED)
    unpinned = [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert not unpinned


def test_the_lock_names_no_address():
    assert not re.findall(r"\S*://\S*|^--\S.*|\s@\s.*", LOCK, flags=re.MULTILINE)
