"""Hosts and token scopes of each Microsoft cloud, as data.

Sources: Microsoft Learn, "Supported Microsoft Defender for Endpoint APIs", "Microsoft Defender for
Endpoint for US Government customers", "National clouds" (Entra ID authorities and Graph roots), "Azure
Government developer guide" and "Azure China developer guide" (Event Hubs namespaces).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CLOUDS", "Cloud"]


@dataclass(frozen=True)
class Cloud:
    """One Microsoft cloud. Hosts are bare and lower-case; the first of each tuple is the default.

    `defender_families` are the DNS suffixes whose hosts belong to the cloud's Defender API, such as the
    geographic `eu.api.security.microsoft.com`: only they may get a token by a page link.
    `event_hubs_suffix` is the DNS suffix of the cloud's Event Hubs namespaces.
    Scopes of APIs are given, never derived from a host: the public API's token audience is not its host
    name. Only an Event Hubs namespace is its own audience.
    """

    name: str
    authority_hosts: tuple[str, ...] = ()
    defender_host: str | None = None
    defender_families: tuple[str, ...] = ()
    defender_scope: str | None = None
    event_hubs_suffix: str | None = None
    graph_scope: str | None = None

    @property
    def is_custom(self) -> bool:
        """Whether the hosts come from the connection instead of this table."""
        return not self.authority_hosts

    def owns_defender_host(self, netloc: str) -> bool:
        """Whether `netloc` (`host` or `host:port`, lower-case) is a Defender API host of this cloud."""
        return any(netloc == family or netloc.endswith("." + family) for family in self.defender_families)

    def owns_namespace(self, host: str) -> bool:
        """Whether `host` (lower-case, without a port) is an Event Hubs namespace of this cloud."""
        return self.event_hubs_suffix is not None and host.endswith("." + self.event_hubs_suffix)


_PUBLIC_AUTHORITIES = (
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
)
_US_AUTHORITIES = ("login.microsoftonline.us", "login.usgovcloudapi.net")
_US_FAMILIES = ("securitycenter.microsoft.us", "security.microsoft.us")
_PUBLIC_SCOPE = "https://api.securitycenter.microsoft.com/.default"
_PUBLIC_NAMESPACES = "servicebus.windows.net"
_US_NAMESPACES = "servicebus.usgovcloudapi.net"
_GRAPH_SCOPE = "https://graph.microsoft.com/.default"

CLOUDS: Mapping[str, Cloud] = MappingProxyType(
    {
        cloud.name: cloud
        for cloud in (
            Cloud(
                name="public",
                authority_hosts=_PUBLIC_AUTHORITIES,
                defender_host="api.security.microsoft.com",
                defender_families=(
                    "security.microsoft.com",
                    "securitycenter.microsoft.com",
                    "securitycenter.windows.com",
                ),
                defender_scope=_PUBLIC_SCOPE,
                event_hubs_suffix=_PUBLIC_NAMESPACES,
                graph_scope=_GRAPH_SCOPE,
            ),
            Cloud(
                name="gcc",
                authority_hosts=_PUBLIC_AUTHORITIES,
                defender_host="api-gcc.securitycenter.microsoft.us",
                defender_families=_US_FAMILIES,
                defender_scope="https://api-gcc.securitycenter.microsoft.us/.default",
                event_hubs_suffix=_PUBLIC_NAMESPACES,
                graph_scope=_GRAPH_SCOPE,
            ),
            Cloud(
                name="gcc_high",
                authority_hosts=_US_AUTHORITIES,
                defender_host="api-gov.securitycenter.microsoft.us",
                defender_families=_US_FAMILIES,
                defender_scope="https://api-gov.securitycenter.microsoft.us/.default",
                event_hubs_suffix=_US_NAMESPACES,
                graph_scope="https://graph.microsoft.us/.default",
            ),
            Cloud(
                name="dod",
                authority_hosts=_US_AUTHORITIES,
                defender_host="api-gov.securitycenter.microsoft.us",
                defender_families=_US_FAMILIES,
                defender_scope="https://api-gov.securitycenter.microsoft.us/.default",
                event_hubs_suffix=_US_NAMESPACES,
                graph_scope="https://dod-graph.microsoft.us/.default",
            ),
            # 21Vianet: Microsoft documents no Defender for Endpoint API there.
            Cloud(
                name="china",
                authority_hosts=("login.partner.microsoftonline.cn", "login.chinacloudapi.cn"),
                event_hubs_suffix="servicebus.chinacloudapi.cn",
                graph_scope="https://microsoftgraph.chinacloudapi.cn/.default",
            ),
            # Free hosts from the connection: the simulator, or a cloud that is not in this table.
            Cloud(name="custom", defender_scope=_PUBLIC_SCOPE, graph_scope=_GRAPH_SCOPE),
        )
    }
)
