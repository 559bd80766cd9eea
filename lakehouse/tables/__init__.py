"""Iceberg tables: reading them at a pin, writing to audit branches, publishing, and what their snapshots record."""
