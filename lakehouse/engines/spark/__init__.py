"""The Spark engine: the same functions as the embedded engine's, applied where Spark has the rows (lakehouse/spark)."""
