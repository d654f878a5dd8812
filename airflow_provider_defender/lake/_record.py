"""Records: what makes a commit count. One JSON object each, created once and whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Annotated, Any, Generic

import msgspec

from airflow_provider_defender.lake._errors import RecordUnreadable
from airflow_provider_defender.lake._position import P, parse_position

__all__ = ["FORMAT", "KINDS", "DataFile", "Record"]

FORMAT = 1
"""Version of the records that this release writes, and the newest that it reads."""

_UNREADABLE = (
    msgspec.MsgspecError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What text that is no record can raise when it is taken apart."""

KINDS = ("drain", "backfill", "compaction")

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]+$")]
_Path = Annotated[str, msgspec.Meta(pattern=r"^(?!.*/\.\.?/)[A-Za-z_][A-Za-z0-9_./=-]*-[0-9]+\.parquet$")]
_Ranges = list[tuple[int, int]]


class _File(msgspec.Struct):
    path: _Path
    rows: int
    bytes: int
    offsets: dict[str, tuple[int, int]] | None = None


class _Keys(msgspec.Struct):
    key: list[str]
    version: list[str]


class _Rest(msgspec.Struct, tag_field="type", tag="rest"):
    watermark: str | None
    filters: dict[str, Any]
    keys: _Keys
    keys_from: str | None
    keys_capped: bool


class _Partition(msgspec.Struct):
    next: int | None
    covered: _Ranges
    lost: _Ranges
    damaged: _Ranges = []


class _Hub(msgspec.Struct, tag_field="type", tag="hub"):
    partitions: dict[str, _Partition]


class _Shape(msgspec.Struct):
    """The types of what stands in a record: a value of another type would fail later, or be misread."""

    log: str
    number: int
    token: _Name
    kind: str
    started_at: _Moment
    committed_at: _Moment
    window: dict[str, Any]
    added: list[_File]
    removed: list[_Path]
    rejects: list[_File]
    counts: dict[str, int]
    position: _Rest | _Hub | None


@dataclass(frozen=True)
class DataFile:
    """A Parquet file: its final place relative to the lake's root, its rows, its size in bytes.

    `offsets`: for each partition of a hub that has rows in it, their first and last offset; None for
    sources without offsets.
    """

    path: str
    rows: int
    bytes: int
    offsets: Mapping[int, tuple[int, int]] | None = None

    def dump(self) -> dict[str, Any]:
        """The file as JSON values."""
        values: dict[str, Any] = {"path": self.path, "rows": self.rows, "bytes": self.bytes}
        if self.offsets is not None:
            values["offsets"] = {str(partition): span for partition, span in sorted(self.offsets.items())}
        return values

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> DataFile:
        """The file from JSON values; raises `KeyError`, `TypeError`, `ValueError` where they are none."""
        offsets = values.get("offsets")
        if offsets is not None:
            offsets = {int(partition): (first, last) for partition, (first, last) in offsets.items()}
        return cls(values["path"], values["rows"], values["bytes"], offsets)


@dataclass(frozen=True)
class Record(Generic[P]):
    """One commit of a log.

    `number` counts from 1 without gaps; `token` is the commit's own. `kind` is drain, backfill or
    compaction. `window` is what the run was asked to read, in the caller's words. `added`: the files that
    hold its rows; `removed`: files of earlier commits that it replaces; `rejects`: its quarantine files.
    `counts`: for REST, versions read, known (landed before), landed and rejected, and rows landed; for a
    hub, messages read, repeats dropped, rows landed and records rejected.
    `position` is where the source stands after the commit, None in a record that was shortened.
    """

    log: str
    number: int
    token: str
    kind: str
    started_at: datetime
    committed_at: datetime
    window: Mapping[str, Any] = field(default_factory=dict)
    added: tuple[DataFile, ...] = ()
    removed: tuple[str, ...] = ()
    rejects: tuple[DataFile, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    position: P | None = None

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All files that the commit shows: data and quarantine."""
        return self.added + self.rejects

    def shortened(self) -> Record[P]:
        """The record without its position, which only the newest record needs."""
        return replace(self, position=None)

    def dump(self) -> bytes:
        """The record as JSON text in UTF-8."""
        values = {
            "format": FORMAT,
            "log": self.log,
            "number": self.number,
            "token": self.token,
            "kind": self.kind,
            "started_at": _dump_time(self.started_at),
            "committed_at": _dump_time(self.committed_at),
            "window": dict(self.window),
            "added": [file.dump() for file in self.added],
            "removed": list(self.removed),
            "rejects": [file.dump() for file in self.rejects],
            "counts": dict(self.counts),
            "position": None if self.position is None else self.position.dump(),
        }
        return msgspec.json.encode(values)

    @classmethod
    def parse(cls, body: bytes, path: str) -> Record[Any]:
        """The record in `body`, read from `path`; raises `RecordUnreadable` where there is none."""
        try:
            values = msgspec.json.decode(body)
            if values["format"] > FORMAT:
                raise RecordUnreadable(
                    f"{path} has format {values['format']}, this release reads up to {FORMAT}: "
                    "upgrade airflow-provider-defender before going on with this lake"
                )
            msgspec.convert(values, _Shape)
            position: Any = None if values["position"] is None else parse_position(values["position"])
            return cls(
                log=values["log"],
                number=values["number"],
                token=values["token"],
                kind=values["kind"],
                started_at=datetime.fromisoformat(values["started_at"]),
                committed_at=datetime.fromisoformat(values["committed_at"]),
                window=values["window"],
                added=tuple(DataFile.parse(file) for file in values["added"]),
                removed=tuple(values["removed"]),
                rejects=tuple(DataFile.parse(file) for file in values["rejects"]),
                counts=values["counts"],
                position=position,
            )
        except _UNREADABLE as error:
            raise RecordUnreadable(
                f"{path} is no readable record ({error!r}): look at the file and restore it, "
                "for example from a version that the store kept; do not delete it"
            ) from error


def _dump_time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")
