"""Azure Monitor's diagnostic records that share a hub: sign-ins, audit and activity logs, logs of resources.

The common columns are those of Microsoft's schema of resource logs; what a category says besides stands in
`properties`, and who calls in `identity`. Of these, only what Microsoft Entra's sign-in and audit logs, the
activity log and Key Vault are known to have is read.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import addresses, by_distinct, collect, first_known, lower_guid, only_ip, only_where
from ...mapping import Computed, Mapping, Shape
from ..graph.parts import account_fields
from ..graph.related import related_of
from ..graph.values import Item, child, children, text
from .cloud_resources import RESOURCE_FIELDS, resource_of
from .functions import TEXTS, actions, json_items

__all__ = ["AZURE_MONITOR"]

_COLUMNS = """
time resourceId tenantId category operationName operationVersion resultType resultSignature resultDescription
durationMs callerIpAddress correlationId level location identity properties
"""
_TYPES = {
    "time": "time",
    "resultType": "identifier",
    "resultSignature": "identifier",
    "durationMs": "identifier",
    "level": "identifier",
    "identity": "dynamic",
    "properties": "dynamic",
}

_GOOD = frozenset({"success", "succeeded", "ok", "passed"})
_BAD = frozenset(
    {"failure", "failed", "error", "denied", "unauthorized", "forbidden", "timeout", "clienterror"}
)
_FIRST_ERROR = 400
"""Of HTTP's status codes."""


def outcome(category: pa.Array, result: pa.Array, signature: pa.Array, properties: pa.Array) -> pa.Array:
    """`event.outcome`: by resultType, else by `result` in the properties, else by resultSignature."""
    return by_distinct(_outcome, (pa.string(),), category, result, signature, properties)[0]


def _outcome(
    category: str | None, result: str | None, signature: str | None, properties: str | None
) -> tuple[str]:
    said = (result, text(_object(properties), "result"), signature)
    found = (_meaning(each, is_sign_in=_is_sign_in(category)) for each in said)
    return (next((each for each in found if each is not None), "unknown"),)


def _meaning(said: str | None, *, is_sign_in: bool) -> str | None:
    """Words, numbers of errors (of sign-ins, where 0 is none), or status codes of HTTP."""
    word = (said or "").strip().lower()
    if word.isascii() and word.isdigit():
        limit = 1 if is_sign_in else _FIRST_ERROR
        return "success" if int(word) < limit else "failure"
    head = word.partition(".")[0].strip()  # Failed.Forbidden
    return "success" if head in _GOOD else "failure" if head in _BAD else None


def _is_sign_in(category: str | None) -> bool:
    return (category or "").lower().endswith("signinlogs")


def _object(json: str | None) -> Item:
    """The JSON object that a text is; empty if it is none."""
    items = json_items(json) if json is not None and json[:1] == "{" else []
    return items[0] if items and isinstance(items[0], dict) else {}


def categories(category: pa.Array, operation: pa.Array, properties: pa.Array) -> tuple[pa.Array, ...]:
    """`event.category` and `event.type`; null for logs of which nothing is known."""
    return by_distinct(_categories, (TEXTS, TEXTS), category, operation, properties)


def _categories(
    category: str | None, operation: str | None, properties: str | None
) -> tuple[list[str] | None, list[str] | None]:
    name, words = (category or "").lower(), (operation or "").lower()
    if _is_sign_in(category):
        return ["authentication"], ["start"]
    if name == "auditlogs":
        about = {
            (text(each, "type") or "").lower() for each in children(_object(properties), "targetResources")
        }
        types = [_change(words), *(each for each in ("group", "user") if each in about)]
        return ["iam"], list(dict.fromkeys(types))
    if name == "administrative":
        return ["configuration"], [_VERBS.get(words.rpartition("/")[2], "info")]
    return None, None


_VERBS = {"write": "change", "delete": "deletion", "read": "access"}
_FIRST_WORDS = {
    "add": "creation",
    "create": "creation",
    "delete": "deletion",
    "hard": "deletion",
    "change": "change",
    "disable": "change",
    "enable": "change",
    "remove": "change",
    "reset": "change",
    "restore": "change",
    "set": "change",
    "update": "change",
}


def _change(operation: str) -> str:
    """`Add user` creates; `Add member to group` changes the group."""
    if " to " in operation or " from " in operation:
        return "change"
    return _FIRST_WORDS.get(operation.partition(" ")[0], "info")


def duration(milliseconds: pa.Array) -> pa.Array:
    """`event.duration` in ns; 0 stands for what was not measured."""

    def find(said: str | None) -> tuple[int | None]:
        digits = (said or "").strip()
        number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS else 0
        return (number * 1_000_000 or None,)

    return by_distinct(find, (pa.int64(),), milliseconds)[0]


_DIGITS = 12
"""Of milliseconds: more are no duration."""

_CLAIMS = {
    "azureAdUserId": ("http://schemas.microsoft.com/identity/claims/objectidentifier", "oid"),
    "userPrincipalName": ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "upn"),
    "displayName": ("name",),
}
"""Property of an account → the claims that say it."""


def _claimed(identity: Item) -> Item:
    claims = child(identity, "claims") or child(identity, "claim")
    account = {name: text(claims, *keys) for name, keys in _CLAIMS.items()}
    return {**account, "application": text(claims, "appid")} if account["azureAdUserId"] else account


def _signed_in(properties: Item) -> Item:
    person = {
        "azureAdUserId": text(properties, "userId"),
        "userPrincipalName": text(properties, "userPrincipalName"),
        "displayName": text(properties, "userDisplayName"),
    }
    return person if any(person.values()) else _application(properties)


def _application(item: Item) -> Item:
    name = text(item, "servicePrincipalName", "displayName")
    identifier, application = text(item, "servicePrincipalId"), text(item, "appId")
    return {"accountName": name, "azureAdUserId": identifier or application, "application": application}


def _initiator(properties: Item) -> Item:
    by = child(properties, "initiatedBy")
    user = child(by, "user")
    return _person(user) if user else _application(child(by, "app"))


def _person(item: Item) -> Item:
    return {
        "azureAdUserId": text(item, "id"),
        "userPrincipalName": text(item, "userPrincipalName"),
        "displayName": text(item, "displayName"),
    }


_ACCOUNT = ("domain", "email", "full_name", "id", "name")
_FIELDS = (
    *(f"user.{name}" for name in _ACCOUNT),
    *(f"user.target.{name}" for name in _ACCOUNT),
    "group.id",
    "group.name",
    "event.id",
    "source.geo.city_name",
    "source.geo.country_iso_code",
    "source.geo.region_name",
    "user_agent.original",
)


def details(
    category: pa.Array, resource: pa.Array, identity: pa.Array, properties: pa.Array
) -> tuple[pa.Array, ...]:
    """What identity and properties say: the fields of `_FIELDS`, then `related.user`."""
    types = (*(pa.string() for _ in _FIELDS), TEXTS)
    return by_distinct(_details, types, category, resource, identity, properties)


def _details(
    category: str | None, resource: str | None, identity: str | None, properties: str | None
) -> tuple[Any, ...]:
    said, name = _object(properties), (category or "").lower()
    found: Item = {}
    target: Item = {}
    if _is_sign_in(category):
        who = _signed_in(said)
        found |= _place(child(said, "location"))
        found["user_agent.original"] = text(said, "userAgent")
    elif name == "auditlogs":
        who = _initiator(said)
        resources = children(said, "targetResources")
        target = next((each for each in resources if _kind(each) == "user"), {})
        group: Item = next((each for each in resources if _kind(each) == "group"), {})
        found |= {"group.id": lower_guid(text(group, "id")), "group.name": text(group, "displayName")}
    else:
        who = _claimed(_object(identity))
    if "microsoft.aadiam" in (resource or "").lower():
        found["event.id"] = text(said, "id")
    who, acted = _with_lower_guids(who), _with_lower_guids(_person(target))
    actor, acted_upon = account_fields(who), account_fields(acted, "user.target")
    related = [*_users(actor), *filter(None, [who.get("application")]), *_users(acted_upon)]
    found = {**actor, **acted_upon, **found}
    return (*(found.get(field) for field in _FIELDS), list(dict.fromkeys(related)) or None)


def _with_lower_guids(account: Item) -> Item:
    """The account with its ids in the one spelling that all tables have."""
    return {name: lower_guid(value) for name, value in account.items()}


def _kind(resource: Item) -> str:
    return (text(resource, "type") or "").lower()


def _users(fields: Item) -> list[str]:
    return related_of(fields).get("related.user", [])


_CODE_LENGTH = 2


def _place(location: Item) -> Item:
    """A sign-in's place, whose country is a code."""
    code = text(location, "countryOrRegion") or ""
    is_code = len(code) == _CODE_LENGTH and code.isascii() and code.isalpha()
    return {
        "source.geo.city_name": text(location, "city"),
        "source.geo.country_iso_code": code.upper() if is_code else None,
        "source.geo.region_name": text(location, "state"),
    }


def caller(address: pa.Array, category: pa.Array, properties: pa.Array) -> tuple[pa.Array, ...]:
    """`source.ip`, `source.address` and `related.ip`: the column, of sign-ins else the one in properties."""

    def find(name: str | None, said: str | None) -> tuple[str | None]:
        return (text(_object(said), "ipAddress") if _is_sign_in(name) else None,)

    if address.null_count:
        unknown = only_where(pc.is_null(address), properties)
        address = first_known(address, by_distinct(find, (pa.string(),), category, unknown)[0])
    plain = only_ip(address)
    return plain, addresses(address), collect(plain)


AZURE_MONITOR = Mapping(
    source="event_hub/AzureMonitor",
    dataset="events/AzureMonitor",
    shape=Shape({name: _TYPES.get(name, "string") for name in _COLUMNS.split()}),  # type: ignore[misc]
    container="microsoft.azure_monitor",
    times=("time",),
    tenant="tenantId",
    constants={
        "data_stream.dataset": "azure_monitor.log",
        "data_stream.namespace": "default",
        "data_stream.type": "logs",
        "event.dataset": "azure_monitor.log",
        "event.kind": "event",
        "event.module": "azure_monitor",
        "event.timezone": "UTC",
        "observer.vendor": "Microsoft",
        "tags": ["azure-monitor", "forwarded"],
    },
    copies={
        "event.provider": "category",
        "event.reason": "resultDescription",
        "organization.id": "tenantId",
    },
    computed=(
        Computed(("event.action",), ("operationName",), actions, "The operation, in lower case."),
        Computed(
            ("event.category", "event.type"),
            ("category", "operationName", "properties"),
            categories,
            "authentication/start for sign-ins, iam for AuditLogs, configuration for Administrative; null "
            "for other logs. Types by the operation's verb, and by what it is about.",
        ),
        Computed(
            ("event.outcome",),
            ("category", "resultType", "resultSignature", "properties"),
            outcome,
            "By resultType (of sign-ins 0 is success; else a word, or a status of HTTP), else by `result` in "
            "properties, else by resultSignature; else unknown.",
        ),
        Computed(
            ("event.duration",), ("durationMs",), duration, "In ns; 0 stands for what was not measured."
        ),
        Computed(RESOURCE_FIELDS, ("resourceId",), resource_of, "By the resource's id."),
        Computed(
            ("source.ip", "source.address", "related.ip"),
            ("callerIpAddress", "category", "properties"),
            caller,
            "Where the caller is; of sign-ins else `ipAddress` in properties; `source.address` keeps what is "
            "no IP address.",
        ),
        Computed(
            (*_FIELDS, "related.user"),
            ("category", "resourceId", "identity", "properties"),
            details,
            "Of sign-ins the user, or the application that signs in, and its place; of AuditLogs who acts "
            "(`initiatedBy`), the first user acted upon (`user.target`) and the first group; else the claims "
            "of identity. `event.id` is that of Microsoft Entra's logs.",
        ),
    ),
)
"""Azure Monitor's diagnostic records: the common columns, the rest as it came."""
