"""Read-only SQL over the lakehouse's tables."""
