"""Lineage in the words of OpenLineage: what happened becomes events of the standard, kept until they are delivered.

What belongs here: names, events, the outbox, delivery, and the store that the pages read. Not: listening to Dagster
(orchestration/lineage.py). Nothing else in lakehouse/ imports this package: lineage listens, and nothing depends on it.
"""
