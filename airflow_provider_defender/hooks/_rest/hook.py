"""The base of all hooks for REST APIs: tokens, quota, paging, errors, and `get` for any path."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_defender.hooks._connection.button import run_test
from airflow_provider_defender.hooks._connection.lookup import find_connection, finder
from airflow_provider_defender.hooks._connection.redaction import mask
from airflow_provider_defender.hooks._http.rate_limiter import RateLimiter
from airflow_provider_defender.hooks._http.waiting import WaitLimits, Waits
from airflow_provider_defender.hooks._rest.address import address
from airflow_provider_defender.hooks._rest.api import RestApi
from airflow_provider_defender.hooks._rest.pages import Page, PageBody, read_any, read_page
from airflow_provider_defender.hooks._rest.paging import LoopGuard, Progress, follow
from airflow_provider_defender.hooks._rest.records import as_dicts
from airflow_provider_defender.hooks._rest.settings import RestSettings, rest_settings
from airflow_provider_defender.hooks._rest.uses import Uses, check_uses, read_uses

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._entra.tokens import TokenSource
    from airflow_provider_defender.hooks._rest.client import ReadBody, RestClient

__all__ = ["RestHook"]

_MINUTE, _HOUR = 60.0, 3600.0
_ONE_QUESTION = WaitLimits(tries=3, single_seconds=10.0, total_seconds=30.0)


class RestHook(BaseHook):
    """A hook for one REST API, which its subclass describes in `api`.

    :param conn_id: ID of a connection of type `conn_type`
    :param sleep: waits for seconds; for tests
    :param clock: monotonic seconds; for tests
    """

    api: ClassVar[RestApi]
    uses: ClassVar[tuple[RestApi, ...]] = ()
    """The APIs that a connection of this type is for, if there are several; the Test button tries each."""
    conn_type: ClassVar[str] = "defender"

    def __init__(
        self,
        conn_id: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.retries = 0
        """Requests retried so far, to the API and to Entra ID."""
        self.waited_seconds = 0.0
        """Seconds waited so far for quotas and retries, not counting the requests themselves."""
        self._conn_id = conn_id
        self._sleep = sleep
        self._clock = clock
        self._clients: dict[RestApi, RestClient] = {}

    @property
    def tenant_id(self) -> str:
        """The tenant's GUID, in lower case."""
        return self._settings.tenant_id

    @property
    def requests_made(self) -> int:
        """Requests sent to the API so far, including retries."""
        return sum(client.requests_made for client in self._clients.values())

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """GET a path of the API, and yield dicts: the records of all its pages, or the single object.

        Token, quota, retries and errors are handled as for alerts. Page links are followed to the end, but
        only to the API's own hosts. With `$top`, most paths return one page.

        :param path: the path, beginning with `/`, such as `/api/machines`
        :param params: the query, such as `{"$top": 10, "$filter": "healthStatus eq 'Active'"}`

        Raises `ConfigurationError` for an invalid path, ValueError for a record that is no JSON object, and
        otherwise what reading alerts raises; `RequestRefused` also if the API has no such path.
        """
        url = address(self._settings.host, path, params)
        return as_dicts(self._pages(url, "records", self._new_waits(), read=read_any))

    def test_connection(self) -> tuple[bool, str]:
        """Get a token and one response for each use of the connection, within ten seconds.

        Reports tenant, expiry and roles, and for each use whether it works or what is missing. Succeeds if
        one of them works.
        """
        return run_test(self._conn_id, self._read_uses, self._test)

    def granted_roles(self) -> tuple[str, ...]:
        """The application roles that Entra ID has put into the API's token; sends nothing to the API.

        The token is kept for the requests that follow. Raises as `EntraIdHook.get_token` does.
        """
        waits = self._new_waits()
        with self._counted(waits):
            return self._tokens.token(self._settings.scope, waits).roles

    def _read_uses(self) -> Uses:
        return read_uses(self.uses or (self.api,), self._read_settings)

    def _test(self, uses: Uses, deadline: float) -> str:
        return check_uses(uses, deadline, self.log)

    def _pages(self, url: str, what: str, waits: Waits, *, read: ReadBody = read_page) -> Iterator[Page]:
        """Yield the pages from `url` on. Holds only one page; so does a caller that drops its own in time."""
        progress = Progress(what, self.log, self._clock)
        guard = LoopGuard(self._conn_id)
        with self._counted(waits):
            yield from follow(self._client, url, waits, read=read, guard=guard, progress=progress)

    def _has_records(self, url: str, *, reached_before: bool) -> bool:
        """Whether a page has any record: one cheap call that waits for at most half a minute."""
        return bool(self._one_page(self._client, url, reached_before=reached_before).value)

    def _one_page(self, client: RestClient, url: str, *, reached_before: bool) -> PageBody:
        """Read one page: a cheap call that waits for at most half a minute."""
        waits = self._new_waits(limits=_ONE_QUESTION, reached_before=reached_before)
        with self._counted(waits):
            return client.get(url, waits, read_page).body

    @contextmanager
    def _counted(self, waits: Waits) -> Iterator[None]:
        """Add up the waits at the end, even after an error."""
        try:
            yield
        finally:
            self.retries += waits.retries
            self.waited_seconds += waits.waited_seconds

    def _new_waits(
        self,
        *,
        limits: WaitLimits | None = None,
        left: float | None = None,
        reached_before: bool = False,
    ) -> Waits:
        return Waits(
            self.log,
            sleep=self._sleep,
            jitter=random.random,
            limits=limits or WaitLimits(),
            clock=self._clock,
            left=left,
            reached_before=reached_before,
        )

    @cached_property
    def _settings(self) -> RestSettings:
        settings = self._read_settings(self.api)
        for remark in settings.remarks:
            self.log.warning("%s", remark)
        return settings

    def _read_settings(self, api: RestApi) -> RestSettings:
        connection = find_connection(self._conn_id, self.conn_type)
        settings = rest_settings(api, self.conn_type, connection, finder("entra_id"))
        mask(settings.secrets)
        return settings

    @cached_property
    def _limiter(self) -> RateLimiter:
        settings = self._settings
        limits = [(settings.calls_per_minute, _MINUTE), (settings.calls_per_hour, _HOUR)]
        return RateLimiter(limits, self._clock)

    @cached_property
    def _tokens(self) -> TokenSource:
        from airflow_provider_defender.hooks._entra.tokens import TokenSource

        return TokenSource(self._settings.entra, clock=self._clock)

    @property
    def _client(self) -> RestClient:
        return self._client_of(self.api)

    def _client_of(self, api: RestApi) -> RestClient:
        """The client of another description of the same API, with roles and errors of its own."""
        from airflow_provider_defender.hooks._rest.client import RestClient

        if api not in self._clients:
            self._clients[api] = RestClient(
                api, self._settings, self._tokens, self._limiter, self.log, clock=self._clock
            )
        return self._clients[api]
