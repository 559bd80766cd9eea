"""Queries of the lineage graph."""
