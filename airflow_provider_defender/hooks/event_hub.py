"""Messages of an event hub, read through its Kafka endpoint."""

from __future__ import annotations

import hashlib
import heapq
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow.sdk import BaseHook

from airflow_provider_defender._connection_fields import with_connection_fields
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._connection.arguments import Moment, read_moment
from airflow_provider_defender.hooks._connection.button import run_test
from airflow_provider_defender.hooks._connection.lookup import find_connection, finder
from airflow_provider_defender.hooks._connection.redaction import mask
from airflow_provider_defender.hooks._connection.shown import not_shown, shown_name
from airflow_provider_defender.hooks._entra.access_token import AccessToken
from airflow_provider_defender.hooks._http.waiting import NO_WAITING, WaitLimits, Waits
from airflow_provider_defender.hooks._kafka.cursor import Limits
from airflow_provider_defender.hooks._kafka.messages import MessageBatch, Offsets
from airflow_provider_defender.hooks._kafka.records import records_of
from airflow_provider_defender.hooks._kafka.settings import HUB_NAME, EventHubSettings, event_hub_settings
from airflow_provider_defender.hooks._kafka.tuning import TUNING, Tuning
from airflow_provider_defender.timestamps import ticks_to_datetime

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._entra.tokens import TokenSource
    from airflow_provider_defender.hooks._kafka.client import HubClient
    from airflow_provider_defender.hooks._kafka.damage import Prober

__all__ = ["EventHubHook"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LONGEST_LOG_NAME = 200
_OUTAGE_SECONDS = 900.0
_LOOK_SECONDS = 60.0
_SECONDS_BETWEEN_COMMITS = 0.25
_EVENT_MESSAGES = 500
_SHOWN = 20
"""So many hubs, or partitions, are listed by the test of a connection."""
_SINGLE_MESSAGES = {"queued.min.messages": "1", "queued.max.messages.kbytes": "1024"}


@with_connection_fields("event_hub")
class EventHubHook(BaseHook):
    """Reads messages of an Azure event hub, or of a topic of any Kafka, by explicit offsets.

    The usual credential is the connection string: enter it in the password, as the portal shows it. Extras
    with a dot in their name are librdkafka settings: `bootstrap.servers`, `security.protocol`,
    `sasl.mechanism`, `sasl.username` and `sasl.password`, as in Microsoft's examples. Settings that would
    break the provider's guarantees, such as `enable.auto.commit`, are refused.

    The first contact ends within ten seconds, with the namespace's answer or with an error that says what
    to do. Later outages are waited out.

    :param event_hub_conn_id: ID of a connection of type `event_hub`
    :param hub: the hub's name; overrides the connection's
    :param config: librdkafka settings, which override the connection's
    :param outage_seconds: how many seconds one read, or one request for a token, may spend waiting in outages
        before it gives up
    :param sleep: waits for seconds; for tests
    :param clock: monotonic seconds; for tests
    :param tuning: timeouts and sizes; for tests
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
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        tuning: Tuning = TUNING,
    ) -> None:
        super().__init__()
        self.event_hub_conn_id = event_hub_conn_id
        self.waited_seconds = 0.0
        """Seconds that reads have lost in outages so far."""
        self.throttled_seconds = 0.0
        """Seconds by which the namespace has throttled reads so far, for lack of throughput units."""
        self._given_hub = hub
        self._config = dict(config or {})
        self._outage_seconds = outage_seconds
        self._sleep = sleep
        self._clock = clock
        self._tuning = tuning
        self._token_lock = threading.Lock()
        self._idle: HubClient | None = None
        self._committers: dict[str, HubClient] = {}
        self._committed_at: dict[str, float] = {}

    # Names ----------------------------------------------------------------------------------------

    @property
    def namespace(self) -> str:
        """The namespace's host name in lower case, with its port unless that is 9093."""
        return self._settings.namespace

    @property
    def hub(self) -> str:
        """The hub's name. Raises `ConfigurationError` if none is given, or the policy is for another."""
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
        """The name of the hub's log in the lake, `event_hub-<namespace>-<hub>`: the same for all spellings.

        For hosts other than Microsoft's, `..` precedes the hub, which no host name can contain.
        """
        separator = "-" if self._settings.hosted else ".."
        name = f"event_hub-{self.namespace}{separator}{self._plain(self.hub)}"
        name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
        if len(name) <= _LONGEST_LOG_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return f"{name[: _LONGEST_LOG_NAME - len(digest) - 1]}-{digest}"

    @property
    def log_origin(self) -> dict[str, str]:
        """The origin that the log's commits record, also the same for all spellings."""
        return {"source": "event_hub", "namespace": self.namespace, "hub": self._plain(self.hub)}

    @property
    def tenant_id(self) -> str | None:
        """The tenant's GUID if a token of Entra ID is used; None for a connection string."""
        return self._settings.tenant_id

    def _plain(self, hub: str) -> str:
        """The hub's name in its normal form: Event Hubs ignores case in names, other Kafkas do not."""
        return hub.lower() if self._settings.hosted else hub

    # Questions ------------------------------------------------------------------------------------

    def partitions(self) -> list[int]:
        """Return the numbers of the hub's partitions, ascending.

        Raises within ten seconds: `ConfigurationError`, `CredentialError` (wrong key or token),
        `FirewallRefused`, `PermissionMissing`, `MissingHub`, `HostUnreachable` (no address, nothing listens)
        and `TlsMismatch`, all without retry; `ServiceUnavailable`, and the errors of `EntraIdHook.get_token`.
        """
        with self._borrowed() as client:
            return client.partitions(self.hub)

    def watermarks(
        self, partitions: Sequence[int] | None = None, *, seconds: float = _LOOK_SECONDS
    ) -> dict[int, Offsets]:
        """Return the first and next offset of the given hub partitions, or of all.

        Makes two requests after the first contact, each of which takes at most `seconds`. Raises as
        `partitions` does, and `ConfigurationError` for a partition that the hub does not have.
        """
        with self._borrowed() as client:
            return client.watermarks(self.hub, self._known(client, partitions), seconds=seconds)

    def offsets_at(self, moment: datetime, partitions: Sequence[int] | None = None) -> dict[int, int]:
        """Return, for each hub partition, the first offset enqueued at or after `moment`.

        If there is none, it is the next offset to come. The broker's clock counts, in milliseconds. Raises as
        `watermarks` does, and ValueError for a `moment` without a time zone.
        """
        if moment.tzinfo is None:
            raise ValueError("moment needs a time zone")
        since = moment.astimezone(timezone.utc) - _EPOCH
        milliseconds = max(0, -(-since // timedelta(milliseconds=1)))
        with self._borrowed() as client:
            wanted = self._known(client, partitions)
            # The ends first: messages that arrive in between are enqueued later, or are found by the moment.
            ends = client.watermarks(self.hub, wanted)
            found = client.offsets(self.hub, dict.fromkeys(wanted, milliseconds))
        return {
            partition: min(offset, ends[partition].high) if offset >= 0 else ends[partition].high
            for partition, offset in found.items()
        }

    def enqueued_at(
        self, offsets: Mapping[int, int], *, seconds: float = _LOOK_SECONDS
    ) -> dict[int, datetime | None]:
        """Return when single messages were enqueued: from partition → offset to partition → time (UTC).

        If an offset no longer has a message, the next message counts. None if none follows, or if it could
        not be read within `seconds`.
        """
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

    # For people -----------------------------------------------------------------------------------

    def events(
        self,
        *,
        limit: int | None = 1000,
        hub_partitions: Sequence[int] | None = None,
        start: Moment | Literal["earliest", "latest"] = "earliest",
    ) -> Iterator[dict[str, Any]]:
        """Yield records as dicts, up to `limit` records or the hub's current end. Commits nothing.

        Each dict has `table` (such as `DeviceProcessEvents`), `time` and `properties` as they were sent, and
        the record's place: `hub_partition`, `offset` and `enqueued` (when the broker received the message,
        UTC). For records that are not of the Streaming API, such as Defender for Cloud's export, `properties`
        is all that was sent, and `table` is None. Messages that cannot be read, or are lost meanwhile, are
        skipped with a warning. Records are in order within a hub partition.

        :param limit: the most records; None: all
        :param hub_partitions: numbers of the hub partitions to read; None: all
        :param start: where to begin: `earliest`; a time (datetime, date or ISO 8601 text; UTC without a time
            zone), which selects what was enqueued since; or `latest`, which selects about the newest `limit`
            records: the newest by `enqueued` in the last messages of all hub partitions

        Raises as `batches` does, and `ConfigurationError` for an invalid `limit` or `start`.
        """
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise ConfigurationError(f"limit={limit!r} is wrong: it must be a whole number above 0, or None.")
        if start == "latest" and limit is None:
            raise ConfigurationError("start='latest' needs a limit: how many of the newest records?")
        ranges = self._ranges_since(start, hub_partitions, limit)
        if start == "latest":
            return self._newest_events(ranges, limit or 0)
        return self._events(ranges, limit)

    def _ranges_since(
        self, start: Moment, hub_partitions: Sequence[int] | None, limit: int | None
    ) -> dict[int, list[tuple[int, int]]]:
        """The ranges to read of each hub partition, up to its current end."""
        ends = self.watermarks(hub_partitions)
        if start == "earliest":
            first = {partition: there.low for partition, there in ends.items()}
        elif start == "latest":
            share = -(-(limit or 0) // max(1, len(ends)))
            first = {partition: max(there.low, there.high - share) for partition, there in ends.items()}
        else:
            moment = ticks_to_datetime(read_moment("start", start))
            first = self.offsets_at(moment, list(ends))
        return {
            partition: [(min(first[partition], there.high), there.high)] for partition, there in ends.items()
        }

    def _events(
        self, ranges: Mapping[int, Sequence[tuple[int, int]]], limit: int | None
    ) -> Iterator[dict[str, Any]]:
        batches = self.batches(ranges, batch_messages=min(limit or _EVENT_MESSAGES, _EVENT_MESSAGES))
        with closing(cast("Generator[MessageBatch]", batches)):
            yield from islice(chain.from_iterable(map(self._records_of, batches)), limit)

    def _newest_events(
        self, ranges: Mapping[int, Sequence[tuple[int, int]]], limit: int
    ) -> Iterator[dict[str, Any]]:
        """The newest records in the ranges, whichever hub partition answers first."""
        newest: dict[int, deque[dict[str, Any]]] = {number: deque(maxlen=limit) for number in ranges}
        for event in self._events(ranges, None):
            newest[event["hub_partition"]].append(event)
        merged = heapq.merge(*newest.values(), key=lambda event: event["enqueued"] or _EPOCH)
        return iter(deque(merged, maxlen=limit))

    def _records_of(self, batch: MessageBatch) -> Iterator[dict[str, Any]]:
        passed = [*batch.lost, *batch.damaged, *((each.partition, each.offset) for each in batch.oversized)]
        if passed:
            self.log.warning("Hub %s: skipped what cannot be read: %s.", self.hub, passed)
        return records_of(batch)

    # Reading --------------------------------------------------------------------------------------

    def batches(
        self,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        *,
        max_messages: int | None = None,
        max_bytes: int | None = None,
        max_duration: float | None = None,
        batch_messages: int = 2000,
    ) -> Iterator[MessageBatch]:
        """Yield the messages of `ranges`: partition → `[start, end)` pairs of offsets, ascending.

        Reading stops at the end of a range, never because nothing comes. Offsets without a message
        (compaction, transaction markers) are skipped; offsets that retention has removed are listed in
        `lost`. `max_messages`, `max_bytes` and `max_duration` (seconds) end the read early; `reached` of the
        batches shows how far it came. A batch holds up to `batch_messages` messages, 2 MiB, or what came in a
        second.

        Raises as `partitions` does; `PositionAhead` if a partition ends before a range does, which means that
        the hub is another one; `ServiceUnavailable` after `outage_seconds` of waiting in all; ValueError for
        ranges that overlap or are not in order.
        """
        wanted = _checked_ranges(ranges)
        if not wanted:
            return
        with self._borrowed() as client:
            client.partitions(self.hub)
        self._idle = None  # from here on it belongs to the reader alone
        limits = Limits(max_messages, max_bytes, max_duration)
        yield from self._read(client, wanted, limits, batch_messages, self._outage_seconds)

    def _read(
        self,
        client: HubClient,
        ranges: Mapping[int, Sequence[tuple[int, int]]],
        limits: Limits,
        batch_messages: int,
        outage_seconds: float,
    ) -> Iterator[MessageBatch]:
        from airflow_provider_defender.hooks._kafka.reader import RangeReader

        reader = RangeReader(
            client,
            self.hub,
            ranges,
            limits=limits,
            batch_messages=batch_messages,
            outage_seconds=outage_seconds,
            log=self.log,
            prober=self._prober,
            tuning=self._tuning,
            clock=self._clock,
            sleep=self._sleep,
        )
        try:
            yield from reader.batches()
        finally:
            self.waited_seconds += reader.waited_seconds
            self.throttled_seconds += client.throttled_seconds
            client.close()

    def _prober(self, partition: int) -> Prober:
        from airflow_provider_defender.hooks._kafka.damage import Prober

        client = self._new_client(Prober.config)
        try:
            client.partitions(self.hub)
        except BaseException:
            client.close()
            raise
        return Prober(client, self.hub, partition, self._clock)

    def commit(self, offsets: Mapping[int, int], *, group: str) -> None:
        """Commit next offsets to a consumer group of the broker, for monitoring only: we never read them.

        Microsoft allows four commits per second and partition, so a faster caller waits. A failure is logged
        as a warning and changes nothing else.
        """
        if not offsets:
            return
        wait = self._committed_at.get(group, float("-inf")) + _SECONDS_BETWEEN_COMMITS - self._clock()
        if wait > 0:
            self._sleep(wait)
        hub = self.hub
        try:
            client = self._committers.get(group) or self._new_client({"group.id": group})
            self._committers[group] = client
            problem = client.commit(hub, offsets, seconds=self._tuning.commit)
        except Exception as error:  # the data has landed: monitoring must not fail the task
            problem = str(error)
        self._committed_at[group] = self._clock()
        if problem is not None:
            self.log.warning("Offsets of hub %s could not be committed to group %s: %s", hub, group, problem)

    def close(self) -> None:
        """Close the clients that are kept open between requests. A read closes its own client."""
        clients = [*self._committers.values(), *([self._idle] if self._idle else [])]
        self._idle = None
        self._committers.clear()
        for client in clients:
            client.close()

    # Test -----------------------------------------------------------------------------------------

    def test_connection(self) -> tuple[bool, str]:
        """List the hub's partitions, or the namespace's hubs if no hub is chosen, within ten seconds."""
        return run_test(self.event_hub_conn_id, lambda: self._settings, self._test)

    def _test(self, settings: EventHubSettings, deadline: float) -> str:
        client = self._new_client(deadline=deadline)
        try:
            if not (self._given_hub or settings.hub or settings.hub_of_policy):
                hubs = client.hubs()
                shown = ", ".join(hubs[:_SHOWN]) + (" …" if len(hubs) > _SHOWN else "")
                return (
                    f"{settings.namespace} answers. No hub is chosen; it has: {shown or 'none to be seen'}."
                )
            hub = self.hub
            partitions = client.partitions(hub)
            offsets = client.watermarks(hub, partitions, seconds=max(0.5, deadline - time.monotonic()))
        finally:
            client.close()
        shown = ", ".join(f"{p} (offsets {offsets[p].low} to {offsets[p].high})" for p in partitions[:_SHOWN])
        more = " …" if len(partitions) > _SHOWN else ""
        return (
            f"{settings.namespace} answers. Hub {hub} has {len(partitions)} partitions: {shown}{more}. "
            f"Messages there: {sum(each.high - each.low for each in offsets.values())}."
        )

    # Clients --------------------------------------------------------------------------------------

    @contextmanager
    def _borrowed(self) -> Iterator[HubClient]:
        """Lend the open client, or a new one, and keep it open for the next request."""
        client, self._idle = self._idle or self._new_client(), None
        try:
            yield client
        except BaseException:
            client.close()
            raise
        self._idle = client

    def _known(self, client: HubClient, partitions: Sequence[int] | None) -> Sequence[int]:
        """Return the given partitions, checked, or all. Also makes the first contact."""
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
        from airflow_provider_defender.hooks._kafka.client import HubClient

        token = self._token if self._settings.entra is not None else None
        return HubClient(
            self._settings,
            self.log,
            token=token,
            config=config,
            deadline=deadline,
            tuning=self._tuning,
            clock=self._clock,
            sleep=self._sleep,
        )

    def _token(self, may_wait: bool) -> AccessToken:
        limits = WaitLimits(total_seconds=self._outage_seconds) if may_wait else NO_WAITING
        waits = Waits(self.log, sleep=self._sleep, jitter=random.random, limits=limits, clock=self._clock)
        with self._token_lock:  # librdkafka calls this from its own threads
            return self._tokens.token(self._settings.scope or "", waits)

    @cached_property
    def _settings(self) -> EventHubSettings:
        settings = event_hub_settings(
            find_connection(self.event_hub_conn_id, self.conn_type), finder("entra_id"), self._config
        )
        mask(settings.secrets)
        for remark in settings.remarks:
            self.log.warning("%s", remark)
        return settings

    @cached_property
    def _tokens(self) -> TokenSource:
        from airflow_provider_defender.hooks._entra.tokens import TokenSource

        entra = self._settings.entra
        if entra is None:
            raise ConfigurationError(f"Connection {self.event_hub_conn_id!r} has no credential of Entra ID.")
        return TokenSource(entra, clock=self._clock)


def _checked_ranges(
    ranges: Mapping[int, Sequence[tuple[int, int]]],
) -> dict[int, list[tuple[int, int]]]:
    """The ranges that are not empty. Raises ValueError if they overlap or are not in order."""
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
