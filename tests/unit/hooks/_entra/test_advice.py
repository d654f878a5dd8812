from __future__ import annotations

import pytest

from airflow_provider_defender.hooks._entra.advice import ADVICE, Outcome, advice_for


def test_every_advice_says_what_is_wrong_and_what_to_do() -> None:
    for advice in ADVICE.values():
        assert advice.meaning
        assert advice.remedy
        assert not advice.remedy.endswith(".")


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
