"""Contract checks of a whole table, in DuckDB.

What belongs here: the embedded engine's audit. Not: what is checked (lakehouse/contracts).
"""

from lakehouse.contracts.table_checks import audit_table as audit

__all__ = ["audit"]
