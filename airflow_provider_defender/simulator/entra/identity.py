"""Entra ID as a service: discovery, the token endpoint for every client credential, and the signing keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_defender.simulator.entra.aadsts import aadsts_answer
from airflow_provider_defender.simulator.entra.credentials import (
    CredentialCheck,
    RefusalError,
    client_of,
    resource_of,
)
from airflow_provider_defender.simulator.entra.directory import Application, Directory
from airflow_provider_defender.simulator.entra.faults import TOKEN
from airflow_provider_defender.simulator.entra.tokens import AccessTokens
from airflow_provider_defender.simulator.server.clock import ServiceClock
from airflow_provider_defender.simulator.server.messages import Answer, Request, json_answer
from airflow_provider_defender.simulator.server.service import Service

__all__ = ["EntraId"]

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")
_INSTANCE = re.compile(r"/common/discovery/instance\Z")
_DISCOVERY = re.compile(r"/(?P<tenant>[^/]+)(/v2\.0)?/\.well-known/openid-configuration/?\Z")
_TOKEN = re.compile(r"/(?P<tenant>[^/]+)/oauth2/v2\.0/token/?\Z")
_KEYS = re.compile(r"/(?P<tenant>[^/]+)/discovery/(v2\.0/)?keys/?\Z")
_PATHS = (_INSTANCE, _DISCOVERY, _TOKEN, _KEYS)


class EntraId(Service):
    """One tenant's identity provider.

    `token_seconds` is how long tokens live, `refresh_in` is sent when set; both in seconds.
    """

    name = "entra"
    hosts = frozenset(
        {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}
    )
    faults = MappingProxyType({"aadsts": TOKEN})

    def __init__(
        self, directory: Directory, tenant_id: str, domain: str, base_url: str, clock: ServiceClock
    ) -> None:
        self.directory = directory
        self.tenant_id = tenant_id
        self.domain = domain
        self.token_seconds = 3599
        self.refresh_in: int | None = None
        self._base_url = base_url
        self._tokens = AccessTokens(tenant_id, clock)
        self._credentials = CredentialCheck(directory, clock)

    # -- the endpoints

    def owns(self, request: Request) -> bool:
        """Whether the path is one of Entra ID's."""
        return any(path.match(request.path) for path in _PATHS)

    def handle(self, request: Request) -> Answer:
        """The answer of the endpoint that the path names."""
        if request.fault is not None and request.has_fault("aadsts"):
            return _refused(request.fault.code, request)
        if match := _DISCOVERY.match(request.path):
            return self._checked(match["tenant"], request, self._openid_configuration)
        if match := _KEYS.match(request.path):
            return self._checked(match["tenant"], request, self._keys)
        if match := _TOKEN.match(request.path):
            if request.method != "POST":
                return Answer(405, {"Allow": "POST"})
            return self._checked(match["tenant"], request, self._token)
        return self._instance_discovery(request)

    def _checked(self, tenant: str, request: Request, answer: Callable[[Request], Answer]) -> Answer:
        """Run `answer` for one of our tenant's names; refusals become error bodies."""
        tenant = unquote(tenant)
        try:
            if tenant.lower() not in (self.tenant_id, self.domain):
                raise RefusalError(90002 if _GUID.match(tenant) or _DOMAIN.match(tenant) else 900023)
            return answer(request)
        except RefusalError as refusal:
            values = {"tenant": tenant, "directory": self.domain, **refusal.values}
            return _refused(refusal.code, request, **values)

    def _instance_discovery(self, request: Request) -> Answer:
        endpoint = request.parameters().get("authorization_endpoint", "")
        host = (urlsplit(endpoint).hostname or "").lower()
        base_url = request.origin(self._base_url)
        ours = (urlsplit(base_url).hostname or "").lower()
        if host not in (ours, "localhost", "127.0.0.1", "login.microsoftonline.com"):
            body = {
                "error": "invalid_instance",
                "error_description": "AADSTS50049: Unknown or invalid instance.",
                "error_codes": [50049],
            }
            return json_answer(400, body)
        tenant = urlsplit(endpoint).path.lstrip("/").split("/")[0] or self.tenant_id
        body = {
            "tenant_discovery_endpoint": f"{base_url}/{tenant}/.well-known/openid-configuration",
            "api-version": "1.0",
            "metadata": [],
        }
        return json_answer(200, body)

    def _root(self, request: Request) -> str:
        return f"{request.origin(self._base_url)}/{self.tenant_id}"

    def _openid_configuration(self, request: Request) -> Answer:
        root = self._root(request)
        body = {
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "jwks_uri": f"{root}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
            "tenant_region_scope": "NA",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
        }
        return json_answer(200, body, {"Access-Control-Allow-Origin": "*"})

    def _keys(self, request: Request) -> Answer:
        return json_answer(200, {"keys": [self._tokens.public_key()]})

    def _token(self, request: Request) -> Answer:
        form = request.form()
        if "grant_type" not in form:
            raise RefusalError(900144, parameter="grant_type")
        if form["grant_type"] != "client_credentials":
            raise RefusalError(70003, parameter=form["grant_type"])
        client_id, secret = client_of(request, form)
        resource = resource_of(form)
        application = self._credentials.authenticated(client_id, secret, form, self._root(request))
        if self.directory.roles_of(resource) is None:
            raise RefusalError(500011, resource=resource)
        return self._issued(application, resource)

    def _issued(self, application: Application, resource: str) -> Answer:
        lifetime = self.lifetime_for(application)
        body: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": self.issue(application, resource, lifetime),
        }
        if self.refresh_in is not None:
            body["refresh_in"] = self.refresh_in
        return json_answer(200, body, {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"})

    # -- access tokens

    def lifetime_for(self, application: Application) -> int:
        """How many seconds a token of this application lives."""
        return self.token_seconds if application.token_seconds is None else application.token_seconds

    def issue(self, application: Application, resource: str, lifetime: float) -> str:
        """A signed access token for one of the tenant's applications; `lifetime` in seconds."""
        roles = self.directory.roles_of(resource) or frozenset()
        return self._tokens.issue(application, resource, roles, lifetime)

    def verify(self, token: str, audiences: frozenset[str]) -> dict[str, Any]:
        """The claims of an access token; see `AccessTokens.verify`."""
        return self._tokens.verify(token, audiences)

    def revoke(self, claims: Mapping[str, Any]) -> None:
        """From now on, refuse the token with these claims as if it had expired."""
        self._tokens.revoke(claims)


def _refused(code: int, request: Request, **values: str) -> Answer:
    return aadsts_answer(code, correlation_id=request.headers.get("client-request-id"), **values)
