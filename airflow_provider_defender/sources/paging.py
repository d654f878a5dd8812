"""Queries and pages of a REST API, and how its pages are read without missing a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from airflow_provider_defender.timestamps import format_ticks

__all__ = ["KeysetPages", "Page", "Paging", "Query", "Reached", "UnorderedPages"]


@dataclass(frozen=True)
class Query:
    """A query for the records whose time in `field` lies in `[since, until)`, in ticks of 100 ns.

    Args:
        field: the property, in the API's spelling.
        since: the start, inclusive.
        until: the end, exclusive; None: no end.
    """

    field: str
    since: int
    until: int | None = None

    def odata(self) -> str:
        """The query as an OData condition."""
        since = f"{self.field} ge {format_ticks(self.since)}"
        return since if self.until is None else f"{since} and {self.field} lt {format_ticks(self.until)}"


class Page(Protocol):
    """One page of an API's answer."""

    @property
    def records(self) -> Sequence[Any]:
        """The records, as raw JSON."""
        ...

    @property
    def served_at(self) -> datetime:
        """The time of the response by the service's clock (UTC)."""
        ...

    @property
    def last(self) -> bool:
        """Whether no page follows."""
        ...

    @property
    def complete_until(self) -> int | None:
        """The time, in ticks, up to which the pages are complete so far; None if that is unknown.

        Every record with an earlier time in the property that was queried was in this page or in one before.
        """
        ...


@dataclass(frozen=True)
class Reached:
    """How far a read has come. Times are in ticks of 100 ns.

    Args:
        served: when the reading began.
        newest: the newest update time that was read; None without any.
        complete_until: the time up to which the pages are complete; None if no page told.
        complete: whether the reading reached the end.
    """

    served: int
    newest: int | None = None
    complete_until: int | None = None
    complete: bool = False


class Paging(Protocol):
    """A way to read an API's pages without missing any of its records."""

    def query(self, updated: str, since: int) -> Query:
        """The query of an incremental run; `updated`: the property with the time of the last update."""
        ...

    def watermark(self, reached: Reached) -> int | None:
        """The update time, in ticks, up to which the log is complete after such a read; None if unknown."""
        ...


class UnorderedPages:
    """For an API whose pages are not ordered by update time: read them all, without an upper bound.

    Rows that are updated while the pages are read can be missing from the pages. Their update times are later
    than the start of the reading, so the watermark never passes that start, and the next run reads them (see
    the model in the documentation, "Guarantees").
    """

    def query(self, updated: str, since: int) -> Query:
        """All records updated at or after `since`."""
        return Query(updated, since)

    def watermark(self, reached: Reached) -> int | None:
        """The newest update time, but never later than the start of the reading; only at the end."""
        if not reached.complete or reached.newest is None:
            return None
        return min(reached.newest, reached.served)


class KeysetPages:
    """For an API whose pages ascend by update time, each asked for from the last time of the one before.

    A row that is updated while the pages are read moves to their end, and none is passed over. So the log is
    complete up to the last time of each page, also if the reading ends there. The hook checks that the pages
    do ascend. Where they do not, it reads them another way, and only the end tells how far it has come.
    """

    def query(self, updated: str, since: int) -> Query:
        """All records updated at or after `since`."""
        return Query(updated, since)

    def watermark(self, reached: Reached) -> int | None:
        """The time up to which the pages are complete, but never later than the start of the reading."""
        until = reached.newest if reached.complete else reached.complete_until
        if until is None or reached.newest is None:
            return None
        return min(until, reached.newest, reached.served)
