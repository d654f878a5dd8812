"""Wait until an event hub has messages that the lake does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender._plural import counted
from airflow_provider_defender.sensors._waiting import SourceSensor
from airflow_provider_defender.sources.parameters import check_counts, check_kafka_config, check_spans

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.hooks import EventHubHook
    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.event_hub import EventHub
    from airflow_provider_defender.sources.source import Backlog

__all__ = ["EventHubSensor"]

_OUTAGE_SECONDS = 60.0
"""How long one poke waits through outages; the next poke asks again."""


class EventHubSensor(SourceSensor["EventHubHook"]):
    """Succeed as soon as enough messages wait in a hub, or one message has waited for long enough.

    The waiting messages are those that the next live drain into this lake would read. With neither `lag` nor
    `oldest`, any message is enough. Two things are always enough: a gap (messages that the hub's retention
    deleted before they were read), because a drain must record and report it; and, with `start="latest"`, a
    hub without a position in the lake, because its first drain must record where it begins.

    Args:
        lake: root of the lake, as for `EventHubToParquetOperator`. Templated.
        event_hub_conn_id: connection of type `event_hub`.
        hub: the hub's name; None: the connection's. Templated.
        hub_partitions: numbers of the hub partitions to look at; None: all. Templated.
        start: where the first drain of a hub partition will begin, as for the operator. Templated.
        lag: succeed if more than this many messages wait, in all these hub partitions together.
        oldest: succeed if a message has waited for longer than this since it was enqueued.
        kafka_config: librdkafka settings, which override the connection's; no secrets.
        mode: `reschedule` frees the worker slot between pokes, and connects to the hub at each poke; `poke`
            keeps slot and connection.
        poke_interval: time between two pokes.
        hook: called with the connection's ID, `hub`, `config` and `outage_seconds`, returns the hook to use;
            for tests.
        clock: source of the current time; for tests.

    Raises:
        FailNow: a credential, a right or a parameter is wrong, or three pokes failed to reach a hub from
            which the lake has no data. The sensor waits through other outages, up to `timeout`.
        PositionAhead: this is not the hub that the lake has read before.
    """

    template_fields: Sequence[str] = ("lake", "hub", "hub_partitions", "start")

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        event_hub_conn_id: str = "event_hub_default",
        hub: str | None = None,
        hub_partitions: Sequence[int] | str | None = None,
        start: Literal["earliest", "latest"] | str | datetime = "earliest",
        lag: int | None = None,
        oldest: timedelta | None = None,
        kafka_config: Mapping[str, Any] | None = None,
        mode: Literal["poke", "reschedule"] = "reschedule",
        poke_interval: timedelta | float = timedelta(minutes=1),
        hook: Callable[..., EventHubHook] | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lake=lake, clock=clock, mode=mode, poke_interval=poke_interval, **kwargs)
        self.event_hub_conn_id = event_hub_conn_id
        self.hub = hub
        self.hub_partitions = hub_partitions
        self.start = start
        self.lag = lag
        self.oldest = oldest
        self.kafka_config = kafka_config
        self.hook = hook

    def _check(self) -> None:
        check_kafka_config(self.kafka_config)
        check_spans({"oldest": self.oldest})
        check_counts({"lag": self.lag}, least=0)

    def _new_hook(self) -> EventHubHook:
        from airflow_provider_defender.hooks import EventHubHook

        return (self.hook or EventHubHook)(
            self.event_hub_conn_id, hub=self.hub, config=self.kafka_config, outage_seconds=_OUTAGE_SECONDS
        )

    def _close(self, hook: EventHubHook) -> None:
        hook.close()

    def _new_source(self, hook: EventHubHook, lake: Lake, clock: Clock) -> EventHub:
        from airflow_provider_defender.sources.event_hub import EventHub
        from airflow_provider_defender.sources.parameters import parse_hub_partitions, parse_start

        return EventHub(
            hook=hook,
            lake=lake,
            hub_partitions=parse_hub_partitions(self.hub_partitions),
            start=parse_start(self.start),
            clock=clock,
            logger=self.log,
        )

    def _is_enough(self, backlog: Backlog, hook: EventHubHook) -> bool:
        if backlog.unstarted:
            self.log.info("Hub %s has no position in the lake yet: enough for a first drain", hook.hub)
            return True
        waiting = backlog.count or 0
        lag = 0 if self.lag is None and self.oldest is None else self.lag
        found = backlog.lost > 0 or (lag is not None and waiting > lag)
        age = None
        if self.oldest is not None and waiting and not found:
            age = backlog.ask_age()
            found = age is not None and age > self.oldest
        self._log_backlog(hook.hub, backlog, age, found)
        return found

    def _log_backlog(self, hub: str, backlog: Backlog, age: timedelta | None, found: bool) -> None:
        waiting = backlog.count or 0
        self.log.info(
            "%s %s in hub %s%s%s: %s",
            counted(waiting, "message"),
            "waits" if waiting == 1 else "wait",
            hub,
            "" if age is None else f", the oldest for {age}",
            f", and {backlog.lost} were deleted before they were read" if backlog.lost else "",
            "enough" if found else "not enough",
        )
