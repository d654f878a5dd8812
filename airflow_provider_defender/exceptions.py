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
    │   ├── TooManyRanges                        backfills of a hub left too many gaps between them
    │   ├── HostUnreachable                      no address, no connection, no trust (TLS): first contact
    │   │   ├── ConnectionFailed                 it has an address, but nothing listens there, or no way leads
    │   │   └── TlsMismatch                      it answers, but TLS and the settings do not fit
    │   └── UnexpectedHost                       a page link or a host that must not get the token
    ├── TryAgain                                 Airflow's retry heals it
    │   ├── ServiceUnavailable                   5xx, resets, broken bodies, for longer than we wait in place
    │   ├── Throttled                            quota used up for longer than we wait in place: `retry_after`
    │   ├── StoreUnavailable                     the lake's store does not answer, is busy or full
    │   ├── CommitUnfinished                     the commit counts; the next run moves its files into place
    │   └── RunTooOld                            the run took longer than a day, and may not commit any more
    └── StopAndLook                              data may be missing or another run is in the way
        ├── PagingBroken                         the API's page links repeat, or cannot be trusted
        ├── ConflictingRun                       another run of the same log was faster
        ├── CommitUncertain                      nobody knows whether the commit counts
        ├── MessagesLost (no retry)              a hub's retention deleted messages before they were read
        │   └── MessagesDamaged (no retry)       a hub still has messages that cannot be read any more
        ├── PositionAhead (no retry)             a hub ends before the position, or lacks partitions
        └── RecordDamaged (no retry)             a record of the lake's log is missing, damaged or too new

Airflow retries what is not marked otherwise. The lake has its own errors, free of Airflow:
`airflow_provider_defender.lake.LakeError` and below; tasks raise them as the ones above.

Each docstring's first paragraph says what has happened, the one after "What to do:" the cure; the table in
`docs/errors.md` is made of them.
"""

from __future__ import annotations

from airflow_provider_defender.compat import AirflowFailException

__all__ = [
    "CommitUncertain",
    "CommitUnfinished",
    "ConfigurationError",
    "ConflictingRun",
    "ConnectionFailed",
    "CredentialError",
    "DefenderError",
    "FailNow",
    "FirewallRefused",
    "HostUnreachable",
    "MessagesDamaged",
    "MessagesLost",
    "MissingHub",
    "PagingBroken",
    "PermissionMissing",
    "PositionAhead",
    "RecordDamaged",
    "RequestRefused",
    "RunTooOld",
    "ServiceUnavailable",
    "StopAndLook",
    "StoreUnavailable",
    "Throttled",
    "TlsMismatch",
    "TooManyRanges",
    "TryAgain",
    "UnexpectedHost",
]


class DefenderError(Exception):
    """Anything that this package raises by itself."""


# Fail now ---------------------------------------------------------------------------------------


class FailNow(DefenderError, AirflowFailException):  # noqa: N818  named by what to do next
    """A retry cannot heal this: Airflow fails the task at once."""


class CredentialError(FailNow):
    """Entra ID, Event Hubs or the lake's store refused the credential, application, tenant or cloud.

    What to do: the message names the cause; for Entra ID's numbers see the table below.
    """


class PermissionMissing(FailNow):
    """The credential is good but lacks a role or right, or the tenant a licence (HTTP 403, Kafka 29, 30).

    What to do: grant `Alert.Read.All` with admin consent; for a hub *Listen* or *Data Receiver*; for a lake
    in an object store the rights to list, read, write and delete below its root.
    """


class FirewallRefused(FailNow):
    """The Event Hubs namespace's network rules (IP firewall, private endpoints) keep this machine out.

    What to do: let the worker's address or network in: *Networking* of the namespace.
    """


class RequestRefused(FailNow):
    """The API refused the request itself (HTTP 400 or 404).

    What to do: check filters, `host` and `cloud`.
    """


class MissingHub(RequestRefused):
    """The namespace has no event hub, or no partition, of that name (Kafka 3).

    What to do: check `event_hub` in the connection and the operator's `hub`.
    """


class ConfigurationError(FailNow):
    """A parameter or a connection field is wrong or missing; also a lake that cannot be opened or written.

    What to do: the message names it, with its value and what it must be.
    """


class TooManyRanges(FailNow):
    """Backfills would leave more separate ranges of offsets in a hub's partition than the lake keeps.

    Nothing of this run has landed.

    What to do: backfill the time between them, too, which joins them.
    """


class HostUnreachable(FailNow):
    """The first contact failed: the host has no address, refuses connections or is not trusted (TLS).

    What to do: check `host`, `cloud`, `proxy` and `ca_bundle`.

    A refused connection is tried again for about ten seconds before. Later in a drain, and from the start
    where earlier runs have reached the host, it is an outage: it is retried, then `ServiceUnavailable`. So is
    a name server that does not answer: it says nothing of the host.
    """


class ConnectionFailed(HostUnreachable):
    """The host has an address, but no connection comes about: refused, no route, no answer in time.

    Where the lake holds data of the host, this is `ServiceUnavailable`: it was reached before.

    What to do: check `host`, port and firewall.
    """


class TlsMismatch(HostUnreachable):
    """The host answers, but TLS and the settings do not fit: untrusted, another name, or not TLS at all.

    What to do: the message says which of `security_protocol` and `ca_bundle` it is.
    """


class UnexpectedHost(FailNow):
    """A page link, or a configured host, leads to a host that must not get the token.

    What to do: check `host` and `cloud`; report a link that Microsoft's own API sent.
    """


# Try again --------------------------------------------------------------------------------------


class TryAgain(DefenderError):  # noqa: N818
    """A later try can succeed."""


class ServiceUnavailable(TryAgain):
    """The service did not give a whole answer within the retries that were allowed in place.

    What to do: wait; what was read has landed.
    """


class StoreUnavailable(TryAgain):
    """The lake's store does not answer, is busy or full, for longer than its client tries in place.

    What to do: wait, or make room. Nothing is lost: what is not committed is read again.
    """


class CommitUnfinished(TryAgain):
    """The commit counts, but not all of its files could be moved to their places.

    What to do: run again; that moves them first, and nothing is read twice.
    """


class RunTooOld(TryAgain):
    """The run took longer than a day, so that it may not commit any more. Nothing of it has landed.

    What to do: run again, with a shorter window or `max_duration`.
    """


class Throttled(TryAgain):
    """The quota is used up for longer than this run may wait.

    What to do: wait (Airflow 3.3 retries after the `Retry-After`), or make fewer calls.

    `retry_after` is the service's own wish, in seconds from now.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# Stop and look ----------------------------------------------------------------------------------


class StopAndLook(DefenderError):  # noqa: N818
    """Going on could hide missing data: a person should look."""


class PagingBroken(StopAndLook):
    """The API's page links repeat, or one is empty or under another name. What was read has not landed.

    What to do: look whether it happens again; report it.
    """


class ConflictingRun(StopAndLook):
    """Another run of the same log was faster. Nothing of this run has landed.

    What to do: run again, which goes on from the other run's commit; let one scheduled run work at a time.
    """


class CommitUncertain(StopAndLook):
    """The store gave no clear answer to the commit, so it may or may not count. Nothing was deleted.

    What to do: run again; the next run takes the commit as it finds it.
    """


class MessagesLost(StopAndLook, AirflowFailException):
    """A hub deleted messages before they were read. All others have landed, and the next run goes on.

    What to do: look at `lost` in the log, raise the hub's retention, run more often.
    """


class MessagesDamaged(MessagesLost):
    """A hub has messages that cannot be read any more. All others have landed, and the next run goes on.

    What to do: look at `damaged` in the log, which says why; a backfill tries them again.
    """


class PositionAhead(StopAndLook, AirflowFailException):
    """A hub ends before the offset up to which the lake has read it, or lacks a partition the lake has read.

    So it is not the hub it was: deleted and created again, or another one.

    What to do: use a lake of its own for the new hub.
    """


class RecordDamaged(StopAndLook, AirflowFailException):
    """A record of the lake's log is missing or cannot be read: going on could land twice what it covers.

    What to do: restore it, or upgrade where a newer release has written it; never delete it.
    """
