from __future__ import annotations

import msgspec
import pytest

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks import GraphAlertFilter, GraphIncidentFilter


def test_values_are_stored_in_graphs_spelling() -> None:
    filters = GraphAlertFilter(
        severity=["UnSpecified", "HIGH"],
        status="InProgress",
        category="Malware",
        service_source=["microsoftdefenderforcloud", "microsoftNewProduct"],
    )
    assert filters.as_dict() == {
        "severity": ["high", "unknown"],
        "status": ["inProgress"],
        "category": ["Malware"],
        "serviceSource": ["microsoftDefenderForCloud", "microsoftNewProduct"],
    }
    assert filters == GraphAlertFilter(["high", "unknown"], "inprogress", ["Malware"], filters.service_source)
    assert GraphAlertFilter().as_dict() == GraphIncidentFilter().as_dict() == {}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: GraphAlertFilter(severity="critical"), "'critical' is not a severity of Microsoft Graph"),
        (lambda: GraphAlertFilter(status="active"), "It knows unknown, new, inProgress, resolved"),
        (lambda: GraphIncidentFilter(status="new"), "It knows active, inProgress, resolved, redirected"),
        (lambda: GraphAlertFilter(service_source="['a', 'b']"), "render_template_as_native_obj"),
    ],
)
def test_an_unknown_value_is_refused(make: type[object], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert text in str(caught.value)


def test_the_api_filters_by_what_it_can() -> None:
    filters = GraphAlertFilter(severity="low", category="Malware", service_source=["microsoftSentinel"])
    assert filters.odata() == "severity eq 'low' and serviceSource eq 'microsoftSentinel'"
    assert GraphAlertFilter(category="Malware").odata() is None


def test_records_are_compared_regardless_of_case_and_pass_if_unreadable() -> None:
    filters = GraphAlertFilter(service_source="microsoftSentinel")
    seen: dict[str, set[str]] = {}
    records = [
        b'{"serviceSource": "MicrosoftSentinel"}',
        b'{"servicesource": "microsoftSentinel"}',
        b'{"serviceSource": "microsoftDefenderForIdentity"}',
        b'{"serviceSource": null}',
        b"broken",
    ]
    passed = filters.wanted([msgspec.Raw(record) for record in records], seen)
    assert passed == [True, True, False, True, True]
    assert "microsoftDefenderForIdentity" in seen["serviceSource"]


def test_a_misspelt_product_is_suspected() -> None:
    filters = GraphAlertFilter(service_source=["microsoftDefenderForIdentiti", "microsoftSentinel"])
    [warning] = filters.warnings({})
    assert "did you mean 'microsoftDefenderForIdentity'" in warning
    assert filters.warnings({"serviceSource": ["microsoftDefenderForIdentiti"]}) == []
