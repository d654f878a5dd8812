"""Tokens of Microsoft Entra ID for an application (no user)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_defender._connection_fields import with_connection_fields
from airflow_provider_defender.hooks._access_token import AccessToken
from airflow_provider_defender.hooks._connection_test import describe_token, run_test
from airflow_provider_defender.hooks._connections import find_connection
from airflow_provider_defender.hooks._settings import EntraSettings, entra_settings
from airflow_provider_defender.hooks._waiting import NO_WAITING, Waits

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._tokens import TokenSource

__all__ = ["EntraIdHook"]


@with_connection_fields("entra_id")
class EntraIdHook(BaseHook):
    """Gets tokens from Microsoft Entra ID, or from the machine's managed identity, by msal.

    Nothing is sent before the first token is asked for, and every field of the connection is checked
    before anything is sent.

    `AZURE_TENANT_ID` and `AZURE_AUTHORITY_HOST` are not read: `tenant_id` and `cloud` decide. A managed or
    workload identity is shown to a host outside Microsoft's only if the Airflow option
    `[defender] trusted_hosts` (comma-separated `host[:port]`) names it.

    :param entra_id_conn_id: the connection
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

        Ask anew for each request: msal's cache decides when a new one is needed. The token is masked in
        Airflow's logs.

        Raises `CredentialError` (secret, certificate, application, tenant, cloud), `ConfigurationError` (a
        field), `HostUnreachable` and `UnexpectedHost`, all without retry by Airflow; `ServiceUnavailable`
        and `Throttled` after the retries in place.
        """
        waits = Waits(self.log, sleep=self._sleep, jitter=random.random, clock=self._clock)
        return self._tokens.token(scope, waits)

    def test_connection(self) -> tuple[bool, str]:
        """Get a token within ten seconds, and say for whom, until when, and which roles it grants."""
        return run_test(self.entra_id_conn_id, lambda: self._settings, self._test)

    def _test(self, settings: EntraSettings, deadline: float) -> str:
        from airflow_provider_defender.hooks._tokens import TokenSource

        waits = Waits(self.log, sleep=self._sleep, jitter=random.random, limits=NO_WAITING)
        scope = settings.cloud.defender_scope or settings.cloud.graph_scope or ""
        token = TokenSource(settings, deadline=deadline).token(scope, waits)
        return describe_token(token, settings.credential.client_id, settings.tenant_id, settings.cloud.name)

    @cached_property
    def _settings(self) -> EntraSettings:
        settings = entra_settings(find_connection(self.entra_id_conn_id, self.conn_type))
        for secret in settings.secrets:
            mask_secret(secret)
        for remark in settings.remarks:
            self.log.warning("%s", remark)
        return settings

    @cached_property
    def _tokens(self) -> TokenSource:
        from airflow_provider_defender.hooks._tokens import TokenSource

        return TokenSource(self._settings, clock=self._clock)
