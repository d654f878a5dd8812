"""Addresses of brokers: `host[:port]`, one or several."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_defender.hooks._connection.shown import shown_host

__all__ = ["PORT", "Place", "bare_host", "shown_servers", "split_server"]

PORT = 9093
"""The port of Event Hubs' Kafka endpoint, and the default."""


@dataclass(frozen=True)
class Place:
    """The brokers: a name for people, the bare host, and librdkafka's list."""

    name: str
    host: str
    servers: str
    free: bool

    @property
    def each(self) -> list[str]:
        """All servers, `host:port`."""
        return self.servers.split(",")

    @classmethod
    def at(cls, names: list[str], servers: list[str], *, free: bool) -> Place:
        """`free`: it comes from the field host, so any host is allowed."""
        whole = (f"{host}:{port}" for host, port in map(split_server, servers))
        name = min(names)  # whatever the order of several: the lake's log is named after it
        return cls(name, bare_host(name), ",".join(whole), free)


def shown_servers(servers: list[str]) -> str:
    return ", ".join(shown_host(server) for server in servers)


def split_server(server: str) -> tuple[str, int]:
    host, separator, port = server.rpartition(":")
    return (host, int(port)) if separator and port.isdigit() else (server, PORT)


def bare_host(server: str) -> str:
    return split_server(server)[0]
