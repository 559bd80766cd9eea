"""Lineage events from Dagster's event log."""
