"""The credential with which an application signs in to Entra ID, from the connection's fields."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from airflow_provider_defender.hooks._connection.fields import GUID, Fields
from airflow_provider_defender.hooks._connection.shown import not_shown, shown_path

__all__ = [
    "Certificate",
    "ClientSecret",
    "Credential",
    "ManagedIdentity",
    "WorkloadIdentity",
    "credential_secrets",
    "read_credential",
]

_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}\Z")
_SHORTEST_KEY_LINE = 16
"""Characters: a shorter line of a key hides nothing, but may be anywhere in a log."""


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
    """A federated token in a file, which is read again for every request to Entra ID."""

    client_id: str
    token_file: str


Credential = ClientSecret | Certificate | ManagedIdentity | WorkloadIdentity


def credential_secrets(credential: Credential) -> list[str]:
    """All texts of a credential that must not appear in logs."""
    if isinstance(credential, ClientSecret):
        return [credential.secret]
    if isinstance(credential, Certificate):
        passphrase = [credential.passphrase] if credential.passphrase else []
        return [*passphrase, *_key_texts(credential.private_key)]
    return []


def read_credential(fields: Fields) -> Credential:
    """Read the credential of a connection."""
    name = (fields.text("credential") or "client_secret").lower()
    if name not in _READERS:
        fields.wrong_choice("credential", name, _READERS)
    return _READERS[name](fields)


def _login(fields: Fields) -> str | None:
    """The client ID. If it is no GUID, it is neither sent nor shown: it may be the secret."""
    login = fields.standard("login")
    if login and not GUID.match(login.lower()):
        swapped = GUID.match(fields.standard("password").lower()) is not None
        remedy = "login and password have changed places" if swapped else "a secret belongs into password"
        fields.wrong(
            "login",
            f"it must be the application's (client) ID, a GUID (App registrations → Overview); {remedy}",
            not_shown(login),
        )
    return login.lower() or None


def _client_secret(fields: Fields) -> ClientSecret:
    return ClientSecret(_client_id(fields), _secret(fields))


def _managed_identity(fields: Fields) -> ManagedIdentity:
    return ManagedIdentity(_login(fields))


def _client_id(fields: Fields) -> str:
    return _login(fields) or fields.missing("login", "give the application's (client) ID")


def _secret(fields: Fields) -> str:
    return fields.standard("password") or fields.missing(
        "password", "give the client secret's value, or choose another credential"
    )


def _certificate(fields: Fields) -> Certificate:
    key, path = fields.text("private_key"), fields.text("private_key_path")
    if bool(key) == bool(path):
        fields.missing("private_key", "give either private_key (PEM text) or private_key_path (PEM or PFX)")
    if path is not None:
        _check_file(fields, "private_key_path", path)
    return Certificate(
        client_id=_client_id(fields),
        private_key=key,
        private_key_path=path,
        passphrase=fields.text("private_key_passphrase"),
        certificate=fields.text("certificate"),
        thumbprint=_thumbprint(fields),
        send_chain=fields.flag("send_certificate_chain"),
    )


def _thumbprint(fields: Fields) -> str | None:
    text = (fields.text("thumbprint") or "").replace(":", "").replace(" ", "")
    if text and not _THUMBPRINT.match(text):
        fields.wrong("thumbprint", "it must be the certificate's SHA-1, 40 hex digits", not_shown(text))
    return text or None


def _workload_identity(fields: Fields) -> WorkloadIdentity:
    client_id = _login(fields) or os.environ.get("AZURE_CLIENT_ID")
    path = fields.text("federated_token_file") or os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
    if not client_id:
        fields.missing("login", "give the application's (client) ID, or set AZURE_CLIENT_ID on the worker")
    if not GUID.match(client_id.lower()):
        remedy = "the worker's AZURE_CLIENT_ID must be the application's (client) ID, a GUID"
        fields.wrong("login", remedy, not_shown(client_id))
    if not path:
        fields.missing(
            "federated_token_file", "give its path, or set AZURE_FEDERATED_TOKEN_FILE on the worker"
        )
    _check_file(fields, "federated_token_file", path)
    return WorkloadIdentity(client_id, path)


def _check_file(fields: Fields, name: str, path: str) -> None:
    if "-----BEGIN" in path:
        fields.wrong(name, "it holds a key or a certificate: it must be the path of a file")
    try:
        there = Path(path).is_file()
    except OSError:  # such as a text that is too long for a path
        there = False
    if not there:
        fields.wrong(name, "there is no such file on this worker", shown_path(path))


def _key_texts(key: str | None) -> list[str]:
    """The key as a whole and line by line, since a log may show either."""
    if key is None:
        return []
    lines = [line.strip() for line in key.replace("\\n", "\n").splitlines()]
    secret = (line for line in lines if len(line) >= _SHORTEST_KEY_LINE and not line.startswith("-----"))
    return [key, *secret]


_READERS: Mapping[str, Callable[[Fields], Credential]] = MappingProxyType(
    {
        "client_secret": _client_secret,
        "certificate": _certificate,
        "managed_identity": _managed_identity,
        "workload_identity": _workload_identity,
    }
)
