"""The lineage store: validate events, derive rows, keep them in SQLite or PostgreSQL."""
