"""Airflow connections → checked settings. No network: a wrong field is found before anything is sent."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import unquote, urlsplit

from airflow_provider_defender import compat
from airflow_provider_defender._connection_fields import CONNECTION_TYPES
from airflow_provider_defender.clouds import CLOUDS, Cloud
from airflow_provider_defender.exceptions import ConfigurationError, UnexpectedHost
from airflow_provider_defender.hooks._hosts import parse_host
from airflow_provider_defender.hooks._shown import (
    nearest,
    not_shown,
    shown_choice,
    shown_host,
    shown_name,
    shown_number,
    shown_path,
)

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
_PORT = 443
_OWN_PORT = re.compile(r":([0-9]{1,5})/?\Z", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\Z", re.ASCII)
_SCOPE = re.compile(r"[a-z]+://[A-Za-z0-9._:/-]+/\.default\Z", re.ASCII)
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}\Z")
_CALLS_PER_MINUTE = 100
_CALLS_PER_HOUR = 1500
_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0
_LONGEST_TIMEOUT = 600.0
_EXTRA_HELP = 'it must be a JSON object, such as {"tenant_id": "…"}'
_ALSO_READ: Mapping[str, tuple[str, ...]] = {"event_hub": ("event_hub",)}


class AirflowConnection(Protocol):
    """The part of Airflow's `Connection` that is read here."""

    conn_id: str
    host: str | None
    port: int | None
    login: str | None
    password: str | None
    schema: str | None
    extra: str | None

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
    remarks: tuple[str, ...] = ()
    """Sentences about extras that nobody reads."""

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
    remarks: tuple[str, ...] = ()
    """Sentences about extras that nobody reads."""

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
            f"the {cloud.name} cloud signs in at {cloud.authority_hosts[0]}: leave host empty, or set cloud "
            "to custom for an authority of your own",
            shown_host(host),
        )
    trusted = not cloud.is_custom or trusts(authority)
    entra = read_entra(fields, cloud, authority, authority, trusted=trusted)
    return replace(entra, remarks=fields.unread("entra_id"))


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
            "Microsoft documents no Defender for Endpoint API in the China cloud (21Vianet), so there is "
            "nothing to read from",
            repr(cloud.name),
        )
    host = fields.host() or cloud.defender_host
    if host is None:
        fields.missing("host", "with cloud=custom give the API's host[:port]")
    if entra is None:
        entra = _own_credentials(fields, cloud, host)
    else:
        check_reference(fields, cloud, host, entra, owned=cloud.owns_defender_host(host), api="Defender")
    scope = fields.scope() if cloud.is_custom else None
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
        remarks=(*fields.unread("defender"), *entra.remarks),
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
            f"the connection {entra.conn_id!r} it refers to is of the {entra.cloud.name} cloud: use one "
            "cloud in both, or leave it empty here",
            repr(cloud.name),
        )
    if not cloud.is_custom and not owned:
        raise UnexpectedHost(
            f"Connection {fields.conn_id!r}: host {shown_host(host)} is no {api} host of the {cloud.name} "
            f"cloud, so it must not get a token of connection {entra.conn_id!r}. Correct host, or give this "
            "connection credentials of its own."
        )
    _check_worker_identity(fields, entra.credential, host, trusted=owned or trusts(host))
    tenant = fields.tenant()
    if tenant != entra.tenant_id:
        fields.wrong(
            "tenant_id",
            f"the connection {entra.conn_id!r} it refers to is of tenant {entra.tenant_id}: make them equal",
            repr(tenant),
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
            f"Connection {fields.conn_id!r}: host {shown_host(host)} is not Microsoft's, so the identity of "
            "the worker must not be shown to it. If it is yours, an administrator adds it to the Airflow "
            "option [defender] trusted_hosts."
        )


def trusts(host: str) -> bool:
    """Whether the deployment's administrator trusts `host` with the worker's own identity."""
    listed = compat.airflow_option("defender", "trusted_hosts").split(",")
    return host in {text.strip().lower().removesuffix(":443") for text in listed}


class Fields:
    """Reads the fields of one connection, and says what is wrong with them.

    A message shows a value only where it cannot be a secret that stands in the wrong field.
    """

    def __init__(self, connection: AirflowConnection) -> None:
        self._connection = connection
        self.conn_id = connection.conn_id
        self._extra: Mapping[str, Any] = self._read_extra()

    # What is wrong --------------------------------------------------------------------------------

    def wrong(self, name: str, cure: str, shown: str = "") -> NoReturn:
        """Raise that a field is wrong; `shown` is what its value looks like, already fit to be seen."""
        what = f"{name} {shown}" if shown else name
        raise ConfigurationError(f"Connection {self.conn_id!r}: {what} is wrong: {cure}.")

    def wrong_choice(self, name: str, value: str, choices: Iterable[str]) -> NoReturn:
        """Raise that a field must be one of `choices`."""
        choices = list(choices)
        by_case = {choice.lower(): choice for choice in choices}
        near = nearest(value, by_case)
        meant = f"; did you mean {by_case[near]}?" if near else ""
        self.wrong(name, f"it must be one of {', '.join(choices)}{meant}", shown_choice(value, by_case))

    def missing(self, name: str, cure: str) -> NoReturn:
        """Raise that a field is missing; an extra whose name is much like it was probably meant."""
        near = next((extra for extra in self._extra if extra != name and _plain(extra) == _plain(name)), "")
        meant = f"; the extra {near!r} is not read, so give it the name {name!r}" if near else ""
        raise ConfigurationError(f"Connection {self.conn_id!r}: {name} is missing: {cure}{meant}.")

    # Extras ---------------------------------------------------------------------------------------

    def _read_extra(self) -> Mapping[str, Any]:
        text = self._connection.extra
        if not text:
            return {}
        try:
            extra = json.loads(text)
        except (ValueError, RecursionError):
            self.wrong("extra", f"it is not JSON; {_EXTRA_HELP}")
        if isinstance(extra, str):
            self.wrong("extra", f"it is a JSON text: if it was encoded twice, encode it once; {_EXTRA_HELP}")
        if not isinstance(extra, dict):
            kind = "null" if extra is None else {list: "list", bool: "boolean"}.get(type(extra), "number")
            self.wrong("extra", f"it is a JSON {kind}; {_EXTRA_HELP}")
        return self._connection.extra_dejson  # Airflow masks the secrets in it

    def unread(self, kind: str) -> tuple[str, ...]:
        """Sentences about the extras that no connection of this type has; their values are not shown."""
        known = [each.name for each in CONNECTION_TYPES[kind].extras]
        sentences = []
        for name in self._extra:
            if name in known or name in _ALSO_READ.get(kind, ()) or (kind == "event_hub" and "." in name):
                continue
            near = nearest(name, known)
            meant = f": did you mean {near!r}?" if near else "."
            sentences.append(
                f"Connection {self.conn_id!r}: the extra {shown_name(name)} is not read by connections of "
                f"type {kind}{meant}"
            )
        return tuple(sentences)

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
            self.wrong(name, f"it must be a text, not {type(value).__name__}")
        return self.sendable(name, value).strip() or None

    def standard(self, name: str) -> str:
        """A text of Airflow's own fields: `host`, `login`, `password`, `schema`; empty where it is absent."""
        value: str | None = getattr(self._connection, name)
        text = self.sendable(name, value or "").strip()
        if name != "host" and re.search(r"[\t\r\n]", text):  # a host is parsed more strictly anyway
            self.wrong(name, "it holds a line break or a tab in its middle: enter it in one line")
        return text

    def sendable(self, name: str, value: str) -> str:
        """The value, if it holds nothing that no request can carry."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.wrong(name, "it holds half of a character (a lone surrogate): enter it again")
        if _CONTROL.search(value):
            self.wrong(name, "it holds a control character: enter it again")
        if _UNSEEN.search(value):
            self.wrong(name, "it holds a character that cannot be seen, as copying can add: type it by hand")
        return value

    def flag(self, name: str) -> bool:
        """An extra that is true or false; absent is false."""
        value = self._extra.get(name)
        texts = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}
        known = texts.get(str(value).strip().lower())
        if known is None:
            self.wrong(name, "it must be true or false", shown_number(value))
        return known

    def count(self, name: str, default: int) -> int:
        """An extra that is a whole number above 0."""
        value = self._extra.get(name)
        if value in (None, ""):
            return default
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value), re.ASCII) or int(value) < 1:
            self.wrong(name, "it must be a whole number above 0", shown_number(value))
        return int(value)

    def seconds(self, name: str, default: float) -> float:
        """An extra that is a number of seconds."""
        value = self._extra.get(name)
        if value in (None, ""):
            return default
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = -1.0
        if isinstance(value, bool) or not 0 < seconds <= _LONGEST_TIMEOUT:
            cure = f"it must be a number of seconds, above 0 and up to {_LONGEST_TIMEOUT:.0f}"
            self.wrong(name, cure, shown_number(value))
        return seconds

    # Where ----------------------------------------------------------------------------------------

    def tenant(self) -> str:
        """The tenant's GUID, in lower case."""
        value = self.text("tenant_id")
        if value is None:
            self.missing("tenant_id", "give the tenant's GUID (Entra ID → Overview → Tenant ID)")
        if not _GUID.match(value.lower()):
            hint = ", not a domain name" if _DOMAIN.match(value) else ""
            self.wrong("tenant_id", f"it must be the tenant's GUID{hint}", not_shown(value))
        return value.lower()

    def cloud(self) -> Cloud | None:
        """The cloud; None where none is chosen."""
        value = self.text("cloud")
        if value is None:
            return None
        return CLOUDS.get(value.lower()) or self.wrong_choice("cloud", value, CLOUDS)

    def scope(self) -> str | None:
        """The token's scope."""
        value = self.text("scope")
        if value is not None and not _SCOPE.match(value):
            self.wrong("scope", "it must be a resource's URI and end in /.default", not_shown(value))
        return value

    def host(self) -> str | None:
        """The field host, with the port; None where it is empty."""
        return next(iter(self.hosts(_PORT, several=False)), None)

    def hosts(self, default_port: int, *, several: bool, scheme: str = "https") -> list[str]:
        """What the fields host and port name, lower-case and without the default port.

        With `several` there may be commas between hosts, and the port is for those that name none.
        """
        text, port = self.standard("host"), self._port()
        if not text and port not in (None, default_port):
            self.wrong("port", "it stands alone: give the host, too, or leave it empty", repr(port))
        parts = text.split(",") if several and text else [text] if text else []
        for at, part in enumerate(parts):
            own = _OWN_PORT.search(part.strip())
            if own and port and int(own[1]) != port and len(parts) == 1:
                self.wrong("port", f"the field host names port {own[1]}: keep one", repr(port))
            if port and not own:
                parts[at] = f"{part.strip().removesuffix('/')}:{port}"
        return [self.parse_host("host", part, default_port, scheme=scheme) for part in parts]

    def parse_host(self, name: str, text: str, default_port: int, *, scheme: str = "https") -> str:
        """One `host[:port]`, lower-case and without the default port."""
        bare = text.strip()
        if scheme != "https" and bare.lower().startswith(f"{scheme}://"):
            bare = bare[len(scheme) + 3 :].removesuffix("/")
        try:
            return parse_host(bare, default_port)
        except ValueError as error:
            self.wrong(name, f"{error}; give host[:port], such as api.example.com", shown_host(text.strip()))

    def _port(self) -> int | None:
        port = self._connection.port
        if port in (None, "", 0):
            return None
        if not re.fullmatch(r"[0-9]{1,5}", str(port), re.ASCII):
            self.wrong("port", "it must be a number from 1 to 65535", shown_number(port))
        return int(port or 0)

    def network(self) -> Network:
        """How to reach hosts."""
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
            cure = f"no certificates can be read from it ({_os_reason(error)})"
            self.wrong("ca_bundle", cure, shown_path(path))
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
        if not usable or not proxy.isascii():
            self.wrong("proxy", "it must be a URL, such as http://proxy.example.com:3128")
        try:  # basic authentication, as requests sends it
            unquote(f"{parts.username}{parts.password}", errors="strict").encode("latin-1")
        except ValueError:
            self.wrong("proxy", "its user name and password may hold characters of Latin-1 only")
        return proxy

    # Who ------------------------------------------------------------------------------------------

    def credential(self) -> Credential:
        """How the application proves who it is."""
        kind = (self.text("credential") or "client_secret").lower()
        read: dict[str, Callable[[], Credential]] = {
            "client_secret": lambda: ClientSecret(self._client_id(), self._secret()),
            "certificate": self._certificate,
            "managed_identity": lambda: ManagedIdentity(self._login()),
            "workload_identity": self._workload_identity,
        }
        if kind not in read:
            self.wrong_choice("credential", kind, read)
        return read[kind]()

    def _login(self) -> str | None:
        """The client ID; never sent and never shown where it is none, as it may be the secret."""
        login = self.standard("login")
        if login and not _GUID.match(login.lower()):
            swapped = _GUID.match(self.standard("password").lower()) is not None
            cure = "login and password have changed places" if swapped else "a secret belongs into password"
            self.wrong(
                "login",
                f"it must be the application's (client) ID, a GUID (App registrations → Overview); {cure}",
                not_shown(login),
            )
        return login.lower() or None

    def _client_id(self) -> str:
        return self._login() or self.missing("login", "give the application's (client) ID")

    def _secret(self) -> str:
        return self.standard("password") or self.missing(
            "password", "give the client secret's value, or set credential to another kind"
        )

    def _certificate(self) -> Certificate:
        key, path = self.text("private_key"), self.text("private_key_path")
        if bool(key) == bool(path):
            self.missing("private_key", "give either private_key (PEM text) or private_key_path (PEM or PFX)")
        if path is not None:
            self._check_file("private_key_path", path)
        thumbprint = self.text("thumbprint")
        if thumbprint is not None:
            thumbprint = thumbprint.replace(":", "").replace(" ", "")
            if not _THUMBPRINT.match(thumbprint):
                cure = "it must be the certificate's SHA-1, 40 hex digits"
                self.wrong("thumbprint", cure, not_shown(thumbprint))
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
        client_id = self._login() or os.environ.get("AZURE_CLIENT_ID")
        path = self.text("federated_token_file") or os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
        if not client_id:
            self.missing("login", "give the application's (client) ID, or set AZURE_CLIENT_ID on the worker")
        if not _GUID.match(client_id.lower()):
            cure = "the worker's AZURE_CLIENT_ID must be the application's (client) ID, a GUID"
            self.wrong("login", cure, not_shown(client_id))
        if not path:
            self.missing(
                "federated_token_file", "give its path, or set AZURE_FEDERATED_TOKEN_FILE on the worker"
            )
        self._check_file("federated_token_file", path)
        return WorkloadIdentity(client_id, path)

    def _check_file(self, name: str, path: str) -> None:
        if "-----BEGIN" in path:
            self.wrong(name, "it holds a key or a certificate: it must be the path of a file")
        try:
            there = Path(path).is_file()
        except OSError:  # such as a text that is too long for a path
            there = False
        if not there:
            self.wrong(name, "there is no such file on this worker", shown_path(path))


def _plain(name: str) -> str:
    """An extra's name without what is written in more than one way, and without Airflow's old prefix."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^extra__.+?__", "", name.lower()))


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
