"""The filter grammar, on versions directly."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_defender.simulator import Tenant, Version
from airflow_provider_defender.simulator.defender.odata import FilterError, compile_filter


@pytest.fixture(scope="module")
def rows() -> list[Version]:
    tenant = Tenant(7, alerts=0)
    tenant.add_alert(
        id="a1",
        severity="High",
        status="New",
        incidentId=1,
        assignedTo="o'hara@contoso.example",
        mitreTechniques=[],
        evidence=1,
    )
    tenant.advance(timedelta(minutes=1))
    tenant.add_alert(
        id="a2",
        severity="Low",
        status="New",
        incidentId=2,
        lastEventTime="2026-01-09T08:00:00.1234567Z",
        mitreTechniques=[],
        evidence=1,
    )
    tenant.advance(timedelta(minutes=1))
    tenant.add_alert(
        id="b3",
        severity="High",
        status="Resolved",
        incidentId=None,
        lastEventTime=None,
        mitreTechniques=["T1003"],
        evidence=0,
    )
    return tenant.alerts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("severity eq 'High'", "a1 b3"),
        ("severity ne 'High'", "a2"),
        ("severity eq 'high'", ""),
        ("severity eq 'High' and status eq 'New'", "a1"),
        ("severity eq 'High' and status eq 'New' or id eq 'a2'", "a1 a2"),
        ("id eq 'a2' or severity eq 'High' and status eq 'New'", "a1 a2"),
        ("severity eq 'High' and (status eq 'Resolved' or id eq 'a2')", "b3"),
        ("not severity eq 'High'", "a2"),
        ("not (severity eq 'High' or id eq 'a2')", ""),
        ("not not id eq 'a1'", "a1"),
        ("startswith(id,'a')", "a1 a2"),
        ("startswith(id, 'a') eq false", "b3"),
        ("not startswith(id,'a')", "b3"),
        ("startswith(assignedTo,'o')", "a1"),
        ("assignedTo eq 'o''hara@contoso.example'", "a1"),
        ("assignedTo eq null", "a2 b3"),
        ("assignedTo ne null", "a1"),
        ("id in ('a1', 'b3', 'x')", "a1 b3"),
        ("severity in ('High') and status in ('New','InProgress')", "a1"),
        ("incidentId eq 2", "a2"),
        ("incidentId gt 1", "a2"),
        ("incidentId le 1", "a1"),
        ("incidentId eq null", "b3"),
        ("incidentId gt null", ""),
        ("id gt 'a1'", "a2 b3"),
        ("lastUpdateTime ge 2026-01-09T08:01:00.0000000Z", "a2 b3"),
        ("lastUpdateTime gt 2026-01-09T08:01:00Z", "b3"),
        ("lastUpdateTime lt 2026-01-09T08:01:00Z", "a1"),
        ("lastUpdateTime le 2026-01-09T08:01:00Z", "a1 a2"),
        ("lastUpdateTime ge 2026-01-09T09:01:00+01:00", "a2 b3"),
        ("lastUpdateTime ge 2026-01-09", "a1 a2 b3"),
        ("lastEventTime eq 2026-01-09T08:00:00.1234567Z", "a2"),
        ("lastEventTime eq 2026-01-09T08:00:00.1234566Z", ""),
        ("lastEventTime eq null", "b3"),
        ("  ( id   eq 'a1' )  ", "a1"),
        ("mitreTechniques/any(t: t eq 'T1003')", "b3"),
        ("evidence/any()", "a1 a2"),
        ("not evidence/any()", "b3"),
        ("evidence/all(e: e/entityType eq 'Nothing')", "b3"),
        (
            "evidence/any(e: startswith(e/evidenceCreationTime,'2026')) and id eq 'a1'",
            "a1",
        ),
        ("comments/any(c: c/createdBy eq 'x')", ""),
    ],
)
def test_filters(rows: list[Version], text: str, found: str) -> None:
    matches = compile_filter(text)
    got = [row.alert_id for row in rows if matches(row)]
    assert got == found.split()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "severity",
        "severity eq",
        "severity eq High",
        'severity eq "High"',
        "severity = 'High'",
        "severity eq 'High",
        "severity eq 'High' and",
        "severity eq 'High' 'Low'",
        "(severity eq 'High'",
        "severity eq 'High')",
        "severity like 'High'",
        "title eq 'x'",
        "lastUpdateTime ge '2026-01-09T00:00:00Z'",
        "lastUpdateTime ge 2026-13-09T00:00:00Z",
        "lastUpdateTime ge 5",
        "severity eq 2026-01-09",
        "incidentId eq '1'",
        "startswith(severity)",
        "startswith(severity, 1)",
        "contains(id,'a')",
        "evidence/some(e: e/x eq 1)",
        "title/any(t: t eq 'x')",
        "evidence/any(e: f/entityType eq 'x')",
        "id in ()",
        "eq",
        "not",
    ],
)
def test_refused_filters(text: str) -> None:
    with pytest.raises(FilterError):
        compile_filter(text)


def test_raw_records_never_break_a_filter() -> None:
    tenant = Tenant(7, alerts=0)
    for record in (b"null", b"not json", b"[]", b'{"evidence":17,"severity":{},"incidentId":"x"}'):
        tenant.add_raw(record)
    for text in ("severity gt 'A'", "incidentId gt 5", "lastUpdateTime ge 2026-01-01T00:00:00Z", "id gt ''"):
        matches = compile_filter(text)
        assert {matches(row) for row in tenant.alerts} <= {True, False}
