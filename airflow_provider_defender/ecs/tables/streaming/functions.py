"""Functions on columns that several streaming tables share; they take and give Arrow arrays of one length."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ...attack import tactics_of, techniques_in
from ...columns import (
    URL_PARTS,
    by_distinct,
    collect,
    first_known,
    join_known,
    network_types,
    only_ip,
    only_where,
    url_parts,
    without_brackets,
)
from ...operating_systems import operating_system_family

__all__ = [
    "TEXTS",
    "THREAT_FIELDS",
    "URL_DOMAIN",
    "URL_FIELDS",
    "action_name",
    "actions",
    "cloud_provider",
    "collect_with",
    "device_event_id",
    "domain_and_address",
    "json_items",
    "network_type",
    "operating_system_type",
    "process_number",
    "protocol_fields",
    "related_addresses",
    "text_list",
    "threat_fields",
    "url_fields",
]

TEXTS = pa.list_(pa.string())


def device_event_id(device: pa.Array, report: pa.Array, ticks: pa.Array) -> pa.Array:
    """`<device>-<report>-<time in 100 ns since 1970>`: Microsoft's report ids come again on other devices."""
    return join_known("-", device, report, ticks)


def action_name(action_type: str | None) -> str | None:
    """An ActionType as `event.action`: in lower case, with hyphens for blanks, without a dot at its end."""
    return "-".join(action_type.lower().split()).rstrip(".-") or None if action_type else None


def actions(action_type: pa.Array) -> pa.Array:
    """`event.action` by the column of action types."""
    return by_distinct(lambda text: (action_name(text),), (pa.string(),), action_type)[0]


def collect_with(lists: pa.Array, more: pa.Array) -> pa.Array:
    """The lists with the values of other lists, which few rows have, behind their own; without duplicates."""
    has_more = pc.is_valid(more)
    if not pc.any(has_more).as_py():
        return lists

    def merged(first: list[str] | None, second: list[str] | None) -> tuple[list[str] | None]:
        return (list(dict.fromkeys([*(first or ()), *(second or ())])) or None,)

    (both,) = by_distinct(merged, (TEXTS,), only_where(has_more, lists), more)
    return pc.if_else(has_more, both, lists)


def related_addresses(*addresses: pa.Array) -> pa.Array:
    """`related.ip`: those that are addresses."""
    return collect(*map(only_ip, addresses))


_TRANSPORTS = {
    "tcp": "tcp",
    "tcpv4": "tcp",
    "tcpv6": "tcp",
    "udp": "udp",
    "udpv4": "udp",
    "udpv6": "udp",
    "icmp": "icmp",
    "icmpv6": "ipv6-icmp",
    "igmp": "igmp",
    "sctp": "sctp",
}
_NO_PROTOCOLS = {"unknown", "local", "negotiate", "none"}


def protocol_fields(protocol: pa.Array) -> tuple[pa.Array, ...]:
    """`network.transport` (tcp, udp, icmp …) and `network.protocol` (all others), both in lower case."""

    def find(text: str | None) -> tuple[str | None, str | None]:
        name = (text or "").strip().lower()
        transport = _TRANSPORTS.get(name)
        return transport, None if transport or name in _NO_PROTOCOLS else name or None

    return by_distinct(find, (pa.string(), pa.string()), protocol)


def url_fields(url: pa.Array) -> tuple[pa.Array, ...]:
    """`url.full` where there is a scheme, `url.original`, and the parts of `URL_PARTS`."""
    parts = url_parts(url)
    scheme = parts[list(URL_PARTS).index("scheme")]
    return only_where(pc.is_valid(scheme), url), url, *parts


URL_FIELDS = ("url.full", "url.original", *(f"url.{part}" for part in URL_PARTS))
"""What `url_fields` gives."""
URL_DOMAIN = URL_FIELDS.index("url.domain")


def domain_and_address(domain: pa.Array) -> tuple[pa.Array, pa.Array]:
    """A URL's host as a name, or as an IP address."""
    address = only_ip(without_brackets(domain))
    return only_where(pc.is_null(address), domain), address


def network_type(*addresses: pa.Array) -> pa.Array:
    """ipv4 or ipv6, by the first address that is known, as `only_ip` gives it."""
    return network_types(first_known(*addresses))


_CLOUDS = {"amazon": "aws", "aws": "aws", "azure": "azure", "gcp": "gcp", "google": "gcp"}


def cloud_provider(*texts: pa.Array) -> pa.Array:
    """`cloud.provider`: aws, azure or gcp, by the first of them that a text names."""

    def find(*values: str | None) -> tuple[str | None]:
        names = [value.lower() for value in values if value]
        return (next((cloud for name in names for word, cloud in _CLOUDS.items() if word in name), None),)

    return by_distinct(find, (pa.string(),), *texts)[0]


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def operating_system_type(*names: pa.Array) -> pa.Array:
    """`host.os.type` by the first name that is one of a known family of operating systems."""

    def find(*texts: str | None) -> tuple[str | None]:
        return (next(filter(None, map(operating_system_family, texts)), None),)

    return by_distinct(find, (pa.string(),), *names)[0]


def json_items(text: str | None) -> list[Any]:
    """The items of a JSON array's text; anything else is no item, and a JSON object is the only one.

    Where the text has lone surrogates, which no column can hold, all its surrogates are U+FFFD.
    """
    if not text or text[0] not in "[{":
        return []
    try:
        value = _decoded(text)
    except (ValueError, RecursionError):
        return []
    return value if isinstance(value, list) else [value]


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(_SURROGATE.sub(r"\\ufffd", text), strict=False)


def text_list(column: pa.Array) -> pa.Array:
    """The texts of JSON arrays, without duplicates."""

    def find(text: str | None) -> tuple[list[str] | None]:
        texts = [item for item in json_items(text) if isinstance(item, str) and item]
        return (list(dict.fromkeys(texts)) or None,)

    return by_distinct(find, (TEXTS,), column)[0]


_PROCESS_NUMBER = re.compile(r"0[xX]([0-9a-fA-F]{1,15})|([0-9]{1,18})")


def process_number(text: str | None) -> int | None:
    """A process id: decimal, or hexadecimal with 0x; None for all else."""
    match = _PROCESS_NUMBER.fullmatch(text or "")
    if match is None:
        return None
    return int(match[1], 16) if match[1] else int(match[2])


THREAT_FIELDS = (
    "threat.framework",
    "threat.tactic.id",
    "threat.tactic.name",
    "threat.technique.id",
    "threat.technique.name",
    "threat.technique.subtechnique.id",
    "threat.technique.subtechnique.name",
)
"""What `threat_fields` gives."""


def threat_fields(categories: pa.Array, techniques: pa.Array) -> tuple[pa.Array, ...]:
    """MITRE's tactics and techniques, as in `THREAT_FIELDS`.

    Each name stands at the place of its id: ids whose names are not known (as that of a technique of which
    only a sub-technique is named) come last, as no list of the rows has nulls in it.

    Args:
        categories: one name, names with commas between them, or a JSON array of names; those that are tactics
            of MITRE count.
        techniques: `Valid Accounts (T1078), Domain Accounts (T1078.002)`, or a JSON array of such texts.
    """
    return by_distinct(_threat, (pa.string(), *(TEXTS,) * 6), categories, techniques)


def _threat(categories: str | None, techniques: str | None) -> tuple[Any, ...]:
    tactics = tactics_of(categories)
    names: dict[str, str | None] = {}
    for text in _texts(techniques):
        for identifier, name in techniques_in(text):
            names[identifier] = names.get(identifier) or name
            names.setdefault(identifier.partition(".")[0], None)
    named_first = sorted(names.items(), key=lambda item: item[1] is None)
    main = {identifier: name for identifier, name in named_first if "." not in identifier}
    sub = {identifier: name for identifier, name in named_first if "." in identifier}
    lists = [
        [identifier for identifier, _ in tactics],
        [name for _, name in tactics],
        list(main),
        [name for name in main.values() if name],
        list(sub),
        [name for name in sub.values() if name],
    ]
    return "MITRE ATT&CK" if tactics or names else None, *(values or None for values in lists)


def _texts(text: str | None) -> list[str]:
    if text and text[0] == "[":
        return [item for item in json_items(text) if isinstance(item, str)]
    return [text] if text else []
