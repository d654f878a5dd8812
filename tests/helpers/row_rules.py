"""What holds for every row, whatever its record looks like: each rule returns what is broken.

A row is a flat dict of the leaves that are not null, by dotted name, as golden cases have it. The rules know
nothing of mappings: they look at ECS' definitions (`ecs-9.4.0.csv`) and at the record that the row is of.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, TypeAlias

from airflow_provider_defender.ecs.engine.values import clean_text
from airflow_provider_defender.ecs.fields import SEED_FIELDS

__all__ = ["RULES", "Record", "broken", "lost"]

Row: TypeAlias = "dict[str, Any]"

_CSV = Path(__file__).parents[1] / "unit" / "ecs" / "data" / "ecs-9.4.0.csv"
with _CSV.open(newline="") as lines:
    ECS = {line["field"]: line for line in csv.DictReader(lines)}

EXPECTED_TYPES = {
    "api": "access admin allowed change creation deletion denied end info start user",
    "authentication": "end info start",
    "configuration": "access change creation deletion info",
    "database": "access change error info",
    "driver": "change end info start",
    "email": "info",
    "file": "access change creation deletion info",
    "host": "access change end info start",
    "iam": "admin change creation deletion group info user",
    "intrusion_detection": "allowed denied info",
    "library": "start",
    "malware": "info",
    "network": "access allowed connection denied end info protocol start",
    "package": "access change deletion info installation start",
    "process": "access change end info start",
    "registry": "access change creation deletion",
    "session": "end info start",
    "threat": "indicator",
    "vulnerability": "info",
    "web": "access error info",
}
"""Category → types that ECS 9.4 expects with it."""
KINDS = {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}
OUTCOMES = {"failure", "success", "unknown"}
LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}
NO_GUID = "00000000-0000-0000-0000-000000000000"
PLACEHOLDERS = {"", "-", ":", "n/a", "null", "none specified", NO_GUID}
"""In lower case, without blanks around them."""
AS_SENT = {"url.original", "event.original", "message", "url.full"}
"""Fields that hold a whole text as it was sent."""
MAY_BE_NULL = re.compile(
    r"(file|process|process\.parent|dll)\.(name|path|executable|directory|args)|registry\..*"
    r"|.*command_line|email\.subject|url\..*|.*\.pe\.original_file_name"
)
"""Fields of names and contents, in which `null` can be true."""
IDENTITY = ("id", "name", "email", "full_name", "domain")
_LONGEST_HOST = 253
HOST = re.compile(r"[\w-]+(\.[\w-]+)*")


@dataclass(frozen=True)
class Record:
    """What was sent."""

    value: Any

    @cached_property
    def leaves(self) -> list[tuple[str, Any]]:
        """All scalars with their paths, those of JSON in texts, too."""
        return list(leaves(self.value))

    @cached_property
    def texts(self) -> set[str]:
        return {as_text(value) for _, value in self.leaves}

    @cached_property
    def whole(self) -> str:
        """All texts in lower case."""
        return "\0".join(self.texts).lower()

    @cached_property
    def addresses(self) -> set[str]:
        """Every address that stands in a text or beside other text."""
        found = set()
        for text in self.texts:
            for token in (text.strip(), *re.findall(r"[0-9A-Fa-f:.]{2,}", text)):
                for each in (token, token.rpartition(":")[0], token.strip(".:")):
                    if (address := canonical(each)) is not None:
                        found.add(address)
        return found

    @cached_property
    def owners(self) -> dict[str, set[str]]:
        """Text → the accounts that have it, also within `name@domain`, `domain\\name`, `name/REALM`.

        Accounts that have a security identifier, object id or address in common are one. So are a row's
        account and the one that `AdditionalFields` describes, of evidence that is a user; in changes to
        a directory, the account that is changed and the names there; and an alert's user and the evidence
        whose principal name begins with that user's name, as in the seed's sample.
        """
        found: dict[str, set[str]] = defaultdict(set)
        for path, value in self.leaves:
            text = as_text(value).strip()
            parts = {text, *text.rpartition("@")[::2], *text.partition("@")[::2], *text.partition("\\")[::2]}
            if _PRINCIPAL.fullmatch(text):
                parts.update(text.split("/"))
            parts |= {re.sub(r" \(.*\)$", "", part) for part in parts}  # a process behind the account's name
            if text.startswith("arn:"):
                parts |= set(text.rpartition(":")[2].split("/")[1:])
            for part in parts - {""}:
                found[part.lower()].add(_account_of(path))
        same = [owners for text, owners in found.items() if _IDENTIFIER.fullmatch(text)]
        if not self._is_application:
            same.append({".Account", "RawEventData.User"})
        if any(path.endswith("EntityType") and value == "User" for path, value in self.leaves):
            same.append({".Account", "AdditionalFields"})
        if any("TARGET_OBJECT" in path for path, _ in self.leaves):
            same.append({".TargetAccount", "AdditionalFields"})
        related = next((value for path, value in self.leaves if path == "relatedUser.userName"), None)
        same += [
            {"relatedUser", _account_of(path)}
            for path, value in self.leaves
            if path.endswith(".userPrincipalName") and as_text(value).partition("@")[0] == related
        ]
        return {text: _with_same(owners, same) for text, owners in found.items()}

    @property
    def _is_application(self) -> bool:
        """Whether an application acts on behalf of someone: then `UserId` of the raw event is that one's."""
        found = {path.rpartition(".")[2]: value for path, value in self.leaves}
        own = found.get("AccountObjectId")
        applications = {found.get("ClientAppId"), found.get("AppId")} - {None}
        return found.get("AccountType") == "Application" or own in applications


_PRINCIPAL = re.compile(r"[^/\s]+/[A-Z0-9.-]+")
_IDENTIFIER = re.compile(r"s-1-[\d-]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^@\s]+@[^@\s]+")


def _with_same(owners: set[str], same: list[set[str]]) -> set[str]:
    """The accounts, and those that are the same as one of them."""
    found = set(owners)
    while more := {owner for each in same if each & found for owner in each} - found:
        found |= more
    return found


_ENDS = re.compile(
    r"(ObjectId|Sid|OnPremSid|CloudSid|Upn|UPN|(?<!ervice)PrincipalName|DisplayName|NTDomain|Domain|Name|Id|EmailAddress|Email|Address)$"
)


def _account_of(path: str) -> str:
    """Whose value it is: of the object in which it stands, or of the columns that begin alike."""
    if "claims." in path:  # a token's claims, whose names are URLs, are of one account
        return f"{path.partition('claims.')[0]}claims"
    parent, _, name = path.rpartition(".")
    name = name.removesuffix("[]")
    parent = parent.rpartition("properties")[2].lstrip(".")
    parent = re.sub(r"\b(Target|Actor)\[\d+\]$", r"\1", parent)  # one account, an element for each of its ids
    if parent in ("", "RawEventData"):
        return f"{parent}.{_ENDS.sub('', name) or 'Account'}"
    return parent


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The scalars below a JSON value with their paths, those of JSON in texts, too."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from leaves(child, f"{path}[{number if isinstance(child, dict) else ''}]")
    elif value is not None:
        if isinstance(value, str) and value[:1] in ("{", "[", '"'):
            try:
                inner = json.loads(value)
            except (ValueError, RecursionError):
                inner = None
            if isinstance(inner, (dict, list, str)):
                yield from leaves(inner, path)
        yield path, value


def as_text(value: Any) -> str:
    return clean_text(value) if isinstance(value, str) else json.dumps(value)


def canonical(text: str) -> str | None:
    """The address as RFC 5952 writes it, IPv4 for IPv4-mapped; None if it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def values_of(row: Row, *names: str) -> Iterator[tuple[str, Any]]:
    """The single values of ECS fields whose names match one of the patterns, lists taken apart."""
    pattern = re.compile("|".join(names) or ".*")
    for name, value in row.items():
        if not name.startswith(("microsoft.", "landing.")) and pattern.fullmatch(name):
            for each in value if isinstance(value, list) else [value]:
                yield name, each


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "long": (int,),
    "float": (float, int),
    "scaled_float": (float, int),
    "boolean": (bool,),
    "date": (str, datetime),
}


def types(row: Row, record: Record) -> Iterator[str]:
    """Fields of ECS, in its types, and lists where it says array; no list is empty or holds nulls."""
    for name, value in row.items():
        if name.startswith(("microsoft.", "landing.")) or name in SEED_FIELDS:
            continue
        if name not in ECS:
            yield f"{name} is no field of ECS"
            continue
        if isinstance(value, list) != (ECS[name]["normalize"] == "array"):
            yield f"{name} is {'a' if isinstance(value, list) else 'no'} list"
        if value == []:
            yield f"{name} is an empty list"
        for each in value if isinstance(value, list) else [value]:
            wanted = _PYTHON_TYPES.get(ECS[name]["type"], (str,))
            if not isinstance(each, wanted) or (isinstance(each, bool) and bool not in wanted):
                yield f"{name} is {each!r}"


def categories(row: Row, record: Record) -> Iterator[str]:
    """Allowed values of `event.kind`, category, type and outcome, and which types go with which category."""
    if row.get("event.kind") not in KINDS:
        yield f"event.kind is {row.get('event.kind')}"
    if row.get("event.outcome", "unknown") not in OUTCOMES:
        yield f"event.outcome is {row['event.outcome']}"
    for category in row.get("event.category", ()):
        for event_type in row.get("event.type", ()):
            if event_type not in EXPECTED_TYPES.get(category, "").split():
                yield f"event.type {event_type} with event.category {category}"


def identities(row: Row, record: Record) -> Iterator[str]:
    """`user.*`, `user.target.*`, `process.user.*` …: each of one account of the record."""
    prefixes = {
        name.rpartition(".")[0] for name, _ in values_of(row, r"(.*\.)?user(\.target|\.effective)?\.[a-z_]+")
    }
    for prefix in sorted(prefixes):
        found = {each: row[f"{prefix}.{each}"] for each in IDENTITY if f"{prefix}.{each}" in row}
        owners = [_owners_of(str(value).strip().lower(), record) for value in found.values()]
        if owners and not set.intersection(*owners):
            yield f"{prefix} is of no single account: {found}"


def _owners_of(text: str, record: Record) -> set[str]:
    """The accounts that have this text; of an address also those that have its name and its domain apart."""
    name, _, domain = text.rpartition("@")
    apart = record.owners.get(name, set()) & record.owners.get(domain, set())
    return record.owners.get(text, set()) | apart


_NAMED = {
    "file.path": "file.name",
    "process.executable": "process.name",
    "process.parent.executable": "process.parent.name",
    "dll.path": "dll.name",
}


def paths(row: Row, record: Record) -> Iterator[str]:
    """Every path ends in its name or is as sent; it was sent, whole or as folder and name."""
    for field, name_field in _NAMED.items():
        name, path = row.get(name_field), row.get(field)
        if name is not None and re.search(r"[\\/]", name):
            yield f"{name_field} is a path: {name}"
        if path is None:
            continue
        if name is not None and not _ends_in(path, name) and path not in record.texts:
            yield f"{field} {path} does not end in {name}"
        if path not in record.texts and not _is_joined(path, record):
            yield f"{field} {path} is nowhere in the record"


def _ends_in(path: str, name: str) -> bool:
    end = re.split(r"[\\/]", path)[-1].lower()
    return end == name.lower() or end.partition(":")[0] == name.lower()


def _is_joined(path: str, record: Record) -> bool:
    """Whether it is a folder that was sent, and a name that was sent, which the folder does not end in."""
    for place in (match.start() for match in re.finditer(r"[\\/]", path)):
        folder, name = path[:place], path[place + 1 :]
        is_sent = {folder, path[: place + 1]} & record.texts and name in record.texts
        if is_sent and not _ends_in(folder, name) and not re.search(r"[\\/]", name):
            return True
    stem, _, stream = path.rpartition(":")
    is_stream = len(stem) > 1 and bool(stream) and stream.lower() in record.whole
    return is_stream and (stem in record.texts or _is_joined(stem, record))


def hosts(row: Row, record: Record) -> Iterator[str]:
    """Every host and domain is made of host-name characters, in lower case, without a final dot."""
    for name, host in values_of(row, r"related\.hosts", r"(source|destination|client|server|url)\.domain"):
        plain = host.strip("[]") if name == "url.domain" else host
        if name == "url.domain" and canonical(plain) == plain:
            continue
        if not HOST.fullmatch(host) or host != host.lower() or canonical(host) or not re.search(r"\w", host):
            yield f"{name} is {host!r}"
        elif host not in record.whole and not _is_name_and_domain(host, record):
            yield f"{name} {host!r} is nowhere in the record"


def _is_name_and_domain(host: str, record: Record) -> bool:
    """Whether a name and a domain were sent, of which it is made."""
    name, _, domain = host.partition(".")
    return bool(domain) and name in record.whole and domain in record.whole


def addresses(row: Row, record: Record) -> Iterator[str]:
    """Every address is in its canonical form, and was sent."""
    for name, address in values_of(row, r".*\.(ip|resolved_ip|nat\.ip)"):
        if canonical(address) != address:
            yield f"{name} is {address!r}"
        elif address not in record.addresses:
            yield f"{name} {address} is nowhere in the record"


def hashes(row: Row, record: Record) -> Iterator[str]:
    """Every hash has its algorithm's length, in lower case, is not all zeros, and was sent."""
    for name, value in values_of(row, r".*\.hash\.(md5|sha\d+)", r"related\.hash"):
        length = LENGTHS.get(name.rpartition(".")[2])
        allowed = {length} if length else set(LENGTHS.values())
        if not re.fullmatch("[0-9a-f]+", value) or len(value) not in allowed or not value.strip("0"):
            yield f"{name} is {value!r}"
        elif value not in record.whole:
            yield f"{name} {value} is nowhere in the record"


def placeholders(row: Row, record: Record) -> Iterator[str]:
    """Nothing that stands for nothing: no placeholders, no pid or port of 0, no MAC of zeros."""
    for name, value in values_of(row):
        if isinstance(value, str) and name not in AS_SENT:
            plain = value.strip().lower()
            if plain in PLACEHOLDERS and not (plain == "null" and MAY_BE_NULL.fullmatch(name)):
                yield f"{name} is {value!r}"
            if plain == "unknown" and name.startswith(("host.", "device.")):
                yield f"{name} is {value!r}"
        if name.endswith((".pid", ".port")) and isinstance(value, int) and value <= 0:
            yield f"{name} is {value}"
        if name.endswith(".mac") and (
            not re.fullmatch("[0-9A-F]{2}(-[0-9A-F]{2}){5,7}", value) or not value.strip("0-")
        ):
            yield f"{name} is {value!r}"


def related(row: Row, record: Record) -> Iterator[str]:
    """What is in a field is in `related`, too, without repeats."""
    for name in ("related.ip", "related.hosts", "related.user", "related.hash"):
        values = row.get(name, [])
        if len(set(values)) < len(values):
            yield f"{name} repeats: {values}"
    for target, pattern in (
        ("related.ip", r"(source|destination|host|client|server)\.ip|dns\.resolved_ip"),
        ("related.hash", r"(file|process|process\.parent|dll)\.hash\.(md5|sha1|sha256)"),
        ("related.user", r"user(\.target)?\.(id|name|email)"),
    ):
        for name, value in values_of(row, pattern):
            if value not in row.get(target, ()):
                yield f"{name} {value!r} is not in {target}"
    known = {*row.get("related.hosts", ()), *row.get("related.ip", ())}
    for name, value in values_of(row, r"host\.name|(source|destination|url)\.domain"):
        is_host = HOST.fullmatch(value) and len(value) <= _LONGEST_HOST and canonical(value) is None
        if is_host and value not in known:
            yield f"{name} {value!r} is not in related.hosts"


RULES: dict[str, Callable[[Row, Record], Iterable[str]]] = {
    rule.__name__: rule
    for rule in (types, categories, identities, paths, hosts, addresses, hashes, placeholders, related)
}


def broken(row: Row, record: Record) -> list[str]:
    """What is broken in a row, by all rules."""
    return [f"{name}: {text}" for name, rule in RULES.items() for text in rule(row, record)]


_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?")


def lost(rows: Iterable[Row], record: Record) -> list[str]:
    """The values of the record that are in no typed column of its rows, nor in `unmapped`."""
    kept = {
        _comparable(value)
        for row in rows
        for name, column in row.items()
        if name.startswith(("microsoft.", "landing."))
        for _, value in leaves(column)
    }
    return [
        f"{path} {value!r} is lost"
        for path, value in record.leaves
        if value not in ("", "-", "N/A")
        and not _FORM.fullmatch(path)
        and not (isinstance(value, str) and value[:1] in ("{", "["))
        and _comparable(value) not in kept
    ]


_FORM = re.compile(r"(comments\[\d+\]\.)?@odata\.type|alerts\[.*")
"""What says only how the JSON is to be read; an incident's alerts, of which the rows of alerts have all."""


def _comparable(value: Any) -> Any:
    """Equal for what says the same: numbers and booleans as texts, times in microseconds."""
    if isinstance(value, str):
        if _TIME.fullmatch(value):
            head, _, digits = value.rstrip("Z").removesuffix("+00:00").replace(" ", "T").partition(".")
            return f"{head}.{digits[:6].ljust(6, '0')}"
        if value.lower() in ("true", "false"):
            return float(value.lower() == "true")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return clean_text(value) if isinstance(value, str) else value
