"""The model registry: versions of a model, their input snapshots, and the champion.

What belongs here: MLflow as a place to look things up and to move names in. Not: writing a training down
(recording.py), deciding who becomes champion (promotion.py), scoring (scoring.py).

Everything goes through clients that are told their addresses; MLflow's process-wide settings are never touched, so
several homes and threads can be at work in one process.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lakehouse.errors import HomeError, unknown_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
CHALLENGER = "challenger"


class Tag(StrEnum):
    """What Slipway writes beside MLflow's runs and versions."""

    INPUT_SNAPSHOTS = "slipway.input-snapshots"
    DEFINITION = "slipway.definition"
    RUN_ID = "slipway.run_id"
    CODE_VERSION = "slipway.code_version"
    START = "slipway.start"
    CANDIDATE = "slipway.candidate"
    METRICS = "slipway.metrics"
    INPUTS = "slipway.inputs"
    DIGEST = "slipway.digest"
    REASON = "slipway.reason"
    SUPERSEDES = "slipway.supersedes"
    SUPERSEDED_BY = "slipway.superseded_by"
    SUPERSEDED_AT = "slipway.superseded_at"
    PROMOTED_AT = "slipway.promoted_at"


_PAGE = 200


@dataclass(frozen=True)
class Version:
    """One registered version of a model.

    `pins` are the snapshot ids (by table) that it was made of, `definition` the fingerprint of its declaration,
    `metrics` those of its own test days, `inputs` the columns it takes, in order. `address` is the URI of its files.
    """

    name: str
    version: int
    run_id: str
    candidate: str
    definition: str
    address: str
    input_snapshots: dict[str, int]
    metrics: dict[str, float]
    inputs: tuple[str, ...]
    aliases: tuple[str, ...]
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """The name MLflow knows it by: pinned, never an alias."""
        return f"models:/{self.name}/{self.version}"

    @property
    def folder(self) -> Path | None:
        """The local folder of its files; None where they lie in a remote store."""
        parts = urlsplit(self.address)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        return None if parts.scheme else Path(self.address)


@dataclass(frozen=True)
class Registry:
    """The registry at `tracking_uri` (a database's address), whose files go below `artifact_root` (a URI).

    The first use of a new database makes its tables, which takes MLflow some 3 seconds.
    """

    tracking_uri: str
    artifact_root: str

    @classmethod
    def in_folder(cls, folder: Path) -> "Registry":
        """The registry kept in `folder`: mlflow.db, and artifacts/ beside it."""
        # MLflow waits 5 s for a locked database; a person who looks at its pages may hold it for longer.
        return cls(f"sqlite:///{folder}/mlflow.db?timeout=30", (folder / "artifacts").as_uri())

    @property
    def client(self) -> "MlflowClient":
        """MLflow's client for this registry. Raises HomeError when the database cannot be used."""
        return _client(self.tracking_uri)

    def names(self) -> list[str]:
        """The registered models' names, sorted."""
        found: list[str] = []
        token: str | None = None
        while True:
            page = self.client.search_registered_models(max_results=_PAGE, page_token=token)
            found += [model.name for model in page]
            token = page.token
            if not token:
                return sorted(found)

    def versions(self, name: str) -> list[Version]:
        """All versions of the model `name`, newest first; none where nothing is registered by that name."""
        aliases = self._aliases(name)
        if aliases is None:
            return []
        found: list[Version] = []
        token: str | None = None
        while True:
            page = self.client.search_model_versions(f"name = '{name}'", max_results=_PAGE, page_token=token)
            found += [_version(one, aliases) for one in page]
            token = page.token
            if not token:
                return sorted(found, key=lambda version: -version.version)

    def version(self, name: str, number: int) -> Version:
        """The version `number` of the model `name`. Raises UnknownNameError when there is none."""
        versions = {version.version: version for version in self.versions(name)}
        if not versions:
            raise unknown_name("model", name, self.names(), where="model registry")
        if number not in versions:
            raise unknown_name("version", str(number), map(str, versions), where=name)
        return versions[number]

    def champion(self, name: str) -> Version | None:
        """The version of `name` that is live, None where there is none yet."""
        return self._by_alias(name, CHAMPION)

    def challenger(self, name: str) -> Version | None:
        """The newest version of `name` that did not pass its gates, None where there is none."""
        return self._by_alias(name, CHALLENGER)

    def version_made_of(self, name: str, input_snapshots: Mapping[str, int], definition: str) -> Version | None:
        """The newest version made of exactly these `pins` by this `definition`, so that it need not be made again.

        A version whose local files are gone does not count.
        """
        for version in self.versions(name):
            if version.definition != definition or version.input_snapshots != dict(input_snapshots):
                continue
            if version.folder is None or (version.folder / "MLmodel").is_file():
                return version
        return None

    def mark(self, version: Version, tags: Mapping[Tag, str]) -> None:
        """Set `tags` on `version`."""
        for key, text in tags.items():
            self.client.set_model_version_tag(version.name, str(version.version), key.value, text)

    def unmark(self, version: Version, tag: Tag) -> None:
        """Remove `tag` from `version`, if it is there."""
        if tag in self.version(version.name, version.version).tags:
            self.client.delete_model_version_tag(version.name, str(version.version), tag)

    def point(self, alias: str, version: Version) -> None:
        """Let `alias` mean `version` from now on; one transaction."""
        self.client.set_registered_model_alias(version.name, alias, str(version.version))

    def unpoint(self, alias: str, version: Version) -> None:
        """Remove `alias` if it means `version`."""
        if (self._aliases(version.name) or {}).get(alias) == version.version:
            self.client.delete_registered_model_alias(version.name, alias)

    def _by_alias(self, name: str, alias: str) -> Version | None:
        number = (self._aliases(name) or {}).get(alias)
        return None if number is None else self.version(name, number)

    def _aliases(self, name: str) -> dict[str, int] | None:
        """The versions by alias; None where no model has that name, or none could have it."""
        from mlflow.exceptions import MlflowException

        try:
            registered = self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise
        return {alias: int(number) for alias, number in registered.aliases.items()}


def input_snapshots_text(input_snapshots: Mapping[str, int]) -> str:
    """Pins as JSON, sorted, snapshot ids as texts: they exceed what JavaScript can count to."""
    return json.dumps({table: str(pin) for table, pin in sorted(input_snapshots.items())})


@lru_cache(maxsize=32)
def _client(tracking_uri: str) -> "MlflowClient":
    import mlflow
    from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
    from mlflow.exceptions import MlflowException
    from mlflow.telemetry import get_telemetry_client, set_telemetry_client
    from sqlalchemy.exc import SQLAlchemyError

    if get_telemetry_client() is not None:
        # Settings.export() says so before the import; this is for those who come without it.
        MLFLOW_DISABLE_TELEMETRY.set(True)
        set_telemetry_client()
    # It tells at level INFO of every table made, and nothing there is about models.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    try:
        return mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise HomeError(
            f"The model registry cannot be opened: {str(error).splitlines()[0]}",
            where=tracking_uri.split("?", maxsplit=1)[0],
            fix="If a newer Slipway wrote it, use that one; otherwise restore the file from a copy.",
        ) from error


def _version(found: "ModelVersion", aliases: Mapping[str, int]) -> Version:
    tags = dict(found.tags)
    number = int(found.version)
    return Version(
        name=found.name,
        version=number,
        run_id=found.run_id or "",
        candidate=tags.get(Tag.CANDIDATE, ""),
        definition=tags.get(Tag.DEFINITION, ""),
        address=found.source or "",
        input_snapshots={table: int(pin) for table, pin in json.loads(tags.get(Tag.INPUT_SNAPSHOTS, "{}")).items()},
        metrics=json.loads(tags.get(Tag.METRICS, "{}")),
        inputs=tuple(json.loads(tags.get(Tag.INPUTS, "[]"))),
        aliases=tuple(sorted(alias for alias, meant in aliases.items() if meant == number)),
        description=found.description or "",
        tags=tags,
    )
