"""Monitoring: what a delivery looks like beside those before it, and what changed."""
