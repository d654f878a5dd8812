"""Requests to the Defender API: token, quota, retries, and errors that say what to do.

Loads requests and msgspec, so it is imported only when a request is near.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import NoReturn

import requests

from airflow_provider_defender import compat
from airflow_provider_defender.exceptions import ConfigurationError, PagingBroken, UnexpectedHost
from airflow_provider_defender.hooks._answers import AnswerBounds, AnswerTooLarge
from airflow_provider_defender.hooks._pages import PageBody, read_page
from airflow_provider_defender.hooks._settings import DefenderSettings
from airflow_provider_defender.hooks._statuses import ApiError, is_outage, read_error, refusal_for
from airflow_provider_defender.hooks._text import excerpt
from airflow_provider_defender.hooks._tokens import TokenSource
from airflow_provider_defender.hooks._transport import (
    HttpSession,
    connection_trouble,
    first_contact_error,
    may_be_restarting,
    redirect_target,
    served_at,
)
from airflow_provider_defender.hooks._waiting import (
    LONGEST_ANSWER,
    Log,
    Pace,
    Tries,
    Waits,
    parse_retry_after,
)

__all__ = ["Answer", "DefenderApi"]


_LARGEST = "max_page_mebibytes"
_DEFAULT_LARGEST = 256


class Answer:
    """A whole answer: the page's envelope, when the service gave it, and how many bytes it had."""

    def __init__(self, body: PageBody, moment: datetime, size: int) -> None:
        self.body = body
        self.served_at = moment
        self.size = size


class DefenderApi:
    """The API of one connection."""

    def __init__(
        self,
        settings: DefenderSettings,
        tokens: TokenSource,
        pace: Pace,
        log: Log,
        *,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._pace = pace
        self._log = log
        self._deadline = float("inf") if deadline is None else deadline
        self._session = HttpSession(
            settings.network, AnswerBounds(LONGEST_ANSWER, _largest_answer() << 20, clock)
        )
        self._session.headers["Accept"] = "application/json"
        self._reached = False
        self._warned = False
        self.requests_made = 0

    def get(self, url: str, waits: Waits) -> Answer:
        """GET one page, through whatever heals by itself. The caller has checked the URL's host."""
        tries = waits.tries(f"Connection {self._settings.conn_id!r}: the API at {self._settings.host}")
        waits.begin_page()
        renew = renewed = False
        while True:
            token = self._tokens.token(self._settings.scope, waits, renew=renew)
            renewed, renew = renewed or renew, False
            response = self._send(url, token.value, tries, waits)
            if response is None:
                continue
            if response.status_code == 401 and not renewed:
                self._log.info("The API refused the token (HTTP 401): getting a new one.")
                renew = True
                continue
            answer = self._read(response, tries)
            if answer is not None:
                return answer

    def _send(self, url: str, token: str, tries: Tries, waits: Waits) -> requests.Response | None:
        """Send the request; None after a failure that another try may heal."""
        waits.pace(self._pace)
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
        """Wait for another try after a request without an answer, or raise that there is none."""
        host = f"the API at {self._settings.host}"
        final = None if self._reached else first_contact_error(error, host, self._settings.conn_id)
        if final is not None and not may_be_restarting(error):
            raise final from None
        if final is not None and not waits.reached_before:
            tries.unreached(final)
        else:
            tries.outage(connection_trouble(error))

    def _read(self, response: requests.Response, tries: Tries) -> Answer | None:
        """Read an answer; None after waiting for another try."""
        status = response.status_code
        if status == 200:
            return self._read_page(response, tries)
        error = read_error(response.content)
        seen = self._seen(response, error)
        now = served_at(response) or datetime.now(timezone.utc)
        retry_after = parse_retry_after(response.headers.get("Retry-After"), now)
        if status == 429:
            tries.throttled(seen, retry_after)
        elif is_outage(status) or 200 < status < 300:  # a part of a page, or none at all, is no answer
            tries.outage(seen, retry_after)
        elif status < 400:
            self._refuse_redirect(response)
        else:
            self._refuse(status, error, seen)
        return None

    def _read_page(self, response: requests.Response, tries: Tries) -> Answer | None:
        content = response.content
        try:
            body = read_page(content)
        except ValueError as error:
            tries.outage(f"HTTP 200 with {error}: {excerpt(content, self._tokens.hide)}")
            return None
        except PagingBroken as error:
            raise PagingBroken(f"Connection {self._settings.conn_id!r}: {error}") from None
        moment = served_at(response)
        if moment is None:
            moment = datetime.now(timezone.utc).replace(microsecond=0)
            if not self._warned:
                self._log.warning("The API's answer has no Date header: the worker's clock is used instead.")
                self._warned = True
        return Answer(body, moment, len(content))

    def _refuse_size(self, error: AnswerTooLarge) -> NoReturn:
        # Not an outage: the same page would be as large again, and is not to be fetched eight times.
        raise ConfigurationError(
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

    def _refuse(self, status: int, error: ApiError | None, seen: str) -> NoReturn:
        refusal = refusal_for(status, error)
        settings = self._settings
        client_id = settings.entra.credential.client_id or "the managed identity"
        target = f" Correlation ID: {excerpt(error.target, length=40)}." if error and error.target else ""
        raise refusal.error(
            f"Connection {settings.conn_id!r} (application {client_id}, tenant {settings.tenant_id}): "
            f"{refusal.cure}. The API at {settings.host} said {seen}{target}"
        )

    def _seen(self, response: requests.Response, error: ApiError | None) -> str:
        status = f"HTTP {response.status_code}"
        if error is not None:
            return excerpt(f"{status} {error.code}: {error.message}", self._tokens.hide, length=300)
        return excerpt(f"{status}: ".encode() + response.content[:65536], self._tokens.hide)


def _largest_answer() -> int:
    """The largest page that is read, in MiB: the Airflow option."""
    text = compat.airflow_option("defender", _LARGEST).strip() or str(_DEFAULT_LARGEST)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigurationError(
            f"Airflow option [defender] {_LARGEST}={text!r} must be a whole number of MiB."
        )
    return int(text)
