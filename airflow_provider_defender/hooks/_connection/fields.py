"""Reads the fields of a connection, and says what is wrong with them. No network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol

from airflow_provider_defender._connection_fields import CONNECTION_TYPES
from airflow_provider_defender.clouds import CLOUDS, Cloud
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._connection.hosts import parse_host
from airflow_provider_defender.hooks._connection.shown import (
    nearest,
    not_shown,
    shown_choice,
    shown_host,
    shown_name,
    shown_number,
)

__all__ = ["GUID", "AirflowConnection", "Fields"]

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
"""A GUID in lower case."""

_PORT = 443
_OWN_PORT = re.compile(r":([0-9]{1,5})/?\Z", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\Z", re.ASCII)
_SCOPE = re.compile(r"[a-z]+://[A-Za-z0-9._:/-]+/\.default\Z", re.ASCII)
_LONGEST_TIMEOUT = 600.0
_EXTRA_HELP = 'it must be a JSON object, such as {"tenant_id": "…"}'
_ALSO_READ: Mapping[str, tuple[str, ...]] = {"event_hub": ("event_hub",)}


class AirflowConnection(Protocol):
    """The part of Airflow's `Connection` that is used here."""

    conn_id: str
    host: str | None
    port: int | None
    login: str | None
    password: str | None
    schema: str | None

    @property
    def extra(self) -> str | None:
        """The extras as JSON."""

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extras."""


class Fields:
    """Reads the fields of one connection, and says what is wrong with them.

    A message shows a value only if it cannot be a secret in the wrong field.
    """

    def __init__(self, connection: AirflowConnection) -> None:
        self._connection = connection
        self.conn_id = connection.conn_id
        self._extra: Mapping[str, Any] = self._read_extra()

    # What is wrong --------------------------------------------------------------------------------

    def wrong(self, name: str, remedy: str, shown: str = "") -> NoReturn:
        """Raise an error for a wrong field; `shown` is its value in a form that may be shown."""
        what = f"{name} {shown}" if shown else name
        raise ConfigurationError(f"Connection {self.conn_id!r}: {what} is wrong: {remedy}.")

    def wrong_choice(self, name: str, value: str, choices: Iterable[str]) -> NoReturn:
        """Raise an error for a field that must be one of `choices`."""
        choices = list(choices)
        by_case = {choice.lower(): choice for choice in choices}
        near = nearest(value, by_case)
        meant = f"; did you mean {by_case[near]}?" if near else ""
        self.wrong(name, f"it must be one of {', '.join(choices)}{meant}", shown_choice(value, by_case))

    def missing(self, name: str, remedy: str) -> NoReturn:
        """Raise an error for a missing field; suggests an extra with a similar name."""
        near = next((extra for extra in self._extra if extra != name and _plain(extra) == _plain(name)), "")
        meant = f"; the extra {near!r} is not read, so give it the name {name!r}" if near else ""
        raise ConfigurationError(f"Connection {self.conn_id!r}: {name} is missing: {remedy}{meant}.")

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
            found = "null" if extra is None else {list: "list", bool: "boolean"}.get(type(extra), "number")
            self.wrong("extra", f"it is a JSON {found}; {_EXTRA_HELP}")
        return self._connection.extra_dejson  # Airflow masks the secrets in it

    def unread(self, conn_type: str) -> tuple[str, ...]:
        """Warnings about extras that this type of connection does not have; without their values."""
        known = [each.name for each in CONNECTION_TYPES[conn_type].extras]
        read = {*known, *_ALSO_READ.get(conn_type, ())}
        if conn_type == "event_hub":
            read |= self.dotted().keys()
        return tuple(self._unread(name, conn_type, known) for name in self._extra if name not in read)

    def _unread(self, name: str, conn_type: str, known: Iterable[str]) -> str:
        near = nearest(name, known)
        meant = f": did you mean {near!r}?" if near else "."
        return (
            f"Connection {self.conn_id!r}: the extra {shown_name(name)} is not read by connections of "
            f"type {conn_type}{meant}"
        )

    def value(self, name: str) -> Any:
        """The raw value of an extra; None if it is absent."""
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
        """The text of one of Airflow's own fields (`host`, `login`, `password`, `schema`), or empty."""
        value: str | None = getattr(self._connection, name)
        text = self.sendable(name, value or "").strip()
        if name != "host" and re.search(r"[\t\r\n]", text):  # a host is parsed more strictly anyway
            self.wrong(name, "it holds a line break or a tab in its middle: enter it in one line")
        return text

    def sendable(self, name: str, value: str) -> str:
        """Return the value. Raises an error if it contains something that no request can carry."""
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
            remedy = f"it must be a number of seconds, above 0 and up to {_LONGEST_TIMEOUT:.0f}"
            self.wrong(name, remedy, shown_number(value))
        return seconds

    # Where ----------------------------------------------------------------------------------------

    def tenant(self) -> str:
        """The tenant's GUID, in lower case."""
        value = self.text("tenant_id")
        if value is None:
            self.missing("tenant_id", "give the tenant's GUID (Entra ID → Overview → Tenant ID)")
        if not GUID.match(value.lower()):
            hint = ", not a domain name" if _DOMAIN.match(value) else ""
            self.wrong("tenant_id", f"it must be the tenant's GUID{hint}", not_shown(value))
        return value.lower()

    def cloud(self) -> Cloud | None:
        """The cloud; None if none is chosen."""
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
        """The field host, with the port; None if it is empty."""
        return next(iter(self.hosts(_PORT, several=False)), None)

    def hosts(self, default_port: int, *, several: bool, scheme: str = "https") -> list[str]:
        """The hosts in the fields host and port, lower-case and without the default port.

        With `several`, commas may separate hosts, and the port applies to those without one.
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


def _plain(name: str) -> str:
    """An extra's name in a normal form: without case, separators and Airflow's old prefix."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^extra__.+?__", "", name.lower()))
