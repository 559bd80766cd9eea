"""What answers requests. Imports lakehouse/, never Dagster, never orchestration/."""
