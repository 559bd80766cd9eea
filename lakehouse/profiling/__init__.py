"""Profiling: statistics of each delivery, and anomalies against the deliveries before it."""
