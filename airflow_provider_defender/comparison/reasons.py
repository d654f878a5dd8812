"""Why only one of the two sources shows an alert, or shows another state of it.

What Graph leaves out is said by Microsoft under "Known differences and limitations" of its page on the
migration to `alerts_v2` (https://learn.microsoft.com/graph/alertsv1-alertsv2-migration).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from airflow_provider_defender.comparison.coverage import Coverage
from airflow_provider_defender.comparison.landed import GRAPH, Landed, Source

__all__ = ["Reason", "why_alone", "why_different"]

_ENDPOINT_SERVICE = "microsoftdefenderforendpoint"
_LOW = frozenset({"informational", "low", "unspecified", "unknown"})
_EXCHANGE = ("exchange", "office")


class Reason(Enum):
    """Why an alert, or a state of it, is in one source only. The value is the explanation."""

    UNEXPLAINED = (
        "no reason is known: look in the portal whether a tuning rule hides the alert, and at both logs' runs"
    )
    OTHER_ID = (
        "Graph shows it under another id (its providerAlertId is this one's), so queries by landing.key "
        "count it twice"
    )
    QUARANTINED = "the other source has read it, but it could not be mapped: it is in that log's quarantine"
    OTHER_PRODUCT = (
        "an alert of another product: the Endpoint API returns those of Defender for Endpoint only"
    )
    SUPPRESSED = "suppressed by a tuning rule: Graph does not return such alerts"
    SENTINEL = "Microsoft Sentinel's: Graph returns it once its workspace is connected to the Defender portal"
    INTUNE = "Microsoft Intune's: Graph does not return such alerts"
    EXCHANGE = "low-signal event of Exchange Online: Graph does not return such alerts"
    STANDALONE = "it belongs to no incident: Graph returns alerts of incidents only"
    FILTERED = "the filters of the other log exclude it"
    BEFORE = "last updated before the other log begins; a backfill of the other source would land it"
    NOT_READ = "updated after the other log's watermark: the other source has not read that far yet"
    LATE = "updated just below the other log's watermark, which the next run reads again: it may appear late"

    @property
    def is_expected(self) -> bool:
        """Whether it is no reason to worry."""
        return self not in (Reason.UNEXPLAINED, Reason.OTHER_ID)


def why_alone(
    alert: Landed, shown_by: Source, other: Coverage, *, quarantined: bool, other_id: bool
) -> Reason:
    """Why only `shown_by` shows an alert; `other`: what the other source's log has read.

    `quarantined`: whether the other log has it in quarantine. `other_id`: whether Graph shows it under
    another id.
    """
    if other_id:
        return Reason.OTHER_ID
    if quarantined:
        return Reason.QUARANTINED
    never_shown = next(_never_shown(alert, shown_by), None)
    if never_shown is not None:
        return never_shown
    if alert.is_filtered:
        return Reason.FILTERED
    reason = _not_read(alert, other)
    if reason is Reason.BEFORE and other.in_backfill(alert.created, alert.updated):
        reason = None
    return reason or Reason.UNEXPLAINED


def why_different(newer: Landed, other: Coverage) -> Reason:
    """Why the other source still shows an older state than `newer`."""
    if newer.is_filtered:
        return Reason.FILTERED
    return _not_read(newer, other) or Reason.UNEXPLAINED


def _never_shown(alert: Landed, shown_by: Source) -> Iterator[Reason]:
    """What about the alert itself keeps the other source from returning it."""
    if shown_by is GRAPH:
        if alert.service not in ("", _ENDPOINT_SERVICE):
            yield Reason.OTHER_PRODUCT
        return
    if alert.investigation == "suppressedalert":
        yield Reason.SUPPRESSED
    if "sentinel" in alert.detection:
        yield Reason.SENTINEL
    if "intune" in alert.detection:
        yield Reason.INTUNE
    if alert.severity in _LOW and any(word in alert.detection for word in _EXCHANGE):
        yield Reason.EXCHANGE
    if alert.incident in ("", "0"):
        yield Reason.STANDALONE


def _not_read(alert: Landed, other: Coverage) -> Reason | None:
    """How the other log stands to the time at which the alert was last updated, unless it has read that."""
    if alert.updated is None:
        return None
    if other.begun is None:
        return Reason.NOT_READ
    if alert.updated < other.begun:
        return Reason.BEFORE
    if other.watermark is None or other.read_again_from is None or alert.updated > other.watermark:
        return Reason.NOT_READ
    return Reason.LATE if alert.updated >= other.read_again_from else None
