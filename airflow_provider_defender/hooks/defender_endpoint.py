"""Alerts of Microsoft Defender for Endpoint, page by page."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_defender._connection_fields import with_connection_fields
from airflow_provider_defender._plural import counted
from airflow_provider_defender.exceptions import PagingBroken, UnexpectedHost
from airflow_provider_defender.hooks._connection_test import ALERT_ROLES, describe_token, run_test
from airflow_provider_defender.hooks._connections import find_connection, finder
from airflow_provider_defender.hooks._filters import AlertFilter, updated_after_filter
from airflow_provider_defender.hooks._hosts import link_host
from airflow_provider_defender.hooks._pages import Page, PageBody
from airflow_provider_defender.hooks._settings import DefenderSettings, defender_settings
from airflow_provider_defender.hooks._text import excerpt
from airflow_provider_defender.hooks._waiting import NO_WAITING, Pace, WaitLimits, Waits

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._api import DefenderApi
    from airflow_provider_defender.hooks._tokens import TokenSource

__all__ = ["DefenderEndpointHook"]

_MINUTE, _HOUR = 60.0, 3600.0
_ONE_QUESTION = WaitLimits(tries=3, single_seconds=10.0, total_seconds=30.0)
_SECONDS_BETWEEN_REPORTS = 15.0
_REPEATED_PAGES = 9


@with_connection_fields("defender")
class DefenderEndpointHook(BaseHook):
    """Reads alerts of Microsoft Defender for Endpoint (`GET /api/alerts`).

    `tenant_id` is always needed and must be that of the `entra_id` connection, if there is one.
    China (21Vianet) has no documented Defender for Endpoint API: `cloud` must not be `china`.

    What heals by itself is waited for in place, within limits: an expired token is renewed once a request;
    `Retry-After` up to 30 s each; outages, resets and broken bodies up to 8 tries with backoff; 15 minutes
    in all for one drain, waits and fruitless requests together. An answer must be whole within 5 minutes,
    however its bytes come. A host that refuses at the very first contact is tried for about 10 s. Beyond that
    `Throttled` or `ServiceUnavailable` tells Airflow to try again; everything else fails at once and says
    what to do.

    :param defender_conn_id: the connection
    :param sleep: waits for seconds; for tests
    :param clock: monotonic seconds; for tests
    """

    conn_name_attr = "defender_conn_id"
    default_conn_name = "defender_default"
    conn_type = "defender"
    hook_name = "Microsoft Defender"

    def __init__(
        self,
        defender_conn_id: str = default_conn_name,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.defender_conn_id = defender_conn_id
        self.retries = 0
        """Requests repeated so far, to the API and to Entra ID."""
        self.waited_seconds = 0.0
        """Seconds waited so far for quotas and retries, without the requests between."""
        self._sleep = sleep
        self._clock = clock

    @property
    def tenant_id(self) -> str:
        """The tenant's GUID, in lower case."""
        return self._settings.tenant_id

    @property
    def requests_made(self) -> int:
        """Requests sent to the API so far, retries included."""
        return self._api.requests_made

    def alert_pages(
        self,
        *,
        filter: str,
        expand_evidence: bool = True,
        max_seconds: float | None = None,
        reached_before: bool = False,
    ) -> Iterator[Page]:
        """Yield all pages of the alerts that `filter` (OData) selects, following the links to the end.

        Without `$top`, as the API then gives no link; the pages come in the order of the alerts' `id`.
        Only one page is held here: a caller that drops its own before asking for the next holds no more.

        :param filter: the OData condition
        :param expand_evidence: whether the alerts come with their evidence
        :param max_seconds: how long this may take. Whoever asks for a page later gets it all the same, if
            it comes at once; nothing is waited for or tried again after that time, and a page asked for
            just before its end has the time of one answer, 5 minutes.
        :param reached_before: whether the API has answered earlier runs: then a connection that is refused
            at the first contact is an outage, and not likely a wrong host

        Raises `PagingBroken` where a link repeats, is empty or stands under another name, `UnexpectedHost`
        where one leads to a host that must not get the token, and everything of `EntraIdHook.get_token`;
        `PermissionMissing` and `RequestRefused` (fail now), `ServiceUnavailable` and `Throttled` (try again).
        """
        parameters = {"$filter": filter, **({"$expand": "evidence"} if expand_evidence else {})}
        waits = self._new_waits(left=max_seconds, reached_before=reached_before)
        try:
            yield from self._follow(self._url(parameters), waits)
        finally:
            self.retries += waits.retries
            self.waited_seconds += waits.waited_seconds

    def has_alert_updated_since(
        self, watermark_ticks: int, filters: AlertFilter | None = None, *, reached_before: bool = False
    ) -> bool:
        """Whether any alert was updated later than the watermark (ticks of 100 ns): one cheap call.

        Waits in place for half a minute at most: who asks comes again. `reached_before` is as for
        `alert_pages`, which see for what is raised.
        """
        parameters = {"$filter": updated_after_filter(watermark_ticks, filters), "$top": "1"}
        waits = self._new_waits(limits=_ONE_QUESTION, reached_before=reached_before)
        try:
            return bool(self._api.get(self._url(parameters), waits).body.value)
        finally:
            self.retries += waits.retries
            self.waited_seconds += waits.waited_seconds

    def test_connection(self) -> tuple[bool, str]:
        """Get a token and one alert within ten seconds; say tenant, expiry, and roles granted and missing."""
        return run_test(self.defender_conn_id, lambda: self._settings, self._test)

    def _test(self, settings: DefenderSettings, deadline: float) -> str:
        from airflow_provider_defender.hooks._api import DefenderApi
        from airflow_provider_defender.hooks._tokens import TokenSource

        waits = Waits(self.log, sleep=self._sleep, jitter=random.random, limits=NO_WAITING)
        tokens = TokenSource(settings.entra, deadline=deadline)
        token = tokens.token(settings.scope, waits)
        DefenderApi(settings, tokens, self._pace, self.log, deadline=deadline).get(
            self._url({"$top": "1"}), waits
        )
        client_id = settings.entra.credential.client_id
        who = describe_token(token, client_id, settings.tenant_id, settings.cloud.name, needed=ALERT_ROLES)
        return f"{who} The API at {settings.host} answers."

    def _follow(self, url: str, waits: Waits) -> Iterator[Page]:
        progress = _Progress(self)
        guard = _LoopGuard(self.defender_conn_id)
        link: str | None = url
        while link is not None:
            guard.enter(link)
            answer = self._api.get(link, waits)
            guard.look(answer.body)
            link = self._checked(answer.body.next_link)
            page = Page(answer.body.value, answer.served_at, progress.pages + 1, last=link is None)
            progress.note(len(page.records), answer.size)
            del answer
            yield page
            del page
        progress.finish()

    def _checked(self, link: str | None) -> str | None:
        """Let a page link pass only to the connection's own host or the cloud's Defender hosts."""
        if link is None:
            return None
        try:
            host = link_host(link)
        except ValueError as error:
            raise UnexpectedHost(
                f"Connection {self.defender_conn_id!r}: the page link {excerpt(link, length=120)!r} is not "
                f"followed: {error}."
            ) from None
        if not self._settings.may_get_token(host):
            raise UnexpectedHost(
                f"Connection {self.defender_conn_id!r}: a page link leads to {host}, which is no Defender "
                f"host of the {self._settings.cloud.name} cloud, so it does not get the token. If it is "
                "right, set it as the connection's host."
            )
        return link

    def _url(self, parameters: dict[str, str]) -> str:
        query = urlencode(parameters, quote_via=quote, safe="$':,()")
        return f"https://{self._settings.host}/api/alerts?{query}"

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
    def _settings(self) -> DefenderSettings:
        settings = defender_settings(
            find_connection(self.defender_conn_id, self.conn_type), finder("entra_id")
        )
        for secret in settings.secrets:
            mask_secret(secret)
        for remark in settings.remarks:
            self.log.warning("%s", remark)
        return settings

    @cached_property
    def _pace(self) -> Pace:
        settings = self._settings
        limits = [(settings.calls_per_minute, _MINUTE), (settings.calls_per_hour, _HOUR)]
        return Pace(limits, self._clock)

    @cached_property
    def _tokens(self) -> TokenSource:
        from airflow_provider_defender.hooks._tokens import TokenSource

        return TokenSource(self._settings.entra, clock=self._clock)

    @cached_property
    def _api(self) -> DefenderApi:
        from airflow_provider_defender.hooks._api import DefenderApi

        return DefenderApi(self._settings, self._tokens, self._pace, self.log, clock=self._clock)


class _LoopGuard:
    """Ends a paging that does not get on."""

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._links: set[str] = set()
        self._contents: set[bytes] = set()
        self._repeats = 0

    def enter(self, link: str) -> None:
        """Note a link that is about to be followed; a link seen before is a loop."""
        if link in self._links:
            raise PagingBroken(
                f"Connection {self._conn_id!r}: page link {len(self._links)} repeats an earlier one, so the "
                "pages would never end. Nothing beyond them was read; look at the API's answers."
            )
        self._links.add(link)

    def look(self, body: PageBody) -> None:
        """Note a page's content: nine in a row that have come before are a loop, or a circle, too.

        Once or twice is not: as many new alerts as a page holds, entering before our place, show the same
        page again under the next link.
        """
        records = body.value
        content = b"%d %b %b" % (len(records), records[0], records[-1]) if records else b""
        digest = sha256(content).digest()
        self._repeats = self._repeats + 1 if digest in self._contents else 0
        self._contents.add(digest)
        if self._repeats >= _REPEATED_PAGES and body.next_link:
            raise PagingBroken(
                f"Connection {self._conn_id!r}: {self._repeats} pages in a row have come before under other "
                "links, so the pages would never end. Look at the API's answers."
            )


class _Progress:
    """Reports a long drain to the log now and then, and its end."""

    def __init__(self, hook: DefenderEndpointHook) -> None:
        self._hook = hook
        self._reported = hook._clock()
        self.pages = 0
        self._records = 0
        self._bytes = 0

    def note(self, records: int, size: int) -> None:
        """Count a page."""
        self.pages += 1
        self._records += records
        self._bytes += size
        now = self._hook._clock()
        if now - self._reported >= _SECONDS_BETWEEN_REPORTS:
            self._reported = now
            self._report("Reading alerts")

    def finish(self) -> None:
        """Report the end."""
        self._report("Read all alerts")

    def _report(self, what: str) -> None:
        self._hook.log.info(
            "%s: %d in %s, %.1f MB.",
            what,
            self._records,
            counted(self.pages, "page"),
            self._bytes / 1_000_000,
        )
