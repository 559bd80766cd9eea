"""The lineage server: receives OpenLineage events and serves pages to browse lineage.

What belongs here: HTTP, access control, the pages. Not: storing and querying events (lakehouse/lineage/).
"""
