"""Entra ID's errors: the AADSTS code decides status, OAuth error and text.

Source: Microsoft Entra "authentication and authorization error codes", and bodies seen on the wire. Texts
of rarer codes are shortened; clients should branch on `error`, never on the text.
"""

from __future__ import annotations

import time
import uuid
from typing import NamedTuple

from airflow_provider_defender.simulator.server.messages import Answer, json_answer

__all__ = ["AADSTS", "aadsts_answer"]


class _Error(NamedTuple):
    status: int
    error: str
    text: str


AADSTS: dict[int, _Error] = {
    7000215: _Error(
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
        "value, not the client secret ID, for a secret added to app '{app}'.",
    ),
    7000222: _Error(
        401,
        "invalid_client",
        "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new "
        "keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for "
        "added security.",
    ),
    7000216: _Error(
        401,
        "invalid_client",
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' "
        "grant type.",
    ),
    7000218: _Error(
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    700016: _Error(
        400,
        "unauthorized_client",
        "Application with identifier '{app}' was not found in the directory '{directory}'. This can happen "
        "if the application has not been installed by the administrator of the tenant or consented to by any "
        "user in the tenant. You may have sent your authentication request to the wrong tenant.",
    ),
    7000112: _Error(401, "unauthorized_client", "Application '{app}' is disabled."),
    90002: _Error(
        400,
        "invalid_request",
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
        "the correct cloud.",
    ),
    900023: _Error(
        400,
        "invalid_request",
        "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.",
    ),
    900144: _Error(
        400, "invalid_request", "The request body must contain the following parameter: '{parameter}'."
    ),
    70003: _Error(
        400, "unsupported_grant_type", "The app requested an unsupported grant type '{parameter}'."
    ),
    1002012: _Error(
        400,
        "invalid_scope",
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value "
        "with /.default suffixed to the resource identifier (application ID URI).",
    ),
    70011: _Error(
        400,
        "invalid_scope",
        "The provided request must include a 'scope' input parameter. The provided value for the input "
        "parameter 'scope' is not valid. The scope {scope} is not valid.",
    ),
    500011: _Error(
        400,
        "invalid_resource",
        "The resource principal named {resource} was not found in the tenant named {directory}.",
    ),
    700022: _Error(
        400, "invalid_request", "The provided value for scope {scope} contains more than one resource."
    ),
    700027: _Error(
        401,
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered on application.",
    ),
    700023: _Error(
        401,
        "invalid_client",
        "Client assertion audience claim does not match Realm issuer. Review the documentation at "
        "https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials.",
    ),
    700024: _Error(
        401, "invalid_client", "Client assertion is not within its valid time range. Current time: {now}."
    ),
    700021: _Error(
        401, "invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter."
    ),
    50027: _Error(400, "invalid_request", "JWT token is invalid or malformed."),
    70021: _Error(
        401, "invalid_client", "No matching federated identity record found for presented assertion."
    ),
    700211: _Error(
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion issuer '{issuer}'.",
    ),
    700212: _Error(
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion audience '{audience}'.",
    ),
    700213: _Error(
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion subject '{subject}'.",
    ),
    7002138: _Error(
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion: values are case-sensitive.",
    ),
    53003: _Error(
        400,
        "access_denied",
        "Access has been blocked by Conditional Access policies. The access policy does not allow "
        "token issuance.",
    ),
    530032: _Error(400, "access_denied", "Blocked by Conditional Access security policy."),
    90038: _Error(
        400,
        "invalid_request",
        "Tenant '{tenant}' request is being redirected to the National Cloud 'microsoftonline.us'.",
    ),
    900382: _Error(400, "invalid_request", "Confidential Client is not supported in Cross Cloud request."),
    900432: _Error(400, "invalid_request", "Confidential Client is not supported in Cross Cloud request."),
    50196: _Error(
        400,
        "invalid_grant",
        "The server terminated an operation because it encountered a client request loop.",
    ),
    90006: _Error(500, "temporarily_unavailable", "The service is temporarily unavailable."),
    90024: _Error(503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    90033: _Error(503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    50000: _Error(500, "temporarily_unavailable", "There was an error issuing a token."),
    90055: _Error(
        429,
        "temporarily_unavailable",
        "The server is terminating correlation because there are too many requests.",
    ),
}


def aadsts_answer(code: int, *, correlation_id: str | None = None, **values: str) -> Answer:
    """The error body for an AADSTS code, with all the keys that Entra ID always sends.

    `values` fill the text's placeholders (`app`, `tenant`, `scope`, …); unknown codes are answered as 400.
    """
    error = AADSTS.get(code, _Error(400, "invalid_request", "An error occurred."))
    timestamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    trace_id, correlation_id = str(uuid.uuid4()), correlation_id or str(uuid.uuid4())
    text = error.text.format_map(_Gaps(values))
    body = {
        "error": error.error,
        "error_description": f"AADSTS{code}: {text}\r\nTrace ID: {trace_id}\r\n"
        f"Correlation ID: {correlation_id}\r\nTimestamp: {timestamp}",
        "error_codes": [code],
        "timestamp": timestamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }
    headers = {"Cache-Control": "no-store, no-cache", "x-ms-request-id": trace_id}
    if error.status == 429:
        headers["Retry-After"] = "60"
    return json_answer(error.status, body, headers)


class _Gaps(dict[str, str]):
    """Values for a text; a missing one appears as its name."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"
