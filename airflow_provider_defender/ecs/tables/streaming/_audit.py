"""CloudAuditEvents: who acted, and what Kubernetes' own audit records say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ...columns import by_distinct, canonical_ip, known_text
from ._accounts import NOBODY, Account, completed, parse_account
from .cloud_resources import cluster_of
from .functions import TEXTS, json_items

__all__ = [
    "AUDIT_ACCOUNT_FIELDS",
    "AUDIT_ACCOUNT_INPUTS",
    "KUBERNETES_FIELDS",
    "KUBERNETES_INPUTS",
    "RAW_AUDIT_KEYS",
    "audit_account",
    "audit_outcome",
    "kubernetes_request",
    "source_addresses",
]

_RAW_ACCOUNT_KEYS = ("caller", "claims", "userIdentity", "protoPayload", "user", "impersonatedUser")
_RAW_KUBERNETES_KEYS = ("apiVersion", "objectRef", "responseStatus", "requestURI")
RAW_AUDIT_KEYS = (
    *_RAW_ACCOUNT_KEYS,
    *_RAW_KUBERNETES_KEYS,
    *("sourceIPs", "userAgent", "awsRegion", "recipientAccountId", "errorCode", "resultType", "status"),
)
"""The keys of RawEventData that are read: `caller` and `claims` are Azure's, `userIdentity` is Amazon's,
`protoPayload` Google's, the others are Kubernetes'."""

AUDIT_ACCOUNT_FIELDS = (
    "user.id",
    "user.name",
    "user.domain",
    "user.email",
    "user.full_name",
    *(f"user.effective.{part}" for part in ("id", "name", "domain", "email")),
    "related.user",
)
"""What `audit_account` gives."""
AUDIT_ACCOUNT_INPUTS = ("Account", *(f"RawEventData.{key}" for key in _RAW_ACCOUNT_KEYS))
"""The inputs of `audit_account`."""

_CLAIMS = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def audit_account(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """Who acted, as in `AUDIT_ACCOUNT_FIELDS`.

    Args:
        columns: those of `AUDIT_ACCOUNT_INPUTS`.
    """
    return by_distinct(_audit_account, (*(pa.string(),) * 9, TEXTS), *columns)


def _audit_account(text: str | None, *raw: str | None) -> tuple[Any, ...]:
    values = dict(zip(_RAW_ACCOUNT_KEYS, raw, strict=True))
    own = parse_account(text)
    said = _said(values)
    account = own if own != NOBODY else said
    if own != NOBODY and _is_same(own, said):
        account = completed(own, said)
    other = _object(values["impersonatedUser"])
    effective = parse_account(_text(other, "username"))
    effective = effective._replace(id=effective.id or _text(other, "uid"))
    related = [text if own != NOBODY else None, *account[:2], account.email, account.full_name]
    related += [effective.id, effective.name, effective.email]
    return (
        *account[:5],
        *effective[:4],
        list(dict.fromkeys(each for each in related if each)) or None,
    )


def _is_same(first: Account, second: Account) -> bool:
    """Whether two texts name one account: by id, address or name."""
    return any(
        mine and theirs and mine.lower() == theirs.lower()
        for mine, theirs in ((first.id, second.id), (first.email, second.email), (first.name, second.name))
    )


def _said(values: Mapping[str, str | None]) -> Account:
    """The account by the cloud's own record."""
    claims = _object(values["claims"])
    if claims or values["caller"]:
        caller = parse_account(values["caller"])
        named = parse_account(_text(claims, "name"))
        return caller._replace(
            id=caller.id or parse_account(_text(claims, _CLAIMS)).id,
            full_name=_text(claims, "name") if not named.email else None,
        )
    if identity := _object(values["userIdentity"]):
        account = parse_account(_text(identity, "arn"))
        return account._replace(name=_text(identity, "userName") or account.name)
    if payload := _object(values["protoPayload"]):
        found = payload.get("authenticationInfo")
        return parse_account(_text(found, "principalEmail") if isinstance(found, dict) else None)
    user = _object(values["user"])
    account = parse_account(_text(user, "username"))
    return account._replace(id=account.id or _text(user, "uid"))


_STATUS_CODES = range(100, 600)

KUBERNETES_FIELDS = (
    "orchestrator.type",
    "orchestrator.api_version",
    "orchestrator.namespace",
    "orchestrator.resource.id",
    "orchestrator.resource.name",
    "orchestrator.resource.type",
    "orchestrator.cluster.id",
    "orchestrator.cluster.name",
    "http.response.status_code",
    "url.original",
)
"""What `kubernetes_request` gives."""
_RESOURCE_IDS = ("AzureResourceId", "AwsResourceName", "GcpFullResourceName", "ResourceId")
KUBERNETES_INPUTS = (
    "DataSource",
    *_RESOURCE_IDS,
    *(f"RawEventData.{key}" for key in _RAW_KUBERNETES_KEYS),
)
"""The inputs of `kubernetes_request`."""


def kubernetes_request(data_source: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """What a request to Kubernetes was about, as in `KUBERNETES_FIELDS`, and the cluster of a resource.

    Args:
        data_source: names Kubernetes where its own audit record is in RawEventData.
        columns: ids of resources, and parts of that record, as in `KUBERNETES_INPUTS`.
    """
    clusters = cluster_of(*columns[: len(_RESOURCE_IDS)])
    types = (*(pa.string(),) * 6, pa.int64(), pa.string())
    raw = columns[len(_RESOURCE_IDS) :]
    orchestrator, *found = by_distinct(_request, types, data_source, clusters[0], *raw)
    return orchestrator, *found[:5], *clusters, *found[5:]


def _request(
    data_source: str | None,
    cluster: str | None,
    version: str | None,
    reference: str | None,
    status: str | None,
    address: str | None,
) -> tuple[Any, ...]:
    is_event = (version or "").startswith("audit.k8s.io/")
    if not is_event and "kubernetes" not in (data_source or "").lower():
        return ("kubernetes" if cluster else None, *(None,) * 7)
    about = _object(reference)
    group, api = _text(about, "apiGroup"), _text(about, "apiVersion")
    code = _object(status).get("code")
    return (
        "kubernetes",
        f"{group}/{api}" if group and api else api,
        _text(about, "namespace"),
        _text(about, "uid"),
        _text(about, "name"),
        _text(about, "resource"),
        code if isinstance(code, int) and code in _STATUS_CODES else None,
        address,
    )


_RESULTS = {
    **dict.fromkeys(("success", "succeeded"), "success"),
    **dict.fromkeys(("failure", "failed"), "failure"),
}
_FIRST_FAILURE = 400


def audit_outcome(
    response: pa.Array, result: pa.Array, status: pa.Array, error: pa.Array, amazon: pa.Array
) -> tuple[pa.Array, pa.Array]:
    """`event.outcome` and `error.code`.

    Args:
        response: Kubernetes' answer, with the status code of HTTP.
        result: Azure's result, `Success` or `Failure`; others say nothing of the end.
        status: the same in an object, as `value`, or a text.
        error: Amazon's error code; its record has none where the request succeeded.
        amazon: who acted, by which Amazon's records are known.
    """

    def find(*texts: str | None) -> tuple[str | None, str | None]:
        answer, said, state, failed, actor = texts
        code = _object(answer).get("code")
        if isinstance(code, int) and code in _STATUS_CODES:
            return "failure" if code >= _FIRST_FAILURE else "success", None
        if failed or actor:
            return "failure" if failed else "success", failed
        known = said or _text(_object(state), "value") or state
        return _RESULTS.get((known or "").lower()), None

    return by_distinct(find, (pa.string(),) * 2, response, result, status, error, amazon)


def source_addresses(address: pa.Array, others: pa.Array) -> tuple[pa.Array, ...]:
    """`source.address`, `source.ip`, `related.ip`: the column, else the first that Kubernetes names."""

    def find(text: str | None, listed: str | None) -> tuple[Any, ...]:
        texts = [text, *(each for each in json_items(listed) if isinstance(each, str))]
        known = [each.strip() for each in texts if each and each.strip()]
        found = [canonical_ip(each) for each in known]
        first = found[0] if found else None
        return (
            first or (known[0] if known else None),
            first,
            list(dict.fromkeys(each for each in found if each)) or None,
        )

    return by_distinct(find, (pa.string(), pa.string(), TEXTS), address, others)


def _object(text: str | None) -> dict[str, Any]:
    return next((each for each in json_items(text) if isinstance(each, dict)), {})


def _text(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    return known_text(found) if isinstance(found, str) else None
