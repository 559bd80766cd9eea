"""The embedded engine: one process, DuckDB for reading, the disk for rows that memory does not hold."""
