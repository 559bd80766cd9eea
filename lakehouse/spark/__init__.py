"""Spark on the lakehouse's catalog and tables: the session, reads at snapshots, writes, functions in workers."""
