"""The meaning of Entra ID's error numbers for the user, as a table.

Source: Microsoft Learn, "Microsoft Entra authentication and authorization error codes". Microsoft asks
programs to branch on `error`, not on the number; so `error` decides if the number is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType

__all__ = ["ADVICE", "Advice", "Outcome", "advice_for"]


class Outcome(Enum):
    """What to do about an error of Entra ID."""

    FAIL = "nothing heals by itself"
    NEW_ASSERTION = "make the assertion anew and try once more"
    RETRY = "try again after a while"
    THROTTLED = "wait as long as asked"


@dataclass(frozen=True)
class Advice:
    """The meaning of an error number, the remedy, and whether Entra ID's own text is worth quoting."""

    meaning: str
    remedy: str
    outcome: Outcome = Outcome.FAIL
    quote: bool = False


_TENANT = "check tenant_id and cloud in the connection"
_FEDERATED = (
    "compare issuer, subject and audience of the application's federated credential with the presented ones, "
    "upper and lower case included"
)
_ACCESS_POLICY = "have the Conditional Access policy for workload identities changed"
_WRONG_CLOUD = Advice("the tenant lives in another national cloud", "check cloud in the connection")
_NO_MATCH = Advice("no federated credential matches the presented token", _FEDERATED, quote=True)
_NO_CREDENTIAL = Advice("the request carried no credential", "check credential and its fields")
_BLOCKED = Advice("Conditional Access blocks the application", _ACCESS_POLICY)
_TRANSIENT = Advice("a passing fault", "try again later", Outcome.RETRY)

ADVICE: Mapping[int, Advice] = MappingProxyType(
    {
        7000215: Advice(
            "the client secret is wrong",
            "put the secret's value, not its ID, into the connection's password",
        ),
        7000222: Advice(
            "the client secret has expired",
            "create a new one (Entra ID → App registrations → Certificates & secrets) and put its value into "
            "the connection's password",
        ),
        7000216: _NO_CREDENTIAL,
        7000218: _NO_CREDENTIAL,
        700016: Advice(
            "the application does not exist in this tenant",
            "check login (the application's ID) and tenant_id, and whether an administrator consented there",
        ),
        7000112: Advice("the application is disabled", "enable it in Entra ID → Enterprise applications"),
        90002: Advice("the tenant does not exist in this cloud", _TENANT),
        900023: Advice("the tenant's ID is malformed", _TENANT),
        1002012: Advice("the scope does not end in /.default", "check scope in the connection"),
        70011: Advice("the scope is not valid", "check scope in the connection"),
        500011: Advice(
            "the API does not exist in this tenant",
            "check that the product is licensed and set up there, and cloud in the connection",
            quote=True,
        ),
        700022: Advice("the scope names more than one API", "check scope in the connection"),
        700027: Advice(
            "the certificate is not registered with the application, or has expired",
            "upload it in Entra ID → App registrations → Certificates & secrets, or check the key",
        ),
        700024: Advice(
            "the assertion is outside its time",
            "check the worker's clock, and that the federated token file is renewed",
            Outcome.NEW_ASSERTION,
        ),
        70021: _NO_MATCH,
        700211: _NO_MATCH,
        700212: _NO_MATCH,
        700213: _NO_MATCH,
        7002138: _NO_MATCH,
        53003: _BLOCKED,
        530032: _BLOCKED,
        90038: _WRONG_CLOUD,
        900382: _WRONG_CLOUD,
        900432: _WRONG_CLOUD,
        50196: Advice("the same request came too often", "wait some minutes", Outcome.THROTTLED),
        90006: _TRANSIENT,
        90024: _TRANSIENT,
        90033: _TRANSIENT,
        50000: _TRANSIENT,
        90055: Advice("the tenant is throttled", "wait", Outcome.THROTTLED),
    }
)
_UNKNOWN = Advice("the request was refused", "check the connection's fields", quote=True)
_UNKNOWN_TRANSIENT = Advice("a passing fault", "try again later", Outcome.RETRY, quote=True)
_UNKNOWN_THROTTLED = Advice("too many requests", "wait", Outcome.THROTTLED)
_TRANSIENT_STATUSES = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GONE)


def advice_for(status: int, error: str, codes: list[int]) -> Advice:
    """The advice for a response of Entra ID: by number, or else by `error` and the HTTP status."""
    for code in codes:
        if code in ADVICE:
            return ADVICE[code]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _UNKNOWN_THROTTLED
    if (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status in _TRANSIENT_STATUSES
        or error in ("temporarily_unavailable", "server_error")
    ):
        return _UNKNOWN_TRANSIENT
    return _UNKNOWN
