"""librdkafka's errors → ours, by what to do next.

librdkafka itself never gives up: a wrong key or a missing host shows up in its error callback only, while
reading yields nothing. So the callback's news are kept here, and whoever waits looks at them.
Loads confluent_kafka, so it is imported only when a connection is near.
"""

from __future__ import annotations

import threading
import time

from confluent_kafka import KafkaError

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    DefenderError,
    FirewallRefused,
    MissingHub,
    PermissionMissing,
    RequestRefused,
)
from airflow_provider_defender.hooks._kafka_settings import EventHubSettings
from airflow_provider_defender.hooks._text import excerpt

__all__ = ["MISSING", "Troubles", "hub_error", "refusal"]

MISSING = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
)
"""Codes that say: there is no such hub or partition."""

_DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_SETTING = "in kafka_config of the connection or the operator"
_SIZES = f"raise max.partition.fetch.bytes and fetch.max.bytes above the largest message, {_SETTING}"
_CODEC = "let the sender use another codec (gzip, snappy, lz4 or none), or read from a newer broker"
_VERSION = f"the broker is too old, or not a Kafka: check host and port, and api.version.* {_SETTING}"
_REQUEST = f"the broker refuses what these settings ask for: check them {_SETTING}"
_REFUSALS: dict[int, tuple[type[DefenderError], str]] = {
    KafkaError.MSG_SIZE_TOO_LARGE: (ConfigurationError, _SIZES),
    KafkaError.INVALID_MSG_SIZE: (ConfigurationError, _SIZES),
    KafkaError.UNSUPPORTED_COMPRESSION_TYPE: (RequestRefused, _CODEC),
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT: (RequestRefused, _VERSION),
    KafkaError.UNSUPPORTED_VERSION: (RequestRefused, _VERSION),
    KafkaError._UNSUPPORTED_FEATURE: (RequestRefused, _VERSION),
    KafkaError.INVALID_REQUEST: (RequestRefused, _REQUEST),
    KafkaError.INVALID_CONFIG: (RequestRefused, _REQUEST),
    KafkaError.POLICY_VIOLATION: (RequestRefused, "a policy of the broker's forbids it: ask who runs it"),
    KafkaError.SECURITY_DISABLED: (ConfigurationError, "check security_protocol and port"),
    KafkaError.UNSUPPORTED_SASL_MECHANISM: (ConfigurationError, "check sasl.mechanism and credential"),
    KafkaError.ILLEGAL_SASL_STATE: (ConfigurationError, "check security_protocol and port"),
    KafkaError.TOPIC_EXCEPTION: (ConfigurationError, "the broker takes no such name: check event_hub"),
}
"""Answers that no retry heals: what to raise, and the cure."""
_TOO_LARGE = "increase receive.message.max.bytes"
"""How librdkafka says that it hung up, since an answer is larger than this setting allows."""
_AUTHENTICATION = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
_SAYS_LITTLE = frozenset({KafkaError._ALL_BROKERS_DOWN})


class Troubles:
    """The news of a client's error callback. Callbacks may come from librdkafka's own threads."""

    def __init__(self, settings: EventHubSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._hide = settings.secrets
        self.clear()

    def clear(self) -> None:
        """Forget everything: the broker has answered."""
        with self._lock:
            self.since: float | None = None
            self.refusal: str | None = None
            self.refused_since: float | None = None
            self.last = ""
            self.certificate = False
            self.too_large_since: float | None = None

    def note(self, error: KafkaError) -> None:
        """Keep an event of the error callback."""
        now = time.monotonic()
        text = self.text(error)
        with self._lock:
            self.since = self.since or now
            if error.code() in _AUTHENTICATION:
                self.refusal = text
                self.refused_since = self.refused_since or now
            if _TOO_LARGE in text:
                self.too_large_since = self.too_large_since or now
            self.certificate = self.certificate or error.code() == KafkaError._SSL
            if error.code() not in _SAYS_LITTLE or not self.last:
                self.last = text

    def text(self, error: KafkaError) -> str:
        """What librdkafka says, short, without secrets and without its own state."""
        return excerpt(str(error.str()).partition(" (after ")[0], self._hide)

    @property
    def seen(self) -> str:
        """The last trouble, for messages."""
        return self.last or "no answer"

    def size_error(self) -> DefenderError:
        """The error for answers that are too large for the client, each time that it asks."""
        return ConfigurationError(
            f"Connection {self._settings.conn_id!r}: {self._settings.namespace} sends more at a time than "
            f"the client takes: raise receive.message.max.bytes {_SETTING}. {self.seen}"
        )

    def authentication_error(self) -> DefenderError | None:
        """The error for a refused key or token, or None where none was refused."""
        return None if self.refusal is None else _authentication_error(self._settings, self.refusal)


def hub_error(settings: EventHubSettings, hub: str, error: KafkaError) -> DefenderError | None:
    """The error to raise where the broker refuses a hub or partition for good, or None where it may heal."""
    if error.code() in _DENIED:
        return PermissionMissing(
            f"Connection {settings.conn_id!r}: {settings.namespace} does not let us read hub {hub!r} "
            f"({error.name()}): {_how_to_get_rights(settings)}."
        )
    if error.code() in MISSING:
        return MissingHub(
            f"Connection {settings.conn_id!r}: namespace {settings.namespace} has no hub {hub!r}: check "
            "event_hub in the connection, and host."
        )
    return None


def refusal(settings: EventHubSettings, hub: str, error: KafkaError) -> DefenderError | None:
    """The error to raise where the broker goes on answering so, or None where that may heal.

    For errors that come again for some seconds: while it restarts, a broker may answer with any of them.
    """
    found = _REFUSALS.get(error.code())
    if found is None:
        return None
    kind, cure = found
    return kind(
        f"Connection {settings.conn_id!r}: {settings.namespace} answers {error.name()} when hub {hub!r} is "
        f"read, and a retry does not heal that: {cure}."
    )


def _how_to_get_rights(settings: EventHubSettings) -> str:
    if settings.entra is not None:
        return (
            "give the application the role Azure Event Hubs Data Receiver on the namespace or the hub (it "
            "takes some minutes to work)"
        )
    return (
        "the connection string's policy needs the right Listen, a string with EntityPath opens that hub "
        "only, and the namespace must be of tier Standard or higher"
    )


def _authentication_error(settings: EventHubSettings, seen: str) -> DefenderError:
    says = f"{settings.namespace} says: {seen}"
    start = f"Connection {settings.conn_id!r}: "
    lowered = seen.lower()
    if "firewall" in lowered or "ip address" in lowered:
        return FirewallRefused(
            f"{start}the network rules of {settings.namespace} keep this machine out: allow its address "
            f"(namespace → Networking), or use a private endpoint. {says}"
        )
    if "handshake not supported" in lowered or "unsupported sasl mechanism" in lowered:
        return CredentialError(
            f"{start}{settings.namespace} does not take SASL {settings.mechanism} there: check port and "
            f"security_protocol. {says}"
        )
    if settings.entra is not None:
        return CredentialError(
            f"{start}{settings.namespace} refused the token of Entra ID for scope {settings.scope}: check "
            f"that host is the namespace, cloud, tenant_id, and the worker's clock. {says}"
        )
    return CredentialError(
        f"{start}{settings.namespace} refused the key: put a current connection string of this namespace "
        f"into the connection's password (Shared access policies). {says}"
    )
