"""The alerts of incidents, read one incident after the other: where lists do not include all of them.

With `$expand=alerts`, lists of incidents keep answering HTTP 500 in some large tenants; and a service may cut
off a long list that is included, and add a link to the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_defender._plural import counted
from airflow_provider_defender.exceptions import PermissionMissing, RequestRefused, ServiceUnavailable
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._graph.api import INCIDENTS_PATH
from airflow_provider_defender.hooks._http.waiting import Waits
from airflow_provider_defender.hooks._rest.address import address
from airflow_provider_defender.hooks._rest.pages import Page, read_any, read_page
from airflow_provider_defender.hooks._rest.paging import LoopGuard
from airflow_provider_defender.json_scanner import members as members_of

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._rest.client import RestClient

__all__ = ["IncidentAlerts"]

_MOST_TRIES = 3
_MOST_FAILURES = 5
"""Incidents in a row whose alerts cannot be read, after which no more are asked for."""
_LINK = re.compile(r"alerts@.*nextlink\Z", re.IGNORECASE)
"""What a link to the rest of the alerts is called: `alerts@odata.nextLink` (OData JSON Format)."""
_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,200}\Z", re.ASCII)


class IncidentAlerts:
    """Reads the alerts of single incidents, and puts them into the incidents' records.

    :param page_bytes: the size from which on a page with alerts is handed on in parts
    """

    def __init__(self, client: RestClient, log: Log, page_bytes: int) -> None:
        self._client = client
        self._log = log
        self._page_bytes = page_bytes
        self._without = 0
        self._failures = 0
        self._gave_up = False

    def added_to(self, pages: Iterator[Page], waits: Waits) -> Iterator[Page]:
        """Yield the pages with a member `alerts` in each incident, as `$expand=alerts` would give it.

        An incident that has it, and no link to the rest of it, stays as it is; so does one whose alerts
        cannot be read, although Graph answers otherwise. A large page comes in several, of which only the
        last one has a `complete_until`. Raises what `RestClient.get` raises but for `RequestRefused` and
        `PermissionMissing`.
        """
        while (page := next(pages, None)) is not None:
            part: list[msgspec.Raw] = []
            size = 0
            for record in page.records:
                added = self._with_alerts(record, waits)
                size += 0 if added is record else len(memoryview(added))
                part.append(added)
                if size >= self._page_bytes:
                    yield page._replace(records=part, last=False, complete_until=None)
                    part, size = [], 0
            page = page._replace(records=part)
            del part
            yield page
            del page

    def report(self) -> None:
        """Warn of the incidents that came without their alerts, or some of them."""
        if self._without:
            self._log.warning(
                "%s came without all alerts: join alerts on their incidentId.",
                counted(self._without, "incident"),
            )
            self._without = 0

    def _with_alerts(self, record: msgspec.Raw, waits: Waits) -> msgspec.Raw:
        members = _members(record)
        if members is None or (_is_list(members.get("alerts")) and not any(map(_LINK.match, members))):
            return record
        alerts = self._alerts_of(_text(members.get("id")), waits)
        if alerts is None:
            self._without += 1
            return record
        return _with_member(record, members, alerts)

    def _alerts_of(self, identity: str, waits: Waits) -> list[bytes] | None:
        """The alerts of an incident; None if they cannot be read."""
        if self._gave_up or not _IDENTITY.match(identity):
            return None
        path = f"{INCIDENTS_PATH}/{identity}"
        try:
            alerts = self._read(f"{path}/alerts", waits)
        except (RequestRefused, PermissionMissing) as error:
            self._note_failure(identity, error)
            return None
        except ServiceUnavailable as error:
            if not self._answers(path, waits):  # an outage, which must not cost the incidents their alerts
                raise
            self._note_failure(identity, error)
            return None
        self._failures = 0
        return alerts

    def _answers(self, path: str, waits: Waits) -> bool:
        """Whether Graph answers at all, asked for an incident without its alerts."""
        try:
            self._client.get(address(self._client.host, path), waits, read_any, most_tries=1)
        except RequestRefused:
            return True
        except ServiceUnavailable:
            return False
        return True

    def _read(self, path: str, waits: Waits) -> list[bytes]:
        client, guard = self._client, LoopGuard(self._client.conn_id)
        alerts: dict[bytes, None] = {}  # one that changes meanwhile may shift others to two pages
        link: str | None = address(client.host, path)
        while link is not None:
            guard.enter(link)
            body = client.get(link, waits, read_page, most_tries=_MOST_TRIES).body
            guard.look(body)
            alerts.update((bytes(alert), None) for alert in body.value)
            link = client.checked_link(body.next_link)
        return list(alerts)

    def _note_failure(self, identity: str, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            self._log.warning("The alerts of incident %s cannot be read; it comes without.", identity)
            self._log.warning("%s", excerpt(str(error), length=300))
        if isinstance(error, PermissionMissing) or self._failures >= _MOST_FAILURES:
            self._gave_up = True
            self._log.warning("No more alerts of incidents are asked for in this run.")


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _members(record: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """The members of an incident, unparsed; None if it is no JSON object."""
    try:
        return _MEMBERS.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    body = bytes(record).strip()
    if body[:1] != b"{":
        return None
    try:
        return {
            json.loads(name.decode("utf-8", "replace"), strict=False): msgspec.Raw(body[at.start : at.end])
            for name, at in members_of(body, 0, len(body))
        }
    except ValueError:
        return None


def _is_list(value: msgspec.Raw | None) -> bool:
    return value is not None and bytes(memoryview(value)[:1]) == b"["


def _text(value: msgspec.Raw | None) -> str:
    """The text of a JSON string; empty for anything else."""
    try:
        return msgspec.json.decode(value or b"null", type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _with_member(
    record: msgspec.Raw, members: Mapping[str, msgspec.Raw], alerts: Sequence[bytes]
) -> msgspec.Raw:
    """The record with these `alerts` as its last member; other members, and each alert, as they were."""
    added = b'"alerts":[' + b",".join(alerts) + b"]}"
    kept = {name: value for name, value in members.items() if name != "alerts" and not _LINK.match(name)}
    if len(kept) == len(members):
        body = bytes(record).rstrip()[:-1]
        return msgspec.Raw(body + (b"," if members else b"") + added)
    body = b"".join(b"%b:%b," % (msgspec.json.encode(name), bytes(value)) for name, value in kept.items())
    return msgspec.Raw(b"{" + body + added)
