"""Alerts of Microsoft Defender for Endpoint, and any other path of its API."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender._connection_fields import with_connection_fields
from airflow_provider_defender.hooks._connection.arguments import Moment, read_moment
from airflow_provider_defender.hooks._defender import USES
from airflow_provider_defender.hooks._endpoint.api import ALERTS_PATH, ENDPOINT_API
from airflow_provider_defender.hooks._endpoint.columns import ALERT_COLUMNS
from airflow_provider_defender.hooks._endpoint.filters import AlertFilter, updated_after_filter, window_filter
from airflow_provider_defender.hooks._rest.address import address
from airflow_provider_defender.hooks._rest.hook import RestHook
from airflow_provider_defender.hooks._rest.pages import Page
from airflow_provider_defender.hooks._rest.records import as_dicts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DefenderEndpointHook"]

_Names = Collection[str] | str | None


@with_connection_fields("defender")
class DefenderEndpointHook(RestHook):
    """Reads alerts of Microsoft Defender for Endpoint (`GET /api/alerts`), and any other path of its API.

    For use in your own tasks: `alerts` returns dicts, `alerts_table` an Arrow table, and `get` reads any
    path. The operator uses `alert_pages`, which returns bytes exactly as the API sent them.

    `tenant_id` is always needed, and must equal that of the `entra_id` connection if there is one. `cloud`
    must not be `china`: Microsoft documents no Defender for Endpoint API for China (21Vianet).

    Transient failures are retried in place, within limits: an expired token is renewed once per request;
    `Retry-After` is honoured up to 30 s each; outages, resets and broken bodies are tried up to 8 times, with
    backoff. All this takes at most 15 minutes per drain, waits and failed requests together. A response must
    be complete within 5 minutes. A host that refuses the very first connection is tried for about 10 s.
    Beyond these limits, `Throttled` or `ServiceUnavailable` makes Airflow retry; all other errors fail at
    once and say what to do.

    :param defender_conn_id: ID of a connection of type `defender`
    :param sleep: waits for seconds; for tests
    :param clock: monotonic seconds; for tests
    """

    conn_name_attr = "defender_conn_id"
    default_conn_name = "defender_default"
    conn_type = "defender"
    hook_name = "Microsoft Defender"
    api = ENDPOINT_API
    uses = USES

    def __init__(
        self,
        defender_conn_id: str = default_conn_name,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(defender_conn_id, sleep=sleep, clock=clock)
        self.defender_conn_id = defender_conn_id

    # For people -----------------------------------------------------------------------------------

    def alerts(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        by: Literal["updated", "created"] = "updated",
        severity: _Names = None,
        status: _Names = None,
        category: _Names = None,
        evidence: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Yield the alerts of a time window as dicts, with the API's own properties, from all pages.

        A time is a datetime, a date (its midnight) or an ISO 8601 text; without a time zone it is UTC. The
        filters are applied here and not by the API: there, an alert that changes while the pages are read
        would leave the selection, and another alert could be missed.

        :param since: start of the window, inclusive; None: no start
        :param until: end of the window, exclusive; None: no end. With `by="updated"`, an alert that is
            updated during the read leaves the window, and another alert can be missed with it.
        :param by: the time that the window refers to: of the last update, or of the creation
        :param severity: one or more of UnSpecified, Informational, Low, Medium, High; None: all
        :param status: one or more of Unknown, New, InProgress, Resolved; None: all
        :param category: one or more categories; None: all
        :param evidence: whether to include the alerts' evidence

        Raises `ConfigurationError` for an invalid time or filter, ValueError for an alert that is no JSON
        object, and everything that `alert_pages` raises.
        """
        filters = AlertFilter(severity, status, category)
        start = None if since is None else read_moment("since", since)
        end = None if until is None else read_moment("until", until)
        pages = self.alert_pages(filter=window_filter(by, start, end), expand_evidence=evidence)
        return as_dicts(pages, filters)

    def alerts_table(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        by: Literal["updated", "created"] = "updated",
        severity: _Names = None,
        status: _Names = None,
        category: _Names = None,
        evidence: bool = True,
    ) -> pa.Table:
        """Return the alerts of a time window as an Arrow table, one row per alert.

        Parameters and errors are those of `alerts`. The columns that Microsoft documents are always present,
        even without any alert: times as timestamps (UTC, microseconds), all others, including identifiers, as
        text. Further properties follow, typed by their values. Lists and objects, such as `evidence`, are
        JSON text. If a value does not fit its column's type, the whole column is text, so nothing is lost.
        """
        from airflow_provider_defender.hooks._rest.arrow import records_table

        alerts = self.alerts(
            since=since,
            until=until,
            by=by,
            severity=severity,
            status=status,
            category=category,
            evidence=evidence,
        )
        return records_table(alerts, ALERT_COLUMNS)

    # For operators --------------------------------------------------------------------------------

    def alert_pages(
        self,
        *,
        filter: str | None = None,
        expand_evidence: bool = True,
        max_seconds: float | None = None,
        reached_before: bool = False,
    ) -> Iterator[Page]:
        """Yield all pages of the alerts that an OData filter selects, following the links to the end.

        Does not send `$top`, with which the API returns no link. The pages are ordered by the alerts' `id`.
        Only one page is held here; so does a caller that drops its own before it asks for the next one.

        :param filter: the OData condition; None: all alerts
        :param expand_evidence: whether to include the alerts' evidence
        :param max_seconds: how long this may take, in seconds. A page requested later is still returned if it
            comes at once, but without waits or retries. A page requested just before the end gets the time of
            one response, 5 minutes.
        :param reached_before: whether the API has answered earlier runs. Then a refused first connection is
            an outage, and not probably a wrong host.

        Raises `PagingBroken` if a link repeats, is empty or has another name, `UnexpectedHost` if one leads
        to a host that must not receive the token, and everything that `EntraIdHook.get_token` raises;
        `PermissionMissing` and `RequestRefused` (fail now), `ServiceUnavailable` and `Throttled` (try again).
        """
        expand = "evidence" if expand_evidence else None
        waits = self._new_waits(left=max_seconds, reached_before=reached_before)
        url = self._alerts_address({"$filter": filter, "$expand": expand})
        yield from self._pages(url, "alerts", waits)

    def has_alert_updated_since(
        self, watermark_ticks: int, filters: AlertFilter | None = None, *, reached_before: bool = False
    ) -> bool:
        """Whether any alert was updated later than the watermark (ticks of 100 ns): one cheap call.

        Waits for at most half a minute, since the caller will ask again. `reached_before` and errors are as
        for `alert_pages`.
        """
        condition = updated_after_filter(watermark_ticks, filters)
        url = self._alerts_address({"$filter": condition, "$top": "1"})
        return self._has_records(url, reached_before=reached_before)

    def _alerts_address(self, params: dict[str, str | None]) -> str:
        return address(self._settings.host, ALERTS_PATH, params)
