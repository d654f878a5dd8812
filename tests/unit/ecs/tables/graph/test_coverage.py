"""Every property of all types of evidence lands, and what is in no ECS field is listed with the reason.

The items have every property of Microsoft's metadata, each with a value of its own, so that a value in an ECS
field tells which property it comes from.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.tables.graph.evidence import EVIDENCE
from airflow_provider_defender.ecs.tables.graph.fields import EVIDENCE_FIELDS, EVIDENCE_NOTES
from airflow_provider_defender.timestamps import parse_ticks
from tests.golden import cases
from tests.golden.cases import rows_of
from tests.unit.ecs.helpers.graph_records import EVIDENCE_TYPES, alert, full, leaves

CONTAINER = "microsoft.graph_security."
ROOT = Path(__file__).parents[5]

_REASONS = r"""
\w+:(createdDateTime|remediationStatus|remediationStatusDetails|verdict|roles|detailedRoles|tags)
  What Microsoft thinks of the item and did with it. The roles say where its addresses and accounts go.
(.*[:.])?stream\.name
  The name of a data stream of Microsoft's own.
.*location\.(latitude|longitude)
  ECS has a geo_point for them, for which Parquet has no type that all engines read.
ipEvidence:location\..*
(nic|ioTDevice)Evidence:.*ipAddress\.location\..*
(kubernetes\w+|container)Evidence:.*(podIp|clusterIP|externalIPs)\.location\..*
dnsEvidence:ipAddresses\.location\..*
  ECS has a place of a source or a destination, and none of an address without such a role.
.*resourceAccessEvents\..*
  What was reached elsewhere, and when: events of their own. An address is in related.ip.
.*[uU]serAccount\.tenantId
  The account's tenant; that of the alert is cloud.account.id.
(deviceEvidence:|.*host\.)(defenderAvStatus|healthStatus|onboardingStatus|firstSeenDateTime|rbacGroup(Id|Name))
  The state of the machine's antivirus and sensor, and how the portal groups machines.
(deviceEvidence:|.*host\.)(dnsDomain|hostName|loggedOnUsers\.\w+)
  Parts of the names in host.name and related.user; domains of users who did not act.
(deviceEvidence:|.*host\.)vmMetadata\.(cloudProvider|resourceId)
  The machine's name, id and subscription, which the resource's id consists of, are in cloud.*.
.*detectionStatus
  Whether the file or process was stopped.
.*[fF]ile(Details)?\.(filePublisher|issuer|sha256Ac)
  A second name of the signer, and the certificate's issuer. A sha256Ac is in related.hash, if it is a hash.
.*(imageFile|arentProcessImageFile)\.(fileSize|signer)
  Of a parent's image and of an image beside a file, ECS has neither size nor, here, signer.
malwareEvidence:files\.mdeDeviceId
  The host is that of the process, where both name one.
malwareEvidence:category
  Microsoft's word for the kind of malware; event.action has the alert's category.
fileHashEvidence:algorithm
blobEvidence:fileHashes\.algorithm
  The name of the ECS field says it.
registry\w+Evidence:registry(Hive|ValueType)
  In ECS' abbreviations.
\w+LogonSessionEvidence:(previousLogonDateTime|startUtcDateTime|endUtcDateTime|protocol|sessionId)
cloudLogonRequestEvidence:requestId
  ECS has no session or logon with an id and times of its own; the protocol is none of a network.
oauthApplicationEvidence:publisher
servicePrincipalEvidence:(appOwnerTenantId|servicePrincipalType|tenantId)
  Whose the application is, and its kind.
securityGroupEvidence:\w+
  Further ids and names of the group.
analyzedMessageEvidence:(attachmentsCount|urlCount|language|threat\w+|urn|delivery\w+|p[12]Sender\.displayName)
  What the filter counted, found and did; display names are no addresses.
mailClusterEvidence:\w+
  What the mails of the cluster have in common.
submissionMailEvidence:(reportType|submissionDateTime|submissionId)
  About the report, not the mail.
mailboxEvidence:displayName
  The account's display name counts before the mailbox's.
mailboxConfigurationEvidence:configuration(Id|Type)
  Which setting of the mailbox it is.
teamsMessageEvidence:(campaignId|channelId|delivery\w+|is\w+|lastModifiedDateTime|owningTenantId)
teamsMessageEvidence:(parentMessageId|source\w+|thread\w+|files\.mdeDeviceId)
  Properties that only Teams has; ECS knows mail.
aiAgentEvidence:(hostingPlatformType|instructions)
  ECS has neither an agent's platform nor its instructions.
cloudApplicationEvidence:(instanceId|instanceName|saasAppId)
  ECS has one id and one name of a service.
.*(cloudResource|storageResource|ioTHub)\.resource(Name|Type)
  Of the resource that something else belongs to, only the place counts.
blobEvidence:(etag|blobContainer\.name)
  The URL has the container; the etag tells versions of the blob apart.
gitHub\w+Evidence:(company|email|webUrl|owner|ownerType)
  An organization is no user; of a user, only a page about it.
googleCloudResourceEvidence:(locationType|projectNumber)
  Says how to read the location; the project has an id.
ioTDeviceEvidence:(devicePageLink|deviceSubType|importance|ioTSecurityAgentId|is\w+|nics\.vlans|protocols)
ioTDeviceEvidence:(purdueLayer|sensor|site|source|sourceRef\.url|zone)
  What only Defender for IoT says of a device.
sasTokenEvidence:(allowed\w+|expiryDateTime|startDateTime|permissions|protocol|signedWith)
  What the token allows.
(kubernetes\w+|container)Evidence:(.*\.)?(distribution|platform)
  The make of the cluster, from which only the cloud follows.
(kubernetes\w+|container)Evidence:(.*\.)?(namespace|controller)\.labels\.\w+
  ECS has labels of the resource itself.
containerEvidence:pod\.(controller|serviceAccount)\..*
kubernetesPodEvidence:(controller|serviceAccount)\..*
  Of what belongs to a pod, ECS has the controller's kind; the account's name is in related.user.
containerEvidence:(args|command)
  How the container was started; ECS has no such field.
kubernetesPodEvidence:(containers|initContainers|ephemeralContainers)\..*
  None of several containers is the one. container.* is filled where a pod has only one.
container(Image)?Evidence:(image\.)?digestImage\.imageId
  Another name of the image, which has one already; a digest would be in container.image.hash.all.
kubernetesServiceEvidence:(selector\.\w+|servicePorts\.\w+|serviceType)
  How the service finds and reaches its pods.
"""


def _patterns() -> dict[str, str]:
    """`type:path`, as a regular expression → why it is in no ECS field."""
    found: dict[str, str] = {}
    waiting: list[str] = []
    for line in _REASONS.strip().splitlines():
        if line.startswith("  "):
            found.update(dict.fromkeys(waiting, line.strip()))
            waiting = []
        else:
            waiting.append(line)
    return found


RAW_ONLY = _patterns()
"""What is only in `microsoft.graph_security`."""


@cache
def mapped(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A full item of a type, and its row."""
    item = full(name)
    (row,) = rows_of("graph_alerts", alert(item))["alerts"]
    return item, row


def in_ecs(value: Any, row: dict[str, Any]) -> bool:
    """Whether a value stands in an ECS field: as it is, in its form, or as a part or a whole of it."""
    texts = {str(value).lower(), str(value).replace(":", "-").lower()}
    ticks = parse_ticks(value) if isinstance(value, str) else None
    for name, found in row.items():
        if name.startswith(("microsoft.", "landing.", "event.cat")):
            continue
        for each in map(str, found if isinstance(found, list) else [found]):
            if ticks is not None and parse_ticks(each) == ticks:
                return True
            lowered = each.lower()
            if any(text in lowered or (len(lowered) > 5 and lowered in text) for text in texts):
                return True
    return False


@cache
def in_no_field(name: str) -> tuple[str, ...]:
    """`type:path` of the properties whose values are in no ECS field."""
    item, row = mapped(name)
    paths = [
        path for path, value in leaves(item) if not path.endswith("@odata.type") and not in_ecs(value, row)
    ]
    return tuple(dict.fromkeys(f"{name}:{path}" for path in paths))


def test_there_is_a_function_for_each_type() -> None:
    assert set(EVIDENCE) == set(EVIDENCE_TYPES)
    assert len(EVIDENCE_TYPES) == 48


@pytest.mark.parametrize("name", EVIDENCE_TYPES)
def test_each_property_lands_with_its_value(name: str) -> None:
    item, row = mapped(name)
    assert f"{CONTAINER}unmapped" not in row
    columns = {key.lower(): value for key, value in row.items()}
    for key, value in item.items():
        column = "odata_type" if key == "@odata.type" else key.lower()
        assert same(columns.get(f"{CONTAINER}evidence.{column}"), value), key


def same(column: Any, value: Any) -> bool:
    """Whether a column holds a JSON value: as such, as text, as JSON text, as a time."""
    if column == value:
        return True
    if isinstance(column, str) and isinstance(value, (dict, list)):
        return bool(json.loads(column) == value)
    if isinstance(column, str) and isinstance(value, str):
        return parse_ticks(column) == parse_ticks(value) is not None
    return bool(column == str(value))


@pytest.mark.parametrize("name", EVIDENCE_TYPES)
def test_a_property_is_in_an_ecs_field_or_listed_with_the_reason(name: str) -> None:
    assert [
        path for path in in_no_field(name) if not any(re.fullmatch(each, path) for each in RAW_ONLY)
    ] == []


def test_no_reason_is_left_over() -> None:
    paths = [path for name in EVIDENCE_TYPES for path in in_no_field(name)]
    assert [each for each in RAW_ONLY if not any(re.fullmatch(each, path) for path in paths)] == []


def test_of_a_type_yet_unknown_everything_lands() -> None:
    item = {**full("userEvidence"), "@odata.type": "#microsoft.graph.security.quantumEvidence", "qubits": 7}
    record = json.dumps(alert(item)).encode()
    table = ecs.map_records("graph_alerts", [record]).tables["alerts"]
    (row,) = table.column("microsoft").combine_chunks().field("graph_security").to_pylist()
    assert row["evidence"]["odata_type"] == "#microsoft.graph.security.quantumEvidence"
    assert json.loads(row["evidence"]["userAccount"]) == item["userAccount"]
    assert json.loads(row["unmapped"]) == {"evidence": {"qubits": 7}}


def test_the_docs_give_every_reason() -> None:
    page = (ROOT / "docs/mapping/graph_alerts.md").read_text("utf-8")
    assert [reason for reason in dict.fromkeys(RAW_ONLY.values()) if f"| {reason} |" not in page] == []


def test_each_derived_field_has_a_note_of_its_own() -> None:
    assert set(EVIDENCE_NOTES) == set(EVIDENCE_FIELDS)
    assert [note for note in EVIDENCE_NOTES.values() if not re.fullmatch(r"\S.*\S[.]?", note)] == []


def test_each_declared_field_is_filled_by_some_type() -> None:
    """By a golden case, or else a full item."""
    fields = {name for case in cases.paths(filters=["graph_alerts/"]) for name in _filled(cases.read(case))}
    fields.update(name for each in EVIDENCE_TYPES for name in mapped(each)[1])
    assert set(EVIDENCE_FIELDS) - fields == set()


def _filled(case: dict[str, Any]) -> set[str]:
    return {name for rows in case["rows"].values() for row in rows for name in row}
