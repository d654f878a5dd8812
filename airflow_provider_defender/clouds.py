"""Hosts and token scopes of each Microsoft cloud, as data.

Sources: Microsoft Learn, "Supported Microsoft Defender for Endpoint APIs", "Microsoft Defender for
Endpoint for US Government customers", "National clouds" (Entra ID authorities), "National cloud
deployments" of Microsoft Graph (roots of its API), "Azure Government developer guide" and "Azure China
developer guide" (Event Hubs namespaces).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CLOUDS", "ApiHosts", "Cloud", "belongs_elsewhere"]


@dataclass(frozen=True)
class ApiHosts:
    """The hosts of one REST API of a cloud. Hosts are bare and lower-case.

    `host` is the default one, None if the cloud has no such API. `families` are the DNS suffixes of the hosts
    that belong to the API, such as the geographic `eu.api.security.microsoft.com`: page links may only send a
    token to these. `scope` is the token's; it is never derived from a host, since the audience of Defender's
    public API is not its host name.
    """

    host: str | None = None
    families: tuple[str, ...] = ()
    scope: str | None = None

    def owns(self, netloc: str) -> bool:
        """Whether `netloc` (`host` or `host:port`, lower-case) is a host of this API."""
        return any(netloc == family or netloc.endswith("." + family) for family in self.families)


@dataclass(frozen=True)
class Cloud:
    """One Microsoft cloud. Hosts are bare and lower-case; the first of `authority_hosts` is the default.

    `defender` is the API of Defender for Endpoint, `graph` Microsoft Graph. `event_hubs_suffix` is the DNS
    suffix of the cloud's Event Hubs namespaces, each of which is its own audience.
    """

    name: str
    authority_hosts: tuple[str, ...] = ()
    defender: ApiHosts = ApiHosts()
    graph: ApiHosts = ApiHosts()
    event_hubs_suffix: str | None = None

    @property
    def is_custom(self) -> bool:
        """Whether the connection names the hosts instead of this table."""
        return not self.authority_hosts

    def owns_namespace(self, host: str) -> bool:
        """Whether `host` (lower-case, without a port) is an Event Hubs namespace of this cloud."""
        return self.event_hubs_suffix is not None and host.endswith("." + self.event_hubs_suffix)


def belongs_elsewhere(netloc: str, api: Callable[[Cloud], ApiHosts]) -> bool:
    """Whether `netloc` (`host` or `host:port`, lower-case) is a host of another API than `api`, in any cloud.

    Hosts that are in none of the families here belong to nobody.
    """
    host = netloc.partition(":")[0]
    others = (each for cloud in CLOUDS.values() for each in (cloud.defender, cloud.graph))
    return any(each.owns(host) for each in others) and not any(
        api(cloud).owns(host) for cloud in CLOUDS.values()
    )


def _graph(host: str) -> ApiHosts:
    """Microsoft Graph of a cloud, which has one host and no geographic ones."""
    return ApiHosts(host, (host,), f"https://{host}/.default")


def _us_defender(host: str) -> ApiHosts:
    families = ("securitycenter.microsoft.us", "security.microsoft.us")
    return ApiHosts(host, families, f"https://{host}/.default")


_PUBLIC_AUTHORITIES = (
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
)
_US_AUTHORITIES = ("login.microsoftonline.us", "login.usgovcloudapi.net")
_PUBLIC_DEFENDER = ApiHosts(
    "api.security.microsoft.com",
    ("security.microsoft.com", "securitycenter.microsoft.com", "securitycenter.windows.com"),
    "https://api.securitycenter.microsoft.com/.default",
)
_PUBLIC_GRAPH = _graph("graph.microsoft.com")
_PUBLIC_NAMESPACES = "servicebus.windows.net"
_US_NAMESPACES = "servicebus.usgovcloudapi.net"

CLOUDS: Mapping[str, Cloud] = MappingProxyType(
    {
        cloud.name: cloud
        for cloud in (
            Cloud("public", _PUBLIC_AUTHORITIES, _PUBLIC_DEFENDER, _PUBLIC_GRAPH, _PUBLIC_NAMESPACES),
            # GCC runs in the public cloud, except for Defender.
            Cloud(
                "gcc",
                _PUBLIC_AUTHORITIES,
                _us_defender("api-gcc.securitycenter.microsoft.us"),
                _PUBLIC_GRAPH,
                _PUBLIC_NAMESPACES,
            ),
            Cloud(
                "gcc_high",
                _US_AUTHORITIES,
                _us_defender("api-gov.securitycenter.microsoft.us"),
                _graph("graph.microsoft.us"),
                _US_NAMESPACES,
            ),
            Cloud(
                "dod",
                _US_AUTHORITIES,
                _us_defender("api-gov.securitycenter.microsoft.us"),
                _graph("dod-graph.microsoft.us"),
                _US_NAMESPACES,
            ),
            # 21Vianet: Microsoft documents no Defender for Endpoint API there.
            Cloud(
                "china",
                ("login.partner.microsoftonline.cn", "login.chinacloudapi.cn"),
                graph=_graph("microsoftgraph.chinacloudapi.cn"),
                event_hubs_suffix="servicebus.chinacloudapi.cn",
            ),
            # Any hosts, named by the connection: the simulator, or a cloud that is not in this table.
            Cloud(
                "custom",
                defender=ApiHosts(scope=_PUBLIC_DEFENDER.scope),
                graph=ApiHosts(scope=_PUBLIC_GRAPH.scope),
            ),
        )
    }
)
