"""Errors reported by librdkafka's error callback.

librdkafka itself never gives up: a wrong key or a missing host only shows up in its error callback, while
reading yields nothing. So errors are collected here, and code that waits checks them.
Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from airflow_provider_defender.exceptions import DefenderError
from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._kafka.errors import authentication_error, size_error
from airflow_provider_defender.hooks._kafka.settings import EventHubSettings

__all__ = ["Problems"]

_TOO_LARGE = "increase receive.message.max.bytes"
"""librdkafka's text when it disconnects because a response is larger than this setting allows."""
_AUTHENTICATION = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
_SAYS_LITTLE = frozenset({KafkaError._ALL_BROKERS_DOWN})


class Problems:
    """The errors of a client's error callback, which librdkafka may call from its own threads."""

    def __init__(self, settings: EventHubSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
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

    def leave_out(self, seconds: float) -> None:
        """Ignore some seconds in which nobody could see whether the broker answers."""
        with self._lock:
            self.since = _later(self.since, seconds)
            self.refused_since = _later(self.refused_since, seconds)
            self.too_large_since = _later(self.too_large_since, seconds)

    def note(self, error: KafkaError) -> None:
        """Record an event of the error callback."""
        now = self._clock()
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
        """The text of librdkafka, shortened, without secrets and without its own state."""
        return excerpt(str(error.str()).partition(" (after ")[0], self._hide)

    @property
    def seen(self) -> str:
        """The last problem, for messages."""
        return self.last or "no answer"

    def size_error(self) -> DefenderError:
        """The error for responses that are always too large for the client; None otherwise."""
        return size_error(self._settings, self.seen)

    def authentication_error(self) -> DefenderError | None:
        """The error for a refused key or token; None if none was refused."""
        return None if self.refusal is None else authentication_error(self._settings, self.refusal)


def _later(moment: float | None, seconds: float) -> float | None:
    return None if moment is None else moment + seconds
