"""Errors of the hooks and operators, by what to do next.

::

    DefenderError
    ├── FailNow (also an AirflowFailException)   nothing heals by itself: no retry
    │   ├── CredentialError                      secret, key, certificate, tenant, cloud: Microsoft said no
    │   ├── PermissionMissing                    who we are is known, but a role, right or licence is missing
    │   ├── FirewallRefused                      the namespace's network rules keep this machine out
    │   ├── RequestRefused                       the API refused the request as such (400, 404)
    │   │   └── MissingHub                       the namespace has no hub, or no partition, of that name
    │   ├── ConfigurationError                   a parameter or a connection field is wrong
    │   ├── HostUnreachable                      no address, no connection, no trust (TLS): first contact
    │   │   └── TlsMismatch                      it answers, but TLS and the settings do not fit
    │   └── UnexpectedHost                       a page link or a host that must not get the token
    ├── TryAgain                                 Airflow's retry heals it
    │   ├── ServiceUnavailable                   5xx, resets, broken bodies, for longer than we wait in place
    │   └── Throttled                            quota used up for longer than we wait in place: `retry_after`
    └── StopAndLook                              data may be missing or another run is in the way
        ├── PagingBroken                         the API's pages repeat themselves
        ├── MessagesLost (no retry)              a hub's retention deleted messages before they were read
        ├── PositionAhead (no retry)             a hub ends before the position, or lacks partitions
        └── RecordDamaged (no retry)             a record of the lake's log is empty, damaged or too new

The lake has its own, free of Airflow: `airflow_provider_defender.lake.LakeError` and below.
"""

from __future__ import annotations

from airflow_provider_defender.compat import AirflowFailException

__all__ = [
    "ConfigurationError",
    "CredentialError",
    "DefenderError",
    "FailNow",
    "FirewallRefused",
    "HostUnreachable",
    "MessagesLost",
    "MissingHub",
    "PagingBroken",
    "PermissionMissing",
    "PositionAhead",
    "RecordDamaged",
    "RequestRefused",
    "ServiceUnavailable",
    "StopAndLook",
    "Throttled",
    "TlsMismatch",
    "TryAgain",
    "UnexpectedHost",
]


class DefenderError(Exception):
    """Anything that this package raises by itself."""


# Fail now ---------------------------------------------------------------------------------------


class FailNow(DefenderError, AirflowFailException):  # noqa: N818  named by what to do next
    """A retry cannot heal this: Airflow fails the task at once."""


class CredentialError(FailNow):
    """Entra ID or Event Hubs refused the credential, the application, the tenant or the cloud."""


class PermissionMissing(FailNow):
    """The credential is good but lacks a role or right, or the tenant a licence (HTTP 403, Kafka 29, 30)."""


class FirewallRefused(FailNow):
    """The Event Hubs namespace's network rules (IP firewall, private endpoints) keep this machine out."""


class RequestRefused(FailNow):
    """The API refused the request itself (HTTP 400 or 404)."""


class MissingHub(RequestRefused):
    """The namespace has no event hub, or no partition, of that name (Kafka 3)."""


class ConfigurationError(FailNow):
    """A parameter or a connection field is wrong or missing."""


class HostUnreachable(FailNow):
    """The first contact failed: the host has no address, refuses connections or is not trusted (TLS).

    Later in a drain the same failure is an outage: it is retried, then `ServiceUnavailable`. So is, from the
    start, a name server that does not answer: it says nothing of the host.
    """


class TlsMismatch(HostUnreachable):
    """The host answers, but TLS and the settings do not fit: untrusted, another name, or not TLS at all."""


class UnexpectedHost(FailNow):
    """A page link, or a configured host, leads to a host that must not get the token."""


# Try again --------------------------------------------------------------------------------------


class TryAgain(DefenderError):  # noqa: N818
    """A later try can succeed."""


class ServiceUnavailable(TryAgain):
    """The service did not give a whole answer within the retries that were allowed in place."""


class Throttled(TryAgain):
    """The quota is used up for longer than this run may wait.

    `retry_after` is the service's own wish, in seconds from now.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# Stop and look ----------------------------------------------------------------------------------


class StopAndLook(DefenderError):  # noqa: N818
    """Going on could hide missing data: a person should look."""


class PagingBroken(StopAndLook):
    """The API's page links repeat, so that following them would never end."""


class MessagesLost(StopAndLook, AirflowFailException):
    """A hub deleted messages before they were read. All others have landed, and the next run goes on."""


class PositionAhead(StopAndLook, AirflowFailException):
    """A hub ends before the offset up to which the lake has read it, or lacks a partition the lake has read.

    So it is not the hub it was.
    """


class RecordDamaged(StopAndLook, AirflowFailException):
    """A record of the lake's log cannot be read: going on could land twice what it covers."""
