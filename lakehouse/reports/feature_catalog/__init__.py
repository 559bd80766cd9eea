"""The feature catalog: features with meaning, users, lineage and distribution."""
