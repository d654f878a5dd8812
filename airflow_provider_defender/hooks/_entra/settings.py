"""Reading connections of type `entra_id` into checked settings.

No network: a wrong field is found before anything is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_provider_defender import compat
from airflow_provider_defender.clouds import CLOUDS, Cloud
from airflow_provider_defender.exceptions import UnexpectedHost
from airflow_provider_defender.hooks._connection.fields import AirflowConnection, Fields
from airflow_provider_defender.hooks._connection.network import Network, proxy_passwords, read_network
from airflow_provider_defender.hooks._connection.shown import shown_host
from airflow_provider_defender.hooks._entra.credentials import (
    Credential,
    ManagedIdentity,
    WorkloadIdentity,
    credential_secrets,
    read_credential,
)

__all__ = ["EntraSettings", "check_reference", "entra_settings", "read_entra", "trusts"]


@dataclass(frozen=True)
class EntraSettings:
    """Where and how to get tokens."""

    conn_id: str
    tenant_id: str
    cloud: Cloud
    authority: str
    credential: Credential
    network: Network
    remarks: tuple[str, ...] = ()
    """Warnings about extras that are not read."""

    @property
    def authority_hosts(self) -> frozenset[str]:
        """The hosts that may see the credential: the given one and the same cloud's others."""
        return frozenset({self.authority, *self.cloud.authority_hosts})

    @property
    def secrets(self) -> list[str]:
        """All texts that must not appear in logs."""
        return [*proxy_passwords(self.network.proxy), *credential_secrets(self.credential)]


def entra_settings(connection: AirflowConnection) -> EntraSettings:
    """Read a connection of type `entra_id`; `ConfigurationError` names the field and the remedy."""
    fields = Fields(connection)
    cloud = fields.cloud() or CLOUDS["public"]
    host = fields.host()
    if cloud.is_custom:
        authority = host or fields.missing("host", "with cloud=custom give the authority's host[:port]")
    elif host is None:
        authority = cloud.authority_hosts[0]
    elif host in cloud.authority_hosts:
        authority = host
    else:
        fields.wrong(
            "host",
            f"the {cloud.name} cloud signs in at {cloud.authority_hosts[0]}: leave host empty, or set cloud "
            "to custom for an authority of your own",
            shown_host(host),
        )
    trusted = not cloud.is_custom or trusts(authority)
    entra = read_entra(fields, cloud, authority, authority, trusted=trusted)
    return replace(entra, remarks=fields.unread("entra_id"))


def check_reference(
    fields: Fields, cloud: Cloud, host: str, entra: EntraSettings, *, owned: bool, api: str
) -> None:
    """Check that a token from a referenced connection only goes to Microsoft's hosts of the same cloud.

    `owned` says whether `host` is one of the cloud's hosts of that `api`. Otherwise, anybody who may edit
    this connection without knowing a secret could send the other connection's token to a host of their own.
    """
    if cloud is not entra.cloud:
        fields.wrong(
            "cloud",
            f"the connection {entra.conn_id!r} it refers to is of the {entra.cloud.name} cloud: use one "
            "cloud in both, or leave it empty here",
            repr(cloud.name),
        )
    if not cloud.is_custom and not owned:
        raise UnexpectedHost(
            f"Connection {fields.conn_id!r}: host {shown_host(host)} is no {api} host of the {cloud.name} "
            f"cloud, so it must not get a token of connection {entra.conn_id!r}. Correct host, or give this "
            "connection credentials of its own."
        )
    _check_worker_identity(fields, entra.credential, host, trusted=owned or trusts(host))
    tenant = fields.tenant()
    if tenant != entra.tenant_id:
        fields.wrong(
            "tenant_id",
            f"the connection {entra.conn_id!r} it refers to is of tenant {entra.tenant_id}: make them equal",
            repr(tenant),
        )


def read_entra(fields: Fields, cloud: Cloud, authority: str, host: str, *, trusted: bool) -> EntraSettings:
    """Read the connection's own credential. `host` receives the token; `trusted`: with any identity."""
    tenant = fields.tenant()
    credential = read_credential(fields)
    _check_worker_identity(fields, credential, host, trusted=trusted)
    return EntraSettings(
        conn_id=fields.conn_id,
        tenant_id=tenant,
        cloud=cloud,
        authority=authority,
        credential=credential,
        network=read_network(fields),
    )


def _check_worker_identity(fields: Fields, credential: Credential, host: str, *, trusted: bool) -> None:
    """Limit the worker's own identity to trusted hosts: Airflow protects a host only by a secret."""
    if isinstance(credential, ManagedIdentity | WorkloadIdentity) and not trusted:
        raise UnexpectedHost(
            f"Connection {fields.conn_id!r}: host {shown_host(host)} is not Microsoft's, so the identity of "
            "the worker must not be shown to it. If it is yours, an administrator adds it to the Airflow "
            "option [defender] trusted_hosts."
        )


def trusts(host: str) -> bool:
    """Whether the Airflow administrator trusts `host` with the worker's own identity."""
    listed = compat.airflow_option("defender", "trusted_hosts").split(",")
    return host in {text.strip().lower().removesuffix(":443") for text in listed}
