"""Ingestion: evaluate each delivery, decide, write, audit, publish, and log what happened."""
