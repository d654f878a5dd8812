"""P1, P4, P5, P8 and P11 for Microsoft Graph: faults in the middle of a drain, and odd times."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import (
    DefenderError,
    PermissionMissing,
    UnexpectedHost,
)
from airflow_provider_defender.simulator import Portal, Simulator, Tenant
from airflow_provider_defender.timestamps import parse_ticks
from tests.helpers.airflow import START, LakeFolder, connect
from tests.reliability.graph_support import KINDS, Kind, fill, from_page
from tests.reliability.support import NarrowMapper, last_versions, records, without_network
from tests.reliability.test_http_faults import FAULTS

HOURS = timedelta(hours=7)
SECURITY = "/v1.0/security/*"
IN_EVERY_BUILD = [
    *("504", "429 without Retry-After", "429 for long", "truncated", "HTML of a proxy", "401"),
    *("a page and an error", "200 with HTML", "an empty link"),
]
NEEDS_A_SOCKET = {"reset", "cut", "silent"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def quick(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Map alerts in less time."""
    if kind.dataset == "alerts":
        monkeypatch.setattr(ecs, "RecordMapper", NarrowMapper)


@pytest.fixture
def tenant(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """A tenant whose lists come in several pages, reached without a network."""
    without_network(monkeypatch, simulator)
    tenant = simulator.tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch, read_timeout=1)
    simulator.graph.largest_top = simulator.graph.incident_top = 4
    fill(tenant)
    return tenant


def run_until_complete(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder, *, refused: bool = False
) -> None:
    """A run with a fault, and one after it; nothing is lost, doubled or in part, then or in between."""
    try:
        complete = kind.run(lake)["complete"]
    except DefenderError:
        complete = False
    kind.check(tenant, lake.path)
    if complete:
        kind.check_end(tenant, lake.path, refused=refused)
    simulator.faults.clear()
    simulator.graph.after_page = None
    tenant.advance(timedelta(minutes=6))
    assert kind.run(lake)["complete"]
    kind.check_end(tenant, lake.path, refused=refused)


def faulty(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder, fault: str, times: int | None
) -> None:
    seen: list[Any] = []
    from_page(simulator, 2, lambda: seen.append(FAULTS[fault](simulator.faults, path=SECURITY, times=times)))
    run_until_complete(simulator, tenant, kind, lake, refused=simulator.graph.expand_fails)
    assert seen[0].happened > 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("fault", IN_EVERY_BUILD)
def test_a_fault_in_the_middle(
    simulator: Simulator,
    tenant: Tenant,
    kind: Kind,
    lake: LakeFolder,
    fault: str,
    times: int | None,
) -> None:
    faulty(simulator, tenant, kind, lake, fault, times)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("fault", "times", "way"),
    [
        each
        for each in itertools.product(FAULTS, (1, None), ("honour", "refuse", "one by one"))
        if each[0] not in NEEDS_A_SOCKET
    ],
)
def test_any_fault_in_the_middle(
    simulator: Simulator,
    tenant: Tenant,
    kind: Kind,
    lake: LakeFolder,
    fault: str,
    times: int | None,
    way: str,
) -> None:
    if way == "refuse":
        simulator.graph.orderby = simulator.graph.incident_orderby = "refuse"
    simulator.graph.expand_fails = way == "one by one"
    faulty(simulator, tenant, kind, lake, fault, times)


# What is Graph's own ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["honour", "ignore"])
def test_expanding_fails_in_the_middle(
    simulator: Simulator, tenant: Tenant, lake: LakeFolder, order: Any
) -> None:
    simulator.graph.incident_orderby = order
    from_page(simulator, 2, lambda: setattr(simulator.graph, "expand_fails", True))
    assert KINDS["incidents"].run(lake)["complete"]
    KINDS["incidents"].check_end(tenant, lake.path)


@pytest.mark.parametrize("most", [0, 1])
def test_lists_of_alerts_that_are_cut_off(
    simulator: Simulator, tenant: Tenant, lake: LakeFolder, most: int
) -> None:
    portal = Portal.of(tenant)
    portal.add_alert(incident=portal.incidents[0].row_id)
    tenant.advance(timedelta(minutes=1))
    simulator.graph.largest_expanded = most
    assert KINDS["incidents"].run(lake)["complete"]
    KINDS["incidents"].check_end(tenant, lake.path)


def test_ordering_that_breaks_off(simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder) -> None:
    for order in ("ignore", "refuse"):
        simulator.graph.orderby = simulator.graph.incident_orderby = "honour"

        def end(order: Any = order) -> None:
            simulator.graph.orderby = simulator.graph.incident_orderby = order

        from_page(simulator, 2, end)
        assert kind.run(lake)["complete"]
        kind.check_end(tenant, lake.path)
        fill(tenant, over=timedelta(minutes=5))


def test_a_role_that_is_revoked_in_the_middle(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder
) -> None:
    from_page(simulator, 2, lambda: simulator.faults.missing_graph_role(times=None))
    with pytest.raises(PermissionMissing):
        kind.run(lake)
    assert not list(lake.path.glob("**/*.parquet"))
    run_until_complete(simulator, tenant, kind, lake)


def test_a_token_that_expires_in_the_middle(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder
) -> None:
    from_page(simulator, 2, lambda: simulator.faults.expired_token(path=SECURITY))
    assert kind.run(lake)["complete"]
    kind.check_end(tenant, lake.path)


def test_a_link_to_another_host_gets_no_token(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder
) -> None:
    simulator.faults.foreign_next_link(
        "https://graph.microsoft.com.evil.example/x", path=kind.path, times=None
    )
    with pytest.raises(UnexpectedHost, match=r"graph\.microsoft\.com\.evil\.example"):
        kind.run(lake)
    assert not [request.path for request in simulator.requests if request.path == "/x"]
    run_until_complete(simulator, tenant, kind, lake)


# Times --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("off", [-HOURS, HOURS, None])
def test_a_service_whose_clock_is_hours_off_or_not_told(
    simulator: Simulator,
    tenant: Tenant,
    kind: Kind,
    lake: LakeFolder,
    monkeypatch: pytest.MonkeyPatch,
    off: timedelta | None,
) -> None:
    """The watermark passes neither clock, so that what comes later is met."""
    answer = simulator.graph.list_of

    def spoilt(*given: Any, **options: Any) -> Any:
        found = answer(*given, **options)
        found.headers["Date"] = "" if off is None else format_datetime(tenant.now() + off, usegmt=True)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(simulator.graph, "list_of", spoilt)
        for _ in range(3):
            began = tenant.now()
            assert kind.run(lake, initial_lookback=timedelta(days=3))["complete"]
            watermark = parse_ticks(records(lake.path)[-1]["position"]["watermark"] or "") or 0
            assert watermark <= _ticks(min(began, began + (off or timedelta(0))))
            fill(tenant, over=timedelta(minutes=5))
            tenant.advance(timedelta(minutes=30))
    kind.run(lake)
    kind.check_end(tenant, lake.path)


def _ticks(moment: datetime) -> int:
    return parse_ticks(moment.isoformat()) or 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("off", [-HOURS, HOURS])
def test_a_worker_whose_clock_is_hours_off(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder, off: timedelta
) -> None:
    wrong = Clock(now=lambda: tenant.now() + off)
    for _ in range(3):
        assert kind.run(lake, clock=wrong, initial_lookback=timedelta(days=3))["complete"]
        fill(tenant, over=timedelta(minutes=5))
        tenant.advance(timedelta(minutes=30))
    kind.run(lake)
    kind.check_end(tenant, lake.path)


def test_updates_in_the_future_and_without_a_time(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder
) -> None:
    """They stop nothing: neither what is updated meanwhile nor the watermark."""
    name = kind.dataset.removesuffix("s")
    portal = Portal.of(tenant)
    model = (portal.alerts if name == "alert" else portal.incidents)[0].rendered(True)
    later = (tenant.now() + timedelta(days=400)).isoformat()[:19] + "Z"
    for number, time in enumerate([f'"{later}"'.encode(), b"null", b'""', b"17", b'"soon"']):
        at = model.index(b'"lastUpdateDateTime":') + len(b'"lastUpdateDateTime":')
        body = model[:at] + time + model[model.index(b",", at) :]
        body = body.replace(model[model.index(b'"id":') :].split(b",")[0], f'"id":"7{number}"'.encode(), 1)
        updated = tenant.now() + timedelta(days=400) if number == 0 else None
        portal.add_raw(body, name, row_id=f"7{number}", updated=updated)
    tenant.advance(timedelta(minutes=1))
    for _ in range(3):
        assert kind.run(lake)["complete"]
        known = {row_id for row_id, _ in last_versions(kind.shown(tenant)) if not row_id.startswith("7")}
        landed = {row[0] for row in LakeFolder(lake.path, kind.dataset).versions()}
        assert known <= landed
        assert "70" in landed
        counts = LakeFolder(lake.path, kind.dataset).versions()
        assert max(counts.values()) == 1
        fill(tenant, over=timedelta(minutes=5))
        tenant.advance(timedelta(minutes=30))
    watermark = parse_ticks(records(lake.path)[-1]["position"]["watermark"]) or 0
    assert watermark <= _ticks(tenant.now())


def test_records_that_are_no_json_inside_pages(
    simulator: Simulator, tenant: Tenant, kind: Kind, lake: LakeFolder
) -> None:
    """P7: each is in quarantine with its bytes, once, and all else lands."""
    name, portal = kind.dataset.removesuffix("s"), Portal.of(tenant)
    broken = [b'{"id": "x1", "title": }', b'{"id": "\xff\xfe"]}'[:-2] + b"}", b'"text"', b"17", b"[1]"]
    for number, body in enumerate(broken):
        portal.add_raw(body, name, row_id=f"8{number}")
    tenant.advance(timedelta(minutes=1))
    for _ in range(2):
        assert kind.run(lake)["complete"]
        rejects = lake.rejects()["bytes"].to_pylist()
        assert sorted(set(rejects)) == sorted(rejects)
        assert set(rejects) <= set(broken)
        assert len(rejects) >= 4
        landed = {row[0] for row in LakeFolder(lake.path, kind.dataset).versions()}
        ids = {row_id for row_id, _ in last_versions(kind.shown(tenant)) if not row_id.startswith("8")}
        assert ids <= landed


@pytest.mark.parametrize("order", ["honour", "ignore"])
def test_one_update_time_for_a_whole_tenant(
    simulator: Simulator, kind: Kind, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch, order: Any
) -> None:
    """A bulk update of three thousand, in pages of all with one time."""
    monkeypatch.setattr(ecs, "RecordMapper", NarrowMapper)
    tenant = simulator.tenant = Tenant(7, alerts=0, start=START)
    connect(simulator, monkeypatch)
    without_network(monkeypatch, simulator)
    simulator.graph.orderby = simulator.graph.incident_orderby = order
    Portal.of(tenant).add_alerts(3_000 if kind.dataset == "alerts" else 600)
    tenant.advance(timedelta(minutes=1))
    for _ in range(2):
        summary = kind.run(lake, expand_alerts=False) if kind.dataset == "incidents" else kind.run(lake)
        assert summary["complete"]
        rows = LakeFolder(lake.path, kind.dataset).versions()
        assert max(rows.values()) == 1
        assert {(row[0], row[1]) for row in rows} == last_versions(kind.shown(tenant))
