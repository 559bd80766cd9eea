"""`python -m orchestration.cli`: the same as `slipway`, for a checkout that is not installed."""

from orchestration.cli import main

main()
