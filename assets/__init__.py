"""What exists, by business domain: frozen declarations and training functions. Knows no Dagster."""

DOMAINS = (
    "fraud",
)  # fmt: skip
