"""Emit OpenLineage events: from run events to the receivers."""
