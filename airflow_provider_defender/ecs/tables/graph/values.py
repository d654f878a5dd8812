"""Reading parsed JSON of Microsoft Graph, whatever stands there: what does not fit is absent.

Keys are in Microsoft's spelling; objects inside an item are read without regard to case where the spelling
differs. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import Raw

from ...columns import LARGEST_PORT, NO_GUID, canonical_ip
from ...engine.values import MISMATCH, UnreadableError, convert, parse_value, ticks_of
from .._items import UNSAID
from .shape import EVIDENCE_TYPES, TYPE_PREFIX

__all__ = [
    "LONGEST_KEPT",
    "LONGEST_SHORT",
    "PLACEHOLDER_FIRSTS",
    "Item",
    "address",
    "are_short",
    "child",
    "children",
    "count",
    "flag",
    "known",
    "member",
    "moment",
    "number",
    "parsed",
    "port",
    "process_id",
    "spelled",
    "text",
    "texts",
    "type_of",
]

Item: TypeAlias = "dict[str, Any]"
"""A JSON object: an evidence item, or one inside it."""

_NONE_SPECIFIED = "none specified"
_PLACEHOLDERS = frozenset({"", "-", ":", "n/a", "null", _NONE_SPECIFIED, NO_GUID})
LONGEST_SHORT = 4
"""Characters of the longest placeholder that begins with none of `PLACEHOLDER_FIRSTS`."""
PLACEHOLDER_FIRSTS = " \t\r\n0n"
"""What longer placeholders begin with."""
_NOTHING: Item = {}


def known(value: str) -> bool:
    """Whether a text is a value, and no placeholder.

    Placeholders are those of columns: blank, `-`, `:`, `N/A`, `null`, `none specified`, a GUID of zeros.
    """
    if len(value) > LONGEST_SHORT and value[0] not in PLACEHOLDER_FIRSTS:
        return True
    return value.strip().lower() not in _PLACEHOLDERS


def text(item: Item, *names: str) -> str | None:
    """The first text under the names that is no placeholder; numbers as decimal text."""
    for name in names:
        value = item.get(name)
        if value is None:
            continue
        if type(value) is Raw:
            value = _parsed(value)
        if type(value) is str:
            if (len(value) > LONGEST_SHORT and value[0] not in PLACEHOLDER_FIRSTS) or known(value):
                return value
        elif type(value) is int:
            return str(value)
    return None


def member(item: Item, name: str) -> str | None:
    """The member of an enum in lower case; those that say nothing (`unknownFutureValue`) are absent."""
    value = (text(item, name) or "").lower()
    return value if value and value not in UNSAID else None


def texts(item: Item, name: str) -> list[str]:
    """The texts of a list without placeholders, each once; of a single text the list of it."""
    value = _value(item, name)
    if not value:
        return []
    values = value if isinstance(value, list) else [value]
    found = (str(each) if type(each) is int else each for each in values)
    return list(dict.fromkeys(each for each in found if isinstance(each, str) and known(each)))


LONGEST_KEPT = 1024
"""Bytes of JSON, or characters of a text, that are worth keeping with what was made of them: so the memory of
what is kept is bounded, whatever comes."""


def are_short(values: Iterable[Any]) -> bool:
    """Whether texts and other values are short enough to be kept, each for itself."""
    return all(type(value) is not str or len(value) <= LONGEST_KEPT for value in values)


def _value(item: Item, name: str) -> Any:
    """The value under a name, parsed."""
    value = item.get(name)
    return _parsed(value) if type(value) is Raw else value


def _parsed(raw: Raw) -> Any:
    """A value of JSON. Those that are not long are kept, since names and files come again and again."""
    data = bytes(raw)
    if data == b"null":
        return None
    return _parsed_again(data) if len(data) <= LONGEST_KEPT else parsed(data)


def parsed(data: bytes) -> Any:
    """A value of JSON; None if it cannot be read."""
    try:
        return parse_value(data)
    except UnreadableError:
        return None


_parsed_again = lru_cache(maxsize=8192)(parsed)


def number(item: Item, name: str) -> int | None:
    """A whole number of 64 bits, also where it is sent as text."""
    value = _value(item, name)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if value is None or value == "":
        return None
    result = convert("long", value)
    return None if result is MISMATCH else result


def count(item: Item, name: str) -> int | None:
    """A number that is not negative: a size."""
    value = number(item, name)
    return value if value is not None and value >= 0 else None


def process_id(item: Item, name: str) -> int | None:
    """A process's number; 0 stands for none: it is that of the idle process."""
    value = number(item, name)
    return value if value is not None and value > 0 else None


def port(item: Item, name: str) -> int | None:
    """A port; 0 stands for none."""
    value = number(item, name)
    return value if value is not None and 0 < value <= LARGEST_PORT else None


def flag(item: Item, name: str) -> bool | None:
    """A boolean, also where it is sent as 0, 1 or text."""
    result = convert("boolean", _value(item, name))
    return None if result is MISMATCH else result


def moment(item: Item, name: str) -> int | None:
    """A time in ticks of 100 ns since 1970."""
    value = _value(item, name)
    return ticks_of(value) if isinstance(value, str) and value else None


def child(item: Item, name: str) -> Item:
    """The object under a name; an empty one if there is none."""
    value = _value(item, name)
    return spelled(value) if type(value) is dict else _NOTHING


def children(item: Item, name: str) -> list[Item]:
    """The objects of a list; of a single object the list of it."""
    value = _value(item, name)
    if type(value) is dict:
        return [spelled(value)]
    return [spelled(each) for each in value if type(each) is dict] if isinstance(value, list) else []


def type_of(item: Item) -> str | None:
    """The name of an evidence item's type without its prefix: `userEvidence`; unknown ones as sent."""
    value = item.get("@odata.type", item.get("odata_type"))
    return _TYPES.get(value) or _type_name(value) if type(value) is str else None


_TYPES = {f"{TYPE_PREFIX}{name}": name for name in EVIDENCE_TYPES}
_TYPES_IN_LOWER_CASE = {name.lower(): name for name in EVIDENCE_TYPES}


def _type_name(value: str) -> str | None:
    name = value.strip().removeprefix("#").removeprefix(TYPE_PREFIX.removeprefix("#"))
    return _TYPES_IN_LOWER_CASE.get(name.lower(), name or None)


_NESTED = """
accessDateTime account accountId accountName activeDirectoryDomainName activeDirectoryObjectGuid algorithm
appProtocol args azureAdDeviceId azureAdUserId blobContainer city cloudProvider cloudResource cluster
clusterIP command containerId containers controller countryLetterCode countryName createdDateTime
defenderAvStatus detailedRoles detectionStatus deviceDnsName digestImage displayName distribution dnsDomain
domainName emailAddress ephemeralContainers externalIPs fileDetails fileName filePath filePublisher fileSize
firstSeenDateTime healthStatus hostName image imageFile imageId initContainers ipAddress ipInterfaces
isPrivileged issuer labels lastExternalIpAddress lastIpAddress latitude location loggedOnUsers longitude
macAddress md5 mdeDeviceId name namespace nics nodePort ntDomain onboardingStatus osBuild osPlatform
parentProcessCreationDateTime parentProcessId parentProcessImageFile platform pod podIp port
processCommandLine processCreationDateTime processId protocol rbacGroupId rbacGroupName registry
remediationStatus remediationStatusDetails resourceAccessEvents resourceId resourceIdentifier resourceName
resourceType riskScore roles secretType selector serviceAccount servicePorts serviceType sha1 sha256 sha256Ac
signer state storageResource stream subscriptionId tags targetPort tenantId trustedDomains type url
userAccount userPrincipalName userSid value verdict version vlans vmId vmMetadata
"""
_SPELLINGS = {name.lower(): name for name in ("@odata.type", *_NESTED.split())}
_KNOWN_SPELLINGS = frozenset(_SPELLINGS.values())


def spelled(item: Item) -> Item:
    """The object with the keys that Microsoft documents in its spelling; an exact spelling counts first."""
    if _KNOWN_SPELLINGS.issuperset(item):
        return item
    result = {key: value for key, value in item.items() if key in _KNOWN_SPELLINGS}
    for key, value in item.items():
        result.setdefault(_SPELLINGS.get(key.lower(), key), value)
    return result


def address(value: str | None) -> str | None:
    """An IP address as RFC 5952 writes it; IPv4 for IPv4-mapped; None if the text is none.

    Blanks, brackets, a port and a zone are taken off. The addresses of zeros stand for none.
    """
    found = canonical_ip(value)
    return found if found is not None and found.strip("0.:") else None
