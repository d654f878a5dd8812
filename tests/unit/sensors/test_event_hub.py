"""The sensor: true when enough messages wait, or one has waited for long enough."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    HostUnreachable,
    MessagesLost,
    PermissionMissing,
    PositionAhead,
    ServiceUnavailable,
)
from airflow_provider_defender.sensors import EventHubSensor
from tests.helpers.airflow import context
from tests.helpers.event_hubs import (
    DAY,
    INJECTED,
    MINUTE,
    NOW,
    EventLake,
    MemoryHook,
    MemoryHub,
    Partition,
    backfill,
    drain,
)


def poke(lake: EventLake, given: dict[str, Any] | None = None, **arguments: Any) -> bool:
    sensor = EventHubSensor(task_id="wait", lake=lake.uri, **{**INJECTED, **arguments})
    return sensor.poke(given or context())  # type: ignore[arg-type]


def test_any_message_is_enough_unless_more_is_asked(hub: MemoryHub, event_lake: EventLake) -> None:
    assert not poke(event_lake)
    hub.fill(1)
    assert poke(event_lake)
    assert not event_lake.path.exists()


def test_lag_over_a_number_of_messages(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.fill(3)
    assert poke(event_lake, lag=2)
    assert not poke(event_lake, lag=3)
    assert not poke(event_lake, lag=2, hub_partitions=[0])


def test_what_backfills_have_landed_does_not_wait(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    backfill(event_lake, NOW, NOW + DAY)
    assert not poke(event_lake)


def test_an_age_of_the_oldest_message(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(2)
    drain(event_lake)
    hub.fill(2)
    hub.advance(5 * MINUTE)
    hub.fill(1)
    assert not poke(event_lake, oldest=5 * MINUTE)
    assert poke(event_lake, oldest=timedelta(seconds=299))
    assert poke(event_lake, oldest=DAY, lag=2)
    drain(event_lake)
    assert not poke(event_lake, oldest=timedelta(0))


def test_messages_before_the_start_of_the_first_drain_do_not_wait(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.fill(4)
    assert not poke(event_lake, start=NOW + MINUTE)
    assert poke(event_lake, start=NOW)


def test_a_first_drain_from_the_latest_message_on_is_never_waited_for(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    assert poke(event_lake, start="latest", lag=10)
    drain(event_lake, start="latest")
    assert not poke(event_lake, start="latest")
    hub.fill(1)
    assert poke(event_lake, start="latest")


def test_messages_that_were_deleted_before_they_were_read_are_never_waited_for(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.fill(4)
    hub.expire(0, 4)
    hub.expire(1, 4)
    for arguments in ({}, {"lag": 10}, {"oldest": DAY}):
        assert poke(event_lake, **arguments)
    assert "0 messages wait in hub defender, and 4 were deleted before they were read: enough" in (
        capsys.readouterr().out
    )
    with pytest.raises(MessagesLost):
        drain(event_lake)
    assert not poke(event_lake)


def test_one_line_for_each_poke(
    hub: MemoryHub, event_lake: EventLake, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fill(3)
    hub.advance(MINUTE)
    capsys.readouterr()
    poke(event_lake, oldest=DAY)
    [line] = capsys.readouterr().out.splitlines()
    assert "3 messages wait in hub defender, the oldest for 0:01:00: not enough" in line


def test_outages_are_waited_out(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.refusal = ServiceUnavailable("gone")
    assert not poke(event_lake)
    hub.refusal = PermissionMissing("Listen")
    with pytest.raises(PermissionMissing):
        poke(event_lake)


def test_a_hub_that_was_never_reached_is_a_wrong_one_at_the_third_poke(
    hub: MemoryHub, event_lake: EventLake
) -> None:
    hub.refusal = HostUnreachable("no such host")
    assert not poke(event_lake, context(task_reschedule_count=0))
    assert not poke(event_lake, context(task_reschedule_count=1))
    with pytest.raises(HostUnreachable):
        poke(event_lake, context(task_reschedule_count=2))
    assert not poke(event_lake, context(task_reschedule_count=3))  # so an earlier poke was answered
    sensor = EventHubSensor(task_id="wait", lake=event_lake.uri, mode="poke", poke_interval=0, **INJECTED)
    with pytest.raises(HostUnreachable):
        sensor.execute(context())  # type: ignore[arg-type]
    assert sensor._failures == 3


@pytest.mark.parametrize("known", ["to the lake", "to an earlier poke"])
def test_a_hub_that_was_reached_before_has_an_outage(
    hub: MemoryHub, event_lake: EventLake, known: str
) -> None:
    sensor = EventHubSensor(task_id="wait", lake=event_lake.uri, mode="poke", **INJECTED)
    hub.fill(1)
    if known == "to the lake":
        drain(event_lake)
    else:
        assert sensor.poke(context())  # type: ignore[arg-type]
    hub.refusal = HostUnreachable("refused")
    assert [sensor.poke(context(task_reschedule_count=2)) for _ in range(5)] == [False] * 5  # type: ignore[arg-type]


def test_one_hook_serves_all_pokes_and_is_closed_at_the_end(
    hub: MemoryHub, event_lake: EventLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[MemoryHook] = []
    closed: list[MemoryHook] = []

    def hook(conn_id: str, *, outage_seconds: float, **_: Any) -> MemoryHook:
        assert outage_seconds == 60  # no poke keeps a slot for longer
        made.append(MemoryHook(hub, conn_id, None))
        return made[-1]

    monkeypatch.setitem(INJECTED, "hook", hook)
    monkeypatch.setattr(MemoryHook, "close", lambda self: closed.append(self))
    sensor = EventHubSensor(task_id="wait", lake=event_lake.uri, mode="poke", poke_interval=0, **INJECTED)
    looks = iter(range(5))

    def send_a_message_at_last(self: MemoryHook) -> list[int]:
        if next(looks) == 4:
            hub.fill(1)
        return [0, 1]

    with monkeypatch.context() as patched:
        patched.setattr(MemoryHook, "partitions", send_a_message_at_last)
        sensor.execute({})
    assert next(looks, None) is None
    assert closed == made
    assert len(made) == 1
    hub.refusal = PermissionMissing("Listen")
    with pytest.raises(PermissionMissing):
        sensor.execute(context())  # type: ignore[arg-type]
    hub.refusal = None
    sensor.poke(context())  # type: ignore[arg-type]
    sensor.on_kill()
    assert closed == made
    assert len(made) == 3


def test_the_hub_can_be_a_template(hub: MemoryHub, event_lake: EventLake) -> None:
    sensor = EventHubSensor(task_id="wait", lake=event_lake.uri, hub="{{ params.hub }}", **INJECTED)
    sensor.render_template_fields({"params": {"hub": "defender"}})
    assert sensor.hub == "defender"


def test_another_hub_of_the_same_name_fails(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(4)
    drain(event_lake)
    hub.recreate()
    with pytest.raises(PositionAhead, match="ends at 0"):
        poke(event_lake)
    hub.partitions = {0: Partition()}
    hub.fill(10)
    with pytest.raises(PositionAhead, match="knows partition 1"):
        poke(event_lake, hub_partitions=[0])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"lag": -1}, "lag=-1"),
        ({"lag": True}, "lag=True"),
        ({"oldest": 5}, "oldest=5"),
        ({"start": "soon"}, "start='soon'"),
    ],
)
def test_wrong_parameters_are_named(
    hub: MemoryHub, event_lake: EventLake, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        poke(event_lake, **arguments)


def test_a_sensor_called_by_hand_waits_in_place(hub: MemoryHub, event_lake: EventLake) -> None:
    hub.fill(1)
    EventHubSensor(task_id="wait", lake=event_lake.uri, **INJECTED).execute({})


def test_a_sensor_gives_its_slot_back_by_default() -> None:
    assert EventHubSensor(task_id="wait", lake="file:///lake").reschedule
