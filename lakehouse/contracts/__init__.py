"""Contracts: what consumers of a table rely on, declared and audited before publishing, and the rows that fail it."""
