"""Servers that answer requests. Imports lakehouse/, never Dagster, never orchestration/."""
