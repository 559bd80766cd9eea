"""The additional jars that Spark needs: Iceberg's runtime, catalogs' drivers, OpenLineage's listener.

What belongs here: having them in a folder, fetched by their Maven coordinates or put there by somebody. Not: starting
Spark with them (session.py).
They are fetched once for a user, before Spark starts: by the Ivy that Spark brings along. Spark's own way
(spark.jars.packages) says nothing when they cannot be had, and makes each task of a Python worker read the directories
of all of them again, which takes longer than small tasks do.
"""

import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from lakehouse.catalog.locks import lock
from lakehouse.errors import SettingsError
from lakehouse.settings import Settings

ICEBERG = "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
PACKAGES = (ICEBERG, "org.xerial:sqlite-jdbc:3.50.3.0", "org.postgresql:postgresql:42.7.7")
S3_PACKAGES = ("org.apache.iceberg:iceberg-aws-bundle:1.12.0",)
LISTENER = "io.openlineage:openlineage-spark_2.13:1.53.0"

_RUNTIME = "iceberg-spark-runtime-4.1_2.13"
_TEMPLATE = """<ivy-module version="2.0">
  <info organisation="slipway" module="jars"/>
  <configurations><conf name="default"/></configurations>
  <dependencies>{lines}</dependencies>
</ivy-module>
"""
_LINE = '<dependency org="{}" name="{}" rev="{}" conf="default->master" transitive="false"/>'


def jars_of(settings: Settings, java_home: Path, *, on_s3: bool) -> list[str]:
    """The jars' paths: those in the settings' folder, else the fetched ones.

    Raises SettingsError for a folder without Iceberg's runtime, or without OpenLineage's listener when that is switched
    on, and for jars that cannot be had.
    """
    if settings.spark_jars:
        return _in_folder(settings.spark_jars, listener=settings.spark_listener)
    packages = (*PACKAGES, *(S3_PACKAGES if on_s3 else ()))
    cache = Path.home() / ".cache" / "slipway" / "jars"
    # In a folder of its own: whoever switches it on has the others already.
    return [
        *fetch(packages, java_home, cache),
        *(fetch([LISTENER], java_home, cache) if settings.spark_listener else ()),
    ]


def fetch(packages: Sequence[str], java_home: Path, cache: Path) -> list[str]:
    """The jars of the Maven coordinates (`group:name:version`) in `cache`, fetched when they are not there.

    Raises SettingsError, with the first that is missing, when they cannot be had.
    """
    folder = cache / sha256(" ".join(packages).encode()).hexdigest()[:12]
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with lock(cache, "fetch", wait=None):  # two Ivys on one cache take each other's half-written files for missing
            if not folder.exists():
                _retrieve(packages, java_home, cache, folder)
    return sorted(str(path) for path in folder.glob("*.jar"))


def _retrieve(packages: Sequence[str], java_home: Path, cache: Path, folder: Path) -> None:
    import pyspark

    beside = cache / ".fetching"
    rmtree(beside, ignore_errors=True)  # of a process that was killed
    beside.mkdir()
    wanted = beside / "ivy.xml"
    wanted.write_text(_TEMPLATE.format(lines="".join(_LINE.format(*one.split(":")) for one in packages)))
    own = Path(pyspark.__file__).parent / "jars" / "*"
    words = [java_home / "bin" / "java", "-cp", own, "org.apache.ivy.Main", "-ivy", wanted, "-cache", cache / "ivy"]
    pattern = f"{beside}/[artifact]-[revision].[ext]"
    done = subprocess.run(  # noqa: S603  # Java, found by find_java
        [*words, "-confs", "default", "-retrieve", pattern], capture_output=True, text=True, check=False
    )
    if done.returncode:
        rmtree(beside, ignore_errors=True)
        raise _unavailable(packages, done.stdout + done.stderr)
    wanted.unlink()
    beside.rename(folder)


def _in_folder(folder: Path, *, listener: bool) -> list[str]:
    jars = sorted(folder.glob("*.jar"))
    if not any(jar.name.startswith(_RUNTIME) for jar in jars):
        raise SettingsError(
            "The folder does not hold Iceberg's runtime for Spark 4.1." if folder.is_dir() else "There is no folder.",
            where=f"SLIPWAY_SPARK_JARS={folder}",
            nearest=f"{_RUNTIME}-1.12.0.jar",
            fix=f"Put the jars of {', '.join(PACKAGES)} there, or unset it to have them fetched.",
        )
    wanted = LISTENER.split(":")[1]
    if listener and not any(jar.name.startswith(wanted) for jar in jars):
        raise SettingsError(
            "The folder does not hold OpenLineage's listener for Spark, which SLIPWAY_SPARK_LISTENER switches on.",
            where=f"SLIPWAY_SPARK_JARS={folder}",
            nearest=f"{wanted}-{LISTENER.rpartition(':')[2]}.jar",
            fix=f"Put the jar of {LISTENER} there, or switch the listener off.",
        )
    return [str(jar) for jar in jars]


def _unavailable(packages: Sequence[str], output: str) -> SettingsError:
    missing = next(
        (one for one in packages if f"{one.replace(':', '#', 1).replace(':', ';')}: not found" in output), None
    )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = "it was not found in the registry" if missing else lines[-1][:200] if lines else "Ivy gave no reason"
    return SettingsError(
        f"A jar that Spark needs cannot be downloaded: {missing or ', '.join(packages)} ({reason}).",
        where="Spark's jars, by their Maven coordinates",
        nearest="a folder with the jars, named with SLIPWAY_SPARK_JARS",
        fix="Run once with a connection to the registry, or put the jars of the coordinates into such a folder.",
    )
