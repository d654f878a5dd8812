"""Certificates for TLS servers, from a throw-away authority of trustme.

What trustme cannot serve is done here: files that stay from one start to the next, and keys as PKCS#8, the
only form that Apache Kafka takes. It refuses host names with an underscore. Key pairs of applications are in
`entra.certificates`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from airflow_provider_defender.simulator.server.files import write_whole

__all__ = ["TlsFiles", "issue_tls_files"]

_EARLIER = dt.timedelta(days=1)
_VALID = dt.timedelta(days=365)
_LEFT = dt.timedelta(days=7)


@dataclass(frozen=True)
class TlsFiles:
    """Files for the TLS server, and the authority that clients are to trust."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def exist(self) -> bool:
        """Whether all three are there."""
        return self.authority.exists() and self.certificate.exists() and self.key.exists()


def issue_tls_files(folder: Path, hosts: Sequence[str]) -> TlsFiles:
    """Certificates for `hosts` in `folder`; those already there are kept while they fit and are valid.

    The authority's private key is never stored: it signs the server's certificate and is forgotten, so
    nobody can make further certificates that those who trust `ca.pem` would accept.

    Raises ValueError for a host that is neither an address nor a name that a certificate can hold.
    """
    label = hashlib.sha256("\n".join(hosts).encode()).hexdigest()[:12]
    files = TlsFiles(folder / "ca.pem", folder / f"server-{label}.pem", folder / f"server-{label}.key")
    if not _still_valid(files):
        folder.mkdir(parents=True, exist_ok=True)
        _issue(files, hosts)
    return files


def _issue(files: TlsFiles, hosts: Sequence[str]) -> None:
    authority = trustme.CA(
        organization_name="Defender simulator",
        organization_unit_name="throw-away authority",
    )
    now = dt.datetime.now(dt.timezone.utc)
    try:
        server = authority.issue_cert(*hosts, not_before=now - _EARLIER, not_after=now + _VALID)
    except ValueError as error:
        raise ValueError(
            f"No certificate can be issued for {', '.join(hosts)}: {error}. "
            "Use addresses, and names of letters, digits, hyphens and dots."
        ) from error
    write_whole(files.key, _pkcs8(server.private_key_pem.bytes()), mode=0o600)
    write_whole(files.certificate, server.cert_chain_pems[0].bytes())
    write_whole(files.authority, authority.cert_pem.bytes())


def _pkcs8(key: bytes) -> bytes:
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _still_valid(files: TlsFiles) -> bool:
    if not files.exist:
        return False
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    server = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    try:
        server.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):  # the files belong to different starts
        return False
    return server.not_valid_after_utc > dt.datetime.now(dt.timezone.utc) + _LEFT
