from __future__ import annotations

import pytest

from airflow_provider_defender.exceptions import CredentialError, PermissionMissing, RequestRefused
from airflow_provider_defender.hooks._advice import ADVICE, Outcome, advice_for
from airflow_provider_defender.hooks._statuses import ApiError, is_outage, read_error, refusal_for


def test_every_advice_says_what_is_wrong_and_what_to_do() -> None:
    for advice in ADVICE.values():
        assert advice.meaning
        assert advice.cure
        assert not advice.cure.endswith(".")


@pytest.mark.parametrize("code", [7000215, 7000222, 700016, 90002, 500011, 700027, 53003, 900382])
def test_what_cannot_heal_is_not_retried(code: int) -> None:
    assert advice_for(400, "invalid_request", [code]).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("status", "error", "codes", "outcome"),
    [
        (401, "invalid_client", [700024], Outcome.NEW_ASSERTION),
        (400, "temporarily_unavailable", [90006], Outcome.RETRY),
        (429, "temporarily_unavailable", [90055], Outcome.THROTTLED),
        (429, "", [], Outcome.THROTTLED),
        (400, "invalid_grant", [50196], Outcome.THROTTLED),
        (400, "temporarily_unavailable", [], Outcome.RETRY),
        (503, "", [], Outcome.RETRY),
        (400, "something_new", [999], Outcome.FAIL),
        (403, "", [], Outcome.FAIL),
        (401, "invalid_client", [999, 7000222], Outcome.FAIL),
    ],
)
def test_the_number_decides_then_the_status(
    status: int, error: str, codes: list[int], outcome: Outcome
) -> None:
    assert advice_for(status, error, codes).outcome is outcome


def test_an_unknown_refusal_quotes_entra_id() -> None:
    assert advice_for(400, "something_new", [999]).quote


# -- the API


def _forbidden(message: str) -> ApiError:
    return ApiError("Forbidden", message, "")


def test_a_missing_role_is_read_from_the_text() -> None:
    refusal = refusal_for(
        403,
        _forbidden(
            "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, "
            "application roles: Machine.Read.All."
        ),
    )
    assert refusal.error is PermissionMissing
    assert "lacks the role Alert.Read.All or Alert.ReadWrite.All:" in refusal.cure


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
def test_statuses_are_errors_with_a_cure(status: int, body: bytes, error: type[Exception]) -> None:
    refusal = refusal_for(status, read_error(body))
    assert refusal.error is error
    assert refusal.cure


def test_error_bodies_are_read_or_nothing() -> None:
    body = b'{"error":{"code":"429","message":"quota","target":"guid"},"more":1}'
    assert read_error(body) == ApiError("429", "quota", "guid")
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
