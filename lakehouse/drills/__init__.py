"""Drills: faults injected into deliveries on purpose, and what a pipeline without checks makes of them."""
