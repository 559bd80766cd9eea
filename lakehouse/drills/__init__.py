"""Drills: faults injected into deliveries on purpose, and the results of a pipeline without checks."""
