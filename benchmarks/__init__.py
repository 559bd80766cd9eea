"""What Slipway promises in numbers, measured: one command each, which prints a table, or JSON with `--json`."""
