"""Defender for Cloud's continuous export: one JSON object a message, without an envelope.

Alerts are recognised by `SystemAlertId`, the others by their resource type: assessments (recommendations),
sub-assessments (findings), scores (secure scores, their controls, regulatory compliance). The shapes follow
Microsoft's export schemas (Azure/Microsoft-Defender-for-Cloud) and its REST reference of these resources.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..columns import by_distinct, difference_in_nanoseconds, first_known, known_text, only_where
from ..mapping import ColumnType, Computed, Mapping, Shape
from ._cloud_entities import ENTITY_FIELDS, entity_columns
from .endpoint_alerts import severity_numbers
from .streaming.cloud_resources import RESOURCE_FIELDS, resource_of
from .streaming.functions import TEXTS, THREAT_FIELDS, actions, cloud_provider, json_items, threat_fields
from .streaming.table import columns, common_constants

__all__ = ["DEFENDER_FOR_CLOUD"]

_MODULE = "microsoft_defender_for_cloud"
_CONTAINER = "microsoft.defender_for_cloud"

_ALERT = Shape(
    columns(
        """
        SystemAlertId AlertType AlertDisplayName Description Severity Status ProviderAlertStatus Intent
        IsIncident:boolean VendorName ProductName ProductComponentName CompromisedEntity
        StartTimeUtc:time EndTimeUtc:time TimeGenerated:time ProcessingEndTime:time
        ConfidenceLevel ConfidenceScore:double ConfidenceReasons:dynamic CorrelationKey
        AzureResourceId AzureResourceSubscriptionId WorkspaceId WorkspaceSubscriptionId WorkspaceResourceGroup
        AgentId RemediationSteps:dynamic ExtendedProperties:dynamic Entities:dynamic
        ResourceIdentifiers:dynamic AlertUri ExtendedLinks:dynamic Techniques:dynamic SubTechniques:dynamic
        """
    )
)


_ANY_ENRICHMENT = "securityEventDataEnrichment"
"""What the export says about a resource; assessments and findings have one of their own kind as well."""


def _resource_shape(enrichments: tuple[str, ...], properties: dict[str, ColumnType]) -> Shape:
    """A resource of Microsoft.Security, with what the export says about it under `enrichments`."""
    return Shape(
        {
            **columns("id name type kind location tenantId tags:dynamic"),
            **{name: Shape(columns("action apiVersion isSnapshot:boolean interval")) for name in enrichments},
            "properties": Shape(properties),
        }
    )


_COMMON_PROPERTIES: dict[str, ColumnType] = {
    **columns("displayName timeGenerated:time additionalData:dynamic"),
    "resourceDetails": Shape(
        columns("source id resourceName resourceType resourceProvider nativeResourceId")
    ),
    "status": Shape(
        columns("code cause description severity firstEvaluationDate:time statusChangeDate:time")
    ),
}

_ASSESSMENT = _resource_shape(
    ("assessmentEventDataEnrichment", _ANY_ENRICHMENT),
    {
        **_COMMON_PROPERTIES,
        "risk": Shape(
            columns(
                "level riskFactors:dynamic attackPathsReferences:dynamic paths:dynamic "
                "isContextualRisk:boolean"
            )
        ),
        "metadata": Shape(
            columns(
                """
                displayName description remediationDescription severity categories:dynamic threats:dynamic
                assessmentType policyDefinitionId userImpact implementationEffort
                """
            )
        ),
        "links": "dynamic",
    },
)

_SUB_ASSESSMENT = _resource_shape(
    ("subAssessmentEventDataEnrichment", _ANY_ENRICHMENT),
    {**columns("id description remediation impact category"), **_COMMON_PROPERTIES},
)

_SCORE = _resource_shape(
    (_ANY_ENRICHMENT,),
    {
        **columns(
            """
            displayName description state scope weight:long assessmentType assessmentDetailsLink
            healthyResourceCount:long unhealthyResourceCount:long notApplicableResourceCount:long
            passedControls:long failedControls:long skippedControls:long unsupportedControls:long
            passedAssessments:long failedAssessments:long skippedAssessments:long
            passedResources:long failedResources:long skippedResources:long unsupportedResources:long
            definition:dynamic
            """
        ),
        "score": Shape(columns("max:double current:double percentage:double")),
    },
)


def _joined_techniques(techniques: str | None, sub_techniques: str | None) -> tuple[str | None]:
    texts = [item for text in (techniques, sub_techniques) for item in json_items(text)]
    plain = [text for text in (techniques, sub_techniques) if text and text[0] not in "[{"]
    return (", ".join([*(item for item in texts if isinstance(item, str)), *plain]) or None,)


def cloud_threat(intent: pa.Array, techniques: pa.Array, sub_techniques: pa.Array) -> tuple[pa.Array, ...]:
    """`threat.*` from the intents (tactics, with commas between them), techniques and sub-techniques."""
    (joined,) = by_distinct(_joined_techniques, (pa.string(),), techniques, sub_techniques)
    return threat_fields(intent, joined)


def tenant(identifiers: pa.Array) -> pa.Array:
    """`organization.id`: the directory among the alert's resource identifiers."""

    def find(text: str | None) -> tuple[str | None]:
        pairs = (pair for item in json_items(text) if isinstance(item, dict) for pair in item.items())
        found = (value for key, value in pairs if key.lower() == "aadtenantid" and isinstance(value, str))
        return (next(filter(None, map(known_text, found)), None),)

    return by_distinct(find, (pa.string(),), identifiers)[0]


_MACHINE = re.compile(
    r"/providers/(?:Microsoft\.Compute/virtualMachines|Microsoft\.HybridCompute/machines)/([^/]+)/?\Z",
    re.IGNORECASE,
)


def _machine(compromised: str | None, resource: str | None, identifiers: str | None) -> tuple[str | None]:
    """The compromised entity, if it is one of the alert's resources and that is a machine."""
    items = (item for item in json_items(identifiers) if isinstance(item, dict))
    resources = [resource, *(item.get("AzureResourceId") for item in items)]
    found = [_MACHINE.search(text) for text in resources if isinstance(text, str)]
    machines = {match[1].lower() for match in found if match}
    name = (compromised or "").strip()
    return (name if {name.lower(), name.lower().partition(".")[0]} & machines else None,)


def alert_entities(
    alert_type: pa.Array, entities: pa.Array, compromised: pa.Array, resource: pa.Array, identifiers: pa.Array
) -> tuple[pa.Array, ...]:
    """`ENTITY_FIELDS` of an alert; its host may be known as the compromised entity only."""
    (machine,) = by_distinct(_machine, (pa.string(),), compromised, resource, identifiers)
    return entity_columns(alert_type, entities, machine)


def alert_resource(resource: pa.Array, subscription: pa.Array) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of an alert's resource; the subscription as the alert says it."""
    provider, account, *rest = resource_of(resource)
    return provider, first_known(subscription, account), *rest


def assessed_resource(identifier: pa.Array, native: pa.Array, source: pa.Array) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of an assessed resource: by the id that its own cloud gives it, else by Azure's.

    What stands in another cloud has an id in Azure, too, with the subscription of the connector: that is no
    account of the resource.
    """
    own = resource_of(native)
    is_azure = pc.fill_null(pc.equal(first_known(own[0], cloud_provider(source)), "azure"), True)
    others = resource_of(only_where(is_azure, identifier))
    provider, *rest = (first_known(*pair) for pair in zip(own, others, strict=True))
    return first_known(provider, cloud_provider(source)), *rest


_OUTCOMES = {"healthy": "success", "passed": "success", "unhealthy": "failure", "failed": "failure"}


def outcome(code: pa.Array) -> pa.Array:
    """`event.outcome`: Healthy and Passed success, Unhealthy and Failed failure, else unknown."""
    return by_distinct(lambda text: (_OUTCOMES.get((text or "").lower(), "unknown"),), (pa.string(),), code)[
        0
    ]


VULNERABILITY_FIELDS: dict[str, pa.DataType] = {
    "vulnerability.id": pa.string(),
    "vulnerability.enumeration": pa.string(),
    "vulnerability.reference": pa.string(),
    "vulnerability.score.base": pa.float64(),
    "vulnerability.score.version": pa.string(),
    "vulnerability.category": TEXTS,
    "container.image.name": pa.string(),
    "container.image.hash.all": TEXTS,
}
"""What `vulnerability` gives."""


def vulnerability(identifier: pa.Array, category: pa.Array, data: pa.Array) -> tuple[pa.Array, ...]:
    """The fields of `VULNERABILITY_FIELDS` from a finding's id, category and additional data."""
    return by_distinct(_vulnerability, tuple(VULNERABILITY_FIELDS.values()), identifier, category, data)


def _vulnerability(identifier: str | None, category: str | None, text: str | None) -> tuple[Any, ...]:
    found = _first_object(json_items(text))
    first = _first_object(found.get("cve"), objects_only=True)
    name = _text_of(first, "title")
    version, base = _score(found.get("cvss"))
    digest = _text_of(found, "imagedigest")
    return (
        name or identifier,
        "CVE" if name and name.upper().startswith("CVE-") else None,
        _text_of(first, "link"),
        base,
        version,
        [category] if category else None,
        _text_of(found, "repositoryname"),
        [digest] if digest else None,
    )


def _first_object(items: Any, *, objects_only: bool = False) -> dict[str, Any]:
    """The list's first item, with its keys in lower case; empty where it is no object.

    `objects_only`: items that are none are passed over.
    """
    items = items if isinstance(items, list) else []
    if objects_only:
        items = [item for item in items if isinstance(item, dict)]
    first = items[0] if items and isinstance(items[0], dict) else {}
    return {key.lower(): value for key, value in first.items()}


def _text_of(data: dict[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None


_HIGHEST_SCORE = 10


def _score(scores: Any) -> tuple[str | None, float | None]:
    """Version and base of the newest CVSS score: `{"2.0": {"base": 5}, "3.0": {"base": 7.5}}`."""
    if not isinstance(scores, dict):
        return None, None
    for version in sorted(scores, reverse=True):
        value = scores[version]
        base = value.get("base", value.get("Base")) if isinstance(value, dict) else None
        if isinstance(base, (int, float)) and 0 <= base <= _HIGHEST_SCORE:
            return version, float(base)
    return None, None


def score_name(*names: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`message` and `rule.name`: the first name that is known."""
    name = first_known(*names)
    return name, name


_SEVERITY_NOTE = (
    "Unspecified 0, Informational 1, Low 2, Medium 3, High 4, Critical 5; the risk score is 21, 21, 47, 73, "
    "99, and null for Unspecified."
)
_ACTION_NOTE = "In lower case: insert, delete … of the first enrichment that says it."
_RESOURCE_NOTE = "Provider, subscription, region and machine by the resource's id."
_SEVERITY_FIELDS = ("event.severity", "event.risk_score")


def _mapping(
    name: str,
    shape: Shape,
    *,
    times: tuple[str, ...],
    constants: dict[str, Any],
    copies: dict[str, str],
    computed: tuple[Computed, ...],
) -> Mapping:
    filled = {field for entry in computed for field in entry.fields} | copies.keys()
    common = {**common_constants(_MODULE, name, "defender_cloud"), **constants}
    table = "DefenderForCloud" + "".join(word.capitalize() for word in name.split("_"))
    return Mapping(
        source=f"event_hub/{table}",
        dataset=f"events/{table}",
        shape=shape,
        container=_CONTAINER,
        times=times,
        tenant="tenantId" if "tenantId" in shape.properties else None,
        constants={field: value for field, value in common.items() if field not in filled},
        copies=copies,
        computed=computed,
        aliases={"ReportedSeverity": "Severity"} if shape is _ALERT else {},
    )


CLOUD_ALERTS = _mapping(
    "alerts",
    _ALERT,
    times=("TimeGenerated", "EndTimeUtc", "StartTimeUtc", "ProcessingEndTime"),
    constants={"event.kind": "alert", "event.type": ["info"]},
    copies={
        "event.end": "EndTimeUtc",
        "event.id": "SystemAlertId",
        "event.start": "StartTimeUtc",
        "event.url": "AlertUri",
        "message": "AlertDisplayName",
        "observer.name": "ProductComponentName",
        "rule.description": "Description",
        "rule.id": "AlertType",
        "rule.name": "AlertDisplayName",
    },
    computed=(
        Computed(("event.action",), ("AlertType",), actions, "The type in lower case."),
        Computed(
            ("event.duration",),
            ("StartTimeUtc#ticks", "EndTimeUtc#ticks"),
            difference_in_nanoseconds,
            "End minus start in ns.",
        ),
        Computed(_SEVERITY_FIELDS, ("Severity",), severity_numbers, _SEVERITY_NOTE),
        Computed(
            THREAT_FIELDS,
            ("Intent", "Techniques", "SubTechniques"),
            cloud_threat,
            "Intents that are tactics of MITRE, by name; techniques and sub-techniques by id.",
        ),
        Computed(
            RESOURCE_FIELDS,
            ("AzureResourceId", "AzureResourceSubscriptionId"),
            alert_resource,
            _RESOURCE_NOTE,
        ),
        Computed(("organization.id",), ("ResourceIdentifiers",), tenant, "The directory it stands in."),
        Computed(
            ENTITY_FIELDS,
            ("AlertType", "Entities", "CompromisedEntity", "AzureResourceId", "ResourceIdentifiers"),
            alert_entities,
            "From the entities, with their references (`$ref`) resolved, as Graph's evidence of the same "
            "kind has it. What is about one subject (`user`, `process`, `file` …) is all taken from one "
            "entity, the first of its type (no parent process, nor its image); related.* has what all have. "
            "Source, destination and transport are the network connection's; where it names no source, that "
            "is the first address that is no destination, DNS server, DNS answer or host interface. The "
            "category by the types of entities. Where none is a host, its name is the compromised entity's, "
            "if one of the alert's resources is a machine of that name. `user.*` is the account of which the "
            "alert tells, be it the attacker's or the attacked, unless its role says that it is acted upon.",
        ),
    ),
)

_STATE_TIMES = ("properties.timeGenerated",)
"""When a state was found. Not `statusChangeDate`: it stays as it is while the state is exported again and
again, in weekly snapshots too, so that rows would land in partitions of long ago."""
_POSTURE = {"event.kind": "state", "event.type": ["info"]}
_RESOURCE = {"event.id": "id", "organization.id": "tenantId", "rule.id": "name"}


def export_action(*names: pa.Array) -> pa.Array:
    """`event.action`: the first that an enrichment says."""
    return actions(first_known(*names))


def _of_resource(
    enrichments: tuple[str, ...], resource: str, severity: str | None, code: str
) -> tuple[Computed, ...]:
    """What all posture records have; the arguments are the names of properties."""
    graded = Computed(_SEVERITY_FIELDS, (severity,), severity_numbers, _SEVERITY_NOTE) if severity else None
    of_resource = Computed(RESOURCE_FIELDS, (resource,), resource_of, _RESOURCE_NOTE)
    if resource == "properties.resourceDetails.id":
        names = tuple(f"properties.resourceDetails.{name}" for name in ("id", "nativeResourceId", "source"))
        of_resource = Computed(
            RESOURCE_FIELDS,
            names,
            assessed_resource,
            f"{_RESOURCE_NOTE} Its id in its own cloud counts.",
        )
    return (
        Computed(
            ("event.action",),
            tuple(f"{name}.action" for name in enrichments),
            export_action,
            "In lower case: insert, delete …" if len(enrichments) == 1 else _ACTION_NOTE,
        ),
        Computed(
            ("event.outcome",),
            (code,),
            outcome,
            "Healthy and Passed success, Unhealthy and Failed failure, else unknown.",
        ),
        of_resource,
        *([graded] if graded else []),
    )


CLOUD_ASSESSMENTS = _mapping(
    "assessments",
    _ASSESSMENT,
    times=_STATE_TIMES,
    constants={**_POSTURE, "event.category": ["configuration"]},
    copies={
        **_RESOURCE,
        "event.reason": "properties.status.description",
        "message": "properties.displayName",
        "rule.description": "properties.metadata.description",
        "rule.name": "properties.displayName",
    },
    computed=_of_resource(
        ("assessmentEventDataEnrichment", _ANY_ENRICHMENT),
        "properties.resourceDetails.id",
        "properties.metadata.severity",
        "properties.status.code",
    ),
)

CLOUD_SUB_ASSESSMENTS = _mapping(
    "sub_assessments",
    _SUB_ASSESSMENT,
    times=_STATE_TIMES,
    constants={**_POSTURE, "event.category": ["vulnerability"]},
    copies={
        **_RESOURCE,
        "event.reason": "properties.status.description",
        "message": "properties.displayName",
        "rule.name": "properties.displayName",
        "vulnerability.description": "properties.description",
        "vulnerability.severity": "properties.status.severity",
    },
    computed=(
        *_of_resource(
            ("subAssessmentEventDataEnrichment", _ANY_ENRICHMENT),
            "properties.resourceDetails.id",
            "properties.status.severity",
            "properties.status.code",
        ),
        Computed(
            tuple(VULNERABILITY_FIELDS),
            ("properties.id", "properties.category", "properties.additionalData"),
            vulnerability,
            "The first CVE, else the finding's id; the newest CVSS score; the container image, if it is one.",
        ),
    ),
)

CLOUD_SCORES = _mapping(
    "scores",
    _SCORE,
    times=(),
    constants={**_POSTURE, "event.category": ["configuration"]},
    copies={**_RESOURCE, "rule.description": "properties.description"},
    computed=(
        *_of_resource((_ANY_ENRICHMENT,), "id", None, "properties.state"),
        Computed(
            ("message", "rule.name"),
            ("properties.displayName", "properties.description", "name"),
            score_name,
            "The display name, else the description, else the name.",
        ),
    ),
)

DEFENDER_FOR_CLOUD: tuple[Mapping, ...] = (
    CLOUD_ALERTS,
    CLOUD_ASSESSMENTS,
    CLOUD_SUB_ASSESSMENTS,
    CLOUD_SCORES,
)
"""The mappings of Defender for Cloud's continuous export."""
