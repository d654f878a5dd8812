"""Reading connections of a REST API into checked settings. No network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow_provider_defender.clouds import CLOUDS, ApiHosts, Cloud, belongs_elsewhere
from airflow_provider_defender.hooks._connection.fields import AirflowConnection, Fields
from airflow_provider_defender.hooks._connection.network import Network, proxy_passwords, read_network
from airflow_provider_defender.hooks._entra.settings import (
    EntraSettings,
    check_reference,
    entra_settings,
    read_entra,
    trusts,
)
from airflow_provider_defender.hooks._rest.api import RestApi

__all__ = ["RestSettings", "rest_settings"]


@dataclass(frozen=True)
class RestSettings:
    """The API's host, its quotas, and the credential for it."""

    conn_id: str
    tenant_id: str
    host: str
    cloud: Cloud
    hosts: ApiHosts
    """The API's hosts in that cloud."""
    scope: str
    entra: EntraSettings
    network: Network
    calls_per_minute: int
    calls_per_hour: int
    remarks: tuple[str, ...] = ()
    """Warnings about extras that are not read."""

    @property
    def secrets(self) -> list[str]:
        """All texts that must not appear in logs."""
        return [*self.entra.secrets, *proxy_passwords(self.network.proxy)]

    def may_get_token(self, host: str) -> bool:
        """Whether a page link may lead to `host` (normalised)."""
        return host == self.host or self.hosts.owns(host)


def rest_settings(
    api: RestApi, conn_type: str, connection: AirflowConnection, load: Callable[[str], AirflowConnection]
) -> RestSettings:
    """Read a connection of type `conn_type` to `api`; `load` finds the `entra_id` connection it may refer to.

    Raises `ConfigurationError`, which names the field and the remedy, and `UnexpectedHost` if a host must not
    receive the credential.
    """
    fields = Fields(connection)
    reference = fields.text("entra_id_conn_id")
    referred = entra_settings(load(reference)) if reference else None
    cloud = fields.cloud() or (referred.cloud if referred else CLOUDS["public"])
    hosts = api.hosts(cloud)
    host = _host(fields, api, cloud, hosts)
    entra = _entra(fields, api, cloud, host, referred)
    return RestSettings(
        conn_id=fields.conn_id,
        tenant_id=entra.tenant_id,
        host=host,
        cloud=cloud,
        hosts=hosts,
        scope=_scope(fields, api, cloud) or hosts.scope or "",
        entra=entra,
        network=read_network(fields),
        calls_per_minute=fields.count("calls_per_minute", api.calls_per_minute),
        calls_per_hour=fields.count("calls_per_hour", api.calls_per_hour),
        remarks=(*fields.unread(conn_type), *entra.remarks),
    )


def _host(fields: Fields, api: RestApi, cloud: Cloud, hosts: ApiHosts) -> str:
    if cloud.name in api.absent_from or (not cloud.is_custom and hosts.host is None):
        fields.wrong("cloud", api.absent, repr(cloud.name))
    given = fields.host()
    if given and not cloud.is_custom and belongs_elsewhere(given, api.hosts):
        given = None  # the connection serves several APIs, and this is another one's
    return given or hosts.host or fields.missing("host", "with cloud=custom give the API's host[:port]")


def _scope(fields: Fields, api: RestApi, cloud: Cloud) -> str | None:
    """The connection's scope, if it has a say and does not name another API's audience."""
    scope = fields.scope() if cloud.is_custom else None
    audience = urlsplit(scope or "").netloc.lower()
    return None if belongs_elsewhere(audience, api.hosts) else scope


def _entra(
    fields: Fields, api: RestApi, cloud: Cloud, host: str, referred: EntraSettings | None
) -> EntraSettings:
    """The credential for the API's token.

    A connection with its own credential may have any host, since Airflow protects changes of the host.
    """
    owned = api.hosts(cloud).owns(host)
    if referred is not None:
        check_reference(fields, cloud, host, referred, owned=owned, api=api.name)
        return referred
    authority = host if cloud.is_custom else cloud.authority_hosts[0]
    return read_entra(fields, cloud, authority, host, trusted=owned or trusts(host))
