"""Training sets: spine, label and features, put together point in time."""
