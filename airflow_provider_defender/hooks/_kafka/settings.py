"""Reading connections of type `event_hub` into checked librdkafka settings. No network, no Kafka library.

Sources: Microsoft Learn, "Apache Kafka client configurations for Event Hubs" and "Use Event Hubs from Apache
Kafka applications"; librdkafka's CONFIGURATION.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_defender.clouds import CLOUDS
from airflow_provider_defender.exceptions import UnexpectedHost
from airflow_provider_defender.hooks._connection.fields import AirflowConnection, Fields
from airflow_provider_defender.hooks._connection.network import read_network
from airflow_provider_defender.hooks._connection.shown import not_shown, shown_choice
from airflow_provider_defender.hooks._entra.settings import (
    EntraSettings,
    check_reference,
    entra_settings,
    read_entra,
    trusts,
)
from airflow_provider_defender.hooks._kafka.options import (
    DEFAULTS,
    GUARANTEES,
    VERIFICATION,
    Options,
    is_secret,
)
from airflow_provider_defender.hooks._kafka.password import CONNECTION_STRING_USER, Password, read_password
from airflow_provider_defender.hooks._kafka.servers import (
    PORT,
    Place,
    bare_host,
    shown_servers,
    split_server,
)

__all__ = ["HUB_NAME", "EventHubSettings", "event_hub_settings"]

HUB_NAME = re.compile(r"[A-Za-z0-9._-]{1,256}\Z")
_PROTOCOLS = ("SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT")
_PROTOCOLS_LOWER = tuple(protocol.lower() for protocol in _PROTOCOLS)
_PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class EventHubSettings:
    """The hub's address, how to reach it, and the credential for it.

    `namespace` is the host's name for people and logs, with the port unless it is 9093. `servers` is
    librdkafka's `bootstrap.servers`. `hosted`: the host is Microsoft's. `options` are the user's settings;
    `entra` and `scope` are set if we sign in with a token of Entra ID.
    """

    conn_id: str
    namespace: str
    servers: str
    hosted: bool
    hub: str | None
    hub_of_policy: str | None
    tenant_id: str | None
    protocol: str
    mechanism: str | None
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)
    policy_key: str | None = field(repr=False)
    entra: EntraSettings | None
    scope: str | None
    ca_bundle: str | None
    options: Mapping[str, str] = field(repr=False)
    remarks: tuple[str, ...] = ()
    """Warnings about extras that are not read."""

    @property
    def secrets(self) -> list[str]:
        """All texts that must not appear in logs."""
        texts = [self.password, self.policy_key, *(self.entra.secrets if self.entra else ())]
        texts += [value for name, value in self.options.items() if is_secret(name)]
        return [text for text in texts if text]

    @property
    def first_server(self) -> tuple[str, int]:
        """Host and port of the first bootstrap server."""
        host, port = split_server(self.servers.partition(",")[0])
        return host.strip("[]"), port

    @property
    def verifies(self) -> bool:
        """Whether the broker's certificate is verified; this can only be disabled for your own Kafka."""
        name = "enable.ssl.certificate.verification"
        return self.options.get(name, "true").lower() in VERIFICATION[name]

    def client_config(self) -> dict[str, str]:
        """Settings for `confluent_kafka.Consumer`, without callbacks. Contains the secret: never show it."""
        access = {
            "bootstrap.servers": self.servers,
            "security.protocol": self.protocol,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca_bundle,
        }
        return {
            **DEFAULTS,
            **self.options,
            **{name: value for name, value in access.items() if value is not None},
            **{name: value for name, (value, _) in GUARANTEES.items()},
        }


def event_hub_settings(
    connection: AirflowConnection,
    load: Callable[[str], AirflowConnection],
    argument: Mapping[str, Any] | None = None,
) -> EventHubSettings:
    """Read a connection of type `event_hub`, with the hook's librdkafka settings, which override its own.

    `load` finds the `entra_id` connection it may refer to. Raises `ConfigurationError`, which names what is
    wrong and the remedy, and `UnexpectedHost` if a host must not receive the credential.
    """
    fields = Fields(connection)
    options = Options(fields, argument or {})
    protocol = _protocol(fields, options)
    reads_token = protocol.startswith("SASL_") and _wants_token(fields)
    password = None if reads_token else read_password(fields, options, protocol)
    if not protocol.startswith("SASL_"):
        _check_unread_connection_string(fields, options, protocol)
    place = _place(fields, options, password)
    hosted = _is_hosted(place)
    _check_place(fields, options, protocol, password, place, reads_token=reads_token)
    entra = _entra(fields, load, place, hosted=hosted) if reads_token else None
    if entra is not None and protocol != "SASL_SSL" and not entra.cloud.is_custom:
        fields.wrong("security_protocol", "a token of Microsoft's needs TLS: use SASL_SSL", repr(protocol))
    return EventHubSettings(
        conn_id=fields.conn_id,
        namespace=place.name,
        servers=place.servers,
        hosted=hosted,
        hub=_hub(fields),
        hub_of_policy=password.hub if password else None,
        tenant_id=entra.tenant_id if entra else None,
        protocol=protocol,
        mechanism=_mechanism(fields, options, entra, password),
        username=password.username if password else None,
        password=password.text if password else None,
        policy_key=password.key if password else None,
        entra=entra,
        scope=_scope(fields, entra, place) if entra else None,
        ca_bundle=None if "ssl.ca.location" in options.values else read_network(fields).ca_bundle,
        options=options.free,
        remarks=(*fields.unread("event_hub"), *(entra.remarks if entra else ())),
    )


def _is_hosted(place: Place) -> bool:
    """Whether one of the hosts is Microsoft's."""
    return any(cloud.owns_namespace(bare_host(each)) for each in place.each for cloud in CLOUDS.values())


def _check_place(
    fields: Fields,
    options: Options,
    protocol: str,
    password: Password | None,
    place: Place,
    *,
    reads_token: bool,
) -> None:
    hosted = _is_hosted(place)
    if len(place.each) > 1 and (hosted or reads_token):
        # Otherwise a foreign host could hide after a trusted one.
        remedy = "give one host: a namespace has one, and one gets the token"
        fields.wrong("host", remedy, shown_servers(place.each))
    if hosted:
        _check_hosted(fields, options, protocol, password)


def _protocol(fields: Fields, options: Options) -> str:
    given = fields.text("security_protocol")
    option = options.get("security.protocol")
    if given and option and given.upper() != option.upper() and "security.protocol" in options.connection:
        remedy = f"security.protocol says {shown_choice(option, _PROTOCOLS_LOWER)}: keep one"
        fields.wrong("security_protocol", remedy, shown_choice(given, _PROTOCOLS_LOWER))
    protocol = (option or given or "SASL_SSL").upper()
    if protocol not in _PROTOCOLS:
        fields.wrong_choice("security_protocol", protocol, _PROTOCOLS)
    return protocol


def _wants_token(fields: Fields) -> bool:
    credential = fields.text("credential") or "connection_string"
    return fields.text("entra_id_conn_id") is not None or credential.lower() != "connection_string"


def _place(fields: Fields, options: Options, password: Password | None) -> Place:
    """The brokers: `host`, or else `bootstrap.servers`, or else the connection string's Endpoint.

    Airflow asks for the password again if somebody changes host or port, but not if somebody changes an
    extra. So a setting may only repeat what host or the connection string itself says.
    """
    host = fields.hosts(PORT, several=True, scheme="sb")
    named = _servers(fields, options.get("bootstrap.servers") or "")
    endpoint = password.endpoint if password else None
    if host and named:
        if set(host) != set(named):
            fields.wrong(
                "bootstrap.servers", f"host says {shown_servers(host)}: keep one", shown_servers(named)
            )
        return Place.at(host, named, free=True)
    if host:
        return Place.at(host, host, free=True)
    if named:
        if password is not None and {bare_host(server) for server in named} != {endpoint}:
            raise UnexpectedHost(
                f"Connection {fields.conn_id!r}: bootstrap.servers {shown_servers(named)} is not where the "
                "connection string belongs, so it does not get it. If it is right, put it into host."
            )
        return Place.at(named, named, free=False)
    if endpoint is None:
        fields.missing("host", "give the namespace, such as contoso.servicebus.windows.net")
    return Place.at([endpoint], [endpoint], free=False)


def _servers(fields: Fields, text: str) -> list[str]:
    """The setting `bootstrap.servers`: `host[:port]` each, lower-case; port 9093 is left out."""
    parts = text.split(",") if text else ()
    return [fields.parse_host("bootstrap.servers", part, PORT) for part in parts]


def _check_unread_connection_string(fields: Fields, options: Options, protocol: str) -> None:
    """Refuse a connection string that would not be read: without SASL, the password is not used."""
    named = fields.standard("host") or options.get("bootstrap.servers")
    text = options.get("sasl.password") or fields.standard("password")
    if not named and "sharedaccesskey" in text.lower():
        fields.wrong(
            "security_protocol",
            "it sends no password, but the password is a connection string: leave security_protocol empty, "
            "since Event Hubs speaks SASL_SSL only (its emulator SASL_PLAINTEXT), or for another Kafka "
            "without a login remove the password",
            repr(protocol),
        )


def _check_hosted(fields: Fields, options: Options, protocol: str, password: Password | None) -> None:
    """Check what Microsoft's hosts need, so that no secret is sent unencrypted or to another host."""
    if protocol != "SASL_SSL":
        fields.wrong("security_protocol", "Event Hubs speaks SASL_SSL only", repr(protocol))
    if password is not None and password.username != CONNECTION_STRING_USER:
        fields.wrong(
            "login or sasl.username",
            f"with a connection string Event Hubs wants the user {CONNECTION_STRING_USER}, word for word: "
            "leave login empty; for an application of Entra ID set credential",
            not_shown(password.username),
        )
    for name, allowed in VERIFICATION.items():
        value = options.get(name)
        if value is not None and value.lower() not in allowed:
            fields.wrong(name, "Microsoft's hosts are always verified; for a proxy's CA use ca_bundle")


def _mechanism(
    fields: Fields, options: Options, entra: EntraSettings | None, password: Password | None
) -> str | None:
    given = (options.get("sasl.mechanism") or "").upper()
    if entra is not None:
        if given not in ("", "OAUTHBEARER"):
            fields.wrong("sasl.mechanism", "with a credential of Entra ID it is OAUTHBEARER")
        return "OAUTHBEARER"
    if password is None:
        return None
    if given not in ("", *_PASSWORD_MECHANISMS):
        fields.wrong_choice("sasl.mechanism", given, _PASSWORD_MECHANISMS)
    return given or "PLAIN"


def _entra(
    fields: Fields,
    load: Callable[[str], AirflowConnection],
    place: Place,
    *,
    hosted: bool,
) -> EntraSettings:
    """The credential for the namespace's token, by the same rules as for a `defender` connection's host."""
    reference = fields.text("entra_id_conn_id")
    referred = entra_settings(load(reference)) if reference else None
    cloud = fields.cloud() or (referred.cloud if referred else CLOUDS["public"])
    owned = cloud.owns_namespace(place.host)
    if hosted and not owned and not cloud.is_custom:
        fields.wrong("cloud", f"{place.host} is a namespace of another cloud", repr(cloud.name))
    if not (place.free or owned or trusts(place.name)):
        raise UnexpectedHost(
            f"Connection {fields.conn_id!r}: bootstrap.servers {shown_servers(place.each)} is not "
            "Microsoft's, so it gets no token. If it is right, put it into the field host."
        )
    if referred is not None:
        check_reference(fields, cloud, place.name, referred, owned=owned, api="Event Hubs")
        return referred
    if cloud.is_custom:
        fields.missing(
            "entra_id_conn_id", "with cloud=custom the authority's host stands in a connection of its own"
        )
    trusted = owned or trusts(place.name)
    return read_entra(fields, cloud, cloud.authority_hosts[0], place.name, trusted=trusted)


def _scope(fields: Fields, entra: EntraSettings, place: Place) -> str:
    own = fields.scope() if entra.cloud.is_custom else None
    return own or f"https://{place.host}/.default"


def _hub(fields: Fields) -> str | None:
    """The hub's name: the field schema (Event hub in the form), or the extra `event_hub`."""
    standard, extra = fields.standard("schema").strip("/"), fields.text("event_hub")
    if standard and extra and standard != extra:
        fields.wrong("event_hub", "the field schema (Event hub) names another one: keep one")
    hub = standard or extra
    if hub and not HUB_NAME.match(hub):
        name = "schema (Event hub)" if standard else "event_hub"
        fields.wrong(name, "a hub's name has letters, digits, '.', '_' and '-' only", not_shown(hub))
    return hub or None
