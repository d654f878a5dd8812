"""Addresses, URLs, names and connections."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Evidence, Maker, inner

__all__ = ["NETWORK", "ip"]


def ip(cast: Cast, address: str) -> dict[str, Any]:
    """An address of which only the text is known."""
    return {"ipAddress": address, "countryLetterCode": None, "location": None, "stream": None}


def _foreign_ip(cast: Cast) -> dict[str, Any]:
    place = cast.place
    return {
        "ipAddress": place.address,
        "countryLetterCode": place.country,
        "location": {
            "countryName": place.country_name,
            "state": place.state,
            "city": place.city,
            "latitude": place.latitude,
            "longitude": place.longitude,
        },
        "stream": {"name": "AuditLogs"},
    }


def _address(cast: Cast, address: str) -> Evidence:
    return inner("ipEvidence", cast, ip(cast, address))


def _dns(cast: Cast) -> dict[str, Any]:
    return {
        "domainName": cast.host,
        "dnsServerIp": _address(cast, "10.20.0.53"),
        "hostIpAddress": _address(cast, cast.local_address),
        "ipAddresses": [inner("ipEvidence", cast, _foreign_ip(cast)), _address(cast, "203.0.113.200")],
    }


def _connection(cast: Cast) -> dict[str, Any]:
    return {
        "sourceAddress": _address(cast, cast.local_address),
        "sourcePort": 49_152 + cast.number("source port", 16_000),
        "destinationAddress": inner("ipEvidence", cast, _foreign_ip(cast)),
        "destinationPort": cast.draw("port").choice((443, 8443, 4444, 53)),
        "protocol": cast.draw("protocol").choice(("tcp", "tcp", "udp")),
    }


NETWORK: dict[str, Maker] = {
    "ipEvidence": _foreign_ip,
    "urlEvidence": lambda cast: {"url": cast.url},
    "dnsEvidence": _dns,
    "networkConnectionEvidence": _connection,
}
