"""The living tenant: determinism, times, visibility, ground truth, odd records."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_defender.simulator import DEFAULT_START, Simulator, Tenant
from airflow_provider_defender.simulator.defender.versions import grid_ticks, wire_time
from tests.unit.simulator.answers import ticks as ticks_of
from tests.unit.simulator.answers import update_ticks
from tests.unit.simulator.conftest import Client

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,6}[1-9])?Z\Z")


def history(tenant: Tenant) -> list[tuple[str, int, str | None, int, bytes]]:
    return [(v.alert_id, v.number, v.update_time, v.visible_ticks, v.rendered()) for v in tenant.versions]


def test_same_seed_same_history() -> None:
    assert history(Tenant(5)) == history(Tenant(5))
    assert history(Tenant(5)) != history(Tenant(6))


def test_history_does_not_depend_on_how_time_is_cut() -> None:
    at_once, in_pieces = Tenant(5, alerts=30), Tenant(5, alerts=30)
    at_once.advance(timedelta(days=2))
    for _ in range(48):
        in_pieces.advance(timedelta(hours=1))
        assert in_pieces.alerts  # looking at it changes nothing either
    assert history(at_once) == history(in_pieces)
    assert len(at_once.alerts) > 30


def test_a_tenant_without_history() -> None:
    tenant = Tenant(7, alerts=3, history=timedelta(0))
    assert len(tenant.alerts) == 3
    tenant.advance(timedelta(days=1))
    assert len(tenant.alerts) == 3


def test_every_day_of_the_history_has_alerts() -> None:
    tenant = Tenant(7, alerts=50, history=timedelta(days=7))
    days = Counter(version.body["alertCreationTime"][:10] for version in tenant.alerts)
    assert len(days) >= 7


def test_the_tenant_shows_everything_that_an_alert_can_be() -> None:
    bodies = [version.body for version in Tenant(7, alerts=400, alerts_per_day=0).versions]
    assert {item["entityType"] for body in bodies for item in body["evidence"]} == {
        "User",
        "Process",
        "File",
        "Ip",
        "Url",
        "Registry",
    }
    assert {body["severity"] for body in bodies} >= {"UnSpecified", "Informational", "Low", "Medium", "High"}
    assert {body["status"] for body in bodies} == {"New", "InProgress", "Resolved"}
    assert {body["classification"] for body in bodies} >= {None, "TruePositive", "FalsePositive"}
    assert len({body["category"] for body in bodies}) >= 15
    assert len({body["detectionSource"] for body in bodies}) >= 7
    assert {body["id"][:2] for body in bodies} >= {"da", "ar"}
    assert any(body["comments"] for body in bodies)
    assert any(body["relatedUser"] is None for body in bodies)
    assert any(body["investigationId"] is None for body in bodies)


def test_times_are_trimmed_and_updates_on_the_grid() -> None:
    for version in Tenant(7).versions:
        body = version.body
        for name in (
            "alertCreationTime",
            "firstEventTime",
            "lastEventTime",
            "lastUpdateTime",
            "resolvedTime",
        ):
            assert body[name] is None or TIME.match(body[name]), body[name]
        ticks = ticks_of(version.update_time)
        assert version.update_ticks == ticks == grid_ticks(ticks)
        assert version.visible_ticks >= ticks
        assert ticks_of(body["firstEventTime"]) <= ticks_of(body["lastEventTime"])


@pytest.mark.parametrize(
    ("text", "on_grid"),
    [
        ("2026-01-09T08:00:00.0033332Z", "2026-01-09T08:00:00Z"),
        ("2026-01-09T08:00:00.0033333Z", "2026-01-09T08:00:00.0033333Z"),
        ("2026-01-09T08:00:00.19Z", "2026-01-09T08:00:00.19Z"),
        ("2026-01-09T08:00:00.3133333Z", "2026-01-09T08:00:00.3133333Z"),
        ("2026-01-09T08:00:00.4666667Z", "2026-01-09T08:00:00.4666667Z"),
        ("2026-01-09T08:00:00.9999999Z", "2026-01-09T08:00:00.9966667Z"),
    ],
)
def test_grid(text: str, on_grid: str) -> None:
    assert wire_time(grid_ticks(ticks_of(text))) == on_grid


def test_updates_of_one_alert_have_different_times() -> None:
    """Two versions with one update time could not be told apart: even at one moment they differ."""
    tenant = Tenant(7, alerts=0)
    alert_id = tenant.add_alert().alert_id
    for number in range(5):
        tenant.update(alert_id, assignedTo=str(number))
    versions = tenant.versions_of(alert_id)
    assert len({v.update_time for v in versions}) == 6
    assert [v.number for v in versions] == [1, 2, 3, 4, 5, 6]
    assert tenant.now_ticks() >= max(update_ticks(v) for v in versions)
    assert tenant.visible(alert_id) is versions[-1]


def test_a_bulk_update_gives_one_time() -> None:
    tenant = Tenant(7, alerts=0)
    ids = [version.alert_id for version in tenant.add_alerts(10_000, evidence=0)]
    assert len({version.update_time for version in tenant.alerts}) == 1
    tenant.advance(timedelta(minutes=1))
    assert len({version.update_time for version in tenant.update_many(ids, status="Resolved")}) == 1
    assert len(tenant.alerts) == 10_000


def test_the_scenario_has_ties_and_late_versions() -> None:
    tenant = Tenant(7, alerts=200, late_share=0.1)
    versions = tenant.versions
    assert any(count >= 3 for count in Counter(v.update_time for v in versions).values())
    late = [v for v in versions if v.visible_ticks - update_ticks(v) > 10_000_000]
    assert late
    assert all(v.visible_ticks - update_ticks(v) <= 300 * 10_000_000 + 100_000 for v in late)


def test_late_visibility() -> None:
    tenant = Tenant(7, alerts=0)
    alert = tenant.add_alert(status="New")
    late = tenant.update(alert.alert_id, status="Resolved", visible_after=timedelta(minutes=4))
    assert tenant.visible(alert.alert_id) is alert
    tenant.advance(timedelta(minutes=3))
    assert tenant.visible(alert.alert_id) is alert
    tenant.advance(timedelta(minutes=2))
    assert tenant.visible(alert.alert_id) is late
    assert ticks_of(late.update_time) < tenant.now_ticks() - 4 * 60 * 10_000_000


def test_a_late_version_never_hides_a_newer_one() -> None:
    tenant = Tenant(7, alerts=0)
    alert_id = tenant.add_alert().alert_id
    late = tenant.update(alert_id, status="InProgress", visible_after=timedelta(minutes=4))
    tenant.advance(timedelta(minutes=1))
    newer = tenant.update(alert_id, status="Resolved")
    tenant.advance(timedelta(minutes=10))
    assert tenant.visible(alert_id) is newer
    assert late.superseded
    assert not newer.superseded


def test_a_late_alert_is_not_there_at_first() -> None:
    tenant = Tenant(7, alerts=0)
    alert = tenant.add_alert(visible_after=timedelta(minutes=2))
    assert tenant.alerts == []
    assert tenant.versions == [alert]
    tenant.advance(timedelta(minutes=2))
    assert tenant.alerts == [alert]


def test_alerts_gain_evidence_and_comments() -> None:
    tenant = Tenant(7, alerts=0)
    alert_id = tenant.add_alert(evidence=1).alert_id
    tenant.add_evidence(alert_id, 499)
    tenant.comment(alert_id, "👀")
    tenant.resolve(alert_id, "FalsePositive", "Clean")
    shown = tenant.visible(alert_id)
    assert shown is not None
    body = shown.body
    assert len(body["evidence"]) == 500
    assert body["comments"][0]["comment"] == "👀"
    assert (body["status"], body["determination"]) == ("Resolved", "Clean")
    assert list(body)[-1] == "evidence"


def test_new_properties_stand_before_the_evidence() -> None:
    tenant = Tenant(7, alerts=0)
    alert = tenant.add_alert(evidence=1, newProperty={"x": 1})
    assert json.loads(alert.rendered(evidence=False))["newProperty"] == {"x": 1}
    assert json.loads(alert.rendered(evidence=False))["evidence"] == []


def test_unknown_alert() -> None:
    with pytest.raises(KeyError):
        Tenant(7, alerts=0).update("nobody", status="New")


def test_running_clock_goes_on() -> None:
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    tenant = Tenant(7, alerts=0, start=start, running=True)
    assert start <= tenant.now() < start + timedelta(minutes=1)
    tenant.advance(timedelta(hours=1))
    assert tenant.now() >= start + timedelta(hours=1)


def test_the_clock_stands_still_and_never_goes_back() -> None:
    tenant = Tenant(7)
    assert tenant.now() == DEFAULT_START
    with pytest.raises(ValueError, match="back"):
        tenant.advance(timedelta(seconds=-1))


def test_raw_records_are_sent_as_they_are(simulator: Simulator, client: Client) -> None:
    raw = b'{ "id" : "x",  "severity":17, "evidence":[{"a":1}] ,"lastUpdateTime":"2026-01-09T08:00:00Z"}'
    simulator.tenant.add_raw(raw)
    assert raw in client.get(params={"$expand": "evidence"}).content
    assert client.get().json()["value"][0]["evidence"] == []


def test_a_raw_record_can_be_the_next_version_of_an_alert(simulator: Simulator, client: Client) -> None:
    alert = simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(minutes=1))
    simulator.tenant.add_raw(b'{"id":1}', row_id=alert.alert_id)
    assert client.get().json()["value"] == [{"id": 1}]
    simulator.tenant.add_raw(b"17", row_id=alert.alert_id)
    with pytest.raises(TypeError):
        simulator.tenant.comment(alert.alert_id, "x")


def test_raw_records_are_found_by_the_time_given_for_them(simulator: Simulator, client: Client) -> None:
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    simulator.tenant.add_raw(b'{"id":"odd","lastUpdateTime":false}', row_id="odd", updated=moment)
    assert client.ids("lastUpdateTime ge 2026-01-01T00:00:00Z") == ["odd"]
    assert client.ids("lastUpdateTime gt 2026-01-01T00:00:00Z") == []
    assert client.ids("alertCreationTime le 2026-01-01T00:00:00Z") == ["odd"]


def test_oddities_cover_every_property_and_come_over_the_wire() -> None:
    with Simulator(tenant=Tenant(7, alerts=0), calls_per_minute=None) as simulator:
        model = simulator.tenant.add_alert(evidence=1).body
        written = simulator.tenant.add_oddities()
        for name in model:
            assert (
                name == "id" or {f"{name}: number", f"{name}: object", f"{name}: missing"} <= written.keys()
            )
        for name in model["evidence"][0]:
            assert f"evidence.{name}: object" in written
        content = Client(simulator).get(params={"$expand": "evidence"}).content
        for name, version in written.items():
            assert version.rendered() in content, name
        rows = json.loads(content)["value"]
        assert len(rows) == len(written) + 2
        assert len(written["1 MB description"].body["description"].encode()) == 1_000_000
        assert len(written["500 evidence items"].body["evidence"]) == 500
        ids = [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
        assert len(ids) == len(set(ids))
