"""The two ends of a device's connection: what is computed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import (
    addresses,
    by_distinct,
    collect,
    first_known,
    only_host,
    only_ip,
    only_mac,
    only_where,
    positive,
)
from ._inspected import inspected_protocol
from ._processes import Columns, chosen
from .functions import URL_FIELDS, collect_with, domain_and_address, network_type, protocol_fields

__all__ = [
    "CONNECTION_FIELDS",
    "connection_protocol",
    "direction_of",
    "ends",
    "hardware_addresses",
]

_OUTGOING = {"ConnectionAttempt", "ConnectionFailed", "ConnectionRequest", "ConnectionSuccess"}

CONNECTION_FIELDS = (
    "network.direction",
    "network.type",
    "source.address",
    "source.ip",
    "source.port",
    "source.domain",
    "destination.address",
    "destination.ip",
    "destination.port",
    "destination.domain",
    *URL_FIELDS,
    "related.ip",
    "related.hosts",
)
"""What `ends` gives."""


def direction_of(action_type: pa.Array, direction: pa.Array) -> pa.Array:
    """`network.direction` from the host's point of view, as ECS wants it for hosts: ingress or egress.

    It is what `AdditionalFields` says, else what the action type does: incoming where it has Inbound in it or
    the host listens, also for action types that Microsoft does not document. Unknown where neither does.
    """

    def find(action: str | None, text: str | None) -> tuple[str]:
        said = {"in": "ingress", "out": "egress"}.get((text or "").lower())
        name = action or ""
        incoming = "Inbound" in name or name == "ListeningConnectionCreated"
        return (said or ("egress" if name in _OUTGOING else "ingress" if incoming else "unknown"),)

    return by_distinct(find, (pa.string(),), action_type, direction)[0]


def ends(
    way: pa.Array,
    device_name: pa.Array,
    local: tuple[pa.Array, pa.Array],
    remote: tuple[pa.Array, pa.Array],
    url: Columns,
    url_host: pa.Array,
    asked: pa.Array,
    remote_name: pa.Array,
    hosts: Columns,
    ips: Columns,
    dns: Columns,
    answered: pa.Array,
) -> Columns:
    """The ends as in `CONNECTION_FIELDS`, then `dns`. The source is the end that began.

    Args:
        way: the direction; the host is the source unless it is ingress.
        device_name: the device.
        local: its address and port.
        remote: the other end's.
        url: the fields of the URL, as `url_fields` gives them.
        url_host: the host of the URL that the record itself names: it is the remote end's name, or its
            address where no other is known.
        asked: the host that the destination was called by, whichever end that is.
        remote_name: the remote end's name; it counts before the URL's host.
        hosts: further names that are related.
        ips: further addresses that are related.
        dns: the question's name first, the resolved addresses second.
        answered: lists of names among the answers of DNS.
    """
    incoming = pc.fill_null(pc.equal(way, "ingress"), False)
    (local_ip, local_address), (remote_ip, remote_address) = (
        (only_ip(address), addresses(address)) for address in (local[0], remote[0])
    )
    local_port, remote_port = positive(local[1]), positive(remote[1])
    host, url_address = domain_and_address(url_host)
    server, server_address = domain_and_address(asked)
    host, server = only_host(host), only_host(server)
    domain = first_known(only_host(remote_name), host)
    if url_address.null_count < len(url_address):
        is_unnamed = pc.and_(pc.is_null(remote_address), pc.is_null(domain))
        remote_ip, remote_address = (
            first_known(known, only_where(is_unnamed, url_address)) for known in (remote_ip, remote_address)
        )
    source_domain = only_where(incoming, domain)
    other_domain = pc.if_else(incoming, server, first_known(domain, server))
    sources, destinations = (
        chosen(incoming, columns, others)
        for columns, others in (
            ((remote_address, remote_ip, remote_port), (local_address, local_ip, local_port)),
            ((local_address, local_ip, local_port), (remote_address, remote_ip, remote_port)),
        )
    )
    related = collect(local_ip, remote_ip, url_address, server_address, *map(only_ip, ips))
    return (
        way,
        network_type(remote_ip, local_ip),
        first_known(sources[0], source_domain),
        *(*sources[1:], source_domain),
        first_known(destinations[0], other_domain),
        *(*destinations[1:], other_domain),
        *url,
        collect_with(related, dns[1]),
        collect_with(
            collect(only_host(device_name), domain, host, server, only_host(dns[0]), *map(only_host, hosts)),
            answered,
        ),
        *dns,
    )


def hardware_addresses(source: pa.Array, destination: pa.Array) -> Columns:
    """`source.mac` and `destination.mac` of the frame that was seen."""
    return only_mac(source), only_mac(destination)


def connection_protocol(
    protocol: pa.Array, action_type: pa.Array, local: pa.Array, remote: pa.Array
) -> Columns:
    """`network.transport` and `network.protocol`, the latter also by what was inspected.

    Between IPv6 addresses ICMP is another protocol, which IANA calls ipv6-icmp.
    """
    transport, name = protocol_fields(protocol)
    (inspected,) = by_distinct(inspected_protocol, (pa.string(),), action_type)
    is_transport = pc.fill_null(pc.equal(inspected, "icmp"), False)
    by_action = only_where(pc.invert(is_transport), inspected)
    transport = first_known(transport, only_where(is_transport, inspected))
    is_icmp = pc.fill_null(pc.equal(transport, "icmp"), False)
    if pc.any(is_icmp).as_py():
        version = network_type(*(only_ip(only_where(is_icmp, column)) for column in (remote, local)))
        transport = pc.if_else(pc.fill_null(pc.equal(version, "ipv6"), False), "ipv6-icmp", transport)
    return transport, first_known(by_action, name)
