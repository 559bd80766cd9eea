"""`slipway training-set`: features for a user's spine, as they were known at each row's time.

What belongs here: the command. Not: joining (lakehouse/training/training_frame.py) and what was declared as a table
(`slipway materialize fraud.training`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from lakehouse.errors import SlipwayError
from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, notes, print_json, print_table

if TYPE_CHECKING:
    from lakehouse.training.training_frame import TrainingFrame

EXAMPLES = """\
[bold]Examples[/bold]

slipway query "from fraud.stg_transactions limit 500" --output cases.csv      a spine: any file with keys and times

slipway training-set fraud.training --spine cases.csv --out frame.parquet     the features of a declared training set

slipway training-set fraud.customer_spend fraud.terminal_risk.tx_count_7d --spine cases.csv --max-age 30d

slipway training-set fraud.customer_spend --spine "select customer_id, tx_datetime from fraud.predictions" --json

slipway training-set fraud.terminal_risk --spine "select 3 as m, now() as at" --key terminal_id=m --allow-future
"""


def command(  # noqa: PLR0913  # an option each
    features: Annotated[
        list[str],
        typer.Argument(help="Training sets, feature sets or single features (fraud.customer_spend.amount_mean_7d)."),
    ],
    *,
    spine: Annotated[
        str,
        typer.Option(help="Entity keys and times: a file (.parquet, .csv, .jsonl), a table, or an SQL query."),
    ],
    time: Annotated[
        str | None, typer.Option(help="Time column of the spine; needed if it has several.", show_default=False)
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="The spine's column for an entity key, as KEY=COLUMN: customer_id=client; may be repeated.",
            show_default=False,
        ),
    ] = None,
    max_age: Annotated[
        str | None, typer.Option(help="Ignore feature values older than this, such as 30d.", show_default=False)
    ] = None,
    allow_future: Annotated[
        bool, typer.Option("--allow-future", help="Accept times after the last day with feature values.")
    ] = False,
    as_known: Annotated[
        bool,
        typer.Option(
            "--as-known",
            help="Join by the time when each feature row was published, instead of the declared delay.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Parquet file to write.", show_default=False)] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="Snapshot id, tag, branch or UTC time to read each table at; tables without it are read as "
            "published. For a snapshot of a training set, its input snapshots are read.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join features to a spine, point-in-time correct; each spine row appears once, in the same order.

    A spine has the entity keys and times to compute features for (Feast's entity dataframe).
    """
    if out is not None and out.suffix != ".parquet":
        raise SlipwayError(
            f"The output is a Parquet file, and {out.name} has another extension.",
            where="--out",
            nearest=f"{out.stem}.parquet",
            fix="Use the extension .parquet; `slipway query` writes other formats.",
        )
    lake = lakehouse_at(home)
    from lakehouse.loading import load_domains
    from lakehouse.training.training_frame import training_frame

    frame = training_frame(
        spine,
        features,
        time=time,
        keys=_keys(key or []),
        max_age=max_age,
        allow_future=allow_future,
        as_known=as_known,
        at=at,
        lake=lake,
        domains=load_domains(),
    )
    if out is not None:
        frame.to_parquet(out)
    if as_json:
        print_json({**frame.described(), "file": str(out) if out else None})
        return
    _show(frame, out)


def _keys(given: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for (table, mark, spine), one in zip(pairs, given, strict=True):
        if not (table and mark and spine):
            raise SlipwayError(
                f"Invalid value {one!r}; expected KEY=COLUMN.", where="--key", nearest="customer_id=client"
            )
    return {table: spine for table, _, spine in pairs}


def _show(frame: "TrainingFrame", out: Path | None) -> None:
    facts: dict[str, Any] = frame.described()
    print_table(
        f"{facts['rows']:,} rows, {len(frame.features)} features as of {frame.time}",
        ["feature set", "features", "read at", "newest row"],
        [[one.table, len(one.columns), str(one.snapshot_id), one.newest] for one in frame.joined],
    )
    sets = {one.table for one in frame.joined}
    spine = ", ".join(f"{name} at {pin}" for name, pin in facts["input_snapshots"].items() if name not in sets)
    for name, text in {"spine read from": spine, "content hash": facts["content_hash"], "file": out}.items():
        if text:
            # Not truncated, so that it can be copied.
            console.print(Text.assemble((name, "cyan"), f"  {text}"), soft_wrap=True)
    if out is None:
        notes.print("No file was written; use --out FILE to write the rows.", markup=False)
