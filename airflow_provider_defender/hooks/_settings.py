"""Airflow connections → checked settings. No network: a wrong field is found before anything is sent."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import unquote, urlsplit

from airflow_provider_defender import compat
from airflow_provider_defender.clouds import CLOUDS, Cloud
from airflow_provider_defender.exceptions import ConfigurationError, UnexpectedHost
from airflow_provider_defender.hooks._hosts import parse_host

__all__ = [
    "Certificate",
    "ClientSecret",
    "Credential",
    "DefenderSettings",
    "EntraSettings",
    "Fields",
    "ManagedIdentity",
    "Network",
    "WorkloadIdentity",
    "check_reference",
    "defender_settings",
    "entra_settings",
    "read_entra",
    "trusts",
]

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}\Z")
_CALLS_PER_MINUTE = 100
_CALLS_PER_HOUR = 1500
_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0
_LONGEST_TIMEOUT = 600.0


class AirflowConnection(Protocol):
    """The part of Airflow's `Connection` that is read here."""

    conn_id: str
    host: str | None
    port: int | None
    login: str | None
    password: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extras."""


@dataclass(frozen=True)
class ClientSecret:
    """An application's secret."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Certificate:
    """An application's certificate: the key as PEM text, or a file with PEM or PFX."""

    client_id: str
    private_key: str | None = field(repr=False)
    private_key_path: str | None
    passphrase: str | None = field(repr=False)
    certificate: str | None = field(repr=False)
    thumbprint: str | None
    send_chain: bool


@dataclass(frozen=True)
class ManagedIdentity:
    """The identity of the machine: system-assigned without a client id, else user-assigned."""

    client_id: str | None


@dataclass(frozen=True)
class WorkloadIdentity:
    """A federated token in a file, which is read anew for every request to Entra ID."""

    client_id: str
    token_file: str


Credential = ClientSecret | Certificate | ManagedIdentity | WorkloadIdentity


@dataclass(frozen=True)
class Network:
    """How to reach hosts. The CA bundle and the proxy of the connection win over the environment's."""

    ca_bundle: str | None
    proxy: str | None = field(repr=False)
    connect_timeout: float
    read_timeout: float


@dataclass(frozen=True)
class EntraSettings:
    """Where and how to get tokens."""

    conn_id: str
    tenant_id: str
    cloud: Cloud
    authority: str
    credential: Credential
    network: Network

    @property
    def authority_hosts(self) -> frozenset[str]:
        """The hosts that may see the credential: the given one and the same cloud's others."""
        return frozenset({self.authority, *self.cloud.authority_hosts})

    @property
    def secrets(self) -> list[str]:
        """Every text that must not be seen in logs."""
        texts: list[str | None] = [*_proxy_passwords(self.network.proxy)]
        if isinstance(self.credential, ClientSecret):
            texts.append(self.credential.secret)
        if isinstance(self.credential, Certificate):
            texts += [self.credential.passphrase, *_key_texts(self.credential.private_key)]
        return [text for text in texts if text]


@dataclass(frozen=True)
class DefenderSettings:
    """Where the API is, what it allows, and whose token it gets."""

    conn_id: str
    tenant_id: str
    host: str
    cloud: Cloud
    scope: str
    entra: EntraSettings
    network: Network
    calls_per_minute: int
    calls_per_hour: int

    @property
    def secrets(self) -> list[str]:
        """Every text that must not be seen in logs."""
        return [*self.entra.secrets, *_proxy_passwords(self.network.proxy)]

    def may_get_token(self, host: str) -> bool:
        """Whether a page link may lead to `host` (normalised)."""
        return host == self.host or self.cloud.owns_defender_host(host)


def entra_settings(connection: AirflowConnection) -> EntraSettings:
    """Read a connection of type `entra_id`; `ConfigurationError` names the field and the cure."""
    fields = Fields(connection)
    cloud = fields.cloud() or CLOUDS["public"]
    host = fields.host()
    if cloud.is_custom:
        authority = host or fields.missing("host", "with cloud=custom give the authority's host[:port]")
    elif host is None:
        authority = cloud.authority_hosts[0]
    elif host in cloud.authority_hosts:
        authority = host
    else:
        fields.wrong(
            "host",
            host,
            f"the {cloud.name} cloud signs in at {cloud.authority_hosts[0]}: leave host empty, or set cloud "
            "to custom for an authority of your own",
        )
    return read_entra(fields, cloud, authority, authority, trusted=not cloud.is_custom or trusts(authority))


def defender_settings(
    connection: AirflowConnection, load: Callable[[str], AirflowConnection]
) -> DefenderSettings:
    """Read a connection of type `defender`; `load` gets the `entra_id` connection it may refer to."""
    fields = Fields(connection)
    reference = fields.text("entra_id_conn_id")
    entra = entra_settings(load(reference)) if reference else None
    cloud = fields.cloud() or (entra.cloud if entra else CLOUDS["public"])
    if not cloud.is_custom and cloud.defender_host is None:
        fields.wrong(
            "cloud",
            cloud.name,
            "Microsoft documents no Defender for Endpoint API in the China cloud (21Vianet), so there is "
            "nothing to read from",
        )
    host = fields.host() or cloud.defender_host
    if host is None:
        fields.missing("host", "with cloud=custom give the API's host[:port]")
    if entra is None:
        entra = _own_credentials(fields, cloud, host)
    else:
        check_reference(fields, cloud, host, entra, owned=cloud.owns_defender_host(host), api="Defender")
    scope = fields.text("scope") if cloud.is_custom else None
    return DefenderSettings(
        conn_id=fields.conn_id,
        tenant_id=entra.tenant_id,
        host=host,
        cloud=cloud,
        scope=scope or cloud.defender_scope or "",
        entra=entra,
        network=fields.network(),
        calls_per_minute=fields.count("calls_per_minute", _CALLS_PER_MINUTE),
        calls_per_hour=fields.count("calls_per_hour", _CALLS_PER_HOUR),
    )


def _own_credentials(fields: Fields, cloud: Cloud, host: str) -> EntraSettings:
    """Credentials of the API's own connection: its host may be free, as Airflow guards changes of it."""
    authority = host if cloud.is_custom else cloud.authority_hosts[0]
    return read_entra(fields, cloud, authority, host, trusted=cloud.owns_defender_host(host) or trusts(host))


def check_reference(
    fields: Fields, cloud: Cloud, host: str, entra: EntraSettings, *, owned: bool, api: str
) -> None:
    """A token of a Microsoft authority, got by reference, goes to that cloud's Microsoft hosts only.

    `owned` says whether `host` is one of the cloud's hosts of that `api`.

    Else whoever may edit this connection, but knows no secret, could send the other connection's token
    to a host of their own.
    """
    if cloud is not entra.cloud:
        fields.wrong(
            "cloud",
            cloud.name,
            f"the connection {entra.conn_id!r} it refers to is of the {entra.cloud.name} cloud: use one "
            "cloud in both, or leave it empty here",
        )
    if not cloud.is_custom and not owned:
        raise UnexpectedHost(
            f"Connection {fields.conn_id!r}: host {host!r} is no {api} host of the {cloud.name} cloud, so "
            f"it must not get a token of connection {entra.conn_id!r}. Correct host, or give this "
            "connection credentials of its own."
        )
    _check_worker_identity(fields, entra.credential, host, trusted=owned or trusts(host))
    tenant = fields.tenant()
    if tenant != entra.tenant_id:
        fields.wrong(
            "tenant_id",
            tenant,
            f"the connection {entra.conn_id!r} it refers to is of tenant {entra.tenant_id}: make them equal",
        )


def read_entra(fields: Fields, cloud: Cloud, authority: str, host: str, *, trusted: bool) -> EntraSettings:
    """The connection's own credentials; `host` is who gets the token, `trusted` whether with any identity."""
    tenant = fields.tenant()
    credential = fields.credential()
    _check_worker_identity(fields, credential, host, trusted=trusted)
    return EntraSettings(
        conn_id=fields.conn_id,
        tenant_id=tenant,
        cloud=cloud,
        authority=authority,
        credential=credential,
        network=fields.network(),
    )


def _check_worker_identity(fields: Fields, credential: Credential, host: str, *, trusted: bool) -> None:
    """Keep the worker's own identity to trusted hosts: Airflow guards a changed host by its secret only."""
    if isinstance(credential, ManagedIdentity | WorkloadIdentity) and not trusted:
        raise UnexpectedHost(
            f"Connection {fields.conn_id!r}: host {host!r} is not Microsoft's, so the identity of "
            "the worker must not be shown to it. If it is yours, an administrator adds it to the Airflow "
            "option [defender] trusted_hosts."
        )


def trusts(host: str) -> bool:
    """Whether the deployment's administrator trusts `host` with the worker's own identity."""
    listed = compat.airflow_option("defender", "trusted_hosts").split(",")
    return host in {text.strip().lower().removesuffix(":443") for text in listed}


class Fields:
    """Reads the fields of one connection, and says what is wrong with them."""

    def __init__(self, connection: AirflowConnection) -> None:
        self._connection = connection
        self._extra: Mapping[str, Any] = connection.extra_dejson or {}
        self.conn_id = connection.conn_id

    def wrong(self, name: str, value: object, cure: str) -> NoReturn:
        raise ConfigurationError(f"Connection {self.conn_id!r}: {name} {value!r} is wrong: {cure}.")

    def wrong_secret(self, name: str, cure: str) -> NoReturn:
        raise ConfigurationError(f"Connection {self.conn_id!r}: {name} is wrong: {cure}.")

    def missing(self, name: str, cure: str) -> NoReturn:
        raise ConfigurationError(f"Connection {self.conn_id!r}: {name} is missing: {cure}.")

    def value(self, name: str) -> Any:
        """An extra as it is; None where it is absent."""
        return self._extra.get(name)

    def dotted(self) -> dict[str, Any]:
        """The extras with a dot in their names: settings of a library."""
        return {name: value for name, value in self._extra.items() if "." in name}

    def text(self, name: str) -> str | None:
        """An extra's text; empty and null are absent."""
        value = self._extra.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.wrong_secret(name, f"it must be a text, not {type(value).__name__}")
        return value.strip() or None

    def flag(self, name: str) -> bool:
        value = self._extra.get(name)
        texts = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}
        known = texts.get(str(value).strip().lower())
        if known is None:
            self.wrong(name, value, "it must be true or false")
        return known

    def count(self, name: str, default: int) -> int:
        value = self._extra.get(name)
        if value in (None, ""):
            return default
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value), re.ASCII) or int(value) < 1:
            self.wrong(name, value, "it must be a whole number above 0")
        return int(value)

    def seconds(self, name: str, default: float) -> float:
        value = self._extra.get(name)
        if value in (None, ""):
            return default
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = -1.0
        if isinstance(value, bool) or not 0 < seconds <= _LONGEST_TIMEOUT:
            self.wrong(
                name, value, f"it must be a number of seconds, above 0 and up to {_LONGEST_TIMEOUT:.0f}"
            )
        return seconds

    def tenant(self) -> str:
        value = self.text("tenant_id")
        if value is None:
            self.missing("tenant_id", "give the tenant's GUID (Entra ID → Overview → Tenant ID)")
        if not _GUID.match(value.lower()):
            self.wrong("tenant_id", value, "it must be the tenant's GUID, not a domain name")
        return value.lower()

    def cloud(self) -> Cloud | None:
        value = self.text("cloud")
        if value is None:
            return None
        cloud = CLOUDS.get(value.lower())
        if cloud is None:
            self.wrong("cloud", value, f"it must be one of {', '.join(CLOUDS)}")
        return cloud

    def host(self) -> str | None:
        value = (self._connection.host or "").strip()
        if not value:
            return None
        try:
            host = parse_host(value)
            if self._connection.port:
                host = parse_host(f"{host}:{self._connection.port}")
        except ValueError as error:
            # What stands before an @ may be a password.
            self.wrong(
                "host", value.rpartition("@")[2], f"{error}; give host[:port], such as api.example.com"
            )
        return host

    def network(self) -> Network:
        return Network(
            ca_bundle=self._ca_bundle(),
            proxy=self._proxy(),
            connect_timeout=self.seconds("connect_timeout", _CONNECT_TIMEOUT),
            read_timeout=self.seconds("read_timeout", _READ_TIMEOUT),
        )

    def _ca_bundle(self) -> str | None:
        path = self.text("ca_bundle")
        if path is None:
            return None
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(path)
        except OSError as error:  # ssl.SSLError is one, too
            self.wrong("ca_bundle", path, f"no certificates can be read from it ({_os_reason(error)})")
        return path

    def _proxy(self) -> str | None:
        proxy = self.text("proxy")
        if proxy is None:
            return None
        try:
            parts = urlsplit(proxy)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            self.wrong_secret("proxy", "it must be a URL, such as http://proxy.example.com:3128")
        return proxy

    def credential(self) -> Credential:
        kind = (self.text("credential") or "client_secret").lower()
        read: dict[str, Callable[[], Credential]] = {
            "client_secret": lambda: ClientSecret(self._client_id(), self._secret()),
            "certificate": self._certificate,
            "managed_identity": lambda: ManagedIdentity((self._connection.login or "").strip() or None),
            "workload_identity": self._workload_identity,
        }
        if kind not in read:
            self.wrong("credential", kind, f"it must be one of {', '.join(read)}")
        return read[kind]()

    def _client_id(self) -> str:
        client_id = (self._connection.login or "").strip()
        return client_id or self.missing("login", "give the application's (client) ID")

    def _secret(self) -> str:
        secret = (self._connection.password or "").strip()
        return secret or self.missing(
            "password", "give the client secret's value, or set credential to another kind"
        )

    def _certificate(self) -> Certificate:
        key, path = self.text("private_key"), self.text("private_key_path")
        if bool(key) == bool(path):
            self.missing("private_key", "give either private_key (PEM text) or private_key_path (PEM or PFX)")
        if path is not None and not Path(path).is_file():
            self.wrong("private_key_path", path, "there is no such file on this worker")
        thumbprint = self.text("thumbprint")
        if thumbprint is not None:
            thumbprint = thumbprint.replace(":", "").replace(" ", "")
            if not _THUMBPRINT.match(thumbprint):
                self.wrong("thumbprint", thumbprint, "it must be the certificate's SHA-1, 40 hex digits")
        return Certificate(
            client_id=self._client_id(),
            private_key=key,
            private_key_path=path,
            passphrase=self.text("private_key_passphrase"),
            certificate=self.text("certificate"),
            thumbprint=thumbprint,
            send_chain=self.flag("send_certificate_chain"),
        )

    def _workload_identity(self) -> WorkloadIdentity:
        client_id = (self._connection.login or "").strip() or os.environ.get("AZURE_CLIENT_ID")
        path = self.text("federated_token_file") or os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
        if not client_id:
            self.missing("login", "give the application's (client) ID, or set AZURE_CLIENT_ID on the worker")
        if not path:
            self.missing(
                "federated_token_file", "give its path, or set AZURE_FEDERATED_TOKEN_FILE on the worker"
            )
        if not Path(path).is_file():
            self.wrong("federated_token_file", path, "there is no such file on this worker")
        return WorkloadIdentity(client_id, path)


def _os_reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _proxy_passwords(proxy: str | None) -> set[str]:
    """The proxy's password as it stands in the URL, and as it is meant."""
    password = urlsplit(proxy).password if proxy else None
    return {password, unquote(password)} if password else set()


def _key_texts(key: str | None) -> list[str]:
    """The key as a whole and line by line, as a log may show it in either way."""
    if key is None:
        return []
    lines = [line.strip() for line in key.replace("\\n", "\n").splitlines()]
    return [key, *(line for line in lines if len(line) >= 16 and not line.startswith("-----"))]
