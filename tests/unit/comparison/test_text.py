"""`python -m airflow_provider_defender compare-sources`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_defender.__main__ import main
from airflow_provider_defender.lake import Lake
from tests.unit.comparison.support import HOUR, NOON, TENANT, alert, land
from tests.unit.lake.support import local_lake

LATER = NOON + 6 * HOUR


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def lake(root: Path) -> Lake:
    """A lake in which every difference is expected."""
    lake = local_lake(root)
    land(lake, "endpoint_alerts", [alert("a"), alert("b", incidentId=None)], to=LATER)
    mail = [alert(f"m{n}", serviceSource="microsoftDefenderForOffice365") for n in range(3)]
    land(lake, "graph_alerts", [alert("a"), *mail], to=LATER, filters={"severity": ["medium", "high"]})
    return lake


@pytest.mark.usefixtures("lake")
def test_figures_and_alerts_are_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-sources", str(root), "--list", "2"]) == 0
    times = "update times 2026-11-21T12:00:00.0000000Z to 2026-11-22T18:00:00.0000000Z"
    updated = "created 2026-11-22T11:00:00.0000000Z updated 2026-11-22T12:00:00.0000000Z: Suspicious process"
    assert capsys.readouterr().out.splitlines() == [
        f"Tenant {TENANT}",
        f"  endpoint_alerts-{TENANT}: 2 alerts; {times}",
        f"  graph_alerts-{TENANT}: 4 alerts; {times}; filters severity: high or medium",
        "  Both show 1 alert, 0 of them in different states",
        "  Only the Endpoint API shows 1 alert",
        "    STANDALONE 1: it belongs to no incident: Graph returns alerts of incidents only",
        "  Only Microsoft Graph shows 3 alerts",
        "    OTHER_PRODUCT 3: an alert of another product: the Endpoint API returns those of Defender for "
        "Endpoint only",
        f"  OTHER_PRODUCT graph_alerts m0 {updated}",
        f"  OTHER_PRODUCT graph_alerts m1 {updated}",
        "  … and 2 more",
        "Every difference is expected.",
    ]


def test_what_is_not_expected_gives_status_1(
    lake: Lake, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    land(lake, "endpoint_alerts", [alert("lost", title="one\n\x1b[2Jtwo")], to=LATER)
    land(lake, "endpoint_alerts", [alert("a", NOON + HOUR, status="Resolved")], to=LATER)
    assert main(["compare-sources", root.as_uri()]) == 1
    shown = capsys.readouterr().out
    assert "  UNEXPLAINED endpoint_alerts lost created " in shown
    assert ": one��[2Jtwo\n" in shown
    assert "    status: resolved (Endpoint API), new (Graph)\n" in shown
    assert shown.endswith("\nNot as expected: 2.\n")
    assert main(["compare-sources", str(root), "--until", "2026-11-22T11:00"]) == 0
    assert main(["compare-sources", str(root), "--since", "2026-11-23"]) == 0
    assert main(["compare-sources", str(root), "--since", "2026-11-22T12:00+01:00"]) == 1


def test_a_gap_is_printed_with_the_run_that_closes_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = local_lake(root)
    land(lake, "endpoint_alerts", [alert("a")], to=NOON)
    land(lake, "graph_alerts", [alert("a")], read_from=NOON + HOUR, to=LATER)
    assert main(["compare-sources", str(root)]) == 1
    start, end = "2026-11-22T12:00:00.0000000Z", "2026-11-22T13:00:00.0000000Z"
    shown = capsys.readouterr().out
    assert f"  GAP: neither log has read what was last updated from {start} to {end}. " in shown
    assert f'since="{start}", until="{end}", by="updated"\n' in shown


def test_json(lake: Lake, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    land(lake, "endpoint_alerts", [alert("a", NOON + HOUR, status="Resolved")], to=LATER)
    assert main(["compare-sources", str(root), "--json", "--list", "1", "--tenant", TENANT]) == 1
    found = json.loads(capsys.readouterr().out)
    [tenant] = found["tenants"]
    assert (found["unexplained"], found["single"], tenant["gap"]) == (1, [], None)
    assert tenant["endpoint"]["alone"] == {"STANDALONE": 1}
    assert tenant["graph"]["alone"] == {"OTHER_PRODUCT": 3}
    assert tenant["graph"]["watermark"] == "2026-11-22T18:00:00.0000000Z"
    assert (tenant["both"], tenant["different"]) == (1, {"UNEXPLAINED": 1})
    [listed] = tenant["listed"]
    assert (listed["key"], listed["reason"]) == (f"{TENANT}/a", "UNEXPLAINED")
    assert listed["different"] == {"status": {"endpoint": "resolved", "graph": "new"}}


def test_a_tenant_with_one_source_is_named(
    lake: Lake, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    land(lake, "graph_alerts", [alert("a")], to=LATER, tenant="other")
    assert main(["compare-sources", str(root)]) == 0
    assert "graph_alerts-other: its tenant has no log of the other source" in capsys.readouterr().out


def test_what_cannot_be_compared_gives_status_2(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-sources", str(root)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(
        f"The sources in {root} cannot be compared: it needs a log of endpoint_alerts"
    )
    assert main(["compare-sources", "nostore://bucket/lake"]) == 2


@pytest.mark.parametrize(
    ("option", "value"), [("--since", "yesterday"), ("--until", "2026-13-01"), ("--list", "-1")]
)
def test_wrong_options_are_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare-sources", "lake", f"{option}={value}"])
    assert ended.value.code == 2
    assert f"{value!r} is not a" in capsys.readouterr().err
