"""Alerts of Defender for Endpoint (`GET /api/alerts?$expand=evidence`): one row an evidence item.

The properties are those of Microsoft's alert resource and of what is seen on the wire (`loggedOnUsers`,
`domains`, `registryValueName` are not documented).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .._attack import category_names, tactic_of, techniques_in
from ..columns import (
    URL_PARTS,
    by_distinct,
    collect,
    difference_in_nanoseconds,
    file_parts,
    file_paths,
    first_known,
    join_known,
    lower,
    only_ip,
    only_where,
    url_parts,
)
from ..mapping import Computed, Deviation, ListOf, Mapping, Shape

__all__ = ["ENDPOINT_ALERTS"]

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
    "informational": (1, 21),
    "low": (2, 21),
    "medium": (3, 47),
    "high": (4, 73),
    "critical": (5, 99),
}
"""Severity in lower case → `event.severity` (seed's scale), `event.risk_score` (Elastic's newer scale)."""

HIVES = {
    "hkey_classes_root": "HKCR",
    "hkey_current_config": "HKCC",
    "hkey_current_user": "HKCU",
    "hkey_dyn_data": "HKDD",
    "hkey_local_machine": "HKLM",
    "hkey_performance_data": "HKPD",
    "hkey_users": "HKU",
}
"""Registry hives and the abbreviations that ECS uses."""

REGISTRY_TYPES = {
    "binary": "REG_BINARY",
    "dword": "REG_DWORD",
    "expandstring": "REG_EXPAND_SZ",
    "multistring": "REG_MULTI_SZ",
    "none": "REG_NONE",
    "qword": "REG_QWORD",
    "string": "REG_SZ",
}
"""The type names of .NET, as Microsoft writes them, and the standard names that ECS asks for."""

EXPECTED_TYPES: dict[str, frozenset[str]] = {
    "host": frozenset({"access", "change", "end", "info", "start"}),
    "malware": frozenset({"info"}),
    "process": frozenset({"access", "change", "end", "info", "start"}),
    "file": frozenset({"access", "change", "creation", "deletion", "info"}),
    "registry": frozenset({"access", "change", "creation", "deletion"}),
    "network": frozenset({"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"}),
    "iam": frozenset({"admin", "change", "creation", "deletion", "group", "info", "user"}),
}
"""Event types that ECS 9.4.0 expects with each category."""

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
    return sorted(categories, key=list(EXPECTED_TYPES).index), types


def categories_and_types(entity_type: pa.Array, category: pa.Array, status: pa.Array) -> tuple[pa.Array, ...]:
    """`event.category` and `event.type`, such that ECS expects each type with every category of the row."""
    return by_distinct(
        lambda *texts: _categories_and_types(*map(_known, texts)),
        (_TEXTS, _TEXTS),
        entity_type,
        category,
        status,
    )


def tactic(category: pa.Array) -> tuple[pa.Array, ...]:
    """`threat.tactic.id` and `.name` where the category is the name of a MITRE tactic, or of several."""

    def find(text: str | None) -> tuple[list[str] | None, list[str] | None]:
        names = map(tactic_of, category_names(text))
        found = list(dict.fromkeys(each for each in names if each))
        return ([each[0] for each in found], [each[1] for each in found]) if found else (None, None)

    return by_distinct(find, (_TEXTS, _TEXTS), category)


def techniques(identifiers: pa.Array) -> tuple[pa.Array, ...]:
    """`threat.technique.id` and `.subtechnique.id`: `T1059.001` is sub-technique T1059.001 of T1059.

    An id counts wherever it stands in a text, and what holds none is no technique.
    """

    def split(texts: list[str] | None) -> tuple[list[str] | None, list[str] | None]:
        values = [identifier for text in texts or () for identifier, _ in techniques_in(text)]
        parents = list(dict.fromkeys(value.partition(".")[0] for value in values))
        return parents or None, list(dict.fromkeys(value for value in values if "." in value)) or None

    return by_distinct(split, (_TEXTS, _TEXTS), identifiers)


def as_list(column: pa.Array) -> pa.Array:
    """Each value as a list of one."""
    return collect(column)


def user_names(
    related_name: pa.Array, related_domain: pa.Array, name: pa.Array, domain: pa.Array, principal: pa.Array
) -> tuple[pa.Array, ...]:
    """`user.name`, `user.domain`, `user.email`: of the alert's user, else of the item's account.

    The address is the account's user principal name, where the account is the one that `user.name` names.
    """
    user_domain = pc.if_else(pc.is_valid(related_name), related_domain, domain)
    same = pc.or_kleene(pc.is_null(related_name), pc.equal(related_name, name))
    address = pc.and_(pc.fill_null(same, False), pc.fill_null(pc.match_substring(principal, "@"), False))
    return first_known(related_name, name), user_domain, only_where(address, principal)


def is_process(entity_type: pa.Array) -> pa.Array:
    """Whether the item is a process."""
    return pc.equal(pc.utf8_lower(entity_type), "process")


def image_fields(
    entity_type: pa.Array, directory: pa.Array, name: pa.Array, sha1: pa.Array, sha256: pa.Array
) -> tuple[pa.Array, ...]:
    """`file.directory`, `.path`, `.extension`; of processes also `process.name`, `.executable`, `.hash.*`."""
    process = is_process(entity_type)
    file = file_parts(directory, name)
    return (*file, *(only_where(process, column) for column in (name, file[1], sha1, sha256)))


def parent_executable(directory: pa.Array, name: pa.Array) -> pa.Array:
    """The whole path of the parent's image."""
    return file_paths(directory, name)[1]


def process_account(entity_type: pa.Array, sid: pa.Array, name: pa.Array) -> tuple[pa.Array, ...]:
    """`process.user.id` and `.name`: the account that a process item ran as."""
    process = is_process(entity_type)
    return only_where(process, sid), only_where(process, name)


def process_identity(machine: pa.Array, number: pa.Array, start_ticks: pa.Array) -> pa.Array:
    """An id that is unique among machines and times: `<machine>-<pid>-<start in 100 ns since 1970>`."""
    return join_known("-", machine, number, start_ticks)


def registry_fields(
    hive: pa.Array, key: pa.Array, value: pa.Array, value_type: pa.Array
) -> tuple[pa.Array, ...]:
    """`registry.hive`, `.key`, `.path`, `.data.type`; the hive as ECS abbreviates it, the key without it."""
    return by_distinct(_registry, (pa.string(),) * 4, hive, key, value, value_type)


def _registry(
    hive: str | None, key: str | None, value: str | None, value_type: str | None
) -> tuple[str | None, ...]:
    head, _, rest = (key or "").partition("\\")
    if head.lower() in HIVES:
        hive, key = hive or head, rest
    short = HIVES.get(_known(hive), hive)
    path = "\\".join(part for part in (short, key, value) if part) if key else None
    return short, key, path, REGISTRY_TYPES.get(_known(value_type), value_type)


def url_and_addresses(
    url: pa.Array, address: pa.Array, name: pa.Array, domains: pa.Array
) -> tuple[pa.Array, ...]:
    """`url.*`, then `related.ip` and `related.hosts`: of item, URL, machine and the alert's domains."""
    parts = url_parts(url)
    host = parts[list(URL_PARTS).index("domain")]
    host_address = only_ip(host)
    host_name = only_where(pc.is_null(host_address), host)
    return *parts, collect(only_ip(address), host_address), collect(lower(name), host_name, domains)


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
    "event.action": "category",
    "event.created": "alertCreationTime",
    "event.end": "lastEventTime",
    "event.id": "id",
    "event.start": "firstEventTime",
    "cloud.account.id": "aadTenantId",
    "cloud.instance.id": "machineId",
    "file.hash.sha1": "evidence.sha1",
    "file.hash.sha256": "evidence.sha256",
    "file.name": "evidence.fileName",
    "host.hostname": "computerDnsName",
    "host.id": "machineId",
    "observer.name": "detectionSource",
    "process.command_line": "evidence.processCommandLine",
    "process.parent.name": "evidence.parentProcessFileName",
    "process.parent.pid": "evidence.parentProcessId",
    "process.parent.start": "evidence.parentProcessCreationTime",
    "process.pid": "evidence.processId",
    "process.start": "evidence.processCreationTime",
    "registry.value": "evidence.registryValueName",
    "rule.description": "description",
    "rule.id": "detectorId",
    "threat.software.name": "threatFamilyName",
    "url.full": "evidence.url",
    "url.original": "evidence.url",
    "user.id": "evidence.userSid",
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
        ("threat.technique.name",),
        ("category",),
        as_list,
        "As the seed has it, though it is rather a tactic.",
    ),
    Computed(
        ("threat.tactic.id", "threat.tactic.name"),
        ("category",),
        tactic,
        "Where the category is one of MITRE's tactics, by name.",
    ),
    Computed(
        ("threat.technique.id", "threat.technique.subtechnique.id"),
        ("mitreTechniques",),
        techniques,
        "Ids wherever they stand, without repeats; T1059.001 is sub-technique T1059.001 of technique T1059.",
    ),
    Computed(
        ("user.name", "user.domain", "user.email"),
        (
            "relatedUser.userName",
            "relatedUser.domainName",
            "evidence.accountName",
            "evidence.domainName",
            "evidence.userPrincipalName",
        ),
        user_names,
        "The alert's user, else the item's account; the address where both are the same account.",
    ),
    Computed(
        (
            "file.directory",
            "file.path",
            "file.extension",
            "process.name",
            "process.executable",
            "process.hash.sha1",
            "process.hash.sha256",
        ),
        (
            "evidence.entityType",
            "evidence.filePath",
            "evidence.fileName",
            "evidence.sha1",
            "evidence.sha256",
        ),
        image_fields,
        "filePath is the directory; the path is directory, separator, name. process.* only for process "
        "items, whose file is the process's image.",
    ),
    Computed(
        ("process.entity_id",),
        ("machineId", "evidence.processId", "evidence.processCreationTime#ticks"),
        process_identity,
        "Machine, pid and start, because a pid alone comes again.",
    ),
    Computed(
        ("process.user.id", "process.user.name"),
        ("evidence.entityType", "evidence.userSid", "evidence.accountName"),
        process_account,
        "The account that a process item ran as.",
    ),
    Computed(
        ("process.parent.entity_id",),
        ("machineId", "evidence.parentProcessId", "evidence.parentProcessCreationTime#ticks"),
        process_identity,
        "Machine, pid and start.",
    ),
    Computed(
        ("process.parent.executable",),
        ("evidence.parentProcessFilePath", "evidence.parentProcessFileName"),
        parent_executable,
        "Directory, separator, name.",
    ),
    Computed(
        ("registry.hive", "registry.key", "registry.path", "registry.data.type"),
        (
            "evidence.registryHive",
            "evidence.registryKey",
            "evidence.registryValueName",
            "evidence.registryValueType",
        ),
        registry_fields,
        "The hive abbreviated (HKLM), the key without its hive, the type as REG_SZ and so on.",
    ),
    Computed(("registry.data.strings",), ("evidence.registryValue",), as_list, "The value's data."),
    Computed(("related.hash",), ("evidence.sha1", "evidence.sha256"), collect, "The item's hashes."),
    Computed(
        (*(f"url.{part}" for part in URL_PARTS), "related.ip", "related.hosts"),
        ("evidence.url", "evidence.ipAddress", "computerDnsName", "domains"),
        url_and_addresses,
        "The URL's parts, null where it is none. related.ip has valid addresses only, the item's and the "
        "URL's; related.hosts the machine (lower case), the URL's host, the alert's domains.",
    ),
    Computed(
        ("related.user",),
        (
            "relatedUser.userName",
            "evidence.accountName",
            "evidence.userPrincipalName",
            "evidence.userSid",
            "evidence.aadUserId",
            "loggedOnUsers.accountName",
        ),
        collect,
        "The alert's user, the item's account with its ids, the users logged on. Not the analysts "
        "(assignedTo, comments), or every alert of an analyst would be related.",
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
        "threat.technique.id",
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
