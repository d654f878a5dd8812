"""Loading an application's certificate for msal, from PEM text, a PEM file or a PFX file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._entra.credentials import Certificate

__all__ = ["msal_certificate"]

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_LINE = 64


def msal_certificate(credential: Certificate, conn_id: str) -> dict[str, str]:
    """Build msal's `client_credential`: the plain key, the SHA-1 thumbprint, and the chain if it is sent.

    Raises `ConfigurationError` for a key or certificate that cannot be used.
    """
    key, chain = _load(credential, conn_id)
    if credential.certificate:
        chain = _pem_certificates(credential.certificate, conn_id)
    if chain and _public(chain[0].public_key()) != _public(key.public_key()):
        _wrong(conn_id, "certificate", "it does not belong to the private key (the first one must)")
    if not chain and (credential.send_chain or credential.thumbprint is None):
        _wrong(
            conn_id,
            "certificate",
            "give the public certificate (PEM); without send_certificate_chain its thumbprint is enough",
        )
    # SHA-1 names the certificate (header x5t); it protects nothing.
    thumbprint = credential.thumbprint or chain[0].fingerprint(hashes.SHA1()).hex()  # noqa: S303
    material = {
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "thumbprint": thumbprint,
    }
    if credential.send_chain:
        material["public_certificate"] = "".join(
            certificate.public_bytes(Encoding.PEM).decode() for certificate in chain
        )
    return material


def _load(credential: Certificate, conn_id: str) -> tuple[RSAPrivateKey, list[x509.Certificate]]:
    field = "private_key" if credential.private_key else "private_key_path"
    data = (credential.private_key or "").encode()
    if credential.private_key_path:
        try:
            data = Path(credential.private_key_path).read_bytes()
        except OSError as error:
            _wrong(conn_id, field, f"the file cannot be read ({error.strerror})")
    passphrase = credential.passphrase.encode() if credential.passphrase else None
    if b"-----BEGIN" in data:
        return _load_pem(data.decode("utf-8", "replace"), passphrase, field, conn_id)
    if credential.private_key:
        _wrong(conn_id, field, "it must be PEM text, with its BEGIN and END lines")
    return _load_pfx(data, passphrase, conn_id)


def _load_pem(
    text: str, passphrase: bytes | None, field: str, conn_id: str
) -> tuple[RSAPrivateKey, list[x509.Certificate]]:
    blocks = [block for name, block in _pem_blocks(text) if name.endswith("PRIVATE KEY")]
    if not blocks:
        _wrong(conn_id, field, "it holds no private key")
    try:
        key = load_pem_private_key(blocks[0].encode(), passphrase)
    except TypeError:
        remedy = "the key is encrypted, so it is needed" if passphrase is None else "the key is not encrypted"
        _wrong(conn_id, "private_key_passphrase", remedy)
    except ValueError:
        _wrong(conn_id, field, "the key cannot be read; check it and its passphrase")
    certificates = any(name == "CERTIFICATE" for name, _ in _pem_blocks(text))
    return _rsa(key, field, conn_id), _pem_certificates(text, conn_id) if certificates else []


def _load_pfx(
    data: bytes, passphrase: bytes | None, conn_id: str
) -> tuple[RSAPrivateKey, list[x509.Certificate]]:
    try:
        bundle = pkcs12.load_pkcs12(data, passphrase)
    except (ValueError, TypeError):
        _wrong(conn_id, "private_key_path", "it is neither PEM nor a PFX that private_key_passphrase opens")
    if bundle.key is None:
        _wrong(conn_id, "private_key_path", "the PFX holds no private key")
    leaf = [bundle.cert] if bundle.cert else []
    chain = [entry.certificate for entry in [*leaf, *bundle.additional_certs]]
    return _rsa(bundle.key, "private_key_path", conn_id), chain


def _rsa(key: object, field: str, conn_id: str) -> RSAPrivateKey:
    if not isinstance(key, RSAPrivateKey):
        _wrong(conn_id, field, "Entra ID takes RSA keys only")
    return key


def _pem_certificates(text: str, conn_id: str) -> list[x509.Certificate]:
    blocks = [block for name, block in _pem_blocks(text) if name == "CERTIFICATE"]
    try:
        chain = [x509.load_pem_x509_certificate(block.encode()) for block in blocks]
    except ValueError:
        chain = []
    if not chain:
        _wrong(conn_id, "certificate", "it must be PEM text, with its BEGIN and END lines")
    return chain


def _pem_blocks(text: str) -> list[tuple[str, str]]:
    """PEM blocks by name; restores the line breaks that one-line form fields and JSON remove."""
    blocks = []
    for name, found in _BLOCK.findall(text.replace("\\n", "\n")):
        body = found
        if ":" not in found:  # a block with headers (old encrypted keys) stays as it is
            packed = "".join(found.split())
            body = "\n".join(["", *(packed[at : at + _LINE] for at in range(0, len(packed), _LINE)), ""])
        blocks.append((name, f"-----BEGIN {name}-----{body}-----END {name}-----\n"))
    return blocks


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded


def _wrong(conn_id: str, field: str, remedy: str) -> NoReturn:
    raise ConfigurationError(f"Connection {conn_id!r}: {field} is wrong: {remedy}.")
