"""HTTP sessions with the right CA and proxy, with timeouts and without redirects.

Loads requests, so it is imported only when a request is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions as errors

from airflow_provider_defender import __version__
from airflow_provider_defender.hooks._connection.network import Network
from airflow_provider_defender.hooks._http.bounds import AnswerBounds, BoundedAdapter

__all__ = [
    "USER_AGENT",
    "HttpSession",
    "LocalSession",
    "redirect_target",
    "served_at",
]

USER_AGENT = f"airflow-provider-defender/{__version__}"
_LOCAL_TIMEOUTS = (5.0, 30.0)


class _Session(requests.Session):
    """The base of both sessions: limits for every response, and no redirects.

    `latest` is the moment of the limits' clock at which every response must be complete.
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
            # urllib3 passes on Python's error for a chunk of negative length.
            raise errors.ChunkedEncodingError("a chunk of no length") from None


class HttpSession(_Session):
    """A `requests.Session` for one service.

    The connection's CA bundle and proxy override `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and the proxy
    variables, which plain requests prefers; without them, the environment counts. Redirects are not followed,
    so neither secret nor token goes to another host, and `~/.netrc` is not used. `check` is called with each
    URL and may raise to refuse it. `bounds` are the limits of one response.
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
        """Let the connection's CA bundle and proxy override the environment's."""
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


def served_at(response: requests.Response) -> datetime | None:
    """The time of a response by the service's clock (header `Date`, UTC); None without a valid one."""
    try:
        moment = parsedate_to_datetime(response.headers["Date"])
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None


def redirect_target(response: requests.Response) -> str | None:
    """The host that a redirect leads to; None if the response is no redirect."""
    if not HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        return None
    try:
        host = urlsplit(response.headers.get("Location", "")).hostname or ""
    except ValueError:
        host = ""
    return re.sub(r"[^A-Za-z0-9.:-]", "", host)[:253] or "another place"


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Serve as the session's authentication, so that requests does not read `~/.netrc`."""
    return request
