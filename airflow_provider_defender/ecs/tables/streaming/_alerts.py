"""Tables of alerts and behaviors: what is computed."""

from __future__ import annotations

import pyarrow as pa

from ...columns import by_distinct
from ..endpoint_alerts import ITEM_CATEGORIES, MALWARE_CATEGORIES
from .functions import (
    TEXTS,
    THREAT_FIELDS,
    json_items,
    threat_fields,
)

__all__ = [
    "TACTIC_FIELDS",
    "alert_categories",
    "evidence_categories",
    "tactics",
]

_OF_ENTITY = {
    **ITEM_CATEGORIES,
    "user": "iam",
    "account": "iam",
    "machine": "host",
    "device": "host",
    "host": "host",
    "iotdevice": "host",
    "nic": "host",
    "filehash": "file",
    "blob": "file",
    "dns": "network",
    "networkconnection": "network",
    "mailmessage": "email",
    "mailbox": "email",
    "mailcluster": "email",
    "submissionmail": "email",
    "teamsmessage": "email",
    "mailboxconfiguration": "configuration",
    "cloudlogonsession": "session",
    "hostlogonsession": "session",
    "cloudlogonrequest": "authentication",
}
_OF_SERVICE = {
    "endpoint": "host",
    "office 365": "email",
    "entra": "authentication",
    "azure active directory": "authentication",
    "aad": "authentication",
    "identity": "iam",
    "azure advanced threat protection": "iam",
    "azure atp": "iam",
    "advanced threat analytics": "iam",
    "cloud app": "api",
    "mcas": "api",
    "app governance": "api",
    "defender advanced threat protection": "host",
    "defender atp": "host",
    "windows defender": "host",
    "azure security center": "configuration",
    "azure defender": "configuration",
    "cloud": "configuration",
}
"""What a product watches, where the alert itself says nothing better; the first that a name has in it.

Microsoft has renamed its products: Azure Advanced Threat Protection is Defender for Identity, Microsoft Cloud
App Security (MCAS) Defender for Cloud Apps, Office 365 Advanced Threat Protection Defender for Office 365,
Microsoft (or Windows) Defender Advanced Threat Protection Defender for Endpoint, Azure Security Center and
Azure Defender are Defender for Cloud, Azure Active Directory Identity Protection is Entra ID Protection.
"""


def _category_of_service(service: str | None) -> str:
    name = (service or "").lower()
    return next((category for word, category in _OF_SERVICE.items() if word in name), "intrusion_detection")


def _without_marks(entity: str) -> str:
    return entity.lower().replace("-", "").replace(" ", "")


def _categories(entity: str, categories: str, service: str) -> tuple[list[str], list[str]]:
    names = [item for item in json_items(categories) if isinstance(item, str)] or [categories]
    is_malware = any(name.strip().lower() in MALWARE_CATEGORIES for name in names)
    of_row = _OF_ENTITY.get(_without_marks(entity)) or (None if is_malware else _category_of_service(service))
    if is_malware and of_row == "registry":
        of_row = "host"
    found = [category for category in (of_row, "malware" if is_malware else None) if category]
    return found, ["info"] if found != ["registry"] else ["access"]


def alert_categories(categories: pa.Array, service: pa.Array) -> tuple[pa.Array, ...]:
    """`event.category` and `event.type` of an alert as a whole."""
    return evidence_categories(pa.nulls(len(categories), pa.string()), categories, service)


def evidence_categories(entity: pa.Array, categories: pa.Array, service: pa.Array) -> tuple[pa.Array, ...]:
    """`event.category` and `event.type` by the entity, the alert's categories, and the product."""

    def find(*texts: str | None) -> tuple[list[str], list[str]]:
        return _categories(*(text or "" for text in texts))

    return by_distinct(find, (TEXTS, TEXTS), entity, categories, service)


TACTIC_FIELDS = THREAT_FIELDS[:3]
"""What `tactics` gives."""


def tactics(categories: pa.Array) -> tuple[pa.Array, ...]:
    """MITRE's framework and tactics, as in `TACTIC_FIELDS`."""
    return threat_fields(categories, pa.nulls(len(categories), pa.string()))[:3]
