"""`event.category` and `event.type` of alerts by product, kind of alert and evidence."""

from __future__ import annotations

from ...categories import EXPECTED_TYPES
from ..endpoint_alerts import MALWARE_CATEGORIES

__all__ = ["categories_and_types"]

_OF_PRODUCT = {
    "microsoftdefenderforendpoint": "host",
    "microsoftdefenderforoffice365": "email",
    "microsoftdefenderforidentity": "iam",
    "azureadidentityprotection": "authentication",
    "microsoftdefenderforcloudapps": "api",
    "microsoftappgovernance": "api",
}
"""What a product watches; the others watch so much that only intrusion_detection is true of all."""

OF_EVIDENCE = {
    "processEvidence": "process",
    "blobEvidence": "file",
    "fileEvidence": "file",
    "fileHashEvidence": "file",
    "registryKeyEvidence": "registry",
    "registryValueEvidence": "registry",
    "ipEvidence": "network",
    "urlEvidence": "network",
    "dnsEvidence": "network",
    "networkConnectionEvidence": "network",
    "securityGroupEvidence": "iam",
    "deviceEvidence": "host",
    "ioTDeviceEvidence": "host",
    "malwareEvidence": "malware",
    "analyzedMessageEvidence": "email",
    "mailboxEvidence": "email",
    "mailClusterEvidence": "email",
    "submissionMailEvidence": "email",
    "teamsMessageEvidence": "email",
    "mailboxConfigurationEvidence": "configuration",
    "hostLogonSessionEvidence": "session",
    "cloudLogonSessionEvidence": "session",
    "cloudLogonRequestEvidence": "authentication",
}
"""The category of an item of evidence; what is not here has none of its own."""

_MAIL_WORDS = ("phish",)
_ENDPOINT = "microsoftdefenderforendpoint"
_STATUS_TYPES = {"new": "start", "resolved": "end"}
"""The event type of endpoint alerts by their status, as the seed has it. Of other products, whose category
may be authentication or api, it would say that a logon or a call began."""


def categories_and_types(
    evidence: str | None, product: str, category: str, determination: str, status: str, *, denied: bool
) -> tuple[list[str], list[str]]:
    """`event.category` and `event.type`, such that ECS expects each type with every category of the row.

    Args:
        evidence: the type of the row's item, without its prefix.
        product: the alert's `serviceSource`, in lower case, like all that follow.
        category: the alert's category.
        determination: the analyst's determination.
        status: the alert's status.
        denied: whether the item was blocked.
    """
    found = [_OF_PRODUCT.get(product, "intrusion_detection")]
    is_malware = category in MALWARE_CATEGORIES or determination == "malware"
    if is_malware:
        found.append("malware")
    if any(word in text for word in _MAIL_WORDS for text in (category, determination)):
        found.append("email")
    of_item = OF_EVIDENCE.get(evidence or "")
    if of_item is not None and _allowed([*found, of_item]):  # malware and registry have no type in common
        found.append(of_item)
    found = list(dict.fromkeys(found))
    allowed = _allowed(found)
    wanted = {"denied"} if denied else set()
    if product == _ENDPOINT:
        wanted |= {"access" if evidence == "userEvidence" else "", _STATUS_TYPES.get(status, "")}
    return found, sorted(wanted & allowed) or (["info"] if "info" in allowed else ["access"])


def _allowed(categories: list[str]) -> frozenset[str]:
    return frozenset.intersection(*(EXPECTED_TYPES[name] for name in categories))
