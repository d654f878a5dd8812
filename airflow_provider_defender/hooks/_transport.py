"""HTTP: sessions that trust the right CA, use the right proxy, always end and never redirect.

Loads requests, so it is imported only when a request is near.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions as errors
from urllib3 import exceptions as urllib3_errors

from airflow_provider_defender import __version__
from airflow_provider_defender.exceptions import HostUnreachable
from airflow_provider_defender.hooks._answers import (
    AnswerBounds,
    AnswerTooLarge,
    AnswerTooSlow,
    BoundedAdapter,
)
from airflow_provider_defender.hooks._settings import Network

__all__ = [
    "USER_AGENT",
    "HttpSession",
    "LocalSession",
    "connection_trouble",
    "first_contact_error",
    "may_be_restarting",
    "redirect_target",
    "served_at",
]

USER_AGENT = f"airflow-provider-defender/{__version__}"
_LOCAL_TIMEOUTS = (5.0, 30.0)


class _Session(requests.Session):
    """What both sessions have in common: bounds for every answer, and no redirects.

    `latest` is the moment of the bounds' clock by which an answer must have come, however young it is.
    """

    def __init__(self, bounds: AnswerBounds, timeouts: tuple[float, float]) -> None:
        super().__init__()
        self.headers["User-Agent"] = USER_AGENT
        self.headers["Accept-Encoding"] = "gzip, deflate"
        self.latest = float("inf")
        self._bounds = bounds
        self._timeouts = timeouts
        for scheme in ("https://", "http://"):
            self.mount(scheme, BoundedAdapter(bounds))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request within the session's timeouts and bounds, without following redirects."""
        connect, read = self._timeouts
        left = self._bounds.begin(read, self.latest)
        kwargs["allow_redirects"] = False
        kwargs["timeout"] = (min(connect, left), min(read, left))
        try:
            return super().request(method, url, *args, **kwargs)
        except UnicodeError:
            # Not the error's text: it shows the header, and that is the token or the proxy's password.
            raise errors.InvalidHeader("characters that HTTP cannot carry") from None
        except errors.RequestException:
            raise
        except ValueError:
            # urllib3 lets pass what Python says of a chunk that is less than nothing long.
            raise errors.ChunkedEncodingError("a chunk of no length") from None


class HttpSession(_Session):
    """A `requests.Session` for one kind of service.

    The connection's CA bundle and proxy win over `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and the proxy
    variables, which plain requests prefers; without them the environment counts. Redirects are not
    followed, so neither secret nor token goes to another host, and `~/.netrc` is not used.
    `check`, called with each URL, may refuse it by raising. `bounds` say what one answer may take.
    """

    def __init__(
        self, network: Network, bounds: AnswerBounds, *, check: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(bounds, (network.connect_timeout, network.read_timeout))
        self.auth = _no_netrc
        self._network = network
        self._check = check

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Check the URL, and send the request."""
        if self._check is not None:
            self._check(str(url))
        return super().request(method, url, *args, **kwargs)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Let the connection's CA bundle and proxy win over the environment's."""
        if verify is None and self._network.ca_bundle:
            verify = self._network.ca_bundle
        if not proxies and self._network.proxy:
            proxies = {"http": self._network.proxy, "https": self._network.proxy}
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class LocalSession(_Session):
    """A session for the managed identity's endpoint on this machine: no proxy, no environment."""

    def __init__(self, bounds: AnswerBounds) -> None:
        super().__init__(bounds, _LOCAL_TIMEOUTS)
        self.trust_env = False


def first_contact_error(error: Exception, host: str, conn_id: str) -> HostUnreachable | None:
    """The error to raise where `error`, at the first contact with `host`, will not heal by itself.

    None for what may heal: a reset, a broken body, a slow answer, a name server that does not answer.
    """
    reason = _unreachable(error)
    if reason is None or _no_name_server(error):
        return None
    return HostUnreachable(f"Connection {conn_id!r}: cannot reach {host}: {reason}.")


def may_be_restarting(error: Exception) -> bool:
    """Whether `error` is also what a service shows that is about to come back: refused, or not reached.

    Not a name without an address, a certificate that is not trusted, an address that is none, or a proxy that
    answers with a refusal of its own.
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


def connection_trouble(error: Exception) -> str:
    """What went wrong, in a few words and without the addresses of Python objects."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, AnswerTooSlow | AnswerTooLarge):
            return str(cause)
    if any(isinstance(cause, urllib3_errors.ReadTimeoutError) for cause in causes):
        return "no answer in time"
    if isinstance(error, errors.ContentDecodingError):
        return "the body cannot be unpacked"
    if isinstance(error, errors.ChunkedEncodingError):
        return "the body ended too early"
    if _no_name_server(error):
        return "no name server answers"
    for cause in causes:
        if isinstance(cause, urllib3_errors.IncompleteRead):
            return "the body ended too early"
        if isinstance(cause, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
            return "the connection was reset"
        if isinstance(cause, urllib3_errors.ProtocolError) and "closed connection" in str(cause):
            return "the connection was closed without an answer"
    return _unreachable(error) or f"the connection failed ({type(error).__name__})"


def _no_name_server(error: Exception) -> bool:
    """Whether nobody could say if the host's name has an address: unlike a wrong name, that may pass."""
    return any(
        isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN for cause in _causes(error)
    )


def _unreachable(error: Exception) -> str | None:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its TLS certificate is not trusted ({cause.verify_message or cause.reason}); check the "
                "host, or name your CA's PEM file in the connection's ca_bundle"
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            return "it does not speak TLS as expected; check host, port and proxy"
    if isinstance(error, errors.ProxyError):
        return "the proxy refused or cannot be reached; check the connection's proxy or HTTPS_PROXY"
    if isinstance(error, errors.InvalidURL | errors.InvalidProxyURL | errors.InvalidSchema):
        return "its address, or the proxy's, is not valid; check host and proxy"
    if isinstance(error, errors.InvalidHeader):
        return "a header has characters that HTTP cannot carry; check the proxy's user and password"
    for cause in causes:
        if isinstance(cause, socket.gaierror | urllib3_errors.NameResolutionError):
            return "the host name has no address; check host, cloud, DNS and proxy"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused; check host, port, firewall and proxy"
        if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return "there is no route to it; check host, firewall and proxy"
    if isinstance(error, errors.ConnectTimeout):
        return "no connection in time; check host, port, firewall and proxy"
    return None


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


def served_at(response: requests.Response) -> datetime | None:
    """The service's own time of a response (header `Date`, UTC), or None without a readable one."""
    try:
        moment = parsedate_to_datetime(response.headers["Date"])
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None


def redirect_target(response: requests.Response) -> str | None:
    """The host a redirect leads to, or None where the response is none."""
    if not 300 <= response.status_code < 400:
        return None
    try:
        host = urlsplit(response.headers.get("Location", "")).hostname or ""
    except ValueError:
        host = ""
    return re.sub(r"[^A-Za-z0-9.:-]", "", host)[:253] or "another place"


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in as the session's authentication, so that requests does not look into `~/.netrc`."""
    return request
