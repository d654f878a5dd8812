from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender._connection_fields import CONNECTION_TYPES
from airflow_provider_defender.exceptions import ConfigurationError, FailNow, UnexpectedHost
from airflow_provider_defender.hooks._endpoint.api import ENDPOINT_API
from airflow_provider_defender.hooks._entra.credentials import (
    Certificate,
    ClientSecret,
    ManagedIdentity,
    WorkloadIdentity,
)
from airflow_provider_defender.hooks._entra.settings import entra_settings
from airflow_provider_defender.hooks._kafka.settings import event_hub_settings
from airflow_provider_defender.hooks._rest.settings import RestSettings, rest_settings

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OTHER_TENANT = "00000000-86f1-41af-91ab-2d7cd011db47"
CLIENT = "11111111-2222-3333-4444-55555555abcd"
OTHER_CLIENT = "22222222-2222-3333-4444-55555555abcd"
SECRET = "a-secret-that-nobody-sees"


@dataclass
class Conn:
    conn_id: str = "conn"
    host: str | None = None
    port: int | None = None
    login: str | None = CLIENT
    password: str | None = SECRET
    schema: str | None = None
    conn_type: str = ""
    extra_dejson: dict[str, Any] = field(default_factory=lambda: {"tenant_id": TENANT})

    @property
    def extra(self) -> str:
        return json.dumps(self.extra_dejson)


def conn(conn_id: str = "conn", **values: Any) -> Conn:
    standard = ("host", "port", "login", "password", "schema")
    fields = {name: values.pop(name) for name in standard if name in values}
    return Conn(conn_id, **fields, extra_dejson={"tenant_id": TENANT, **values})


def defender(connection: Conn, entra: Conn | None = None) -> RestSettings:
    return rest_settings(ENDPOINT_API, "defender", connection, {"entra": entra}.__getitem__)  # type: ignore[arg-type]


@pytest.fixture
def trusted_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DEFENDER__TRUSTED_HOSTS", "mine.example:8443, other.example:443")


# -- defaults


@pytest.mark.parametrize(
    ("cloud", "authority", "api", "scope"),
    [
        (
            None,
            "login.microsoftonline.com",
            "api.security.microsoft.com",
            "https://api.securitycenter.microsoft.com/.default",
        ),
        (
            "public",
            "login.microsoftonline.com",
            "api.security.microsoft.com",
            "https://api.securitycenter.microsoft.com/.default",
        ),
        (
            "GCC",
            "login.microsoftonline.com",
            "api-gcc.securitycenter.microsoft.us",
            "https://api-gcc.securitycenter.microsoft.us/.default",
        ),
        (
            "gcc_high",
            "login.microsoftonline.us",
            "api-gov.securitycenter.microsoft.us",
            "https://api-gov.securitycenter.microsoft.us/.default",
        ),
        (
            "dod",
            "login.microsoftonline.us",
            "api-gov.securitycenter.microsoft.us",
            "https://api-gov.securitycenter.microsoft.us/.default",
        ),
    ],
)
def test_a_cloud_gives_hosts_and_scope(cloud: str | None, authority: str, api: str, scope: str) -> None:
    settings = defender(conn(cloud=cloud))
    assert (settings.entra.authority, settings.host, settings.scope) == (authority, api, scope)
    assert entra_settings(conn(cloud=cloud)).authority == authority


def test_defaults() -> None:
    settings = defender(conn())
    assert settings.tenant_id == TENANT
    assert settings.entra.credential == ClientSecret(CLIENT, SECRET)
    assert (settings.calls_per_minute, settings.calls_per_hour) == (100, 1500)
    assert (settings.network.connect_timeout, settings.network.read_timeout) == (10.0, 60.0)
    assert settings.network.ca_bundle is None


def test_a_tenant_is_one_whatever_its_case() -> None:
    assert entra_settings(conn(tenant_id=TENANT.upper())).tenant_id == TENANT


def test_the_custom_cloud_serves_both_from_the_host() -> None:
    settings = defender(conn(cloud="custom", host="127.0.0.1", port=8443))
    assert settings.host == settings.entra.authority == "127.0.0.1:8443"


def test_the_custom_cloud_may_have_a_scope_and_others_not() -> None:
    custom = defender(conn(cloud="custom", host="a.example", scope="https://b.example/.default"))
    assert custom.scope == "https://b.example/.default"
    assert defender(conn(scope="https://b.example/.default")).scope != "https://b.example/.default"


def test_empty_form_fields_are_absent() -> None:
    names = (
        "cloud",
        "credential",
        "ca_bundle",
        "proxy",
        "entra_id_conn_id",
        "calls_per_minute",
        "read_timeout",
    )
    assert defender(conn(**dict.fromkeys(names, ""))) == defender(conn())
    absent: dict[str, Any] = dict.fromkeys(names)
    assert defender(conn(**absent)) == defender(conn())


def test_numbers_and_flags_may_be_texts() -> None:
    """A connection that came as a URI has texts only."""
    settings = defender(
        conn(calls_per_minute="50", calls_per_hour=700, connect_timeout="2.5", read_timeout=9)
    )
    assert (settings.calls_per_minute, settings.calls_per_hour) == (50, 700)
    assert (settings.network.connect_timeout, settings.network.read_timeout) == (2.5, 9.0)


# -- credentials


def test_certificate_fields() -> None:
    thumbprint = "AB:" * 19 + "AB"
    connection = conn(
        password=None,
        credential="certificate",
        private_key="pem",
        private_key_passphrase="open sesame",
        certificate="public pem",
        thumbprint=thumbprint,
        send_certificate_chain="True",
    )
    assert entra_settings(connection).credential == Certificate(
        CLIENT, "pem", None, "open sesame", "public pem", "AB" * 20, True
    )


def test_managed_identities() -> None:
    system = entra_settings(conn(login=None, password=None, credential="managed_identity"))
    assert system.credential == ManagedIdentity(None)
    assigned = entra_settings(conn(password=None, credential="managed_identity"))
    assert assigned.credential == ManagedIdentity(CLIENT)


def test_a_workload_identity_takes_the_pods_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.touch()
    monkeypatch.setenv("AZURE_CLIENT_ID", OTHER_CLIENT)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(token))
    by_pod = entra_settings(conn(login="", password=None, credential="workload_identity"))
    assert by_pod.credential == WorkloadIdentity(OTHER_CLIENT, str(token))
    other = tmp_path / "other"
    other.touch()
    connection = conn(credential="workload_identity", federated_token_file=str(other))
    assert entra_settings(connection).credential == WorkloadIdentity(CLIENT, str(other))


# -- what is wrong is named, with the cure

_BAD = [
    ({"tenant_id": None}, "tenant_id is missing", "GUID"),
    ({"tenant_id": "contoso.onmicrosoft.com"}, "tenant_id (23 characters, not shown)", "not a domain name"),
    ({"tenant_id": TENANT + "\n/x"}, "tenant_id", "GUID"),
    ({"tenant_id": 3}, "tenant_id is wrong", "must be a text"),
    ({"cloud": "germany"}, "cloud (7 characters, not shown)", "one of public, gcc"),
    ({"cloud": "gcchigh"}, "cloud 'gcchigh'", "did you mean gcc_high?"),
    ({"cloud": "china"}, "cloud 'china'", "no Defender for Endpoint API in the China cloud"),
    ({"cloud": "custom"}, "host is missing", "cloud=custom"),
    ({"host": "api.example.com/api"}, "host 'api.example.com/…'", "without a path"),
    ({"host": "http://api.example.com"}, "host 'http://api.example.com'", "only https"),
    ({"host": "a.example:1", "port": 2}, "port 2", "host names port 1"),
    ({"port": 8443}, "port 8443", "give the host, too"),
    ({"port": "x"}, "port (1 characters, not shown)", "a number"),
    ({"credential": "password"}, "credential (8 characters, not shown)", "one of client_secret, certificate"),
    ({"scope": "abc", "cloud": "custom", "host": "a.example"}, "scope", "/.default"),
    ({"login": ""}, "login is missing", "(client) ID"),
    ({"password": " "}, "password is missing", "client secret"),
    ({"credential": "certificate"}, "private_key is missing", "private_key_path"),
    ({"credential": "certificate", "private_key": "x", "private_key_path": "y"}, "private_key", "either"),
    ({"credential": "certificate", "private_key_path": "/nowhere"}, "private_key_path '/nowhere'", "no such"),
    (
        {"credential": "certificate", "private_key": "x", "thumbprint": "123"},
        "thumbprint (3 characters, not shown)",
        "SHA-1",
    ),
    (
        {"credential": "certificate", "private_key": "x", "send_certificate_chain": "maybe"},
        "send_certificate_chain (5 characters, not shown)",
        "true or false",
    ),
    ({"credential": "workload_identity", "login": ""}, "login is missing", "AZURE_CLIENT_ID"),
    ({"credential": "workload_identity"}, "federated_token_file is missing", "AZURE_FEDERATED_TOKEN_FILE"),
    (
        {"credential": "workload_identity", "federated_token_file": "/nowhere"},
        "federated_token_file '/nowhere'",
        "no such file",
    ),
    ({"ca_bundle": "/nowhere.pem"}, "ca_bundle '/nowhere.pem'", "No such file"),
    ({"proxy": "proxy.example:3128"}, "proxy is wrong", "http://proxy.example.com:3128"),
    ({"proxy": "http://[::1"}, "proxy is wrong", "URL"),
    ({"calls_per_minute": 0}, "calls_per_minute 0", "whole number"),
    ({"calls_per_hour": "many"}, "calls_per_hour (4 characters, not shown)", "whole number"),
    ({"calls_per_hour": True}, "calls_per_hour True", "whole number"),
    ({"read_timeout": -1}, "read_timeout -1", "seconds"),
    ({"connect_timeout": "nan"}, "connect_timeout (3 characters, not shown)", "seconds"),
]


@pytest.mark.parametrize(("changes", "field", "cure"), _BAD, ids=[str(case[0]) for case in _BAD])
def test_a_wrong_field_is_named_with_its_cure(
    changes: dict[str, Any], field: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_CLIENT_ID", raising=False)
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        defender(conn(**changes))
    message = str(caught.value)
    assert message.startswith("Connection 'conn': ")
    assert field in message
    assert cure in message
    assert SECRET not in message
    assert "\n" not in message


def test_a_file_without_certificates_is_no_ca_bundle(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    with pytest.raises(ConfigurationError, match="ca_bundle"):
        defender(conn(ca_bundle=str(path)))


def test_passwords_in_hosts_and_proxies_are_not_shown() -> None:
    for changes in (
        {"host": "https://user:pa55word@a.example"},
        {"proxy": "socks9://user:pa55word@a.example"},
    ):
        with pytest.raises(ConfigurationError) as caught:
            defender(conn(**changes))
        assert "pa55word" not in str(caught.value)


def test_settings_do_not_show_secrets_but_list_them() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0B\n" * 2 + "-----END PRIVATE KEY-----"
    certificate = conn(
        credential="certificate",
        private_key=key,
        private_key_passphrase="open sesame",
        proxy="http://me:p%40ss@proxy.example:3128",
    )
    for settings, secrets in [
        (defender(conn()), {SECRET}),
        (
            defender(certificate),
            {key, "MIIEvQIBADANBgkqhkiG9w0B", "open sesame", "p@ss", "p%40ss"},
        ),
    ]:
        assert set(settings.secrets) == secrets
        assert not [secret for secret in secrets if secret in repr(settings)]


# -- whose token goes where


def test_credentials_of_its_own_may_go_to_a_free_host() -> None:
    """Airflow guards a changed host by asking for the credentials again."""
    settings = defender(conn(host="gateway.example:8443"))
    assert (settings.host, settings.entra.authority) == ("gateway.example:8443", "login.microsoftonline.com")
    assert settings.may_get_token("gateway.example:8443")
    assert settings.may_get_token("eu.api.security.microsoft.com")
    assert not settings.may_get_token("gateway.example")


def test_a_reference_takes_cloud_and_credentials_from_there() -> None:
    settings = defender(
        conn(login=None, password=None, entra_id_conn_id="entra"), conn("entra", cloud="gcc_high")
    )
    assert settings.host == "api-gov.securitycenter.microsoft.us"
    assert settings.entra.conn_id == "entra"
    assert settings.tenant_id == TENANT


@pytest.mark.parametrize(
    "host", ["evil.example", "api.security.microsoft.com:8443", "api-gcc.security.microsoft.us"]
)
def test_a_referenced_token_goes_to_its_clouds_hosts_only(host: str) -> None:
    with pytest.raises(UnexpectedHost, match="must not get a token of connection 'entra'"):
        defender(conn(host=host, entra_id_conn_id="entra"), conn("entra"))


@pytest.mark.parametrize("cloud", ["custom", "gcc"])
def test_a_referenced_token_stays_in_its_cloud(cloud: str) -> None:
    with pytest.raises(ConfigurationError, match="of the public cloud"):
        defender(conn(host="evil.example", cloud=cloud, entra_id_conn_id="entra"), conn("entra"))


def test_a_custom_authoritys_token_may_go_to_a_free_host() -> None:
    settings = defender(
        conn(host="api.example", entra_id_conn_id="entra"),
        conn("entra", cloud="custom", host="login.example"),
    )
    assert (settings.host, settings.entra.authority) == ("api.example", "login.example")


def test_a_reference_to_another_tenant_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match=f"is of tenant {OTHER_TENANT}"):
        defender(conn(entra_id_conn_id="entra"), conn("entra", tenant_id=OTHER_TENANT))


def test_a_microsoft_cloud_has_no_free_authority() -> None:
    assert entra_settings(conn(host="login.windows.net")).authority == "login.windows.net"
    with pytest.raises(ConfigurationError, match=r"host 'login\.example'.*set cloud to custom"):
        entra_settings(conn(host="login.example"))


def _worker_identities(tmp_path: Path) -> list[dict[str, Any]]:
    token = tmp_path / "token"
    token.touch()
    return [
        {"credential": "managed_identity"},
        {"credential": "workload_identity", "federated_token_file": str(token)},
    ]


def test_the_workers_identity_is_shown_to_microsoft_only(tmp_path: Path) -> None:
    """It needs no secret of the connection, so whoever may edit a connection could send it anywhere."""
    for identity in _worker_identities(tmp_path):
        assert defender(conn(**identity)).host == "api.security.microsoft.com"
        for place in ({"host": "evil.example"}, {"host": "mine.example:8443", "cloud": "custom"}):
            with pytest.raises(UnexpectedHost, match="trusted_hosts"):
                defender(conn(**identity, **place))
        with pytest.raises(UnexpectedHost, match="trusted_hosts"):
            entra_settings(conn(**identity, host="evil.example", cloud="custom"))


@pytest.mark.usefixtures("trusted_hosts")
def test_an_administrator_may_trust_other_hosts_with_it(tmp_path: Path) -> None:
    for identity in _worker_identities(tmp_path):
        custom = {**identity, "cloud": "custom"}
        assert defender(conn(**custom, host="mine.example:8443")).host == "mine.example:8443"
        assert entra_settings(conn(**custom, host="other.example")).authority == "other.example"
        with pytest.raises(UnexpectedHost, match="trusted_hosts"):
            defender(conn(**custom, host="mine.example"))


@pytest.mark.usefixtures("trusted_hosts")
def test_a_reference_is_no_way_around(tmp_path: Path) -> None:
    for identity in _worker_identities(tmp_path):
        entra = conn("entra", **identity, cloud="custom", host="mine.example:8443")
        with pytest.raises(UnexpectedHost, match="trusted_hosts"):
            defender(conn(entra_id_conn_id="entra", host="evil.example"), entra)
        assert defender(conn(entra_id_conn_id="entra", host="mine.example:8443"), entra)


def test_what_is_wrong_with_a_connection_is_not_retried() -> None:
    assert issubclass(ConfigurationError, FailNow)
    assert issubclass(UnexpectedHost, FailNow)


# -- extras


def with_extra(text: str, kind: str = "defender") -> Conn:
    """A connection whose extra is `text`, as Airflow gives it."""

    class Given(Conn):
        @property
        def extra(self) -> str:
            return text

    connection = Given(conn_type=kind)
    with contextlib.suppress(ValueError, RecursionError):
        connection.extra_dejson = json.loads(text)
    return connection


READERS: dict[str, Callable[[Conn], Any]] = {
    "defender": lambda connection: rest_settings(
        ENDPOINT_API, "defender", connection, lambda _: conn("entra")
    ),
    "entra_id": entra_settings,
    "event_hub": lambda connection: event_hub_settings(connection, lambda _: conn("entra")),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("5", "it is a JSON number"),
        ("true", "it is a JSON boolean"),
        ("null", "it is a JSON null"),
        ("[]", "it is a JSON list"),
        ('[{"tenant_id": "x"}]', "it is a JSON list"),
        (json.dumps(json.dumps({"tenant_id": TENANT})), "encode it once"),
        ("tenant_id=abc", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
    ],
    ids=["number", "boolean", "null", "empty list", "list", "twice", "text", "cut", "deep"],
)
def test_an_extra_must_be_an_object(kind: str, text: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        READERS[kind](with_extra(text, kind))
    assert str(caught.value).startswith("Connection 'conn': extra is wrong: it is")
    assert what in str(caught.value)
    assert "it must be a JSON object" in str(caught.value)


def test_extras_that_nobody_reads_are_named_and_their_values_are_not() -> None:
    unread = {"ca_bundel": SECRET, "proxies": SECRET, "Tenant ID": SECRET, "unheard.of": SECRET}
    remarks = defender(conn(**unread)).remarks
    assert [remark.partition("type defender")[2] for remark in remarks] == [
        ": did you mean 'ca_bundle'?",
        ": did you mean 'proxy'?",
        ": did you mean 'tenant_id'?",
        ".",
    ]
    assert SECRET not in "".join(remarks)
    assert defender(conn()).remarks == ()
    referred = defender(conn(entra_id_conn_id="entra"), conn("entra", thumb_print="x"))
    assert ["Connection 'entra'" in remark for remark in referred.remarks] == [True]


# -- secrets in wrong fields


def test_login_and_password_that_have_changed_places_are_told_without_the_secret() -> None:
    for credential in ("client_secret", "certificate", "managed_identity", "workload_identity"):
        swapped = conn(login=SECRET, password=CLIENT, credential=credential, private_key="x")
        with pytest.raises(ConfigurationError, match="login and password have changed places") as caught:
            defender(swapped)
        assert SECRET not in str(caught.value)
    with pytest.raises(ConfigurationError, match="a secret belongs into password"):
        defender(conn(login=SECRET))


def test_a_client_id_of_the_workers_environment_is_checked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", SECRET)
    with pytest.raises(ConfigurationError, match="AZURE_CLIENT_ID must be") as caught:
        defender(conn(login=None, credential="workload_identity"))
    assert SECRET not in str(caught.value)


def test_a_key_or_a_token_in_a_field_for_a_path_is_not_shown() -> None:
    """Longer than any path, it also makes the file system refuse the question."""
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0B\n" * 60 + "-----END PRIVATE KEY-----"
    token = "eyJ0eXAiOiJKV1Qi" * 300
    for credential, name in (
        ("certificate", "private_key_path"),
        ("workload_identity", "federated_token_file"),
        ("client_secret", "ca_bundle"),
    ):
        for value in (key, token):
            with pytest.raises(ConfigurationError, match=name) as caught:
                defender(conn(credential=credential, **{name: value}))
            assert value[:24] not in str(caught.value)


_ANY_FIELD = sorted({(kind, field.name) for kind, each in CONNECTION_TYPES.items() for field in each.fields})
_BASE64 = st.binary(min_size=32, max_size=64).map(lambda key: base64.b64encode(key).decode())
_SECRETS = st.one_of(
    # As Entra ID makes client secrets, Event Hubs keys and connection strings, and people private keys.
    st.from_regex(r"[A-Za-z0-9._-]{3}8Q~[A-Za-z0-9._~-]{34}", fullmatch=True),
    _BASE64,
    _BASE64.map(lambda key: f"Endpoint=sb://c.example/;SharedAccessKeyName=a;SharedAccessKey={key}"),
    _BASE64.map(lambda key: f"-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----"),
    _BASE64.map(lambda key: f"eyJ0eXAi{key}.eyJhdWQi{key}.{key}".replace("=", "")),
)


@given(place=st.sampled_from(_ANY_FIELD), secret=_SECRETS, data=st.data())
def test_a_secret_in_any_field_is_not_shown(place: tuple[str, str], secret: str, data: st.DataObject) -> None:
    kind, name = place
    others: dict[str, Any] = {
        "credential": data.draw(st.sampled_from(["client_secret", "certificate", "managed_identity"])),
        "cloud": data.draw(st.sampled_from(["public", "custom"])),
        "host": data.draw(st.sampled_from(["", "c.servicebus.windows.net", "gateway.example:9093"])),
    }
    try:
        said = READERS[kind](conn(**{**others, name: secret})).remarks
    except FailNow as error:
        said = (str(error),)
    shown = "".join(said)
    assert secret not in shown
    core = max(re.split(r"[;/=\n.~-]", secret), key=len)
    assert len(core) < 12 or core not in shown


@pytest.mark.parametrize("name", ["password", "proxy", "ca_bundle", "entra_id_conn_id", "tenant_id", "login"])
@pytest.mark.parametrize("text", ["half \ud800 of a character", "nul \x00 inside", "escape \x1b inside"])
def test_what_no_request_can_carry_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is wrong: it holds") as caught:
        defender(conn(**{name: text}))
    assert "inside" not in str(caught.value)


def test_a_proxys_password_must_fit_basic_authentication() -> None:
    assert defender(conn(proxy="http://me:p%C3%A4ss@proxy.example:3128")).network.proxy
    for password in ("p%E2%82%ACss", "p€ss"):
        with pytest.raises(ConfigurationError, match="proxy is wrong") as caught:
            defender(conn(proxy=f"http://me:{password}@proxy.example:3128"))
        assert password not in str(caught.value)


def test_a_port_is_the_hosts() -> None:
    """The form shows the port, since Airflow's Test button needs it: the default may always be given."""
    assert defender(conn(port=443)).host == "api.security.microsoft.com"
    assert defender(conn(port=0)).host == "api.security.microsoft.com"
    assert defender(conn(host="a.example:8443", port=8443)).host == "a.example:8443"
    assert defender(conn(host="https://a.example/", port=8443)).host == "a.example:8443"


# -- what copying adds


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u202c", "\u00ad"])
@pytest.mark.parametrize("name", ["tenant_id", "login", "password", "host", "proxy"])
def test_a_character_that_cannot_be_seen_is_told(name: str, unseen: str) -> None:
    values = {"tenant_id": TENANT, "login": CLIENT, "password": SECRET, "host": "api.security.microsoft.com"}
    values["proxy"] = "http://proxy.example.com"
    with pytest.raises(ConfigurationError, match=f"'conn': {name} is wrong: .*cannot be seen") as raised:
        defender(conn(**{name: values[name] + unseen}))
    assert values[name] not in str(raised.value)


@pytest.mark.parametrize("name", ["login", "password"])
@pytest.mark.parametrize("mark", ["\n", "\r\n", "\t"])
def test_a_line_break_in_the_middle_is_told_and_one_at_the_end_is_dropped(name: str, mark: str) -> None:
    value = {"login": CLIENT, "password": SECRET}[name]
    with pytest.raises(ConfigurationError, match=f"'conn': {name} is wrong: .*line break") as raised:
        defender(conn(**{name: value[:9] + mark + value[9:]}))
    assert value[:9] not in str(raised.value)
    assert defender(conn(**{name: mark + value + mark})).entra.credential == ClientSecret(CLIENT, SECRET)


@pytest.mark.parametrize("name", ["tenantId", "TENANT_ID", "Tenant ID", "extra__defender__tenant_id"])
def test_a_missing_extra_that_has_another_spelling_is_named(name: str) -> None:
    connection = conn()
    connection.extra_dejson = {name: TENANT}
    with pytest.raises(ConfigurationError, match=r"tenant_id is missing.*not read") as raised:
        defender(connection)
    assert repr(name) in str(raised.value)
    assert TENANT not in str(raised.value)
