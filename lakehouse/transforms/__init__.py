"""Transformations: the dbt project's models as Iceberg tables, written through write, audit, publish."""
