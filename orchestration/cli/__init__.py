"""The command line: `slipway`.

What belongs here: the application, its commands' registration, and how errors leave it. Not: any command.
"""

import os
import sys

import click
import typer

from lakehouse.errors import SlipwayError
from lakehouse.home import storage_error
from orchestration.cli import demo, features, materialize, models, new_domain, query, simulate, tables, up
from orchestration.cli.output import show_error

app = typer.Typer(
    name="slipway",
    help="From delivered files to a live model: a lakehouse in which every step is audited, pinned and reproducible.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for name, module in (
    ("demo", demo),
    ("up", up),
    ("materialize", materialize),
    ("tables", tables),
    ("query", query),
    ("features", features),
    ("models", models),
    ("simulate", simulate),
    ("new-domain", new_domain),
):
    app.command(name, epilog=module.EXAMPLES)(module.command)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a clear error, 2 wrong usage, 130 interrupted."""
    try:
        code = app(standalone_mode=False)
    except SlipwayError as error:
        code = show_error(error)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        # Whoever read our output (head, less) has had enough; that is no fault.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        code = show_error(storage_error(error, "the home"))
    sys.exit(code if isinstance(code, int) else 0)
