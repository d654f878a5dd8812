"""One run of a source into its log, without Airflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_defender.ingest.collector import older_objects_left_out
from airflow_provider_defender.ingest.loop import ingest
from airflow_provider_defender.ingest.stages import Stages
from airflow_provider_defender.ingest.summary import Summary, summarize
from airflow_provider_defender.lake import Position
from airflow_provider_defender.sources.source import (
    Figures,
    Limits,
    MapperSettings,
    Read,
    Result,
    Source,
    open_log,
)
from airflow_provider_defender.sources.window import Window

if TYPE_CHECKING:
    from airflow_provider_defender.exceptions import DefenderError
    from airflow_provider_defender.lake import Lake

__all__ = ["Outcome", "Run"]

P = TypeVar("P", bound=Position)
C = TypeVar("C")
F = TypeVar("F", bound=Figures)


@dataclass(frozen=True)
class Outcome(Generic[F]):
    """The outcome of a run: the read, what became of its records, and the summary of both."""

    read: Read[Any, F]
    result: Result
    summary: Summary[F]

    def gap(self) -> DefenderError | None:
        """The error for records that can no longer be read; None without any."""
        return self.read.gap(self.result)

    def shortfall(self) -> DefenderError | None:
        """The error to raise because a limit ended the read; None otherwise."""
        return self.read.shortfall(self.result.commit)


@dataclass(frozen=True)
class Run(Generic[P, C, F]):
    """One bounded read of a source, landed in its log by one commit.

    Args:
        source: the source of the records.
        lake: the lake in which they land.
        window: the window to read.
        limits: when to stop reading.
        stages: the run's clock and log.
        started: the run's start (UTC), which becomes `event.ingested`.
        keep_original: whether the records' exact texts land.
    """

    source: Source[P, C, F]
    lake: Lake
    window: Window
    limits: Limits
    stages: Stages
    started: datetime
    keep_original: bool = True

    def execute(self) -> Outcome[F]:
        """Read, land, commit. Raises as `ingest` does."""
        log = open_log(self.source, self.lake)
        head = log.head()
        read = self.source.read(self.window, head, self.limits)
        mapper = self.source.mapper(MapperSettings(log.name, self.started, self.keep_original))
        with (
            older_objects_left_out(),
            log.begin(head, read.ledger, kind=read.kind, window=read.window) as transaction,
        ):
            result = ingest(read, mapper, transaction, self.stages)
        if result.unfinished is None:
            read.settle()
        return Outcome(read, result, summarize(read, result, self.window.describe(), self.stages))
