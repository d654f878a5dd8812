"""The fields of our connection types: one table for form, checks, hook docstrings and documentation.

A leaf module that imports nothing of Airflow, as Airflow reads the provider's description early.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar

__all__ = ["CONNECTION_TYPES", "ConnectionField", "ConnectionType", "with_connection_fields"]

Kind = Literal["text", "required text", "secret", "lines", "flag", "count"]
_Hook = TypeVar("_Hook", bound=type)

_SCHEMAS: Mapping[Kind, dict[str, Any]] = MappingProxyType(
    {
        "text": {"type": ["string", "null"]},
        "required text": {"type": "string"},
        "secret": {"type": ["string", "null"], "format": "password"},
        "lines": {"type": ["string", "null"], "format": "multiline"},
        "flag": {"type": ["boolean", "null"]},
        "count": {"type": ["integer", "null"], "minimum": 1},
    }
)

STANDARD = "Standard fields"
"""The section of the fields that every Airflow connection has; Airflow shows it first."""

_CLOUD = "Tenant and cloud"
_SIGN_IN = "Sign-in"
_CERTIFICATE = "Sign-in: certificate"
_WORKLOAD = "Sign-in: workload identity"
_NETWORK = "Network"
_PACE = "Pace"
_KAFKA = "Kafka"


@dataclass(frozen=True)
class ConnectionField:
    """A field of a connection.

    `section` is the heading it stands under in form and documentation; fields of `STANDARD` are Airflow's
    own, all others are extras. `help` says what to enter. `default` is what counts where the field is empty
    and what the form shows; `otherwise` says it in words where it is no fixed value. `choices` maps each
    value to its name in the form, empty where any text may stand.
    """

    name: str
    section: str
    label: str
    help: str
    kind: Kind = "text"
    default: str | int | bool | None = None
    otherwise: str = ""
    placeholder: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def standard(self) -> bool:
        """Whether it is one of Airflow's own fields, not an extra."""
        return self.section == STANDARD

    @property
    def default_text(self) -> str:
        """What counts where the field is empty, in Markdown; empty where nothing does."""
        if self.default is None:
            return self.otherwise
        return f"`{str(self.default).lower() if isinstance(self.default, bool) else self.default}`"

    def for_form(self) -> dict[str, Any]:
        """The field as an entry of `conn-fields`."""
        # Airflow's form makes an accordion of the sections and shows `values_display` in the lists.
        schema = {**_SCHEMAS[self.kind], "section": self.section}
        if self.default is not None:
            schema["default"] = self.default
        if self.choices:
            schema |= {"enum": list(self.choices), "values_display": dict(self.choices)}
        plain = self.help.translate({ord("`"): None, ord("*"): None})
        return {"label": self.label, "description": plain, "schema": schema}


@dataclass(frozen=True)
class ConnectionType:
    """A connection type: its name, its hook, and its fields in the order of the decisions they take."""

    name: str
    hook_name: str
    hook_class: str
    fields: tuple[ConnectionField, ...]

    @property
    def extras(self) -> tuple[ConnectionField, ...]:
        """The fields that are extras."""
        return tuple(each for each in self.fields if not each.standard)

    def provider_info(self) -> dict[str, Any]:
        """The entry of `connection-types`: `conn-fields` and `ui-field-behaviour` make the form."""
        standard = {each.name: each for each in self.fields if each.standard}
        hidden = [name for name in ("port", "schema", "extra") if name not in standard]
        return {
            "connection-type": self.name,
            "hook-name": self.hook_name,
            "hook-class-name": self.hook_class,
            "conn-fields": {each.name: each.for_form() for each in self.extras},
            "ui-field-behaviour": {
                "hidden-fields": hidden,
                "relabeling": {name: each.label for name, each in standard.items()},
                "placeholders": {each.name: each.placeholder for each in self.fields if each.placeholder},
            },
        }

    def docstring(self) -> str:
        """The fields as a list for a hook's docstring."""
        lines = []
        for each in self.fields:
            default = f" Default: {each.default_text}." if each.default_text else ""
            place = "" if each.standard else "extra "
            line = f"- {place}`{each.name}` ({each.label}): {each.help}{default}"
            lines += textwrap.wrap(line, 104, subsequent_indent="  ", break_on_hyphens=False)
        return "\n".join(lines)


def with_connection_fields(name: str) -> Callable[[_Hook], _Hook]:
    """Decorate a hook: its docstring gets the list of its connection's fields, before the parameters."""

    def decorate(hook: _Hook) -> _Hook:
        if hook.__doc__ is not None:  # python -OO takes them away
            text, _, parameters = inspect.cleandoc(hook.__doc__).partition(":param ")
            fields = f"Fields of the connection, type `{name}`:\n\n{CONNECTION_TYPES[name].docstring()}"
            hook.__doc__ = f"{text}{fields}\n\n:param {parameters}"
        return hook

    return decorate


# The tables ---------------------------------------------------------------------------------------

_CLOUDS = {
    "public": "Commercial (public)",
    "gcc": "US Government GCC (gcc)",
    "gcc_high": "US Government GCC High (gcc_high)",
    "dod": "US Department of Defense (dod)",
    "china": "China, 21Vianet (china)",
    "custom": "Hosts of your own (custom)",
}
_CREDENTIALS = {
    "client_secret": "Client secret (client_secret)",
    "certificate": "Certificate (certificate)",
    "managed_identity": "Managed identity (managed_identity)",
    "workload_identity": "Workload identity (workload_identity)",
}
_PORT_HELP = (
    "Port of the host. Enter it even if it is the default: for a saved connection without a port, the Test "
    "button of Airflow 3.3 answers Bad Request."
)

_LOGIN = ConnectionField(
    "login",
    STANDARD,
    "Client ID",
    "Application (client) ID, a GUID. For `managed_identity` that of a user-assigned identity; empty: the "
    "system-assigned one. For `workload_identity` empty: `AZURE_CLIENT_ID` of the worker.",
    placeholder="application (client) ID: a GUID",
)
_PASSWORD = ConnectionField(
    "password",
    STANDARD,
    "Client secret",
    "Value of the client secret (not its ID), for the credential `client_secret`.",
    placeholder="the secret's value, not its ID",
)
_PORT = ConnectionField(
    "port", STANDARD, "Port", _PORT_HELP, otherwise="443", placeholder="443 (the Test button needs it)"
)
_TENANT_ID = ConnectionField(
    "tenant_id",
    _CLOUD,
    "Tenant ID",
    "Directory (tenant) ID of the Entra ID tenant, a GUID. Always needed.",
    kind="required text",
)
_CLOUD_CHOICE = ConnectionField(
    "cloud",
    _CLOUD,
    "Microsoft cloud",
    "Decides the login host and the API host. With `custom`, API host names both.",
    default="public",
    choices=_CLOUDS,
)
_SCOPE = ConnectionField(
    "scope",
    _CLOUD,
    "Token scope",
    "Scope of the token, ending in `/.default`. Read for the `custom` cloud only.",
    otherwise="that of the Defender API",
)
_CREDENTIAL = ConnectionField(
    "credential",
    _SIGN_IN,
    "Credential",
    "How the application proves who it is. Each kind has its own fields: a client secret the standard field "
    "Client secret, a certificate and a workload identity a section of their own, a managed identity none.",
    default="client_secret",
    choices=_CREDENTIALS,
)
_ENTRA_ID_CONN_ID = ConnectionField(
    "entra_id_conn_id",
    _SIGN_IN,
    "Entra ID connection",
    "ID of a connection of type `entra_id` to sign in with. Leave client ID, client secret and the other "
    "sign-in fields of this connection empty then. The API host must be one of that connection's cloud.",
)
_CERTIFICATE_FIELDS = (
    ConnectionField(
        "private_key_path",
        _CERTIFICATE,
        "Private key file",
        "Path of a PEM or PFX file on the workers, with the RSA key and, best, the certificate. Give either "
        "this or the key's text.",
    ),
    ConnectionField(
        "private_key",
        _CERTIFICATE,
        "Private key (PEM text)",
        "The RSA key as PEM text, instead of a file. Line breaks may be lost.",
        kind="secret",
    ),
    ConnectionField(
        "private_key_passphrase",
        _CERTIFICATE,
        "Private key passphrase",
        "Opens an encrypted key or the PFX file.",
        kind="secret",
    ),
    ConnectionField(
        "certificate",
        _CERTIFICATE,
        "Certificate (PEM text)",
        "The public certificate as PEM text, its chain after it.",
        kind="lines",
        otherwise="the one beside the key",
    ),
    ConnectionField(
        "thumbprint",
        _CERTIFICATE,
        "Certificate thumbprint",
        "SHA-1 of the certificate, 40 hexadecimal digits, if the certificate itself is not given.",
        otherwise="computed",
    ),
    ConnectionField(
        "send_certificate_chain",
        _CERTIFICATE,
        "Send certificate chain",
        "Send the chain (`x5c`), for certificates trusted by subject name and issuer (SN/I).",
        kind="flag",
        default=False,
    ),
)
_FEDERATED_TOKEN_FILE = ConnectionField(
    "federated_token_file",
    _WORKLOAD,
    "Federated token file",
    "Path of the file with the federated token, read again for each request to Entra ID. Empty: what "
    "`AZURE_FEDERATED_TOKEN_FILE` says on the worker.",
    otherwise="as the worker's environment says",
)
_CA_BUNDLE = ConnectionField(
    "ca_bundle",
    _NETWORK,
    "CA bundle",
    "Path of a PEM file with the certificate authorities to trust, such as that of a proxy that inspects "
    "TLS. Wins over `REQUESTS_CA_BUNDLE`.",
    otherwise="the environment's, else certifi's",
)
_PROXY = ConnectionField(
    "proxy",
    _NETWORK,
    "Proxy",
    "URL of an HTTPS proxy, such as `http://proxy.example.com:3128`. Wins over `HTTPS_PROXY`.",
    otherwise="the environment's `HTTPS_PROXY`",
)
_TIMEOUTS = (
    ConnectionField(
        "connect_timeout",
        _NETWORK,
        "Connect timeout",
        "Seconds to wait for a connection.",
        kind="count",
        default=10,
    ),
    ConnectionField(
        "read_timeout",
        _NETWORK,
        "Read timeout",
        "Seconds to wait for the next bytes of an answer.",
        kind="count",
        default=60,
    ),
)
_CREDENTIAL_DETAILS = (*_CERTIFICATE_FIELDS, _FEDERATED_TOKEN_FILE)
_HTTP = (_CA_BUNDLE, _PROXY, *_TIMEOUTS)

_ENTRA_ID = ConnectionType(
    "entra_id",
    "Microsoft Entra ID",
    "airflow_provider_defender.hooks.entra_id.EntraIdHook",
    (
        ConnectionField(
            "host",
            STANDARD,
            "Login host",
            "`host` or `host:port` of the authority. Needed for the `custom` cloud only.",
            otherwise="the cloud's",
            placeholder="empty: the cloud's, login.microsoftonline.com",
        ),
        _LOGIN,
        _PASSWORD,
        _PORT,
        _TENANT_ID,
        replace(_CLOUD_CHOICE, help="Decides the login host. With `custom`, the field Login host names it."),
        _CREDENTIAL,
        *_CREDENTIAL_DETAILS,
        *_HTTP,
    ),
)
_DEFENDER = ConnectionType(
    "defender",
    "Microsoft Defender",
    "airflow_provider_defender.hooks.defender_endpoint.DefenderEndpointHook",
    (
        ConnectionField(
            "host",
            STANDARD,
            "API host",
            "`host` or `host:port` of the API. Needed for the `custom` cloud, where it is the login host, "
            "too, unless an Entra ID connection is given.",
            otherwise="the cloud's",
            placeholder="empty: the cloud's, api.security.microsoft.com",
        ),
        _LOGIN,
        _PASSWORD,
        _PORT,
        _TENANT_ID,
        _CLOUD_CHOICE,
        _SCOPE,
        _CREDENTIAL,
        _ENTRA_ID_CONN_ID,
        *_CREDENTIAL_DETAILS,
        *_HTTP,
        ConnectionField(
            "calls_per_minute",
            _PACE,
            "Calls per minute",
            "Most requests in a minute. Keep it under the application's quota in the tenant.",
            kind="count",
            default=100,
        ),
        ConnectionField(
            "calls_per_hour",
            _PACE,
            "Calls per hour",
            "Most requests in an hour. Keep it under the application's quota in the tenant.",
            kind="count",
            default=1500,
        ),
    ),
)
_EVENT_HUB = ConnectionType(
    "event_hub",
    "Azure Event Hubs",
    "airflow_provider_defender.hooks.event_hub.EventHubHook",
    (
        ConnectionField(
            "host",
            STANDARD,
            "Namespace",
            "`host` or `host:port` of the namespace; for a Kafka of your own several, with commas between.",
            otherwise="the connection string's `Endpoint`",
            placeholder="contoso.servicebus.windows.net; empty: as the connection string says",
        ),
        ConnectionField(
            "login",
            STANDARD,
            "Client ID",
            "Empty for a connection string. For Entra ID the application (client) ID, a GUID; for a Kafka of "
            "your own the user name.",
            otherwise="`$ConnectionString`",
            placeholder="for Entra ID: application (client) ID, a GUID",
        ),
        ConnectionField(
            "password",
            STANDARD,
            "Connection string",
            "The connection string of a policy with the right *Listen*, as the portal shows it, with or "
            "without `EntityPath`. For Entra ID the client secret; for a Kafka of your own the password.",
            placeholder="Endpoint=sb://…; for Entra ID: the client secret",
        ),
        replace(_PORT, otherwise="9093", placeholder="9093 (the Test button needs it)"),
        ConnectionField(
            "schema",
            STANDARD,
            "Event hub",
            "Name of the event hub. The extra `event_hub` is read as well.",
            otherwise="the connection string's `EntityPath`",
            placeholder="the hub's name; empty: the connection string's EntityPath",
        ),
        ConnectionField(
            "credential",
            _SIGN_IN,
            "Credential",
            "A connection string, or how the application proves who it is to Entra ID; it needs the role "
            "*Azure Event Hubs Data Receiver* then.",
            default="connection_string",
            choices={"connection_string": "Connection string (connection_string)", **_CREDENTIALS},
        ),
        replace(
            _ENTRA_ID_CONN_ID,
            help="ID of a connection of type `entra_id` to sign in with. Leave client ID, connection string "
            "and the other sign-in fields of this connection empty then. The namespace must be one of that "
            "connection's cloud.",
        ),
        replace(
            _TENANT_ID,
            section=_SIGN_IN,
            kind="text",
            help="Directory (tenant) ID of the Entra ID tenant, a GUID. Needed for Entra ID only.",
        ),
        replace(
            _CLOUD_CHOICE,
            section=_SIGN_IN,
            help="Decides the login host, for Entra ID only. `custom` needs an Entra ID connection.",
        ),
        replace(_SCOPE, section=_SIGN_IN, otherwise="that of the namespace"),
        *_CREDENTIAL_DETAILS,
        replace(
            _CA_BUNDLE,
            help="Path of a PEM file with the certificate authorities to trust, for the namespace and for "
            "Entra ID.",
            otherwise="the system's",
        ),
        replace(_PROXY, help="URL of an HTTPS proxy, for Entra ID only: Kafka knows no HTTP proxy."),
        *(replace(each, help=f"{each.help[:-1]}, for Entra ID only.") for each in _TIMEOUTS),
        ConnectionField(
            "security_protocol",
            _KAFKA,
            "Security protocol",
            "`SASL_SSL` for Event Hubs. The others are for a Kafka of your own.",
            default="SASL_SSL",
            choices={each: each for each in ("SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT")},
        ),
        ConnectionField(
            "kafka_config",
            _KAFKA,
            "Kafka settings",
            "Settings of librdkafka as a JSON object, over our own, which are Microsoft's recommendations. "
            "No secrets here. In JSON, extras with a dot in their names are such settings, too.",
            kind="lines",
        ),
    ),
)

CONNECTION_TYPES: Mapping[str, ConnectionType] = MappingProxyType(
    {each.name: each for each in (_DEFENDER, _EVENT_HUB, _ENTRA_ID)}
)
"""The connection types by name."""
