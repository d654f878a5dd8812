"""Each kind of credential, by msal."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from airflow_provider_defender.simulator import KeyPair, Simulator
from tests.unit.simulator.answers import codes
from tests.unit.simulator.conftest import AskToken, Client


def test_secret(simulator: Simulator, msal_token: AskToken, client: Client) -> None:
    reply = msal_token(simulator.client_secret)
    assert reply["token_type"] == "Bearer"
    assert reply["expires_in"] == 3599
    assert client.get(token=reply["access_token"]).status_code == 200


def test_certificate_by_thumbprint(simulator: Simulator, msal_token: AskToken) -> None:
    pair = simulator.apps["reader"].add_certificate()
    credential = {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint}
    assert "access_token" in msal_token(credential)


def test_certificate_by_sha256_thumbprint_and_ps256(simulator: Simulator, msal_token: AskToken) -> None:
    pair = simulator.apps["reader"].add_certificate()
    credential = {"private_key": pair.private_key_pem, "public_certificate": pair.certificate_pem}
    assert "access_token" in msal_token(credential)


def test_certificate_with_encrypted_key(simulator: Simulator, msal_token: AskToken) -> None:
    pair = simulator.apps["reader"].add_certificate()
    credential = {
        "private_key": pair.encrypted_private_key_pem("open sesame"),
        "passphrase": "open sesame",
        "thumbprint": pair.thumbprint,
    }
    assert "access_token" in msal_token(credential)


def test_certificate_from_pfx(simulator: Simulator, msal_token: AskToken, tmp_path: Path) -> None:
    pair = simulator.apps["reader"].add_certificate()
    path = tmp_path / "app.pfx"
    path.write_bytes(pair.pfx("open sesame"))
    credential = {"private_key_pfx_path": str(path), "passphrase": "open sesame", "public_certificate": True}
    assert "access_token" in msal_token(credential)


def test_certificate_by_subject_name_and_issuer(simulator: Simulator, msal_token: AskToken) -> None:
    """A certificate that is not registered itself is trusted by its chain, and only with its chain."""
    pair = simulator.apps["reader"].add_trusted_subject()
    chained = {"private_key": pair.private_key_pem, "public_certificate": pair.certificate_pem}
    assert "access_token" in msal_token(chained)
    alone = {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint}
    assert codes(msal_token(alone)) == [700027]


def test_certificate_of_another_authority_is_refused(simulator: Simulator, msal_token: AskToken) -> None:
    simulator.apps["reader"].add_trusted_subject()
    stranger = KeyPair.create("reader", KeyPair.create("reader authority"))
    credential = {"private_key": stranger.private_key_pem, "public_certificate": stranger.certificate_pem}
    assert codes(msal_token(credential)) == [700027]


def test_unregistered_certificate_is_refused(simulator: Simulator, msal_token: AskToken) -> None:
    stranger = KeyPair.create("stranger")
    credential = {"private_key": stranger.private_key_pem, "thumbprint": stranger.thumbprint}
    assert codes(msal_token(credential)) == [700027]


def test_registered_thumbprint_with_another_key_is_refused(
    simulator: Simulator, msal_token: AskToken
) -> None:
    pair, stranger = simulator.apps["reader"].add_certificate(), KeyPair.create("stranger")
    credential = {"private_key": stranger.private_key_pem, "thumbprint": pair.thumbprint}
    assert codes(msal_token(credential)) == [700027]


def test_federated_token(simulator: Simulator, msal_token: AskToken) -> None:
    subject = "system:serviceaccount:airflow:worker"
    issuer = simulator.apps.issuer
    assert "access_token" in msal_token({"client_assertion": lambda: issuer.token(subject)}, app="workload")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"subject": "system:serviceaccount:airflow:Worker"}, 700213),
        ({"issuer": "https://elsewhere.example/"}, 700211),
        ({"audience": "https://graph.microsoft.com"}, 700212),
        ({"lifetime": -3600}, 700024),
    ],
)
def test_federated_token_that_does_not_match(
    simulator: Simulator, msal_token: AskToken, options: dict[str, Any], code: int
) -> None:
    options = {"subject": "system:serviceaccount:airflow:worker", **options}
    token = simulator.apps.issuer.token(options.pop("subject"), **options)
    assert codes(msal_token({"client_assertion": lambda: token}, app="workload")) == [code]


def test_federated_token_must_be_signed_by_its_issuer(simulator: Simulator, msal_token: AskToken) -> None:
    claims = jwt.decode(
        simulator.apps.issuer.token("system:serviceaccount:airflow:worker"),
        options={"verify_signature": False},
    )
    forged = jwt.encode(claims, KeyPair.create("forger").key, algorithm="RS256")
    reply = msal_token({"client_assertion": lambda: forged}, app="workload")
    assert "access_token" not in reply
    assert reply["error_codes"]


def test_assertion_for_another_audience_is_refused(simulator: Simulator, client: Client) -> None:
    pair = simulator.apps["reader"].add_certificate()
    client_id = simulator.client_id
    claims = {"iss": client_id, "sub": client_id, "aud": "https://elsewhere.example/token", "exp": 2**33}
    assertion = jwt.encode(claims, pair.key, algorithm="RS256", headers={"x5t": _x5t(pair)})
    reply = _assert(client, assertion)
    assert (reply.status_code, codes(reply)) == (401, [700023])


def test_assertion_that_has_run_out_is_refused(simulator: Simulator, client: Client) -> None:
    pair = simulator.apps["reader"].add_certificate()
    client_id = simulator.client_id
    audience = f"{simulator.url}/{simulator.tenant_id}/oauth2/v2.0/token"
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "exp": 1_000_000}
    assertion = jwt.encode(claims, pair.key, algorithm="RS256", headers={"x5t": _x5t(pair)})
    assert codes(_assert(client, assertion)) == [700024]


def _x5t(pair: KeyPair) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(pair.thumbprint)).rstrip(b"=").decode()


def _assert(client: Client, assertion: str) -> requests.Response:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return client.token_reply(client_secret=None, client_assertion_type=kind, client_assertion=assertion)
