"""A REST source of another API is a source, a mapping and an operator: nothing general knows it.

Tickets of an imaginary API, by a hook that describes it as data, landed by the real machinery of operators.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.clouds import ApiHosts
from airflow_provider_defender.ecs import registry
from airflow_provider_defender.hooks import Page
from airflow_provider_defender.hooks._rest.address import address
from airflow_provider_defender.hooks._rest.api import RestApi
from airflow_provider_defender.hooks._rest.hook import RestHook
from airflow_provider_defender.lake import Lake, committed_files
from airflow_provider_defender.operators.landing import LandingOperator
from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.sources.paging import Query
from airflow_provider_defender.sources.rest import RestSource
from airflow_provider_defender.sources.source import open_log
from airflow_provider_defender.stores.opening import opened_lake
from airflow_provider_defender.timestamps import format_ticks
from tests.helpers.airflow import LakeFolder, context
from tests.unit.simulator.toy import AUDIENCE, Tickets

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


# What a new source takes ------------------------------------------------------------------------


class TicketsHook(RestHook):
    api = RestApi(
        name="Tickets",
        hosts=lambda cloud: ApiHosts(scope=f"{AUDIENCE}/.default"),
        test_path="/api/tickets?$top=1",
        roles=("Ticket.Read",),
        purpose="tickets",
    )

    def pages(self, since: str, *, max_seconds: float | None, reached_before: bool) -> Iterator[Page]:
        url = address(self._settings.host, "/api/tickets", {"updatedSince": since})
        waits = self._new_waits(left=max_seconds, reached_before=reached_before)
        return self._pages(url, "tickets", waits)


@dataclass(frozen=True, kw_only=True)
class TicketSource(RestSource):
    name: ClassVar[str] = "tickets"
    updated: ClassVar[str] = "updated"
    created: ClassVar[str] = "opened"
    noun: ClassVar[str] = "ticket"
    hook: TicketsHook

    @property
    def tenant_id(self) -> str:
        return self.hook.tenant_id

    def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Page]:
        since = format_ticks(query.since)
        return self.hook.pages(since, max_seconds=max_seconds, reached_before=reached_before)

    def has_updated_after(self, ticks: int, *, reached_before: bool) -> bool:
        since = format_ticks(ticks + 1)
        pages = self.hook.pages(since, max_seconds=30.0, reached_before=reached_before)
        return any(page.records for page in pages)


MAPPING = ecs.Mapping(
    source="tickets",
    dataset="tickets",
    shape=ecs.Shape({"id": "identifier", "updated": "time", "opened": "time", "title": "string"}),
    container="microsoft.tickets",
    times=("opened",),
    version="updated",
    copies={"message": "title"},
)


class TicketsToParquetOperator(LandingOperator):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(conn_id="tickets_default", kind="tickets", **kwargs)

    def _new_hook(self) -> TicketsHook:
        return TicketsHook("tickets_default")

    def _new_source(self, hook: TicketsHook, lake: Lake, clock: Clock) -> TicketSource:
        return TicketSource(hook=hook, clock=clock, logger=self.log)


# And what it gets for that ----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def mapped() -> Iterator[None]:
    before = dict(registry._MAPPINGS)
    ecs.register(MAPPING)
    yield
    registry._MAPPINGS.clear()
    registry._MAPPINGS.update(before)


@pytest.fixture
def tickets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tickets]:
    """The service beside Microsoft's, two tickets a page, and a connection to it."""
    service = Tickets()
    with Simulator(
        tenant=Tenant(7, alerts=0, start=NOW), calls_per_minute=None, calls_per_hour=None, services=[service]
    ) as simulator:
        connection = {**simulator.connections()["defender_default"], "conn_type": "defender"}
        monkeypatch.setenv("AIRFLOW_CONN_TICKETS_DEFAULT", json.dumps(connection))
        yield service


class TicketLake(LakeFolder):
    """The lake, and its tickets."""

    def tickets(self) -> Counter[tuple[str, str]]:
        """How often each version of a ticket has landed, as a reader of the commits finds it."""
        tables = [pq.read_table(file) for file in committed_files(self.path, "tickets")]
        landings = [row for table in tables for row in table["landing"].to_pylist()]
        return Counter((each["key"].partition("/")[2], each["version"]) for each in landings)


@pytest.fixture
def ticket_lake(tmp_path: Path) -> TicketLake:
    return TicketLake(tmp_path / "lake")


def ticket(number: int, updated: datetime) -> dict[str, Any]:
    return {
        "id": f"T{number}",
        "title": f"Ticket {number}",
        "opened": f"{NOW - 5 * MINUTE:%Y-%m-%dT%H:%M:%S}.0000000Z",
        "updated": f"{updated:%Y-%m-%dT%H:%M:%S}.0000000Z",
    }


def land(lake: LakeFolder, now: datetime, given: Any = None, **arguments: Any) -> dict[str, Any]:
    operator = TicketsToParquetOperator(
        task_id="land", lake=lake.uri, clock=Clock(now=lambda: now), **arguments
    )
    return operator.execute(given or context())  # type: ignore[arg-type]


def test_it_lands_incrementally_by_the_watermark_and_never_twice(
    tickets: Tickets, ticket_lake: TicketLake
) -> None:
    tickets.records = [ticket(number, NOW - MINUTE * (9 - number)) for number in range(5)]
    given = context()
    first = land(ticket_lake, NOW, given)
    assert (first["records"], first["versions"], first["rows"], first["complete"]) == (5, 5, 5, True)
    assert first["watermark_after"] == "2026-11-20T11:55:00.0000000Z"
    assert first["partitions"].keys() == {"tickets/date=2026-11-20"}
    event = given["outlet_events"][defender_asset("tickets_default", "tickets")]
    assert (event.extra["rows"], event.extra["watermark_after"]) == (5, first["watermark_after"])

    again = land(ticket_lake, NOW)
    assert (again["records"], again["versions"], again["commit"]) == (5, 0, None)

    tickets.records[1] = ticket(1, NOW + MINUTE)
    tickets.records.append(ticket(9, NOW + 2 * MINUTE))
    second = land(ticket_lake, NOW + 9 * MINUTE)
    assert (second["versions"], second["watermark_before"]) == (2, first["watermark_after"])
    assert second["watermark_after"] > first["watermark_after"]
    landed = ticket_lake.tickets()
    assert set(landed.values()) == {1}
    assert len(landed) == 7
    assert {(each["id"], each["updated"]) for each in tickets.records} < set(landed)


def test_its_log_says_what_it_is_of(tickets: Tickets, ticket_lake: TicketLake) -> None:
    tickets.records = [ticket(1, NOW)]
    land(ticket_lake, NOW)
    [commit] = ticket_lake.records()
    tenant = TicketsHook("tickets_default").tenant_id
    assert commit["log"] == f"tickets-{tenant}"
    assert commit["origin"] == {"source": "tickets", "tenant": tenant}


def test_a_run_that_ends_early_leaves_the_watermark_and_the_next_one_gets_further(
    tickets: Tickets, ticket_lake: TicketLake
) -> None:
    tickets.records = [ticket(number, NOW - MINUTE) for number in range(5)]
    short = land(ticket_lake, NOW, max_duration=timedelta(0))
    assert (short["complete"], short["versions"], short["watermark_after"]) == (False, 2, None)
    whole = land(ticket_lake, NOW)
    assert (whole["complete"], whole["versions"]) == (True, 3)
    assert set(ticket_lake.tickets().values()) == {1}


def test_what_waits_is_told_by_the_source(tickets: Tickets, ticket_lake: TicketLake) -> None:
    source = TicketSource(hook=TicketsHook("tickets_default"), clock=Clock(now=lambda: NOW))
    log = open_log(source, opened_lake(ticket_lake.uri))
    assert not source.backlog(log.read_head()).waiting
    tickets.records = [ticket(1, NOW)]
    assert source.backlog(log.read_head()).waiting
    land(ticket_lake, NOW)
    assert not source.backlog(log.read_head()).waiting


def test_a_broken_ticket_is_in_quarantine_and_stops_nothing(
    tickets: Tickets, ticket_lake: TicketLake
) -> None:
    tickets.records = [{**ticket(1, NOW), "opened": "soon"}, ticket(2, NOW)]
    summary = land(ticket_lake, NOW)
    assert (summary["rejects"], summary["versions"]) == (1, 1)
    [reject] = ticket_lake.rejects().to_pylist()
    assert json.loads(reject["bytes"])["id"] == "T1"
