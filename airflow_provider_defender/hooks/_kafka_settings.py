"""Connections of type `event_hub` → checked settings of librdkafka. No network, and no Kafka library.

Sources: Microsoft Learn, "Apache Kafka client configurations for Event Hubs" and "Use Event Hubs from Apache
Kafka applications"; librdkafka's CONFIGURATION.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from airflow_provider_defender import __version__
from airflow_provider_defender.clouds import CLOUDS
from airflow_provider_defender.exceptions import UnexpectedHost
from airflow_provider_defender.hooks._hosts import parse_host
from airflow_provider_defender.hooks._settings import (
    AirflowConnection,
    EntraSettings,
    Fields,
    check_reference,
    entra_settings,
    read_entra,
    trusts,
)
from airflow_provider_defender.hooks._shown import not_shown, shown_choice, shown_host

__all__ = ["CLIENT_NAME", "HUB_NAME", "EventHubSettings", "event_hub_settings", "is_secret"]

CLIENT_NAME = "airflow-provider-defender"
"""The Kafka consumer group, and the name in the broker's logs, of readers that commit nothing."""

_PORT = 9093
_CONNECTION_STRING_USER = "$ConnectionString"
_CONNECTION_STRING_HELP = (
    "give the connection string as the portal shows it (Event Hubs namespace → Shared access policies → a "
    "policy with Listen): Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…"
)
HUB_NAME = re.compile(r"[A-Za-z0-9._-]{1,256}\Z")
_PROTOCOLS = ("SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT")
_PROTOCOLS_LOWER = tuple(protocol.lower() for protocol in _PROTOCOLS)
_PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_SECRET_SETTING = re.compile(r"password|secret|passphrase|key\.pem|ssl_key|token", re.IGNORECASE)
_ALIASES = {
    "sasl.mechanisms": "sasl.mechanism",
    "metadata.broker.list": "bootstrap.servers",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
}

_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "client.id": f"{CLIENT_NAME}/{__version__}",
        "group.id": CLIENT_NAME,
        # Microsoft's recommendations: Azure drops idle connections after four minutes without a word.
        "socket.keepalive.enable": "true",
        "metadata.max.age.ms": "180000",
        "connections.max.idle.ms": "180000",
        "session.timeout.ms": "30000",
        "heartbeat.interval.ms": "3000",
        "socket.timeout.ms": "60000",
        "allow.auto.create.topics": "false",
        # The default of 1000 ms stalls a reader that is faster than the prefetch.
        "fetch.queue.backoff.ms": "1",
        # Memory: at most this much is fetched ahead, and one answer more.
        "queued.max.messages.kbytes": "4096",
        "fetch.max.bytes": "8388608",
        "max.partition.fetch.bytes": "1048576",
        # How long the broker holds back an empty answer, and with it the news that a partition ends.
        "fetch.wait.max.ms": "100",
        "reconnect.backoff.max.ms": "2000",
        "socket.connection.setup.timeout.ms": "8000",
    }
)
_GUARANTEES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "enable.auto.commit": ("false", "what was read is recorded in the lake, together with the data"),
        "enable.auto.offset.store": (
            "false",
            "what was read is recorded in the lake, together with the data",
        ),
        "auto.offset.reset": ("error", "a reset would pass over lost messages without a word"),
        "enable.partition.eof": ("true", "without it the end of a partition cannot be told from silence"),
        "check.crcs": ("true", "a message that was changed on its way would land as if it were whole"),
    }
)
_FOREIGN_CODE = frozenset(
    {
        "plugin.library.paths",
        "sasl.kerberos.kinit.cmd",
        "ssl.engine.id",
        "ssl.engine.location",
        "ssl.providers",
    }
)
_VERIFICATION: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "enable.ssl.certificate.verification": ("true", "1", "t"),
        "ssl.endpoint.identification.algorithm": ("https",),
    }
)


@dataclass(frozen=True)
class EventHubSettings:
    """Where the hub is, how to reach it, and who we are there.

    `namespace` is the host's name for people and logs, with the port where it is not 9093. `servers` is
    librdkafka's `bootstrap.servers`. `hosted` says that the host is Microsoft's. `options` are the settings
    of the user's, `entra` and `scope` are there where we sign in with a token of Entra ID.
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
    """Sentences about extras that nobody reads."""

    @property
    def secrets(self) -> list[str]:
        """Every text that must not be seen in logs."""
        texts = [self.password, self.policy_key, *(self.entra.secrets if self.entra else ())]
        texts += [value for name, value in self.options.items() if is_secret(name)]
        return [text for text in texts if text]

    @property
    def first_server(self) -> tuple[str, int]:
        """Host and port of the first bootstrap server."""
        host, port = _split(self.servers.partition(",")[0])
        return host.strip("[]"), port

    @property
    def verifies(self) -> bool:
        """Whether the broker's certificate is verified; only for a Kafka of one's own it may not be."""
        name = "enable.ssl.certificate.verification"
        return self.options.get(name, "true").lower() in _VERIFICATION[name]

    def client_config(self) -> dict[str, str]:
        """Settings for `confluent_kafka.Consumer`, callbacks apart. Holds the secret: never to be shown."""
        access = {
            "bootstrap.servers": self.servers,
            "security.protocol": self.protocol,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca_bundle,
        }
        return {
            **_DEFAULTS,
            **self.options,
            **{name: value for name, value in access.items() if value is not None},
            **{name: value for name, (value, _) in _GUARANTEES.items()},
        }


def event_hub_settings(
    connection: AirflowConnection,
    load: Callable[[str], AirflowConnection],
    argument: Mapping[str, Any] | None = None,
) -> EventHubSettings:
    """Read a connection of type `event_hub`, and the hook's own librdkafka settings over it.

    `load` gets the `entra_id` connection it may refer to. Raises `ConfigurationError`, which names what is
    wrong and the cure, and `UnexpectedHost` where a host must not get the credential.
    """
    fields = Fields(connection)
    options = _Options(fields, argument or {})
    protocol = _protocol(fields, options)
    reads_token = protocol.startswith("SASL_") and _wants_token(fields)
    password = None if reads_token else _password(fields, options, protocol)
    if not protocol.startswith("SASL_"):
        _check_unread_connection_string(fields, options, protocol)
    place = _place(fields, options, password)
    hosted = any(cloud.owns_namespace(_bare(server)) for server in place.each for cloud in CLOUDS.values())
    if len(place.each) > 1 and (hosted or reads_token):
        # Else a host of somebody else's could stand behind a trusted one.
        cure = "give one host: a namespace has one, and one gets the token"
        fields.wrong("host", cure, _shown(place.each))
    if hosted:
        _check_hosted(fields, options, protocol, password)
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
        ca_bundle=None if "ssl.ca.location" in options.values else fields.network().ca_bundle,
        options=options.free,
        remarks=(*fields.unread("event_hub"), *(entra.remarks if entra else ())),
    )


def is_secret(setting: str) -> bool:
    """Whether a setting of librdkafka, by its name, holds a secret."""
    return _SECRET_SETTING.search(setting) is not None


class _Options:
    """The librdkafka settings that the user gives: in the connection, and over them the hook's own.

    In the connection they are extras with a dot in their names, as in the seed of Event Hubs' own
    documentation, or the JSON object `kafka_config`.
    """

    _ACCESS = ("bootstrap.servers", "security.protocol", "sasl.mechanism", "sasl.username", "sasl.password")

    def __init__(self, fields: Fields, argument: Mapping[str, Any]) -> None:
        self._fields = fields
        own = self._checked({**fields.dotted(), **self._kafka_config()})
        self.argument = self._checked(argument)
        self.connection = own
        self.values = {**own, **self.argument}

    @property
    def free(self) -> dict[str, str]:
        """What is left beside the settings that say where and who."""
        return {name: value for name, value in self.values.items() if name not in self._ACCESS}

    def get(self, name: str) -> str | None:
        """The user's setting; empty is absent."""
        return self.values.get(name) or None

    def _kafka_config(self) -> Mapping[str, Any]:
        value = self._fields.value("kafka_config")
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                self._fields.wrong("kafka_config", "it is not JSON")
        if not isinstance(value, Mapping | None):
            self._fields.wrong("kafka_config", "it must be a JSON object of librdkafka's settings")
        return value or {}

    def _checked(self, settings: Mapping[str, Any]) -> dict[str, str]:
        checked: dict[str, str] = {}
        for given, value in settings.items():
            name = _ALIASES.get(given.strip(), given.strip())
            text = self._text(name, value)
            self._check(name, text)
            if checked.setdefault(name, text) != text:
                self._fields.wrong(name, "it is given twice, with different values")
        return {name: text for name, text in checked.items() if name not in _GUARANTEES}

    def _text(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | float):
            self._fields.wrong(name, f"it must be a text or a number, not {type(value).__name__}")
        return self._fields.sendable(name, str(value)).strip()

    def _check(self, name: str, text: str) -> None:
        guarantee = _GUARANTEES.get(name)
        if guarantee is not None and text.lower() != guarantee[0]:
            cure = f"it must be {guarantee[0]} or absent: {guarantee[1]}"
            self._fields.wrong(name, cure, shown_choice(text, ("true", "false", "earliest", "latest")))
        if name in _FOREIGN_CODE:
            self._fields.wrong(name, "it is not allowed: it would load foreign code into the worker")
        if name.startswith("sasl.oauthbearer."):
            self._fields.wrong(
                name, "it is not allowed: tokens come by entra_id_conn_id, or by credential and its fields"
            )
        if name.endswith("_cb") or name in ("logger", "on_commit", "error", "opaque"):
            self._fields.wrong(name, "it is not allowed: callbacks are our own")


@dataclass(frozen=True)
class _Password:
    """A user's name and password for SASL; for Event Hubs the password is the connection string."""

    username: str
    text: str = field(repr=False)
    endpoint: str | None = None
    hub: str | None = None
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Place:
    """Where the brokers are: the name for people, the bare host, and librdkafka's list."""

    name: str
    host: str
    servers: str
    free: bool

    @property
    def each(self) -> list[str]:
        """All servers, `host:port`."""
        return self.servers.split(",")

    @classmethod
    def at(cls, names: list[str], servers: list[str], *, free: bool) -> _Place:
        """`free` says that the field host names it, so that it may be any."""
        whole = (f"{host}:{port}" for host, port in map(_split, servers))
        name = min(names)  # whatever the order of several: the lake's log is named after it
        return cls(name, _bare(name), ",".join(whole), free)


def _protocol(fields: Fields, options: _Options) -> str:
    given = fields.text("security_protocol")
    option = options.get("security.protocol")
    if given and option and given.upper() != option.upper() and "security.protocol" in options.connection:
        cure = f"security.protocol says {shown_choice(option, _PROTOCOLS_LOWER)}: keep one"
        fields.wrong("security_protocol", cure, shown_choice(given, _PROTOCOLS_LOWER))
    protocol = (option or given or "SASL_SSL").upper()
    if protocol not in _PROTOCOLS:
        fields.wrong_choice("security_protocol", protocol, _PROTOCOLS)
    return protocol


def _wants_token(fields: Fields) -> bool:
    kind = fields.text("credential") or "connection_string"
    return fields.text("entra_id_conn_id") is not None or kind.lower() != "connection_string"


def _password(fields: Fields, options: _Options, protocol: str) -> _Password | None:
    if not protocol.startswith("SASL_"):
        return None
    text = options.get("sasl.password") or fields.standard("password")
    if (options.get("sasl.mechanism") or "").upper() == "OAUTHBEARER":
        cure = "it needs a token: give entra_id_conn_id, or set credential"
        fields.wrong("sasl.mechanism", cure, "'OAUTHBEARER'")
    login = fields.standard("login")
    for name, value in {"login": login, "sasl.username": options.get("sasl.username") or ""}.items():
        if "sharedaccesskey=" in value.lower().replace(" ", ""):
            fields.wrong(name, "it holds a connection string, which belongs into password; leave it empty")
    if not text:
        fields.missing("password", _CONNECTION_STRING_HELP)
    username = options.get("sasl.username") or login or _CONNECTION_STRING_USER
    if username != _CONNECTION_STRING_USER:
        return _Password(username, text)
    return _connection_string(fields, text)


def _connection_string(fields: Fields, text: str) -> _Password:
    text = text.strip("\"' \t\r\n")
    parts = {
        name.strip().lower(): value.strip()
        for name, separator, value in (part.partition("=") for part in text.split(";"))
        if separator
    }
    if "sharedaccesssignature" in parts:
        fields.wrong(
            "password", f"the Kafka endpoint takes no generated signature; {_CONNECTION_STRING_HELP}"
        )
    for needed in ("endpoint", "sharedaccesskeyname", "sharedaccesskey"):
        if not parts.get(needed):
            fields.wrong("password", f"it is no connection string; {_CONNECTION_STRING_HELP}")
    scheme, _, rest = parts["endpoint"].partition("://")
    try:
        if scheme.lower() != "sb":
            raise ValueError("it does not start with sb://")
        endpoint = _bare(parse_host(rest.strip().removesuffix("/")))
    except ValueError as error:
        fields.wrong("password", f"its Endpoint is wrong ({error}); {_CONNECTION_STRING_HELP}")
    return _Password(
        _CONNECTION_STRING_USER,
        text,
        endpoint=endpoint,
        hub=parts.get("entitypath") or None,
        key=parts["sharedaccesskey"],
    )


def _place(fields: Fields, options: _Options, password: _Password | None) -> _Place:
    """Where the brokers are: `host`, else `bootstrap.servers`, else the connection string's Endpoint.

    Airflow asks for the password again where somebody changes host or port, but not where somebody changes
    an extra: so a setting may only repeat what host or the connection string itself says.
    """
    host = fields.hosts(_PORT, several=True, scheme="sb")
    named = _servers(fields, options.get("bootstrap.servers") or "")
    endpoint = password.endpoint if password else None
    if host and named:
        if set(host) != set(named):
            fields.wrong("bootstrap.servers", f"host says {_shown(host)}: keep one", _shown(named))
        return _Place.at(host, named, free=True)
    if host:
        return _Place.at(host, host, free=True)
    if named:
        if password is not None and {_bare(server) for server in named} != {endpoint}:
            raise UnexpectedHost(
                f"Connection {fields.conn_id!r}: bootstrap.servers {_shown(named)} is not where the "
                "connection string belongs, so it does not get it. If it is right, put it into host."
            )
        return _Place.at(named, named, free=False)
    if endpoint is None:
        fields.missing("host", "give the namespace, such as contoso.servicebus.windows.net")
    return _Place.at([endpoint], [endpoint], free=False)


def _servers(fields: Fields, text: str) -> list[str]:
    """The setting `bootstrap.servers`: `host[:port]` each, lower-case; port 9093 is left out."""
    parts = text.split(",") if text else ()
    return [fields.parse_host("bootstrap.servers", part, _PORT) for part in parts]


def _shown(servers: list[str]) -> str:
    return ", ".join(shown_host(server) for server in servers)


def _split(server: str) -> tuple[str, int]:
    host, separator, port = server.rpartition(":")
    return (host, int(port)) if separator and port.isdigit() else (server, _PORT)


def _bare(server: str) -> str:
    return _split(server)[0]


def _check_unread_connection_string(fields: Fields, options: _Options, protocol: str) -> None:
    """Without SASL nobody reads the password; where nothing else names the host, it was meant to be read."""
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


def _check_hosted(fields: Fields, options: _Options, protocol: str, password: _Password | None) -> None:
    """What Microsoft's hosts need, so that no secret goes out in the clear or to another."""
    if protocol != "SASL_SSL":
        fields.wrong("security_protocol", "Event Hubs speaks SASL_SSL only", repr(protocol))
    if password is not None and password.username != _CONNECTION_STRING_USER:
        fields.wrong(
            "login or sasl.username",
            f"with a connection string Event Hubs wants the user {_CONNECTION_STRING_USER}, word for word: "
            "leave login empty; for an application of Entra ID set credential",
            not_shown(password.username),
        )
    for name, allowed in _VERIFICATION.items():
        value = options.get(name)
        if value is not None and value.lower() not in allowed:
            fields.wrong(name, "Microsoft's hosts are always verified; for a proxy's CA use ca_bundle")


def _mechanism(
    fields: Fields, options: _Options, entra: EntraSettings | None, password: _Password | None
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
    place: _Place,
    *,
    hosted: bool,
) -> EntraSettings:
    """Whose token the namespace gets, by the same rules as a `defender` connection's host."""
    reference = fields.text("entra_id_conn_id")
    referred = entra_settings(load(reference)) if reference else None
    cloud = fields.cloud() or (referred.cloud if referred else CLOUDS["public"])
    owned = cloud.owns_namespace(place.host)
    if hosted and not owned and not cloud.is_custom:
        fields.wrong("cloud", f"{place.host} is a namespace of another cloud", repr(cloud.name))
    if not (place.free or owned or trusts(place.name)):
        raise UnexpectedHost(
            f"Connection {fields.conn_id!r}: bootstrap.servers {_shown(place.each)} is not Microsoft's, so "
            "it gets no token. If it is right, put it into the field host."
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


def _scope(fields: Fields, entra: EntraSettings, place: _Place) -> str:
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
