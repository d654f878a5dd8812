"""Why a broker cannot be reached: librdkafka gives one text for several causes, so we look for ourselves.

Opens a connection and shakes hands, and sends nothing that is secret.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time

from airflow_provider_defender.exceptions import DefenderError, HostUnreachable, TlsMismatch

__all__ = ["diagnose"]

_MARGIN_SECONDS = 0.3
_TOO_SLOW = "no connection in time; check host, port, DNS, and whether a firewall lets the port out"
_WRONG_NAME = 62  # X509_V_ERR_HOSTNAME_MISMATCH


def diagnose(
    address: tuple[str, int], *, tls: bool, ca_bundle: str | None, prefix: str, seconds: float
) -> DefenderError | None:
    """The error that explains why `address` gives no answer, or None where all looks well from here.

    `prefix` starts the message; the look takes `seconds` at most, even where a name server hangs.
    """
    where = f"{prefix}: cannot reach {address[0]}:{address[1]}"
    findings: list[DefenderError | None] = []

    def look() -> None:
        findings.append(_look(address, where, tls, ca_bundle, time.monotonic() + seconds))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(seconds)
    if findings:
        return findings[0]
    return HostUnreachable(f"{where}: {_TOO_SLOW}.")


def _look(
    address: tuple[str, int], where: str, tls: bool, ca_bundle: str | None, deadline: float
) -> DefenderError | None:
    try:
        connection = socket.create_connection(address, timeout=_left(deadline))
    except OSError as error:
        return HostUnreachable(f"{where}: {_unreachable(error)}.")
    with connection:
        connection.settimeout(_left(deadline))
        return (
            _shake_hands(connection, address[0], where, ca_bundle) if tls else _answers_tls(connection, where)
        )


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
    connection: socket.socket, host: str, where: str, ca_bundle: str | None
) -> DefenderError | None:
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
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
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.wrap_socket(connection).close()
    except OSError:
        return None
    return TlsMismatch(f"{where} without TLS: it speaks TLS there; set security_protocol to SASL_SSL or SSL.")
