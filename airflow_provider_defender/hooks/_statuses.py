"""What the Defender API's answers mean, by HTTP status, as a table.

Sources: Microsoft Learn, "Common REST API error codes" and "Overview of Defender for Endpoint API limits".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from airflow_provider_defender.exceptions import CredentialError, FailNow, PermissionMissing, RequestRefused

__all__ = ["ApiError", "Refusal", "is_outage", "read_error", "refusal_for"]


@dataclass(frozen=True)
class Refusal:
    """The error to raise for a status that does not heal, and what to do about it."""

    error: type[FailNow]
    cure: str


REFUSALS: Mapping[int, Refusal] = MappingProxyType(
    {
        400: Refusal(
            RequestRefused, "the request itself was refused: check the filters; else report it as a bug"
        ),
        401: Refusal(
            CredentialError,
            "a new token was refused, too: check cloud and host, which decide whom the token is for",
        ),
        403: Refusal(PermissionMissing, "check the application's roles and the tenant's licence"),
        404: Refusal(RequestRefused, "there is no alerts API at this address: check host and cloud"),
        407: Refusal(CredentialError, "the proxy wants a login: check the connection's proxy"),
    }
)
_OTHER = Refusal(RequestRefused, "the request was refused: check host and cloud")
_NOT_THE_API = Refusal(
    RequestRefused, "this does not look like Defender's answer: check host, and any proxy or firewall between"
)
_NEEDED_ROLES = re.compile(r"API required roles:\s*(?P<needed>[A-Za-z0-9., ]*?),?\s*application roles:")


@dataclass(frozen=True)
class ApiError:
    """The API's error body: code, message, and `target`, the correlation ID to tell Microsoft's support."""

    code: str
    message: str
    target: str


class _Inner(msgspec.Struct):
    code: str = ""
    message: str = ""
    target: str | None = None


class _Outer(msgspec.Struct):
    error: _Inner


def read_error(body: bytes) -> ApiError | None:
    """The error in a body, or None where the body is not the API's own."""
    try:
        error = msgspec.json.decode(body, type=_Outer).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return ApiError(error.code, error.message, error.target or "")


def is_outage(status: int) -> bool:
    """Whether another try may succeed."""
    return status == 408 or status >= 500


def refusal_for(status: int, error: ApiError | None) -> Refusal:
    """What to raise for a 4xx that is neither throttling nor an expired token."""
    if error is None and status in (400, 403):
        return _NOT_THE_API
    if status == 403 and error is not None:
        match = _NEEDED_ROLES.search(error.message)
        if match is not None:
            roles = " or ".join(role.strip() for role in match["needed"].split(",") if role.strip())
            return Refusal(
                PermissionMissing,
                f"the application lacks the role {roles}: in Entra ID → App registrations → API permissions, "
                "add it as an application permission of WindowsDefenderATP and grant admin consent (an hour "
                "may pass until tokens carry it)",
            )
    return REFUSALS.get(status, _OTHER)
