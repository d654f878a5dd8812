"""Tables of Defender for Endpoint: what is computed of registry, certificates, devices and their adapters."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from ...columns import (
    by_distinct,
    canonical_ip,
    collect,
    first_known,
    known_name,
    known_text,
    mac_address,
    only_hash,
    only_ip,
    only_named,
)
from .._items import registry_parts
from .functions import TEXTS, cloud_provider, json_items

__all__ = [
    "CERTIFICATE_FIELDS",
    "CLOUD_FIELDS",
    "NAME_PARTS",
    "adapter_fields",
    "certificate_fields",
    "certificate_hashes",
    "cloud_fields",
    "full_name_of_system",
    "logged_on_users",
    "named",
    "public_address",
    "registry_fields",
]

_TEXT = pa.string()

_WITHOUT_DATA = frozenset(
    {"RegistryKeyCreated", "RegistryKeyDeleted", "RegistryKeyRenamed", "RegistryValueDeleted"}
)
"""Actions after which there is no value, or that are not about one; Microsoft gives them the type None."""


def registry_fields(
    action_type: pa.Array,
    key: pa.Array,
    previous_key: pa.Array,
    name: pa.Array,
    previous_name: pa.Array,
    value_type: pa.Array,
    data: pa.Array,
) -> tuple[pa.Array, ...]:
    """`registry.hive`, `.key`, `.path`, `.value`, `.data.type` and `.data.strings`.

    What was there before counts where nothing is there now.
    """
    return by_distinct(
        _registry,
        (*(_TEXT,) * 5, TEXTS),
        action_type,
        first_known(key, previous_key),
        first_known(name, previous_name),
        value_type,
        data,
    )


def _registry(
    action: str | None, key: str | None, name: str | None, value_type: str | None, data: str | None
) -> tuple[Any, ...]:
    hive, own_key, path, data_type = registry_parts(None, key, name, value_type)
    has_data = action not in _WITHOUT_DATA
    strings = None if data is None else [_number(data) if data_type in _NUMBERS else data]
    return hive, own_key or None, path, name, data_type if has_data else None, strings


_NUMBERS = {"REG_DWORD", "REG_QWORD"}
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,16}\Z")


def _number(data: str) -> str:
    """A number as ECS wants it, in decimal."""
    return str(int(data, 16)) if _HEX.match(data) else data


NAME_PARTS = {
    "CN": "common_name",
    "C": "country",
    "L": "locality",
    "O": "organization",
    "OU": "organizational_unit",
    "S": "state_or_province",
    "ST": "state_or_province",
}
"""Attributes of a distinguished name → their ECS fields below `issuer` and `subject`."""

_PARTS = tuple(dict.fromkeys(NAME_PARTS.values()))
CERTIFICATE_FIELDS = (
    "file.code_signature.subject_name",
    "file.x509.serial_number",
    *(
        f"file.x509.{whose}.{part}"
        for whose in ("subject", "issuer")
        for part in ("distinguished_name", *_PARTS)
    ),
)
"""What `certificate_fields` gives."""


def certificate_fields(signer: pa.Array, issuer: pa.Array, serial: pa.Array) -> tuple[pa.Array, ...]:
    """The certificate's subject and issuer, as in `CERTIFICATE_FIELDS`.

    Microsoft mostly sends common names alone; a text as `CN=…, O=…` is a distinguished name.
    """
    kinds = (_TEXT, *(TEXTS,) * len(_PARTS))
    subject, issued_by = (by_distinct(_name_parts, kinds, column) for column in (signer, issuer))
    (subject_name,) = by_distinct(lambda text: (_subject_name(text),), (_TEXT,), signer)
    (number,) = by_distinct(lambda text: (_serial_number(text),), (_TEXT,), serial)
    return subject_name, number, *subject, *issued_by


def certificate_hashes(file: pa.Array, signer: pa.Array, issuer: pa.Array) -> tuple[pa.Array, ...]:
    """`file.hash.sha1`, `file.code_signature.thumbprint_sha256` and `related.hash`."""
    sha1 = only_hash(file, "sha1")
    thumbprint = only_hash(signer, "sha256")
    of_certificates = (only_hash(column, size) for column in (signer, issuer) for size in ("sha1", "sha256"))
    return sha1, thumbprint, collect(sha1, *of_certificates)


_ATTRIBUTE = re.compile(
    r'\s*([A-Za-z][A-Za-z0-9.]*)\s*=\s*("(?:[^"]|"")*"|(?:\\.|[^,;+\\])*)\s*(?:[,;+]|\Z)', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _attributes(text: str) -> list[tuple[str, str]]:
    """Names and values of a distinguished name's attributes; none if the text is no distinguished name."""
    found, place = [], 0
    while place < len(text):
        match = _ATTRIBUTE.match(text, place)
        if match is None or match.end() == place:
            return []
        value = match[2].strip()
        value = value[1:-1].replace('""', '"') if value.startswith('"') else _ESCAPED.sub(r"\1", value)
        found.append((match[1].upper(), value))
        place = match.end()
    return found


def _name_parts(text: str | None) -> tuple[Any, ...]:
    attributes = _attributes(text) if text and "=" in text else []
    if not any(name in NAME_PARTS for name, _ in attributes):
        return None, [text] if text else None, *(None,) * (len(_PARTS) - 1)
    values: dict[str, list[str]] = {part: [] for part in _PARTS}
    for name, value in attributes:
        if name in NAME_PARTS and value:
            values[NAME_PARTS[name]].append(value)
    return text, *(values[part] or None for part in _PARTS)


def _subject_name(text: str | None) -> str | None:
    names = _name_parts(text)[1]
    return names[0] if names else text


_SERIAL = re.compile(r"[0-9A-Fa-f]+\Z")


def _serial_number(text: str | None) -> str | None:
    """A serial number in base 16 as ECS wants it, in upper case without colons and blanks."""
    plain = re.sub("[ :]", "", text or "").removeprefix("0x")
    return plain.upper() if _SERIAL.match(plain) else text


def named(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """The columns without words that say that there is no name."""
    return tuple(map(only_named, columns))


def full_name_of_system(*columns: pa.Array) -> pa.Array:
    """`host.os.full` by names of platform and distribution, and what Microsoft calls the version."""
    return by_distinct(_full_name_of_system, (_TEXT,), *columns)[0]


def _full_name_of_system(
    platform: str | None, distribution: str | None, version: str | None
) -> tuple[str | None]:
    name, version = known_name(distribution) or known_name(platform), known_name(version)
    if name is None or version is None:
        return (None,)
    return (version if version.lower().startswith(name.lower()) else f"{name} {version}",)


def public_address(address: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`host.ip` and `related.ip`."""
    known = collect(only_ip(address))
    return known, known


CLOUD_FIELDS = (
    "cloud.provider",
    "cloud.account.id",
    "cloud.project.id",
    "cloud.region",
    "cloud.availability_zone",
    "cloud.instance.id",
    "cloud.instance.name",
)
"""What `cloud_fields` gives."""

_AZURE = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/[^/]+/providers/"
    r"Microsoft\.(?:Compute/virtualMachines|HybridCompute/machines)/([^/]+)\Z",
    re.IGNORECASE,
)
_AMAZON = re.compile(r"arn:[^:]*:ec2:([^:]*):([^:]*):instance/([^/]+)\Z")
_GOOGLE = re.compile(r"(?:.*/)?projects/([^/]+)/zones/([^/]+)/instances/([^/]+)\Z")


def cloud_fields(
    platforms: pa.Array,
    subscription: pa.Array,
    machine: pa.Array,
    azure: pa.Array,
    amazon: pa.Array,
    google: pa.Array,
) -> tuple[pa.Array, ...]:
    """A machine in a cloud, as in `CLOUD_FIELDS`: by its ids in Azure, and by what its resource's id says.

    The provider is the platform's, by its name, else that of the resource id.
    """
    provider, account, *rest, instance, name = by_distinct(
        _machine, (_TEXT,) * len(CLOUD_FIELDS), azure, amazon, google
    )
    return (
        first_known(cloud_provider(platforms), provider),
        first_known(subscription, account),
        *rest,
        first_known(machine, instance),
        name,
    )


def _machine(azure: str | None, amazon: str | None, google: str | None) -> tuple[str | None, ...]:
    if azure:
        match = _AZURE.match(azure)
        return "azure", match and match[1], None, None, None, None, match and match[2]
    if amazon:
        match = _AMAZON.match(amazon)
        region, account, instance = (part or None for part in match.groups()) if match else (None,) * 3
        return "aws", account, None, region, None, instance, None
    if google:
        match = _GOOGLE.match(google)
        if match is None:
            return "gcp", *(None,) * 6
        project, zone, machine = match.groups()
        is_number = machine.isdecimal()
        names = (machine, None) if is_number else (None, machine)
        return "gcp", None, project, zone.rpartition("-")[0] or None, zone, *names
    return (None,) * len(CLOUD_FIELDS)


def logged_on_users(users: pa.Array) -> pa.Array:
    """`related.user`: names and security identifiers from a JSON array of `{UserName, DomainName, Sid}`."""

    def find(text: str | None) -> tuple[list[str] | None]:
        items = [item for item in json_items(text) if isinstance(item, dict)]
        return (_distinct_texts([item.get(key) for item in items for key in ("UserName", "Sid")]) or None,)

    return by_distinct(find, (TEXTS,), users)[0]


def adapter_fields(
    addresses: pa.Array,
    mac: pa.Array,
    networks: pa.Array,
    servers: pa.Array,
    gateways: pa.Array,
    *dhcp: pa.Array,
) -> tuple[pa.Array, ...]:
    """`host.ip`, `host.mac`, `network.name`, `related.ip` of a network adapter.

    Args:
        addresses: JSON array of `{IPAddress, …}`.
        mac: the adapter's hardware address.
        networks: JSON array of `{Name, …}`: those that the adapter is connected to.
        servers: JSON array of DNS servers' addresses.
        gateways: JSON array of gateways' addresses.
        dhcp: addresses of DHCP servers.
    """
    types = (TEXTS, TEXTS, _TEXT, TEXTS)
    return by_distinct(_adapter, types, addresses, mac, networks, servers, gateways, *dhcp)


def _adapter(
    addresses: str | None,
    mac: str | None,
    networks: str | None,
    servers: str | None,
    gateways: str | None,
    *dhcp: str | None,
) -> tuple[Any, ...]:
    own = [item.get("IPAddress") if isinstance(item, dict) else item for item in _items(addresses)]
    own_ips = _distinct_ips(own)
    other_ips = _distinct_ips([*_items(servers), *_items(gateways), *dhcp])
    own_mac = mac_address(mac)
    names = _distinct_texts([item.get("Name") for item in json_items(networks) if isinstance(item, dict)])
    return (
        own_ips or None,
        [own_mac] if own_mac else None,
        known_name(names[0]) if len(names) == 1 else None,
        list(dict.fromkeys([*own_ips, *other_ips])) or None,
    )


def _items(text: str | None) -> list[Any]:
    """The items of a JSON array, or the one text that is none."""
    return json_items(text) if text and text.lstrip()[:1] in ("[", "{") else [text]


_UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104
"""What stands for no address; no adapter and no server has them."""


def _distinct_ips(values: list[Any]) -> list[str]:
    found = (canonical_ip(value) for value in values if isinstance(value, str))
    return list(dict.fromkeys(address for address in found if address and address not in _UNSPECIFIED))


def _distinct_texts(values: list[Any]) -> list[str]:
    found = (known_text(value) for value in values if isinstance(value, str))
    return list(dict.fromkeys(text for text in found if text))
