"""The command line: `slipway`.

What belongs here: the application, its commands' registration, and how errors leave it. Not: any command.
"""

import gc
import sys
import warnings

import typer

from lakehouse.catalog.home import storage_error
from lakehouse.errors import SlipwayError
from orchestration.cli import (
    circuit_breaker,
    contract,
    demo,
    drill,
    features,
    init,
    lateness,
    lineage,
    materialize,
    models,
    new_domain,
    quarantine,
    query,
    reproduce,
    simulate,
    tables,
    training_set,
    up,
)
from orchestration.cli.output import show_error, show_warnings

app = typer.Typer(
    name="slipway",
    help="Batch data platform: land files, audit tables, compute features and train models, all reproducible.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for name, module in (
    ("init", init),
    ("demo", demo),
    ("up", up),
    ("materialize", materialize),
    ("tables", tables),
    ("query", query),
    ("features", features),
    ("training-set", training_set),
    ("lateness", lateness),
    ("models", models),
    ("reproduce", reproduce),
    ("quarantine", quarantine),
    ("circuit-breaker", circuit_breaker),
    ("drill", drill),
    ("simulate", simulate),
    ("new-domain", new_domain),
):
    app.command(name, epilog=module.EXAMPLES)(module.command)
app.add_typer(contract.app, name="contract")
app.add_typer(lineage.app, name="lineage")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a clear error, 2 wrong usage, 130 interrupted."""
    # Dagster says so of parts that this project uses knowingly, behind a pinned minor version.
    warnings.filterwarnings("ignore", message=".* is currently in (beta|preview)")
    show_warnings()
    gc.set_threshold(100_000, 20, 50)  # few of a run's many small objects are garbage: 7 % less time, the same memory
    try:
        app(prog_name="slipway")
    except SlipwayError as error:
        sys.exit(show_error(error))
    except OSError as error:
        sys.exit(show_error(storage_error(error, "the home")))
