"""`compare-sources` in object stores: their stand-ins, spoken to over HTTP by real clients."""

from __future__ import annotations

import pytest

from airflow_provider_defender.comparison import Reason, compare_sources
from airflow_provider_defender.lake import Lake
from tests.object_stores.fixtures import running_store, store
from tests.object_stores.store import BUCKET, Store
from tests.unit.comparison.support import HOUR, NOON, alert, land

__all__ = ["running_store", "store"]

pytestmark = pytest.mark.integration


def test_the_sources_of_a_lake_in_a_store_are_compared(store: Store) -> None:
    lake = Lake(store.filesystem(), f"{BUCKET}/lake", sleep=lambda _: None)
    later = NOON + 6 * HOUR
    land(lake, "endpoint_alerts", [alert("a"), alert("b"), alert("c", incidentId=None)], to=later)
    mail = alert("m", serviceSource="microsoftDefenderForOffice365")
    land(lake, "graph_alerts", [alert("a"), mail], to=later, broken=["b"])
    store.front.requests.clear()
    [found] = compare_sources(Lake(store.filesystem(), f"{BUCKET}/lake")).tenants
    assert found.endpoint.alone == {Reason.QUARANTINED: 1, Reason.STANDALONE: 1}
    assert found.graph.alone == {Reason.OTHER_PRODUCT: 1}
    assert (found.both, found.unexplained) == (1, 0)
    assert {request.method for request in store.front.requests} <= {"GET", "HEAD"}  # nothing is written
