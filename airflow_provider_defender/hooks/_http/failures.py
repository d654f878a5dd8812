"""Why a request got no response, from the errors of requests and urllib3.

Loads requests, so it is imported only when a request is needed.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

from requests import exceptions as errors
from urllib3 import exceptions as urllib3_errors

from airflow_provider_defender.exceptions import HostUnreachable
from airflow_provider_defender.hooks._http.bounds import AnswerTooLarge, AnswerTooSlow

__all__ = ["connection_problem", "first_contact_error", "may_be_restarting"]

_ENDED_EARLY = "the body ended too early"
_INVALID = "its address, or the proxy's, is not valid; check host and proxy"


def first_contact_error(error: Exception, host: str, conn_id: str) -> HostUnreachable | None:
    """The error to raise if `error`, at the first contact with `host`, is permanent.

    None for transient failures: a reset, a broken body, a slow response, a name server that does not answer.
    """
    reason = _unreachable(error)
    if reason is None or _no_name_server(error):
        return None
    return HostUnreachable(f"Connection {conn_id!r}: cannot reach {host}: {reason}.")


def may_be_restarting(error: Exception) -> bool:
    """Whether `error` can also come from a restarting service: the connection was refused, or not made.

    Not so for a name without an address, an untrusted certificate, an invalid address, or a proxy that
    refuses.
    """
    if isinstance(error, errors.InvalidURL | errors.InvalidHeader | errors.InvalidSchema):
        return False
    return not any(_is_final(cause) for cause in _causes(error))


def _is_final(cause: BaseException) -> bool:
    if isinstance(cause, ssl.SSLError):
        return not isinstance(cause, ssl.SSLEOFError)
    if isinstance(cause, socket.gaierror | urllib3_errors.NameResolutionError):
        return True
    return isinstance(cause, OSError) and "Tunnel connection failed: 4" in str(cause)


def connection_problem(error: Exception) -> str:
    """What went wrong, in a few words and without memory addresses of Python objects."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, AnswerTooSlow | AnswerTooLarge):
            return str(cause)
    if any(isinstance(cause, urllib3_errors.ReadTimeoutError) for cause in causes):
        return "no answer in time"
    if isinstance(error, errors.ContentDecodingError):
        return "the body cannot be unpacked"
    if isinstance(error, errors.ChunkedEncodingError):
        return _ENDED_EARLY
    if _no_name_server(error):
        return "no name server answers"
    broken_off = next(filter(None, map(_broken_off, causes)), None)
    return broken_off or _unreachable(error) or f"the connection failed ({type(error).__name__})"


def _broken_off(cause: BaseException) -> str | None:
    if isinstance(cause, urllib3_errors.IncompleteRead):
        return _ENDED_EARLY
    if isinstance(cause, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return "the connection was reset"
    if isinstance(cause, urllib3_errors.ProtocolError) and "closed connection" in str(cause):
        return "the connection was closed without an answer"
    return None


def _no_name_server(error: Exception) -> bool:
    """Whether no name server answered: unlike a wrong name, that may pass."""
    return any(
        isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN for cause in _causes(error)
    )


def _unreachable(error: Exception) -> str | None:
    """Why the host was not reached, with what to check; None if it was reached."""
    causes = list(_causes(error))
    tls = next(filter(None, map(_tls_problem, causes)), None)
    of_class = next((text for each, text in _BY_CLASS if isinstance(error, each)), None)
    return tls or of_class or next(filter(None, map(_network_problem, causes)), None) or _too_slow(error)


def _tls_problem(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its TLS certificate is not trusted ({cause.verify_message or cause.reason}); check the "
            "host, or name your CA's PEM file in the connection's ca_bundle"
        )
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return "it does not speak TLS as expected; check host, port and proxy"
    return None


_BY_CLASS: Sequence[tuple[type[Exception], str]] = (
    (
        errors.ProxyError,
        "the proxy refused or cannot be reached; check the connection's proxy or HTTPS_PROXY",
    ),
    (errors.InvalidURL, _INVALID),
    (errors.InvalidProxyURL, _INVALID),
    (errors.InvalidSchema, _INVALID),
    (
        errors.InvalidHeader,
        "a header has characters that HTTP cannot carry; check the proxy's user and password",
    ),
)


def _network_problem(cause: BaseException) -> str | None:
    if isinstance(cause, socket.gaierror | urllib3_errors.NameResolutionError):
        return "the host name has no address; check host, cloud, DNS and proxy"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused; check host, port, firewall and proxy"
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "there is no route to it; check host, firewall and proxy"
    return None


def _too_slow(error: Exception) -> str | None:
    slow = isinstance(error, errors.ConnectTimeout)
    return "no connection in time; check host, port, firewall and proxy" if slow else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it wraps: requests and urllib3 hide the cause in several places."""
    queue: list[Any] = [error]
    seen: set[int] = set()
    while queue:
        current = queue.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        queue += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
