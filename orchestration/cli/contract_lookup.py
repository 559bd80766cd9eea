"""Finding the contract that a command line argument names.

What belongs here: from a word to a contract. Not: the commands (contract.py).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import SlipwayError, nearest_name

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.contracts.contract import Contract


def contract_named(lake: "Lakehouse", word: str) -> "Contract":
    """The contract that a word names: a file, a stored version (TABLE@VERSION), or the declared one of a table."""
    from lakehouse.contracts.versions import versions_of

    if word.lower().endswith((".yaml", ".yml", ".json")):
        return contract_in(Path(word))
    table, _, version = word.partition("@")
    if not version:
        return declared_contract(table)
    kept = {one.contract.version: one.contract for one in versions_of(lake, table)}
    if version not in kept:
        raise SlipwayError(
            f"No version {version} of the contract of {table} is stored.",
            where=word,
            nearest=f"{table}@{nearest_name(version, kept) or list(kept)[-1]}" if kept else None,
            fix="Stored versions: " + ", ".join(kept) + "."
            if kept
            else "A version is stored when an audit first uses it.",
        )
    return kept[version]


def contract_in(path: Path) -> "Contract":
    """The contract in a file. Raises SlipwayError where there is none."""
    from lakehouse.contracts.as_json import from_json
    from lakehouse.contracts.odcs import from_odcs

    if not path.is_file():
        there = [str(one) for one in path.parent.glob("*") if one.suffix in {".yaml", ".yml", ".json"}]
        raise SlipwayError(f"There is no file {path}.", where=str(path), nearest=nearest_name(str(path), there))
    if path.suffix.lower() not in {".yaml", ".yml", ".json"}:
        raise SlipwayError(
            f"{path.name} is not a contract file.",
            where=str(path),
            nearest=f"{path.stem}.odcs.yaml",
            fix="Give an ODCS file (.yaml, .yml), or the output of `slipway contract show --json` (.json). Copy a "
            "Python draft into a domain's contracts.py.",
        )
    text = path.read_text(encoding="utf-8")
    return from_json(text, path.name) if path.suffix == ".json" else from_odcs(text, path.name)


def declared_contract(table: str) -> "Contract":
    """The contract that the source of that name declares."""
    from orchestration.sources_by_name import source_named

    return source_named(table).contract
