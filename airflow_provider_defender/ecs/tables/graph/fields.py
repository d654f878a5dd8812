"""The ECS fields that evidence of Microsoft Graph's alerts can fill."""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["EVIDENCE_FIELDS", "EVIDENCE_NOTES"]

_NAMES = """
cloud.account.id cloud.availability_zone cloud.instance.id cloud.instance.name cloud.project.id
cloud.provider cloud.region cloud.service.name
container.id container.image.hash.all container.image.name container.image.tag container.name
container.runtime container.security_context.privileged
destination.address destination.geo.city_name destination.geo.country_iso_code
destination.geo.country_name destination.geo.region_name destination.ip destination.mac
destination.port
device.id device.manufacturer device.model.name device.serial_number device.type
dns.question.name dns.resolved_ip
email.delivery_timestamp email.direction email.from.address email.local_id
email.message_id email.sender.address email.subject email.to.address
entity.display_name entity.id entity.name entity.reference entity.sub_type entity.type
event.category event.type
file.code_signature.subject_name file.directory file.extension file.fork_name file.hash.md5
file.hash.sha1 file.hash.sha256 file.name file.path file.size
gen_ai.agent.id gen_ai.agent.name group.id group.name
host.domain host.hostname host.id host.ip host.mac host.name host.os.build host.os.name host.os.type
host.os.version host.risk.calculated_level host.type
network.transport network.type network.vlan.id network.vlan.name
orchestrator.cluster.id orchestrator.cluster.name orchestrator.cluster.version orchestrator.namespace
orchestrator.resource.ip orchestrator.resource.label orchestrator.resource.name
orchestrator.resource.parent.type orchestrator.resource.type orchestrator.type
process.command_line process.entity_id process.executable
process.hash.md5 process.hash.sha1 process.hash.sha256 process.name process.parent.entity_id
process.parent.executable process.parent.hash.md5 process.parent.hash.sha1 process.parent.hash.sha256
process.parent.name process.parent.pid process.parent.start process.pid process.start process.user.id
process.user.name
registry.data.strings registry.data.type registry.hive registry.key registry.path registry.value
related.hash related.hosts related.ip related.user
service.id service.name
source.address source.geo.city_name source.geo.country_iso_code source.geo.country_name
source.geo.region_name source.ip source.mac source.port
threat.software.name
url.domain url.extension url.fragment url.full url.original url.password url.path url.port url.query
url.scheme url.username
user.domain user.email user.full_name user.id user.name user.target.domain user.target.email
user.target.full_name user.target.id user.target.name
user_agent.name user_agent.original
"""
EVIDENCE_FIELDS: tuple[str, ...] = tuple(_NAMES.split())
"""The names, in alphabetical order."""

_NOTES = """
cloud.account.id: The tenant; of evidence in a cloud, its subscription or account. Null for Google Cloud.
cloud.availability_zone: The zone of a resource in Google Cloud.
cloud.instance.id: Defender's device id, as for endpoint alerts; of a virtual machine, the cloud's own id.
cloud.instance.name: The name of a virtual machine in its cloud.
cloud.project.id: The project of a resource in Google Cloud.
cloud.provider: azure, where Defender runs; of evidence in another cloud that one: aws, gcp.
cloud.region: By the ARN, or the location in Google Cloud.
cloud.service.name: The resource provider in Azure, the service in AWS or Google Cloud.
container.*: Of the container, or of a pod's only one.
container.image.hash.all: The digests of the image, with the name of the algorithm.
container.image.name: The image's reference without tag and digest.
container.image.tag: The tag of the image's reference.
container.runtime: What stands before `://` in the container's id.
destination.*: The end that traffic goes to; of an address by its role.
destination.address: The address; what was sent, where that is no IP address.
destination.geo.*: The place of the address.
destination.mac: The MAC address, as ECS writes it.
device.id: Entra's id of the device; of a device of IoT, Defender's.
device.*: Of a device of IoT.
dns.question.name: The name, in lower case and without the final dot.
dns.resolved_ip: What the name resolved to.
email.delivery_timestamp: When the message was received.
email.direction: inbound, outbound or intra-org.
email.from.address: The address in the header From (P2 sender); where there is none, that of the envelope.
email.local_id: Microsoft's id of the message; of a cluster only where it has one message.
email.message_id: The id in the header Message-ID, with its angle brackets.
email.sender.address: The sender of the envelope (P1 sender).
email.subject: The subject.
email.to.address: The recipients.
entity.display_name: The display name of an organization.
entity.id: The full id of what ECS has no fields of its own for: a cloud resource, a repository.
entity.name: Its name.
entity.reference: The address of its page.
entity.sub_type: Its type, as Microsoft has it.
entity.type: Its type in ECS' words: bucket, database, function, host, queue.
event.category: By product, then malware and email by the alert's category, then the kind of evidence.
event.type: Only types that ECS expects with each category of the row: denied of what was blocked or
  prevented; start and end by the status, of Defender for Endpoint's alerts only; else info.
file.code_signature.subject_name: The signer; where none is named, the publisher.
file.directory: The folder.
file.extension: The extension, in lower case.
file.fork_name: The alternate data stream.
file.hash.*: Only of the algorithm's length, in lower case. sha256Ac, which ECS does not have, is in
  related.hash.
file.name: The name without folder and data stream.
file.path: Folder and name; a name that has a separator is the path.
file.size: In bytes.
gen_ai.agent.id: The AI agent's id.
gen_ai.agent.name: The AI agent's name.
group.id: The SID, else Entra's object id; of a Teams message, the team's.
group.name: The display name.
host.domain: The NetBIOS domain, else that of the DNS.
host.hostname: The full name in the DNS, else the short name; not None or Unknown.
host.id: Defender's device id.
host.ip: The addresses of its own interfaces; the external address, mostly a NAT's, is in related.ip only.
host.mac: The MAC addresses, as ECS writes them.
host.name: host.hostname in lower case.
host.os.build: The build's number; 0 stands for none.
host.os.name: The platform; Unknown and Other are none.
host.os.type: windows, linux, macos, unix, android, ios, by the platform; null for systems of network
  devices.
host.os.version: The version; Unknown and Other are none.
host.risk.calculated_level: The device's risk score.
host.type: The type of a device of IoT.
network.transport: tcp or udp.
network.type: ipv4 or ipv6, by the address.
network.vlan.*: The VLAN, where there is only one.
orchestrator.cluster.id: The full id of the cluster in its cloud.
orchestrator.cluster.name: The name of the cluster.
orchestrator.cluster.version: The version of Kubernetes.
orchestrator.namespace: The namespace.
orchestrator.resource.ip: The addresses of the pod or service.
orchestrator.resource.label: Its labels, as key:value.
orchestrator.resource.name: Its name.
orchestrator.resource.parent.type: The kind of the pod's controller.
orchestrator.resource.type: Its kind, in lower case.
orchestrator.type: kubernetes.
process.command_line: The command line.
process.entity_id: <device>-<pid>-<start in 100 ns since 1970>, as for endpoint alerts.
process.executable: Folder and name of the image.
process.hash.*: Of the image.
process.name: The name of the image.
process.parent.entity_id: As process.entity_id.
process.parent.executable: Folder and name of the parent's image.
process.parent.hash.*: Of the parent's image.
process.parent.name: The name of the parent's image.
process.parent.pid: Of the parent; 0 stands for none.
process.parent.start: When the parent started.
process.pid: 0 stands for none.
process.start: When the process started.
process.user.*: The account that the process ran as; user.* has it, too.
registry.data.strings: The value's data.
registry.data.type: The type, by its standard name, such as REG_SZ; None without data is none.
registry.hive: As ECS abbreviates it, such as HKLM.
registry.key: Without the hive.
registry.path: Hive, key and value.
registry.value: The value's name.
related.hash: All hashes of the row, and sha256Ac.
related.hosts: All names of hosts and domains of the row, in lower case.
related.ip: All addresses of the row, also those without a role, as RFC 5952 writes them.
related.user: All names, ids and addresses of the row's users, in whatever role, also who was logged on.
service.*: Of the cloud application.
source.*: The end that traffic comes from; of an address by its role.
source.address: The address; what was sent, where that is no IP address.
source.geo.*: The place of the address.
source.mac: The MAC address, as ECS writes it.
threat.software.name: The name of the malware; where the evidence names none, the alert's threatFamilyName.
url.domain: The host, in lower case; an IPv6 address keeps its brackets.
url.full: Only where there is a scheme.
url.original: As sent.
url.*: Part of the URL.
user.*: Who acts: the account, or the application, service principal or service account.
user.domain: The domain; where none is sent, that of the user principal name.
user.email: The user principal name, or the address.
user.id: The SID, else Entra's object id; of others, their own id.
user.name: The account's name; where none is sent, that of the user principal name.
user.target.*: Who is acted upon: by role, a mail's recipient, the owner of a mailbox with changed settings.
user_agent.name: The browser.
user_agent.original: The text of the user agent.
"""


def _notes() -> dict[str, str]:
    """Field → note; what stands for one field counts before what stands for several."""
    patterns = dict(line.split(": ", 1) for line in _NOTES.replace("\n  ", " ").strip().split("\n"))
    found = {}
    for name in EVIDENCE_FIELDS:
        fitting = [each for each in patterns if fnmatchcase(name, each)]
        found[name] = patterns[max(fitting, key=lambda each: (each == name, len(each)))]
    return found


EVIDENCE_NOTES: dict[str, str] = _notes()
"""Field → one sentence for the documentation."""
