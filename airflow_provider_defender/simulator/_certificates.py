"""Throw-away certificates: the simulator's own authority, and key pairs for applications."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["KeyPair", "TlsFiles", "issue_tls_files", "shared_signing_key", "thumbprint_header", "write_whole"]

_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_VALID_DAYS = 365


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, public_key: object) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=_VALID_DAYS))
    return builder.public_key(public_key)  # type: ignore[arg-type]


def _private_pem(key: _PrivateKey, passphrase: str | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@functools.cache
def shared_signing_key(purpose: str) -> rsa.RSAPrivateKey:
    """An RSA key of this process for one purpose: made once, because making one takes a tenth of a second."""
    del purpose
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class KeyPair:
    """An application's private key with its certificate, in every form that clients want."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, common_name: str, issuer: KeyPair | None = None) -> KeyPair:
        """A new RSA key with a certificate, signed by itself or by `issuer`."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        issuer_name = issuer.certificate.subject if issuer else _name(common_name)
        builder = _builder(_name(common_name), issuer_name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
        return cls(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))

    @property
    def private_key_pem(self) -> str:
        """The key as unencrypted PKCS#8 PEM."""
        return _private_pem(self.key).decode()

    def encrypted_private_key_pem(self, passphrase: str) -> str:
        """The key as PEM, encrypted with the passphrase."""
        return _private_pem(self.key, passphrase).decode()

    @property
    def certificate_pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def thumbprint(self) -> str:
        """SHA-1 of the certificate in hexadecimal capitals, as the Entra portal shows it."""
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - Entra's own name for it

    def pfx(self, passphrase: str) -> bytes:
        """Key and certificate as PKCS#12, the content of a `.pfx` file."""
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
        return pkcs12.serialize_key_and_certificates(None, self.key, self.certificate, None, encryption)


def thumbprint_header(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    """The certificate's thumbprint as the JWT headers `x5t` and `x5t#S256` carry it."""
    return base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).rstrip(b"=").decode()


@dataclass(frozen=True)
class TlsFiles:
    """Files for the TLS server, and the authority that clients are to trust."""

    authority: Path
    certificate: Path
    key: Path


def issue_tls_files(folder: Path, hosts: Sequence[str]) -> TlsFiles:
    """Certificates for `hosts` in `folder`; those already there are kept while they fit and are valid.

    The authority's private key is never stored: it signs the server's certificate and is forgotten, so
    nobody can make further certificates that those who trust `ca.pem` would accept.
    """
    label = hashlib.sha256("\n".join(hosts).encode()).hexdigest()[:12]
    files = TlsFiles(folder / "ca.pem", folder / f"server-{label}.pem", folder / f"server-{label}.key")
    if _still_valid(files):
        return files
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, server_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    authority = _authority_certificate(authority_key)
    server = _server_certificate(server_key, authority_key, authority, hosts)
    write_whole(files.key, _private_pem(server_key), mode=0o600)
    write_whole(files.certificate, server.public_bytes(serialization.Encoding.PEM))
    write_whole(files.authority, authority.public_bytes(serialization.Encoding.PEM))
    return files


def _authority_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Defender simulator (throw-away authority)")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key, hashes.SHA256())


def _server_certificate(
    key: ec.EllipticCurvePrivateKey,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    hosts: Sequence[str],
) -> x509.Certificate:
    builder = _builder(_name("Defender simulator"), authority.subject, key.public_key())
    builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(h) for h in hosts]), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = builder.add_extension(issuer, critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _still_valid(files: TlsFiles) -> bool:
    if not (files.authority.exists() and files.certificate.exists() and files.key.exists()):
        return False
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    server = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    try:
        server.verify_directly_issued_by(authority)
    except Exception:  # any mismatch means the files belong to different starts
        return False
    in_a_week = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=7)
    return server.not_valid_after_utc > in_a_week


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file in one step, so that a reader finds the old or the new content."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    hidden.replace(path)
