"""Alerts and incidents of all Defender products, from Microsoft Graph's security API."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender._connection_fields import with_connection_fields
from airflow_provider_defender.exceptions import ConfigurationError, ServiceUnavailable
from airflow_provider_defender.hooks._connection.arguments import Moment, read_moment
from airflow_provider_defender.hooks._defender import USES
from airflow_provider_defender.hooks._graph.api import (
    ALERTS_PATH,
    GRAPH_ALERTS,
    GRAPH_INCIDENTS,
    INCIDENTS_PATH,
)
from airflow_provider_defender.hooks._graph.columns import ALERT_COLUMNS, INCIDENT_COLUMNS
from airflow_provider_defender.hooks._graph.filters import TIMES, GraphAlertFilter, GraphIncidentFilter
from airflow_provider_defender.hooks._graph.incidents import IncidentAlerts
from airflow_provider_defender.hooks._http.waiting import Waits
from airflow_provider_defender.hooks._rest import odata
from airflow_provider_defender.hooks._rest.address import address
from airflow_provider_defender.hooks._rest.errors import PageTooLarge
from airflow_provider_defender.hooks._rest.filters import ValueFilter
from airflow_provider_defender.hooks._rest.hook import RestHook
from airflow_provider_defender.hooks._rest.keyset import Habits, KeysetRead, Place, TimeOrder
from airflow_provider_defender.hooks._rest.pages import Page
from airflow_provider_defender.hooks._rest.paging import Progress
from airflow_provider_defender.hooks._rest.records import as_dicts
from airflow_provider_defender.timestamps import format_ticks

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_defender.hooks._rest.client import RestClient

__all__ = ["GraphSecurityHook"]

_Names = Collection[str] | str | None
_By = Literal["updated", "created"]
_LARGEST_ALERTS_PAGE = 1000
_LARGEST_INCIDENTS_PAGE = 50
_FIRST_EXPANDED_PAGE = 10
"""Incidents to ask for with their alerts, before it is known how large these are."""
_EXPANDED_PAGE_BYTES = 16 * 1024 * 1024
_TRIES_TO_EXPAND = 4
_QUESTION = 50
"""Records to ask for if the API cannot apply the whole filter."""


@with_connection_fields("defender")
class GraphSecurityHook(RestHook):
    """Reads alerts and incidents of all Defender products (`GET /security/alerts_v2`, `/security/incidents`).

    For use in your own tasks: `alerts` and `incidents` return dicts, `alerts_table` and `incidents_table`
    Arrow tables, and `get` reads any path of Microsoft Graph for which the application has a role. The
    operators use `alert_pages` and `incident_pages`, which return bytes exactly as the API sent them.

    The application needs `SecurityAlert.Read.All` for alerts and `SecurityIncident.Read.All` for incidents,
    as application permissions of Microsoft Graph. The connection is the same as for the Endpoint API; a
    `host` of that API is not used here. `cloud` must not be `china`, where Microsoft does not offer them.

    Transient failures are retried as `DefenderEndpointHook` describes.

    :param defender_conn_id: ID of a connection of type `defender`
    :param sleep: waits for seconds; for tests
    :param clock: monotonic seconds; for tests
    """

    conn_name_attr = "defender_conn_id"
    default_conn_name = "defender_default"
    conn_type = "defender"
    hook_name = "Microsoft Defender (Graph)"
    api = GRAPH_ALERTS
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
        self._alert_habits = Habits(_LARGEST_ALERTS_PAGE)
        self._incident_habits = Habits(_LARGEST_INCIDENTS_PAGE)
        self._expanding_habits = Habits(_FIRST_EXPANDED_PAGE, most=_LARGEST_INCIDENTS_PAGE)
        self._expands = True

    # For people -----------------------------------------------------------------------------------

    def alerts(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        by: _By = "updated",
        severity: _Names = None,
        status: _Names = None,
        category: _Names = None,
        service_source: _Names = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the alerts of a time window as dicts, with Graph's own properties, in the order of the time.

        A time is a datetime, a date (its midnight) or an ISO 8601 text; without a time zone it is UTC. The
        filters are applied here and not by the API. An alert that is updated during the read can come twice.

        :param since: start of the window, inclusive; None: no start
        :param until: end of the window, exclusive; None: no end; with `by="updated"`, the read then ends at
            the time at which it began
        :param by: the time that the window refers to: of the last update, or of the creation
        :param severity: one or more of unknown, informational, low, medium, high; None: all
        :param status: one or more of unknown, new, inProgress, resolved; None: all
        :param category: one or more categories; None: all
        :param service_source: one or more products, such as microsoftDefenderForOffice365; None: all

        Raises `ConfigurationError` for an invalid time or filter, ValueError for an alert that is no JSON
        object, and everything that `alert_pages` raises.
        """
        filters = GraphAlertFilter(severity, status, category, service_source)
        start, end = _window(since, until)
        return as_dicts(self.alert_pages(by=by, since=start, until=end), filters)

    def alerts_table(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        by: _By = "updated",
        severity: _Names = None,
        status: _Names = None,
        category: _Names = None,
        service_source: _Names = None,
    ) -> pa.Table:
        """Return the alerts of a time window as an Arrow table, one row per alert.

        Parameters and errors are those of `alerts`; the columns are as for `DefenderEndpointHook`: those that
        Microsoft documents are always present, times as timestamps (UTC, microseconds), lists and objects,
        such as `evidence`, as JSON text, and all others as text.
        """
        from airflow_provider_defender.hooks._rest.arrow import records_table

        alerts = self.alerts(
            since=since,
            until=until,
            by=by,
            severity=severity,
            status=status,
            category=category,
            service_source=service_source,
        )
        return records_table(alerts, ALERT_COLUMNS)

    def incidents(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        by: _By = "updated",
        severity: _Names = None,
        status: _Names = None,
        alerts: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Yield the incidents of a time window as dicts, with Graph's own properties, as `alerts` does.

        :param since: start of the window, inclusive; None: no start
        :param until: end of the window, exclusive; None: no end
        :param by: the time that the window refers to: of the last update, or of the creation
        :param severity: one or more of unknown, informational, low, medium, high; None: all
        :param status: one or more of active, inProgress, resolved, redirected, awaitingAction; None: all
        :param alerts: whether to include the incidents' alerts, as the property `alerts`
        """
        filters = GraphIncidentFilter(severity, status)
        start, end = _window(since, until)
        pages = self.incident_pages(by=by, since=start, until=end, expand_alerts=alerts)
        return as_dicts(pages, filters)

    def incidents_table(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        by: _By = "updated",
        severity: _Names = None,
        status: _Names = None,
        alerts: bool = True,
    ) -> pa.Table:
        """Return the incidents of a time window as an Arrow table, one row per incident.

        Parameters and errors are those of `incidents`, columns as for `alerts_table`.
        """
        from airflow_provider_defender.hooks._rest.arrow import records_table

        incidents = self.incidents(
            since=since, until=until, by=by, severity=severity, status=status, alerts=alerts
        )
        return records_table(incidents, INCIDENT_COLUMNS)

    # For operators --------------------------------------------------------------------------------

    def alert_pages(
        self,
        *,
        by: _By,
        since: int,
        until: int | None = None,
        max_seconds: float | None = None,
        reached_before: bool = False,
    ) -> Iterator[Page]:
        """Yield the alerts whose time `by` lies in `[since, until)`, in pages ascending by that time.

        `complete_until` of a page tells up to which time the alerts are complete. An alert that is updated
        meanwhile comes again, as its new version. If Graph does not sort, the pages are newest first, and
        only the last one completes them. Only one page is held here.

        :param by: `updated` (`lastUpdateDateTime`) or `created` (`createdDateTime`)
        :param since: the start, inclusive, in ticks of 100 ns since 1970
        :param until: the end, exclusive; None: no end; then the read ends once it has passed its own start
        :param max_seconds: how long this may take, in seconds. A page requested later is still returned if it
            comes at once, but without waits or retries.
        :param reached_before: whether the API has answered earlier runs. Then a refused first connection is
            an outage, and not probably a wrong host.

        Raises `PagingBroken` if the end cannot be known, `UnexpectedHost` if a page link leads to a host that
        must not receive the token, and everything that `EntraIdHook.get_token` raises; `PermissionMissing`
        and `RequestRefused` (fail now), `ServiceUnavailable` and `Throttled` (try again).
        """
        order = _time_order(ALERTS_PATH, by, since, until)
        waits = self._new_waits(left=max_seconds, reached_before=reached_before)
        return self._alert_pages(order, Place(since), waits)

    def incident_pages(
        self,
        *,
        by: _By,
        since: int,
        until: int | None = None,
        expand_alerts: bool = True,
        max_seconds: float | None = None,
        reached_before: bool = False,
    ) -> Iterator[Page]:
        """Yield the incidents whose time `by` lies in `[since, until)`, as `alert_pages` does.

        :param expand_alerts: whether to include the incidents' alerts, as the member `alerts`
        """
        order = _time_order(INCIDENTS_PATH, by, since, until)
        waits = self._new_waits(left=max_seconds, reached_before=reached_before)
        return self._incident_pages(order, Place(since), waits, expand=expand_alerts)

    def has_alert_updated_since(
        self, ticks: int, filters: GraphAlertFilter | None = None, *, reached_before: bool = False
    ) -> bool:
        """Whether any alert was updated later than `ticks` (100 ns since 1970): one cheap call.

        Waits for at most half a minute, since the caller will ask again. `reached_before` and errors are as
        for `alert_pages`.
        """
        filters = filters or GraphAlertFilter()
        return self._has_updated(self._client, ALERTS_PATH, ticks, filters, reached_before=reached_before)

    def has_incident_updated_since(
        self, ticks: int, filters: GraphIncidentFilter | None = None, *, reached_before: bool = False
    ) -> bool:
        """Whether any incident was updated later than `ticks`, as `has_alert_updated_since`."""
        filters = filters or GraphIncidentFilter()
        client = self._client_of(GRAPH_INCIDENTS)
        return self._has_updated(client, INCIDENTS_PATH, ticks, filters, reached_before=reached_before)

    # Reading --------------------------------------------------------------------------------------

    def _alert_pages(self, order: TimeOrder, place: Place, waits: Waits) -> Iterator[Page]:
        read = KeysetRead(self._client, order, place, habits=self._alert_habits, waits=waits, log=self.log)
        with self._counted(waits):
            yield from read.pages(Progress(order.what, self.log, self._clock))

    def _incident_pages(
        self, order: TimeOrder, place: Place, waits: Waits, *, expand: bool
    ) -> Iterator[Page]:
        """Yield incidents with their alerts, the way that works in this tenant."""
        client, progress = self._client_of(GRAPH_INCIDENTS), Progress(order.what, self.log, self._clock)
        read = partial(KeysetRead, client, place=place, waits=waits, log=self.log)
        with self._counted(waits):
            if not expand:
                yield from read(order, habits=self._incident_habits).pages(progress)
                return
            alerts = IncidentAlerts(client, self.log, _EXPANDED_PAGE_BYTES)
            if self._expands:
                wide = read(_with_alerts(order), habits=self._expanding_habits)
                try:
                    yield from alerts.added_to(_expanded(wide.pages(progress)), waits)
                    alerts.report()
                    return
                except _CannotExpandError as error:
                    self._stop_expanding(error)
            # Only now, since the place has moved.
            pages = read(order, habits=self._incident_habits).pages(progress)
            yield from alerts.added_to(pages, waits)
            alerts.report()

    def _stop_expanding(self, error: _CannotExpandError) -> None:
        self._expands = False
        self._incident_habits.sorts = self._expanding_habits.sorts
        self.log.warning("Incidents cannot be listed with their alerts ($expand=alerts).")
        self.log.warning("%s", error)
        self.log.warning("So the alerts are read for one incident after the other, in this run.")

    def _has_updated(
        self, client: RestClient, path: str, ticks: int, filters: ValueFilter, *, reached_before: bool
    ) -> bool:
        """Whether a record that passes the filters was updated later than `ticks`.

        If the API cannot apply the whole filter, a full page of others counts as yes.
        """
        partly = bool(filters.unfilterable & filters.as_dict().keys())
        top = _QUESTION if partly else 1
        condition = odata.all_of(f"{TIMES['updated']} gt {format_ticks(ticks)}", filters.odata())
        url = address(client.host, path, {"$filter": condition, "$top": str(top)})
        body = self._one_page(client, url, reached_before=reached_before)
        return any(filters.wanted(body.value)) or (partly and bool(body.next_link or len(body.value) >= top))


class _CannotExpandError(Exception):
    """Incidents cannot be listed with their alerts; the text says why."""


def _with_alerts(order: TimeOrder) -> TimeOrder:
    """Likewise, with the incidents' alerts, of which there may be thousands."""
    return replace(
        order,
        params={"$expand": "alerts"},
        most_tries=_TRIES_TO_EXPAND,
        page_bytes=_EXPANDED_PAGE_BYTES,
    )


def _expanded(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages. Raises `_CannotExpandError` if one of them cannot be read."""
    try:
        yield from pages
    except (ServiceUnavailable, PageTooLarge) as error:
        raise _CannotExpandError(str(error)) from error


def _time_order(path: str, by: str, since: int, until: int | None) -> TimeOrder:
    if by not in TIMES:
        raise ConfigurationError(f"by={by!r} is wrong: it must be one of {', '.join(TIMES)}.")
    if until is not None and until <= since:
        raise ConfigurationError(
            f"The window from {format_ticks(since)} to {format_ticks(until)} is empty: "
            "its end must lie after its start."
        )
    what = "alerts" if path == ALERTS_PATH else "incidents"
    return TimeOrder(path, what, TIMES[by], TIMES["updated"], until=until)


def _window(since: Moment | None, until: Moment | None) -> tuple[int, int | None]:
    """The window in ticks; without a start it begins in 1970, before any alert."""
    start = 0 if since is None else read_moment("since", since)
    return start, None if until is None else read_moment("until", until)
