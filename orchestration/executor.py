"""The executor of runs that Dagster starts, by the setting SLIPWAY_EXECUTOR.

What belongs here: from the setting to Dagster's executor. Not: runs of the command line, which stay in its process.
"""

import dagster as dg

from lakehouse.settings import Settings


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of a run's steps.

    With `multiprocess` each step runs in a process of its own, which loads the definitions again and opens the
    lakehouse from the environment. Processes are forked from a server that has imported the definitions once.
    """
    if settings.executor == "in_process":
        return dg.in_process_executor
    return dg.multiprocess_executor.configured(
        {"start_method": {"forkserver": {"preload_modules": ["orchestration.definitions"]}}}
    )
