"""Lineage: what was made from what, by whom, when: told in OpenLineage events, kept in a store, asked as a graph.

What belongs here: building and sending events, the store that receives them, the graph that is read from it. Not: what
listens to Dagster (orchestration/lineage.py) and what answers over HTTP (serving/lineage/). Nothing in lakehouse/
imports this package: lineage listens, and nothing depends on it.
"""
