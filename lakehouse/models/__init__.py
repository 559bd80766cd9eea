"""Models: declared, trained under a protocol, evaluated by gates, registered in MLflow, promoted, and scored with."""
