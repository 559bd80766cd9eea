"""Iceberg's branches and tags as catalog updates.

What belongs here: making the updates and requirements of a commit on references. Not: deciding on them.
pyiceberg's models take these fields by their own names as well as by the names in the specification; type checkers
only see the latter.
"""

from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.update import AssertRefSnapshotId, RemoveSnapshotRefUpdate, SetSnapshotRefUpdate


def is_at(reference: str, snapshot_id: int | None) -> AssertRefSnapshotId:
    """The requirement that a reference is at a snapshot, or does not exist (None)."""
    return AssertRefSnapshotId(ref=reference, snapshot_id=snapshot_id)  # pyright: ignore[reportCallIssue]


def branch_at(name: str, snapshot_id: int, most_ms: int | None = None) -> SetSnapshotRefUpdate:
    """The update that puts a branch at a snapshot; `most_ms` is how old it may get, in milliseconds."""
    return SetSnapshotRefUpdate(  # pyright: ignore[reportCallIssue]
        ref_name=name,  # pyright: ignore[reportCallIssue]
        type=SnapshotRefType.BRANCH.value,
        snapshot_id=snapshot_id,  # pyright: ignore[reportCallIssue]
        max_ref_age_ms=most_ms,
    )


def tag_at(name: str, snapshot_id: int) -> SetSnapshotRefUpdate:
    """The update that puts a tag, which is kept until it is dropped, at a snapshot."""
    return SetSnapshotRefUpdate(  # pyright: ignore[reportCallIssue]
        ref_name=name,  # pyright: ignore[reportCallIssue]
        type=SnapshotRefType.TAG.value,
        snapshot_id=snapshot_id,  # pyright: ignore[reportCallIssue]
    )


def without(name: str) -> RemoveSnapshotRefUpdate:
    """The update that drops a branch or tag."""
    return RemoveSnapshotRefUpdate(ref_name=name)  # pyright: ignore[reportCallIssue]
