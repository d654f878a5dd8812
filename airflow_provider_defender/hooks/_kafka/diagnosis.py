"""Diagnosis of an unreachable broker: librdkafka has one text for several causes, so we check ourselves.

Opens a connection and makes a TLS handshake, and sends nothing secret.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from pathlib import Path

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    DefenderError,
    HostUnreachable,
    ServiceUnavailable,
    TlsMismatch,
)

__all__ = ["diagnose"]

_MARGIN_SECONDS = 0.3
_TOO_SLOW = "no connection in time; check host, port, DNS, and whether a firewall lets the port out"
_NO_NAME_SERVER = "no name server answers; if it stays so, check DNS"
_WRONG_NAME = 62  # X509_V_ERR_HOSTNAME_MISMATCH


def diagnose(
    address: tuple[str, int],
    *,
    tls: bool,
    ca_bundle: str | None,
    prefix: str,
    seconds: float,
    verify: bool = True,
) -> DefenderError | None:
    """The error that explains why `address` does not answer; None if everything looks well from here.

    `ca_bundle` is a value of librdkafka's `ssl.ca.location`: a file, a directory, or `probe` for the system's
    own; `verify` is its `enable.ssl.certificate.verification`. `prefix` begins the message. Takes at most
    `seconds`, even if a name server hangs, which says nothing about the host and is transient.
    """
    context = None
    if tls:
        try:
            context = _context(ca_bundle, verify=verify)
        except OSError as error:  # ssl.SSLError is one, too
            reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
            return ConfigurationError(
                f"{prefix}: no CA certificates can be read from {ca_bundle!r} ({reason}); check ca_bundle or "
                "ssl.ca.location."
            )
    where = f"{prefix}: cannot reach {address[0]}:{address[1]}"
    findings: list[DefenderError | None] = []
    resolved = threading.Event()

    def look() -> None:
        findings.append(_look(address, where, context, time.monotonic() + seconds, resolved))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(seconds)
    if findings:
        return findings[0]
    if not resolved.is_set():
        return ServiceUnavailable(f"{where}: {_NO_NAME_SERVER}.")
    return ConnectionFailed(f"{where}: {_TOO_SLOW}.")


def _look(
    address: tuple[str, int],
    where: str,
    context: ssl.SSLContext | None,
    deadline: float,
    resolved: threading.Event,
) -> DefenderError | None:
    try:
        socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
        resolved.set()
        connection = socket.create_connection(address, timeout=_left(deadline))
    except OSError as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            return ServiceUnavailable(f"{where}: {_NO_NAME_SERVER}.")
        error_class = HostUnreachable if isinstance(error, socket.gaierror) else ConnectionFailed
        return error_class(f"{where}: {_unreachable(error)}.")
    with connection:
        connection.settimeout(_left(deadline))
        if context is None:
            return _answers_tls(connection, where)
        return _shake_hands(connection, address[0], where, context)


def _context(ca_bundle: str | None, *, verify: bool) -> ssl.SSLContext:
    """Trust what librdkafka trusts."""
    if ca_bundle is None or ca_bundle == "probe":
        context = ssl.create_default_context()
    elif Path(ca_bundle).is_dir():
        context = ssl.create_default_context(capath=ca_bundle)
    else:
        context = ssl.create_default_context(cafile=ca_bundle)
    if not verify:
        _trust_all(context)
    return context


def _trust_all(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic() - _MARGIN_SECONDS)


def _unreachable(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host name has no address; check host and DNS"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused); check host and port"
    if isinstance(error, TimeoutError):
        return _TOO_SLOW
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "there is no route to it; check host and firewall"
    return f"the connection failed ({error.strerror or type(error).__name__})"


def _shake_hands(
    connection: socket.socket, host: str, where: str, context: ssl.SSLContext
) -> DefenderError | None:
    try:
        context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _WRONG_NAME:
            return TlsMismatch(f"{where}: its TLS certificate is for another name; check host.")
        return TlsMismatch(
            f"{where}: its TLS certificate is not trusted ({error.verify_message}); check host, or name your "
            "CA's PEM file in the connection's ca_bundle."
        )
    except TimeoutError:
        return TlsMismatch(f"{where}: it does not answer a TLS handshake; check port and security_protocol.")
    except OSError:  # ssl.SSLError is one, and a plaintext listener may just hang up
        return TlsMismatch(f"{where}: it does not speak TLS there; check port and security_protocol.")
    return None


def _answers_tls(connection: socket.socket, where: str) -> DefenderError | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _trust_all(context)
    try:
        context.wrap_socket(connection).close()
    except OSError:
        return None
    return TlsMismatch(f"{where} without TLS: it speaks TLS there; set security_protocol to SASL_SSL or SSL.")
