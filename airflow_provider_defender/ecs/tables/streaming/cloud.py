"""Defender for Cloud Apps and Defender for Cloud: activities in applications, clouds, containers, storage."""

from __future__ import annotations

from ...columns import collect, difference_in_nanoseconds
from ...mapping import Computed, Mapping, Shape
from . import _cloud as own
from ._functions import host_names, image_path, name_of_address, source_address, text_list
from ._table import ACTION, ARGUMENTS, table

__all__ = ["CLOUD_TABLES"]

_GEOGRAPHY = {
    "source.as.organization.name": "Isp",
    "source.geo.city_name": "City",
    "source.geo.country_iso_code": "CountryCode",
}
_SOURCE = Computed(
    ("source.ip", "related.ip"), ("IPAddress",), source_address, "Where the request came from."
)

CLOUD_APP_EVENTS = table(
    "CloudAppEvents",
    "defender_cloud_apps",
    constants={},
    copies={
        **_GEOGRAPHY,
        "event.id": "ReportId",
        "host.os.name": "OSPlatform",
        "host.type": "DeviceType",
        "service.id": "ApplicationId",
        "service.name": "Application",
        "user.full_name": "AccountDisplayName",
        "user_agent.original": "UserAgent",
    },
    inside={"RawEventData": Shape({"UserId": "dynamic", "ResultStatus": "dynamic"})},
    computed=(
        Computed(
            ("event.action", "event.category", "event.type"),
            ("ActionType",),
            own.application_action,
            "authentication for logons; file, email, iam where a whole word of the action's name says so "
            "(Profile is no file); else api. Type creation, deletion, change, access, start, else info.",
        ),
        Computed(
            ("event.outcome",),
            ("ActionType", "RawEventData.ResultStatus"),
            own.application_outcome,
            "From ResultStatus in RawEventData, and the failed logon; else unknown.",
        ),
        Computed(
            ("user.id", "user.name", "user.email"),
            ("AccountObjectId", "AccountId", "RawEventData.UserId"),
            own.application_user,
            "Entra's id, else the application's; the name is UserId in RawEventData, up to an `@`.",
        ),
        _SOURCE,
        Computed(
            ("related.user",),
            ("AccountObjectId", "AccountId", "AccountDisplayName", "RawEventData.UserId"),
            collect,
            "Names and ids of the account.",
        ),
    ),
)

CLOUD_AUDIT_EVENTS = table(
    "CloudAuditEvents",
    "defender_cloud",
    constants={"event.category": ["configuration"]},
    copies={
        **_GEOGRAPHY,
        "event.id": "ReportId",
        "service.name": "DataSource",
        "user_agent.original": "UserAgent",
    },
    computed=(
        ACTION,
        Computed(
            ("event.type",),
            ("OperationName", "ActionType"),
            own.operation_type,
            "creation, deletion, change, access by the operation's name, else info.",
        ),
        Computed(
            own.RESOURCE_FIELDS,
            (
                "AuditSource",
                "DataSource",
                "AzureResourceId",
                "AwsResourceName",
                "GcpFullResourceName",
                "ResourceId",
            ),
            own.resource,
            "Provider, subscription (account, project), region and name by the resource's id.",
        ),
        Computed(
            ("user.name", "user.email"), ("Account",), own.account, "The account; an address up to its `@`."
        ),
        _SOURCE,
        Computed(("related.user",), ("Account",), collect, "The account."),
    ),
)

CLOUD_PROCESS_EVENTS = table(
    "CloudProcessEvents",
    "defender_cloud",
    constants={"event.category": ["process"]},
    copies={
        "container.id": "ContainerId",
        "container.image.name": "ContainerImageName",
        "container.name": "ContainerName",
        "event.id": "ReportId",
        "host.hostname": "HostName",
        "orchestrator.namespace": "KubernetesNamespace",
        "process.command_line": "ProcessCommandLine",
        "process.parent.name": "ParentProcessName",
        "process.pid": "ProcessId",
        "process.start": "ProcessCreationTime",
        "process.user.name": "AccountName",
        "process.working_directory": "ProcessCurrentWorkingDirectory",
        "user.name": "AccountName",
    },
    computed=(
        Computed(
            ("event.action", "event.type"),
            ("ActionType",),
            own.process_action,
            "start, except for other action types than creations: info.",
        ),
        Computed(
            own.RESOURCE_FIELDS,
            (
                "AzureResourceId",
                "AwsResourceName",
                "GcpFullResourceName",
                "Region",
            ),
            own.cluster_resource,
            "Provider, subscription (account, project), region and name by the resource's id.",
        ),
        Computed(
            ("orchestrator.type", "orchestrator.resource.name", "orchestrator.resource.type"),
            ("KubernetesNamespace", "KubernetesPodName", "KubernetesResource"),
            own.kubernetes,
            "The pod, else the resource.",
        ),
        Computed(("container.image.hash.all",), ("ImageDigest",), collect, "The image's digest."),
        Computed(
            ("process.name",), ("ProcessName", "FileName"), own.process_name, "As given, else the file's."
        ),
        Computed(("process.executable",), ("FolderPath", "FileName"), image_path, "Folder, slash, file."),
        ARGUMENTS,
        Computed(("process.parent.pid",), ("ParentProcessId",), own.number, "As a number."),
        Computed(("host.name", "related.hosts"), ("HostName",), host_names, "In lower case."),
        Computed(("related.user",), ("AccountName",), collect, "The account."),
    ),
)

CLOUD_STORAGE_AGGREGATED_EVENTS = table(
    "CloudStorageAggregatedEvents",
    "defender_cloud",
    constants={"event.category": ["file"], "event.type": ["access"]},
    copies={
        "event.end": "DataAggregationEndTime",
        "event.id": "ReportId",
        "event.start": "DataAggregationStartTime",
        "service.name": "ServiceType",
        "source.geo.city_name": "CityName",
        "source.geo.country_name": "CountryName",
        "source.geo.region_name": "ProvinceName",
        "user.email": "AccountUpn",
        "user.id": "AccountObjectId",
        "user_agent.original": "UserAgentHeader",
    },
    computed=(
        ACTION,
        Computed(
            ("event.duration",),
            ("DataAggregationStartTime#ticks", "DataAggregationEndTime#ticks"),
            difference_in_nanoseconds,
            "End minus start in ns.",
        ),
        Computed(
            ("event.outcome",),
            ("SuccessfulOperationsCount", "FailedOperationsCount"),
            own.aggregated_outcome,
            "success if no operation failed, failure if none succeeded, else unknown.",
        ),
        Computed(
            own.RESOURCE_FIELDS,
            ("AzureResourceId", "SubscriptionId", "StorageAccount", "Location"),
            own.storage_resource,
            "Azure, the subscription, the region, the storage account.",
        ),
        Computed(
            ("source.ip", "related.ip"), ("IpAddress",), source_address, "Where the requests came from."
        ),
        Computed(("user.name",), ("AccountUpn",), name_of_address, "What stands before the `@`."),
        Computed(
            ("related.user",),
            ("AccountUpn", "AccountObjectId", "AccountApplicationId"),
            collect,
            "Names and ids of the account.",
        ),
        Computed(("related.hash",), ("Md5Hashes",), text_list, "The objects' hashes."),
    ),
)

CLOUD_TABLES: tuple[Mapping, ...] = (
    CLOUD_APP_EVENTS,
    CLOUD_AUDIT_EVENTS,
    CLOUD_PROCESS_EVENTS,
    CLOUD_STORAGE_AGGREGATED_EVENTS,
)
"""The mappings of the tables of Defender for Cloud Apps and Defender for Cloud."""
