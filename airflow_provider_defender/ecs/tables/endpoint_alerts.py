"""Alerts of Defender for Endpoint (`GET /api/alerts?$expand=evidence`): one row an evidence item.

The properties are those of Microsoft's alert resource and of what is seen on the wire (`loggedOnUsers`,
`domains`, `registryValueName` are not documented).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import Any

import pyarrow as pa

from ..attack import tactics_of, techniques_in
from ..categories import EXPECTED_TYPES
from ..columns import (
    URL_PARTS,
    arguments,
    by_distinct,
    collect,
    difference_in_nanoseconds,
    join_known,
    lower,
    positive,
)
from ..mapping import Computed, Deviation, ListOf, Mapping, Shape
from ._endpoint_items import (
    account_fields,
    image_fields,
    is_process,
    item_registry,
    parent_fields,
    registry_fields,
    url_fields,
)
from ._items import registry_parts, said

__all__ = ["ENDPOINT_ALERTS", "is_process", "registry_fields", "registry_parts"]

_TEXTS = pa.list_(pa.string())

EVIDENCE = Shape(
    {
        "entityType": "string",
        "evidenceCreationTime": "time",
        "sha1": "string",
        "sha256": "string",
        "fileName": "string",
        "filePath": "string",
        "processId": "long",
        "processCommandLine": "string",
        "processCreationTime": "time",
        "parentProcessId": "long",
        "parentProcessCreationTime": "time",
        "parentProcessFileName": "string",
        "parentProcessFilePath": "string",
        "ipAddress": "string",
        "url": "string",
        "registryKey": "string",
        "registryHive": "string",
        "registryValueType": "string",
        "registryValue": "string",
        "registryValueName": "string",
        "accountName": "string",
        "domainName": "string",
        "userSid": "string",
        "aadUserId": "string",
        "userPrincipalName": "string",
        "detectionStatus": "string",
    }
)

ALERT = Shape(
    {
        "id": "string",
        "incidentId": "identifier",
        "investigationId": "identifier",
        "assignedTo": "string",
        "severity": "string",
        "status": "string",
        "classification": "string",
        "determination": "string",
        "investigationState": "string",
        "detectionSource": "string",
        "detectorId": "string",
        "category": "string",
        "threatFamilyName": "string",
        "title": "string",
        "description": "string",
        "alertCreationTime": "time",
        "firstEventTime": "time",
        "lastEventTime": "time",
        "lastUpdateTime": "time",
        "resolvedTime": "time",
        "machineId": "string",
        "computerDnsName": "string",
        "rbacGroupName": "string",
        "aadTenantId": "string",
        "threatName": "string",
        "mitreTechniques": ListOf("string"),
        "relatedUser": Shape({"userName": "string", "domainName": "string"}),
        "loggedOnUsers": ListOf(Shape({"accountName": "string", "domainName": "string"})),
        "comments": ListOf(Shape({"comment": "string", "createdBy": "string", "createdTime": "time"})),
        "domains": ListOf("string"),
        "evidence": ListOf(EVIDENCE),
    }
)

SEVERITIES: dict[str, tuple[int, int | None]] = {
    "unspecified": (0, None),
    "unknown": (0, None),
    "informational": (1, 21),
    "low": (2, 21),
    "medium": (3, 47),
    "high": (4, 73),
    "critical": (5, 99),
}
"""Severity in lower case → `event.severity` (seed's scale), `event.risk_score` (Elastic's newer scale).

Graph says unknown for what the Endpoint API calls unspecified."""

_CATEGORIES = ("host", "malware", "process", "file", "registry", "network", "iam")
"""The categories of endpoint alerts, in the order of `event.category`."""

ITEM_CATEGORIES = {
    "process": "process",
    "file": "file",
    "registry": "registry",
    "registrykey": "registry",
    "registryvalue": "registry",
    "ip": "network",
    "url": "network",
    "securitygroup": "iam",
}
"""The category of an item by its entity type in lower case; what is not here has none of its own."""

MALWARE_CATEGORIES = {"malware", "ransomware", "backdoor"}
"""Microsoft's categories, in lower case, of alerts about malware."""

_STATUS_TYPES = {"new": "start", "resolved": "end"}


def _known(text: str | None) -> str:
    return (text or "").lower()


def severity_numbers(severity: pa.Array) -> tuple[pa.Array, ...]:
    """`event.severity` on the seed's scale 0–5, `event.risk_score` on Elastic's 21–99; else null."""
    return by_distinct(
        lambda text: SEVERITIES.get(_known(text), (None, None)), (pa.int64(), pa.float64()), severity
    )


@lru_cache(maxsize=1024)
def _categories_and_types(entity: str, category: str, status: str) -> tuple[list[str], list[str]]:
    categories = ["host"]
    is_malware = category in MALWARE_CATEGORIES
    if is_malware:
        categories.append("malware")
    of_item = ITEM_CATEGORIES.get(entity)
    if of_item and not (is_malware and of_item == "registry"):
        categories.append(of_item)
    allowed = frozenset.intersection(*(EXPECTED_TYPES[name] for name in categories))
    wanted = {"access" if entity == "user" else "", _STATUS_TYPES.get(status, "")}
    types = sorted(wanted & allowed) or (["info"] if "info" in allowed else ["access"])
    return sorted(categories, key=_CATEGORIES.index), types


def categories_and_types(entity_type: pa.Array, category: pa.Array, status: pa.Array) -> tuple[pa.Array, ...]:
    """`event.category` and `event.type`, such that ECS expects each type with every category of the row."""
    return by_distinct(
        lambda *texts: _categories_and_types(*map(_known, texts)),
        (_TEXTS, _TEXTS),
        entity_type,
        category,
        status,
    )


def tactics(*categories: pa.Array) -> tuple[pa.Array, ...]:
    """`threat.tactic.id` and `.name` of the categories, texts or lists of them, that are MITRE's tactics."""

    def find(*values: str | list[str] | None) -> tuple[list[str] | None, list[str] | None]:
        found = tactics_of(
            *chain.from_iterable(each if isinstance(each, list) else [each] for each in values)
        )
        return ([each[0] for each in found], [each[1] for each in found]) if found else (None, None)

    return by_distinct(find, (_TEXTS, _TEXTS), *categories)


def techniques(identifiers: pa.Array) -> tuple[pa.Array, ...]:
    """`threat.technique.id` and `.subtechnique.id`: `T1059.001` is sub-technique T1059.001 of T1059.

    An id counts wherever it stands in a text, and what holds none is no technique.
    """

    def split(texts: list[str] | None) -> tuple[list[str] | None, list[str] | None]:
        values = [identifier for text in texts or () for identifier, _ in techniques_in(text)]
        parents = list(dict.fromkeys(value.partition(".")[0] for value in values))
        return parents or None, list(dict.fromkeys(value for value in values if "." in value)) or None

    return by_distinct(split, (_TEXTS, _TEXTS), identifiers)


def category_fields(category: pa.Array) -> tuple[pa.Array, ...]:
    """`event.action` and `threat.technique.name`: the category, where it says something."""
    (name,) = all_said(category)
    return name, collect(name)


def all_said(*members: pa.Array) -> tuple[pa.Array, ...]:
    """Members of enums, but for those that say nothing."""
    return tuple(by_distinct(lambda text: (said(text),), (pa.string(),), each)[0] for each in members)


def process_identity(machine: pa.Array, number: pa.Array, start_ticks: pa.Array) -> pa.Array:
    """An id that is unique among machines and times: `<machine>-<pid>-<start in 100 ns since 1970>`."""
    return join_known("-", machine, positive(number), start_ticks)


_CONSTANTS: dict[str, Any] = {
    "cloud.provider": "azure",
    "data_stream.dataset": "microsoft_defender_endpoint.log",
    "data_stream.namespace": "default",
    "data_stream.type": "logs",
    "event.dataset": "microsoft_defender_endpoint.log",
    "event.kind": "alert",
    "event.module": "microsoft_defender_endpoint",
    "event.provider": "defender_endpoint",
    "event.timezone": "UTC",
    "input.type": "httpjson",
    "observer.product": "Defender for Endpoint",
    "observer.vendor": "Microsoft",
    "tags": ["microsoft-defender-endpoint", "forwarded"],
    "threat.framework": "MITRE ATT&CK",
}

_COPIES = {
    "message": "title",
    "event.created": "alertCreationTime",
    "event.end": "lastEventTime",
    "event.id": "id",
    "event.start": "firstEventTime",
    "cloud.account.id": "aadTenantId",
    "cloud.instance.id": "machineId",
    "host.hostname": "computerDnsName",
    "host.id": "machineId",
    "process.command_line": "evidence.processCommandLine",
    "process.parent.start": "evidence.parentProcessCreationTime",
    "process.start": "evidence.processCreationTime",
    "registry.value": "evidence.registryValueName",
    "rule.description": "description",
    "rule.id": "detectorId",
    "url.original": "evidence.url",
}

_COMPUTED = (
    Computed(
        ("event.duration",),
        ("firstEventTime#ticks", "lastEventTime#ticks"),
        difference_in_nanoseconds,
        "End minus start in ns, from all seven digits of the texts; null if the end lies before the start.",
    ),
    Computed(
        ("event.severity", "event.risk_score"),
        ("severity",),
        severity_numbers,
        "Unspecified 0, Informational 1, Low 2, Medium 3, High 4, Critical 5; the risk score is 21, 21, 47, "
        "73, 99, and null for Unspecified.",
    ),
    Computed(
        ("event.category", "event.type"),
        ("evidence.entityType", "category", "status"),
        categories_and_types,
        "Category host, malware by the alert's category, and process, file, registry, network or iam by the "
        "item. Type start for New, end for Resolved, access for a user's item, but only what ECS expects "
        "with every category of the row; else info (access for registry items: ECS has no info there).",
    ),
    Computed(("host.name",), ("computerDnsName",), lower, "In lower case."),
    Computed(
        ("event.action", "threat.technique.name"),
        ("category",),
        category_fields,
        "Not `null` (as the older API writes), None or Unknown. It is the technique's name, too, as the seed "
        "has it, though rather a tactic's.",
    ),
    Computed(
        ("observer.name", "threat.software.name"),
        ("detectionSource", "threatFamilyName"),
        all_said,
        "Not `null`, None or Unknown.",
    ),
    Computed(
        ("threat.tactic.id", "threat.tactic.name"),
        ("category",),
        tactics,
        "Where the category is one of MITRE's tactics, by name.",
    ),
    Computed(
        ("threat.technique.id", "threat.technique.subtechnique.id"),
        ("mitreTechniques",),
        techniques,
        "Ids wherever they stand, each once; T1059.001 is sub-technique T1059.001 of technique T1059.",
    ),
    Computed(
        (
            *("user.name", "user.domain", "user.email", "user.id"),
            *("process.user.name", "process.user.id", "related.user"),
        ),
        (
            "evidence.entityType",
            "relatedUser.userName",
            "relatedUser.domainName",
            "evidence.accountName",
            "evidence.domainName",
            "evidence.userPrincipalName",
            "evidence.userSid",
            "evidence.aadUserId",
            "loggedOnUsers.accountName",
        ),
        account_fields,
        "user.* is one identity: the alert's relatedUser, else the item's account. Id (the SID, else Entra's "
        "object id) and address are the item's account's, so they are there only where it is the same "
        "account: by name and domain, or by its user principal name. process.user.* is the account that a "
        "process item ran as. related.user has the alert's user, the item's account with its ids, the users "
        "logged on; not the analysts (assignedTo, comments), or every alert of an analyst would be related.",
    ),
    Computed(
        (
            *("file.name", "file.directory", "file.path", "file.extension", "file.fork_name"),
            *("file.hash.sha1", "file.hash.sha256", "process.name", "process.executable"),
            *("process.hash.sha1", "process.hash.sha256", "related.hash"),
        ),
        (
            "evidence.entityType",
            "evidence.filePath",
            "evidence.fileName",
            "evidence.sha1",
            "evidence.sha256",
        ),
        image_fields,
        "filePath is the directory, or already the path; the path is directory, separator, name; a name with "
        "a separator is the path. Of `a.txt:b` the name is a.txt, fork_name b. Hashes: of the algorithm's "
        "length only, in lower case. process.* only for process items, whose file is the process's image.",
    ),
    Computed(
        ("process.args", "process.args_count"),
        ("evidence.processCommandLine",),
        arguments,
        "The command line split at blanks; double quotes hold blanks together.",
    ),
    Computed(("process.pid",), ("evidence.processId",), positive, "0 stands for none."),
    Computed(("process.parent.pid",), ("evidence.parentProcessId",), positive, "0 stands for none."),
    Computed(
        ("process.entity_id",),
        ("machineId", "evidence.processId", "evidence.processCreationTime#ticks"),
        process_identity,
        "Machine, pid and start, because a pid alone comes again.",
    ),
    Computed(
        ("process.parent.entity_id",),
        ("machineId", "evidence.parentProcessId", "evidence.parentProcessCreationTime#ticks"),
        process_identity,
        "Machine, pid and start.",
    ),
    Computed(
        ("process.parent.name", "process.parent.executable"),
        ("evidence.parentProcessFilePath", "evidence.parentProcessFileName"),
        parent_fields,
        "The name without its path; directory, separator, name.",
    ),
    Computed(
        ("registry.hive", "registry.key", "registry.path", "registry.data.type", "registry.data.strings"),
        (
            "evidence.registryHive",
            "evidence.registryKey",
            "evidence.registryValueName",
            "evidence.registryValueType",
            "evidence.registryValue",
        ),
        item_registry,
        "The hive abbreviated (HKLM), the key without its hive, the type as REG_SZ and so on, but not None "
        "where there are no data, nor Unknown; the value's data.",
    ),
    Computed(
        ("url.full", *(f"url.{part}" for part in URL_PARTS), "related.ip", "related.hosts"),
        ("evidence.url", "evidence.ipAddress", "computerDnsName", "domains"),
        url_fields,
        "The URL's parts, null where it is none, or its host is no name and no address; url.full only with a "
        "scheme. related.ip has valid addresses only, as RFC 5952 writes them, the item's and the URL's; "
        "related.hosts the machine (lower case), the URL's host, the alert's domains.",
    ),
)

_DEVIATIONS = (
    Deviation(
        "@timestamp",
        "2023-09-22T03:31:55.887Z in the sample",
        "alertCreationTime",
        "The sample shows the time of collection; the seed's own field table says alertCreationTime.",
    ),
    Deviation(
        "agent.*, elastic_agent.*, event.agent_id_status",
        "the Elastic agent that collected the alert",
        "no such columns",
        "No Elastic agent takes part.",
    ),
    Deviation(
        "data_stream.namespace",
        "ep",
        "default",
        "The sample's is a test installation's; the default is default.",
    ),
    Deviation("ecs.version", "8.11.0", "9.4.0", "The ECS that the fields are checked against."),
    Deviation(
        "event.created, event.start, event.end, microsoft.defender_endpoint.lastUpdateTime",
        "texts with up to seven digits",
        "timestamps in microseconds",
        "Dates are timestamps in Parquet; event.original and landing.version keep the texts, event.duration "
        "the 100 ns.",
    ),
    Deviation(
        "event.ingested", "2023-09-22T03:31:58Z", "the run's start", "It says when this project took it in."
    ),
    Deviation(
        "event.module, event.original, event.risk_score, host.id, rule.id, threat.tactic.*, "
        "threat.technique.id, user.email",
        "not in the sample",
        "filled",
        "The record behind the sample has them (or they are constants); the sample's pipeline dropped them.",
    ),
    Deviation(
        "file.path",
        "filePath",
        "directory, separator, name",
        "Microsoft's filePath is the directory; ECS wants the whole path. file.directory has filePath.",
    ),
    Deviation(
        "microsoft.defender_endpoint.*",
        "only what has no ECS field",
        "every property of the API",
        "So nothing is lost in mapping, and file and process of an item stay together.",
    ),
    Deviation(
        "related.user",
        "temp123",
        "temp123, name, the account's UPN, SID and Entra id",
        "The item's account is another one than the alert's user; both belong here, with their ids.",
    ),
    Deviation(
        "related.ip, microsoft.defender_endpoint.evidence.ipAddress",
        "type ip",
        "strings, only valid addresses in related.ip",
        "Parquet has no ip type; what Microsoft sends stays in its own column.",
    ),
)

ENDPOINT_ALERTS = Mapping(
    source="endpoint_alerts",
    dataset="alerts",
    shape=ALERT,
    container="microsoft.defender_endpoint",
    times=("alertCreationTime", "firstEventTime", "lastUpdateTime"),
    key="id",
    version="lastUpdateTime",
    tenant="aadTenantId",
    items="evidence",
    constants=_CONSTANTS,
    copies=_COPIES,
    computed=_COMPUTED,
    deviations=_DEVIATIONS,
)
"""The mapping of source `endpoint_alerts`."""
