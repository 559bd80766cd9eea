"""What exists, by business domain: frozen declarations and training functions. Knows no Dagster.

A domain is a folder here with the files sources, contracts, features, training and model, and a line in DOMAINS.
"""

DOMAINS = (
    "fraud",
    "credit",
)  # fmt: skip
