"""Tables of alerts and behaviors: what is computed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import by_distinct, collect, file_parts, lower, only_ip, only_where
from ..endpoint_alerts import ITEM_CATEGORIES, MALWARE_CATEGORIES, is_process
from ._endpoint import registry_key as registry_key_and_value
from ._functions import (
    TEXTS,
    THREAT_FIELDS,
    URL_DOMAIN,
    URL_FIELDS,
    domain_and_address,
    json_items,
    process_number,
    threat_fields,
    url_fields,
)

__all__ = [
    "ENDS_FIELDS",
    "TACTIC_FIELDS",
    "alert_categories",
    "ends",
    "evidence_categories",
    "image_fields",
    "pid",
    "registry_key",
    "tactics",
]

_OF_ENTITY = {
    **ITEM_CATEGORIES,
    "user": "iam",
    "account": "iam",
    "machine": "host",
    "device": "host",
    "host": "host",
    "mailmessage": "email",
    "mailbox": "email",
    "mailcluster": "email",
}
_OF_SERVICE = {
    "endpoint": "host",
    "office 365": "email",
    "identity": "iam",
    "entra": "iam",
    "cloud apps": "api",
    "app governance": "api",
    "cloud": "configuration",
}
"""What a product watches, where the alert itself says nothing better; the first that a name has in it."""


def _category_of_service(service: str | None) -> str:
    name = (service or "").lower()
    return next((category for word, category in _OF_SERVICE.items() if word in name), "intrusion_detection")


def _categories(entity: str, categories: str, service: str) -> tuple[list[str], list[str]]:
    names = [item for item in json_items(categories) if isinstance(item, str)] or [categories]
    is_malware = any(name.strip().lower() in MALWARE_CATEGORIES for name in names)
    of_row = _OF_ENTITY.get(entity.lower()) or (None if is_malware else _category_of_service(service))
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


ENDS_FIELDS = (
    *URL_FIELDS,
    "source.ip",
    "destination.ip",
    "related.ip",
    "related.hosts",
)
"""What `ends` gives."""


def ends(
    device_name: pa.Array, url: pa.Array, local: pa.Array, remote: pa.Array, *direction: pa.Array
) -> tuple[pa.Array, ...]:
    """`url.*`, and the addresses and hosts of evidence, as in `ENDS_FIELDS`.

    Microsoft's direction says whether the entity is the source or the destination of a connection; without it
    the remote address is only related.
    """
    parts = url_fields(url)
    host, url_address = domain_and_address(parts[URL_DOMAIN])
    name, local, remote = lower(device_name), only_ip(local), only_ip(remote)
    nothing = pa.nulls(len(name), pa.string())
    source, destination = nothing, nothing
    if direction:
        (way,) = by_distinct(lambda text: ((text or "").lower(),), (pa.string(),), *direction)
        source, destination = (only_where(pc.equal(way, end), remote) for end in ("source", "destination"))
    return (
        *parts,
        source,
        destination,
        collect(local, remote, url_address),
        collect(name, host),
    )


def image_fields(
    entity: pa.Array, folder: pa.Array, name: pa.Array, sha1: pa.Array, sha256: pa.Array
) -> tuple[pa.Array, ...]:
    """`file.path`, `.directory`, `.extension`; of processes also `process.name`, `.executable`, `.hash.*`."""
    directory, path, extension = file_parts(folder, name)
    process = is_process(entity)
    return path, directory, extension, *(only_where(process, each) for each in (name, path, sha1, sha256))


def pid(text: pa.Array) -> pa.Array:
    """Process ids as numbers: decimal, or hexadecimal with 0x; all else is null."""
    return by_distinct(lambda value: (process_number(value),), (pa.int64(),), text)[0]


def registry_key(key: pa.Array, value: pa.Array) -> tuple[pa.Array, ...]:
    """`registry.hive`, `.key` and `.path`."""
    return registry_key_and_value(key, value)[:3]


TACTIC_FIELDS = THREAT_FIELDS[:3]
"""What `tactics` gives."""


def tactics(categories: pa.Array) -> tuple[pa.Array, ...]:
    """MITRE's framework and tactics, as in `TACTIC_FIELDS`."""
    return threat_fields(categories, pa.nulls(len(categories), pa.string()))[:3]
