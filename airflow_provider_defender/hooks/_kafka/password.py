"""The password of an `event_hub` connection: a connection string, or a Kafka password."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_defender.hooks._connection.fields import Fields
from airflow_provider_defender.hooks._connection.hosts import parse_host
from airflow_provider_defender.hooks._kafka.options import Options
from airflow_provider_defender.hooks._kafka.servers import bare_host

__all__ = ["CONNECTION_STRING_USER", "Password", "read_password"]

CONNECTION_STRING_USER = "$ConnectionString"
_CONNECTION_STRING_HELP = (
    "give the connection string as the portal shows it (Event Hubs namespace → Shared access policies → a "
    "policy with Listen): Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…"
)


@dataclass(frozen=True)
class Password:
    """A user's name and password for SASL; for Event Hubs the password is the connection string."""

    username: str
    text: str = field(repr=False)
    endpoint: str | None = None
    hub: str | None = None
    key: str | None = field(default=None, repr=False)


def read_password(fields: Fields, options: Options, protocol: str) -> Password | None:
    if not protocol.startswith("SASL_"):
        return None
    text = options.get("sasl.password") or fields.standard("password")
    if (options.get("sasl.mechanism") or "").upper() == "OAUTHBEARER":
        remedy = "it needs a token: give entra_id_conn_id, or set credential"
        fields.wrong("sasl.mechanism", remedy, "'OAUTHBEARER'")
    login = fields.standard("login")
    for name, value in {"login": login, "sasl.username": options.get("sasl.username") or ""}.items():
        if "sharedaccesskey=" in value.lower().replace(" ", ""):
            fields.wrong(name, "it holds a connection string, which belongs into password; leave it empty")
    if not text:
        fields.missing("password", _CONNECTION_STRING_HELP)
    username = options.get("sasl.username") or login or CONNECTION_STRING_USER
    if username != CONNECTION_STRING_USER:
        return Password(username, text)
    return _connection_string(fields, text)


def _connection_string(fields: Fields, text: str) -> Password:
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
        endpoint = bare_host(parse_host(rest.strip().removesuffix("/")))
    except ValueError as error:
        fields.wrong("password", f"its Endpoint is wrong ({error}); {_CONNECTION_STRING_HELP}")
    return Password(
        CONNECTION_STRING_USER,
        text,
        endpoint=endpoint,
        hub=parts.get("entitypath") or None,
        key=parts["sharedaccesskey"],
    )
