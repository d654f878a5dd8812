"""Every kind of credential, and everything that can go wrong with it, against the simulator."""

from __future__ import annotations

import html
import json
import socket
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    FailNow,
    HostUnreachable,
    ServiceUnavailable,
    Throttled,
    UnexpectedHost,
)
from airflow_provider_defender.hooks import EntraIdHook
from airflow_provider_defender.simulator import TOKEN, Simulator
from tests.unit.hooks.conftest import SCOPE, Connect, Watch

_CONFIGURATION = "/*/openid-configuration"


@pytest.fixture
def hook(connect: Connect, watch: Watch) -> EntraIdHook:
    return EntraIdHook(connect("entra_id_default"), sleep=watch.sleep)


def failure(watch: Watch, hook: EntraIdHook, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        hook.get_token(SCOPE)
    message = str(caught.value)
    watch.shown.append(message)
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return message


def token_requests(simulator: Simulator) -> int:
    return len(simulator.requests.to("/oauth2/v2.0/token"))


# -- tokens


def test_a_secret_gets_a_token(hook: EntraIdHook, watch: Watch, simulator: Simulator) -> None:
    token = hook.get_token(SCOPE)
    assert token.roles == ("Alert.Read.All",)
    assert token.claims["tid"] == simulator.tenant_id == hook.tenant_id
    left = token.expires_at - datetime.now(timezone.utc)
    assert timedelta(minutes=50) < left < timedelta(minutes=91)
    assert token.value not in repr(token)
    assert token.value in watch.masked
    assert simulator.client_secret in watch.masked


def test_msals_cache_decides(hook: EntraIdHook, simulator: Simulator) -> None:
    assert hook.get_token(SCOPE).value == hook.get_token(SCOPE).value
    assert token_requests(simulator) == 1
    hook.get_token("https://graph.microsoft.com/.default")
    assert token_requests(simulator) == 2


def test_a_token_about_to_expire_is_not_used_again(hook: EntraIdHook, simulator: Simulator) -> None:
    simulator.apps["reader"].token_seconds = 200
    hook.get_token(SCOPE)
    hook.get_token(SCOPE)
    assert token_requests(simulator) == 2


def test_nothing_is_sent_before_the_first_token(connect: Connect, simulator: Simulator) -> None:
    hook = EntraIdHook(connect("entra_id_default"))
    assert hook.tenant_id
    assert len(simulator.requests) == 0


def _certificate_fields(kind: str, simulator: Simulator, folder: Path) -> dict[str, Any]:
    reader = simulator.apps["reader"]
    pair = reader.add_trusted_subject() if kind.startswith("SN/I") else reader.add_certificate()
    pem, pfx = folder / "key.pem", folder / "key.pfx"
    pem.write_text(pair.encrypted_private_key_pem("open sesame") + pair.certificate_pem)
    pfx.write_bytes(pair.pfx("open sesame"))
    passphrase = {"private_key_passphrase": "open sesame"}
    chain = {"send_certificate_chain": True}
    fields: dict[str, dict[str, Any]] = {
        "thumbprint": {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint},
        "certificate": {"private_key": pair.private_key_pem, "certificate": pair.certificate_pem},
        "PEM file": {"private_key_path": str(pem), **passphrase},
        "PFX file": {"private_key_path": str(pfx), **passphrase},
        "SN/I PEM": {"private_key": pair.private_key_pem, "certificate": pair.certificate_pem, **chain},
        "SN/I PFX": {"private_key_path": str(pfx), **passphrase, **chain},
    }
    return fields[kind]


@pytest.mark.parametrize(
    "kind", ["thumbprint", "certificate", "PEM file", "PFX file", "SN/I PEM", "SN/I PFX"]
)
def test_a_certificate_gets_a_token(
    kind: str, connect: Connect, simulator: Simulator, watch: Watch, tmp_path: Path
) -> None:
    fields = _certificate_fields(kind, simulator, tmp_path)
    hook = EntraIdHook(connect("entra_id_cert", password=None, credential="certificate", **fields))
    assert hook.get_token(SCOPE).roles == ("Alert.Read.All",)
    for name in ("private_key", "private_key_passphrase"):
        assert fields.get(name, "").strip() in ["", *watch.masked]


def test_a_certificate_by_subject_name_needs_its_chain(
    connect: Connect, simulator: Simulator, watch: Watch, tmp_path: Path
) -> None:
    fields = _certificate_fields("SN/I PEM", simulator, tmp_path) | {"send_certificate_chain": False}
    connect("entra_id_cert", password=None, credential="certificate", **fields)
    message = failure(watch, EntraIdHook("entra_id_cert"), CredentialError)
    assert "AADSTS700027" in message


def test_a_certificate_that_is_not_registered(connect: Connect, simulator: Simulator, watch: Watch) -> None:
    pair = simulator.apps["no role"].add_certificate()
    key = {"private_key": pair.private_key_pem, "thumbprint": pair.thumbprint}
    connect("entra_id_cert", password=None, credential="certificate", **key)
    message = failure(watch, EntraIdHook("entra_id_cert", sleep=watch.sleep), CredentialError)
    assert "the certificate is not registered with the application" in message
    assert watch.waits == []


# -- managed identity


@pytest.fixture
def machine(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Azure machine whose administrator trusts the simulator."""
    for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    monkeypatch.setenv("AIRFLOW__DEFENDER__TRUSTED_HOSTS", simulator.url.removeprefix("https://"))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("identity", ["system identity", "assigned identity"])
def test_a_managed_identity_gets_a_token(identity: str, connect: Connect, simulator: Simulator) -> None:
    login = simulator.apps[identity].client_id if identity == "assigned identity" else None
    connect("entra_id_mi", login=login, password=None, credential="managed_identity")
    hook = EntraIdHook("entra_id_mi")
    token = hook.get_token(SCOPE)
    assert token.claims["appid"] == simulator.apps[identity].client_id
    assert hook.get_token(SCOPE).value == token.value
    assert [request.path for request in simulator.requests.all()] == ["/metadata/identity/oauth2/token"]


@pytest.mark.usefixtures("machine")
def test_the_machines_endpoint_is_asked_without_the_proxy(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    connect("entra_id_mi", login=None, credential="managed_identity", proxy="http://127.0.0.1:9")
    assert EntraIdHook("entra_id_mi").get_token(SCOPE)


@pytest.mark.usefixtures("machine")
def test_an_identity_the_machine_does_not_have(connect: Connect, watch: Watch) -> None:
    connect("entra_id_mi", login="00000000-0000-0000-0000-000000000000", credential="managed_identity")
    message = failure(watch, EntraIdHook("entra_id_mi"), CredentialError)
    assert "Identity not found" in message
    assert "Assign the identity" in message


@pytest.mark.usefixtures("machine")
def test_an_identity_of_another_tenant(connect: Connect, watch: Watch) -> None:
    other = "00000000-0000-0000-0000-000000000000"
    connect("entra_id_mi", login=None, credential="managed_identity", tenant_id=other)
    message = failure(watch, EntraIdHook("entra_id_mi"), CredentialError)
    assert f"the connection's tenant_id is {other}" in message


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
def test_the_machines_endpoint_may_be_away_for_a_moment(
    status: int, connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.status(status, "{}", path="/metadata/*", times=2)
    connect("entra_id_mi", login=None, credential="managed_identity")
    assert EntraIdHook("entra_id_mi", sleep=watch.sleep).get_token(SCOPE)
    assert len(watch.waits) == 2


@pytest.mark.usefixtures("machine")
def test_a_machine_without_identities(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    connect("entra_id_mi", login=None, credential="managed_identity")
    message = failure(watch, EntraIdHook("entra_id_mi", sleep=watch.sleep), HostUnreachable)
    assert "the managed identity endpoint of this machine" in message
    assert 0 < sum(watch.waits) <= 10


# -- workload identity

_SUBJECT = "system:serviceaccount:airflow:worker"


@pytest.fixture
def token_file(
    simulator: Simulator, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The file of a pod; `entra_id_pod` is a connection that uses it by the pod's environment."""
    path = tmp_path / "token"
    path.write_text(simulator.apps.issuer.token(_SUBJECT) + "\n")
    monkeypatch.setenv("AZURE_CLIENT_ID", simulator.apps["workload"].client_id)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(path))
    monkeypatch.setenv("AIRFLOW__DEFENDER__TRUSTED_HOSTS", simulator.url.removeprefix("https://"))
    connect("entra_id_pod", login=None, password=None, credential="workload_identity")
    return path


def test_a_workload_identity_gets_a_token_by_its_file(token_file: Path, watch: Watch) -> None:
    hook = EntraIdHook("entra_id_pod", sleep=watch.sleep)
    assert hook.get_token(SCOPE).roles == ("Alert.Read.All",)
    assert token_file.read_text().strip() in watch.masked


def test_the_file_is_read_for_each_request(token_file: Path, simulator: Simulator, watch: Watch) -> None:
    simulator.apps["workload"].token_seconds = 200
    hook = EntraIdHook("entra_id_pod", sleep=watch.sleep)
    hook.get_token(SCOPE)
    token_file.write_text(simulator.apps.issuer.token(_SUBJECT, lifetime=-3600))
    message = failure(watch, hook, CredentialError)
    assert "AADSTS700024" in message
    assert token_requests(simulator) == 3  # the stale one is tried with the file read again, once
    assert watch.waits == []
    token_file.write_text(simulator.apps.issuer.token(_SUBJECT))
    assert hook.get_token(SCOPE)


def test_a_file_renewed_meanwhile_heals(
    token_file: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [
        simulator.apps.issuer.token(_SUBJECT, lifetime=-3600),
        simulator.apps.issuer.token(_SUBJECT),
    ]
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: tokens.pop(0))
    assert EntraIdHook("entra_id_pod").get_token(SCOPE)
    assert tokens == []


def test_a_subject_that_is_not_trusted_is_shown(token_file: Path, simulator: Simulator, watch: Watch) -> None:
    token_file.write_text(simulator.apps.issuer.token("system:serviceaccount:Airflow:worker"))
    message = failure(watch, EntraIdHook("entra_id_pod"), CredentialError)
    assert "system:serviceaccount:Airflow:worker" in message
    assert "upper and lower case" in message


@pytest.mark.parametrize("content", ["root:x:0:0:root:/root:/bin/bash\n", "", "a.b", "\xff"])
def test_nothing_but_a_token_leaves_the_machine(
    content: str, token_file: Path, simulator: Simulator, watch: Watch
) -> None:
    token_file.write_bytes(content.encode("latin-1"))
    message = failure(watch, EntraIdHook("entra_id_pod"), ConfigurationError)
    assert str(token_file) in message
    assert "root:" not in message
    assert token_requests(simulator) == 0


# -- refusals: at once, one line, what to do


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"password": "wrong-secret-value"},
            "AADSTS7000215: the client secret is wrong; put the secret's value",
        ),
        ({"login": "00000000-0000-0000-0000-000000000000"}, "AADSTS700016: the application does not exist"),
        ({"tenant_id": "00000000-0000-0000-0000-000000000000"}, "AADSTS90002: the tenant does not exist"),
    ],
)
def test_what_is_wrong_fails_at_once(
    changes: dict[str, str], text: str, connect: Connect, watch: Watch
) -> None:
    watch.secrets.append(changes.get("password", "wrong-secret-value"))
    hook = EntraIdHook(connect("entra_id_default", **changes), sleep=watch.sleep)
    message = failure(watch, hook, CredentialError)
    assert text in message
    assert "correlation ID" in message
    assert message.startswith("Connection 'entra_id_default': ")
    assert watch.waits == []


def test_an_expired_secret_fails_at_once(connect: Connect, simulator: Simulator, watch: Watch) -> None:
    app = simulator.apps["expired secret"]
    connect("entra_id_default", login=app.client_id, password=app.client_secret)
    message = failure(watch, EntraIdHook(sleep=watch.sleep), CredentialError)
    assert "AADSTS7000222: the client secret has expired; create a new one" in message
    assert watch.waits == []


@pytest.mark.parametrize("code", [90038, 900382, 900432])
def test_the_wrong_cloud_fails_at_once(
    code: int, hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.aadsts(code)
    message = failure(watch, hook, CredentialError)
    assert "the tenant lives in another national cloud; check cloud" in message
    assert watch.waits == []


def test_an_authority_that_sends_us_to_another_host_is_not_followed(
    hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    """For a tenant of the US Government cloud, the public authority names that cloud's token endpoint."""
    other = f"https://login.microsoftonline.us/{simulator.tenant_id}/oauth2/v2.0"
    body = f'{{"token_endpoint": "{other}/token", "authorization_endpoint": "{other}/authorize"}}'
    simulator.faults.status(200, body, path=_CONFIGURATION)
    message = failure(watch, hook, UnexpectedHost)
    assert "sends us to login.microsoftonline.us" in message
    assert "check cloud" in message


@pytest.mark.parametrize("path", [_CONFIGURATION, TOKEN])
def test_a_redirect_is_not_followed(path: str, hook: EntraIdHook, simulator: Simulator, watch: Watch) -> None:
    simulator.faults.status(307, "", {"Location": f"{simulator.url}/elsewhere"}, path=path)
    message = failure(watch, hook, UnexpectedHost)
    assert "redirects to 127.0.0.1" in message
    assert simulator.requests.to("elsewhere") == []


def test_a_server_that_repeats_the_secret_does_not_get_it_logged(
    hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    body = f'{{"error": "odd", "error_description": "you sent {simulator.client_secret}"}}'
    simulator.faults.status(400, body, path=TOKEN)
    message = failure(watch, hook, CredentialError)
    assert "you sent ***" in message


@pytest.mark.parametrize(
    "form",
    [
        str,
        lambda secret: quote(secret, safe=""),
        quote_plus,
        lambda secret: json.dumps(secret)[1:-1],
        html.escape,
    ],
    ids=["raw", "url", "form", "json", "html"],
)
@pytest.mark.parametrize("body", ["<pre>POST client_secret={}&scope=y</pre>", "<pre>you sent {} here</pre>"])
def test_a_server_that_repeats_the_secret_in_another_form_does_not_get_it_logged(
    body: str, form: Callable[[str], str], connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    secret = 'Ab1~8Q+/=&%x<>"\\ü9Zk'
    hook = EntraIdHook(connect("entra_id_default", password=secret), sleep=watch.sleep)
    watch.secrets += [form(secret), form(secret)[-5:]]
    simulator.faults.status(400, body.format(form(secret)), path=TOKEN)
    assert "***" in failure(watch, hook, CredentialError)


_ISSUED = "eyJ0eXAiOiJKV1QifQ.eyJ0aWQiOiIxIn0.c2lnbmF0dXJl"
_OPAQUE = "opaque-0a1b2c3d4e5f6a7b8c9d"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"access_token":"{_ISSUED}","expires_in":3599',
        f'{{"access_token":"{_ISSUED}","expires_in":3599}} trailing',
        f'{{"token_type":"Bearer","access_token":"{_OPAQUE}',
        f'{{"access_token":"{_OPAQUE}","expires_in":"soon"}}',
        f'{{"access_token" : "{_OPAQUE}","expires_in":[]}}',
        f'{{"AccessToken":"{_OPAQUE}"}}',
        f'[{{"access_token":"{_ISSUED}"}}]',
        f'"{_ISSUED}"',
        f"access_token={_OPAQUE}&expires_in=3599",
        f"<html>{_ISSUED}</html>",
    ],
)
def test_a_token_in_an_answer_that_cannot_be_read_is_not_shown(
    body: str, hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    """Nobody has masked it, and msal would log the whole answer."""
    watch.secrets += [_ISSUED, _OPAQUE]
    simulator.faults.status(200, body, path=TOKEN, times=None)
    message = failure(watch, hook, ServiceUnavailable)
    assert "HTTP 200" in message or "how long it is valid" in message
    simulator.faults.clear()
    assert hook.get_token(SCOPE)


def test_an_answer_nested_without_end_is_an_outage(
    hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.status(200, "[" * 100_000, path=TOKEN, times=2)
    assert hook.get_token(SCOPE)
    assert len(watch.waits) == 2


def test_a_refusal_is_not_remembered(hook: EntraIdHook, simulator: Simulator, watch: Watch) -> None:
    """Msal itself would replay a 400 for a minute without asking."""
    simulator.faults.aadsts(700016)
    failure(watch, hook, CredentialError)
    assert hook.get_token(SCOPE)


# -- what heals


@pytest.mark.parametrize("path", [_CONFIGURATION, TOKEN])
@pytest.mark.parametrize("fault", ["server_error", "html", "html 200", "reset", "cut", "truncated"])
def test_a_passing_fault_is_retried(
    fault: str, path: str, hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    name, _, status = fault.partition(" ")
    getattr(simulator.faults, name)(*([200] if status else []), path=path, times=2)
    assert hook.get_token(SCOPE)
    assert len(watch.waits) == 2


@pytest.mark.parametrize("code", [90006, 90024, 90033, 50000])
def test_a_passing_error_is_retried_within_bounds(
    code: int, hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.aadsts(code, times=None)
    message = failure(watch, hook, ServiceUnavailable)
    assert "in 8 tries" in message
    assert f"AADSTS{code}" in message
    assert token_requests(simulator) == 8


def test_a_throttle_is_airflows_when_it_is_long(
    hook: EntraIdHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.aadsts(90055)
    with pytest.raises(Throttled) as caught:
        hook.get_token(SCOPE)
    assert caught.value.retry_after == 60.0
    assert watch.waits == []


def test_a_short_throttle_is_waited_for(hook: EntraIdHook, simulator: Simulator, watch: Watch) -> None:
    simulator.faults.status(429, "{}", {"Retry-After": "7"}, path=TOKEN)
    assert hook.get_token(SCOPE)
    assert watch.waits == [7.0]


# -- first contact


def _closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"host": "no-such-host.invalid"}, "the host name has no address; check host, cloud, DNS and proxy"),
        ({"port": None, "host": "refused"}, "the connection was refused"),
        ({"ca_bundle": None}, "TLS certificate is not trusted"),
        ({"proxy": "http://refused"}, "the proxy refused or cannot be reached"),
        ({"host": "plain"}, "does not speak TLS"),
    ],
)
def test_a_host_that_cannot_be_reached_fails_within_seconds(
    changes: dict[str, Any], text: str, connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    if "refused" in str(changes):
        name = next(name for name, value in changes.items() if value and "refused" in value)
        changes = {**changes, name: changes[name].replace("refused", f"127.0.0.1:{_closed_port()}")}
    if changes.get("host") == "plain":
        changes = {"host": simulator.imds_url.removeprefix("http://"), "port": None}
    hook = EntraIdHook(connect("entra_id_default", **changes), sleep=watch.sleep)
    message = failure(watch, hook, HostUnreachable)
    assert text in message
    assert "Connection 'entra_id_default': cannot reach Entra ID at " in message
    assert " object at 0x" not in message
    may_be_restarting = "refused" in text
    assert (0 < sum(watch.waits) <= 10) if may_be_restarting else watch.waits == []


def test_a_host_that_was_reached_before_is_an_outage(
    hook: EntraIdHook, simulator: Simulator, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.apps["reader"].token_seconds = 200
    hook.get_token(SCOPE)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{_closed_port()}")
    message = failure(watch, hook, ServiceUnavailable)
    assert len(watch.waits) == 7
    assert "the proxy refused or cannot be reached" in message


def test_a_silent_host_ends_with_the_read_timeout(
    connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.silent(path=TOKEN)
    hook = EntraIdHook(connect("entra_id_default", read_timeout=0.2), sleep=watch.sleep)
    assert hook.get_token(SCOPE)
    assert len(watch.waits) == 1


# -- test connection


def test_the_test_says_for_whom_until_when_and_which_roles(hook: EntraIdHook, simulator: Simulator) -> None:
    good, message = hook.test_connection()
    assert good
    expected = (
        f"Got a token for application {simulator.client_id} in tenant {simulator.tenant_id} (custom cloud), "
        "valid until "
    )
    assert message.startswith(expected)
    assert message.endswith("UTC. Roles granted: Alert.Read.All.")


def test_the_test_misses_no_role_of_an_api_that_is_perhaps_not_used(
    connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    app = simulator.apps["other role"]
    connect("entra_id_default", login=app.client_id, password=app.client_secret)
    good, message = EntraIdHook().test_connection()
    watch.shown.append(message)
    assert good
    assert "Roles granted: Machine.Read.All." in message
    assert "missing" not in message


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"password": "wrong-secret-value"}, "the client secret is wrong"),
        ({"tenant_id": "contoso.onmicrosoft.com"}, "must be the tenant's GUID"),
        ({"host": "no-such-host.invalid"}, "the host name has no address"),
        ({"password": None}, "password is missing"),
    ],
)
def test_the_test_says_what_is_wrong(
    changes: dict[str, Any], text: str, connect: Connect, watch: Watch
) -> None:
    connect("entra_id_default", **changes)
    good, message = EntraIdHook().test_connection()
    watch.shown.append(message)
    assert not good
    assert text in message


def test_the_test_does_not_wait_for_a_silent_host(
    hook: EntraIdHook, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    monkeypatch.setattr("airflow_provider_defender.hooks._connection.button._LIMIT_SECONDS", 1.5)
    simulator.faults.silent(path=TOKEN, times=None)
    good, message = hook.test_connection()
    assert not good
    assert "no answer in time" in message
    assert watch.waits == []


def test_the_test_ends_even_when_a_name_server_hangs(
    hook: EntraIdHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    hang = threading.Event()
    monkeypatch.setattr("airflow_provider_defender.hooks._connection.button._LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(EntraIdHook, "_test", lambda *_: hang.wait(30))
    assert hook.test_connection() == (False, "No result within 0 s: check host and proxy.")
    hang.set()


def test_the_test_does_not_show_what_a_library_says(
    hook: EntraIdHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("with a secret inside")

    monkeypatch.setattr(EntraIdHook, "_test", broken)
    assert hook.test_connection() == (False, "The test ended with RuntimeError; see the log.")


def test_china_is_tested_by_graph() -> None:
    from airflow_provider_defender.clouds import CLOUDS

    assert CLOUDS["china"].defender.scope is None
    assert CLOUDS["china"].graph.scope == "https://microsoftgraph.chinacloudapi.cn/.default"


def test_errors_of_this_kind_are_not_retried_by_airflow() -> None:
    from airflow_provider_defender.compat import AirflowFailException

    for kind in (CredentialError, ConfigurationError, HostUnreachable, UnexpectedHost):
        assert issubclass(kind, FailNow)
        assert issubclass(kind, AirflowFailException)
    for passing in (ServiceUnavailable, Throttled):
        assert not issubclass(passing, AirflowFailException)
