"""What several tables of Defender for Endpoint have in common."""

from __future__ import annotations

from ...columns import arguments, collect, image_paths
from ...mapping import Computed
from . import _devices as devices
from .functions import device_event_id, related_addresses

__all__ = [
    "DEVICE",
    "EVENT_ID",
    "FILE",
    "FILE_COMPUTED",
    "FILE_HASHES",
    "HOST_AND_SESSION",
    "HOST_NAME",
    "INITIATING_ACCOUNT",
    "INITIATING_PROCESS",
    "INITIATOR",
    "INITIATOR_ACCOUNT",
    "INITIATOR_COMPUTED",
    "INITIATOR_HASHES",
    "INITIATOR_NAMES",
    "INITIATOR_VERSION",
    "PROVIDER",
    "SESSION_ADDRESS",
    "SESSION_DEVICE",
    "SESSION_RELATED",
    "USER_IS_INITIATOR",
    "WORKING_DIRECTORY",
    "command_arguments",
    "hash_fields",
    "identified",
    "image",
    "inside",
    "related_hashes",
    "related_users",
]

PROVIDER = "defender_endpoint"

DEVICE = {"host.hostname": "DeviceName", "host.id": "DeviceId"}

EVENT_ID = Computed(
    ("event.id",),
    ("DeviceId", "ReportId", "Timestamp#ticks"),
    device_event_id,
    "Device, report id and time in units of 100 ns since 1970: report ids alone come again.",
)
HOST_NAME = Computed(
    ("host.name", "related.hosts"),
    ("DeviceName",),
    devices.host_and_others,
    "The device's name in lower case.",
)

HOST_AND_SESSION = Computed(
    ("host.name", "related.hosts"),
    ("DeviceName", "InitiatingProcessRemoteSessionDeviceName"),
    devices.host_and_others,
    "The device's name in lower case; related.hosts also has the device of the remote session.",
)
SESSION_RELATED = Computed(
    ("related.ip",),
    ("InitiatingProcessRemoteSessionIP",),
    related_addresses,
    "Where the initiating process' remote session came from.",
)

INITIATOR = {
    "process.command_line": "InitiatingProcessCommandLine",
}
INITIATOR_VERSION = {
    "process.pe.company": "InitiatingProcessVersionInfoCompanyName",
    "process.pe.description": "InitiatingProcessVersionInfoFileDescription",
    "process.pe.file_version": "InitiatingProcessVersionInfoProductVersion",
    "process.pe.original_file_name": "InitiatingProcessVersionInfoOriginalFileName",
    "process.pe.product": "InitiatingProcessVersionInfoProductName",
}
INITIATOR_ACCOUNT = {"process.user.name": "InitiatingProcessAccountName"}
USER_IS_INITIATOR = {
    "user.domain": "InitiatingProcessAccountDomain",
    "user.name": "InitiatingProcessAccountName",
}
INITIATING_ACCOUNT = (
    "InitiatingProcessAccountName",
    "InitiatingProcessAccountDomain",
    "InitiatingProcessAccountSid",
    "InitiatingProcessAccountUpn",
    "InitiatingProcessAccountObjectId",
)
"""The columns of the initiating process' account, in the order that functions on accounts take them."""
INITIATOR_NAMES = (
    "InitiatingProcessAccountName",
    "InitiatingProcessAccountUpn",
    "InitiatingProcessAccountSid",
    "InitiatingProcessAccountObjectId",
)
SESSION_DEVICE, SESSION_ADDRESS = (
    "InitiatingProcessRemoteSessionDeviceName",
    "InitiatingProcessRemoteSessionIP",
)
INITIATOR_HASHES = ("InitiatingProcessMD5", "InitiatingProcessSHA1", "InitiatingProcessSHA256")
FILE_HASHES = ("MD5", "SHA1", "SHA256")

_IDENTITY = (
    "Machine, pid and start, because a pid alone comes again: null unless all are known. A pid of 0 is none."
)


def identified(prefix: str, columns: str) -> Computed:
    """Pid, start and entity id of a process.

    Args:
        prefix: the ECS field set: `process`, `process.parent`.
        columns: how the columns' names begin.
    """
    number, start = (
        ("ProcessId", "ProcessCreationTime")
        if columns == "Process"
        else (f"{columns}Id", f"{columns}CreationTime")
    )
    return Computed(
        (f"{prefix}.pid", f"{prefix}.start", f"{prefix}.entity_id"),
        ("DeviceId", number, start, f"{start}#ticks"),
        devices.identified,
        _IDENTITY,
    )


def image(prefix: str, path: str, name: str) -> Computed:
    """Path and name of a process' image."""
    return Computed(
        (f"{prefix}.executable", f"{prefix}.name"),
        (path, name),
        image_paths,
        "The folder path, which mostly is the whole path; where it is a folder, the file's name is appended. "
        "Of a name that is a path, the last part.",
    )


def command_arguments(prefix: str, column: str) -> Computed:
    """The arguments of a command line."""
    return Computed(
        (f"{prefix}.args", f"{prefix}.args_count"),
        (column,),
        arguments,
        "The command line split at blanks; double quotes hold blanks together.",
    )


INITIATING_PARENT = Computed(
    ("process.parent.executable", "process.parent.name"),
    ("InitiatingProcessParentFileName",),
    devices.parent_image,
    "The name; where it is a path, this and its last part.",
)
INITIATING_PROCESS = (
    identified("process", "InitiatingProcess"),
    identified("process.parent", "InitiatingProcessParent"),
    INITIATING_PARENT,
    command_arguments("process", "InitiatingProcessCommandLine"),
)
"""What is computed of the initiating process where it is `process`, but its image, hashes and account."""

INITIATOR_COMPUTED = (
    image("process", "InitiatingProcessFolderPath", "InitiatingProcessFileName"),
    *INITIATING_PROCESS,
    Computed(
        ("process.user.id", "user.id", "user.email"),
        ("InitiatingProcessAccountSid", "InitiatingProcessAccountObjectId", "InitiatingProcessAccountUpn"),
        devices.initiating_user,
        "The SID, else the id in Entra; the user principal name is the address.",
    ),
)
"""What is computed of the initiating process where its account is the user."""

WORKING_DIRECTORY = Computed(
    ("process.working_directory",),
    ("AdditionalFields",),
    devices.working_directory,
    "`InitiatingProcessCurrentWorkingDirectory` in AdditionalFields, which Linux and macOS have.",
)

FILE = {"file.size": "FileSize"}
FILE_COMPUTED = Computed(
    ("file.path", "file.directory", "file.drive_letter", "file.name", "file.extension", "file.fork_name"),
    ("FolderPath", "FileName"),
    devices.file_fields,
    "FolderPath mostly ends in the file's name; where it does not, the name is appended. Of the alternate "
    "data stream `a.txt:b`, `a.txt` is the name and `b` the fork; the path has both.",
)


def related_users(*more: str) -> Computed:
    """`related.user` of the initiating process' account, and of the columns `more` before it."""
    return Computed(
        ("related.user",),
        (*more, *INITIATOR_NAMES),
        collect,
        "Names, user principal names and ids of the accounts.",
    )


def hash_fields(prefix: str) -> tuple[str, ...]:
    """`<prefix>.hash.md5`, `.sha1` and `.sha256`."""
    return tuple(f"{prefix}.hash.{name}" for name in ("md5", "sha1", "sha256"))


def related_hashes(*columns: str, of: tuple[str, ...] = ()) -> Computed:
    """`related.hash` of the columns, which are MD5, SHA-1 and SHA-256 in turn.

    Args:
        columns: the columns.
        of: field sets whose `hash.*` the columns fill, three each, in their order: `file`, `process`.
    """
    fields = tuple(field for prefix in of for field in hash_fields(prefix))
    return Computed(
        (*fields, "related.hash"),
        columns,
        devices.hashes(len(fields)),
        "In lower case, of the right length for their algorithm and not all zeros.",
    )


def inside(*keys: str) -> tuple[str, ...]:
    """The keys as columns inside `AdditionalFields`."""
    return tuple(f"AdditionalFields.{key}" for key in keys)
