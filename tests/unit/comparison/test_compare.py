"""Which alerts only one of both sources shows, and why: on lakes written as the operators write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_defender.comparison import Comparison, Reason, TenantComparison, compare_sources
from airflow_provider_defender.lake import CommitUnreadable, Lake, committed_rows
from tests.unit.comparison.support import HOUR, NOON, TENANT, alert, land, version
from tests.unit.lake.support import local_lake

LATER = NOON + 6 * HOUR
"""The watermark of both logs, where a test does not say otherwise."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path / "lake")


def compared(lake: Any, **options: Any) -> TenantComparison:
    [tenant] = compare_sources(lake, **options).tenants
    return tenant


def alone(found: TenantComparison) -> tuple[Mapping[Reason, int], Mapping[Reason, int]]:
    return found.endpoint.alone, found.graph.alone


def land_both(lake: Lake, endpoint: Any = (), graph: Any = (), **options: Any) -> None:
    land(lake, "endpoint_alerts", endpoint, to=LATER, **options)
    land(lake, "graph_alerts", graph, to=LATER)


def test_alerts_that_both_show_are_no_difference(lake: Lake) -> None:
    alerts = [alert("a"), alert("b", NOON + HOUR)]
    land_both(lake, alerts, alerts)
    found = compared(lake)
    assert (found.both, alone(found), found.different, found.gap) == (2, ({}, {}), {}, None)
    assert (found.endpoint.alerts, found.graph.alerts, found.unexplained) == (2, 2, 0)
    assert found.listed == ()


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"investigationState": "SuppressedAlert"}, Reason.SUPPRESSED),
        ({"incidentId": None}, Reason.STANDALONE),
        ({"incidentId": "0"}, Reason.STANDALONE),
        ({"detectionSource": "MicrosoftSentinel"}, Reason.SENTINEL),
        ({"detectionSource": "Intune"}, Reason.INTUNE),
        ({"detectionSource": "OfficeATP", "severity": "Informational"}, Reason.EXCHANGE),
        ({"detectionSource": "OfficeATP", "severity": "High"}, Reason.UNEXPLAINED),
        ({}, Reason.UNEXPLAINED),
    ],
)
def test_what_graph_does_not_return(lake: Lake, properties: dict[str, Any], reason: Reason) -> None:
    land_both(lake, [alert("a", **properties), alert("b")], [alert("b")])
    found = compared(lake)
    assert alone(found) == ({reason: 1}, {})
    assert found.unexplained == (reason is Reason.UNEXPLAINED)
    [listed] = found.listed
    assert (listed.key, listed.source, listed.reason) == (f"{TENANT}/a", "endpoint_alerts", reason)
    assert (listed.updated, listed.title) == (version(NOON), "Suspicious process")


def test_what_the_endpoint_api_does_not_return(lake: Lake) -> None:
    alerts = [
        alert("mail", serviceSource="microsoftDefenderForOffice365", incidentId=None),
        alert("new", serviceSource="somethingNew"),
        alert("lost"),
        alert("of nobody", serviceSource=None),
    ]
    land_both(lake, [], alerts)
    assert alone(compared(lake)) == ({}, {Reason.OTHER_PRODUCT: 2, Reason.UNEXPLAINED: 2})


# What has been read -------------------------------------------------------------------------------


def test_the_times_that_the_other_log_has_not_read(lake: Lake) -> None:
    """From 10:00 to 18:00 is read, the last quarter of an hour will be read again."""
    times = {
        "before": NOON - 3 * HOUR,
        "first": NOON - 2 * HOUR,
        "settled": LATER - timedelta(minutes=16),
        "late": LATER - timedelta(minutes=15),
        "last": LATER,
        "after": LATER + timedelta(microseconds=1),
    }
    land(lake, "endpoint_alerts", [alert(*each) for each in times.items()], to=LATER + HOUR)
    land(lake, "graph_alerts", [], read_from=NOON - 2 * HOUR, to=LATER)
    found = compared(lake)
    reasons = {each.key.rpartition("/")[2]: each.reason for each in found.listed}
    assert reasons == {
        "before": Reason.BEFORE,
        "first": Reason.UNEXPLAINED,
        "settled": Reason.UNEXPLAINED,
        "late": Reason.LATE,
        "last": Reason.LATE,
        "after": Reason.NOT_READ,
    }
    assert [each.reason for each in found.listed][:2] == [Reason.UNEXPLAINED] * 2
    assert found.unexplained == 2


def test_the_overlap_is_the_logs_own(lake: Lake) -> None:
    late = [alert("a", LATER - timedelta(minutes=40)), alert("b", LATER - timedelta(minutes=50))]
    land(lake, "endpoint_alerts", late, to=LATER)
    land(lake, "graph_alerts", [], to=LATER, overlap=timedelta(minutes=45))
    assert alone(compared(lake))[0] == {Reason.LATE: 1, Reason.UNEXPLAINED: 1}


def test_the_overlap_is_the_usual_one_where_the_position_holds_too_many_keys(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_defender.lake.versions.position.KEYS_LIMIT", 2)
    times = [LATER - timedelta(minutes=minutes) for minutes in (20, 10, 5, 1)]
    land(lake, "endpoint_alerts", [alert("a", times[0]), alert("b", times[1])], to=LATER)
    land(lake, "graph_alerts", [alert(f"g{n}", time) for n, time in enumerate(times)], to=LATER)
    assert alone(compared(lake))[0] == {Reason.UNEXPLAINED: 1, Reason.LATE: 1}


def test_a_first_run_that_was_cut_off_has_not_read_yet(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a")], to=LATER)
    land(lake, "graph_alerts", [alert("b", serviceSource="microsoftSentinel")])
    found = compared(lake)
    assert found.graph.coverage.watermark is None
    assert alone(found)[0] == {Reason.NOT_READ: 1}


def test_the_beginning_is_the_first_runs_though_later_ones_read_from_later(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a", NOON - HOUR)], to=LATER)
    for hours in (0, 3, 6):
        read_from = NOON + (hours - 2) * HOUR
        land(lake, "graph_alerts", [alert(f"g{hours}")], read_from=read_from, to=NOON + hours * HOUR)
    assert alone(compared(lake))[0] == {Reason.UNEXPLAINED: 1}


@pytest.mark.parametrize("by", ["created", "updated"])
def test_a_backfill_reads_what_lies_before_the_log(lake: Lake, by: str) -> None:
    old = NOON - 72 * HOUR
    alerts = [alert(f"a{hours}", old + hours * HOUR, old + hours * HOUR) for hours in (-1, 0, 1)]
    land(lake, "endpoint_alerts", alerts, read_from=old - 24 * HOUR, to=LATER)
    land(lake, "graph_alerts", [], to=LATER)
    assert alone(compared(lake))[0] == {Reason.BEFORE: 3}
    window = {"by": by, "since": old.isoformat(), "until": (old + HOUR).isoformat()}
    land(lake, "graph_alerts", [alert("c", old, old, serviceSource="x")], window=window)
    assert alone(compared(lake))[0] == {Reason.BEFORE: 2, Reason.UNEXPLAINED: 1}


def test_a_log_of_backfills_only_has_not_read_yet(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a")], to=LATER)
    window = {"by": "created", "since": NOON.isoformat(), "until": LATER.isoformat()}
    land(lake, "graph_alerts", [alert("b")], window=window)
    assert alone(compared(lake))[0] == {Reason.NOT_READ: 1}


def test_times_that_neither_log_has_read_are_a_gap(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a")], to=NOON)
    land(lake, "graph_alerts", [alert("a")], read_from=NOON + HOUR, to=LATER)
    found = compared(lake)
    assert found.gap is not None
    assert (found.gap[1] - found.gap[0], found.unexplained) == (3600 * 10_000_000, 1)
    window = {"by": "updated", "since": NOON.isoformat(), "until": (NOON + HOUR).isoformat()}
    land(lake, "graph_alerts", [alert("b", NOON + HOUR / 2)], window=window)
    assert compared(lake).gap is None


def test_logs_that_meet_have_no_gap(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a")], to=NOON)
    land(lake, "graph_alerts", [alert("a")], read_from=NOON, to=LATER)
    assert compared(lake).gap is None


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"severity": ["High"]}, Reason.FILTERED),
        ({"severity": ["medium", "high"]}, Reason.UNEXPLAINED),
        ({"status": ["resolved"]}, Reason.FILTERED),
        ({"category": ["Malware"]}, Reason.UNEXPLAINED),  # it has none, so it passes
        ({"serviceSource": ["microsoftDefenderForOffice365"]}, Reason.UNEXPLAINED),
    ],
)
def test_the_filters_of_the_other_log(lake: Lake, filters: dict[str, list[str]], reason: Reason) -> None:
    land(lake, "endpoint_alerts", [alert("a")], to=LATER)
    land(lake, "graph_alerts", [], to=LATER, filters=filters)
    assert alone(compared(lake))[0] == {reason: 1}


def test_a_filter_may_have_excluded_an_earlier_state(lake: Lake) -> None:
    """Graph was read while the alert was new, and the filter asked for resolved ones."""
    land(lake, "endpoint_alerts", [alert("a")], to=NOON)
    land(lake, "endpoint_alerts", [alert("a", NOON + HOUR, status="Resolved")], to=LATER)
    land(lake, "graph_alerts", [], to=LATER, filters={"status": ["resolved"]})
    assert alone(compared(lake))[0] == {Reason.FILTERED: 1}


def test_a_severity_that_both_call_otherwise_passes_the_filter(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a", severity="UnSpecified")], to=LATER)
    land(lake, "graph_alerts", [], to=LATER, filters={"severity": ["unknown"]})
    assert alone(compared(lake))[0] == {Reason.UNEXPLAINED: 1}


def test_an_alert_in_quarantine_is_named_as_such(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a")], to=LATER)
    land(lake, "graph_alerts", [], to=LATER, broken=["a"])
    assert alone(compared(lake))[0] == {Reason.QUARANTINED: 1}


def test_an_alert_that_graph_shows_under_another_id(lake: Lake) -> None:
    land_both(lake, [alert("a")], [alert("b", providerAlertId="a"), alert("c", providerAlertId="c")])
    found = compared(lake)
    assert found.endpoint.alone == {Reason.OTHER_ID: 1}
    assert found.unexplained == 3


# States -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "graph"),
    [
        ({"status": "InProgress"}, {"status": "inProgress"}),
        ({"severity": "UnSpecified"}, {"severity": "unknown"}),
        ({"classification": None}, {"classification": "unknown"}),
        ({"determination": "NotAvailable"}, {"determination": None}),
        ({"determination": "CompromisedUser"}, {"determination": "compromisedAccount"}),
        ({"determination": "Clean"}, {"determination": "notMalicious"}),
        ({"determination": "InsufficientData"}, {"determination": "notEnoughDataToValidate"}),
        ({"determination": "ConfirmedUserActivity"}, {"determination": "confirmedActivity"}),
        (
            {"classification": "InformationalExpectedActivity"},
            {"classification": "informationalExpectedActivity"},
        ),
    ],
)
def test_one_state_in_the_words_of_both(lake: Lake, endpoint: dict[str, Any], graph: dict[str, Any]) -> None:
    land_both(lake, [alert("a", **endpoint)], [alert("a", **graph)])
    assert compared(lake).different == {}


def test_the_newest_states_are_compared(lake: Lake) -> None:
    """Also if an older version lands later, as a backfill may do."""
    newer = alert("a", NOON + HOUR, status="Resolved", classification="TruePositive")
    land(lake, "endpoint_alerts", [newer], to=LATER)
    land(lake, "endpoint_alerts", [alert("a")], window={"by": "created"})
    land(lake, "graph_alerts", [alert("a")], to=LATER)
    found = compared(lake)
    assert (found.both, found.different, alone(found)) == (1, {Reason.UNEXPLAINED: 1}, ({}, {}))
    [listed] = found.listed
    assert (listed.source, listed.updated) == ("endpoint_alerts", version(NOON + HOUR))
    assert listed.different == {"status": ("resolved", "new"), "classification": ("truepositive", "unknown")}


def test_a_state_that_the_other_source_has_not_read_yet(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a")], to=NOON)
    resolved = alert("a", NOON + HOUR, status="resolved")
    land(lake, "graph_alerts", [alert("a"), resolved], read_from=NOON - HOUR, to=LATER)
    found = compared(lake)
    assert (found.different, found.unexplained) == ({Reason.NOT_READ: 1}, 0)


def test_a_state_that_the_other_logs_filters_exclude(lake: Lake) -> None:
    land(lake, "endpoint_alerts", [alert("a"), alert("a", NOON + HOUR, status="Resolved")], to=LATER)
    land(lake, "graph_alerts", [alert("a")], to=LATER, filters={"status": ["new"]})
    assert compared(lake).different == {Reason.FILTERED: 1}


# Windows, tenants, lakes --------------------------------------------------------------------------


def test_a_window_is_of_creation_times(lake: Lake) -> None:
    days = [alert(f"d{day}", NOON, NOON - timedelta(days=day)) for day in range(4)]
    land_both(lake, days, [])

    def names(**window: Any) -> set[str]:
        found = compared(lake, **window)
        assert found.endpoint.alerts == sum(found.endpoint.alone.values())
        return {each.key.rpartition("/")[2] for each in found.listed}

    assert names() == {"d0", "d1", "d2", "d3"}
    assert names(since=NOON - timedelta(days=2)) == {"d0", "d1", "d2"}
    assert names(until=NOON - timedelta(days=2)) == {"d3"}
    assert names(since=NOON - timedelta(days=2), until=NOON) == {"d1", "d2"}


def test_an_alert_whose_time_differs_between_the_sources_is_not_missed_at_the_windows_end(lake: Lake) -> None:
    midnight = NOON.replace(hour=0)
    mine = alert("a", created=midnight)
    others = alert("a", created=midnight - timedelta(microseconds=1))
    land_both(lake, [mine], [others])
    found = compared(lake, since=midnight)
    assert (found.both, alone(found)) == (1, ({}, {}))


def test_each_tenant_is_compared_by_itself(lake: Lake) -> None:
    other = "0b1c2d3e-0000-4000-8000-000000000001"
    land_both(lake, [alert("a")], [alert("a")])
    land(lake, "endpoint_alerts", [alert("a")], to=LATER, tenant=other)
    found = compare_sources(lake)
    assert ([each.tenant for each in found.tenants], found.single) == (
        [TENANT],
        (f"endpoint_alerts-{other}",),
    )
    land(lake, "graph_alerts", [], to=LATER, tenant=other)
    found = compare_sources(lake)
    assert ([each.unexplained for each in found.tenants], found.unexplained) == ([1, 0], 1)
    assert [each.tenant for each in compare_sources(lake, tenant=f" {TENANT.upper()}").tenants] == [TENANT]


def test_a_lake_with_one_source_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="has neither"):
        compare_sources(tmp_path / "nothing")
    land(lake, "endpoint_alerts", [alert("a")], to=LATER)
    with pytest.raises(LookupError, match=f"has endpoint_alerts-{TENANT}. Land the other source"):
        compare_sources(lake)
    land(lake, "graph_alerts", [alert("a")], to=LATER)
    with pytest.raises(LookupError, match="of the tenant 1234, and has neither"):
        compare_sources(lake, tenant="1234")


def test_a_deleted_commit_is_no_reason_to_miss_alerts(lake: Lake, tmp_path: Path) -> None:
    land_both(lake, [alert("a")], [alert("a")])
    land(lake, "endpoint_alerts", [alert("b")], to=LATER + HOUR)
    (tmp_path / "lake" / "_defender" / f"endpoint_alerts-{TENANT}" / "commits" / "00000001.json").unlink()
    with pytest.raises(CommitUnreadable):
        compare_sources(lake)


def test_a_lake_in_a_store(tmp_path: Path) -> None:
    MemoryFileSystem.store.clear()
    lake = Lake(MemoryFileSystem(), "/lake", single_writer=True)
    land_both(lake, [alert("a"), alert("b")], [alert("b")])
    assert compared("memory://lake").endpoint.alone == {Reason.UNEXPLAINED: 1}


def test_only_needed_columns_are_read(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    land_both(lake, [alert("a")], [alert("b")])
    batches: list[pa.RecordBatch] = []

    def noting(*arguments: Any) -> Any:
        for batch in committed_rows(*arguments):
            batches.append(batch)
            yield batch

    monkeypatch.setattr("airflow_provider_defender.comparison.landed.committed_rows", noting)
    compared(lake)
    assert [batch.num_columns < 20 for batch in batches] == [True, True]


def test_all_are_counted_though_few_are_listed(lake: Lake) -> None:
    many = [alert(f"a{number}", incidentId=None) for number in range(9)]
    land_both(lake, [*many, alert("b"), alert("c")], [])
    found: Comparison = compare_sources(lake, max_listed=3)
    [tenant] = found.tenants
    assert tenant.endpoint.alone == {Reason.STANDALONE: 9, Reason.UNEXPLAINED: 2}
    assert [each.reason for each in tenant.listed] == [Reason.UNEXPLAINED] * 2 + [Reason.STANDALONE]
