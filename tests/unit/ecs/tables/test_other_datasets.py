"""Tables whose columns are not known, and Azure Monitor's records."""

from __future__ import annotations

import json

from tests.unit.ecs.helpers.event_rows import TENANT, part, row, rows_of


def test_unknown_table_lands_whole() -> None:
    fields = row("Brand2New", ReportId="r-1", Nested={"a.b": [1, {"c": None}]})
    assert fields["@timestamp"] == "2026-01-09T09:57:11.482133Z"
    assert json.loads(fields["microsoft.defender_xdr.unmapped"]) == {
        "Timestamp": "2026-01-09T09:57:11.4821337Z",
        "ReportId": "r-1",
        "Nested": {"a.b": [1, {"c": None}]},
    }
    assert fields["organization.id"] == TENANT
    assert fields["event.kind"] == "event"
    assert part(fields, "data_stream") == {
        "data_stream.dataset": "microsoft_defender_xdr.unknown",
        "data_stream.namespace": "default",
        "data_stream.type": "logs",
    }


def test_azure_monitor_record_lands_with_its_common_columns() -> None:
    record = {
        "time": "2026-01-09T09:57:11.4821337Z",
        "resourceId": "/tenants/t/providers/Microsoft.aadiam",
        "tenantId": TENANT,
        "category": "SignInLogs",
        "operationName": "Sign-in activity",
        "resultType": 50126,
        "durationMs": 0,
        "callerIpAddress": "198.51.100.4",
        "properties": {"userPrincipalName": "jdoe@contoso.com"},
        "Extra": {"a": 1},
    }
    (fields,) = rows_of("events/AzureMonitor", json.dumps({"records": [record]}).encode())
    container = part(fields, "microsoft.azure_monitor")
    assert json.loads(container["microsoft.azure_monitor.properties"]) == record["properties"]
    assert json.loads(container["microsoft.azure_monitor.unmapped"]) == {"Extra": {"a": 1}}
    assert container["microsoft.azure_monitor.resultType"] == "50126"
    assert (fields["event.provider"], fields["organization.id"]) == ("SignInLogs", TENANT)
    assert fields["@timestamp"] == "2026-01-09T09:57:11.482133Z"
    assert json.loads(fields["event.original"]) == record
