"""Contracts: what a table's consumer relies on, declared, audited before publishing, and the rows that break it."""
