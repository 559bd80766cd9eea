"""`slipway models`: registered models, their versions and the results of their gates.

What belongs here: the command and how it shows versions. Not: the registry (lakehouse/models/registry.py).
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import HomeOption, JsonOption, console, lakehouse_at, print_json, print_table

if TYPE_CHECKING:
    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.models.model import Model
    from lakehouse.models.registry import Registry, Version

EXAMPLES = """\
[bold]Examples[/bold]

slipway models                      every model and its champion

slipway models fraud.scorer         its versions, metrics, gates and input snapshots

slipway models fraud.scorer --json
"""


def command(
    name: Annotated[str | None, typer.Argument(help="A model (default: all models).", show_default=False)] = None,
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show models: versions, champions and challengers, metrics, gates."""
    lake = lakehouse_at(home)
    from lakehouse.errors import unknown_name
    from lakehouse.loading import load_domains
    from lakehouse.models.artifact_relocation import existing_registry

    declared = {model.name: model for domain in load_domains() for model in domain.models}
    registry = existing_registry(lake.home)
    registered = registry.names() if registry else []
    names = sorted({*declared, *registered})
    if name is not None and name not in names:
        raise unknown_name("model", name, names)
    with_gates = as_json or name is not None  # they are Dagster's to tell, which takes its second
    chosen = [
        _content(lake, registry, one, declared.get(one), with_gates=with_gates) for one in ([name] if name else names)
    ]
    if as_json:
        print_json(chosen[0] if name else {"models": chosen})
    elif name:
        _show(chosen[0])
    else:
        _show_all(chosen)


def _content(
    lake: "Lakehouse", registry: "Registry | None", name: str, model: "Model | None", *, with_gates: bool
) -> dict[str, Any]:
    """A model for JSON; `declared` is false for one that is registered and in no domain any more."""
    versions = registry.versions(name) if registry else []
    champion = next((one for one in versions if "champion" in one.aliases), None)
    facts: dict[str, Any] = {"name": name, "declared": model is not None}
    if model is not None:
        facts |= {
            "owner": model.owner,
            "description": model.description,
            "training_set": model.training_set,
            "predictions": model.predictions,
            "candidates": {one.name: one.description for one in model.candidates},
            "select_by": model.select_by,
        }
    return {
        **facts,
        "champion": champion.version if champion else None,
        "versions": [_version(registry, one) for one in versions] if registry else [],
        "gates": _gates(lake, model) if model and versions and with_gates else [],
    }


def _version(registry: "Registry", one: "Version") -> dict[str, Any]:
    from lakehouse.models.registry import Tag

    ended = registry.client.get_run(one.run_id).info.end_time
    return {
        "version": one.version,
        "alias": ", ".join(one.aliases) or None,
        "candidate": one.candidate,
        "metrics": one.metrics,
        "trained_at": datetime.fromtimestamp(ended / 1000, tz=UTC).isoformat() if ended else None,
        "trained_from": one.tags.get(Tag.START),
        "reason": one.tags.get(Tag.REASON),
        "superseded_by": one.tags.get(Tag.SUPERSEDED_BY),
        "input_snapshots": {table: str(pin) for table, pin in one.input_snapshots.items()},
        "run_id": one.tags.get(Tag.RUN_ID),
        "code_version": one.tags.get(Tag.CODE_VERSION),
        "mlflow_run": one.run_id,
    }


def _gates(lake: "Lakehouse", model: "Model") -> list[dict[str, Any]]:
    """The gates with their last results; `passed` is null for one that never ran."""
    from orchestration.checks import last_evaluation
    from orchestration.instance import open_instance

    instance = open_instance(lake)
    found = []
    for gate in model.gates:
        last = last_evaluation(instance, model.name, gate.name)
        found.append(
            {
                "name": gate.name,
                "metric": gate.metric,
                "passed": last.passed if last else None,
                "message": (last.description if last else None) or gate.description,
            }
        )
    return found


def _show_all(models: list[dict[str, Any]]) -> None:
    if not any(model["versions"] for model in models):
        console.print("No model has been trained in this home. [bold]slipway demo[/bold] trains one.")
    rows = []
    for model in models:
        live = next((one for one in model["versions"] if one["version"] == model["champion"]), None)
        champion = f"version {live['version']}: {live['candidate']}\n{_minute(live)}" if live else "none yet"
        metrics = "\n".join(f"{name} {value:.3f}" for name, value in live["metrics"].items()) if live else ""
        number = f"{len(model['versions'])} {'version' if len(model['versions']) == 1 else 'versions'}"
        rows.append([f"{model['name']}\n{model.get('owner', 'not declared')}\n{number}", champion, metrics])
    print_table("Models", ["model", "champion", "its metrics"], rows)


def _show(model: dict[str, Any]) -> None:
    console.print(f"[bold]{model['name']}[/bold] (owned by {model.get('owner', 'nobody: it is not declared')})")
    console.print(model.get("description", ""), markup=False, highlight=False)
    if not model["versions"]:
        console.print(f"It has not been trained. [bold]slipway materialize +{model['name']}[/bold] trains it.")
        return
    print_table(
        "Versions, newest first",
        ["version", "candidate", "metrics"],
        [
            [
                f"{one['version']}\n{one['alias'] or ''}",
                f"{one['candidate']}\n{_minute(one)}",
                "\n".join(f"{name} {value:.3f}" for name, value in one["metrics"].items()),
            ]
            for one in model["versions"]
        ],
    )
    print_table(
        "Gates, last evaluation",
        ["gate", "passed", "description"],
        [[gate["name"], gate["passed"], gate["message"]] for gate in model["gates"]],
    )
    for one in model["versions"]:
        if one["reason"]:
            console.print(f"Version {one['version']} was not promoted: {one['reason']}", markup=False)
    live = next((one for one in model["versions"] if one["version"] == model["champion"]), None)
    if live:
        print_table(
            f"Version {live['version']}, the champion: input snapshots",
            ["table", "snapshot"],
            live["input_snapshots"].items(),
        )


def _minute(version: dict[str, Any] | None) -> str:
    return f"{version['trained_at'][:16].replace('T', ' ')} UTC" if version and version["trained_at"] else ""
