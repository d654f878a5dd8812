"""The alerts about the attack: in both APIs, all in one incident, and in the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_defender.simulator.attack.cast import Cast, Process, local_address
from airflow_provider_defender.simulator.attack.people import display_name
from airflow_provider_defender.simulator.attack.rows import Event
from airflow_provider_defender.simulator.defender.catalogue import EVIDENCE_PROPERTIES, Device, Person
from airflow_provider_defender.simulator.defender.tenant import Tenant
from airflow_provider_defender.simulator.defender.versions import wire_time
from airflow_provider_defender.simulator.graph.evidence.base import evidence
from airflow_provider_defender.simulator.graph.portal import Portal

__all__ = ["alert_events", "alert_ids", "raise_alerts"]

_Item = dict[str, Any]


@dataclass(frozen=True)
class _Alert:
    """What all products say of one alert."""

    alert_id: str
    title: str
    category: str
    severity: str
    techniques: Mapping[str, str]
    """Ids and names."""
    product: str
    """As `ServiceSource` in AlertInfo names it."""
    begun: int
    ended: int
    device: Device | None = None
    items: Sequence[_Item] = ()
    """Its evidence: of Defender for Endpoint as the alerts API has it, else as Graph has it."""


def raise_alerts(tenant: Tenant, cast: Cast) -> None:
    """Add the alerts to a tenant, as of now: both APIs show those of Defender for Endpoint."""
    for alert in _endpoint_alerts(cast):
        _raise_in_endpoint(tenant, cast, alert)
    portal = Portal.of(tenant)
    for alert in _other_alerts(cast):
        _raise_in_graph(portal, cast, alert)


def alert_ids(cast: Cast) -> dict[str, str]:
    """What an alert is about → its id, the same in all sources: script, movement, mail, sign-in."""
    known = (f"da{cast.guid('script')}_1", f"da{cast.guid('movement')}_1")
    return dict(
        zip(
            ("script", "movement", "mail", "sign-in"),
            (*known, f"fa{cast.guid('mail alert')}", f"ad{cast.guid('sign-in alert').replace('-', '')}"),
            strict=True,
        )
    )


# -- Defender for Endpoint


def _endpoint_alerts(cast: Cast) -> tuple[_Alert, _Alert]:
    ids, at = alert_ids(cast), cast.before(5)
    on_desktop = (
        _user(cast.victim, at),
        _process(cast.powershell, at),
        _process(cast.updater, at),
        _item("File", at, **_file(cast.document), detectionStatus="Detected"),
        _item("Ip", at, ipAddress=cast.address),
        _item("Url", at, url=cast.url),
    )
    on_server = (
        _process(cast.updater_on_server, at),
        _user(cast.victim, at),
        _item("Ip", at, ipAddress=local_address(cast.desktop)),
    )
    return (
        _Alert(
            ids["script"],
            "Suspicious PowerShell command line",
            "Execution",
            "Medium",
            {"T1059.001": "PowerShell", "T1105": "Ingress Tool Transfer"},
            "Microsoft Defender for Endpoint",
            cast.powershell.started,
            cast.nltest.started,
            cast.desktop,
            on_desktop,
        ),
        _Alert(
            ids["movement"],
            "Possible lateral movement using remote services",
            "LateralMovement",
            "High",
            {"T1021.002": "SMB/Windows Admin Shares"},
            "Microsoft Defender for Endpoint",
            cast.net.started,
            cast.cmd.started,
            cast.server,
            on_server,
        ),
    )


def _item(entity: str, at: int, **known: Any) -> _Item:
    own = {"entityType": entity, "evidenceCreationTime": wire_time(at)}
    return {**dict.fromkeys(EVIDENCE_PROPERTIES), **own, **known}


def _user(person: Person, at: int) -> _Item:
    return _item(
        "User",
        at,
        accountName=person.account,
        domainName=person.domain,
        userSid=person.sid,
        aadUserId=person.aad_id,
        userPrincipalName=person.principal,
    )


def _file(program: Any) -> dict[str, Any]:
    return {
        "fileName": program.name,
        "filePath": program.folder,
        "sha1": program.hashes["sha1"],
        "sha256": program.hashes["sha256"],
    }


def _process(process: Process, at: int) -> _Item:
    parent, owner = process.parent, process.account
    known = {
        **_file(process.program),
        "processId": process.pid,
        "processCommandLine": process.command,
        "processCreationTime": wire_time(process.started),
        "detectionStatus": "Detected",
    }
    if parent is not None:
        known |= {
            "parentProcessId": parent.pid,
            "parentProcessCreationTime": wire_time(parent.started),
            "parentProcessFileName": parent.program.name,
            "parentProcessFilePath": parent.program.folder,
        }
    if owner is not None:
        known |= {"accountName": owner.account, "domainName": owner.domain, "userSid": owner.sid}
    return _item("Process", at, **known)


def _raise_in_endpoint(tenant: Tenant, cast: Cast, alert: _Alert) -> None:
    device, person = alert.device or cast.desktop, cast.victim
    tenant.add_alert(
        id=alert.alert_id,
        incidentId=cast.incident,
        title=alert.title,
        description=f"{alert.title}, begun by a document from an e-mail.",
        category=alert.category,
        severity=alert.severity,
        status="New",
        detectionSource="WindowsDefenderAtp",
        threatFamilyName=None,
        threatName=None,
        mitreTechniques=list(alert.techniques),
        firstEventTime=wire_time(alert.begun),
        lastEventTime=wire_time(alert.ended),
        machineId=device.machine_id,
        computerDnsName=device.name,
        rbacGroupName=device.group,
        relatedUser={"userName": person.account, "domainName": person.domain},
        loggedOnUsers=[{"accountName": person.account, "domainName": person.domain}],
        evidence=list(alert.items),
    )


# -- the other products


def _other_alerts(cast: Cast) -> tuple[_Alert, _Alert]:
    ids, sent, signed_in = alert_ids(cast), cast.before(70), cast.before(40)
    at, found = wire_time(cast.before(19)), wire_time(signed_in)
    user: dict[str, Any] = {"userAccount": _account(cast.victim), "stream": None}
    mail = (
        evidence(
            "analyzedMessageEvidence", at, verdict="malicious", remediation="remediated", **_message(cast)
        ),
        evidence("urlEvidence", at, verdict="malicious", url=cast.url),
        evidence("userEvidence", at, verdict="suspicious", roles=("attacked",), **user),
    )
    place: dict[str, Any] = {
        "ipAddress": cast.address,
        "countryLetterCode": "NL",
        "location": {"countryName": "NL", "city": "Amsterdam"},
        "stream": None,
    }
    sign_in = (
        evidence("userEvidence", found, verdict="suspicious", roles=("compromised",), **user),
        evidence("ipEvidence", found, verdict="suspicious", roles=("attacker",), **place),
    )
    return (
        _Alert(
            ids["mail"],
            "Email messages containing malicious URL removed after delivery",
            "InitialAccess",
            "Informational",
            {"T1566.002": "Spearphishing Link"},
            "Microsoft Defender for Office 365",
            sent,
            cast.before(20),
            None,
            mail,
        ),
        _Alert(
            ids["sign-in"],
            "Unfamiliar sign-in properties",
            "InitialAccess",
            "High",
            {"T1078.004": "Cloud Accounts"},
            "Microsoft Entra ID Protection",
            signed_in,
            signed_in,
            None,
            sign_in,
        ),
    )


_IN_GRAPH = {
    "Microsoft Defender for Office 365": "microsoftDefenderForOffice365",
    "Microsoft Entra ID Protection": "azureAdIdentityProtection",
}


def _account(person: Person) -> dict[str, Any]:
    return {
        "accountName": person.account,
        "domainName": person.domain.lower(),
        "userSid": person.sid,
        "azureAdUserId": person.aad_id,
        "userPrincipalName": person.principal,
        "displayName": display_name(person),
        "activeDirectoryObjectGuid": None,
        "tenantId": None,
        "resourceAccessEvents": [],
    }


def _message(cast: Cast) -> dict[str, Any]:
    domain = cast.sender.partition("@")[2]
    return {
        "networkMessageId": cast.network_message_id,
        "internetMessageId": cast.internet_message_id,
        "subject": cast.subject,
        "language": "en",
        "senderIp": cast.address,
        "recipientEmailAddress": cast.victim.principal,
        "antiSpamDirection": "Inbound",
        "deliveryAction": "Delivered",
        "deliveryLocation": "Quarantine",
        "urn": f"urn:MailEntity:{cast.guid('mail entity').replace('-', '')}",
        "threats": ["ZapPhish"],
        "threatDetectionMethods": ["UrlReputation"],
        "urls": [cast.url],
        "urlCount": 1,
        "attachmentsCount": 1,
        "receivedDateTime": wire_time(cast.before(70)),
        "p1Sender": {
            "emailAddress": f"bounce@{domain}",
            "displayName": "Accounts payable",
            "domainName": domain,
        },
        "p2Sender": {
            "emailAddress": cast.sender,
            "displayName": "Accounts payable",
            "domainName": domain,
        },
    }


def _raise_in_graph(portal: Portal, cast: Cast, alert: _Alert) -> None:
    source = _IN_GRAPH[alert.product]
    portal.add_alert(
        source,
        evidence=list(alert.items),
        incident=str(cast.incident),
        id=alert.alert_id,
        providerAlertId=alert.alert_id[2:],
        status="new",
        title=alert.title,
        description=f"{alert.title}.",
        category=alert.category,
        categories=[alert.category],
        severity=alert.severity.lower(),
        detectionSource=source,
        mitreTechniques=list(alert.techniques),
        firstActivityDateTime=wire_time(alert.begun),
        lastActivityDateTime=wire_time(alert.ended),
        alertWebUrl=f"https://security.microsoft.com/alerts/{alert.alert_id}?tid={cast.tenant_id}",
        actorDisplayName=None,
        threatDisplayName=None,
        threatFamilyName=None,
        additionalData=None,
        customDetails={},
        systemTags=[],
    )


# -- in the stream


def alert_events(cast: Cast) -> Iterator[Event]:
    """AlertInfo and AlertEvidence about the same alerts."""
    for alert in (*_endpoint_alerts(cast), *_other_alerts(cast)):
        techniques = [f"{name} ({number})" for number, name in alert.techniques.items()]
        common = {
            "AlertId": alert.alert_id,
            "Title": alert.title,
            "Severity": alert.severity,
            "ServiceSource": alert.product,
            "DetectionSource": "EDR" if alert.device else alert.product,
            "AttackTechniques": _text(techniques),
            "MachineGroup": alert.device.group if alert.device else None,
        }
        yield Event("AlertInfo", alert.ended, {**common, "Category": alert.category})
        for item in alert.items:
            entity = _entity(item) if alert.device else _entity_of_graph(item)
            on = (
                {"DeviceId": alert.device.machine_id, "DeviceName": alert.device.name} if alert.device else {}
            )
            values = {**common, "Categories": _text([alert.category]), "EvidenceRole": "Related"}
            yield Event("AlertEvidence", alert.ended, {**values, **on, **entity})


def _text(values: list[str]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


_COLUMNS = {
    "fileName": "FileName",
    "filePath": "FolderPath",
    "sha1": "SHA1",
    "sha256": "SHA256",
    "processCommandLine": "ProcessCommandLine",
    "ipAddress": "RemoteIP",
    "url": "RemoteUrl",
    "accountName": "AccountName",
    "domainName": "AccountDomain",
    "userSid": "AccountSid",
    "aadUserId": "AccountObjectId",
    "userPrincipalName": "AccountUpn",
}


def _entity(item: _Item) -> dict[str, Any]:
    """The columns of AlertEvidence for an item of the alerts API."""
    known = {column: item[name] for name, column in _COLUMNS.items() if item[name] is not None}
    more = {"$id": "1", "Type": item["entityType"].lower()}
    if item["entityType"] == "Process":
        more |= {"ProcessId": str(item["processId"]), "CreationTimeUtc": item["processCreationTime"]}
    fields = ",".join(f'"{name}":"{value}"' for name, value in more.items())
    return {**known, "EntityType": item["entityType"], "AdditionalFields": f"{{{fields}}}"}


def _entity_of_graph(item: _Item) -> dict[str, Any]:
    """The columns of AlertEvidence for an item of Graph."""
    kind = item["@odata.type"].rpartition(".")[2].removesuffix("Evidence")
    if kind == "user":
        person = item["userAccount"]
        return {
            "EntityType": "User",
            "AccountName": person["accountName"],
            "AccountDomain": person["domainName"],
            "AccountSid": person["userSid"],
            "AccountObjectId": person["azureAdUserId"],
            "AccountUpn": person["userPrincipalName"],
        }
    if kind == "analyzedMessage":
        return {
            "EntityType": "MailMessage",
            "NetworkMessageId": item["networkMessageId"],
            "EmailSubject": item["subject"],
            "AccountUpn": item["recipientEmailAddress"],
        }
    if kind == "ip":
        return {"EntityType": "Ip", "RemoteIP": item["ipAddress"]}
    return {"EntityType": "Url", "RemoteUrl": item["url"]}
