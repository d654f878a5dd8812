"""Alerts of other products as they arrive: a finding about a cast, now and then with something odd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_defender.simulator.defender.versions import wire_time
from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Evidence
from airflow_provider_defender.simulator.graph.evidence.samples import evidence_of
from airflow_provider_defender.simulator.graph.products import Finding, Item, Product, new_id
from airflow_provider_defender.simulator.graph.types import PREFIX
from airflow_provider_defender.simulator.graph.versions import Record
from airflow_provider_defender.simulator.server.draw import Draw

__all__ = ["PORTAL", "comment_of", "evidence_items", "new_alert"]

#: Where people see alerts and incidents.
PORTAL = "https://security.microsoft.com"
_SECOND = 10_000_000
_MILLISECOND = 10_000
_ADVICE = (
    "1. Confirm with the user.\n2. Reset the password.",
    "Prüfen Sie die Anmeldungen des Kontos.",
    "- Block the sender\ufffd\ufffd\n- Purge the message",  # as Microsoft's own texts come, now and then
    "PrÃ¼fen Sie das Postfach.",
    None,
)
_KEPT = frozenset({"@odata.type", "createdDateTime", "verdict", "remediationStatus", "roles", "mdeDeviceId"})


def new_alert(
    product: Product, finding: Finding, cast: Cast, draw: Draw, evidence: Sequence[Evidence] | None = None
) -> Record:
    """A new alert without its incident; by default with the evidence of the finding."""
    alert_id, own_id = new_id(product, cast, draw)
    begun = cast.at - draw.randrange(60 * _SECOND, 3_600 * _SECOND)
    items = evidence_items(finding.evidence, cast, draw) if evidence is None else evidence
    source = finding.detection_source
    if draw.random() < 0.02:
        source = "microsoftDefenderForQuantum"  # a member that no enumeration has yet
    threat, family = finding.threat or (None, None)
    return {
        "id": alert_id,
        "providerAlertId": own_id,
        "incidentId": None,
        "status": "new",
        "severity": finding.severity,
        "classification": draw.choice(("unknown", None)),
        "determination": draw.choice(("unknown", None)),
        "serviceSource": product.service_source,
        "detectionSource": source,
        "productName": product.name,
        "detectorId": cast.guid(f"detector of {finding.title}"),
        "tenantId": cast.company.tenant_id,
        "title": finding.title,
        "description": f"{finding.title}. Look at what else {cast.person.principal} did.",
        "recommendedActions": draw.choice(_ADVICE),
        "category": finding.category,
        "categories": [finding.category],
        "assignedTo": None,
        "alertWebUrl": f"{PORTAL}/alerts/{alert_id}?tid={cast.company.tenant_id}",
        "incidentWebUrl": None,
        "actorDisplayName": "Storm-0539" if draw.random() < 0.1 else None,
        "threatDisplayName": threat,
        "threatFamilyName": family,
        "mitreTechniques": list(finding.techniques),
        "createdDateTime": wire_time(cast.at - draw.randrange(_SECOND // 2, 3 * _SECOND)),
        "lastUpdateDateTime": wire_time(cast.at),
        "resolvedDateTime": None,
        "firstActivityDateTime": _milliseconds(begun),
        "lastActivityDateTime": _milliseconds(begun + draw.randrange(60 * _SECOND)),
        "investigationState": draw.choice(("queued", "unsupportedAlertType", None)),
        "systemTags": ["Defender Experts"] if draw.random() < 0.1 else [],
        "alertPolicyId": cast.guid("policy") if product.service_source in _WITH_POLICIES else None,
        "additionalData": {"AlertUri": f"urn:{alert_id}", **finding.details} if finding.details else None,
        "customDetails": {"Branch": "Ost", "Hits": ["3", "4"]} if draw.random() < 0.1 else {},
        "comments": [],
        "evidence": list(items),
    }


_WITH_POLICIES = ("dataLossPrevention", "microsoftDefenderForOffice365", "microsoftAppGovernance")


def _milliseconds(ticks: int) -> str:
    return wire_time(ticks // _MILLISECOND * _MILLISECOND)


def evidence_items(items: Sequence[Item], cast: Cast, draw: Draw) -> list[Evidence]:
    """The evidence of a finding; some properties are null or missing, and some of a type yet unknown."""
    found = []
    for item in items:
        made = evidence_of(
            item.type,
            cast,
            verdict=item.verdict,
            remediation=item.remediation,
            roles=item.roles,
            detailed=item.detailed,
            tags=item.tags,
        )
        found.append(_thinned(made, draw))
    if draw.random() < 0.03:
        found.append(_of_the_future(cast))
    return found


def _thinned(item: Evidence, draw: Draw) -> Evidence:
    thin: Evidence = {}
    for name, value in item.items():
        chance = draw.random()
        if name in _KEPT or chance > 0.08:
            thin[name] = value
        elif chance > 0.03:
            thin[name] = [] if isinstance(value, list) else None
    return thin


def _of_the_future(cast: Cast) -> Evidence:
    """Evidence of a type that no schema has yet, with properties of all kinds."""
    return {
        "@odata.type": f"{PREFIX}quantumLinkEvidence",
        "createdDateTime": cast.time(),
        "verdict": "suspicious",
        "remediationStatus": "none",
        "roles": ["contextual"],
        "linkName": "Ost ↔ West",
        "strength": 0.75,
        "isEntangled": True,
        "endpoints": [{"name": "a", "port": 7}, {"name": "b", "port": None}],
    }


def comment_of(text: str, author: str, at: int, draw: Draw) -> dict[str, Any]:
    """A comment in one of the two spellings: that of the schema, or that of Microsoft's examples."""
    if draw.random() < 0.3:
        kind = "microsoft.graph.security.alertComment"
        return {"@odata.type": kind, "comment": text, "createdBy": author, "createdTime": wire_time(at)}
    return {"comment": text, "createdByDisplayName": author, "createdDateTime": wire_time(at)}
