"""Key pairs and certificates of applications, and the keys that sign tokens.

Made with cryptography itself. The library for test certificates, trustme (see `server.tls`), cannot serve
here: its certificates always have an authority and a subject of organisation and unit, while an application's
is signed by itself, or has just the common name that subject name and issuer (SN/I) compares.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

__all__ = ["KeyPair", "shared_signing_key", "thumbprint_header"]

_VALID_DAYS = 365


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, public_key: rsa.RSAPublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=_VALID_DAYS))
    return builder.public_key(public_key)


def _private_pem(key: rsa.RSAPrivateKey, passphrase: str | None = None) -> bytes:
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
