"""Processes and the accounts that they run under: what is computed of device events and connections."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import arguments, first_known, image_paths, only_hash
from ._devices import identified

__all__ = [
    "IDENTITY_FIELDS",
    "INITIATING_INPUTS",
    "PROCESS_FIELDS",
    "Columns",
    "chosen",
    "initiating_process",
    "nothing_like",
    "process_fields",
    "user_of_initiator",
]

Columns = tuple[pa.Array, ...]

PROCESS_FIELDS = (
    "name",
    "executable",
    "hash.md5",
    "hash.sha1",
    "hash.sha256",
    "pid",
    "command_line",
    "args",
    "args_count",
    "start",
    "entity_id",
    "working_directory",
    "user.name",
    "user.id",
)
"""What `process_fields` gives of a process."""

IDENTITY_FIELDS = ("name", "domain", "id", "email")
"""What is known of an account, in the order of the columns that the functions here pass around."""

INITIATING_INPUTS = (
    "InitiatingProcessFileName",
    "InitiatingProcessFolderPath",
    "InitiatingProcessMD5",
    "InitiatingProcessSHA1",
    "InitiatingProcessSHA256",
    "InitiatingProcessId",
    "InitiatingProcessCommandLine",
    "InitiatingProcessCreationTime",
    "InitiatingProcessCreationTime#ticks",
    "AdditionalFields.InitiatingProcessCurrentWorkingDirectory",
    "InitiatingProcessAccountName",
    "InitiatingProcessAccountSid",
    "InitiatingProcessAccountObjectId",
    "InitiatingProcessParentFileName",
    "InitiatingProcessParentId",
    "InitiatingProcessParentCreationTime",
    "InitiatingProcessParentCreationTime#ticks",
)
"""The columns of the initiating process, of its account, and of its parent; systems other than Windows say
the working directory among `AdditionalFields`."""


def chosen(condition: pa.Array, columns: Columns, others: Columns) -> Columns:
    """Row by row the columns where the condition is true, else the others."""
    return tuple(pc.if_else(condition, mine, other) for mine, other in zip(columns, others, strict=True))


def nothing_like(column: pa.Array) -> pa.Array:
    """A text column of the same length without any value."""
    return pa.nulls(len(column), pa.string())


def process_fields(
    device: pa.Array,
    name: pa.Array,
    path: pa.Array,
    md5: pa.Array,
    sha1: pa.Array,
    sha256: pa.Array,
    number: pa.Array,
    command_line: pa.Array,
    start: pa.Array,
    ticks: pa.Array,
    working_directory: pa.Array,
    user_name: pa.Array,
    user_id: pa.Array,
) -> Columns:
    """A process, as in `PROCESS_FIELDS`. Microsoft sends the number 0 where it knows none."""
    executable, only_name = image_paths(path, name)
    known_number, known_start, identity = identified(device, number, start, ticks)
    words, count = arguments(command_line)
    return (
        *(only_name, executable),
        *(only_hash(md5, "md5"), only_hash(sha1, "sha1"), only_hash(sha256, "sha256")),
        *(known_number, command_line, words, count, known_start),
        identity,
        *(working_directory, user_name, user_id),
    )


def initiating_process(device: pa.Array, *columns: pa.Array) -> Columns:
    """`process.*` and `process.parent.*`, as in `PROCESS_FIELDS`, where the initiating process is `process`.

    Args:
        device: the device's id, for the processes' entity ids.
        columns: those of `INITIATING_INPUTS`.
    """
    own, parent = initiator_and_parent(*columns)
    return (*process_fields(device, *own), *process_fields(device, *parent))


def initiator_and_parent(*columns: pa.Array) -> tuple[Columns, Columns]:
    """The initiating process and its parent, as `process_fields` takes them, by `INITIATING_INPUTS`.

    Microsoft says of the parent its name, number and start.
    """
    *process, user_name, sid, object_id, name, number, start, ticks = columns
    nothing = nothing_like(name)
    parent = (name, nothing, nothing, nothing, nothing, number, nothing, start, ticks, *(nothing,) * 3)
    return (*process, user_name, first_known(sid, object_id)), parent


def user_of_initiator(
    name: pa.Array, domain: pa.Array, sid: pa.Array, object_id: pa.Array, principal: pa.Array
) -> Columns:
    """The initiating process' account, as in `IDENTITY_FIELDS`: its id is the SID, else that of Entra."""
    return name, domain, first_known(sid, object_id), principal
