"""`slipway reproduce`: a training set or a model version rebuilt and compared.

What belongs here: the command. Not: rebuilding and comparing (lakehouse/training/reproduce.py, models/reproduction.py).
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from orchestration.cli.output import (
    HomeOption,
    JsonOption,
    console,
    lakehouse_at,
    leave,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.models.reproduction import ModelReproduction
    from lakehouse.training.reproduce import Reproduction

EXAMPLES = """\
[bold]Examples[/bold]

slipway reproduce fraud.training                             the current snapshot

slipway reproduce fraud.training@model-fraud.scorer-1        another snapshot, by id or tag

slipway reproduce models:/fraud.scorer@champion              rows, scores and metrics of a version

slipway reproduce models:/fraud.scorer/1 --no-retrain --json
"""


def command(
    what: Annotated[
        str,
        typer.Argument(
            help="A training set (fraud.training@SNAPSHOT) or a model version (models:/fraud.scorer/3, "
            "models:/fraud.scorer@champion)."
        ),
    ],
    *,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain/--no-retrain", help="Also retrain the model's selected candidate and compare its scores."
        ),
    ] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild a training set or model version from its input snapshots, and compare it bit by bit.

    Exit code 1 if they differ.
    """
    lake = lakehouse_at(home)
    if what.startswith("models:/"):
        identical = _model(lake, what, retrain=retrain, as_json=as_json)
    else:
        identical = _training_set(lake, what, as_json=as_json)
    if not identical:
        leave(1)


def _training_set(lake: "Lakehouse", what: str, *, as_json: bool) -> bool:
    from lakehouse.loading import load_domains
    from lakehouse.training.reproduce import reproduce
    from lakehouse.training.selection import find_training_set

    name, _, pin = what.partition("@")
    done = reproduce(lake, find_training_set(name, load_domains()), pin or None)
    if as_json:
        print_json(_rows(done))
    else:
        _show_rows(done)
        _conclude(identical=done.identical, remarks=list(done.remarks))
    return done.identical


def _model(lake: "Lakehouse", what: str, *, retrain: bool, as_json: bool) -> bool:
    from lakehouse.errors import unknown_name
    from lakehouse.loading import load_domains
    from lakehouse.models.artifact_relocation import existing_registry
    from lakehouse.models.reproduction import find_version, reproduce_version

    domains = load_domains()
    declared = {model.name: (domain, model) for domain in domains for model in domain.models}
    registry = existing_registry(lake.home)
    if registry is None:
        raise unknown_name("model", what, [], where="model registry")
    version = find_version(registry, what)
    if version.name not in declared:
        raise unknown_name("declared model", version.name, declared)
    domain, model = declared[version.name]
    training_set = domain.training_set(model.training_set)
    done = reproduce_version(lake, registry, model, training_set, version, retrain=retrain)
    if as_json:
        print_json(_content(done))
    else:
        _show_rows(done.training)
        print_table(
            f"{version.uri} ({version.candidate}), {done.test_rows:,} test rows",
            ["comparison", "identical"],
            [
                ["scores of the stored model, on rebuilt and on stored rows, bit by bit", done.scores_equal],
                ["metrics, compared with the recorded ones", done.metrics_equal],
                ["scores of the retrained model, bit by bit", _yes_or_no(done.retrained_equal)],
            ],
        )
        _conclude(identical=done.identical, remarks=[*done.training.remarks, *done.remarks])
    return done.identical


def _show_rows(done: "Reproduction") -> None:
    console.print(f"[bold]{done.name}@{done.snapshot_id}[/bold], labels as known at {done.as_of}", highlight=False)
    print_table(
        f"{len(done.rows):,} rows rebuilt from these input snapshots",
        ["table", "snapshot"],
        [[table, str(pin)] for table, pin in sorted(done.input_snapshots.items())],
    )
    contents = {
        "as published": done.recorded_hash or "not recorded",
        "as stored": done.stored_hash,
        "as rebuilt": done.rebuilt_hash,
    }
    for name, text in {**contents, "differing columns": ", ".join(done.differing)}.items():
        if text:
            # Not truncated, so that it can be compared.
            console.print(Text.assemble((f"{name:<12}", "cyan"), f"  {text}"), soft_wrap=True)


def _conclude(*, identical: bool, remarks: list[str]) -> None:
    for remark in remarks:
        console.print(remark, markup=False, highlight=False)
    console.print("[green]Identical, bit by bit.[/green]" if identical else "[red]Not identical.[/red]")


def _yes_or_no(equal: bool | None) -> str:  # noqa: FBT001  # what was found
    return "not compared" if equal is None else "yes" if equal else "no"


def _rows(done: "Reproduction") -> dict[str, Any]:
    return {
        "training_set": done.name,
        "snapshot_id": str(done.snapshot_id),
        "identical": done.identical,
        "rows": len(done.rows),
        "as_of": done.as_of,
        "input_snapshots": {table: str(pin) for table, pin in sorted(done.input_snapshots.items())},
        "content": {"recorded": done.recorded_hash or None, "stored": done.stored_hash, "rebuilt": done.rebuilt_hash},
        "differing": list(done.differing),
        "remarks": list(done.remarks),
    }


def _content(done: "ModelReproduction") -> dict[str, Any]:
    return {
        "model": done.version.name,
        "version": done.version.version,
        "candidate": done.version.candidate,
        "identical": done.identical,
        "test_rows": done.test_rows,
        "scores_equal": done.scores_equal,
        "metrics_equal": done.metrics_equal,
        "retrained_equal": done.retrained_equal,
        "remarks": list(done.remarks),
        "training": _rows(done.training),
    }
