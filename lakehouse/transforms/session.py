"""One build of dbt models: the input and the output of dbt's plugin.

What belongs here: the state of a build, shared by build.py and plugin.py (dbt makes the plugin by itself, so the two
can only meet in a module). Not: running dbt.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lakehouse.catalog.lakehouse import Lakehouse
from lakehouse.tables.build_plan import BuildPlan, Input, plan_build
from lakehouse.tables.write_audit_publish import StagedWrite
from lakehouse.transforms.project import TransformModel, TransformProject


@dataclass
class BuildSession:
    """A build in progress: the staged write and the plan of each model, by table.

    Models that select from one whose columns changed are `deferred` to a build of their own: the snapshot that they
    are built from does not exist before it is published.
    """

    lake: Lakehouse
    project: TransformProject
    run_id: str
    rebuild: bool = False
    staged: dict[str, StagedWrite] = field(default_factory=dict)
    works: dict[str, BuildPlan] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)

    def plan_build(self, model: TransformModel) -> BuildPlan:
        """What the model must recompute, given the drafts that this build has made of its inputs."""
        return plan_build(
            self.lake,
            model.table,
            [Input(name, model.reach) for name in model.inputs],
            model.fingerprint(),
            rebuild=self.rebuild,
            drafts={name: staged.draft.snapshot_id for name, staged in self.staged.items()},
            days_from=model.inputs,
        )


_active: list[BuildSession] = []


@contextmanager
def active(session: BuildSession) -> Iterator[BuildSession]:
    """Make the session the one that dbt's plugin works for."""
    _active.append(session)
    try:
        yield session
    finally:
        _active.remove(session)


def active_session() -> BuildSession | None:
    """The session that dbt's plugin works for, or None when dbt was started by hand."""
    return _active[-1] if _active else None
