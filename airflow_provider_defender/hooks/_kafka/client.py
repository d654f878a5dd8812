"""A Kafka client that fails fast: created with a token at hand, and with a timeout for every call.

Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    DefenderError,
    MissingHub,
    ServiceUnavailable,
)
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._entra.access_token import AccessToken
from airflow_provider_defender.hooks._kafka.diagnosis import diagnose
from airflow_provider_defender.hooks._kafka.errors import hub_error, refusal
from airflow_provider_defender.hooks._kafka.messages import Offsets
from airflow_provider_defender.hooks._kafka.problems import Problems
from airflow_provider_defender.hooks._kafka.settings import EventHubSettings
from airflow_provider_defender.hooks._kafka.tuning import TUNING, Tuning

__all__ = ["HubClient"]

_Result = TypeVar("_Result")

_QUERY_SECONDS = 60.0
_SLICE_SECONDS = 0.3
_RENEW_AGAIN_SECONDS = 30.0
_SECONDS_BETWEEN_THROTTLE_REPORTS = 60.0
_EARLIEST, _LATEST = -2, -1

Token = Callable[[bool], AccessToken]
"""Gets a token of Entra ID. With True it may wait for Entra ID as long as a drain may; with False not."""


class HubClient:
    """A consumer of one namespace, without consumer group rebalancing, and its queries besides reading."""

    def __init__(
        self,
        settings: EventHubSettings,
        log: Log,
        *,
        token: Token | None = None,
        config: Mapping[str, str] | None = None,
        deadline: float | None = None,
        tuning: Tuning = TUNING,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Create the consumer; contacts only Entra ID. `deadline` (by the clock) limits the first contact.

        Raises `ConfigurationError` if librdkafka does not know a setting, and what `EntraIdHook.get_token`
        raises.
        """
        self.settings = settings
        self.problems = Problems(settings, clock)
        self.throttled_seconds = 0.0
        self.reading = False
        """Whether partitions are assigned."""
        self.on_statistics: Callable[[str], None] = lambda _: None
        """Called with librdkafka's statistics (JSON), if `config` asks for them."""
        self._log = log
        self._deadline = deadline
        self._tuning = tuning
        self._clock = clock
        self._sleep = sleep
        self._token = token
        self._token_value: AccessToken | None = None
        self._token_error: DefenderError | None = None
        self._throttle_reported = float("-inf")
        self._reached = False
        self._committed: list[KafkaError | None] = []
        if token is not None:
            # Before the constructor, which would wait ten seconds and lose Entra ID's own message.
            self._token_value = token(deadline is None)
        self.consumer = self._build({**settings.client_config(), **(config or {})})

    def _build(self, config: dict[str, str]) -> Any:
        callbacks: dict[str, Any] = {
            "error_cb": self.problems.note,
            "throttle_cb": self._note_throttle,
            "on_commit": self._note_commit,
            "stats_cb": lambda text: self.on_statistics(text),
            "logger": _QuietLogger(self._log, self.settings.secrets),
        }
        if self._token is not None:
            callbacks["oauth_cb"] = self._renew
        try:
            return Consumer({**config, **callbacks})
        except (KafkaException, TypeError, ValueError, SystemError) as error:
            reason = error.args[0] if isinstance(error, KafkaException) and error.args else error
            text = reason.str() if isinstance(reason, KafkaError) else str(reason)
            raise ConfigurationError(
                f"Connection {self.settings.conn_id!r}: librdkafka does not take its settings: "
                f"{excerpt(text, self.settings.secrets)}"
            ) from None

    # Callbacks ------------------------------------------------------------------------------------

    def _renew(self, _: str) -> tuple[str, float]:
        """Give librdkafka a token: from msal's cache, a new one near the end of the old one's life.

        Called from librdkafka's own thread, where an error would be lost after ten seconds. So the error is
        kept, and the old token is returned once more.
        """
        assert self._token is not None  # noqa: S101  only then is this callback set
        try:
            token = self._token(False)
        except DefenderError as error:
            self._token_error = error
            self._log.warning("The token could not be renewed: %s", error)
            if self._token_value is None:
                raise
            return self._token_value.value, time.time() + _RENEW_AGAIN_SECONDS
        self._token_value, self._token_error = token, None
        return token.value, token.expires_at.timestamp()

    def _note_throttle(self, event: Any) -> None:
        self.throttled_seconds += event.throttle_time
        now = self._clock()
        if now - self._throttle_reported >= _SECONDS_BETWEEN_THROTTLE_REPORTS:
            self._throttle_reported = now
            self._log.warning(
                "%s slows us down (%.1f s so far).\nIts throughput units are used up: add some.",
                self.settings.namespace,
                self.throttled_seconds,
            )

    # First contact --------------------------------------------------------------------------------

    def partitions(self, hub: str) -> list[int]:
        """The hub's partitions, ascending. The first call is the first contact and ends within ten seconds.

        Raises `CredentialError`, `FirewallRefused`, `PermissionMissing`, `MissingHub`, `HostUnreachable`
        and `TlsMismatch` (fail now), and `ServiceUnavailable` (try again).
        """
        return sorted(_topic(self._metadata(hub), hub).partitions)

    def hubs(self) -> list[str]:
        """The names of the namespace's hubs, as far as we may see them."""
        return sorted(name for name in self._metadata(None).topics if not name.startswith("__"))

    def _metadata(self, hub: str | None) -> Any:
        start = self._clock()
        end = min(start + self._tuning.contact, self._deadline or float("inf")) - self._tuning.diagnosis
        patience = _SLICE_SECONDS
        while True:
            self.serve()
            seen = None
            try:
                metadata = self.consumer.list_topics(
                    hub, timeout=min(patience, max(0.1, end - self._clock()))
                )
            except KafkaException as error:
                self._check_authorization(hub, error.args[0])
            else:
                self._reached = True
                seen = self._hub_problem(metadata, hub)
                if seen is None:
                    self.problems.clear()
                    return metadata
                self._sleep(_SLICE_SECONDS)
            self._check_contact(start, end, seen)
            # A slow broker's answer to an abandoned request is lost, so be patient unless there is an error.
            patience = _SLICE_SECONDS if self.problems.since is not None else patience * 3

    def _hub_problem(self, metadata: Any, hub: str | None) -> DefenderError | None:
        """Check the hub: raises a permanent problem, returns a transient one."""
        if hub is None:
            return None
        topic = _topic(metadata, hub)
        errors = [topic.error, *(part.error for part in topic.partitions.values())] if topic else []
        for error in errors:
            if error is None or error.code() == KafkaError.REPLICA_NOT_AVAILABLE:
                continue
            final = hub_error(self.settings, hub, error)
            if final is not None and not isinstance(final, MissingHub):
                raise final
            final = final or refusal(self.settings, hub, error)
            return final or self._unavailable(f"hub {hub!r}: {self.problems.text(error)}")
        if topic is None or not topic.partitions:
            return self._unavailable(f"it names no partition of hub {hub!r}")
        return None

    def look(self, hub: str, seconds: float) -> KafkaError | None:
        """What the broker says about the hub now, if it answers at all; None if nothing is wrong."""
        try:
            topic = _topic(self.consumer.list_topics(hub, timeout=seconds), hub)
        except KafkaException:
            return None
        return topic.error if topic is not None else None

    def _check_contact(self, start: float, end: float, seen: DefenderError | None) -> None:
        """Raise as soon as the reason for the silence is clear, or the time is up."""
        self.serve()
        self.check()
        now = self._clock()
        if seen is not None:
            if now >= min(end, start + self._tuning.patience):
                raise seen
            return
        since = self.problems.since
        hopeless = since is not None and (self.problems.certificate or now - since > self._tuning.patience)
        if hopeless or now >= end:
            raise self._explain_silence()

    def _explain_silence(self) -> DefenderError:
        settings = self.settings
        host, port = settings.first_server
        found = None
        if not self._reached:
            found = diagnose(
                (host, port),
                tls=settings.protocol.endswith("SSL"),
                ca_bundle=settings.options.get("ssl.ca.location") or settings.ca_bundle,
                verify=settings.verifies,
                prefix=f"Connection {settings.conn_id!r}",
                seconds=self._tuning.diagnosis,
            )
        hint = "" if self._reached else "; if it stays so, check host, port and security_protocol"
        return found or self._unavailable(self.problems.seen + hint)

    def _unavailable(self, seen: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"Connection {self.settings.conn_id!r}: {self.settings.namespace} gave no whole answer: {seen}"
        )

    # Later ----------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Let callbacks run. Not while partitions are assigned: this would also consume a message."""
        if not self.reading:
            self.consumer.poll(0)

    def check(self, patience: float = 0.0) -> None:
        """Raise if the key or token has been refused for at least `patience` seconds."""
        refused = self.problems.refused_since
        if refused is not None and self._clock() - refused >= patience:
            # Refused because it could not be renewed: Entra ID says why.
            error = self._token_error or self.problems.authentication_error()
            if error is not None:
                raise error
        large = self.problems.too_large_since
        if large is not None and self._clock() - large >= patience:
            raise self.problems.size_error()

    def watermarks(
        self, hub: str, partitions: Iterable[int], *, seconds: float = _QUERY_SECONDS
    ) -> dict[int, Offsets]:
        """First and next offset of each partition, requested for all of them at once."""
        wanted = sorted(partitions)
        low = self.offsets(hub, dict.fromkeys(wanted, _EARLIEST), seconds=seconds)
        high = self.offsets(hub, dict.fromkeys(wanted, _LATEST), seconds=seconds)
        return {partition: Offsets(low[partition], high[partition]) for partition in wanted}

    def lows(self, hub: str, partitions: Iterable[int], *, seconds: float = _QUERY_SECONDS) -> dict[int, int]:
        """The first offset of each partition that still exists."""
        return self.offsets(hub, dict.fromkeys(partitions, _EARLIEST), seconds=seconds)

    def offsets(
        self, hub: str, times: Mapping[int, int], *, seconds: float = _QUERY_SECONDS
    ) -> dict[int, int]:
        """Partition → first offset at or after a time (ms since 1970 UTC); -1 if there is none.

        The protocol's special times -1 and -2 mean the next offset and the first one.
        """
        wanted = [TopicPartition(hub, partition, moment) for partition, moment in sorted(times.items())]
        if not wanted:
            return {}

        def ask(timeout: float) -> dict[int, int] | KafkaError:
            answers = self.consumer.offsets_for_times(wanted, timeout=timeout)
            errors = [answer.error for answer in answers if answer.error is not None]
            return errors[0] if errors else {answer.partition: answer.offset for answer in answers}

        return self._patiently(ask, hub, seconds)

    def _patiently(self, ask: Callable[[float], _Result | KafkaError], hub: str, seconds: float) -> _Result:
        """Ask until there is an answer, through outages of at most `seconds`."""
        end = self._clock() + seconds
        while True:
            left = end - self._clock()
            try:
                answer = ask(max(1.0, min(10.0, left)))
            except KafkaException as error:
                answer = error.args[0]
            self.serve()
            if not isinstance(answer, KafkaError):
                self.problems.clear()
                return answer
            self._check_authorization(hub, answer)
            if left < seconds - self._tuning.patience:
                final = hub_error(self.settings, hub, answer) or refusal(self.settings, hub, answer)
                if final is not None:
                    raise final
            self.check(self._tuning.patience)
            if left <= 0:
                raise self._unavailable(self.problems.last or self.problems.text(answer))
            self._sleep(min(_SLICE_SECONDS, max(0.0, left)))

    def _check_authorization(self, hub: str | None, error: KafkaError) -> None:
        final = hub_error(self.settings, hub or "", error)
        if final is not None and not isinstance(final, MissingHub):
            raise final

    def commit(self, hub: str, offsets: Mapping[int, int], *, seconds: float) -> str | None:
        """Commit offsets to the consumer's group. Returns what went wrong, or None."""
        wanted = [TopicPartition(hub, partition, offset) for partition, offset in sorted(offsets.items())]
        end = self._clock() + seconds
        self._committed.clear()
        self.consumer.commit(offsets=wanted, asynchronous=True)
        while not self._committed and self._clock() < end:
            news = self.consumer.poll(0.1)
            if news is not None and news.error() is not None:  # so comes a missing right on the group
                return self.problems.text(news.error())
        if not self._committed:
            return f"no answer within {seconds:.0f} s: {self.problems.seen}"
        return next((self.problems.text(error) for error in self._committed if error is not None), None)

    def _note_commit(self, error: KafkaError | None, partitions: list[Any]) -> None:
        self._committed += [error, *(partition.error for partition in partitions)]

    def close(self) -> None:
        """Close the consumer; if a name server or broker hangs, a thread of its own continues."""
        if sys.is_finalizing():
            return  # a reader left open until now: threads wait here for ever, and the process's end closes
        thread = threading.Thread(target=self._close, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread to be had
            self._close()
            return
        thread.join(self._tuning.close)
        if thread.is_alive():
            self._log.debug(
                "The client of %s is still closing; nobody waits for it.", self.settings.namespace
            )

    def _close(self) -> None:
        """Close it, without raising: everything to read or commit is known by now."""
        try:
            self.consumer.close()
        except Exception as error:
            self._log.debug("The client of %s did not close: %s", self.settings.namespace, error)


def _topic(metadata: Any, hub: str) -> Any:
    """The topic that was asked for, or None; Event Hubs may answer with its own spelling of the name."""
    names = {name.lower(): name for name in metadata.topics}
    return metadata.topics.get(hub) or metadata.topics.get(names.get(hub.lower()))


class _QuietLogger:
    """Logs librdkafka's own lines at DEBUG: what matters arrives through its callbacks."""

    def __init__(self, log: Log, secrets: list[str]) -> None:
        self._log = log
        self._secrets = secrets

    def log(self, _: int, message: str, *values: object) -> None:
        """Take a line of librdkafka."""
        self._log.debug(
            "librdkafka: %s", excerpt(message % values if values else message, self._secrets, 500)
        )
