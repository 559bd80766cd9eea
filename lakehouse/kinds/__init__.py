"""Kinds of assets: what an asset of each kind is declared by, reads, holds, is checked for, and when it is stale.

What belongs here: one module per kind, the protocol that they share, the registry and the asset graph. Not: building
assets with Dagster (orchestration/kinds), and computing their rows.
"""
