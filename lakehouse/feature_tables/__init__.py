"""Feature sets as tables: which rows to recompute, building, checking and publishing them."""
