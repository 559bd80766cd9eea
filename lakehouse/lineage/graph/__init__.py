"""Query the lineage graph."""
