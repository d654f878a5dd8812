"""What the mappings of the tables of Defender for Cloud Apps and Defender for Cloud make of records."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ecs.helpers.event_rows import part, row

APPLICATION: dict[str, Any] = {
    "ActionType": "FileDownloaded",
    "AccountDisplayName": "J Doe",
    "AccountId": "app-account",
    "AccountObjectId": "oid-1",
    "Application": "Microsoft SharePoint Online",
    "ApplicationId": 20892,
    "City": "Bonn",
    "CountryCode": "DE",
    "DeviceType": "Desktop",
    "IPAddress": "198.51.100.4",
    "ISP": "Example Net",
    "IsAdminOperation": "0",
    "OSPlatform": "Windows 11",
    "RawEventData": {"UserId": "jdoe@contoso.com", "ResultStatus": "Succeeded", "Deep": {"UserId": "x"}},
    "ReportId": "r-1",
    "UserAgent": "Mozilla/5.0",
}


def test_application_activity() -> None:
    fields = row("CloudAppEvents", **APPLICATION)
    assert part(fields, "source", "service", "user", "user_agent", "host") == {
        "host.os.name": "Windows 11",
        "host.os.type": "windows",
        "host.type": "Desktop",
        "service.id": "20892",
        "service.name": "Microsoft SharePoint Online",
        "source.address": "198.51.100.4",
        "source.as.organization.name": "Example Net",
        "source.geo.city_name": "Bonn",
        "source.geo.country_iso_code": "DE",
        "source.ip": "198.51.100.4",
        "user.domain": "contoso.com",
        "user.email": "jdoe@contoso.com",
        "user.full_name": "J Doe",
        "user.id": "oid-1",
        "user.name": "jdoe",
        "user_agent.original": "Mozilla/5.0",
    }
    assert part(fields, "related") == {
        "related.ip": ["198.51.100.4"],
        "related.user": ["oid-1", "jdoe", "jdoe@contoso.com", "J Doe", "app-account"],
    }
    assert (fields["event.category"], fields["event.type"]) == (["file"], ["access"])
    assert fields["event.outcome"] == "success"
    assert fields["observer.product"] == "Defender for Cloud Apps"
    assert fields["microsoft.defender_xdr.IsAdminOperation"] is False
    assert fields["microsoft.defender_xdr.Isp"] == "Example Net"


@pytest.mark.parametrize(
    ("action", "categories", "types"),
    [
        ("UserLoggedIn", ["authentication"], ["start"]),
        ("Logoff", ["authentication"], ["end"]),
        ("FileUploaded", ["file"], ["creation"]),
        ("FileDeleted", ["file"], ["deletion"]),
        ("FileRenamed", ["file"], ["change"]),
        ("MailItemsAccessed", ["email"], ["info"]),
        ("Add member to role.", ["iam"], ["change"]),
        ("Add user.", ["iam"], ["creation", "user"]),
        ("Delete user.", ["iam"], ["deletion", "user"]),
        ("Set-Mailbox", ["configuration"], ["change"]),
        ("Update application.", ["iam"], ["change"]),
        ("SearchQueryPerformed", ["api"], ["access"]),
        ("MailboxLogin", ["authentication"], ["start"]),
        ("Log on", ["authentication"], ["start"]),
        ("ProfileUpdated", ["api"], ["change"]),
        ("Update-Profile", ["api"], ["change"]),
        ("UserProfileUpdated", ["iam"], ["change", "user"]),
        ("GetFILEContents", ["file"], ["access"]),
        ("file_downloaded", ["file"], ["access"]),
        ("Set-MailboxFolderPermission", ["iam"], ["change"]),
        ("New-MessageTrace", ["email"], ["info"]),
        ("TeamsGroups:MembershipChanged", ["iam"], ["change", "group"]),
        ("", ["api"], ["info"]),
    ],
)
def test_category_of_an_application_activity(action: str, categories: list[str], types: list[str]) -> None:
    fields = row("CloudAppEvents", **{**APPLICATION, "ActionType": action})
    assert (fields["event.category"], fields["event.type"]) == (categories, types)


@pytest.mark.parametrize(
    ("action", "status", "outcome"),
    [
        ("FileDownloaded", "Failed", "failure"),
        ("FileDownloaded", "False", "failure"),
        ("UserLoginFailed", None, "failure"),
        ("UserLoginFailed", "Success", "failure"),
        ("UserLoggedIn", None, "success"),
        ("FileDownloaded", "Pending", "unknown"),
        ("FileDownloaded", None, None),
    ],
)
def test_outcome_of_an_application_activity(action: str, status: str | None, outcome: str | None) -> None:
    record = {**APPLICATION, "ActionType": action, "RawEventData": {"ResultStatus": status}}
    assert row("CloudAppEvents", **record).get("event.outcome") == outcome


MACHINE = "/subscriptions/SUB-1/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web1"


@pytest.mark.parametrize(
    ("operation", "event_type"),
    [
        ("Microsoft.Compute/virtualMachines/write", "change"),
        ("Microsoft.Compute/virtualMachines/delete", "deletion"),
        ("Microsoft.Storage/storageAccounts/listKeys/action", "change"),
        ("Microsoft.Compute/virtualMachines/read", "access"),
        ("CreateBucket", "creation"),
        ("GuardDuty", "info"),
    ],
)
def test_audited_operation(operation: str, event_type: str) -> None:
    fields = row(
        "CloudAuditEvents",
        Account="ops@contoso.com",
        ActionType="ResourceWrite",
        AuditSource="Azure",
        AzureResourceId=MACHINE,
        DataSource="AzureResourceManager",
        IPAddress="198.51.100.4",
        OperationName=operation,
        ReportId="r-1",
        UserAgent="az/2",
    )
    assert (fields["event.category"], fields["event.type"]) == (["configuration"], [event_type])
    assert fields["event.action"] == "resourcewrite"
    assert part(fields, "cloud", "source", "user", "related") == {
        "cloud.account.id": "SUB-1",
        "cloud.instance.name": "web1",
        "cloud.provider": "azure",
        "related.ip": ["198.51.100.4"],
        "related.user": ["ops@contoso.com", "ops"],
        "source.address": "198.51.100.4",
        "source.ip": "198.51.100.4",
        "user.domain": "contoso.com",
        "user.email": "ops@contoso.com",
        "user.name": "ops",
    }


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (
            {"AwsResourceName": "arn:aws:eks:eu-west-1:123456789012:cluster/a"},
            {"cloud.account.id": "123456789012", "cloud.provider": "aws", "cloud.region": "eu-west-1"},
        ),
        (
            {"GcpFullResourceName": "//gke.example/projects/p-1/locations/europe-west1/clusters/a"},
            {"cloud.project.id": "p-1", "cloud.provider": "gcp", "cloud.region": "europe-west1"},
        ),
        (
            {"ResourceId": MACHINE},
            {"cloud.account.id": "SUB-1", "cloud.instance.name": "web1", "cloud.provider": "azure"},
        ),
        ({"DataSource": "GCP Audit Logs"}, {"cloud.provider": "gcp"}),
        ({"ResourceId": "something"}, {}),
    ],
)
def test_resources_of_every_cloud(resource: dict[str, str], expected: dict[str, str]) -> None:
    assert part(row("CloudAuditEvents", **resource), "cloud") == expected


CLUSTER = "/subscriptions/SUB-1/resourceGroups/rg/providers/x/managedClusters/aks1"


def test_process_in_a_container() -> None:
    fields = row(
        "CloudProcessEvents",
        AccountName="root",
        ActionType="ProcessCreateEvent",
        AzureResourceId=CLUSTER,
        ContainerId="c-1",
        ContainerImageName="shop:1",
        ContainerName="shop",
        FileName="bash",
        FolderPath="/usr/bin",
        HostName="Node1",
        ImageDigest="sha256:77",
        KubernetesNamespace="prod",
        KubernetesPodName="shop-1",
        KubernetesResource="deployment/shop",
        ParentProcessId=7,
        ParentProcessName="sh",
        ProcessCommandLine="bash -c 'a b'",
        ProcessCreationTime="2026-01-09T09:57:11Z",
        ProcessCurrentWorkingDirectory="/root",
        ProcessId=42,
        ProcessName="/usr/bin/bash",
        Region="westeurope",
        ReportId="r-1",
    )
    assert part(fields, "process") == {
        "process.args": ["bash", "-c", "'a", "b'"],
        "process.args_count": 4,
        "process.command_line": "bash -c 'a b'",
        "process.executable": "/usr/bin/bash",
        "process.name": "bash",
        "process.parent.name": "sh",
        "process.parent.pid": 7,
        "process.pid": 42,
        "process.start": "2026-01-09T09:57:11Z",
        "process.user.name": "root",
        "process.working_directory": "/root",
    }
    assert part(fields, "container", "orchestrator", "cloud", "host") == {
        "cloud.account.id": "SUB-1",
        "cloud.provider": "azure",
        "cloud.region": "westeurope",
        "container.id": "c-1",
        "container.image.hash.all": ["sha256:77"],
        "container.image.name": "shop:1",
        "container.image.tag": ["1"],
        "container.name": "shop",
        "host.hostname": "Node1",
        "host.name": "node1",
        "orchestrator.cluster.id": CLUSTER,
        "orchestrator.cluster.name": "aks1",
        "orchestrator.namespace": "prod",
        "orchestrator.resource.name": "shop-1",
        "orchestrator.resource.type": "pod",
        "orchestrator.type": "kubernetes",
    }
    assert (fields["event.category"], fields["event.type"]) == (["process"], ["start"])
    assert fields["microsoft.defender_xdr.ParentProcessId"] == "7", "documented as a string"


def test_resource_counts_where_there_is_no_pod() -> None:
    fields = row("CloudProcessEvents", KubernetesResource="Deployment/shop")
    assert part(fields, "orchestrator") == {
        "orchestrator.resource.name": "shop",
        "orchestrator.resource.type": "deployment",
        "orchestrator.type": "kubernetes",
    }
    assert not part(row("CloudProcessEvents", ProcessId=1), "orchestrator")


@pytest.mark.parametrize(
    ("succeeded", "failed", "outcome"),
    [(5, 0, "success"), (5, None, "success"), (0, 3, "failure"), (5, 3, "unknown"), (None, None, "unknown")],
)
def test_operations_on_storage(succeeded: int | None, failed: int | None, outcome: str) -> None:
    fields = row(
        "CloudStorageAggregatedEvents",
        AccountType="User",
        AccountTenantId="7a0d1f0e-0000-0000-0000-000000000000",
        AccountUpn="jdoe@contoso.com",
        ActionType="Storage Operations",
        AzureResourceId="/subscriptions/SUB-1/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st1",
        CountryName="Germany",
        DataAggregationEndTime="2026-01-09T10:00:00.0000001Z",
        DataAggregationStartTime="2026-01-09T09:00:00Z",
        FailedOperationsCount=failed,
        IPAddress="198.51.100.4",
        Location="westeurope",
        Md5Hashes=["1" * 32, "1" * 32],
        StorageAccount="st1",
        SuccessfulOperationsCount=succeeded,
        UserAgentHeader="AzCopy",
    )
    assert fields["event.outcome"] == outcome
    assert fields["event.duration"] == 3_600_000_000_100
    assert (fields["event.start"], fields["event.end"]) == ("2026-01-09T09:00:00Z", "2026-01-09T10:00:00Z")
    assert part(fields, "cloud", "source", "user", "related") == {
        "cloud.account.id": "SUB-1",
        "cloud.provider": "azure",
        "cloud.region": "westeurope",
        "related.hash": ["1" * 32],
        "related.ip": ["198.51.100.4"],
        "related.user": ["jdoe@contoso.com", "jdoe"],
        "source.address": "198.51.100.4",
        "source.geo.country_name": "Germany",
        "source.ip": "198.51.100.4",
        "user.domain": "contoso.com",
        "user.email": "jdoe@contoso.com",
        "user.name": "jdoe",
    }
    assert fields["microsoft.defender_xdr.IpAddress"] == "198.51.100.4"
    assert fields["microsoft.defender_xdr.AccountType"] == "User", "documented as a number"
    assert "microsoft.defender_xdr.unmapped" not in fields


@pytest.mark.parametrize(
    ("raw", "outcome", "code"),
    [
        (
            {"apiVersion": "audit.k8s.io/v1", "responseStatus": {"code": 403, "reason": "Forbidden"}},
            "failure",
            None,
        ),
        ({"apiVersion": "audit.k8s.io/v1", "responseStatus": {"code": 201}}, "success", None),
        ({"resultType": "Failure"}, "failure", None),
        ({"status": {"value": "Succeeded"}}, "success", None),
        ({"resultType": "Start"}, None, None),
        (
            {"userIdentity": {"arn": "arn:aws:iam::1:user/a"}, "errorCode": "AccessDenied"},
            "failure",
            "AccessDenied",
        ),
        ({"userIdentity": {"arn": "arn:aws:iam::1:user/a"}}, "success", None),
        ({"responseStatus": "x", "status": 3}, None, None),
        (None, None, None),
    ],
)
def test_outcome_of_an_audited_operation(raw: Any, outcome: str | None, code: str | None) -> None:
    fields = row("CloudAuditEvents", ActionType="Update", RawEventData=raw)
    assert (fields.get("event.outcome"), fields.get("error.code")) == (outcome, code)


@pytest.mark.parametrize(
    ("folder", "file", "executable"),
    [
        ("/usr/bin/bash", "/usr/bin/bash", "/usr/bin/bash"),
        ("/usr/bin/bash", "bash", "/usr/bin/bash"),
        ("/usr/bin", "bash", "/usr/bin/bash"),
        ("/opt/shop/", "run", "/opt/shop/run"),
        ("/usr/bin/dash", "sh", "/usr/bin/dash"),
        (None, "/usr/bin/bash", "/usr/bin/bash"),
        (None, "bash", None),
    ],
)
def test_program_is_a_path_that_exists(folder: str | None, file: str, executable: str | None) -> None:
    fields = row("CloudProcessEvents", FolderPath=folder, FileName=file)
    assert fields.get("process.executable") == executable
