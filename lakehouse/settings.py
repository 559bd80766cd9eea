"""Settings, read from the environment in this one place.

What belongs here: every setting, its default and its check. Not: what is derived from a setting (the home's folders
are in home.py, the catalog's client in catalog.py).
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from lakehouse.errors import SettingsError, nearest_name
from lakehouse.project import find_project, missing_project

_PREFIX = "SLIPWAY_"
_OPENLINEAGE = "OPENLINEAGE_"
_KNOWN = {
    "SLIPWAY_HOME": "folder that holds all state (default: .slipway in the project, else in the current folder)",
    "SLIPWAY_CATALOG": "catalog: sqlite:///..., postgresql://... or http(s)://... (default: SQLite in the home)",
    "SLIPWAY_WAREHOUSE": "where tables' files go: a file:// or s3:// address (default: the home's warehouse folder)",
    "SLIPWAY_CATALOG_PROPERTIES": "JSON object of further pyiceberg catalog properties (S3 keys, REST tokens)",
    "SLIPWAY_PROJECT": "the project's folder, with assets/ and dbt_project/ (default: the current one or one above it)",
    "SLIPWAY_ENGINE": "what computes tables: embedded (default) or spark",
    "SLIPWAY_EXECUTOR": "where the steps of runs that Dagster starts run: in_process (default) or multiprocess",
    "SLIPWAY_MEMORY": "most memory of features, training sets, Spark: 2g; at least 1g (default: half of the machine's)",
    "SLIPWAY_SPARK_MASTER": "where Spark runs: local[2], spark://127.0.0.1:7077, sc://127.0.0.1:15002 (local[*])",
    "SLIPWAY_SPARK_JARS": "folder with Spark's jars (default: fetched by their Maven coordinates)",
    "SLIPWAY_SPARK_PROPERTIES": "JSON object of further Spark properties",
    "SLIPWAY_SPARK_LISTENER": "on: OpenLineage's own Spark listener emits events for each query, too (default: off)",
    "SLIPWAY_LINEAGE_DATABASE": "where lineage is kept: postgresql://... or sqlite:///... (default: in the home)",
    "SLIPWAY_LINEAGE_TOKEN": "token that the lineage server asks for; needed when it is bound beyond this machine",
    "SLIPWAY_DAGSTER_URL": "Dagster's pages, which lineage links to (default http://127.0.0.1:3000)",
    "SLIPWAY_MLFLOW_URL": "MLflow's pages, which lineage links to (default http://127.0.0.1:5000)",
    "SLIPWAY_LINEAGE_URL": "lineage's pages, which assets in Dagster link to (default http://127.0.0.1:5050)",
    "SLIPWAY_NOTIFY": "where alarms are sent: Apprise addresses, separated by spaces (default: only logged)",
}
ENGINES = ("embedded", "spark")
EXECUTORS = ("in_process", "multiprocess")
LEAST_MEMORY = 1 << 30
"""Bytes. Spark's JVM alone does not start with less than half of it."""

_SWITCH = {"on": True, "off": False}
_UNITS = {"m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MASTER = re.compile(r"local(\[(\d+|\*)\])?|local-cluster\[\d+,\d+,\d+\]|(spark|sc|k8s)://\S+|yarn")


@dataclass(frozen=True)
class Settings:
    """One resolved set of settings. Its text form never shows a password or a token."""

    home: Path
    catalog_address: str | None = None
    warehouse: str | None = None
    catalog_properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    project_folder: Path | None = None
    """The project's folder; None outside of one."""
    engine: str = "embedded"
    executor: str = "in_process"
    memory: int | None = None
    """Bytes; None: not limited by a setting."""
    spark_master: str = "local[*]"
    spark_jars: Path | None = None
    spark_properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    spark_listener: bool = False
    java_home: str | None = None
    worker_python: str | None = None
    notify: tuple[str, ...] = field(default=(), repr=False)
    lineage_database: str | None = field(default=None, repr=False)
    lineage_token: str | None = field(default=None, repr=False)
    dagster_url: str = "http://127.0.0.1:3000"
    mlflow_url: str = "http://127.0.0.1:5000"
    lineage_url: str = "http://127.0.0.1:5050"
    openlineage: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The standard's own variables (OPENLINEAGE_URL, OPENLINEAGE_CONFIG, OPENLINEAGE__...), for its own client."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, *, home: Path | None = None) -> "Settings":
        """Settings from `environment` (default: the process's), with `home` winning over SLIPWAY_HOME.

        Raises SettingsError for an unknown SLIPWAY_ name and for a value that cannot be used.
        """
        env = os.environ if environment is None else environment
        for name in env:
            if name.startswith(_PREFIX) and name not in _KNOWN:
                raise SettingsError(
                    f"{name} is not a setting of Slipway.",
                    where="environment",
                    nearest=nearest_name(name, _KNOWN),
                    fix="Unset it, or use one of: " + ", ".join(sorted(_KNOWN)) + ".",
                )
        address = env.get("SLIPWAY_CATALOG") or None
        if address and address.partition(":")[0].split("+")[0] not in {"sqlite", "postgresql", "http", "https"}:
            raise SettingsError(
                f"The catalog address {redact(address)!r} is of no kind that Slipway knows.",
                where="SLIPWAY_CATALOG",
                nearest="postgresql://user@host/database",
                fix="Use sqlite:///path, postgresql://..., or the http(s):// address of an Iceberg REST catalog.",
            )
        project = _project(env)
        chosen = home if home is not None else Path(env.get("SLIPWAY_HOME") or (project or Path()) / ".slipway")
        jars = env.get("SLIPWAY_SPARK_JARS")
        return cls(
            home=chosen.expanduser().resolve(),
            catalog_address=address,
            warehouse=env.get("SLIPWAY_WAREHOUSE") or None,
            catalog_properties=_properties(
                env, "SLIPWAY_CATALOG_PROPERTIES", '{"s3.endpoint": "http://127.0.0.1:9000"}'
            ),
            project_folder=project,
            engine=_one_of(env, "SLIPWAY_ENGINE", ENGINES),
            executor=_one_of(env, "SLIPWAY_EXECUTOR", EXECUTORS),
            memory=_memory(env.get("SLIPWAY_MEMORY") or ""),
            spark_master=_master(env.get("SLIPWAY_SPARK_MASTER") or "local[*]"),
            spark_jars=Path(jars).expanduser().resolve() if jars else None,
            spark_properties=_properties(env, "SLIPWAY_SPARK_PROPERTIES", '{"spark.executor.memory": "4g"}'),
            spark_listener=_switch(env, "SLIPWAY_SPARK_LISTENER"),
            java_home=env.get("JAVA_HOME") or None,
            worker_python=env.get("PYSPARK_PYTHON") or None,
            notify=tuple((env.get("SLIPWAY_NOTIFY") or "").split()),
            lineage_database=_lineage_database(env.get("SLIPWAY_LINEAGE_DATABASE") or ""),
            lineage_token=env.get("SLIPWAY_LINEAGE_TOKEN") or None,
            dagster_url=_pages(env, "SLIPWAY_DAGSTER_URL", cls.dagster_url),
            mlflow_url=_pages(env, "SLIPWAY_MLFLOW_URL", cls.mlflow_url),
            lineage_url=_pages(env, "SLIPWAY_LINEAGE_URL", cls.lineage_url),
            openlineage={name: text for name, text in env.items() if name.startswith(_OPENLINEAGE)},
        )

    def __repr__(self) -> str:
        """Every setting but the secrets."""
        shown = redact(self.catalog_address) if self.catalog_address else None
        warehouse = redact(self.warehouse) if self.warehouse else None
        return f"Settings(home={self.home}, catalog={shown}, warehouse={warehouse}, engine={self.engine})"

    @property
    def project(self) -> Path:
        """The project's folder. Raises ProjectError outside of a project."""
        if self.project_folder is None:
            raise missing_project()
        return self.project_folder

    def lineage_page(self, name: str) -> str:
        """The address of a table's or model's page on the lineage server."""
        return f"{self.lineage_url}/#/node/{quote(name, safe='')}"

    def export(self) -> None:
        """Hand the home and the project to child processes and to libraries that only read the environment.

        MLflow's telemetry and Matplotlib's and Dagster's telemetry are network calls that nobody asked for: off.
        """
        os.environ["SLIPWAY_HOME"] = str(self.home)
        os.environ["DAGSTER_HOME"] = str(self.home / "dagster")
        if self.project_folder is not None:
            os.environ["SLIPWAY_PROJECT"] = str(self.project_folder)
        os.environ.setdefault("DO_NOT_TRACK", "1")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")

    def hand_over(self, names: Mapping[str, str]) -> None:
        """Hand further names to child processes, and to libraries that only read the environment.

        Spark's launcher and OpenLineage's client are such.
        """
        os.environ.update(names)

    def quiet_children(self) -> None:
        """Keep library warnings of child processes off the terminal of somebody who only wants to look."""
        os.environ.setdefault("PYTHONWARNINGS", "ignore")


def known_settings() -> dict[str, str]:
    """Every setting of Slipway's own, with what it means; JAVA_HOME and PYSPARK_PYTHON, Spark's own, are read too."""
    return dict(_KNOWN)


def current_project() -> Path:
    """The folder of the process's project. Raises ProjectError outside of one."""
    found = _project(os.environ)
    if found is None:
        raise missing_project()
    return found


def redact(address: str) -> str:
    """The address without the user's password and the query (where drivers take tokens), even when it is malformed."""
    scheme, _, rest = address.partition(":")
    login, _, place = rest.partition("?")[0].rpartition("@")
    if scheme.startswith("sqlite") or "@" not in rest:
        return address.partition("?")[0]
    user, colon, _ = login.lstrip("/").partition(":")
    if any(mark in login.lstrip("/") for mark in "/#") or "@" in rest.partition("?")[2]:
        # Such a character in a password ends the address's login part: what belongs to it can't be told.
        return f"{scheme}://***"
    return f"{scheme}://{user}{':***' if colon else ''}@{place}"


def _project(env: Mapping[str, str]) -> Path | None:
    given = env.get("SLIPWAY_PROJECT")
    return Path(given).expanduser().resolve() if given else find_project(Path())


def _lineage_database(text: str) -> str | None:
    if text and text.partition(":")[0].split("+")[0] not in {"sqlite", "postgresql"}:
        raise SettingsError(
            f"The lineage database {redact(text)!r} is of no kind that Slipway knows.",
            where="SLIPWAY_LINEAGE_DATABASE",
            nearest="postgresql://user@host/database",
            fix="Use postgresql://..., or sqlite:///path.",
        )
    return text or None


def _pages(env: Mapping[str, str], name: str, default: str) -> str:
    """An address of pages to link to: only http(s), since a link may not run anything."""
    text = (env.get(name) or default).rstrip("/")
    if not re.fullmatch(r"https?://[^\s\"'<>]+", text):
        raise SettingsError(
            f"{redact(text)!r} is no address of pages.", where=name, nearest=default, fix="Use an http(s):// address."
        )
    return text


def _one_of(env: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """One of the choices; the first is the default."""
    text = env.get(name) or choices[0]
    if text not in choices:
        what = f"Unknown {name.removeprefix(_PREFIX).lower()} {text!r}."
        raise SettingsError(
            what, where=name, nearest=nearest_name(text, choices), fix=f"Use one of: {', '.join(choices)}."
        )
    return text


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "off"
    if text not in _SWITCH:
        raise SettingsError(
            f"{text!r} is neither on nor off.", where=name, nearest=nearest_name(text, _SWITCH), fix="Use on, or off."
        )
    return _SWITCH[text]


def _memory(text: str) -> int | None:
    """`2g`, `1500m` in bytes."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mgt])i?b?", text.strip().lower())
    if not found:
        raise SettingsError(
            f"{text!r} is no amount of memory.",
            where="SLIPWAY_MEMORY",
            nearest="2g",
            fix="Write a number and a unit: m, g or t.",
        )
    size = int(float(found.group(1)) * _UNITS[found.group(2)])
    if size < LEAST_MEMORY:
        raise SettingsError(
            f"{text} of memory is too little to work with.",
            where="SLIPWAY_MEMORY",
            nearest="1g",
            fix="Give at least 1g.",
        )
    return size


def _master(text: str) -> str:
    if not _MASTER.fullmatch(text):
        raise SettingsError(
            f"{text!r} is no place where Spark could run.",
            where="SLIPWAY_SPARK_MASTER",
            nearest="local[2]",
            fix="Use local[N], local-cluster[N,CORES,MB], spark://host:port, or sc://host:port for Spark Connect.",
        )
    return text


def _properties(env: Mapping[str, str], name: str, example: str) -> dict[str, str]:
    what = "The catalog properties" if "CATALOG" in name else "The Spark properties"
    try:
        given = json.loads(env.get(name) or "{}")
    except json.JSONDecodeError as error:
        # The text may hold keys: its place is told, never the text.
        raise SettingsError(
            f"{what} are not JSON (position {error.pos}).",
            where=name,
            nearest=example,
            fix="Give one JSON object of texts.",
        ) from None
    if not isinstance(given, dict):
        raise SettingsError(
            f"{what} are JSON, but not an object.",
            where=name,
            nearest=example,
            fix="Give one JSON object of texts.",
        )
    return {str(key): str(value) for key, value in given.items()}
