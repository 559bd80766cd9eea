"""The feature catalog: what features there are, what they mean, who uses them, and how they look on the data."""
