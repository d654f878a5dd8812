"""The format of commits: one JSON object each, created once and whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated, Any

import msgspec

from airflow_provider_defender.lake.errors import CommitUnreadable
from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.digest import chain_digest, position_digest
from airflow_provider_defender.lake.log.layout import place_of
from airflow_provider_defender.lake.log.position import P, dump_position, parse_position

__all__ = ["FORMAT", "as_json", "chained", "dump_commit", "dump_file", "parse_commit", "parse_file"]

FORMAT = 2
"""The number of the format that this release writes, and the only one that it reads.

Format 1 was that of the first lakes, before any release.
"""

_UNREADABLE = (
    msgspec.MsgspecError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What parsing a text that is no commit can raise."""

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]+$")]
_Path = Annotated[str, msgspec.Meta(pattern=r"^(?!.*/\.\.?/)[A-Za-z_][A-Za-z0-9_./=-]*-[0-9]+\.parquet$")]
_Partition = Annotated[str, msgspec.Meta(pattern=r"^date=\d{4}-\d\d-\d\d(/hour=\d\d)?$")]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class _Rejects(msgspec.Struct):
    """The types of the values of a quarantine file in a commit."""

    path: _Path
    dataset: str
    partition: _Partition
    rows: int
    bytes: int
    sha256: _Sha256
    offsets: dict[str, tuple[int, int]] | None = None


class _Data(_Rejects, kw_only=True):
    """The types of the values of a data file in a commit."""

    min_timestamp: _Moment
    max_timestamp: _Moment


class _Shape(msgspec.Struct):
    """The types of the values of a commit: a value of another type would fail later, or be misread.

    A position has a shape of its own.
    """

    log: str
    origin: dict[str, str]
    number: int
    token: _Name
    kind: str
    started_at: _Moment
    committed_at: _Moment
    window: dict[str, Any]
    added: list[_Data]
    removed: list[_Path]
    rejects: list[_Rejects]
    counts: dict[str, int]
    position: dict[str, Any] | None
    position_sha256: _Sha256
    digest: _Sha256


def as_json(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values as a commit will give them back, so that tuples and lists compare as equal."""
    result: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(values or {})))
    return result


def chained(commit: Commit[P], before: str) -> Commit[P]:
    """The commit with its chain digest; `before`: the digest of the commit before it."""
    if commit.position is not None:
        commit = replace(commit, position_sha256=position_digest(dump_position(commit.position)))
    return replace(commit, digest=chain_digest(before, _lasting(commit)))


def dump_commit(commit: Commit[P]) -> bytes:
    """The commit as JSON text in UTF-8."""
    position = None if commit.position is None else dump_position(commit.position)
    return msgspec.json.encode({**_lasting(commit), "position": position, "digest": commit.digest})


def _lasting(commit: Commit[P]) -> dict[str, Any]:
    """A commit as JSON values, without the position, which old commits lose."""
    return {
        "format": FORMAT,
        "log": commit.log,
        "origin": dict(commit.origin),
        "number": commit.number,
        "token": commit.token,
        "kind": commit.kind,
        "started_at": _dump_time(commit.started_at),
        "committed_at": _dump_time(commit.committed_at),
        "window": dict(commit.window),
        "added": [dump_file(file) for file in commit.added],
        "removed": list(commit.removed),
        "rejects": [dump_file(file) for file in commit.rejects],
        "counts": dict(commit.counts),
        "position_sha256": commit.position_sha256,
    }


def dump_file(file: DataFile) -> dict[str, Any]:
    """A file as JSON values."""
    values: dict[str, Any] = {
        "path": file.path,
        "dataset": file.dataset,
        "partition": file.partition,
        "rows": file.rows,
        "bytes": file.bytes,
    }
    if file.min_timestamp is not None and file.max_timestamp is not None:
        values["min_timestamp"] = _dump_time(file.min_timestamp)
        values["max_timestamp"] = _dump_time(file.max_timestamp)
    values["sha256"] = file.sha256
    if file.offsets is not None:
        values["offsets"] = {str(partition): list(span) for partition, span in sorted(file.offsets.items())}
    return values


def _dump_time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def parse_commit(body: bytes, path: str) -> Commit[Any]:
    """The commit in `body`, read from `path`. Raises `CommitUnreadable` if it is none of this format."""
    try:
        values = msgspec.json.decode(body)
        _check_format(values["format"], path)
        msgspec.convert(values, _Shape)
        return _parse(values)
    except _UNREADABLE as error:
        raise CommitUnreadable(
            f"{path} is no readable commit ({error!r}): look at the file and restore it, "
            "for example from a version that the store kept; do not delete it"
        ) from error


def _check_format(number: Any, path: str) -> None:
    if type(number) is not int:
        raise TypeError(f"format {number!r}")
    if number < FORMAT:
        raise CommitUnreadable(
            f"{path} has format {number}, of an older release, and this one reads format {FORMAT} only: land "
            "into a new folder, and keep this one for those who read its files"
        )
    if number > FORMAT:
        raise CommitUnreadable(
            f"{path} has format {number}, of a newer release, and this one reads format {FORMAT} only: "
            "upgrade airflow-provider-defender before you use this lake"
        )


def _parse(values: dict[str, Any]) -> Commit[Any]:
    position: Any = None if values["position"] is None else parse_position(values["position"])
    return Commit(
        log=values["log"],
        origin=values["origin"],
        number=values["number"],
        token=values["token"],
        kind=values["kind"],
        started_at=datetime.fromisoformat(values["started_at"]),
        committed_at=datetime.fromisoformat(values["committed_at"]),
        window=values["window"],
        added=tuple(map(parse_file, values["added"])),
        removed=tuple(values["removed"]),
        rejects=tuple(map(parse_file, values["rejects"])),
        counts=values["counts"],
        position=position,
        position_sha256=values["position_sha256"],
        digest=values["digest"],
    )


def parse_file(values: Mapping[str, Any]) -> DataFile:
    """A file from JSON values. Raises `KeyError`, `TypeError` or `ValueError` if they are not valid."""
    offsets = values.get("offsets")
    if offsets is not None:
        offsets = {int(partition): (first, last) for partition, (first, last) in offsets.items()}
    if place_of(values["path"]) != (values["dataset"], values["partition"]):
        raise ValueError(f"{values['path']} is not in {values['partition']} of {values['dataset']}")
    first, last = values.get("min_timestamp"), values.get("max_timestamp")
    return DataFile(
        path=values["path"],
        dataset=values["dataset"],
        partition=values["partition"],
        rows=values["rows"],
        bytes=values["bytes"],
        sha256=values["sha256"],
        min_timestamp=None if first is None else datetime.fromisoformat(first),
        max_timestamp=None if last is None else datetime.fromisoformat(last),
        offsets=offsets,
    )
