"""One factory for each kind of asset: from declarations to Dagster assets.

What belongs here: one module per kind, of the same name as in lakehouse/kinds. Not: what a kind says about its assets,
and the definitions as a whole (definitions.py).
"""
