"""Functions on columns that several streaming tables share; they take and give Arrow arrays of one length."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..._attack import category_names, tactic_of, techniques_in
from ...columns import (
    URL_PARTS,
    by_distinct,
    collect,
    file_paths,
    first_known,
    join_known,
    lower,
    only_ip,
    only_where,
    url_parts,
)

__all__ = [
    "TEXTS",
    "THREAT_FIELDS",
    "URL_DOMAIN",
    "URL_FIELDS",
    "Categorised",
    "action_name",
    "actions",
    "arguments",
    "by_action",
    "cloud_provider",
    "collect_with",
    "device_event_id",
    "domain_and_address",
    "host_names",
    "image_path",
    "json_items",
    "lowered_list",
    "name_of_address",
    "network_type",
    "operating_system_type",
    "outcomes",
    "process_number",
    "protocol_fields",
    "related_addresses",
    "source_address",
    "text_list",
    "threat_fields",
    "url_fields",
]

TEXTS = pa.list_(pa.string())

Categorised: TypeAlias = "tuple[str | None, list[str] | None, list[str]]"
"""`event.action`, `event.category`, `event.type`."""


def device_event_id(device: pa.Array, report: pa.Array, ticks: pa.Array) -> pa.Array:
    """`<device>-<report>-<time in 100 ns since 1970>`: Microsoft's report ids come again on other devices."""
    return join_known("-", device, report, ticks)


def action_name(action_type: str | None) -> str | None:
    """An ActionType as `event.action`: in lower case, with hyphens for blanks."""
    return "-".join(action_type.lower().split()) if action_type else None


def actions(action_type: pa.Array) -> pa.Array:
    """`event.action` by the column of action types."""
    return by_distinct(lambda text: (action_name(text),), (pa.string(),), action_type)[0]


def by_action(rule: Callable[[str | None], Categorised]) -> Callable[[pa.Array], tuple[pa.Array, ...]]:
    """A function that gives `event.action`, `.category` and `.type` by the column of action types."""

    def fields(action_type: pa.Array) -> tuple[pa.Array, ...]:
        return by_distinct(rule, (pa.string(), TEXTS, TEXTS), action_type)

    return fields


def outcomes(success: frozenset[str], failure: frozenset[str]) -> Callable[[pa.Array], pa.Array]:
    """A function that gives `event.outcome` by the column of action types: unknown for all others."""

    def outcome(action_type: pa.Array) -> pa.Array:
        def find(text: str | None) -> tuple[str]:
            return ("success" if text in success else "failure" if text in failure else "unknown",)

        return by_distinct(find, (pa.string(),), action_type)[0]

    return outcome


def collect_with(lists: pa.Array, more: pa.Array) -> pa.Array:
    """The lists with the values of other lists, which few rows have, behind their own; without repeats."""
    has_more = pc.is_valid(more)
    if not pc.any(has_more).as_py():
        return lists

    def merged(first: list[str] | None, second: list[str] | None) -> tuple[list[str] | None]:
        return (list(dict.fromkeys([*(first or ()), *(second or ())])) or None,)

    (both,) = by_distinct(merged, (TEXTS,), only_where(has_more, lists), more)
    return pc.if_else(has_more, both, lists)


def host_names(name: pa.Array, *others: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`host.name` in lower case, and `related.hosts` with it and the others."""
    lowered = lower(name)
    return lowered, collect(lowered, *map(lower, others))


def related_addresses(*addresses: pa.Array) -> pa.Array:
    """`related.ip`: those that are addresses."""
    return collect(*map(only_ip, addresses))


def lowered_list(*columns: pa.Array) -> pa.Array:
    """The texts in lower case, as lists without repeats."""
    return collect(*map(lower, columns))


def source_address(address: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`source.ip` and `related.ip`."""
    source = only_ip(address)
    return source, collect(source)


def name_of_address(address: pa.Array) -> pa.Array:
    """What stands before the `@`."""
    return by_distinct(lambda text: ((text or "").partition("@")[0] or None,), (pa.string(),), address)[0]


def image_path(path: pa.Array, name: pa.Array) -> pa.Array:
    """The whole path of an image: Microsoft's folder path mostly ends in the file's name, but not always."""
    return first_known(file_paths(path, name)[1], path)


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
    address = only_ip(domain)
    return only_where(pc.is_null(address), domain), address


_MAPPED = r"(?i)^(?:::(?:0{1,4}:){0,4}|(?:0{1,4}:){5})ffff:(?:[0-9]+\.[0-9.]+|[0-9a-f]{1,4}:[0-9a-f]{1,4})$"


def network_type(*addresses: pa.Array) -> pa.Array:
    """ipv4 or ipv6, by the first address that is known; `::ffff:192.0.2.1` is one of IPv4."""
    address = first_known(*addresses)
    has_colon = pc.match_substring(address, ":")
    is_mapped = pc.match_substring_regex(only_where(has_colon, address), _MAPPED)
    return pc.if_else(pc.and_not(has_colon, pc.fill_null(is_mapped, False)), "ipv6", "ipv4")


_CLOUDS = {"amazon": "aws", "aws": "aws", "azure": "azure", "gcp": "gcp", "google": "gcp"}


def cloud_provider(*texts: pa.Array) -> pa.Array:
    """`cloud.provider`: aws, azure or gcp, by the first of them that a text names."""

    def find(*values: str | None) -> tuple[str | None]:
        names = [value.lower() for value in values if value]
        return (next((cloud for name in names for word, cloud in _CLOUDS.items() if word in name), None),)

    return by_distinct(find, (pa.string(),), *texts)[0]


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


_OS_TYPES = ("windows", "linux", "macos", "ios", "android")


def operating_system_type(*names: pa.Array) -> pa.Array:
    """`host.os.type`: windows, linux, macos, ios or android, the first that a name has in it."""

    def find(*texts: str | None) -> tuple[str | None]:
        lowered = [text.lower() for text in texts if text]
        return (next((kind for name in lowered for kind in _OS_TYPES if kind in name), None),)

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
    """The texts of JSON arrays, without repeats."""

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


def tactics_of(categories: str | None) -> list[tuple[str, str]]:
    """Id and name of each of MITRE's tactics in a text of categories."""
    found = map(tactic_of, category_names(categories))
    return list(dict.fromkeys(tactic for tactic in found if tactic))


def _texts(text: str | None) -> list[str]:
    if text and text[0] == "[":
        return [item for item in json_items(text) if isinstance(item, str)]
    return [text] if text else []


_ODD_QUOTING = r'\\"|[\t\n\v\f\r\x1e\x1f]'
_BLANK, _NOTHING = "\x1f", "\x1e"
_ARGUMENT = re.compile(r'(?:[^\s"\\]+|\\"|\\|"(?:[^"\\]+|\\.)*"?)+', re.DOTALL | re.ASCII)
_QUOTE = re.compile(r'(\\*)"')
_LONGEST_COMMAND = 128 * 1024
"""Bytes: Windows takes 32,767 characters. Words of a longer text would take many times its memory."""


def arguments(command_line: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`process.args` and `.args_count`: the command line split at blanks as Windows does it.

    Double quotes hold blanks together, a backslash before one makes it a character. Single quotes are
    characters, also on Linux, where the shell has removed those that are none. Null for what is longer than a
    command line can be.
    """
    command_line = only_where(pc.less_equal(pc.binary_length(command_line), _LONGEST_COMMAND), command_line)
    trimmed = pc.ascii_trim_whitespace(command_line)
    command_line = only_where(pc.not_equal(trimmed, ""), command_line)
    words = pc.ascii_split_whitespace(only_where(pc.not_equal(trimmed, ""), trimmed))
    quoted = pc.fill_null(pc.match_substring(command_line, '"'), False)
    if pc.any(quoted).as_py():
        odd = pc.and_(quoted, pc.fill_null(pc.match_substring_regex(command_line, _ODD_QUOTING), False))
        words = pc.if_else(quoted, _split_quoted(command_line), words)
        if pc.any(odd).as_py():
            (slow,) = by_distinct(_split_oddly_quoted, (TEXTS,), only_where(odd, command_line))
            words = pc.if_else(odd, slow, words)
    return words, pc.list_value_length(words).cast(pa.int64())


def _split_quoted(command_line: pa.Array) -> pa.Array:
    """Words of texts in which every quote is one that holds blanks together: every other part is inside."""
    parts = pc.split_pattern(command_line, '"')
    values = parts.flatten()
    starts = parts.offsets.take(pc.list_parent_indices(parts))
    places = pc.subtract(pa.array(range(len(values)), pa.int32()), starts)
    inside = pc.equal(pc.bit_wise_and(places, pa.scalar(1, pa.int32())), 1)
    held = pc.replace_substring(values, " ", _BLANK)
    held = pc.if_else(pc.equal(held, ""), _NOTHING, held)
    joined = pc.binary_join(
        pa.ListArray.from_arrays(parts.offsets, pc.if_else(inside, held, values), mask=parts.is_null()), ""
    )
    words = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(joined))
    texts = pc.replace_substring(pc.replace_substring(words.flatten(), _BLANK, " "), _NOTHING, "")
    return pa.ListArray.from_arrays(words.offsets, texts, mask=words.is_null())


def _split_oddly_quoted(command_line: str | None) -> tuple[list[str] | None]:
    """The same for texts in which a backslash makes a quote a character, word by word."""
    if command_line is None:
        return (None,)
    return ([_unquoted(word) for word in _ARGUMENT.findall(command_line)],)


def _unquoted(word: str) -> str:
    def replace(match: re.Match[str]) -> str:
        slashes = len(match[1])
        return "\\" * (slashes // 2) + '"' * (slashes % 2)

    return _QUOTE.sub(replace, word)
