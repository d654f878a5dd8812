"""What a connection of type `event_hub` may hold, and whose secret goes where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.clouds import CLOUDS
from airflow_provider_defender.exceptions import ConfigurationError, UnexpectedHost
from airflow_provider_defender.hooks._entra.credentials import ClientSecret
from airflow_provider_defender.hooks._kafka.settings import EventHubSettings, event_hub_settings
from tests.unit.hooks._entra.test_settings import CLIENT, SECRET, TENANT, Conn, conn

KEY = "c2VjcmV0LWtleS1vZi10aGUtcG9saWN5"
NAMESPACE = "tenzir-defender-event-hub.servicebus.windows.net"
STRING = f"Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey={KEY}"
SEED = {
    "bootstrap.servers": f"{NAMESPACE}:9093",
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "$ConnectionString",
    "sasl.password": STRING,
}


def hub_conn(password: str | None = STRING, **values: Any) -> Conn:
    return conn(login=values.pop("login", None), password=password, tenant_id=None, **values)


def token_conn(**values: Any) -> Conn:
    return conn(host=values.pop("host", NAMESPACE), credential="client_secret", **values)


def settings(
    connection: Conn, entra: Conn | None = None, argument: dict[str, Any] | None = None
) -> EventHubSettings:
    return event_hub_settings(connection, {"entra": entra}.__getitem__, argument)  # type: ignore[arg-type]


# -- the connection string


def test_a_connection_string_is_all_that_is_needed() -> None:
    found = settings(hub_conn())
    assert found.namespace == NAMESPACE
    assert found.hosted
    config = found.client_config()
    assert {name: config[name] for name in SEED} == SEED
    assert found.entra is None
    assert found.tenant_id is None


@pytest.mark.parametrize(
    ("connection", "argument"),
    [
        (hub_conn(None, **SEED), {}),
        (hub_conn(None, kafka_config=SEED), {}),
        (hub_conn(None, kafka_config=json.dumps(SEED)), {}),
        (hub_conn(None), SEED),
        (hub_conn(None, host=NAMESPACE, **SEED), {}),
        (hub_conn(STRING, **{**SEED, "sasl.password": ""}), {}),
        (hub_conn(None, **{"sasl.mechanisms": "PLAIN", **SEED}), {}),
    ],
    ids=["extras", "object", "text", "argument", "with host", "with password", "alias"],
)
def test_the_seeds_settings_work_word_for_word(connection: Conn, argument: dict[str, Any]) -> None:
    assert settings(connection, argument=argument) == settings(hub_conn())


def test_the_string_may_name_its_hub() -> None:
    assert settings(hub_conn(f"{STRING};EntityPath=Defender")).hub_of_policy == "Defender"
    assert settings(hub_conn(f"{STRING};EntityPath=")).hub_of_policy is None


@pytest.mark.parametrize("text", [f' "{STRING}"\n', STRING.replace(";", " ; "), STRING + ";"])
def test_a_string_is_read_as_people_paste_it(text: str) -> None:
    assert settings(hub_conn(text)).namespace == NAMESPACE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "password is missing: give the connection string"),
        ("not a string", "it is no connection string"),
        (f"Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=x", "it is no connection string"),
        (
            f"Endpoint=sb://{NAMESPACE}/;SharedAccessSignature=SharedAccessSignature sr=x",
            "takes no generated signature",
        ),
        (STRING.replace("sb://", "https://"), "Endpoint is wrong"),
        (STRING.replace("sb://", "sb://user@"), "Endpoint is wrong"),
    ],
)
def test_what_is_wrong_with_a_string_is_said_without_it(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        settings(hub_conn(text))
    assert KEY not in str(caught.value)


# -- where


@pytest.mark.parametrize(
    ("host", "port", "name", "servers"),
    [
        ("Contoso.servicebus.windows.net", None, "contoso.servicebus.windows.net", ":9093"),
        ("contoso.servicebus.windows.net:9093", None, "contoso.servicebus.windows.net", ":9093"),
        ("sb://contoso.servicebus.windows.net/", None, "contoso.servicebus.windows.net", ":9093"),
        ("localhost", 19093, "localhost:19093", ""),
        ("localhost:9093", None, "localhost", ":9093"),
        ("[::1]", 9092, "[::1]:9092", ""),
    ],
)
def test_hosts(host: str, port: int | None, name: str, servers: str) -> None:
    found = settings(hub_conn(host=host, port=port))
    assert found.namespace == name
    assert found.servers == name + servers


def test_a_kafka_of_ones_own_may_have_several_servers() -> None:
    found = settings(hub_conn(host="b.example:9092, a.example"))
    assert (found.namespace, found.servers) == ("a.example", "b.example:9092,a.example:9093")
    assert found.first_server == ("b.example", 9092)
    named = {"bootstrap.servers": "b.example,a.example"}
    assert settings(hub_conn(host="a.example,b.example", **named)).namespace == "a.example"
    assert settings(hub_conn(host="a.example,b.example:9092")).namespace == found.namespace
    with pytest.raises(ConfigurationError, match="keep one"):
        settings(hub_conn(host="a.example", **named))


def test_nobody_stands_behind_a_trusted_host() -> None:
    both = f"{NAMESPACE},evil.example"
    with pytest.raises(ConfigurationError, match="give one host"):
        settings(hub_conn(host=both))
    with pytest.raises(ConfigurationError, match="give one host"):
        settings(hub_conn(host=f"evil.example,{NAMESPACE}"))
    with pytest.raises(ConfigurationError, match="give one host"):
        settings(conn(host=both, entra_id_conn_id="entra", login=None, password=None), conn("entra"))
    with pytest.raises(ConfigurationError, match="give one host"):
        settings(token_conn(host="mine.example,evil.example"))


def test_contradictions_are_told() -> None:
    for extra in ({"bootstrap.servers": "b.example"}, {"kafka_config": {"bootstrap.servers": "b.example"}}):
        with pytest.raises(ConfigurationError, match="keep one"):
            settings(hub_conn(host="a.example", **extra))
    with pytest.raises(ConfigurationError, match="keep one"):
        settings(hub_conn(security_protocol="SASL_SSL", **{"security.protocol": "SSL"}))
    with pytest.raises(ConfigurationError, match="given twice"):
        settings(hub_conn(**{"sasl.mechanism": "PLAIN", "sasl.mechanisms": "SCRAM-SHA-256"}))


def test_only_the_field_host_may_lead_a_string_elsewhere() -> None:
    """Airflow asks for the password again where somebody changes host, but not where they change an extra."""
    assert settings(hub_conn(host="127.0.0.1", port=9093)).servers == "127.0.0.1:9093"
    for extra in (
        {"bootstrap.servers": "evil.example"},
        {"kafka_config": {"bootstrap.servers": "evil.example"}},
    ):
        with pytest.raises(UnexpectedHost, match="does not get it"):
            settings(hub_conn(**extra))
    with pytest.raises(UnexpectedHost, match="does not get it"):
        settings(hub_conn(), argument={"bootstrap.servers": f"{NAMESPACE},evil.example"})


def test_microsofts_hosts_get_no_secret_in_the_clear() -> None:
    for protocol in ("SASL_PLAINTEXT", "PLAINTEXT", "SSL"):
        with pytest.raises(ConfigurationError, match="SASL_SSL only"):
            settings(hub_conn(security_protocol=protocol, host=NAMESPACE))
    unsafe: dict[str, Any] = {
        "enable.ssl.certificate.verification": False,
        "ssl.endpoint.identification.algorithm": "none",
    }
    for name, value in unsafe.items():
        with pytest.raises(ConfigurationError, match="always verified"):
            settings(hub_conn(**{name: value}))
        assert settings(hub_conn(host="localhost", **{name: value})).options[name]


def test_another_user_is_a_mistake_at_microsofts_hosts_only() -> None:
    with pytest.raises(ConfigurationError, match=r"\$ConnectionString, word for word"):
        settings(hub_conn(login="RootManageSharedAccessKey", host=NAMESPACE))
    own = settings(hub_conn("pass word", login="alice", host="kafka.example:9094"))
    assert (own.username, own.password, own.mechanism) == ("alice", "pass word", "PLAIN")


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "ssl"])
def test_without_sasl_nothing_secret_is_needed(protocol: str) -> None:
    config = settings(hub_conn(None, host="localhost", security_protocol=protocol)).client_config()
    assert config["security.protocol"] == protocol.upper()
    assert not [name for name in config if name.startswith("sasl.")]


@pytest.mark.parametrize("name", ["security_protocol", "security.protocol"])
def test_without_sasl_a_connection_string_names_no_host(name: str) -> None:
    with pytest.raises(ConfigurationError, match="'PLAINTEXT' is wrong: it sends no password") as caught:
        settings(hub_conn(**{name: "PLAINTEXT"}))
    assert "SASL_SSL" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_namespace_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="host is missing"):
        settings(hub_conn(None, security_protocol="PLAINTEXT"))
    with pytest.raises(ConfigurationError, match=r"host \(3 characters, not shown\) is wrong"):
        settings(hub_conn(host="a b"))
    with pytest.raises(ConfigurationError) as caught:
        settings(hub_conn(host=f"user:{SECRET}@a.example"))
    assert SECRET not in str(caught.value)


# -- settings of librdkafka


def test_microsofts_recommendations_are_the_defaults() -> None:
    config = settings(hub_conn()).client_config()
    assert int(config["connections.max.idle.ms"]) < 240_000
    assert int(config["metadata.max.age.ms"]) < 240_000
    assert config["socket.keepalive.enable"] == "true"
    assert int(config["max.partition.fetch.bytes"]) >= 1_048_576
    assert int(config["queued.max.messages.kbytes"]) <= 65_536


def test_any_setting_may_be_given_and_the_argument_wins() -> None:
    connection = hub_conn(kafka_config={"fetch.max.bytes": 1_000_000, "socket.keepalive.enable": False})
    config = settings(connection, argument={"fetch.max.bytes": 2_000_000}).client_config()
    assert config["fetch.max.bytes"] == "2000000"
    assert config["socket.keepalive.enable"] == "false"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("enable.auto.commit", False, True),
        ("enable.auto.offset.store", "false", "true"),
        ("auto.offset.reset", "error", "earliest"),
        ("enable.partition.eof", True, False),
        ("check.crcs", True, False),
    ],
)
def test_what_would_break_a_promise_is_refused(name: str, good: Any, bad: Any) -> None:
    expected = settings(hub_conn()).client_config()
    assert expected[name] == str(good).lower()
    for given in ({}, {name: good}):
        assert settings(hub_conn(), argument=given).client_config() == expected
    for connection, argument in ((hub_conn(**{name: bad}), {}), (hub_conn(), {name: bad})):
        with pytest.raises(ConfigurationError, match=f"{name} .*is wrong: it must be"):
            settings(connection, argument=argument)


@pytest.mark.parametrize(
    "name",
    [
        "plugin.library.paths",
        "ssl.engine.location",
        "ssl.providers",
        "sasl.kerberos.kinit.cmd",
        "sasl.oauthbearer.token.endpoint.url",
        "oauth_cb",
        "error_cb",
        "logger",
    ],
)
def test_a_connection_runs_no_code_and_asks_nobody_else_for_tokens(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not allowed"):
        settings(hub_conn(kafka_config={name: "x"}))


@pytest.mark.parametrize("value", ["{", "[1]", '"text"', {"client.id": ["a"]}, {"client.id": None}])
def test_kafka_config_must_be_an_object_of_texts(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"kafka_config|client\.id"):
        settings(hub_conn(kafka_config=value))


def test_secrets_are_listed_and_not_shown() -> None:
    found = settings(hub_conn(**{"ssl.key.password": SECRET, "client.rack": "r1"}))
    assert set(found.secrets) == {STRING, KEY, SECRET}
    assert not [secret for secret in found.secrets if secret in repr(found)]
    token = settings(token_conn())
    assert token.secrets == [SECRET]
    assert SECRET not in repr(token)


def test_the_ca_bundle_is_for_the_broker_too(tmp_path: Path) -> None:
    import certifi

    bundle = certifi.where()
    assert settings(hub_conn(ca_bundle=bundle)).client_config()["ssl.ca.location"] == bundle
    own = hub_conn(ca_bundle=bundle, **{"ssl.ca.location": str(tmp_path)})
    assert settings(own).client_config()["ssl.ca.location"] == str(tmp_path)
    assert "ssl.ca.location" not in settings(hub_conn()).client_config()


# -- tokens


@pytest.mark.parametrize(
    ("cloud", "host", "authority"),
    [
        ("public", "c.servicebus.windows.net", "login.microsoftonline.com"),
        ("gcc", "c.servicebus.windows.net", "login.microsoftonline.com"),
        ("gcc_high", "c.servicebus.usgovcloudapi.net", "login.microsoftonline.us"),
        ("dod", "c.servicebus.usgovcloudapi.net", "login.microsoftonline.us"),
        ("china", "c.servicebus.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
    ],
)
def test_a_token_is_for_the_namespace(cloud: str, host: str, authority: str) -> None:
    found = settings(token_conn(host=host, cloud=cloud))
    assert found.scope == f"https://{host}/.default"
    assert found.mechanism == "OAUTHBEARER"
    assert found.tenant_id == TENANT
    assert found.entra is not None
    assert (found.entra.authority, found.entra.credential) == (authority, ClientSecret(CLIENT, SECRET))
    assert "sasl.password" not in found.client_config()


def test_a_cloud_knows_its_namespaces() -> None:
    assert CLOUDS["public"].owns_namespace("c.servicebus.windows.net")
    for host in (
        "servicebus.windows.net",
        "xservicebus.windows.net",
        "c.servicebus.windows.net.evil.example",
    ):
        assert not CLOUDS["public"].owns_namespace(host)
    assert not CLOUDS["custom"].owns_namespace("c.servicebus.windows.net")


def test_a_wrong_cloud_is_told_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="namespace of another cloud"):
        settings(token_conn(host="c.servicebus.usgovcloudapi.net"))


def test_a_referenced_token_goes_to_its_clouds_namespaces_only() -> None:
    reference: dict[str, Any] = {"entra_id_conn_id": "entra", "login": None, "password": None}
    entra = conn("entra")
    found = settings(conn(host=NAMESPACE, **reference), entra)
    assert found.entra is not None
    assert found.entra.conn_id == "entra"
    for host in ("evil.example", "evil.example:9093", f"{NAMESPACE}.evil.example"):
        with pytest.raises(UnexpectedHost, match="must not get a token of connection 'entra'"):
            settings(conn(host=host, **reference), entra)
    with pytest.raises(ConfigurationError, match="of the public cloud"):
        settings(conn(host="evil.example", cloud="custom", **reference), entra)


def test_a_custom_authoritys_token_may_go_anywhere_with_a_scope_of_its_own() -> None:
    entra = conn("entra", cloud="custom", host="login.example")
    connection = conn(host="localhost:9094", entra_id_conn_id="entra", security_protocol="SASL_PLAINTEXT")
    assert settings(connection, entra).scope == "https://localhost/.default"
    connection.extra_dejson["scope"] = "api://broker/.default"
    assert settings(connection, entra).scope == "api://broker/.default"


def test_a_custom_cloud_needs_a_connection_for_its_authority() -> None:
    with pytest.raises(ConfigurationError, match="entra_id_conn_id is missing"):
        settings(token_conn(host="localhost", cloud="custom"))


def test_the_workers_identity_is_shown_to_trusted_namespaces_only(monkeypatch: pytest.MonkeyPatch) -> None:
    identity: dict[str, Any] = {"credential": "managed_identity", "login": None, "password": None}
    assert settings(conn(host=NAMESPACE, **identity)).entra
    with pytest.raises(UnexpectedHost, match="trusted_hosts"):
        settings(conn(host="kafka.example:9094", **identity))
    monkeypatch.setenv("AIRFLOW__DEFENDER__TRUSTED_HOSTS", "kafka.example:9094")
    assert settings(conn(host="kafka.example:9094", **identity)).entra


def test_a_setting_leads_no_token_away() -> None:
    named = {"bootstrap.servers": "kafka.example:9094"}
    with pytest.raises(UnexpectedHost, match="gets no token"):
        settings(token_conn(host=None, **named))
    assert settings(token_conn(host="kafka.example:9094", **named)).entra
    assert settings(token_conn(host=None, **{"bootstrap.servers": NAMESPACE})).entra


def test_a_token_needs_tls_and_its_own_mechanism() -> None:
    with pytest.raises(ConfigurationError, match="needs TLS"):
        settings(token_conn(host="kafka.example", security_protocol="SASL_PLAINTEXT"))
    with pytest.raises(ConfigurationError, match="it is OAUTHBEARER"):
        settings(token_conn(**{"sasl.mechanism": "PLAIN"}))
    with pytest.raises(ConfigurationError, match="it needs a token"):
        settings(hub_conn(**{"sasl.mechanism": "OAUTHBEARER"}))
    with pytest.raises(ConfigurationError, match="must be one of PLAIN"):
        settings(hub_conn(**{"sasl.mechanism": "GSSAPI"}))


def test_a_token_names_its_tenant() -> None:
    with pytest.raises(ConfigurationError, match="tenant_id is missing"):
        settings(token_conn(tenant_id=None))


def test_wrong_choices_are_told() -> None:
    with pytest.raises(ConfigurationError, match=r"credential \(8 characters, not shown\) is wrong"):
        settings(conn(host=NAMESPACE, credential="password"))
    with pytest.raises(ConfigurationError, match=r"security_protocol \(3 characters, not shown\) is wrong"):
        settings(hub_conn(security_protocol="tls"))
    with pytest.raises(ConfigurationError, match=r"event_hub \(3 characters, not shown\) is wrong"):
        settings(hub_conn(event_hub="a/b"))


def test_the_hub_is_a_field_of_its_own() -> None:
    assert settings(hub_conn(schema="defender")).hub == "defender"
    assert settings(hub_conn(schema="/defender")).hub == "defender"  # as a URI gives it
    assert settings(hub_conn(event_hub="defender")).hub == "defender"
    assert settings(hub_conn(schema="defender", event_hub="defender")).hub == "defender"
    assert settings(hub_conn(schema="")).hub is None
    with pytest.raises(ConfigurationError, match="names another one: keep one"):
        settings(hub_conn(schema="defender", event_hub="other"))
    with pytest.raises(ConfigurationError, match=r"schema \(Event hub\) .* is wrong") as caught:
        settings(hub_conn(schema=STRING))
    assert KEY not in str(caught.value)


def test_a_port_without_a_host_is_a_mistake_unless_it_is_the_default() -> None:
    assert settings(hub_conn(port=9093)).servers == f"{NAMESPACE}:9093"
    with pytest.raises(ConfigurationError, match="port 9092 is wrong: it stands alone"):
        settings(hub_conn(port=9092))
    assert settings(hub_conn(host="b.example:1,a.example", port=2)).servers == "b.example:1,a.example:2"


def test_extras_that_neither_we_nor_librdkafka_read_are_named() -> None:
    """Those with a dot are librdkafka's, which refuses the ones that it does not know."""
    found = settings(hub_conn(**{"client.rack": "r1", "kafka_conf": "{}", "event_hub": "defender"}))
    assert [remark.partition("the extra ")[2] for remark in found.remarks] == [
        "'kafka_conf' is not read by connections of type event_hub: did you mean 'kafka_config'?"
    ]


def test_a_connection_string_in_the_field_of_the_user_is_not_shown() -> None:
    for given in ({"login": STRING}, {"sasl.username": STRING}):
        for password in ("$ConnectionString", None):
            with pytest.raises(ConfigurationError, match="belongs into password") as caught:
                settings(hub_conn(password, host=NAMESPACE, **given))
            assert KEY not in str(caught.value)
    with pytest.raises(ConfigurationError, match="word for word") as caught:
        settings(hub_conn(login=KEY, host=NAMESPACE))
    assert KEY not in str(caught.value)
    assert KEY not in repr(settings(hub_conn(login=KEY, host="localhost")))


def test_what_no_setting_of_kafka_can_carry_is_refused() -> None:
    for value in ("a\x00b", "\ud800"):
        with pytest.raises(ConfigurationError, match=r"client\.rack is wrong: it holds"):
            settings(hub_conn(**{"client.rack": value}))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{", "sasl.password=x"])
def test_kafka_settings_that_are_no_json_are_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match="kafka_config is wrong: it is not JSON"):
        settings(hub_conn(kafka_config=text))
