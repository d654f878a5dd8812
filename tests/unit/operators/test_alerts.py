"""The operator against the simulated tenant: what lands, once, and what it says about it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import (
    ConfigurationError,
    HostUnreachable,
    PermissionMissing,
    ServiceUnavailable,
    StopAndLook,
    Throttled,
    TryAgain,
)
from airflow_provider_defender.hooks import DefenderEndpointHook
from airflow_provider_defender.lake import committed_files
from airflow_provider_defender.operators import DefenderAlertsToParquetOperator
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.timestamps import parse_ticks
from tests.helpers.airflow import START, LakeFolder, alerts_operator, connect, context, land
from tests.unit.simulator.answers import ticks, update_ticks


def visible(simulator: Simulator) -> dict[str, str | None]:
    """Alert id → last visible version."""
    return {version.alert_id: version.update_time for version in simulator.tenant.alerts}


def assert_no_doubles(lake: LakeFolder) -> None:
    assert {row: count for row, count in lake.versions().items() if count > 1} == {}


def assert_last_versions_landed(simulator: Simulator, lake: LakeFolder) -> None:
    landed = lake.landed()
    missing = {
        alert_id: version
        for alert_id, version in visible(simulator).items()
        if version not in landed.get(alert_id, set())
    }
    assert missing == {}
    assert_no_doubles(lake)


# Incremental --------------------------------------------------------------------------------------


def test_the_first_run_lands_the_look_back_and_sets_the_watermark(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(20, evidence=3, over=timedelta(hours=20))
    summary = land(lake)
    assert_last_versions_landed(simulator, lake)
    assert summary["records"] == summary["versions"] == 20
    assert summary["rows"] == lake.rows().num_rows == 60
    assert summary["files"] == len(lake.files()) == sum(p["files"] for p in summary["partitions"].values())
    assert summary["watermark_before"] is None
    newest = max(update_ticks(version) for version in simulator.tenant.alerts)
    assert parse_ticks(summary["watermark_after"]) == min(newest, simulator.tenant.now_ticks())
    assert summary["complete"] is True
    assert summary["window"]["origin"] == "watermark"


def test_the_look_back_bounds_the_first_run(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(10, over=timedelta(hours=10))
    land(lake, initial_lookback=timedelta(hours=5))
    assert len(lake.landed()) == 6  # one an hour, from 07:00 to 12:00


def test_later_runs_land_only_what_changed(simulator: Simulator, lake: LakeFolder) -> None:
    alerts = simulator.tenant.add_alerts(30, evidence=2, over=timedelta(hours=3))
    land(lake)
    simulator.tenant.advance(timedelta(minutes=30))
    simulator.tenant.update_many([alert.alert_id for alert in alerts[:4]], status="Resolved")
    simulator.tenant.add_alert(evidence=1)
    summary = land(lake)
    assert summary["versions"] == 5
    assert summary["rows"] == 9
    assert_last_versions_landed(simulator, lake)
    assert summary["watermark_after"] > summary["watermark_before"]


def test_a_run_that_finds_nothing_new_makes_no_commit(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(3)
    simulator.tenant.advance(timedelta(minutes=1))
    first = land(lake)
    again = land(lake)
    assert (again["records"], again["versions"], again["commit"]) == (3, 0, None)
    assert again["watermark_after"] == first["watermark_after"]
    assert len(lake.records()) == 1


def test_a_first_run_that_finds_nothing_remembers_from_where_it_looked(
    simulator: Simulator, lake: LakeFolder
) -> None:
    summary = land(lake)
    assert (summary["records"], summary["rows"]) == (0, 0)
    assert summary["watermark_after"] == "2026-11-19T12:00:00.0000000Z"
    simulator.tenant.advance(timedelta(hours=2))
    early = simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(days=3))  # the DAG was paused
    land(lake)
    assert early.alert_id in lake.landed()


def test_a_first_run_that_is_cut_off_is_made_up_for_by_the_next(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(6, over=timedelta(hours=20))
    simulator.page_size = 2
    assert land(lake, max_duration=timedelta(0))["watermark_after"] is None
    simulator.tenant.advance(timedelta(days=2))
    assert land(lake)["records"] == 6
    assert_last_versions_landed(simulator, lake)


def test_the_watermark_never_passes_the_moment_when_reading_began(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(4, over=timedelta(minutes=4))
    simulator.page_size = 2

    def update_while_paging(page: Any) -> None:
        simulator.tenant.advance(timedelta(minutes=1))
        simulator.tenant.update_many(list(page.unread)[-1:], assignedTo="late@contoso.example")

    simulator.after_page = update_while_paging
    summary = land(lake)
    watermark = parse_ticks(summary["watermark_after"])
    newest = max(ticks(version) for versions in lake.landed().values() for version in versions)
    assert watermark is not None
    assert watermark <= (parse_ticks(f"{START:%Y-%m-%dT%H:%M:%S}Z") or 0) < newest


def test_an_alert_seen_late_within_the_overlap_lands(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alert()
    late = simulator.tenant.add_alert(visible_after=timedelta(minutes=5))
    simulator.tenant.advance(timedelta(minutes=2))
    simulator.tenant.add_alert()
    land(lake)
    assert late.alert_id not in lake.landed()
    simulator.tenant.advance(timedelta(minutes=5))
    land(lake)
    assert_last_versions_landed(simulator, lake)


def test_filters_narrow_what_lands_and_a_change_is_a_warning(
    simulator: Simulator, lake: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    for severity in ("High", "Medium", "Low"):
        simulator.tenant.add_alert(severity=severity)
    simulator.tenant.advance(timedelta(seconds=5))
    assert land(lake, severity=["High"])["versions"] == 1
    assert "filters changed" not in capsys.readouterr().out
    assert land(lake, severity=["High", "Medium"])["versions"] == 1
    warning = capsys.readouterr().out
    assert "filters changed" in warning
    assert "since=" in warning


def test_a_category_that_nothing_has_is_a_warning(
    simulator: Simulator, lake: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.tenant.add_alert(category="Malware")
    simulator.tenant.advance(timedelta(seconds=5))
    assert land(lake, category="Malwear")["versions"] == 0
    assert "did you mean 'Malware'?" in capsys.readouterr().out
    assert land(lake, category="Ransomware")["versions"] == 0
    assert "did you mean" not in capsys.readouterr().out


def test_max_duration_commits_what_was_read_and_leaves_the_watermark(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(6, evidence=1)
    simulator.page_size = 2
    short = land(lake, max_duration=timedelta(0))
    assert (short["complete"], short["versions"], short["watermark_after"]) == (False, 2, None)
    whole = land(lake)
    assert (whole["complete"], whole["records"], whole["versions"]) == (True, 6, 4)
    assert_last_versions_landed(simulator, lake)


def test_rows_that_leave_a_filtered_set_while_paging_take_no_other_with_them(
    simulator: Simulator, lake: LakeFolder
) -> None:
    alerts = simulator.tenant.add_alerts(8, over=timedelta(hours=20))
    simulator.page_size = 2
    first = min(alert.alert_id for alert in alerts)

    def resolve_one_that_was_read(page: Any) -> None:
        if page.number == 0:
            simulator.tenant.update(first, status="Resolved")

    simulator.after_page = resolve_one_that_was_read
    land(lake, status="New")
    new = set()
    for alert in simulator.tenant.alerts:
        shown = simulator.tenant.visible(alert.alert_id)
        assert shown is not None
        if shown.body["status"] == "New":
            new.add(alert.alert_id)
    assert new <= set(lake.landed())


def test_a_worker_whose_clock_runs_ahead_sets_no_watermark_in_the_future(
    simulator: Simulator, lake: LakeFolder
) -> None:
    ahead = Clock(now=lambda: simulator.tenant.now() + timedelta(days=3))
    summary = land(lake, clock=ahead)
    assert (parse_ticks(summary["watermark_after"]) or 0) <= simulator.tenant.now_ticks()
    simulator.tenant.advance(timedelta(minutes=1))
    simulator.tenant.add_alert()
    land(lake)
    assert_last_versions_landed(simulator, lake)


def test_runs_that_max_duration_keeps_from_getting_further_say_so(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(6, evidence=1)
    simulator.page_size = 2
    land(lake, max_duration=timedelta(0))
    with pytest.raises(StopAndLook, match="Raise max_duration"):
        land(lake, max_duration=timedelta(0))


class Ticks:
    """A made-up clock for a whole run: it moves with every byte that comes alone, and with every wait."""

    def __init__(self, simulator: Simulator, step: float) -> None:
        self.now = 0.0
        self._step = step
        self.injected: dict[str, Any] = {
            "hook": partial(DefenderEndpointHook, sleep=self.sleep, clock=self),
            "clock": Clock(now=lambda: simulator.tenant.now(), monotonic=self),
        }

    def __call__(self) -> float:
        self.now += self._step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


_DRIP = f"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{' ' * 2000}"


@pytest.mark.parametrize("max_duration", [timedelta(minutes=2), timedelta(minutes=10), None])
@pytest.mark.parametrize(
    "switch",
    [
        lambda faults: faults.wire(_DRIP, seconds=0.001, page=1, times=None),
        lambda faults: faults.server_error(503, page=1, times=None),
        lambda faults: faults.status(429, "", {"Retry-After": "29"}, page=1, times=None),
        lambda faults: faults.status(503, "", {"Retry-After": "29"}, page=1, times=None),
    ],
)
def test_a_run_holds_its_slot_no_longer_than_it_says(
    switch: Any, max_duration: timedelta | None, simulator: Simulator, lake: LakeFolder
) -> None:
    """Whatever the service does from the second page on, the first one lands, and the run ends in time."""
    simulator.tenant.add_alerts(6, evidence=1)
    simulator.page_size = 2
    switch(simulator.faults)
    ticks = Ticks(simulator, step=1.0)
    with pytest.raises(TryAgain):
        land(lake, max_duration=max_duration, **ticks.injected)
    assert len(lake.landed()) == 2
    # Its own limit, or the 15 minutes in all of waiting in place; then the answer under way, at most 5.
    limit = max_duration or timedelta(minutes=15)
    assert ticks.now < (min(limit, timedelta(minutes=15)) + timedelta(minutes=5, seconds=30)).total_seconds()
    simulator.faults.clear()
    assert land(lake, **ticks.injected)["complete"] is True
    assert_last_versions_landed(simulator, lake)


def test_pages_that_come_slowly_end_with_the_run_and_are_no_failure(
    simulator: Simulator, lake: LakeFolder
) -> None:
    """A page that is under way when the time is over is still taken; then the run ends well."""
    simulator.tenant.add_alerts(60)
    simulator.page_size = 2
    summary = land(lake, max_duration=timedelta(minutes=5), **Ticks(simulator, step=5.0).injected)
    assert summary["complete"] is False
    assert 2 <= len(lake.landed()) < 60


def test_an_absurd_date_of_the_service_moves_no_watermark_past_the_run(
    simulator: Simulator, lake: LakeFolder
) -> None:
    """The service's clock says 2099; what is updated while the pages are read must be read again."""
    alerts = [json.loads(alert.rendered(True)) for alert in simulator.tenant.add_alerts(4)]
    later = f"{START + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}Z"
    body = json.dumps({"value": [{**alert, "lastUpdateTime": later} for alert in alerts]})
    simulator.faults.status(200, body, {"Date": "Thu, 31 Dec 2099 23:59:59 GMT"})
    watermark = parse_ticks(land(lake)["watermark_after"])
    assert watermark is not None
    assert watermark <= (parse_ticks(f"{START:%Y-%m-%dT%H:%M:%S}Z") or 0)


def test_a_broken_page_is_not_the_last(simulator: Simulator, lake: LakeFolder) -> None:
    """An error behind the list, for as long as we ask: nothing is taken for whole, and nothing is lost."""
    first, *_ = simulator.tenant.add_alerts(6, evidence=1)
    simulator.page_size = 2
    alert = first.rendered(True).decode()
    body = '{"value":[' + alert + ']}{"error":{"code":"InternalServerError","message":""}}'
    simulator.faults.status(200, body, times=8)
    with pytest.raises(ServiceUnavailable, match="HTTP 200 with broken JSON"):
        land(lake)
    assert lake.records() == []
    assert land(lake)["complete"] is True
    assert_last_versions_landed(simulator, lake)


def test_a_service_that_is_down_when_the_run_begins_is_an_outage_once_the_lake_knows_it(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.tenant.add_alerts(2)
    connect(simulator, monkeypatch, proxy="http://127.0.0.1:9")
    with pytest.raises(HostUnreachable):
        land(lake)
    connect(simulator, monkeypatch)
    land(lake)
    connect(simulator, monkeypatch, proxy="http://127.0.0.1:9")
    with pytest.raises(ServiceUnavailable):
        land(lake)


def test_a_last_page_is_never_cut_off(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(3)
    summary = land(lake, max_duration=timedelta(0))
    assert summary["complete"] is True
    assert summary["watermark_after"] is not None


def test_a_record_without_an_update_time_that_comes_back_lands_once(
    simulator: Simulator, lake: LakeFolder
) -> None:
    timeless = b'{"id":"x","lastUpdateTime":null,"alertCreationTime":"2026-11-20T10:00:00Z"}'
    simulator.tenant.add_raw(timeless, row_id="x")
    land(lake)
    simulator.tenant.add_raw(b'{"id":"y","alertCreationTime":"2026-11-20T10:00:00Z"}', row_id="x")
    for _ in range(2):
        simulator.tenant.advance(timedelta(minutes=5))
        simulator.tenant.add_alert()
        land(lake)
    simulator.tenant.add_raw(timeless, row_id="x")
    land(lake)
    assert_no_doubles(lake)


def test_an_alert_of_year_one_lands_where_readers_find_it(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alert(alertCreationTime="0001-01-01T00:00:00Z")
    land(lake)
    assert [file.parent.name for file in lake.files()] == ["date=0001-01-01"]
    (lake.path / "_defender" / ".DS_Store").write_text("")
    assert len(committed_files(lake.path, "alerts")) == 1


# Backfill -----------------------------------------------------------------------------------------


def day(number: int) -> dict[str, datetime]:
    start = datetime(2026, 11, number, tzinfo=timezone.utc)
    return {"data_interval_start": start, "data_interval_end": start + timedelta(days=1)}


def test_backfill_runs_land_their_interval_and_leave_the_watermark(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(72, over=timedelta(days=3))
    live = land(lake)
    counts = [land(lake, context("backfill", **day(number)))["versions"] for number in (17, 18, 19)]
    assert sum(counts) + live["versions"] == 72
    assert_last_versions_landed(simulator, lake)
    again = [land(lake, context("backfill", **day(number))) for number in (17, 18, 19)]
    assert [summary["versions"] for summary in again] == [0, 0, 0]
    assert [summary["commit"] for summary in again] == [None, None, None]
    assert land(lake)["watermark_before"] == live["watermark_after"]
    assert_no_doubles(lake)


def test_the_live_run_passes_over_what_a_backfill_has_landed(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(10, over=timedelta(hours=10))
    land(lake, since="2026-11-20", until="2026-11-20T12:00:00Z")
    summary = land(lake)
    assert summary["versions"] <= 1  # the alert created at the window's very end
    assert_last_versions_landed(simulator, lake)


def test_a_backfill_keeps_the_older_version_that_is_in_the_lake(
    simulator: Simulator, lake: LakeFolder
) -> None:
    alert = simulator.tenant.add_alert()
    land(lake)
    simulator.tenant.advance(timedelta(hours=1))
    simulator.tenant.resolve(alert.alert_id)
    land(lake, since="2026-11-20", until="2026-11-21")
    assert len(lake.landed()[alert.alert_id]) == 2


def test_an_explicit_window_can_go_by_update_time(simulator: Simulator, lake: LakeFolder) -> None:
    alert = simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(days=1))
    simulator.tenant.comment(alert.alert_id, "seen")
    simulator.tenant.advance(timedelta(hours=1))
    assert land(lake, since="2026-11-21", until="2026-11-22", by="created")["records"] == 0
    assert land(lake, since="2026-11-21", until="2026-11-22", by="updated")["records"] == 1


def test_a_backfill_run_with_an_empty_interval_fails_at_once(simulator: Simulator, lake: LakeFolder) -> None:
    with pytest.raises(ConfigurationError, match="CronDataIntervalTimetable"):
        land(lake, context("backfill", data_interval_start=START, data_interval_end=START))
    assert len(simulator.requests) == 0


# Outages ------------------------------------------------------------------------------------------


def test_an_outage_in_the_middle_lands_what_was_read_then_the_retry_lands_the_rest(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alerts(9, evidence=2)
    simulator.page_size = 3
    simulator.faults.server_error(503, page=2, times=None)
    with pytest.raises(ServiceUnavailable):
        land(lake)
    assert len(lake.landed()) == 6
    assert lake.records()[-1]["position"]["watermark"] is None
    simulator.faults.clear()
    assert land(lake)["versions"] == 3
    assert_last_versions_landed(simulator, lake)


def test_a_long_retry_after_is_left_to_airflow(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(4)
    simulator.page_size = 2
    simulator.faults.throttle(1740, hour=True, page=1, times=None)
    with pytest.raises(Throttled) as throttled:
        land(lake)
    assert throttled.value.retry_after == 1740
    assert len(lake.landed()) == 2


def test_a_missing_role_fails_at_once_and_lands_nothing(
    simulator: Simulator, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = simulator.apps["no role"]
    connect(simulator, monkeypatch, login=app.client_id, password=app.client_secret)
    with pytest.raises(PermissionMissing, match=r"Alert\.Read\.All"):
        land(lake)
    assert not lake.path.exists() or not lake.files()


# Odd input ----------------------------------------------------------------------------------------


def test_every_oddity_lands_or_is_in_quarantine(simulator: Simulator, lake: LakeFolder) -> None:
    odd = simulator.tenant.add_oddities()
    summary = land(lake, initial_lookback=timedelta(days=3650))
    originals = lake.rows()["event"].combine_chunks().field("original").to_pylist()
    landed = {text.encode() for text in originals if text is not None}
    rejected = {row["bytes"] for row in lake.rejects().to_pylist()}
    lost = [name for name, version in odd.items() if version.rendered(evidence=True) not in landed | rejected]
    assert lost == []
    assert summary["rejects"] == len(rejected) > 0
    again = land(lake)
    assert (again["versions"], again["rejects"]) == (0, 0)
    assert_no_doubles(lake)


# Reporting ----------------------------------------------------------------------------------------


def test_the_asset_event_tells_what_landed(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(4, evidence=2, over=timedelta(hours=20))
    given = context()
    summary = land(lake, given)
    event = given["outlet_events"][defender_asset("defender_default", "alerts")]
    assert event.extra["rows"] == 8
    assert event.extra["partitions"] == summary["partitions"]
    assert event.extra["watermark_after"] == summary["watermark_after"]
    assert event.partition_keys == set()


def test_the_asset_event_of_an_empty_run_tells_that_nothing_landed(
    simulator: Simulator, lake: LakeFolder
) -> None:
    simulator.tenant.add_alert()
    simulator.tenant.advance(timedelta(minutes=1))
    given = context()
    land(lake, given)
    empty = context()
    land(lake, empty)
    asset = defender_asset("defender_default", "alerts")
    extra = empty["outlet_events"][asset].extra
    assert (extra["rows"], extra["versions"], extra["files"], extra["partitions"]) == (0, 0, 0, {})
    assert (extra["commit"], extra["complete"]) == (None, True)
    assert set(extra) == set(given["outlet_events"][asset].extra)


def test_a_bare_context_is_enough(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(2)
    operator = alerts_operator(lake, partitioned_asset_events=True)
    assert operator.execute({})["versions"] == 2


def test_log_lines_are_short_and_tell_of_the_commit(
    simulator: Simulator, lake: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.tenant.add_alert(evidence=1)
    land(lake)
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)  # Airflow 3.1 colours it
    assert "1 alert read, 1 version landed as 1 row in 1 file, 0 records rejected" in out
    assert out.index("1 row staged after") < out.index("The commit is done") < out.index("1 alert read")
    lines = [line.partition("] ")[2].partition(" [airflow.task")[0].strip() for line in out.splitlines()]
    assert [line for line in lines if len(line) > 120] == []


def test_partition_keys_are_emitted_on_request(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alerts(2, over=timedelta(hours=20))
    given = context()
    land(lake, given, partitioned_asset_events=True)
    event = given["outlet_events"][defender_asset("defender_default", "alerts")]
    assert event.partition_keys == {"2026-11-20T00:00:00"}


def test_the_watermark_is_mirrored_where_airflow_has_asset_state(
    simulator: Simulator, lake: LakeFolder
) -> None:
    class Store(dict[str, Any]):
        def __getitem__(self, asset: Any) -> Any:
            return SimpleNamespace(set=lambda key, value: self.update({f"{asset.uri} {key}": value}))

    store = Store()
    simulator.tenant.add_alert()
    summary = land(lake, context(asset_state_store=store))
    assert store == {
        "defender://defender_default/alerts endpoint_alerts-watermark": summary["watermark_after"]
    }


def test_a_mirror_that_breaks_fails_no_task(
    simulator: Simulator, lake: LakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.tenant.add_alert()
    assert land(lake, context(asset_state_store=object()))["versions"] == 1
    assert "could not be mirrored" in capsys.readouterr().out


# Parameters ---------------------------------------------------------------------------------------


def test_the_time_that_bounds_are_about_can_be_a_template(lake: LakeFolder) -> None:
    operator = DefenderAlertsToParquetOperator(task_id="land", lake=lake.uri, by="{{ params.by }}")  # type: ignore[arg-type]
    operator.render_template_fields({"params": {"by": "updated"}})
    assert operator.by == "updated"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"source": "graph"}, "source='graph' must be 'endpoint_alerts'"),
        ({"by": "modified"}, "by='modified' must be 'created' or 'updated'"),
        ({"by": "create"}, "Did you mean 'created'?"),
        ({"since": 1763600400}, "since=1763600400 is of type int"),
        ({"since": "2027-11-20"}, "nothing to read yet"),
        ({"overlap": 15}, "overlap=15"),
        ({"initial_lookback": timedelta(hours=-1)}, "initial_lookback"),
        ({"severity": ["Hgh"]}, "'Hgh'"),
        ({"since": "last week"}, "since='last week'"),
    ],
)
def test_wrong_parameters_fail_before_any_request(
    simulator: Simulator, lake: LakeFolder, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        land(lake, **arguments)
    assert len(simulator.requests) == 0


@pytest.mark.parametrize("root", ["", "  ", "nosuch://bucket/lake"])
def test_a_lake_that_cannot_be_opened_is_named(simulator: Simulator, lake: LakeFolder, root: str) -> None:
    lake.uri = root
    with pytest.raises(ConfigurationError, match="lake"):
        land(lake)


def test_a_lake_that_cannot_be_written_is_named(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alert()
    lake.path.parent.joinpath("file").write_text("no folder")
    lake.uri = (lake.path.parent / "file" / "lake").as_uri()
    with pytest.raises(ConfigurationError, match=r"cannot be written \(Not a directory"):
        land(lake)
