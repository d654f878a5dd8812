"""Wait until an event hub holds messages that the lake does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender._plural import counted
from airflow_provider_defender.operators._landing import check_counts, check_kafka_config, check_spans
from airflow_provider_defender.sensors._waiting import SourceSensor

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.hooks import EventHubHook
    from airflow_provider_defender.operators._hub_plan import PartitionPlan

__all__ = ["EventHubSensor"]

_OUTAGE_SECONDS = 60.0
"""A poke waits no longer in place: the next one asks again."""


class EventHubSensor(SourceSensor["EventHubHook"]):
    """Succeed as soon as enough messages wait in a hub, or one has waited for long enough.

    What waits is what the next live drain into this lake would read. With neither `lag` nor `oldest`, any
    message is enough. So is, always, a gap: messages that the hub's retention deleted before they were read,
    since the drain must note and report them. With `start="latest"`, a hub without a position in the lake is
    always enough: its first drain must note where it begins.

    Args:
        lake: root of the lake, as for `EventHubToParquetOperator`. Templated.
        event_hub_conn_id: connection of type `event_hub`.
        hub: the hub's name; None takes the connection's. Templated.
        partitions: numbers of the partitions to look at; None looks at all. Templated.
        start: where the first drain of a partition will begin, as for the operator. Templated.
        lag: succeed if more than so many messages wait, in all these partitions together.
        oldest: succeed if a message has waited for longer than this since it entered the hub.
        kafka_config: settings of librdkafka over those of the connection, without secrets.
        mode: `reschedule` gives the worker slot back between pokes, and connects to the hub at each; `poke`
            keeps slot and connection.
        poke_interval: time between two pokes.

    Raises:
        FailNow: a credential, a right or a parameter is wrong, or a hub that the lake holds nothing of cannot
            be reached at three pokes. Other outages are waited out, until `timeout`.
        PositionAhead: the hub is another one than the lake has read before.
    """

    template_fields: Sequence[str] = ("lake", "hub", "partitions", "start")
    ui_color = "#0078d4"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        event_hub_conn_id: str = "event_hub_default",
        hub: str | None = None,
        partitions: Sequence[int] | str | None = None,
        start: Literal["earliest", "latest"] | str | datetime = "earliest",
        lag: int | None = None,
        oldest: timedelta | None = None,
        kafka_config: Mapping[str, Any] | None = None,
        mode: Literal["poke", "reschedule"] = "reschedule",
        poke_interval: timedelta | float = timedelta(minutes=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, poke_interval=poke_interval, **kwargs)
        self.lake = lake
        self.event_hub_conn_id = event_hub_conn_id
        self.hub = hub
        self.partitions = partitions
        self.start = start
        self.lag = lag
        self.oldest = oldest
        self.kafka_config = kafka_config

    def _check(self) -> None:
        check_kafka_config(self.kafka_config)
        check_spans({"oldest": self.oldest})
        check_counts({"lag": self.lag}, least=0)

    def _new_hook(self) -> EventHubHook:
        from airflow_provider_defender.hooks import EventHubHook

        return EventHubHook(
            self.event_hub_conn_id, hub=self.hub, config=self.kafka_config, outage_seconds=_OUTAGE_SECONDS
        )

    def _close(self, hook: EventHubHook) -> None:
        hook.close()

    def _is_waited_for(self, hook: EventHubHook) -> bool:
        from airflow_provider_defender.lake import HubPosition
        from airflow_provider_defender.operators._hub_plan import live_plans, parse_partitions, parse_start
        from airflow_provider_defender.operators._lake import lake_errors, opened_lake

        partitions, start = parse_partitions(self.partitions), parse_start(self.start)
        with lake_errors(self.lake):
            log = opened_lake(self.lake).log(hook.log_name, HubPosition)
            head = log.read_head()
            self._reached_before |= head.record is not None
            position = head.position
            plans = live_plans(hook, log, position, partitions, start)
        if start == "latest" and None in map(position.next, plans):
            self.log.info("Hub %s has no position in the lake yet: enough for a first drain", hook.hub)
            return True
        return self._is_enough(hook, plans)

    def _is_enough(self, hook: EventHubHook, plans: Mapping[int, PartitionPlan]) -> bool:
        from airflow_provider_defender.operators._hub_plan import offset_count

        waiting = sum(offset_count(plan.ranges) for plan in plans.values())
        gone = sum(offset_count(plan.lost) for plan in plans.values())
        lag = 0 if self.lag is None and self.oldest is None else self.lag
        found = gone > 0 or (lag is not None and waiting > lag)
        age = None
        if self.oldest is not None and waiting and not found:
            age = _oldest_age(hook, plans)
            found = age is not None and age > self.oldest
        self.log.info(
            "%s %s in hub %s%s%s: %s",
            counted(waiting, "message"),
            "waits" if waiting == 1 else "wait",
            hook.hub,
            "" if age is None else f", the oldest for {age}",
            f", and {gone} were deleted before they were read" if gone else "",
            "enough" if found else "not enough",
        )
        return found


def _oldest_age(hook: EventHubHook, plans: Mapping[int, PartitionPlan]) -> timedelta | None:
    """For how long the oldest unread message has been in the hub; None where that is not known."""
    first = {partition: plan.ranges[0][0] for partition, plan in plans.items() if plan.ranges}
    moments = [moment for moment in hook.enqueued_at(first).values() if moment is not None]
    return datetime.now(timezone.utc) - min(moments) if moments else None
