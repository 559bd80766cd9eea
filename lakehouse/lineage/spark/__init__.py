"""Events of OpenLineage's own Spark listener."""
