"""Entra ID and IMDS, asked by msal with every kind of credential, and by plain requests."""

from __future__ import annotations

import base64

import jwt
import msal
import pytest
import requests

from airflow_provider_defender.simulator import KeyPair

MDE = "https://api.securitycenter.microsoft.com"


def codes(reply):
    body = reply if isinstance(reply, dict) else reply.json()
    assert {"error", "error_description", "error_codes", "correlation_id"} <= body.keys()
    return body["error_codes"]


def roles(token):
    return jwt.decode(token, options={"verify_signature": False}).get("roles")


# -- each credential kind, by msal


def test_secret(simulator, msal_token, client):
    reply = msal_token(simulator.client_secret)
    assert reply["token_type"] == "Bearer"
    assert reply["expires_in"] == 3599
    assert client.get(token=reply["access_token"]).status_code == 200


def test_certificate_by_thumbprint(simulator, msal_token):
    pair = simulator.apps["reader"].add_certificate()
    credential = {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint}
    assert "access_token" in msal_token(credential)


def test_certificate_by_sha256_thumbprint_and_ps256(simulator, msal_token):
    pair = simulator.apps["reader"].add_certificate()
    credential = {"private_key": pair.private_key_pem, "public_certificate": pair.certificate_pem}
    assert "access_token" in msal_token(credential)


def test_certificate_with_encrypted_key(simulator, msal_token):
    pair = simulator.apps["reader"].add_certificate()
    credential = {
        "private_key": pair.encrypted_private_key_pem("open sesame"),
        "passphrase": "open sesame",
        "thumbprint": pair.thumbprint,
    }
    assert "access_token" in msal_token(credential)


def test_certificate_from_pfx(simulator, msal_token, tmp_path):
    pair = simulator.apps["reader"].add_certificate()
    path = tmp_path / "app.pfx"
    path.write_bytes(pair.pfx("open sesame"))
    credential = {"private_key_pfx_path": str(path), "passphrase": "open sesame", "public_certificate": True}
    assert "access_token" in msal_token(credential)


def test_certificate_by_subject_name_and_issuer(simulator, msal_token):
    """A certificate that is not registered itself is trusted by its chain, and only with its chain."""
    pair = simulator.apps["reader"].add_trusted_subject()
    chained = {"private_key": pair.private_key_pem, "public_certificate": pair.certificate_pem}
    assert "access_token" in msal_token(chained)
    alone = {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint}
    assert codes(msal_token(alone)) == [700027]


def test_certificate_of_another_authority_is_refused(simulator, msal_token):
    simulator.apps["reader"].add_trusted_subject()
    stranger = KeyPair.create("reader", KeyPair.create("reader authority"))
    credential = {"private_key": stranger.private_key_pem, "public_certificate": stranger.certificate_pem}
    assert codes(msal_token(credential)) == [700027]


def test_unregistered_certificate_is_refused(simulator, msal_token):
    stranger = KeyPair.create("stranger")
    credential = {"private_key": stranger.private_key_pem, "thumbprint": stranger.thumbprint}
    assert codes(msal_token(credential)) == [700027]


def test_registered_thumbprint_with_another_key_is_refused(simulator, msal_token):
    pair, stranger = simulator.apps["reader"].add_certificate(), KeyPair.create("stranger")
    credential = {"private_key": stranger.private_key_pem, "thumbprint": pair.thumbprint}
    assert codes(msal_token(credential)) == [700027]


def test_federated_token(simulator, msal_token):
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
def test_federated_token_that_does_not_match(simulator, msal_token, options, code):
    options = {"subject": "system:serviceaccount:airflow:worker", **options}
    token = simulator.apps.issuer.token(options.pop("subject"), **options)
    assert codes(msal_token({"client_assertion": lambda: token}, app="workload")) == [code]


def test_federated_token_must_be_signed_by_its_issuer(simulator, msal_token):
    claims = jwt.decode(
        simulator.apps.issuer.token("system:serviceaccount:airflow:worker"),
        options={"verify_signature": False},
    )
    forged = jwt.encode(claims, KeyPair.create("forger").key, algorithm="RS256")
    reply = msal_token({"client_assertion": lambda: forged}, app="workload")
    assert "access_token" not in reply
    assert reply["error_codes"]


def test_assertion_for_another_audience_is_refused(simulator, client):
    pair = simulator.apps["reader"].add_certificate()
    client_id = simulator.client_id
    claims = {"iss": client_id, "sub": client_id, "aud": "https://elsewhere.example/token", "exp": 2**33}
    assertion = jwt.encode(claims, pair.key, algorithm="RS256", headers={"x5t": _x5t(pair)})
    reply = _assert(client, assertion)
    assert (reply.status_code, codes(reply)) == (401, [700023])


def test_assertion_that_has_run_out_is_refused(simulator, client):
    pair = simulator.apps["reader"].add_certificate()
    client_id = simulator.client_id
    audience = f"{simulator.url}/{simulator.tenant_id}/oauth2/v2.0/token"
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "exp": 1_000_000}
    assertion = jwt.encode(claims, pair.key, algorithm="RS256", headers={"x5t": _x5t(pair)})
    assert codes(_assert(client, assertion)) == [700024]


def _x5t(pair):
    return base64.urlsafe_b64encode(bytes.fromhex(pair.thumbprint)).rstrip(b"=").decode()


def _assert(client, assertion):
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return client.token_reply(client_secret=None, client_assertion_type=kind, client_assertion=assertion)


def test_managed_identity(simulator, client, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    identity = msal.SystemAssignedManagedIdentity()
    reply = msal.ManagedIdentityClient(identity, http_client=requests.Session()).acquire_token_for_client(
        resource=MDE
    )
    assert reply["expires_in"] == 86399
    assert client.get(token=reply["access_token"]).status_code == 200


@pytest.mark.parametrize("by", ["client_id", "object_id", "resource_id"])
def test_user_assigned_identity(simulator, client, monkeypatch, by):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    application = simulator.apps["assigned identity"]
    resource_id = next(iter(simulator.imds.assigned))
    value = {
        "client_id": application.client_id,
        "object_id": application.object_id,
        "resource_id": resource_id,
    }
    identity = msal.UserAssignedManagedIdentity(**{by: value[by]})
    token = msal.ManagedIdentityClient(identity, http_client=requests.Session()).acquire_token_for_client(
        resource=MDE
    )["access_token"]
    assert client.get(token=token).status_code == 200
    assert client.simulator.requests.all()[-1].client_id == application.client_id


@pytest.mark.parametrize(
    ("headers", "query", "status", "error"),
    [
        ({}, f"api-version=2018-02-01&resource={MDE}", 400, "invalid_request"),
        ({"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}, f"api-version=1&resource={MDE}", 400, None),
        ({"Metadata": "true"}, f"resource={MDE}", 400, "invalid_request"),
        ({"Metadata": "true"}, "api-version=2018-02-01", 400, "invalid_request"),
        ({"Metadata": "true"}, f"api-version=1&resource={MDE}&client_id=nobody", 400, "invalid_request"),
        ({"Metadata": "true"}, "api-version=1&resource=https://nope.example", 400, "invalid_resource"),
    ],
)
def test_imds_refusals(simulator, headers, query, status, error):
    url = f"{simulator.imds_url}/metadata/identity/oauth2/token?{query}"
    reply = requests.get(url, headers=headers, timeout=30)
    assert reply.status_code == status
    assert error is None or reply.json()["error"] == error


def test_the_plain_port_serves_nothing_else(simulator):
    assert requests.get(f"{simulator.imds_url}/api/alerts", timeout=30).status_code == 404
    token = f"{simulator.imds_url}/{simulator.tenant_id}/oauth2/v2.0/token"
    assert requests.post(token, data={}, timeout=30).status_code == 404


# -- what can be wrong


@pytest.mark.parametrize(
    ("app", "form", "status", "code"),
    [
        ("reader", {"client_secret": "wrong"}, 401, 7000215),
        ("reader", {"client_secret": None}, 401, 7000216),
        ("expired secret", {}, 401, 7000222),
        ("disabled", {}, 401, 7000112),
        ("reader", {"client_id": "00001111-aaaa-2222-bbbb-3333cccc4444"}, 400, 700016),
        ("reader", {"scope": f"{MDE}/Alert.Read.All"}, 400, 1002012),
        ("reader", {"scope": "https://api.example/.default"}, 400, 500011),
        ("reader", {"scope": f"{MDE}/.default https://graph.microsoft.com/.default"}, 400, 700022),
        ("reader", {"scope": "openid"}, 400, 70011),
        ("reader", {"scope": None}, 400, 900144),
        ("reader", {"grant_type": None}, 400, 900144),
        ("reader", {"grant_type": "password"}, 400, 70003),
        ("reader", {"tenant": "nope.onmicrosoft.com"}, 400, 90002),
        ("reader", {"tenant": "00001111-aaaa-2222-bbbb-3333cccc4444"}, 400, 90002),
        ("reader", {"tenant": "not a tenant"}, 400, 900023),
    ],
)
def test_token_errors(client, app, form, status, code):
    reply = client.token_reply(app=app, **form)
    assert reply.status_code == status
    assert codes(reply) == [code]
    text = reply.json()["error_description"]
    assert text.startswith(f"AADSTS{code}: ")
    assert "\r\nTrace ID: " in text
    assert "\r\nTimestamp: " in text
    assert "<" not in text  # every gap of the text is filled
    assert reply.json()["error_uri"].endswith(f"code={code}")


def test_basic_authentication(simulator, client):
    form = {"client_id": None, "client_secret": None}
    good = client.token_reply(auth=(simulator.client_id, simulator.client_secret), **form)
    assert good.status_code == 200
    assert codes(client.token_reply(auth=(simulator.client_id, "wrong"), **form)) == [7000215]


def test_correlation_id_of_the_client_comes_back(simulator, client):
    url = f"{simulator.url}/{simulator.tenant_id}/oauth2/v2.0/token"
    reply = client.session.post(url, data={}, headers={"client-request-id": "abc"}, timeout=30)
    assert reply.json()["correlation_id"] == "abc"


def test_the_second_secret_works_beside_the_first(simulator, client):
    first = simulator.client_secret
    second = simulator.apps["reader"].add_secret()
    assert client.token_reply(client_secret=first).status_code == 200
    assert client.token_reply(client_secret=second).status_code == 200


# -- discovery and tokens


@pytest.mark.parametrize("infix", ["", "/v2.0"])
@pytest.mark.parametrize("named", ["id", "domain"])
def test_openid_configuration(simulator, client, infix, named):
    name = simulator.tenant_id if named == "id" else simulator.tenant.domain
    url = f"{simulator.url}/{name}{infix}/.well-known/openid-configuration"
    body = client.session.get(url, timeout=30).json()
    assert body["issuer"] == f"{simulator.url}/{simulator.tenant_id}/v2.0"
    assert body["token_endpoint"] == f"{simulator.url}/{simulator.tenant_id}/oauth2/v2.0/token"
    assert body["authorization_endpoint"]


def test_a_client_that_came_by_another_name_is_led_on_by_it(simulator, msal_token, client):
    url = simulator.url.replace("127.0.0.1", "localhost")
    pair = simulator.apps["reader"].add_certificate()
    credential = {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint}
    reply = msal_token(credential, authority=f"{url}/{simulator.tenant_id}")
    simulator.tenant.add_alerts(6)
    page = client.get(f"{url}/api/alerts", token=reply["access_token"]).json()
    assert page["@odata.nextLink"].startswith(f"{url}/api/alerts?")


def test_unknown_tenant_fails_in_msal_constructor(simulator, msal_token):
    with pytest.raises(ValueError, match=r"(?i)tenant|authority"):
        msal_token("x", authority=f"{simulator.url}/00001111-aaaa-2222-bbbb-3333cccc4444")


def test_oidc_authority(simulator):
    session = requests.Session()
    session.trust_env, session.verify = False, simulator.ca_bundle
    application = msal.ConfidentialClientApplication(
        simulator.client_id,
        oidc_authority=f"{simulator.url}/{simulator.tenant_id}/v2.0",
        client_credential=simulator.client_secret,
        http_client=session,
    )
    assert "access_token" in application.acquire_token_for_client([f"{MDE}/.default"])


def test_instance_discovery(simulator, client):
    url = f"{simulator.url}/common/discovery/instance"
    endpoint = f"https://127.0.0.1/{simulator.tenant_id}/oauth2/v2.0/authorize"
    known = client.session.get(url, params={"authorization_endpoint": endpoint}, timeout=30).json()
    assert client.session.get(known["tenant_discovery_endpoint"], timeout=30).status_code == 200
    foreign = {"authorization_endpoint": "https://login.evil.example/x/oauth2/v2.0/authorize"}
    refused = client.session.get(url, params=foreign, timeout=30)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_instance")


def test_tokens_verify_against_the_published_keys(simulator, client):
    url = f"{simulator.url}/{simulator.tenant_id}/discovery/v2.0/keys"
    keys = jwt.PyJWKSet.from_dict(client.session.get(url, timeout=30).json())
    key = keys[jwt.get_unverified_header(client.token)["kid"]]
    claims = jwt.decode(client.token, key.key, algorithms=["RS256"], audience=MDE)
    assert claims["tid"] == simulator.tenant_id
    assert claims["appid"] == simulator.client_id
    assert claims["roles"] == ["Alert.Read.All"]


def test_roles_are_those_of_the_resource(client):
    graph = client.token_reply(scope="https://graph.microsoft.com/.default").json()["access_token"]
    assert roles(graph) == ["SecurityAlert.Read.All", "SecurityIncident.Read.All"]
    hub = client.token_reply(scope="https://ns.servicebus.windows.net/.default").json()["access_token"]
    assert roles(hub) is None


@pytest.mark.parametrize("host", ["ns.servicebus.windows.net", "localhost", "localhost:9093", "127.0.0.1"])
def test_tokens_for_a_namespace(simulator, client, host):
    reply = client.token_reply(scope=f"https://{host}/.default")
    claims = jwt.decode(reply.json()["access_token"], options={"verify_signature": False})
    assert claims["aud"] == f"https://{host}"


def test_a_namespace_of_ones_own_must_be_registered(simulator, client):
    assert codes(client.token_reply(scope="https://kafka.example/.default")) == [500011]
    simulator.apps.add_namespace("kafka.example")
    assert client.token_reply(scope="https://kafka.example/.default").status_code == 200


def test_token_without_role_is_issued(client):
    assert roles(client.new_token("no role")) is None


def test_lifetime_and_refresh_in(simulator, client):
    simulator.entra.token_seconds, simulator.entra.refresh_in = 200, 100
    body = client.token_reply().json()
    assert (body["expires_in"], body["refresh_in"]) == (200, 100)
    simulator.apps["reader"].token_seconds = 60
    assert client.token_reply().json()["expires_in"] == 60
