"""The lakehouse: a home and the Iceberg catalog that belongs to it.

What belongs here: opening the catalog and finding tables by name. Not: reading and writing rows (tables/).
"""

import errno
import os
import sqlite3
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

import pyarrow as pa
from cachetools import LRUCache
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import EMPTY_DICT, Identifier, Properties
from sqlalchemy import URL, bindparam, event, select, true
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError
from tenacity import retry, stop_after_attempt, wait_random

from lakehouse.catalog.home import Home, open_home, storage_error
from lakehouse.catalog.iceberg import ManySnapshotsTable, unchanging
from lakehouse.errors import DeclarationError, SettingsError, unknown_name
from lakehouse.extras import require
from lakehouse.settings import Settings, redact

CATALOG_NAME = "lake"

_PARSED: LRUCache[str, TableMetadata] = LRUCache(128)
_PARSED_LOCK = Lock()


class HomeFileIO(PyArrowFileIO):
    """Reads and writes a moved or copied home: the path it was made at is mapped to the path it is at.

    Iceberg metadata names files by absolute path. Mapping the prefix on the way to the file system leaves the
    metadata as it is, so a home needs no rewrite when it moves.
    """

    @staticmethod
    def parse_location(location: str, properties: Properties = EMPTY_DICT) -> tuple[str, str, str]:
        """Scheme, network location and path of `location`, with the home's origin replaced by its present path."""
        scheme, netloc, path = PyArrowFileIO.parse_location(location, properties)
        if location.startswith("file:///"):
            path = location.removeprefix("file://")  # as it is written: in a folder's name, ? and # end nothing
        origin, root = properties.get("slipway.origin", ""), properties.get("slipway.root", "")
        if scheme == "file" and origin != root and path.startswith(origin + "/"):
            path = root + path[len(origin) :]
        return scheme, netloc, path


class ManyWritersCatalog(SqlCatalog):
    """A catalog in a database, with branches of one table that are written at the same time."""

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        event.listen(self.engine, "handle_error", _explain)
        rows = [
            IcebergTables.catalog_name == name,
            IcebergTables.table_namespace == bindparam("namespace"),
            IcebergTables.table_name == bindparam("table"),
        ]
        no_view = self._iceberg_type_filter()
        self._location = select(IcebergTables.metadata_location).where(*rows, true() if no_view is None else no_view)

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit. Raises CommitFailedException, after which pyiceberg tries again, when others were faster."""
        try:
            done = super().commit_table(table, requirements, updates)
        except ValueError as error:
            # A snapshot is numbered when it is written. That another branch took the number meanwhile is no fault.
            if "last sequence number" not in str(error):
                raise
            raise CommitFailedException(str(error)) from error
        _remember(done.metadata_location, done.metadata)  # what was just written need not be parsed
        return done

    def load_table(self, identifier: str | Identifier) -> Table:
        """Load the table. Raises NoSuchTableError.

        A landing loads tables about seventy times. pyiceberg composes its query and opens a session for each, and
        parses the metadata file, which with hundreds of snapshots takes longer than all else. A file never changes.
        """
        namespace, table_name = Catalog.namespace_from(identifier), Catalog.table_name_from(identifier)
        wanted = {"namespace": Catalog.namespace_to_string(namespace), "table": table_name}
        with self.engine.connect() as connection:
            location = connection.execute(self._location, wanted).scalar()
        if not location:
            raise NoSuchTableError(f"Table does not exist: {wanted['namespace']}.{table_name}")
        with _PARSED_LOCK:
            known = _PARSED.get(location)
        if known is None:
            file = self._load_file_io(location=location).new_input(location)
            known = _remember(location, FromInputFile.table_metadata(file))
        io = self._load_file_io(known.properties, location)
        return ManySnapshotsTable((*namespace, table_name), _copied(known), location, io, self)

    def create_namespace(self, namespace: str | Identifier, properties: Properties = EMPTY_DICT) -> None:
        """Make a namespace. Raises NamespaceAlreadyExistsError, also when another process made it just now."""
        try:
            super().create_namespace(namespace, properties)
        except IntegrityError as error:
            raise NamespaceAlreadyExistsError(f"Namespace {namespace} already exists") from error


def _remember(location: str, metadata: TableMetadata) -> TableMetadata:
    known = _copied(unchanging(metadata))
    with _PARSED_LOCK:
        _PARSED[location] = known
    return known


def _copied(metadata: TableMetadata) -> TableMetadata:
    """The same metadata, with properties of its own: some writers set one for themselves."""
    return metadata.model_copy(update={"properties": dict(metadata.properties)})


@dataclass(frozen=True)
class Lakehouse:
    """Tables by name. Cheap to make; the catalog is opened when it is first needed."""

    settings: Settings
    home: Home

    @cached_property
    def _catalog(self) -> Catalog:
        return _open_catalog(self.settings, self.home)

    @staticmethod
    def identifier(name: str) -> Identifier | None:
        """Return where the catalog has the table `name`, namespaces first; None for a name without a namespace.

        Every engine turns a table's name into a table through this function: it alone decides which table that is.
        """
        return tuple(name.split(".")) if "." in name else None

    def names(self) -> list[str]:
        """Return the names of all tables, sorted, quarantine tables included."""
        found = [
            ".".join(identifier)
            for namespace in self._catalog.list_namespaces()
            for identifier in self._catalog.list_tables(namespace)
        ]
        return sorted(found)

    def has(self, name: str) -> bool:
        """Whether the table exists."""
        identifier = self.identifier(name)
        return identifier is not None and self._catalog.table_exists(identifier)

    def find(self, name: str) -> Table | None:
        """Load the table; None where there is none."""
        identifier = self.identifier(name)
        try:
            return self._catalog.load_table(identifier) if identifier else None
        except NoSuchTableError:
            return None

    def create_table(
        self,
        name: str,
        schema: Schema | pa.Schema,
        spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        properties: Properties = EMPTY_DICT,
    ) -> Table:
        """Create an empty table, and its namespace where it is new. Raises TableAlreadyExistsError."""
        identifier = self._qualified(name)
        self._catalog.create_namespace_if_not_exists(identifier[:-1])
        return self._catalog.create_table(identifier, schema, partition_spec=spec, properties=properties)

    def drop_table(self, name: str, *, purge: bool = False) -> None:
        """Remove the table from the catalog, with its files if `purge`. Raises NoSuchTableError."""
        drop = self._catalog.purge_table if purge else self._catalog.drop_table
        drop(self._qualified(name))

    def commit(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit updates of a table's metadata if it meets the requirements. Raises CommitFailedException if not."""
        return self._catalog.commit_table(table, requirements, updates)

    def _qualified(self, name: str) -> Identifier:
        identifier = self.identifier(name)
        if identifier is None:
            raise DeclarationError(
                f"The table name {name!r} has no namespace.", where=name, fix=f"Use DOMAIN.{name or 'TABLE'}."
            )
        return identifier

    def table(self, name: str) -> Table:
        """Load the table. Raises UnknownNameError naming the nearest table there is."""
        found = self.find(name)
        if found is not None:
            return found
        known = self.names()
        error = unknown_name("table", name, known, where=f"the home {self.home.root}")
        if error.nearest is None:
            error.fix = f"{error.fix} To use another home, set --home or SLIPWAY_HOME."
        raise error

    def local_path(self, location: str) -> str | None:
        """The path on this machine of a file that Iceberg metadata names, or None when it is elsewhere."""
        scheme, _, path = HomeFileIO.parse_location(location, self._io_properties)
        return path if scheme == "file" else None

    @property
    def _io_properties(self) -> dict[str, str]:
        return {"slipway.origin": str(self.home.origin), "slipway.root": str(self.home.root)}


def open_lakehouse(settings: Settings | None = None) -> Lakehouse:
    """The lakehouse of `settings` (default: from the environment)."""
    chosen = settings or Settings.from_environment()
    return Lakehouse(settings=chosen, home=open_home(chosen))


def _open_catalog(settings: Settings, home: Home) -> Catalog:
    own = URL.create("sqlite", database=str(home.catalog_file), query={"timeout": "60"})
    address = settings.catalog_address or own.render_as_string()
    properties = {
        "uri": address,
        "warehouse": settings.warehouse or f"file://{home.origin / 'warehouse'}",
        "slipway.origin": str(home.origin),
        "slipway.root": str(home.root),
        "py-io-impl": "lakehouse.catalog.lakehouse.HomeFileIO",
        **settings.catalog_properties,
    }
    if address.startswith("postgresql"):
        require("psycopg2", where="SLIPWAY_CATALOG")
    properties["uri"] = address.replace("postgresql://", "postgresql+psycopg2://", 1)
    # Two processes that make the catalog's tables at once get in each other's way; the next try finds them made.
    database = retry(stop=stop_after_attempt(5), wait=wait_random(max=0.2), reraise=True)(ManyWritersCatalog)
    try:
        if address.startswith("http"):
            return load_catalog(CATALOG_NAME, type="rest", **properties)
        return database(CATALOG_NAME, **properties)
    except Exception as error:  # noqa: BLE001  # whatever the driver raises, its text may show the password
        _check_disk(getattr(error, "orig", None), home.catalog_file)
        raise _unavailable(f"cannot be opened ({type(error).__name__})", address) from None


def _explain(context: ExceptionContext) -> None:
    """Say what a person can mend in our words: a full disk, a database that is gone."""
    url = context.engine.url if context.engine else None
    _check_disk(context.original_exception, str(url.database if url else ""))
    if url and (context.connection is None or context.is_disconnect):
        raise _unavailable("does not answer", url.render_as_string())


def _check_disk(error: BaseException | None, where: Path | str) -> None:
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        raise storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), where) from error


def _unavailable(how: str, address: str) -> SettingsError:
    return SettingsError(
        f"The catalog {how}.",
        where=f"SLIPWAY_CATALOG={redact(address)}",
        fix="Check that it runs, that the address, user and password are right, and for PostgreSQL that the extra "
        "`postgres` is installed.",
    )
