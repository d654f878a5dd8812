"""What a run says of a hub: summary, asset event, log, metrics, state."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_defender.sources.hub_figures import HubFigures, HubPartitionFigures, describe_gap
from tests.helpers.event_hubs import NOW

FIRST = HubPartitionFigures(
    begin=10,
    stands=30,
    high=35,
    waiting_at_start=18,
    lag=7,
    oldest_unread=1.5,
    read=15,
    lost=((10, 12), (20, 21)),
    damaged=((29, 30),),
    lost_before=2,
)
SECOND = HubPartitionFigures(
    begin=5, stands=5, high=5, waiting_at_start=0, lag=None, oldest_unread=None, read=0
)


def figures(**changes: Any) -> HubFigures:
    given: dict[str, Any] = {
        "namespace": "contoso.servicebus.windows.net",
        "hub": "defender",
        "live": True,
        "messages": 15,
        "bytes": 1500,
        "records": 21,
        "rows": {"events/DeviceEvents": 4, "events/DeviceInfo": 13},
        "files": 3,
        "hours": ["2026-11-20T11:00:00", "2026-11-20T12:00:00"],
        "duplicates": 1,
        "rejects": 3,
        "hub_partitions": {0: FIRST, 1: SECOND},
        "before_oldest": {},
        "unknown_actions": {},
        "waited_seconds": 2.0,
        "throttled_seconds": 0.5,
    }
    return HubFigures(**{**given, **changes})


def test_xcom_gets_everything_as_json() -> None:
    found = figures(before_oldest={0: NOW, 1: None}).as_dict()
    assert (
        found
        == json.loads(json.dumps(found))
        == {
            "messages": 15,
            "bytes": 1500,
            "records": 21,
            "rows": {"events/DeviceEvents": 4, "events/DeviceInfo": 13},
            "files": 3,
            "hub_partitions": {
                "0": {
                    "from": 10,
                    "to": 30,
                    "high": 35,
                    "waiting_at_start": 18,
                    "lag": 7,
                    "oldest_unread": 1.5,
                },
                "1": {
                    "from": 5,
                    "to": 5,
                    "high": 5,
                    "waiting_at_start": 0,
                    "lag": None,
                    "oldest_unread": None,
                },
            },
            "duplicates": 1,
            "rejects": 3,
            "lost": {"0": [[10, 12], [20, 21]]},
            "damaged": {"0": [[29, 30]]},
            "before_oldest": {"0": "2026-11-20T12:00:00+00:00", "1": None},
            "unknown_actions": {},
        }
    )


def test_the_asset_event_gets_the_newest_hours() -> None:
    hours = [f"hour {number}" for number in range(500)]
    assert figures(hours=hours).event_extra() == {"hours": hours[-200:]}
    assert figures().event_extra() == {"hours": ["2026-11-20T11:00:00", "2026-11-20T12:00:00"]}


def test_the_log_says_what_landed_and_where_each_partition_stands() -> None:
    assert list(figures().lines()) == [
        "15 messages read, 17 rows landed in 3 files, 1 duplicate dropped, 3 records rejected",
        "Partition 0 read from 10 to 30 of 35 (3 offsets known to the lake before, 2 deleted before)",
    ]
    assert list(figures(hub_partitions={1: SECOND}).lines())[1:] == ["No partition has moved"]


def test_the_log_and_xcom_name_new_action_types() -> None:
    found = figures(unknown_actions={"DeviceEvents.BrandNew": 3})
    assert list(found.lines())[-1] == (
        "Action types that the catalogue does not know {'DeviceEvents.BrandNew': 3}"
    )
    assert found.as_dict()["unknown_actions"] == {"DeviceEvents.BrandNew": 3}


def test_a_partition_of_which_nothing_was_read_is_passed_over() -> None:
    known = HubPartitionFigures(
        begin=0, stands=4, high=4, waiting_at_start=0, lag=0, oldest_unread=None, read=0
    )
    assert known.line(7) == "Partition 7 passed over from 0 to 4 of 4 (4 offsets known to the lake before)"


def test_a_window_that_begins_before_the_hub_is_a_warning() -> None:
    said = list(figures(before_oldest={0: NOW, 1: None}).warnings())
    assert "oldest message of partition 0, which is of 2026-11-20T12:00:00+00:00." in said[0]
    assert "oldest message of partition 1, which is of an unknown time." in said[2]
    assert list(figures().warnings()) == []


def test_metrics_have_hub_and_partition_in_their_names_and_leave_out_what_is_unknown() -> None:
    metrics = figures(hub="d.e f").gauges()
    end = "contoso_servicebus_windows_net.d_e_f"
    assert {name: value for name, value in metrics.items() if name.endswith(".0")} == {
        f"defender.event_hub.waiting_at_start.{end}.0": 18,
        f"defender.event_hub.lag.{end}.0": 7,
        f"defender.event_hub.oldest_unread_seconds.{end}.0": 1.5,
        f"defender.event_hub.lost.{end}.0": 3,
        f"defender.event_hub.damaged.{end}.0": 1,
    }
    assert f"defender.event_hub.lag.{end}.1" not in metrics
    assert metrics[f"defender.event_hub.lost.{end}.1"] == 0


def test_the_state_is_where_the_next_live_drain_begins() -> None:
    assert figures().states() == {
        "partition-0": {"next": 30, "lag": 7, "oldest_unread": 1.5},
        "partition-1": {"next": 5, "lag": None, "oldest_unread": None},
    }
    assert figures(live=False).states() == {}


def test_seconds_without_an_answer_are_named() -> None:
    assert figures().seconds() == {"waited": 2.0, "throttled": 0.5}


def test_a_gap_names_each_message_once_and_what_to_do() -> None:
    lost = {1: [(7, 8)], 0: [(0, 3), (5, 6)]}
    assert describe_gap("defender", lost, {}, None).splitlines() == [
        "Hub 'defender' deleted 5 messages before they were read: "
        "partition 0: 0 to 2, partition 0: 5 to 5, partition 1: 7 to 7.",
        "Run more often, or raise the hub's retention.",
        "All others have landed; the lake's commit names these, and the next run continues.",
    ]
    assert describe_gap("defender", {}, {0: [(4, 5)]}, RuntimeError("nobody knows")).splitlines() == [
        "Hub 'defender' has 1 message that cannot be read: partition 0: 4 to 4.",
        "A warning above says why. Once they can be read, a backfill over their time lands them.",
        "The others are not in their places yet: nobody knows.",
    ]
