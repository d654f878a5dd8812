"""The protocols of sources: a source names its log, reads a window, and reports its backlog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import compress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa

from airflow_provider_defender.lake import Commit, LakeError, Position
from airflow_provider_defender.sources.window import Window

if TYPE_CHECKING:
    from airflow_provider_defender.ecs import Identity, Mapper
    from airflow_provider_defender.exceptions import DefenderError
    from airflow_provider_defender.lake import Head, Lake, Ledger, Log

__all__ = [
    "Backlog",
    "Batch",
    "Figures",
    "Limits",
    "MapperSettings",
    "Read",
    "Result",
    "Source",
    "TimeLimit",
    "open_log",
]

P = TypeVar("P", bound=Position)
P_co = TypeVar("P_co", bound=Position, covariant=True)
C_co = TypeVar("C_co", covariant=True)
F_co = TypeVar("F_co", covariant=True, bound="Figures")


class TimeLimit(Protocol):
    """The limit of time of a run."""

    @property
    def limit(self) -> timedelta:
        """The time that the run may read in all."""
        ...

    @property
    def left(self) -> float:
        """Seconds left; 0.0 once the time is over."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the time is used up."""
        ...


@dataclass(frozen=True)
class Limits:
    """Limits that end a read before the end of its source.

    Args:
        time: how long to read.
        max_messages: stop after about this many messages of a hub; None: no limit, likewise for the next.
        max_bytes: stop after about this many bytes of a hub's messages.
    """

    time: TimeLimit
    max_messages: int | None = None
    max_bytes: int | None = None


@dataclass
class Batch:
    """Records that were read at once, held in memory together.

    Args:
        records: raw JSON, as the source sent it; for a hub, the values of messages, None for one without.
        origins: their origins, as for `ecs.map_records`: one row for all, or one per record.
        identities: key and version of each record; None if the source itself reads only what is new.
        rejects: what could not even be read, as rows of `landing.REJECTS_SCHEMA` or `HUB_REJECTS_SCHEMA`.
    """

    records: Sequence[Any]
    origins: pa.Table
    identities: Sequence[Identity] | None = None
    rejects: pa.Table | None = None

    def only(self, wanted: Sequence[bool]) -> Batch:
        """The batch with only those records for which `wanted` is true."""
        identities = None if self.identities is None else list(compress(self.identities, wanted))
        origins = self.origins if self.origins.num_rows == 1 else self.origins.filter(pa.array(wanted))
        return Batch(list(compress(self.records, wanted)), origins, identities, self.rejects)


@dataclass
class Result:
    """What became of the records of a read.

    Args:
        new: the number of records with identities that had not landed before.
        rows: rows staged, by dataset.
        rejects: the number of records put into quarantine.
        duplicates: the number of records dropped because the exporter sent them twice.
        type_mismatches: the number of values that did not fit their column and went to `unmapped`, by column.
        unmapped_fields: the number of values without a column that went to `unmapped`, by name.
        unknown_actions: the number of records of a hub by table and action type, where the catalogue of
            action types does not know it.
        commit: the commit that makes the rows count; None if there was nothing to commit.
        unfinished: the error if it is unknown whether the commit counts, or if not all of its files are
            published. Kept only if this run must also report a gap; otherwise it is raised at once.
    """

    new: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    rejects: int = 0
    duplicates: int = 0
    type_mismatches: Counter[str] = field(default_factory=Counter)
    unmapped_fields: Counter[str] = field(default_factory=Counter)
    unknown_actions: Counter[str] = field(default_factory=Counter)
    commit: Commit[Any] | None = None
    unfinished: LakeError | None = None


class Figures(Protocol):
    """The part of a run's summary that is specific to a source."""

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values, for XCom and the asset's event."""
        ...

    def event_extra(self) -> dict[str, Any]:
        """Values of the asset's event besides the summary."""
        ...

    def lines(self) -> Iterator[str]:
        """The log lines at the end; the first one sums up what was read and landed."""
        ...

    def warnings(self) -> Iterator[str]:
        """Warnings about a run that succeeded."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """Metrics by name."""
        ...

    def seconds(self) -> Mapping[str, float]:
        """Seconds of the reading in which the source returned nothing, by cause."""
        ...

    def states(self) -> Mapping[str, Any]:
        """The source's position as values by name, for the asset's page in Airflow."""
        ...


class Read(Protocol[C_co, F_co]):
    """The read of one window of a source: its batches, and what they amount to.

    If the source fails after the first batch, the batches end, `interruption` has the error, and `complete`
    is
    False: what was read until then counts. An error before the first batch is raised.
    """

    @property
    def kind(self) -> str:
        """The kind of the commit: `drain` or `backfill`."""
        ...

    @property
    def window(self) -> Mapping[str, Any]:
        """What was to be read, as JSON values for people."""
        ...

    @property
    def ledger(self) -> Ledger[Any, Any]:
        """A new ledger of what has landed from the source, for one transaction."""
        ...

    @property
    def complete(self) -> bool:
        """Whether everything was read that was to be read."""
        ...

    @property
    def interruption(self) -> DefenderError | None:
        """The error that ended the reading, to be raised after what was read has landed; else None."""
        ...

    def gap(self, result: Result) -> DefenderError | None:
        """The error for records that can no longer be read; None without any. The next run skips them."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """Yield batch after batch. The caller must drop each one before it asks for the next."""
        ...

    def progress(self) -> str:
        """The progress so far, for the log: `Page 3: 30,000 alerts read`."""
        ...

    def change(self, result: Result) -> C_co:
        """The change of the log's position; `result`: what is staged."""
        ...

    def settle(self) -> None:
        """Ask the source for its current backlog, after all has landed. A failure is only a warning."""
        ...

    def shortfall(self, commit: Commit[Any] | None) -> DefenderError | None:
        """The error to raise because a limit ended the read; None if the next run simply continues."""
        ...

    def figures(self, result: Result) -> F_co:
        """The source's figures, after `result` has landed."""
        ...


@dataclass(frozen=True)
class Backlog:
    """The backlog of a source: what the next incremental run would read.

    Args:
        waiting: whether a run would find anything.
        count: the number of waiting records or messages; None if the source does not report it.
        lost: the number of messages that were deleted before they were read.
        unstarted: whether the first run is still to record where it begins, so that it is due in any case.
        ask_age: asks the source how long the oldest record has waited; returns None if that is unknown.
    """

    waiting: bool
    count: int | None = None
    lost: int = 0
    unstarted: bool = False
    ask_age: Callable[[], timedelta | None] = lambda: None


@dataclass(frozen=True)
class MapperSettings:
    """Settings of a run for its mapping: its log's name, its start (UTC), and whether raw texts land."""

    log: str
    ingested: datetime
    keep_original: bool = True


class Source(Protocol[P_co, C_co, F_co]):
    """A source of records, with the parameters of one task."""

    @property
    def name(self) -> str:
        """Its name, such as `endpoint_alerts`, which begins the log's name and is in `landing.source`."""
        ...

    @property
    def folder(self) -> str:
        """The folder of its datasets in the lake, such as `alerts`."""
        ...

    @property
    def position(self) -> type[P_co]:
        """The type of its log's position."""
        ...

    def log_name(self) -> str:
        """The name of its log. May read the connection, but sends no request."""
        ...

    def origin(self) -> Mapping[str, str]:
        """What its log belongs to, such as source and tenant; recorded in each commit."""
        ...

    def mapper(self, settings: MapperSettings) -> Mapper:
        """A new mapper for its batches."""
        ...

    def read(self, window: Window, head: Head[Any], limits: Limits) -> Read[C_co, F_co]:
        """Begin a read of `window` from a log at `head`. Requests at most how far to read, no records yet."""
        ...

    def backlog(self, head: Head[Any]) -> Backlog:
        """The backlog after `head`. Raises as a read does."""
        ...


def open_log(source: Source[P, Any, Any], lake: Lake) -> Log[P]:
    """Return the log of a source in a lake."""
    return lake.log(source.log_name(), source.position, origin=source.origin())
