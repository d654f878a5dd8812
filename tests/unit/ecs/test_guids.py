"""One spelling of what identifies: a tenant in upper case is no other tenant, in no source."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.alert_records import ALERT, TENANT, record
from tests.unit.ecs.helpers.hub_messages import ASSESSMENT, CLOUD_ALERT, SIGN_IN, event, logon, message, text
from tests.unit.ecs.helpers.hub_messages import TENANT as HUB_TENANT

UPPER, HUB_UPPER = TENANT.upper(), HUB_TENANT.upper()
MIXED = HUB_TENANT[:18].upper() + HUB_TENANT[18:]


def rows(source: str, value: bytes, tenant: str | None) -> list[dict[str, Any]]:
    origins = pa.table({"tenant": pa.array([tenant], pa.string())})
    mapped = ecs.map_records(source, [value], origins=origins)
    assert mapped.rejects.num_rows == 0
    return [row for table in mapped.tables.values() for row in table.to_pylist()]


@pytest.mark.parametrize("tenant", [TENANT, UPPER, None])
@pytest.mark.parametrize("own", [TENANT, UPPER])
def test_alerts(tenant: str | None, own: str) -> None:
    value = record(ALERT | {"aadTenantId": own})
    (row,) = rows("endpoint_alerts", value, tenant)
    assert row["landing"]["tenant"] == TENANT
    assert row["landing"]["key"] == f"{TENANT}/{ALERT['id']}"
    assert row["landing"]["log"] == f"endpoint_alerts-{TENANT}"
    assert row["cloud"]["account"]["id"] == TENANT
    assert row["microsoft"]["defender_endpoint"]["aadTenantId"] == own, "as it was sent"
    for spelling in (TENANT, UPPER):
        [identity] = ecs.identities("endpoint_alerts", [value], tenant=spelling)
        assert identity.key == row["landing"]["key"]


def test_rejects_have_the_key_of_their_versions() -> None:
    value = record(ALERT | {"alertCreationTime": None, "firstEventTime": None, "lastUpdateTime": None})
    origins = pa.table({"tenant": [UPPER]})
    (reject,) = ecs.map_records("endpoint_alerts", [value], origins=origins).rejects.to_pylist()
    assert (reject["key"], reject["tenant"]) == (f"{TENANT}/{ALERT['id']}", TENANT)


@pytest.mark.parametrize("tenant", [HUB_TENANT, HUB_UPPER, MIXED])
@pytest.mark.parametrize(
    "value",
    [
        lambda tenant: message(logon() | {"tenantId": tenant}),
        lambda tenant: message(event("Own", {"Timestamp": "2024-12-04T13:37:00Z"}) | {"tenantId": tenant}),
        lambda tenant: message(SIGN_IN | {"tenantId": tenant}),
        lambda tenant: text(
            ASSESSMENT | {"tenantId": tenant, "properties": {"timeGenerated": SIGN_IN["time"]}}
        ),
        lambda tenant: text(CLOUD_ALERT | {"ResourceIdentifiers": [{"aadTenantId": tenant}]}),
    ],
    ids=["table", "unknown table", "log", "assessment", "alert"],
)
def test_events(value: Any, tenant: str) -> None:
    (row,) = rows("event_hub", value(tenant), HUB_UPPER)
    assert row["landing"]["tenant"] == HUB_TENANT
    assert row["landing"]["key"].startswith(f"{HUB_TENANT}/")
    assert row["organization"]["id"] == HUB_TENANT
    assert tenant in row["event"]["original"]


def test_duplicates_are_known_whatever_the_case_of_their_tenant() -> None:
    records = [logon() | {"tenantId": tenant} for tenant in (HUB_TENANT, HUB_UPPER, MIXED)]
    assert ecs.map_records("event_hub", [message(*records)]).duplicates == 2


@pytest.mark.parametrize("tenant", ["Contoso.onmicrosoft.com", "ABCDEF", f"{UPPER}x", f"{UPPER}\n"])
def test_other_texts_stay_as_they_are(tenant: str) -> None:
    (row,) = rows("endpoint_alerts", record(ALERT), tenant)
    [identity] = ecs.identities("endpoint_alerts", [record(ALERT)], tenant=tenant)
    assert row["landing"]["tenant"] == tenant
    assert row["landing"]["key"] == identity.key == f"{tenant}/{ALERT['id']}"
