"""Evidence of Defender for IoT: devices and their network adapters."""

from __future__ import annotations

from collections.abc import Iterable

from ...columns import host_name, known_name, mac_address
from ...operating_systems import operating_system_family
from .alert import Alert, Fields, Item, Roles, roles_of
from .cloud_resources import place_fields
from .parts import DESTINATIONS, SOURCES, host_addresses, os_name
from .values import address, child, children, text, texts

__all__ = ["iot_device", "network_adapter"]


def iot_device(item: Item, alert: Alert) -> Fields:
    """`ioTDeviceEvidence`: a host, and the device that it is.

    What the network knows of it (site, zone, Purdue layer, sensor) is in no ECS field.
    """
    name, system = known_name(text(item, "deviceName")), os_name(text(item, "operatingSystem"))
    own = [text(child(item, "ipAddress"), "ipAddress")]
    macs = [text(item, "macAddress")]
    for adapter in children(item, "nics"):
        own.append(text(child(adapter, "ipAddress"), "ipAddress"))
        macs.append(text(adapter, "macAddress"))
    return {
        **place_fields(child(item, "ioTHub")),
        **_ends(roles_of(item), own[0], macs[0]),
        "device.id": text(item, "deviceId"),
        "device.manufacturer": text(item, "manufacturer"),
        "device.model.name": text(item, "model"),
        "device.serial_number": text(item, "serialNumber"),
        "device.type": text(item, "deviceType"),
        "host.hostname": name if host_name(name) is not None else None,
        "host.id": text(item, "deviceId"),
        "host.ip": host_addresses(*own),
        "host.mac": _known(map(mac_address, macs)),
        "host.name": name.lower() if name is not None else None,
        "host.os.name": system,
        "host.os.type": operating_system_family(system),
        "host.type": text(item, "deviceType"),
        "related.user": texts(item, "owners"),
    }


def network_adapter(item: Item, alert: Alert) -> Fields:
    """`nicEvidence`: address and MAC of a host's adapter; its VLAN where there is only one."""
    own, mac = text(child(item, "ipAddress"), "ipAddress"), text(item, "macAddress")
    vlans = texts(item, "vlans")
    vlan = vlans[0] if len(vlans) == 1 else None
    is_number = vlan is not None and vlan.isdecimal()
    return {
        **_ends(roles_of(item), own, mac),
        "host.ip": host_addresses(own),
        "host.mac": _known([mac_address(mac)]),
        "network.vlan.id": vlan if is_number else None,
        "network.vlan.name": None if is_number else vlan,
    }


def _ends(roles: Roles, own: str | None, mac: str | None) -> Fields:
    """The device as one end of the traffic, if its roles say which."""
    plain = address(own)
    for prefix, meant in (("destination", DESTINATIONS), ("source", SOURCES)):
        if plain is not None and not meant.isdisjoint(roles):
            return {
                f"{prefix}.address": plain,
                f"{prefix}.ip": plain,
                f"{prefix}.mac": mac_address(mac),
            }
    return {}


def _known(values: Iterable[str | None]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value is not None]
