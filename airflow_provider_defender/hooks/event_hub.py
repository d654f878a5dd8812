"""Messages of an event hub, by its Kafka endpoint."""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_defender._connection_fields import with_connection_fields
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._access_token import AccessToken
from airflow_provider_defender.hooks._connection_test import run_test
from airflow_provider_defender.hooks._connections import find_connection, finder
from airflow_provider_defender.hooks._kafka_batches import MessageBatch, Offsets
from airflow_provider_defender.hooks._kafka_settings import HUB_NAME, EventHubSettings, event_hub_settings
from airflow_provider_defender.hooks._shown import not_shown, shown_name
from airflow_provider_defender.hooks._waiting import NO_WAITING, WaitLimits, Waits

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._kafka_client import HubClient
    from airflow_provider_defender.hooks._kafka_damage import Prober
    from airflow_provider_defender.hooks._tokens import TokenSource

__all__ = ["EventHubHook", "MessageBatch", "Offsets"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LONGEST_LOG_NAME = 200
_OUTAGE_SECONDS = 900.0
_LOOK_SECONDS = 60.0
_COMMIT_SECONDS = 10.0
_SECONDS_BETWEEN_COMMITS = 0.25
_SINGLE_MESSAGES = {"queued.min.messages": "1", "queued.max.messages.kbytes": "1024"}


@with_connection_fields("event_hub")
class EventHubHook(BaseHook):
    """Reads messages of an Azure event hub, or of a topic of any Kafka, by explicit offsets.

    The usual way is the connection string: put it, as the portal shows it, into the password. Extras with a
    dot in their names are settings of librdkafka: `bootstrap.servers`, `security.protocol`,
    `sasl.mechanism`, `sasl.username` and `sasl.password` as Microsoft's examples have them. Settings that
    would break a promise, such as `enable.auto.commit`, are refused.

    The first contact ends within ten seconds, with the namespace's answer or with an error that says what
    to do. Later outages are waited out.

    :param event_hub_conn_id: the connection
    :param hub: the hub's name, instead of the connection's
    :param config: settings of librdkafka, over those of the connection
    :param outage_seconds: how long one read, or a request for a token, may wait in outages, in all, before it
        gives up
    """

    conn_name_attr = "event_hub_conn_id"
    default_conn_name = "event_hub_default"
    conn_type = "event_hub"
    hook_name = "Azure Event Hubs"

    def __init__(
        self,
        event_hub_conn_id: str = default_conn_name,
        *,
        hub: str | None = None,
        config: Mapping[str, Any] | None = None,
        outage_seconds: float = _OUTAGE_SECONDS,
    ) -> None:
        super().__init__()
        self.event_hub_conn_id = event_hub_conn_id
        self.waited_seconds = 0.0
        """Seconds that reads so far have lost in outages."""
        self.throttled_seconds = 0.0
        """Seconds by which the namespace has slowed reads down so far: its throughput units were used up."""
        self._given_hub = hub
        self._config = dict(config or {})
        self._outage_seconds = outage_seconds
        self._token_lock = threading.Lock()
        self._idle: HubClient | None = None
        self._committers: dict[str, HubClient] = {}
        self._committed_at: dict[str, float] = {}

    # Names ----------------------------------------------------------------------------------------

    @property
    def namespace(self) -> str:
        """The namespace's host name in lower case, with its port where that is not 9093."""
        return self._settings.namespace

    @property
    def hub(self) -> str:
        """The hub's name. Raises `ConfigurationError` where none is given, or the policy opens another."""
        settings = self._settings
        hub = self._given_hub or settings.hub or settings.hub_of_policy
        if hub is None:
            raise ConfigurationError(
                f"Connection {settings.conn_id!r}: the event hub's name is missing: give it in the field "
                "schema (Event hub in the form) or to the hook, or a connection string with EntityPath."
            )
        if not HUB_NAME.match(hub):
            raise ConfigurationError(
                f"hub {not_shown(hub)} is wrong: a hub's name has letters, digits, '.', '_' and '-' only."
            )
        opened = settings.hub_of_policy
        if opened is not None and self._plain(opened) != self._plain(hub):
            raise ConfigurationError(
                f"Connection {settings.conn_id!r}: hub {hub!r} is wanted, but the connection string opens "
                f"{shown_name(opened)} only (EntityPath): use a connection string of that hub or of the "
                "namespace."
            )
        return hub

    @property
    def log_name(self) -> str:
        """The hub's name for the lake's log, `event_hub-<namespace>-<hub>`: the same in all its spellings.

        Other hosts than Microsoft's have `..` before the hub, which no host's name can hold.
        """
        separator = "-" if self._settings.hosted else ".."
        name = f"event_hub-{self.namespace}{separator}{self._plain(self.hub)}"
        name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
        if len(name) <= _LONGEST_LOG_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return f"{name[: _LONGEST_LOG_NAME - len(digest) - 1]}-{digest}"

    @property
    def tenant_id(self) -> str | None:
        """The tenant's GUID, where a token of Entra ID is used; a connection string names none."""
        return self._settings.tenant_id

    def _plain(self, hub: str) -> str:
        """Event Hubs does not tell upper from lower case in names; Kafka does."""
        return hub.lower() if self._settings.hosted else hub

    # Questions ------------------------------------------------------------------------------------

    def partitions(self) -> list[int]:
        """The hub's partitions, ascending.

        Raises, within ten seconds and each for a reason of its own: `ConfigurationError`, `CredentialError`
        (wrong key or token), `FirewallRefused`, `PermissionMissing`, `MissingHub`, `HostUnreachable` (no
        address, nothing listens) and `TlsMismatch`, all without retry; `ServiceUnavailable`, and the errors
        of `EntraIdHook.get_token`.
        """
        with self._borrowed() as client:
            return client.partitions(self.hub)

    def watermarks(
        self, partitions: Sequence[int] | None = None, *, seconds: float = _LOOK_SECONDS
    ) -> dict[int, Offsets]:
        """First and next offset of the given partitions, or of all. Raises as `partitions` does.

        `seconds` bounds each of two questions, after the contact.
        """
        with self._borrowed() as client:
            return client.watermarks(self.hub, self._known(client, partitions), seconds=seconds)

    def offsets_at(self, moment: datetime, partitions: Sequence[int] | None = None) -> dict[int, int]:
        """The first offset of each partition enqueued at or after `moment`; where none is, the next to come.

        By the broker's clock, to the millisecond. Raises as `partitions` does, and ValueError for a `moment`
        without a time zone.
        """
        if moment.tzinfo is None:
            raise ValueError("moment needs a time zone")
        since = moment.astimezone(timezone.utc) - _EPOCH
        milliseconds = max(0, -(-since // timedelta(milliseconds=1)))
        with self._borrowed() as client:
            wanted = self._known(client, partitions)
            # The ends first: what comes in between is enqueued after the moment, or is found by it.
            ends = client.watermarks(self.hub, wanted)
            found = client.offsets(self.hub, dict.fromkeys(wanted, milliseconds))
        return {
            partition: min(offset, ends[partition].high) if offset >= 0 else ends[partition].high
            for partition, offset in found.items()
        }

    def enqueued_at(
        self, offsets: Mapping[int, int], *, seconds: float = _LOOK_SECONDS
    ) -> dict[int, datetime | None]:
        """When the broker took single messages: partition → offset, to partition → time (UTC).

        Where an offset holds no message any more, the next one counts; None where none follows, or where it
        could not be read within `seconds`.
        """
        from airflow_provider_defender.hooks._kafka_reader import Limits

        times: dict[int, datetime | None] = dict.fromkeys(offsets)
        ends = self.watermarks(list(offsets), seconds=seconds)
        ranges = {
            partition: [(max(offset, ends[partition].low), ends[partition].high)]
            for partition, offset in offsets.items()
            if max(offset, ends[partition].low) < ends[partition].high
        }
        if ranges:
            client = self._new_client(_SINGLE_MESSAGES)
            limits = Limits(one_each=True, seconds=seconds)
            for batch in self._read(client, ranges, limits, len(ranges), seconds):
                for partition, milliseconds in zip(batch.partitions, batch.enqueued, strict=True):
                    if milliseconds >= 0:
                        times[partition] = _EPOCH + timedelta(milliseconds=milliseconds)
        return times

    # Reading --------------------------------------------------------------------------------------

    def batches(
        self,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        *,
        max_records: int | None = None,
        max_bytes: int | None = None,
        max_duration: float | None = None,
        batch_records: int = 2000,
    ) -> Iterator[MessageBatch]:
        """Yield the messages of `ranges`: partition → `[start, end)` pairs of offsets, ascending.

        The end of a range is where reading stops; silence never is. Offsets without a message (compaction,
        marks of transactions) are passed over; those that retention removed are told in `lost`.
        `max_records`, `max_bytes` and `max_duration` (seconds) end the read early: `reached` of the batches
        says how far it came. A batch has up to `batch_records` messages, 2 MiB, or what came in a second.

        Raises as `partitions` does; `PositionAhead` where a partition ends before a range does, as the hub
        is another one; `ServiceUnavailable` after `outage_seconds` of waiting in all. ValueError for ranges
        that overlap or are not in order.
        """
        from airflow_provider_defender.hooks._kafka_reader import Limits

        wanted = _checked_ranges(ranges)
        if not wanted:
            return
        with self._borrowed() as client:
            client.partitions(self.hub)
        self._idle = None  # the reader's alone from here on
        limits = Limits(max_records, max_bytes, max_duration)
        yield from self._read(client, wanted, limits, batch_records, self._outage_seconds)

    def _read(
        self,
        client: HubClient,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        limits: Any,
        batch_records: int,
        outage_seconds: float,
    ) -> Iterator[MessageBatch]:
        from airflow_provider_defender.hooks._kafka_reader import RangeReader

        reader = RangeReader(
            client,
            self.hub,
            ranges,
            limits=limits,
            batch_records=batch_records,
            outage_seconds=outage_seconds,
            log=self.log,
            prober=self._prober,
        )
        try:
            yield from reader.batches()
        finally:
            self.waited_seconds += reader.waited_seconds
            self.throttled_seconds += client.throttled_seconds
            client.close()

    def _prober(self, partition: int) -> Prober:
        from airflow_provider_defender.hooks._kafka_damage import Prober

        client = self._new_client(Prober.config)
        try:
            client.partitions(self.hub)
        except BaseException:
            client.close()
            raise
        return Prober(client, self.hub, partition)

    def commit(self, offsets: Mapping[int, int], *, group: str) -> None:
        """Write next offsets to a consumer group of the broker: for people and monitoring, we never read it.

        Microsoft allows four commits a second and partition: a faster caller waits. A failure is logged as
        a warning and changes nothing else.
        """
        if not offsets:
            return
        wait = self._committed_at.get(group, float("-inf")) + _SECONDS_BETWEEN_COMMITS - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        hub = self.hub
        try:
            client = self._committers.get(group) or self._new_client({"group.id": group})
            self._committers[group] = client
            trouble = client.commit(hub, offsets, seconds=_COMMIT_SECONDS)
        except Exception as error:  # the data has landed: monitoring must not fail the task
            trouble = str(error)
        self._committed_at[group] = time.monotonic()
        if trouble is not None:
            self.log.warning("Offsets of hub %s could not be committed to group %s: %s", hub, group, trouble)

    def close(self) -> None:
        """Close what is kept open between questions. Reading closes its own."""
        clients = [*self._committers.values(), *([self._idle] if self._idle else [])]
        self._idle = None
        self._committers.clear()
        for client in clients:
            client.close()

    # Test -----------------------------------------------------------------------------------------

    def test_connection(self) -> tuple[bool, str]:
        """List the hub's partitions, or the namespace's hubs, within ten seconds."""
        return run_test(self.event_hub_conn_id, lambda: self._settings, self._test)

    def _test(self, settings: EventHubSettings, deadline: float) -> str:
        client = self._new_client(deadline=deadline)
        try:
            if not (self._given_hub or settings.hub or settings.hub_of_policy):
                hubs = client.hubs()
                shown = ", ".join(hubs[:20]) + (" …" if len(hubs) > 20 else "")
                return (
                    f"{settings.namespace} answers. No hub is chosen; it has: {shown or 'none to be seen'}."
                )
            hub = self.hub
            partitions = client.partitions(hub)
            offsets = client.watermarks(hub, partitions, seconds=max(0.5, deadline - time.monotonic()))
        finally:
            client.close()
        shown = ", ".join(f"{p} (offsets {offsets[p].low} to {offsets[p].high})" for p in partitions[:20])
        more = " …" if len(partitions) > 20 else ""
        return (
            f"{settings.namespace} answers. Hub {hub} has {len(partitions)} partitions: {shown}{more}. "
            f"Messages there: {sum(each.high - each.low for each in offsets.values())}."
        )

    # Clients --------------------------------------------------------------------------------------

    @contextmanager
    def _borrowed(self) -> Iterator[HubClient]:
        """The client that is open already, or a new one; kept open for the next question."""
        client, self._idle = self._idle or self._new_client(), None
        try:
            yield client
        except BaseException:
            client.close()
            raise
        self._idle = client

    def _known(self, client: HubClient, partitions: Sequence[int] | None) -> Sequence[int]:
        """The partitions asked for, or all; makes the contact, too."""
        there = client.partitions(self.hub)
        unknown = sorted(set(partitions or ()) - set(there))
        if unknown:
            raise ConfigurationError(
                f"hub {self.hub!r} of {self.namespace} has no partition {unknown[0]}: it has {len(there)}, "
                "counted from 0."
            )
        return there if partitions is None else partitions

    def _new_client(
        self, config: Mapping[str, str] | None = None, deadline: float | None = None
    ) -> HubClient:
        from airflow_provider_defender.hooks._kafka_client import HubClient

        token = self._token if self._settings.entra is not None else None
        return HubClient(self._settings, self.log, token=token, config=config, deadline=deadline)

    def _token(self, may_wait: bool) -> AccessToken:
        limits = WaitLimits(total_seconds=self._outage_seconds) if may_wait else NO_WAITING
        waits = Waits(self.log, sleep=time.sleep, jitter=random.random, limits=limits)
        with self._token_lock:  # librdkafka asks from threads of its own
            return self._tokens.token(self._settings.scope or "", waits)

    @cached_property
    def _settings(self) -> EventHubSettings:
        settings = event_hub_settings(
            find_connection(self.event_hub_conn_id, self.conn_type), finder("entra_id"), self._config
        )
        for secret in settings.secrets:
            mask_secret(secret)
        for remark in settings.remarks:
            self.log.warning("%s", remark)
        return settings

    @cached_property
    def _tokens(self) -> TokenSource:
        from airflow_provider_defender.hooks._tokens import TokenSource

        entra = self._settings.entra
        if entra is None:
            raise ConfigurationError(f"Connection {self.event_hub_conn_id!r} has no credential of Entra ID.")
        return TokenSource(entra)


def _checked_ranges(
    ranges: Mapping[int, Sequence[tuple[int, int]]],
) -> dict[int, list[tuple[int, int]]]:
    """The ranges that hold anything; ValueError where they overlap, or are not in order."""
    wanted = {}
    for partition, pairs in ranges.items():
        before = 0
        for start, end in pairs:
            if start < before or end < start:
                raise ValueError(f"partition {partition}: ranges must ascend and not overlap: {list(pairs)}")
            before = end
        filled = [(start, end) for start, end in pairs if start < end]
        if filled:
            wanted[partition] = filled
    return wanted
