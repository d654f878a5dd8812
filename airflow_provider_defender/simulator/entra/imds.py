"""The instance metadata service: tokens for managed identities, over plain http.

Source: Microsoft "How to use managed identities on an Azure VM to acquire an access token".
"""

from __future__ import annotations

from airflow_provider_defender.simulator.entra.directory import Application
from airflow_provider_defender.simulator.entra.identity import EntraId
from airflow_provider_defender.simulator.server.clock import ServiceClock
from airflow_provider_defender.simulator.server.messages import Answer, Request, json_answer
from airflow_provider_defender.simulator.server.service import Service

__all__ = ["InstanceMetadata"]

_PATH = "/metadata/identity/oauth2/token"
_LIFETIME = 86_399


class InstanceMetadata(Service):
    """The service at one virtual machine.

    `system` is its system-assigned identity, `assigned` its user-assigned ones by their resource id;
    `token_seconds` how long their tokens live.
    """

    name = "imds"
    hosts = frozenset({"169.254.169.254"})
    secure = False

    def __init__(self, entra: EntraId, clock: ServiceClock) -> None:
        self.system: Application | None = None
        self.assigned: dict[str, Application] = {}
        self.token_seconds = _LIFETIME
        self._entra = entra
        self._clock = clock

    def owns(self, request: Request) -> bool:
        """Every request at the plain port."""
        return True

    def handle(self, request: Request) -> Answer:
        """A token, or what is wrong with the request."""
        return _refusal(request) or self._answer(request.parameters())

    def _answer(self, parameters: dict[str, str]) -> Answer:
        resource = parameters["resource"].rstrip("/")
        identity = self._identity(parameters)
        if identity is None:
            return _error(400, "invalid_request", "Identity not found")
        if self._entra.directory.roles_of(resource) is None:
            text = f"AADSTS500011: The resource principal named {resource} was not found in the tenant."
            return _error(400, "invalid_resource", text)
        return self._token(identity, resource)

    def _identity(self, parameters: dict[str, str]) -> Application | None:
        if "client_id" in parameters:
            wanted = parameters["client_id"].lower()
            return next((a for a in self.assigned.values() if a.client_id == wanted), None)
        if "object_id" in parameters:
            wanted = parameters["object_id"].lower()
            return next((a for a in self.assigned.values() if a.object_id == wanted), None)
        resource_id = parameters.get("msi_res_id") or parameters.get("mi_res_id")
        return self.assigned.get(resource_id) if resource_id else self.system

    def _token(self, identity: Application, resource: str) -> Answer:
        now = int(self._clock.seconds())
        lifetime = self.token_seconds if identity.token_seconds is None else identity.token_seconds
        body = {
            "access_token": self._entra.issue(identity, resource, lifetime),
            "client_id": identity.client_id,
            "expires_in": str(lifetime),
            "expires_on": str(now + lifetime),
            "ext_expires_in": str(lifetime),
            "not_before": str(now - 300),
            "resource": resource,
            "token_type": "Bearer",
        }
        return json_answer(200, body)


def _refusal(request: Request) -> Answer | None:
    """What is wrong with the request itself, whatever identity it asks for."""
    if request.path.rstrip("/") != _PATH:
        return _error(404, "not_found", "The requested resource was not found.")
    if request.method != "GET":
        return _error(405, "method_not_allowed", "Only GET is supported.")
    if request.headers.get("metadata", "").lower() != "true":
        return _error(400, "invalid_request", "Required metadata header not specified")
    if "x-forwarded-for" in request.headers:
        return _error(400, "invalid_request", "Requests through a proxy are not answered")
    parameters = request.parameters()
    if "api-version" not in parameters:
        return _error(400, "invalid_request", "Required query variable 'api-version' is missing")
    if not parameters.get("resource", "").rstrip("/"):
        return _error(400, "invalid_request", "Required query variable 'resource' is missing")
    return None


def _error(status: int, error: str, description: str) -> Answer:
    return json_answer(status, {"error": error, "error_description": description})
