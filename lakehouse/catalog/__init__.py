"""The catalog: the home, the Iceberg catalog in it, and the names of its tables."""
