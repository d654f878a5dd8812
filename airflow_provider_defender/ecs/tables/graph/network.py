"""Evidence of networks: addresses, connections, names, URLs."""

from __future__ import annotations

from ...columns import network_type
from ...mapping import Fields
from .alert import Alert, Parts, roles_of
from .parts import address_fields, end_fields, url_fields
from .values import Item, address, child, children, member, port, text

__all__ = ["connection", "dns", "ip", "url"]


def ip(item: Item, alert: Alert) -> Fields:
    """`ipEvidence`: source or destination by its roles, else only related."""
    return address_fields(item, roles_of(item))


def url(item: Item, alert: Alert) -> Parts:
    """`urlEvidence`: the URL and its parts."""
    return (url_fields(text(item, "url")),)


def connection(item: Item, alert: Alert) -> Fields:
    """`networkConnectionEvidence`: both ends, and the transport protocol."""
    source, destination = child(item, "sourceAddress"), child(item, "destinationAddress")
    fields = {**end_fields(source, "source"), **end_fields(destination, "destination")}
    fields["source.port"], fields["destination.port"] = (
        port(item, "sourcePort"),
        port(item, "destinationPort"),
    )
    fields["network.transport"] = member(item, "protocol")
    fields["network.type"] = network_type(fields.get("destination.ip") or fields.get("source.ip"))
    return fields


def dns(item: Item, alert: Alert) -> Fields:
    """`dnsEvidence`: the name, what it resolved to, the client (source) and the server (destination)."""
    name = text(item, "domainName")
    resolved = (address(text(each, "ipAddress")) for each in children(item, "ipAddresses"))
    return {
        **end_fields(child(item, "hostIpAddress"), "source"),
        **end_fields(child(item, "dnsServerIp"), "destination"),
        "dns.question.name": name.strip().removesuffix(".").lower() or None if name is not None else None,
        "dns.resolved_ip": list(dict.fromkeys(each for each in resolved if each is not None)),
    }
