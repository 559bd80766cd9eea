"""The lineage server: receives OpenLineage events and shows what they tell.

What belongs here: HTTP, who may ask, the pages. Not: what an event means (lakehouse/lineage/).
"""
