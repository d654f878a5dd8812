"""Requests to a REST API: token, quota, retries, and errors that say what to do.

Loads requests and msgspec, so it is imported only when a request is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from http import HTTPStatus
from typing import NoReturn

import msgspec
import requests

from airflow_provider_defender import compat
from airflow_provider_defender.exceptions import (
    ConfigurationError,
    PagingBroken,
    RequestRefused,
    TryAgain,
    UnexpectedHost,
)
from airflow_provider_defender.hooks._connection.hosts import link_host
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._entra.tokens import TokenSource
from airflow_provider_defender.hooks._http.bounds import AnswerBounds, AnswerTooLarge
from airflow_provider_defender.hooks._http.failures import (
    connection_problem,
    first_contact_error,
    may_be_restarting,
)
from airflow_provider_defender.hooks._http.rate_limiter import RateLimiter
from airflow_provider_defender.hooks._http.transport import HttpSession, redirect_target, served_at
from airflow_provider_defender.hooks._http.waiting import LONGEST_ANSWER, Tries, Waits, parse_retry_after
from airflow_provider_defender.hooks._rest.api import RestApi
from airflow_provider_defender.hooks._rest.errors import (
    ApiError,
    ErrorRule,
    PageTooLarge,
    find_rule,
    is_outage,
)
from airflow_provider_defender.hooks._rest.pages import PageBody
from airflow_provider_defender.hooks._rest.settings import RestSettings

__all__ = ["Answer", "ReadBody", "RestClient", "read_error"]

ReadBody = Callable[[bytes, frozenset[str]], PageBody]
"""Splits a body into its records, as `read_page` does; the second argument is the API's own members."""

_LARGEST = "max_page_mebibytes"
_DEFAULT_LARGEST = 256


class Answer:
    """A complete response: the page's body, its time by the service's clock, and its size in bytes."""

    def __init__(self, body: PageBody, moment: datetime, size: int) -> None:
        self.body = body
        self.served_at = moment
        self.size = size


class RestClient:
    """A client for an API, with one connection."""

    def __init__(
        self,
        api: RestApi,
        settings: RestSettings,
        tokens: TokenSource,
        limiter: RateLimiter,
        log: Log,
        *,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._settings = settings
        self._tokens = tokens
        self._limiter = limiter
        self._log = log
        self._deadline = float("inf") if deadline is None else deadline
        self._session = HttpSession(
            settings.network, AnswerBounds(LONGEST_ANSWER, _largest_answer() << 20, clock)
        )
        self._session.headers.update({"Accept": "application/json", **api.headers})
        self._reached = False
        self._warned = False
        self.requests_made = 0

    @property
    def conn_id(self) -> str:
        """The connection's ID, for messages."""
        return self._settings.conn_id

    @property
    def host(self) -> str:
        """The API's `host[:port]`."""
        return self._settings.host

    def get(self, url: str, waits: Waits, read: ReadBody, *, most_tries: int | None = None) -> Answer:
        """GET one response, with retries of transient failures. The caller has checked the URL's host.

        `most_tries` limits the tries of this request further than `waits` does.
        """
        api = f"Connection {self._settings.conn_id!r}: the API at {self._settings.host}"
        tries = waits.tries(api, most_tries)
        waits.begin_page()
        renew = renewed = False
        while True:
            token = self._tokens.token(self._settings.scope, waits, renew=renew)
            renewed, renew = renewed or renew, False
            response = self._send(url, token.value, tries, waits)
            if response is None:
                continue
            if response.status_code == HTTPStatus.UNAUTHORIZED and not renewed:
                self._log.info("The API refused the token (HTTP 401): getting a new one.")
                renew = True
                continue
            answer = self._read(response, tries, read)
            if answer is not None:
                return answer

    def checked_link(self, link: str | None) -> str | None:
        """Return a page link if it leads to the connection's own host or to the API's hosts in its cloud.

        Raises `UnexpectedHost` for any other host.
        """
        if link is None:
            return None
        try:
            host = link_host(link)
        except ValueError as error:
            raise UnexpectedHost(
                f"Connection {self._settings.conn_id!r}: the page link {excerpt(link, length=120)!r} is not "
                f"followed: {error}."
            ) from None
        if not self._settings.may_get_token(host):
            raise UnexpectedHost(
                f"Connection {self._settings.conn_id!r}: a page link leads to {host}, which is no "
                f"{self._api.name} host of the {self._settings.cloud.name} cloud, so it does not get the "
                "token. If it is right, set it as the connection's host."
            )
        return link

    # Sending --------------------------------------------------------------------------------------

    def _send(self, url: str, token: str, tries: Tries, waits: Waits) -> requests.Response | None:
        """Send the request; None after a failure that can be retried."""
        waits.for_quota(self._limiter)
        self.requests_made += 1
        self._session.latest = min(self._deadline, waits.latest_answer)
        tries.begin()
        try:
            response = self._session.get(url, headers={"Authorization": f"Bearer {token}"})
        except AnswerTooLarge as error:
            self._refuse_size(error)
        except requests.RequestException as error:
            self._wait_for_contact(error, tries, waits)
            return None
        self._reached = True
        return response

    def _wait_for_contact(self, error: requests.RequestException, tries: Tries, waits: Waits) -> None:
        """Wait before a retry after a request without a response, or raise the error."""
        host = f"the API at {self._settings.host}"
        final = None if self._reached else first_contact_error(error, host, self._settings.conn_id)
        if final is not None and not may_be_restarting(error):
            raise final from None
        if final is not None and not waits.reached_before:
            tries.unreached(final)
        else:
            tries.outage(connection_problem(error))

    # Reading --------------------------------------------------------------------------------------

    def _read(self, response: requests.Response, tries: Tries, read: ReadBody) -> Answer | None:
        """Read a response; None after waiting for a retry."""
        if response.status_code == HTTPStatus.OK:
            return self._read_body(response, tries, read)
        self._wait_or_refuse(response, tries)
        return None

    def _read_body(self, response: requests.Response, tries: Tries, read: ReadBody) -> Answer | None:
        content = response.content
        try:
            body = read(content, self._api.members)
        except ValueError as error:
            tries.outage(f"HTTP 200 with {error}: {excerpt(content, self._tokens.hide)}")
            return None
        except PagingBroken as error:
            raise PagingBroken(f"Connection {self._settings.conn_id!r}: {error}") from None
        return Answer(body, served_at(response) or self._own_clock(), len(content))

    def _own_clock(self) -> datetime:
        if not self._warned:
            self._log.warning("The API's answer has no Date header: the worker's clock is used instead.")
            self._warned = True
        return datetime.now(timezone.utc).replace(microsecond=0)

    def _wait_or_refuse(self, response: requests.Response, tries: Tries) -> None:
        """Wait before a retry after an error response, or raise the error that it means."""
        status = response.status_code
        error = read_error(response.content)
        seen = self._seen(response, error)
        now = served_at(response) or datetime.now(timezone.utc)
        retry_after = parse_retry_after(response.headers.get("Retry-After"), now)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            tries.throttled(seen, retry_after)
        elif is_outage(status) or HTTPStatus.OK < status < HTTPStatus.MULTIPLE_CHOICES:
            # A part of a page, or none at all, is no valid response.
            tries.outage(seen, retry_after)
        elif status < HTTPStatus.BAD_REQUEST:
            self._refuse_redirect(response)
        else:
            rule = find_rule(self._api.name, self._api.errors, self._api.roles, status, error)
            if issubclass(rule.error, TryAgain):
                tries.outage(seen, retry_after)
            else:
                self._refuse(rule, error, seen, status)

    # Refusals -------------------------------------------------------------------------------------

    def _refuse_size(self, error: AnswerTooLarge) -> NoReturn:
        # Not an outage: the same page would be as large again, so it must not be fetched eight times.
        raise PageTooLarge(
            f"Connection {self._settings.conn_id!r}: the API at {self._settings.host} gave {error}, the most "
            f"that is read. If its pages are that large, raise the Airflow option [defender] {_LARGEST}, and "
            "give the worker four times as much memory. Else look what stands between."
        ) from None

    def _refuse_redirect(self, response: requests.Response) -> NoReturn:
        target = redirect_target(response)
        found = f"redirects to {target}" if target else f"answers HTTP {response.status_code}"
        raise UnexpectedHost(
            f"Connection {self._settings.conn_id!r}: the API at {self._settings.host} {found}, where no "
            "token is sent. Check host, and any proxy that asks for a login."
        )

    def _refuse(self, rule: ErrorRule, error: ApiError | None, seen: str, status: int) -> NoReturn:
        settings = self._settings
        client_id = settings.entra.credential.client_id or "the managed identity"
        known = excerpt(error.correlation_id, length=40) if error else ""
        correlation = f" Correlation ID: {known}." if known else ""
        refusal = rule.error(
            f"Connection {settings.conn_id!r} (application {client_id}, tenant {settings.tenant_id}): "
            f"{rule.remedy}. The API at {settings.host} said {seen}{correlation}"
        )
        if isinstance(refusal, RequestRefused):
            refusal.status = status
            refusal.said = excerpt(error.message, self._tokens.hide, length=300) if error else ""
        raise refusal

    def _seen(self, response: requests.Response, error: ApiError | None) -> str:
        status = f"HTTP {response.status_code}"
        if error is not None:
            return excerpt(f"{status} {error.code}: {error.message}", self._tokens.hide, length=300)
        return excerpt(f"{status}: ".encode() + response.content[:65536], self._tokens.hide)


class _InnerError(msgspec.Struct, rename={"request_id": "request-id"}):
    request_id: str | None = None


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""
    target: str | None = None
    innerError: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815  as OData spells it
    innererror: msgspec.Raw = msgspec.Raw(b"null")


class _ErrorBody(msgspec.Struct):
    error: _Error


def read_error(body: bytes) -> ApiError | None:
    """The error in a body (OData, "Error Response Body"); None if the body is not the API's own.

    Defender gives its correlation ID as `target`, Graph as `innerError.request-id`, also spelt `innererror`.
    """
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return ApiError(error.code, error.message, error.target or _request_id(error))


def _request_id(error: _Error) -> str:
    for inner in (error.innerError, error.innererror):
        try:
            found = msgspec.json.decode(inner, type=_InnerError).request_id
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if found:
            return found
    return ""


def _largest_answer() -> int:
    """The largest page that is accepted, in MiB, from the Airflow option."""
    text = compat.airflow_option("defender", _LARGEST).strip() or str(_DEFAULT_LARGEST)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigurationError(
            f"Airflow option [defender] {_LARGEST}={text!r} must be a whole number of MiB."
        )
    return int(text)
