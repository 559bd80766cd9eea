"""Dagster: declarations become assets, checks, jobs, schedules and sensors. The only place that knows Dagster."""
