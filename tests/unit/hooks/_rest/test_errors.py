from __future__ import annotations

import pytest

from airflow_provider_defender.exceptions import CredentialError, PermissionMissing, RequestRefused
from airflow_provider_defender.hooks._endpoint.api import ENDPOINT_API
from airflow_provider_defender.hooks._rest.client import read_error
from airflow_provider_defender.hooks._rest.errors import ApiError, ErrorRule, find_rule, is_outage


def _rule(status: int, error: ApiError | None) -> ErrorRule:
    return find_rule(ENDPOINT_API.name, ENDPOINT_API.errors, ENDPOINT_API.roles, status, error)


def _forbidden(message: str) -> ApiError:
    return ApiError("Forbidden", message, "")


def test_a_missing_role_is_read_from_the_text() -> None:
    refusal = _rule(
        403,
        _forbidden(
            "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, "
            "application roles: Machine.Read.All."
        ),
    )
    assert refusal.error is PermissionMissing
    assert "lacks the role Alert.Read.All or Alert.ReadWrite.All:" in refusal.remedy


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error":{"code":"BadRequest","message":"x","target":null}}', RequestRefused),
        (400, b"<html>", RequestRefused),
        (401, b"", CredentialError),
        (403, b'{"error":{"code":"DisabledFeature","message":"x","target":"t"}}', PermissionMissing),
        (403, b"<html>blocked by the proxy</html>", RequestRefused),
        (404, b"{}", RequestRefused),
        (407, b"", CredentialError),
        (418, b'{"error":"x"}', RequestRefused),
    ],
)
def test_statuses_are_errors_with_a_remedy(status: int, body: bytes, error: type[Exception]) -> None:
    refusal = _rule(status, read_error(body))
    assert refusal.error is error
    assert refusal.remedy


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (410, ""),
        (404, "This API has been retired."),
        (400, "The Defender for Endpoint API is deprecated. Use Microsoft Graph."),
        (403, "The API reached end of support on 2027-02-01"),
    ],
)
def test_the_end_of_the_endpoint_api_is_told(status: int, message: str) -> None:
    refusal = _rule(status, ApiError("Gone", message, ""))
    assert refusal.error is RequestRefused
    assert "Microsoft has retired it" in refusal.remedy
    assert "docs/move_to_graph.md" in refusal.remedy
    assert "docs/move_to_graph.md" in _rule(404, None).remedy


def test_error_bodies_are_read_or_nothing() -> None:
    body = b'{"error":{"code":"429","message":"quota","target":"guid"},"more":1}'
    assert read_error(body) == ApiError("429", "quota", "guid")
    for name in ("innerError", "innererror"):
        inner = f'{{"error":{{"code":"c","message":"m","{name}":{{"request-id":"r-1"}}}}}}'
        assert read_error(inner.encode()) == ApiError("c", "m", "r-1")
    assert read_error(b'{"error":{"code":"429"}}') == ApiError("429", "", "")
    for other in (b"", b"[]", b'{"error":"x"}', b'{"error":{"code":3}}', b'\xff\xfe{"error":{}}'):
        assert read_error(other) is None


def test_outages() -> None:
    assert [status for status in (400, 403, 404, 408, 409, 429, 500, 502, 503, 599) if is_outage(status)] == [
        408,
        500,
        502,
        503,
        599,
    ]
