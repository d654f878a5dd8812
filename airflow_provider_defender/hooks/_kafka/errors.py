"""Translation of librdkafka's errors into ours, by what to do next.

Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

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
from airflow_provider_defender.hooks._kafka.settings import EventHubSettings

__all__ = ["MISSING", "authentication_error", "hub_error", "refusal", "size_error"]

MISSING = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
)
"""Codes for a missing hub or partition."""

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
"""Permanent errors: what to raise, and the remedy."""


def hub_error(settings: EventHubSettings, hub: str, error: KafkaError) -> DefenderError | None:
    """The error to raise if the broker permanently refuses a hub or partition; else None."""
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
    """The error to raise for a permanent error of the broker; None if it may be transient.

    Call it for errors that persist for some seconds: while a broker restarts, it may answer with any of them.
    """
    found = _REFUSALS.get(error.code())
    if found is None:
        return None
    error_class, remedy = found
    return error_class(
        f"Connection {settings.conn_id!r}: {settings.namespace} answers {error.name()} when hub {hub!r} is "
        f"read, and a retry does not heal that: {remedy}."
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


def authentication_error(settings: EventHubSettings, seen: str) -> DefenderError:
    """The error for a refused key or token; `seen` is librdkafka's text."""
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


def size_error(settings: EventHubSettings, seen: str) -> DefenderError:
    """The error for responses that are always too large for the client."""
    return ConfigurationError(
        f"Connection {settings.conn_id!r}: {settings.namespace} sends more at a time than the client takes: "
        f"raise receive.message.max.bytes {_SETTING}. {seen}"
    )
