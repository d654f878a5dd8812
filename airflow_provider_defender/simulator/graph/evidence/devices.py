"""Devices, their adapters, and IoT devices."""

from __future__ import annotations

import functools
import uuid
from typing import Any

from airflow_provider_defender.simulator.defender.catalogue import Device
from airflow_provider_defender.simulator.defender.versions import wire_time
from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Maker, inner
from airflow_provider_defender.simulator.graph.evidence.network import ip
from airflow_provider_defender.simulator.server.draw import draw_for

__all__ = ["DEVICES", "device", "device_of"]

_DAY = 864_000_000_000
_FIRST_SEEN = 17_000_000_000_000_000  # ticks: in November 2023


def device_of(device: Device) -> dict[str, Any]:
    """The properties of a device, the same whenever it is named."""
    return dict(_device_of(device))


@functools.cache
def _device_of(device: Device) -> dict[str, Any]:
    draw = draw_for("device", device.machine_id)
    host, _, domain = device.name.partition(".")
    number = int(device.machine_id[:4], 16)
    local = f"10.20.{number >> 8}.{number & 255}"
    subscription = str(uuid.UUID(int=draw.getrandbits(128), version=4))
    in_azure = device.linux or draw.random() < 0.1
    return {
        "azureAdDeviceId": None if device.linux else str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        "mdeDeviceId": device.machine_id,
        "deviceDnsName": device.name,
        "dnsDomain": domain,
        "hostName": host,
        "ntDomain": None if device.linux else device.person.domain,
        "osPlatform": "Linux"
        if device.linux
        else draw.choice(("Windows11", "Windows10", "WindowsServer2022")),
        "osBuild": None if device.linux else draw.choice((26100, 22631, 20348)),
        "version": "22.04" if device.linux else draw.choice(("24H2", "23H2", "Other")),
        "healthStatus": draw.choice(("active", "active", "inactive", "impairedCommunication")),
        "riskScore": draw.choice(("none", "low", "medium", "high")),
        "rbacGroupId": draw.randrange(40, 90),
        "rbacGroupName": device.group,
        "onboardingStatus": "onboarded",
        "defenderAvStatus": "notSupported"
        if device.linux
        else draw.choice(("updated", "notUpdated", "unknown")),
        "firstSeenDateTime": wire_time(_FIRST_SEEN + draw.randrange(700 * _DAY)),
        "lastIpAddress": local,
        "lastExternalIpAddress": f"203.0.113.{int(device.machine_id[:2], 16) % 254 + 1}",
        "ipInterfaces": [local, f"fe80::{number:x}:{draw.getrandbits(16):x}", "127.0.0.1"],
        "loggedOnUsers": [{"accountName": device.person.account, "domainName": device.person.domain}],
        "resourceAccessEvents": [],
        "vmMetadata": {
            "vmId": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            "cloudProvider": "azure",
            "resourceId": f"/subscriptions/{subscription}/resourceGroups/servers/providers/"
            f"Microsoft.Compute/virtualMachines/{host}",
            "subscriptionId": subscription,
        }
        if in_azure
        else None,
    }


def device(cast: Cast) -> dict[str, Any]:
    """The device of the alert, with who accessed what from it."""
    return {
        **device_of(cast.device),
        "resourceAccessEvents": [
            {
                "accessDateTime": cast.time(90),
                "accountId": cast.person.sid,
                "ipAddress": cast.local_address,
                "resourceIdentifier": f"cifs/files.{cast.company.domain}",
            }
        ],
    }


def _full_device(cast: Cast) -> dict[str, Any]:
    """As `device`, with what a physical device with Windows or one with Linux does not have."""
    found = device(cast)
    name = found["hostName"]
    machine = {
        "vmId": cast.guid("vm"),
        "cloudProvider": "azure",
        "resourceId": cast.company.resource("Microsoft.Compute/virtualMachines", name),
        "subscriptionId": cast.company.subscription,
    }
    missing = {
        "azureAdDeviceId": cast.guid("device in Entra ID"),
        "ntDomain": cast.person.domain,
        "osBuild": 20348,
        "vmMetadata": machine,
    }
    return found | {name: value for name, value in missing.items() if found[name] is None}


def _mac(cast: Cast, purpose: str) -> str:
    digits = cast.hexadecimal(purpose, 12).upper()
    return "-".join(digits[at : at + 2] for at in range(0, 12, 2))


def _nic(cast: Cast) -> dict[str, Any]:
    address = inner("ipEvidence", cast, ip(cast, cast.local_address))
    return {"macAddress": _mac(cast, "nic"), "ipAddress": address, "vlans": ["20", "plant-ost"]}


def _iot_device(cast: Cast) -> dict[str, Any]:
    company, number = cast.company, cast.number("iot", 250)
    hub = company.resource("Microsoft.Devices/IotHubs", "plant-hub")
    return {
        "deviceId": f"plc-{number:03d}",
        "deviceName": f"Presse {number}",
        "deviceType": "PLC",
        "deviceSubType": "Controller",
        "devicePageLink": f"https://portal.azure.example/device/plc-{number:03d}",
        "importance": "high",
        "ioTHub": inner(
            "azureResourceEvidence",
            cast,
            {"resourceId": hub, "resourceName": "plant-hub", "resourceType": "Microsoft.Devices/IotHubs"},
        ),
        "ioTSecurityAgentId": cast.guid("iot agent"),
        "ipAddress": inner("ipEvidence", cast, ip(cast, f"10.30.0.{number}")),
        "isAuthorized": True,
        "isProgramming": False,
        "isScanner": False,
        "macAddress": _mac(cast, "iot"),
        "manufacturer": "Contoso Automation",
        "model": "CA-1500",
        "nics": [inner("nicEvidence", cast, _nic(cast))],
        "operatingSystem": "VxWorks 7",
        "owners": [cast.person.principal, cast.colleague.principal],
        "protocols": ["MODBUS", "Siemens S7"],
        "purdueLayer": "BasicControl",
        "sensor": "ot-sensor-1",
        "serialNumber": f"CA1500-{cast.number('serial', 10**6):06d}",
        "site": company.site,
        "source": "Microsoft Defender for IoT",
        "sourceRef": inner("urlEvidence", cast, {"url": f"https://portal.azure.example/iot/{number}"}),
        "zone": "Halle 2",
    }


DEVICES: dict[str, Maker] = {
    "deviceEvidence": _full_device,
    "nicEvidence": _nic,
    "ioTDeviceEvidence": _iot_device,
}
