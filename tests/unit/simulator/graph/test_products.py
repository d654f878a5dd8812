"""What products find: every type of evidence, in Graph's words; and endpoint alerts as Graph has them."""

from __future__ import annotations

import pytest

from airflow_provider_defender.simulator import Portal, Tenant
from airflow_provider_defender.simulator.graph import types
from airflow_provider_defender.simulator.graph.evidence.samples import MAKERS
from airflow_provider_defender.simulator.graph.products import PRODUCTS
from tests.unit.simulator.graph.evidence.test_samples import problems


@pytest.fixture
def portal() -> Portal:
    return Portal.of(Tenant(7, alerts=0))


def test_every_service_source_and_every_type_of_evidence() -> None:
    sources = set(types.ENUMERATIONS["serviceSource"]) - {"unknownFutureValue"}
    assert PRODUCTS.keys() | {"microsoftDefenderForEndpoint"} == sources
    found = {item.type for p in PRODUCTS.values() for finding in p.findings for item in finding.evidence}
    assert found == MAKERS.keys()


def test_members_of_enumerations_are_those_of_graph() -> None:
    for product in PRODUCTS.values():
        for finding in product.findings:
            assert finding.detection_source in types.ENUMERATIONS["detectionSource"]
            assert finding.severity in types.ENUMERATIONS["alertSeverity"]
            for item in finding.evidence:
                assert set(item.roles) <= set(types.ENUMERATIONS["evidenceRole"])
                assert item.remediation in types.ENUMERATIONS["evidenceRemediationStatus"]
                assert item.verdict in types.ENUMERATIONS["evidenceVerdict"]


@pytest.mark.parametrize("product", PRODUCTS)
def test_alerts_have_the_properties_of_graph(portal: Portal, product: str) -> None:
    for _ in range(20):
        body = portal.add_alert(product).body
        body["detectionSource"] = "unknown"  # now and then a member that no enumeration has
        body["comments"] = []
        evidence, alert_id = body["evidence"], body.pop("id")
        assert problems({**body, "evidence": []}, "alert", product) == []
        assert alert_id.endswith(body["providerAlertId"])
        for item in evidence:
            assert item["@odata.type"].removeprefix(types.PREFIX) in {*MAKERS, "quantumLinkEvidence"}


def test_endpoint_alerts_have_the_properties_of_graph(portal: Portal) -> None:
    found = set()
    for _ in range(60):
        portal.tenant.add_alert()
    for version in portal.alerts:
        body = version.body
        assert body.pop("id") == body["providerAlertId"]
        assert problems(body, "alert", "alert") == []
        found |= {item["@odata.type"].removeprefix(types.PREFIX) for item in body["evidence"]}
        device = body["evidence"][0]
        assert device["@odata.type"].endswith("deviceEvidence")
        for item in body["evidence"][1:]:
            assert item.get("mdeDeviceId", device["mdeDeviceId"]) == device["mdeDeviceId"]
            assert "deviceDnsName" not in item
    assert found == {
        "deviceEvidence",
        "fileEvidence",
        "ipEvidence",
        "processEvidence",
        "registryValueEvidence",
        "urlEvidence",
        "userEvidence",
    }


def test_evidence_of_an_endpoint_alert_says_what_the_alerts_api_says(portal: Portal) -> None:
    version = portal.tenant.add_alert(evidence=6)
    theirs = version.body["evidence"]
    mine = portal.alerts[0].body["evidence"][1:]
    assert len(mine) == len(theirs)
    for item, evidence in zip(theirs, mine, strict=True):
        assert evidence["createdDateTime"] == item["evidenceCreationTime"]
        if item["entityType"] == "Process":
            assert evidence["imageFile"]["sha1"] == item["sha1"]
            assert evidence["processCommandLine"] == item["processCommandLine"]
            assert evidence["parentProcessImageFile"]["fileName"] == item["parentProcessFileName"]
        if item["entityType"] == "User":
            assert evidence["userAccount"]["userSid"] == item["userSid"]
