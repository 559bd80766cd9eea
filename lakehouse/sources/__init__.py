"""Sources: data as delivered, found in a drop folder and landed unchanged."""
