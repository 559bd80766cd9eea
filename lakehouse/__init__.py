"""The platform: tables, contracts, features, training sets and models on Iceberg. Knows no domain and no Dagster."""
