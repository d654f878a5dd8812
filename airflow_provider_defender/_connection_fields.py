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

FieldType = Literal["text", "required text", "secret", "lines", "flag", "count"]
_Hook = TypeVar("_Hook", bound=type)

_SCHEMAS: Mapping[FieldType, dict[str, Any]] = MappingProxyType(
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
"""The section of the fields that every Airflow connection has, which Airflow shows first."""

_CLOUD = "Tenant and cloud"
_SIGN_IN = "Sign-in"
_CERTIFICATE = "Sign-in: certificate"
_WORKLOAD = "Sign-in: workload identity"
_NETWORK = "Network"
_QUOTA = "Quota"
_KAFKA = "Kafka"


@dataclass(frozen=True)
class ConnectionField:
    """A field of a connection.

    Attributes:
        name: its name in the connection, or in its extras.
        section: its heading in form and documentation. Fields of `STANDARD` are Airflow's own, all others are
            extras.
        label: its label in the form.
        help: what to enter, in Markdown.
        field_type: the type of its value, which decides the control in the form.
        default: the value that an empty field has, which the form shows.
        otherwise: the meaning of an empty field in words, if there is no fixed default.
        placeholder: the form's placeholder for a standard field.
        choices: each allowed value with its name in the form; empty if any text is allowed.
    """

    name: str
    section: str
    label: str
    help: str
    field_type: FieldType = "text"
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
        """The meaning of an empty field, in Markdown; empty if it has none."""
        if self.default is None:
            return self.otherwise
        return f"`{str(self.default).lower() if isinstance(self.default, bool) else self.default}`"

    def for_form(self) -> dict[str, Any]:
        """The field as an entry of `conn-fields`."""
        # Airflow's form shows sections as an accordion, and `values_display` in the lists.
        schema = {**_SCHEMAS[self.field_type], "section": self.section}
        if self.default is not None:
            schema["default"] = self.default
        if self.choices:
            schema |= {"enum": list(self.choices), "values_display": dict(self.choices)}
        plain = self.help.translate({ord("`"): None, ord("*"): None})
        return {"label": self.label, "description": plain, "schema": schema}


@dataclass(frozen=True)
class ConnectionType:
    """A connection type: its name, its hook, and its fields in the order in which a user decides on them."""

    name: str
    hook_name: str
    hook_class: str
    fields: tuple[ConnectionField, ...]

    @property
    def extras(self) -> tuple[ConnectionField, ...]:
        """The fields that are extras."""
        return tuple(each for each in self.fields if not each.standard)

    def provider_info(self) -> dict[str, Any]:
        """The entry of `connection-types`; `conn-fields` and `ui-field-behaviour` define the form."""
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
    """Decorate a hook: insert the list of its connection's fields into its docstring."""

    def decorate(hook: _Hook) -> _Hook:
        if hook.__doc__ is not None:  # python -OO removes docstrings
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
    "Application (client) ID, a GUID. For `managed_identity`, the client ID of a user-assigned identity; "
    "empty: the system-assigned one. For `workload_identity`, empty means the worker's `AZURE_CLIENT_ID`.",
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
    field_type="required text",
)
_CLOUD_CHOICE = ConnectionField(
    "cloud",
    _CLOUD,
    "Microsoft cloud",
    "Decides the login host and the API host. With `custom`, the field API host names both.",
    default="public",
    choices=_CLOUDS,
)
_SCOPE = ConnectionField(
    "scope",
    _CLOUD,
    "Token scope",
    "Scope of the token, ending in `/.default`. Only used with the `custom` cloud.",
)
_CREDENTIAL = ConnectionField(
    "credential",
    _SIGN_IN,
    "Credential",
    "How the application signs in. A client secret is entered in the standard field Client secret; a "
    "certificate and a workload identity have sections of their own; a managed identity needs nothing more.",
    default="client_secret",
    choices=_CREDENTIALS,
)
_ENTRA_ID_CONN_ID = ConnectionField(
    "entra_id_conn_id",
    _SIGN_IN,
    "Entra ID connection",
    "ID of a connection of type `entra_id` to sign in with. Then leave client ID, client secret and the "
    "other sign-in fields of this connection empty. The API host must belong to that connection's cloud.",
)
_CERTIFICATE_FIELDS = (
    ConnectionField(
        "private_key_path",
        _CERTIFICATE,
        "Private key file",
        "Path of a PEM or PFX file on the workers, with the RSA key and preferably the certificate. Enter "
        "either this or the key as text.",
    ),
    ConnectionField(
        "private_key",
        _CERTIFICATE,
        "Private key (PEM text)",
        "The RSA key as PEM text, instead of a file. Missing line breaks are tolerated.",
        field_type="secret",
    ),
    ConnectionField(
        "private_key_passphrase",
        _CERTIFICATE,
        "Private key passphrase",
        "Opens an encrypted key or the PFX file.",
        field_type="secret",
    ),
    ConnectionField(
        "certificate",
        _CERTIFICATE,
        "Certificate (PEM text)",
        "The public certificate as PEM text, followed by its chain.",
        field_type="lines",
        otherwise="the one beside the key",
    ),
    ConnectionField(
        "thumbprint",
        _CERTIFICATE,
        "Certificate thumbprint",
        "SHA-1 of the certificate, 40 hexadecimal digits, if the certificate itself is not given.",
        otherwise="computed from the certificate",
    ),
    ConnectionField(
        "send_certificate_chain",
        _CERTIFICATE,
        "Send certificate chain",
        "Send the chain (`x5c`), for certificates trusted by subject name and issuer (SN/I).",
        field_type="flag",
        default=False,
    ),
)
_FEDERATED_TOKEN_FILE = ConnectionField(
    "federated_token_file",
    _WORKLOAD,
    "Federated token file",
    "Path of the file with the federated token, which is read again for each request to Entra ID.",
    otherwise="the worker's `AZURE_FEDERATED_TOKEN_FILE`",
)
_CA_BUNDLE = ConnectionField(
    "ca_bundle",
    _NETWORK,
    "CA bundle",
    "Path of a PEM file with the certificate authorities to trust, for example that of a proxy that inspects "
    "TLS. Overrides `REQUESTS_CA_BUNDLE`.",
    otherwise="the environment's, or else certifi's",
)
_PROXY = ConnectionField(
    "proxy",
    _NETWORK,
    "Proxy",
    "URL of an HTTPS proxy, such as `http://proxy.example.com:3128`. Overrides `HTTPS_PROXY`.",
    otherwise="the environment's `HTTPS_PROXY`",
)
_TIMEOUTS = (
    ConnectionField(
        "connect_timeout",
        _NETWORK,
        "Connect timeout",
        "Seconds to wait for a connection.",
        field_type="count",
        default=10,
    ),
    ConnectionField(
        "read_timeout",
        _NETWORK,
        "Read timeout",
        "Seconds to wait for the next bytes of a response.",
        field_type="count",
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
            "`host` or `host:port` of the authority. Only needed with the `custom` cloud.",
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
            "`host` or `host:port` of the API. Only needed with the `custom` cloud, where it serves both "
            "APIs, and is also the login host unless an Entra ID connection is given. In the other clouds, a "
            "host of the Endpoint API is only used for that API, and one of Microsoft Graph only for Graph.",
            otherwise="the cloud's, for each API",
            placeholder="empty: the cloud's, graph.microsoft.com and api.security.microsoft.com",
        ),
        _LOGIN,
        _PASSWORD,
        _PORT,
        _TENANT_ID,
        _CLOUD_CHOICE,
        replace(
            _SCOPE,
            help=f"{_SCOPE.help} One of Microsoft's is only used for its own API.",
            otherwise="each API's in the public cloud",
        ),
        _CREDENTIAL,
        _ENTRA_ID_CONN_ID,
        *_CREDENTIAL_DETAILS,
        *_HTTP,
        ConnectionField(
            "calls_per_minute",
            _QUOTA,
            "Calls per minute",
            "The most requests per minute to each API. Keep it within the application's quota in the tenant.",
            field_type="count",
            otherwise="150 for Microsoft Graph, 100 for the Endpoint API",
        ),
        ConnectionField(
            "calls_per_hour",
            _QUOTA,
            "Calls per hour",
            "The most requests per hour to each API. Keep it within the application's quota in the tenant.",
            field_type="count",
            otherwise="9000 for Microsoft Graph, 1500 for the Endpoint API",
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
            "`host` or `host:port` of the namespace; for your own Kafka, several separated by commas.",
            otherwise="the connection string's `Endpoint`",
            placeholder="contoso.servicebus.windows.net; empty: the connection string's",
        ),
        ConnectionField(
            "login",
            STANDARD,
            "Client ID",
            "Empty with a connection string. With Entra ID, the application (client) ID, a GUID; for your "
            "own Kafka, the user name.",
            otherwise="`$ConnectionString`",
            placeholder="with Entra ID: application (client) ID, a GUID",
        ),
        ConnectionField(
            "password",
            STANDARD,
            "Connection string",
            "The connection string of a policy with the *Listen* right, as the portal shows it, with or "
            "without `EntityPath`. With Entra ID, the client secret; for your own Kafka, the password.",
            placeholder="Endpoint=sb://…; with Entra ID: the client secret",
        ),
        replace(_PORT, otherwise="9093", placeholder="9093 (the Test button needs it)"),
        ConnectionField(
            "schema",
            STANDARD,
            "Event hub",
            "Name of the event hub. The extra `event_hub` does the same.",
            otherwise="the connection string's `EntityPath`",
            placeholder="the hub's name; empty: the connection string's EntityPath",
        ),
        ConnectionField(
            "credential",
            _SIGN_IN,
            "Credential",
            "A connection string, or how the application signs in to Entra ID; then it needs the role *Azure "
            "Event Hubs Data Receiver*.",
            default="connection_string",
            choices={"connection_string": "Connection string (connection_string)", **_CREDENTIALS},
        ),
        replace(
            _ENTRA_ID_CONN_ID,
            help="ID of a connection of type `entra_id` to sign in with. Then leave client ID, connection "
            "string and the other sign-in fields of this connection empty. The namespace must belong to that "
            "connection's cloud.",
        ),
        replace(
            _TENANT_ID,
            section=_SIGN_IN,
            field_type="text",
            help="Directory (tenant) ID of the Entra ID tenant, a GUID. Only needed with Entra ID.",
        ),
        replace(
            _CLOUD_CHOICE,
            section=_SIGN_IN,
            help="Decides the login host. Only used with Entra ID. `custom` needs an Entra ID connection.",
        ),
        replace(_SCOPE, section=_SIGN_IN, otherwise="the namespace's"),
        *_CREDENTIAL_DETAILS,
        replace(
            _CA_BUNDLE,
            help="Path of a PEM file with the certificate authorities to trust, for the namespace and for "
            "Entra ID.",
            otherwise="the system's",
        ),
        replace(_PROXY, help="URL of an HTTPS proxy. Only used for Entra ID: Kafka supports no HTTP proxy."),
        *(replace(each, help=f"{each.help} Only used for Entra ID.") for each in _TIMEOUTS),
        ConnectionField(
            "security_protocol",
            _KAFKA,
            "Security protocol",
            "`SASL_SSL` for Event Hubs. The others are for your own Kafka.",
            default="SASL_SSL",
            choices={each: each for each in ("SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT")},
        ),
        ConnectionField(
            "kafka_config",
            _KAFKA,
            "Kafka settings",
            "librdkafka settings as a JSON object. They override this provider's, which are Microsoft's "
            "recommendations. No secrets here. Extras with a dot in their name are librdkafka settings, too.",
            field_type="lines",
        ),
    ),
)

CONNECTION_TYPES: Mapping[str, ConnectionType] = MappingProxyType(
    {each.name: each for each in (_DEFENDER, _EVENT_HUB, _ENTRA_ID)}
)
"""The connection types by name."""
