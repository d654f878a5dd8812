"""Errors of the hooks and operators, by what to do next.

::

    DefenderError
    ├── FailNow (also an AirflowFailException)   a retry cannot help: no retry
    │   ├── CredentialError                      secret, key, certificate, tenant or cloud was refused
    │   ├── PermissionMissing                    signed in, but a role, right or licence is missing
    │   ├── FirewallRefused                      the namespace's network rules keep this machine out
    │   ├── RequestRefused                       the API refused the request itself (400, 404)
    │   │   └── MissingHub                       the namespace has no hub, or no partition, of that name
    │   ├── ConfigurationError                   a parameter or a connection field is wrong
    │   ├── TooManyRanges                        backfills of a hub left too many separate ranges
    │   ├── HostUnreachable                      first contact: no address, no connection, no trust (TLS)
    │   │   ├── ConnectionFailed                 it has an address, but no connection is possible
    │   │   └── TlsMismatch                      it answers, but TLS does not fit the settings
    │   └── UnexpectedHost                       a page link or host that must not receive the token
    ├── TryAgain                                 a later retry can succeed
    │   ├── ServiceUnavailable                   5xx, resets, broken bodies, longer than a run waits
    │   ├── Throttled                            quota used up, longer than a run waits: `retry_after`
    │   ├── StoreUnavailable                     the lake's store does not answer, is busy or full
    │   ├── CommitUnfinished                     the commit counts; the next run publishes its files
    │   └── RunTooOld                            the run took over a day and may no longer commit
    └── StopAndLook                              data may be missing or another run is in the way
        ├── PagingBroken                         the API's page links repeat, or cannot be trusted
        ├── ConflictingRun                       another run of the same log committed first
        ├── CommitUncertain                      it is unknown whether the commit counts
        ├── MessagesLost (no retry)              a hub's retention deleted messages before they were read
        │   └── MessagesDamaged (no retry)       a hub has messages that can no longer be read
        ├── PositionAhead (no retry)             a hub ends before the position, or lacks partitions
        ├── CommitDamaged (no retry)             a commit of the lake's log is missing, damaged or too new
        ├── FileDamaged (no retry)               a data file of the lake is not what its commit says
        └── TableUnusable (no retry)             an open table was changed by others, or is ahead of the lake

Airflow retries what is not marked otherwise. The lake has its own errors, which know nothing of Airflow:
`airflow_provider_defender.lake.LakeError` and its subclasses. Tasks translate them into the ones above.

In each docstring, the first paragraph says what has happened, and the one after "What to do:" gives the
remedy. The table in `docs/errors.md` is generated from them.
"""

from __future__ import annotations

from airflow_provider_defender.compat import AirflowFailException

__all__ = [
    "CommitDamaged",
    "CommitUncertain",
    "CommitUnfinished",
    "ConfigurationError",
    "ConflictingRun",
    "ConnectionFailed",
    "CredentialError",
    "DefenderError",
    "FailNow",
    "FileDamaged",
    "FirewallRefused",
    "HostUnreachable",
    "MessagesDamaged",
    "MessagesLost",
    "MissingHub",
    "PagingBroken",
    "PermissionMissing",
    "PositionAhead",
    "RequestRefused",
    "RunTooOld",
    "ServiceUnavailable",
    "StopAndLook",
    "StoreUnavailable",
    "TableUnusable",
    "Throttled",
    "TlsMismatch",
    "TooManyRanges",
    "TryAgain",
    "UnexpectedHost",
]


class DefenderError(Exception):
    """The base of all errors that this package raises itself."""


# Fail now ---------------------------------------------------------------------------------------


class FailNow(DefenderError, AirflowFailException):  # noqa: N818  named by what to do next
    """A retry cannot help: Airflow fails the task at once."""


class CredentialError(FailNow):
    """Entra ID, Event Hubs or the lake's store refused the credential, application, tenant or cloud.

    What to do: the message names the cause; for Entra ID's error numbers see the table below.
    """


class PermissionMissing(FailNow):
    """The credential is valid but lacks a role or right, or the tenant a licence (HTTP 403, Kafka 29, 30).

    What to do: grant `Alert.Read.All` with admin consent; for a hub *Listen* or *Data Receiver*; for a lake
    in an object store the rights to list, read, write and delete below its root.
    """


class FirewallRefused(FailNow):
    """The Event Hubs namespace's network rules (IP firewall, private endpoints) keep this machine out.

    What to do: allow the worker's address or network under *Networking* of the namespace.
    """


class RequestRefused(FailNow):
    """The API refused the request itself (HTTP 400 or 404), or Microsoft has retired the API.

    What to do: check filters, `host` and `cloud`. If the API is retired: [move to Graph](move_to_graph.md).
    """

    status: int | None = None
    """The response's HTTP status; None if there was none."""
    said: str = ""
    """The API's own message."""


class MissingHub(RequestRefused):
    """The namespace has no event hub, or no partition, of that name (Kafka 3).

    What to do: check `event_hub` in the connection and the operator's `hub`.
    """


class ConfigurationError(FailNow):
    """A parameter or connection field is wrong or missing, or the lake cannot be opened or written.

    What to do: correct what the message names; it says what the value must be.
    """


class TooManyRanges(FailNow):
    """Backfills would leave more separate ranges of offsets in a hub partition than the lake keeps.

    Nothing of this run has landed.

    What to do: also backfill the time between them, which joins the ranges.
    """


class HostUnreachable(FailNow):
    """The first contact failed: the host has no address, refuses connections or is not trusted (TLS).

    What to do: check `host`, `cloud`, `proxy` and `ca_bundle`.

    Raised after about ten seconds of retries if the connection is refused. Once the host has been reached, in
    this drain or by an earlier run, the same failure is an outage: it is retried, then raised as
    `ServiceUnavailable`. So is a name server that does not answer, since it says nothing about the host.
    """


class ConnectionFailed(HostUnreachable):
    """The host has an address, but no connection is possible: refused, no route, or no answer in time.

    If the lake has data from the host, `ServiceUnavailable` is raised instead: it was reached before.

    What to do: check `host`, port and firewall.
    """


class TlsMismatch(HostUnreachable):
    """The host answers, but TLS does not fit the settings: untrusted, another name, or not TLS at all.

    What to do: change `security_protocol` or `ca_bundle`; the message says which.
    """


class UnexpectedHost(FailNow):
    """A page link or a configured host leads to a host that must not receive the token.

    What to do: check `host` and `cloud`; if Microsoft's own API sent the link, report it.
    """


# Try again --------------------------------------------------------------------------------------


class TryAgain(DefenderError):  # noqa: N818
    """A later try can succeed."""


class ServiceUnavailable(TryAgain):
    """The service gave no complete answer within the retries that a run makes.

    What to do: wait; what was read has landed.
    """


class StoreUnavailable(TryAgain):
    """The lake's store does not answer, is busy or is full, for longer than its client retries.

    What to do: wait, or make room. Nothing is lost: what is not committed is read again.
    """


class CommitUnfinished(TryAgain):
    """The commit counts, but not all of its files could be moved to their final names.

    What to do: run again; the next run moves them first, and reads nothing twice.
    """


class RunTooOld(TryAgain):
    """The run took longer than a day, so it may no longer commit. Nothing of it has landed.

    What to do: run again, with a shorter window or `max_duration`.
    """


class Throttled(TryAgain):
    """The quota is used up for longer than this run may wait.

    What to do: wait (Airflow 3.3 retries after the `Retry-After`), or make fewer calls.

    `retry_after` is the delay that the service asks for, in seconds from now.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# Stop and look ----------------------------------------------------------------------------------


class StopAndLook(DefenderError):  # noqa: N818
    """Continuing could hide missing data: a person should look."""


class PagingBroken(StopAndLook):
    """The API's page links repeat, or one is empty or has another name. What was read has not landed.

    What to do: run again; report it if it happens again.
    """


class ConflictingRun(StopAndLook):
    """Another run of the same log committed first. Nothing of this run has landed.

    What to do: run again, to continue from the other run's commit; let only one scheduled run be active.
    """


class CommitUncertain(StopAndLook):
    """The store gave no clear answer to the commit, so it may or may not count. Nothing was deleted.

    What to do: run again; the next run sees whether the commit counts, and continues from there.
    """


class MessagesLost(StopAndLook, AirflowFailException):
    """A hub deleted messages before they were read. All others have landed, and the next run continues.

    What to do: look at `lost` in the log, raise the hub's retention, and run more often.
    """


class MessagesDamaged(MessagesLost):
    """A hub has messages that can no longer be read. All others have landed, and the next run continues.

    What to do: look at `damaged` in the log, which says why; a backfill reads them again.
    """


class PositionAhead(StopAndLook, AirflowFailException):
    """A hub ends before the offset up to which the lake has read it, or lacks a partition the lake has read.

    So it is not the hub that was read before: it was deleted and created again, or it is another one.

    What to do: use a lake of its own for the new hub.
    """


class CommitDamaged(StopAndLook, AirflowFailException):
    """A commit of the lake's log is missing or unreadable: continuing could land twice what it covers.

    What to do: restore it, or upgrade if a newer release has written it; never delete it.
    """


class FileDamaged(StopAndLook, AirflowFailException):
    """A data file of the lake is not what its commit says: it was altered, damaged or deleted.

    It was left alone; all else that the run had to do was done.

    What to do: restore it, for example from a version that the store kept, and [verify the
    lake](operations.md#verify-the-lake).
    """


class TableUnusable(StopAndLook, AirflowFailException):
    """An open table cannot follow the lake: it is ahead of it, or another program has changed its files.

    The lake itself is as it was.

    What to do: follow the message; a table that is deleted, without the lake's files, is made anew.
    """
