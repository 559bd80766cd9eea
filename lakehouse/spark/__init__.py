"""Spark on the lakehouse's own catalog and tables: the session, pinned reads, drafts, functions carried to the data."""
