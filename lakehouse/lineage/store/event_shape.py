"""The schema of OpenLineage events, as far as their fields are read.

What belongs here: types, required fields, lengths. Not: sizes, times and JSON values (validation.py). Other fields and
other facets are kept as they are.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config

# pyright and Python 3.11 have the two of them in typing; pydantic wants the newer ones, which know `closed`.
from typing_extensions import TypedDict

LONGEST_NAMESPACE = 1_024
LONGEST_NAME = 2_048

EVENT_TYPES = ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")

Namespace = Annotated[str, Field(min_length=1, max_length=LONGEST_NAMESPACE)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Uri = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
RunId = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Count = Annotated[int, Field(ge=-1, lt=1 << 63)]

_open = with_config(ConfigDict(extra="allow", strict=True))


@_open
class Facet(TypedDict):
    """The fields of every facet."""

    _producer: Uri
    _schemaURL: Uri
    _deleted: NotRequired[bool]


@_open
class _Column(TypedDict):
    name: Name
    type: NotRequired[str | None]
    description: NotRequired[str | None]
    fields: NotRequired[list[Any] | None]


@_open
class _Schema(Facet):
    fields: NotRequired[list[_Column] | None]


@_open
class _Transformation(TypedDict):
    type: str
    subtype: NotRequired[str | None]
    description: NotRequired[str | None]
    masking: NotRequired[bool | None]


@_open
class _InputField(TypedDict):
    namespace: Namespace
    name: Name
    field: Name
    transformations: NotRequired[list[_Transformation] | None]


@_open
class _OutputField(TypedDict):
    inputFields: list[_InputField]
    transformationType: NotRequired[str | None]
    transformationDescription: NotRequired[str | None]


@_open
class _ColumnLineage(Facet):
    fields: dict[Name, _OutputField]
    dataset: NotRequired[list[_InputField] | None]


@_open
class _LineageInput(TypedDict):
    type: Literal["DATASET", "JOB"]
    namespace: NotRequired[Namespace | None]
    name: NotRequired[Name | None]
    field: NotRequired[Name | None]
    transformations: NotRequired[list[_Transformation] | None]


@_open
class _LineageField(TypedDict):
    inputs: NotRequired[list[_LineageInput] | None]


@_open
class _Lineage(Facet):
    inputs: NotRequired[list[_LineageInput] | None]
    fields: NotRequired[dict[Name, _LineageField] | None]


@_open
class _LineageEntry(TypedDict):
    type: Literal["DATASET", "JOB"]
    namespace: NotRequired[Namespace | None]
    name: NotRequired[Name | None]
    inputs: NotRequired[list[_LineageInput] | None]
    fields: NotRequired[dict[Name, _LineageField] | None]


@_open
class _JobLineage(Facet):
    entries: list[_LineageEntry]


@_open
class _Owner(TypedDict):
    name: Name
    type: NotRequired[str | None]


@_open
class _Ownership(Facet):
    owners: NotRequired[list[_Owner] | None]


@_open
class _Identifier(TypedDict):
    namespace: Namespace
    name: Name
    type: str


@_open
class _Symlinks(Facet):
    identifiers: NotRequired[list[_Identifier] | None]


@_open
class _Tag(TypedDict):
    key: Name
    value: str
    source: NotRequired[str | None]
    field: NotRequired[str | None]


@_open
class _Tags(Facet):
    tags: NotRequired[list[_Tag] | None]


@_open
class _DatasetType(Facet):
    datasetType: Name


@_open
class _Version(Facet):
    datasetVersion: Name


@_open
class _Documentation(Facet):
    description: str


@_open
class _Assertion(TypedDict):
    assertion: str
    success: bool
    name: NotRequired[str | None]
    column: NotRequired[str | None]
    severity: NotRequired[str | None]
    expected: NotRequired[str | None]
    actual: NotRequired[str | None]


@_open
class _Assertions(Facet):
    assertions: list[_Assertion]


@_open
class _Statistics(Facet):
    rowCount: NotRequired[Count | None]
    size: NotRequired[Count | None]
    fileCount: NotRequired[Count | None]


class _DatasetFacets(TypedDict, total=False, extra_items=Facet):
    schema: _Schema
    columnLineage: _ColumnLineage
    lineage: _Lineage
    ownership: _Ownership
    symlinks: _Symlinks
    tags: _Tags
    datasetType: _DatasetType
    version: _Version
    datasetVersion: _Version
    documentation: _Documentation
    dataQualityAssertions: _Assertions


class _InputFacets(TypedDict, total=False, extra_items=Facet):
    dataQualityAssertions: _Assertions
    inputStatistics: _Statistics


class _OutputFacets(TypedDict, total=False, extra_items=Facet):
    dataQualityAssertions: _Assertions
    outputStatistics: _Statistics


@_open
class _ParentOrRootRun(TypedDict):
    runId: RunId


@_open
class _NamedJob(TypedDict):
    namespace: Namespace
    name: Name


@_open
class _Root(TypedDict):
    run: _ParentOrRootRun
    job: _NamedJob


@_open
class _Parent(Facet):
    run: _ParentOrRootRun
    job: _NamedJob
    root: NotRequired[_Root | None]


@_open
class _ErrorMessage(Facet):
    message: str
    programmingLanguage: NotRequired[str | None]
    stackTrace: NotRequired[str | None]


class _RunFacets(TypedDict, total=False, extra_items=Facet):
    parent: _Parent
    errorMessage: _ErrorMessage


class _JobFacets(TypedDict, total=False, extra_items=Facet):
    lineage: _JobLineage
    ownership: _Ownership
    documentation: _Documentation
    tags: _Tags


@_open
class _Run(TypedDict):
    runId: RunId
    facets: NotRequired[_RunFacets | None]


@_open
class _Job(TypedDict):
    namespace: Namespace
    name: Name
    facets: NotRequired[_JobFacets | None]


@_open
class _Dataset(TypedDict):
    namespace: Namespace
    name: Name
    facets: NotRequired[_DatasetFacets | None]


@_open
class _Input(_Dataset):
    inputFacets: NotRequired[_InputFacets | None]


@_open
class _Output(_Dataset):
    outputFacets: NotRequired[_OutputFacets | None]


@_open
class Event(TypedDict):
    """A run event, a job event or a dataset event, depending on its fields."""

    eventTime: Annotated[str, Field(max_length=64)]
    producer: Uri
    schemaURL: Uri
    eventType: NotRequired[Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"] | None]
    run: NotRequired[_Run | None]
    job: NotRequired[_Job | None]
    dataset: NotRequired[_Dataset | None]
    inputs: NotRequired[list[_Input] | None]
    outputs: NotRequired[list[_Output] | None]


EVENT: TypeAdapter[Event] = TypeAdapter(Event)
