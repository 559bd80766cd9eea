"""The process that Spark forks its Python workers from on this machine: pyspark's own, with fewer import paths.

What belongs here: only that. Not: what workers do (worker.py).
Spark puts a zip of pyspark before the installed one, and each task reads the zip's directory again, once for each of
its packages: a third of a second, many times what a small task takes. The installed package is the same.
"""

import sys
from importlib.util import find_spec

_ZIPPED = (".zip", ".jar")


def without_zips(paths: list[str]) -> list[str]:
    """The import path without archives, when pyspark is installed as files as well."""
    bare = [path for path in paths if not path.endswith(_ZIPPED)]
    before = sys.path
    sys.path = bare
    try:
        found = find_spec("pyspark") and find_spec("py4j")
    finally:
        sys.path = before
    return bare if found else paths


if __name__ == "__main__":
    sys.path = without_zips(sys.path)
    for place in [path for path in sys.path_importer_cache if path not in sys.path and path.endswith(_ZIPPED)]:
        del sys.path_importer_cache[place]
    from pyspark.daemon import manager

    manager()
