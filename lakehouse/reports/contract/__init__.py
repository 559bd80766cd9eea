"""The contract page: rules, audits and deliveries of a source."""
