"""Lineage: OpenLineage events of every run, a store for them, and queries over the graph that they describe.

What belongs here: emit/ (from run events to receivers), spark/ (OpenLineage's Spark listener), store/ (events as rows),
graph/ (queries). Not: listening to Dagster (orchestration/lineage/) and the pages (serving/lineage/).
"""
