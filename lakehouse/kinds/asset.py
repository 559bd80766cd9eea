"""The protocol of assets: what every kind defines, with defaults.

What belongs here: the protocol. Not: any kind (its own module), and questions about several assets (graph.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from lakehouse.errors import SlipwayError
from lakehouse.kinds.column_lineage import ColumnLineage
from lakehouse.tables.build_plan import BuildPlan
from lakehouse.tables.days import describe_days
from lakehouse.tables.provenance import last_published

if TYPE_CHECKING:
    from typing import Self

    from lakehouse.catalog.lakehouse import Lakehouse
    from lakehouse.domain import Domain
    from lakehouse.kinds.graph import AssetGraph
    from lakehouse.models.registry import Registry


class Check(NamedTuple):
    """A check of an asset: its description, and whether a failure keeps the asset from being published."""

    description: str
    blocking: bool = True


@dataclass(frozen=True)
class Icon:
    """A symbol: `shape` is one of Cytoscape's node shapes, `paths` are SVG strokes on a 16 x 16 canvas.

    `color` and `dark_color` are hex colors in the light and in the dark scheme.
    """

    shape: str
    paths: Sequence[str]
    color: str = "#57606a"
    dark_color: str = "#a5afba"


@dataclass(frozen=True)
class Kind:
    """Facts that all assets of a kind share.

    `name` and `plural` are shown to people; lists of kinds are sorted by `rank`. `dataset_type` is the OpenLineage
    dataset type. `declaration` is the class of the declarations that `module` of a domain's folder holds (None: the
    assets follow from other declarations). A kind that is not a `table` is kept in the model registry; one that is not
    `materializable` is written by the step of another asset. The daily job leaves out what is `trained`.
    """

    name: str
    plural: str
    dataset_type: str
    icon: Icon
    rank: int
    declaration: type | None = None
    module: str = ""
    table: bool = True
    materializable: bool = True
    trained: bool = False

    @property
    def slug(self) -> str:
        """The name as a tag: `feature_set`."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True)
class Staleness:
    """Whether an asset is stale, and the reason."""

    stale: bool
    reason: str = ""

    @classmethod
    def because(cls, reason: str) -> "Self":
        """Stale for this reason."""
        return cls(stale=True, reason=reason)


UP_TO_DATE = Staleness(stale=False)


@dataclass(frozen=True, eq=False)
class Asset(ABC):
    """An asset as declared: a table or a model, by the name that its Dagster key, table and lineage node share."""

    kind: ClassVar[Kind]
    declaration: Any

    @classmethod
    @abstractmethod
    def declared_in(cls, domain: "Domain", graph: "AssetGraph") -> "Sequence[Self]":
        """The assets of this kind that a domain declares; `graph` has the settings that they share."""

    @classmethod  # noqa: B027  # most kinds have nothing to check
    def check_domain(cls, domain: "Domain", graph: "AssetGraph") -> None:
        """Check what takes more than one asset of the domain. Raises DeclarationError."""

    @property
    def name(self) -> str:
        """The asset's name, `<domain>.<name>`."""
        return self.declaration.name

    @property
    def domain(self) -> str:
        """The business domain that the asset belongs to."""
        return self.name.partition(".")[0]

    @property
    def owner(self) -> str:
        """The team that owns the asset."""
        return self.declaration.owner

    @property
    def description(self) -> str:
        """What the asset holds, for people."""
        return self.declaration.description

    @property
    def fingerprint(self) -> str:
        """A hash of the declaration's parts that decide the asset's content."""
        return self.declaration.fingerprint()

    @property
    def inputs(self) -> Sequence[str]:
        """The assets that this one reads."""
        return ()

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The columns with their descriptions."""
        return {}

    @cached_property
    def checks(self) -> Mapping[str, Check]:
        """The checks by name."""
        return {}

    @cached_property
    def column_lineage(self) -> ColumnLineage:
        """The input columns of each column."""
        return ColumnLineage({})

    @cached_property
    def code(self) -> str:
        """The file that declares the asset, as a path in the project."""
        return f"assets/{self.domain}/{self.kind.module}.py"

    @property
    def engine(self) -> str:
        """What computes the asset."""
        return ""

    @property
    def contract(self) -> str:
        """The version of the asset's contract; empty where it has none."""
        return ""

    @property
    def sql(self) -> str:
        """The SQL that computes the asset; empty where it is not SQL."""
        return ""

    @property
    def parts(self) -> Sequence[str]:
        """Names of parts that events may mention, such as a model's candidates."""
        return ()

    @property
    def owners(self) -> Mapping[str, str]:
        """Every owner that the declaration names, by what it owns."""
        return {self.name: self.owner}

    def check(self, graph: "AssetGraph") -> None:  # noqa: B027  # not every kind names other assets
        """Check the declaration against the assets that it names. Raises DeclarationError."""

    def is_built(self, lake: "Lakehouse", registry: "Registry | None") -> bool:  # noqa: ARG002
        """Whether the asset was ever published. Without a registry no model is."""
        return last_published(lake, self.name) is not None

    def staleness(
        self,
        lake: "Lakehouse",  # noqa: ARG002
        registry: "Registry | None",  # noqa: ARG002
        stale_inputs: Sequence[str],  # noqa: ARG002
    ) -> Staleness | None:
        """Whether the asset is stale; None where that cannot be told, as for what has no inputs.

        `stale_inputs` are the inputs that are stale themselves. Without a registry, models are not asked about.
        """
        return None


def staleness_of(find: Callable[[], BuildPlan], stale_inputs: Sequence[str]) -> Staleness:
    """The staleness of a table that has the work which `find` returns; one that cannot be planned is stale."""
    try:
        work = find()
    except SlipwayError as error:
        return Staleness.because(error.what)
    if work.needed:
        extent = "all of it" if work.days is None else describe_days(work.days)
        return Staleness.because(f"{'; '.join(work.causes)} ({extent})")
    return Staleness.because(f"{stale_inputs[0]} is stale") if stale_inputs else UP_TO_DATE
