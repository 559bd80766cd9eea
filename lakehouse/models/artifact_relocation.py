"""Updating MLflow's database after its files were moved.

What belongs here: rewriting the addresses that MLflow keeps as absolute paths. Not: moving files.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lakehouse.catalog.home import Home
from lakehouse.errors import HomeError
from lakehouse.models.registry import Registry

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow 3.17 keeps addresses of files."""


def relocate(tracking_db: Path, old_root: str, new_root: str) -> int:
    """Let every address below `old_root` lie below `new_root` instead; how many addresses changed.

    `tracking_db` is MLflow's SQLite file, the roots are absolute paths (or file:// URIs) of folders. All or nothing,
    in one transaction; what lies below `new_root` already stays, so a second time there is nothing to do. Raises
    HomeError when the database cannot be read.
    """
    changed = 0
    try:
        address = f"{tracking_db.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as database, database:
            for table, column in _ADDRESSES:
                for old, new in zip(_spellings(old_root), _spellings(new_root), strict=True):
                    # Compared by substr: LIKE would take % and _ in a path for wildcards.
                    changed += database.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                        f"WHERE ({column} = ? OR substr({column}, 1, ?) = ?) AND substr({column} || '/', 1, ?) <> ?",
                        (new, len(old) + 1, old, len(old) + 1, f"{old}/", len(new) + 1, f"{new}/"),
                    ).rowcount
    except sqlite3.Error as error:
        raise HomeError(
            f"MLflow's database cannot be changed: {error}.",
            where=str(tracking_db),
            fix="Check that the file is there, can be written, and was made by MLflow 3.",
        ) from error
    return changed


def _spellings(root: str) -> tuple[str, str]:
    """The two ways in which MLflow may have written a folder: as a URI and as a path, without a slash at the end."""
    parts = urlsplit(root)
    path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(root)
    return path.as_uri(), str(path)


def open_registry(home: Home) -> Registry:
    """The home's registry. When the home was moved or copied, its files' addresses are put right first."""
    database = home.mlflow / "mlflow.db"
    written_at = home.recorded("mlflow") or str(home.origin / "mlflow")
    if database.exists() and written_at != str(home.mlflow):
        relocate(database, written_at, str(home.mlflow))
    if written_at != home.recorded("mlflow") or written_at != str(home.mlflow):
        home.record("mlflow", str(home.mlflow))
    return Registry.in_folder(home.mlflow)


def existing_registry(home: Home) -> Registry | None:
    """The home's registry if a model was ever trained in it: opening one for the first time makes its database."""
    return open_registry(home) if (home.mlflow / "mlflow.db").exists() else None
