"""Drift detection: what changed in a delivery's schema or format, one file for each group of detectors."""
