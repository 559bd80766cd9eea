"""Models: declared, trained under a protocol, judged by gates, registered in MLflow, promoted, and scored with."""
