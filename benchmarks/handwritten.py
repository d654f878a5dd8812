"""The obvious way to do the same by hand: orjson, one dict a row, `Table.from_pylist`.

It fills the same fields by the same rules for alerts as documented, and nothing else: no odd values, no
`unmapped`, no slices, no columns for Graph.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

import orjson
import pyarrow as pa

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.attack import TACTICS
from airflow_provider_defender.ecs.categories import EXPECTED_TYPES
from airflow_provider_defender.ecs.fields import leaf_fields, nested_schema
from airflow_provider_defender.ecs.tables._items import HIVES, REGISTRY_TYPES
from airflow_provider_defender.ecs.tables.endpoint_alerts import SEVERITIES

CONSTANTS = ecs.find_mapping("endpoint_alerts").constants


def schema() -> pa.Schema:
    """The fields that are filled, without those that wait for Graph."""
    mapping = ecs.find_mapping("endpoint_alerts")
    leaves = leaf_fields(ecs.schema("alerts"))
    kept = {name: leaves[name] for name in leaves if name in mapping.fields or name.startswith("landing.")}
    return nested_schema({**kept, mapping.container: mapping.container_type})


SCHEMA = schema()


def moment(text: str | None) -> datetime | None:
    if not text:
        return None
    head, _, fraction = text.rstrip("Z").partition(".")
    microseconds = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return datetime.fromisoformat(head).replace(microsecond=microseconds, tzinfo=timezone.utc)


def ticks(text: str) -> int:
    head, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(head).replace(tzinfo=timezone.utc).timestamp())
    return seconds * 10_000_000 + (int(fraction.ljust(7, "0")) if fraction else 0)


def some(*values: Any) -> list[Any] | None:
    return list(dict.fromkeys(value for value in values if value)) or None


def path_of(directory: str | None, name: str | None) -> str | None:
    if not directory or not name:
        return None
    separator = "/" if directory.startswith("/") else "\\"
    return directory.rstrip(separator) + separator + name


def categories_and_types(alert: dict[str, Any], kind: str | None) -> tuple[list[str], list[str]]:
    categories = ["host"]
    if alert["category"] in ("Malware", "Ransomware"):
        categories.append("malware")
    own = {"Process": "process", "File": "file", "Ip": "network", "Url": "network", "Registry": "registry"}
    if kind in own and not (kind == "Registry" and len(categories) > 1):
        categories.append(own[kind])
    types = ["access"] if kind == "User" else []
    types += ["start"] if alert["status"] == "New" else ["end"] if alert["status"] == "Resolved" else []
    allowed = set.intersection(*(set(EXPECTED_TYPES[name]) for name in categories))
    return categories, [name for name in types if name in allowed] or (
        ["info"] if "info" in allowed else ["access"]
    )


def is_ip(text: str | None) -> bool:
    try:
        return bool(text and ipaddress.ip_address(text))
    except ValueError:
        return False


def alert_part(alert: dict[str, Any], tenant: str) -> dict[str, Any]:
    severity, score = SEVERITIES[alert["severity"].lower()]
    techniques = alert["mitreTechniques"]
    tactic = TACTICS.get((alert["category"] or "").lower())
    own = {
        **alert,
        "incidentId": str(alert["incidentId"]),
        "investigationId": alert["investigationId"] and str(alert["investigationId"]),
        "comments": [{**each, "createdTime": moment(each["createdTime"])} for each in alert["comments"]],
    }
    for name in ("alertCreationTime", "firstEventTime", "lastEventTime", "lastUpdateTime", "resolvedTime"):
        own[name] = moment(alert[name])
    return {
        "@timestamp": own["alertCreationTime"],
        "message": alert["title"],
        "tags": CONSTANTS["tags"],
        "ecs": {"version": ecs.ECS_VERSION},
        "event": {
            "kind": "alert",
            "action": alert["category"],
            "id": alert["id"],
            "provider": "defender_endpoint",
            "dataset": CONSTANTS["event.dataset"],
            "module": CONSTANTS["event.module"],
            "timezone": "UTC",
            "severity": severity,
            "risk_score": score,
            "created": own["alertCreationTime"],
            "start": own["firstEventTime"],
            "end": own["lastEventTime"],
            "duration": (ticks(alert["lastEventTime"]) - ticks(alert["firstEventTime"])) * 100,
        },
        "data_stream": {"type": "logs", "dataset": CONSTANTS["data_stream.dataset"], "namespace": "default"},
        "cloud": {
            "provider": "azure",
            "account": {"id": alert["aadTenantId"]},
            "instance": {"id": alert["machineId"]},
        },
        "observer": {
            "name": alert["detectionSource"],
            "product": CONSTANTS["observer.product"],
            "vendor": "Microsoft",
        },
        "host": {
            "id": alert["machineId"],
            "hostname": alert["computerDnsName"],
            "name": alert["computerDnsName"].lower(),
        },
        "rule": {"id": alert["detectorId"], "description": alert["description"]},
        "threat": {
            "framework": "MITRE ATT&CK",
            "tactic": {"id": [tactic[0]], "name": [tactic[1]]} if tactic else None,
            "technique": {
                "id": some(*(each.partition(".")[0] for each in techniques)),
                "name": [alert["category"]],
                "subtechnique": {"id": some(*(each for each in techniques if "." in each))},
            },
            "software": {"name": alert["threatFamilyName"]},
        },
        "input": {"type": "httpjson"},
        "microsoft": {"defender_endpoint": own},
        "landing": {
            "source": "endpoint_alerts",
            "log": f"endpoint_alerts-{tenant}",
            "tenant": tenant,
            "key": f"{tenant}/{alert['id']}",
            "version": alert["lastUpdateTime"],
            "updated": moment(alert["lastUpdateTime"]),
            "time_origin": "record",
        },
    }


def item_part(alert: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    related = alert["relatedUser"]
    process = item["entityType"] == "Process"
    path = path_of(item["filePath"], item["fileName"])
    hashes = {"sha1": item["sha1"], "sha256": item["sha256"]}
    created, parent_created = moment(item["processCreationTime"]), moment(item["parentProcessCreationTime"])
    name = item["fileName"] or ""
    hive = HIVES.get((item["registryHive"] or "").lower(), item["registryHive"])
    registry_path = [hive, item["registryKey"], item["registryValueName"]]
    value_type = item["registryValueType"]
    url = urlsplit(item["url"]) if item["url"] else None
    same = related is None or related["userName"] == item["accountName"]
    return {
        "process": {
            "pid": item["processId"],
            "entity_id": f"{alert['machineId']}-{item['processId']}-{ticks(item['processCreationTime'])}"
            if created
            else None,
            "name": item["fileName"] if process else None,
            "executable": path if process else None,
            "command_line": item["processCommandLine"],
            "start": created,
            "hash": hashes if process else None,
            "user": {"id": item["userSid"], "name": item["accountName"]} if process else None,
            "parent": {
                "pid": item["parentProcessId"],
                "entity_id": f"{alert['machineId']}-{item['parentProcessId']}-"
                f"{ticks(item['parentProcessCreationTime'])}"
                if parent_created
                else None,
                "name": item["parentProcessFileName"],
                "executable": path_of(item["parentProcessFilePath"], item["parentProcessFileName"]),
                "start": parent_created,
            },
        },
        "file": {
            "name": item["fileName"],
            "path": path,
            "directory": item["filePath"],
            "extension": name.rpartition(".")[2].lower() if "." in name else None,
            "hash": hashes,
        },
        "registry": {
            "hive": hive,
            "key": item["registryKey"],
            "value": item["registryValueName"],
            "path": "\\".join(filter(None, registry_path)) or None,
            "data": {
                "strings": some(item["registryValue"]),
                "type": REGISTRY_TYPES.get((value_type or "").lower(), value_type),
            },
        },
        "url": {
            "full": item["url"],
            "original": item["url"],
            "scheme": url.scheme,
            "domain": url.hostname,
            "port": url.port,
            "path": url.path,
            "query": url.query or None,
            "fragment": url.fragment or None,
            "username": url.username,
            "password": url.password,
        }
        if url
        else None,
        "user": {
            "id": item["userSid"],
            "name": related["userName"] if related else item["accountName"],
            "domain": related["domainName"] if related else item["domainName"],
            "email": item["userPrincipalName"] if same else None,
        },
        "related": {
            "ip": [item["ipAddress"]] if is_ip(item["ipAddress"]) else None,
            "user": some(
                related and related["userName"],
                item["accountName"],
                item["userPrincipalName"],
                item["userSid"],
                item["aadUserId"],
                *(each["accountName"] for each in alert["loggedOnUsers"]),
            ),
            "hash": some(item["sha1"], item["sha256"]),
            "hosts": some(alert["computerDnsName"].lower(), url and url.hostname, *alert["domains"]),
        },
    }


def table_of(records: Sequence[bytes], tenant: str) -> pa.Table:
    """The rows of alerts."""
    rows = []
    for record in records:
        alert = orjson.loads(record)
        shared = alert_part(alert, tenant)
        own = shared["microsoft"]["defender_endpoint"]
        for number, item in enumerate(alert["evidence"]):
            times = ("evidenceCreationTime", "processCreationTime", "parentProcessCreationTime")
            evidence = {**item, **{name: moment(item[name]) for name in times}}
            category, types = categories_and_types(alert, item["entityType"])
            event = {**shared["event"], "category": category, "type": types}
            if number == 0:
                event["original"] = record.decode()
            rows.append(
                {
                    **shared,
                    **item_part(alert, item),
                    "event": event,
                    "microsoft": {"defender_endpoint": {**own, "evidence": evidence}},
                    "landing": {**shared["landing"], "item": number},
                }
            )
    return pa.Table.from_pylist(rows, SCHEMA)
