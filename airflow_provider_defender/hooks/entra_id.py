"""Tokens of Microsoft Entra ID for applications (not users)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from airflow_provider_defender._connection_fields import with_connection_fields
from airflow_provider_defender.hooks._connection.button import run_test
from airflow_provider_defender.hooks._connection.lookup import find_connection
from airflow_provider_defender.hooks._connection.redaction import mask
from airflow_provider_defender.hooks._entra.access_token import AccessToken, describe_token
from airflow_provider_defender.hooks._entra.settings import EntraSettings, entra_settings
from airflow_provider_defender.hooks._http.waiting import NO_WAITING, Waits

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._entra.tokens import TokenSource

__all__ = ["EntraIdHook"]


@with_connection_fields("entra_id")
class EntraIdHook(BaseHook):
    """Gets tokens from Microsoft Entra ID, or from the machine's managed identity, through msal.

    Nothing is sent before the first token is requested, and every field of the connection is checked before
    anything is sent.

    `AZURE_TENANT_ID` and `AZURE_AUTHORITY_HOST` are not read: `tenant_id` and `cloud` decide. A token of a
    managed or workload identity goes to a host outside Microsoft's only if the Airflow option
    `[defender] trusted_hosts` (comma-separated `host[:port]`) lists it.

    :param entra_id_conn_id: ID of a connection of type `entra_id`
    :param sleep: waits for seconds; for tests
    :param clock: monotonic seconds; for tests
    """

    conn_name_attr = "entra_id_conn_id"
    default_conn_name = "entra_id_default"
    conn_type = "entra_id"
    hook_name = "Microsoft Entra ID"

    def __init__(
        self,
        entra_id_conn_id: str = default_conn_name,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.entra_id_conn_id = entra_id_conn_id
        self._sleep = sleep
        self._clock = clock

    @property
    def tenant_id(self) -> str:
        """The tenant's GUID, in lower case."""
        return self._settings.tenant_id

    def get_token(self, scope: str) -> AccessToken:
        """Return a token for `scope` (such as `https://graph.microsoft.com/.default`).

        Call it for each request: msal's cache decides when a new token is needed. The token is masked in
        Airflow's logs.

        Raises `CredentialError` (secret, certificate, application, tenant, cloud), `ConfigurationError` (a
        field), `HostUnreachable` and `UnexpectedHost`, all without retry by Airflow; `ServiceUnavailable`
        and `Throttled` after the retries in place.
        """
        waits = Waits(self.log, sleep=self._sleep, jitter=random.random, clock=self._clock)
        return self._tokens.token(scope, waits)

    def test_connection(self) -> tuple[bool, str]:
        """Get a token within ten seconds; report its application, expiry and roles."""
        return run_test(self.entra_id_conn_id, lambda: self._settings, self._test)

    def _test(self, settings: EntraSettings, deadline: float) -> str:
        from airflow_provider_defender.hooks._entra.tokens import TokenSource

        waits = Waits(self.log, sleep=self._sleep, jitter=random.random, limits=NO_WAITING)
        scope = settings.cloud.defender.scope or settings.cloud.graph.scope or ""
        token = TokenSource(settings, deadline=deadline).token(scope, waits)
        return describe_token(token, settings.credential.client_id, settings.tenant_id, settings.cloud.name)

    @cached_property
    def _settings(self) -> EntraSettings:
        settings = entra_settings(find_connection(self.entra_id_conn_id, self.conn_type))
        mask(settings.secrets)
        for remark in settings.remarks:
            self.log.warning("%s", remark)
        return settings

    @cached_property
    def _tokens(self) -> TokenSource:
        from airflow_provider_defender.hooks._entra.tokens import TokenSource

        return TokenSource(self._settings, clock=self._clock)
