"""The lakehouse: a home and the Iceberg catalog that belongs to it.

What belongs here: opening the catalog and finding tables by name. Not: reading and writing rows (tables/).
"""

from dataclasses import dataclass
from functools import cached_property

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.typedef import EMPTY_DICT, Properties

from lakehouse.errors import SettingsError, unknown_name
from lakehouse.home import Home, open_home
from lakehouse.settings import Settings, redact

CATALOG_NAME = "lake"


class HomeFileIO(PyArrowFileIO):
    """Reads and writes a moved or copied home: the path it was made at is mapped to the path it is at.

    Iceberg metadata names files by absolute path. Mapping the prefix on the way to the file system leaves the
    metadata as it is, so a home needs no rewrite when it moves.
    """

    @staticmethod
    def parse_location(location: str, properties: Properties = EMPTY_DICT) -> tuple[str, str, str]:
        """Scheme, network location and path of `location`, with the home's origin replaced by its present path."""
        scheme, netloc, path = PyArrowFileIO.parse_location(location, properties)
        origin, root = properties.get("slipway.origin", ""), properties.get("slipway.root", "")
        if scheme == "file" and origin != root and path.startswith(origin + "/"):
            path = root + path[len(origin) :]
        return scheme, netloc, path


@dataclass(frozen=True)
class Lakehouse:
    """Tables by name. Cheap to make; the catalog is opened when it is first needed."""

    settings: Settings
    home: Home

    @cached_property
    def catalog(self) -> Catalog:
        """The pyiceberg catalog that the settings name."""
        return _open_catalog(self.settings, self.home)

    def names(self) -> list[str]:
        """The names of all tables, sorted, quarantine tables included."""
        found = [
            ".".join(identifier)
            for namespace in self.catalog.list_namespaces()
            for identifier in self.catalog.list_tables(namespace)
        ]
        return sorted(found)

    def has(self, name: str) -> bool:
        """Whether the table exists."""
        return self.catalog.table_exists(name)

    def table(self, name: str) -> Table:
        """The table, freshly loaded. Raises UnknownNameError naming the nearest table there is."""
        try:
            return self.catalog.load_table(name)
        except NoSuchTableError:
            raise unknown_name("table", name, self.names(), where="the lakehouse") from None

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
    address = settings.catalog_address or f"sqlite:///{home.catalog_file}?timeout=60"
    properties = {
        "uri": address,
        "warehouse": settings.warehouse or f"file://{home.origin / 'warehouse'}",
        "slipway.origin": str(home.origin),
        "slipway.root": str(home.root),
        "py-io-impl": "lakehouse.catalog.HomeFileIO",
        **settings.catalog_properties,
    }
    if address.startswith("http"):
        properties["type"] = "rest"
    else:
        properties["type"] = "sql"
        # pyiceberg's catalog tables are made on first use; the driver is the one that the extra `postgres` installs.
        properties["uri"] = address.replace("postgresql://", "postgresql+psycopg2://", 1)
    try:
        return load_catalog(CATALOG_NAME, **properties)
    except Exception as error:
        raise SettingsError(
            f"The catalog cannot be opened ({type(error).__name__}).",
            where=f"SLIPWAY_CATALOG={redact(address)}",
            fix="Check that it runs, that the address, user and password are right, and for PostgreSQL that the "
            "extra `postgres` is installed.",
        ) from None
