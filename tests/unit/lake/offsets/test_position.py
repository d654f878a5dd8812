"""Where a hub stands after a commit."""

from __future__ import annotations

import json
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    Covered,
    HubPartitionPosition,
    OffsetsChange,
    OffsetsPosition,
)
from airflow_provider_defender.lake.log.position import dump_position, parse_position
from airflow_provider_defender.lake.offsets.ranges import union, without


def test_what_is_missing() -> None:
    position = OffsetsPosition({0: HubPartitionPosition(40, ((10, 20), (30, 40)), ((20, 22),))})
    assert position.missing(0, 0, 50) == [(0, 10), (22, 30), (40, 50)]
    assert position.missing(0, 12, 18) == []
    assert position.missing(0, 18, 18) == []
    assert position.missing(1, 5, 9) == [(5, 9)]
    assert (position.next(0), position.next(1)) == (40, None)


def test_a_position_survives_its_record() -> None:
    position = OffsetsPosition(
        {3: HubPartitionPosition(40, ((10, 20), (30, 40)), ((20, 22),)), 0: HubPartitionPosition()}
    )
    values = json.loads(json.dumps(dump_position(position)))
    assert values["partitions"]["3"] == {"next": 40, "covered": [[10, 20], [30, 40]], "lost": [[20, 22]]}
    assert parse_position(values) == position


def test_a_change_is_added_to_whatever_the_position_is() -> None:
    before = OffsetsPosition(
        {0: HubPartitionPosition(20, ((0, 20), (30, 40)), ((90, 95),)), 1: HubPartitionPosition(5)}
    )
    after = OffsetsChange(
        {
            0: Covered(read=[(25, 30), (20, 25)], next=40, lost=[(50, 60)]),
            2: Covered(read=[(7, 8)]),
            3: Covered(read=[(4, 4)]),
        }
    ).apply(before, rebased=True)
    assert after.partitions == {
        0: HubPartitionPosition(40, ((0, 40),), ((50, 60), (90, 95))),
        1: HubPartitionPosition(5),
        2: HubPartitionPosition(None, ((7, 8),)),
    }


SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda span: (span[0], span[0] + span[1])),
    max_size=6,
)


@given(SPANS, SPANS, SPANS)
def test_what_is_lost_is_exact_through_several_runs(
    first: list[tuple[int, int]], second: list[tuple[int, int]], read: list[tuple[int, int]]
) -> None:
    """Ranges that lie apart stay apart: what lies between them is not lost."""
    position = OffsetsChange({0: Covered(lost=first)}).apply(OffsetsPosition(), rebased=False)
    position = OffsetsChange({0: Covered(read=read, lost=second)}).apply(position, rebased=True)
    position = OffsetsPosition.parse(json.loads(json.dumps(dump_position(position))))
    lost = position.partition(0).lost
    offsets = [
        set(chain.from_iterable(range(*span) for span in spans)) for spans in (lost, first, second, read)
    ]
    assert offsets[0] == (offsets[1] | offsets[2]) - offsets[3]
    assert all(one[1] < other[0] for one, other in pairwise(lost))
    assert position.missing(0, 0, 60) == list(without(((0, 60),), union(lost, position.partition(0).covered)))


def test_what_one_run_has_read_is_not_lost_whatever_another_says() -> None:
    lost = OffsetsPosition({0: HubPartitionPosition(10, (), ((0, 10),))})
    assert OffsetsChange({0: Covered(read=[(4, 6)])}).apply(lost, rebased=True).partition(0).lost == (
        (0, 4),
        (6, 10),
    )
    covered = OffsetsPosition({0: HubPartitionPosition(None, ((4, 6),))})
    after = OffsetsChange({0: Covered(next=10, lost=[(0, 10)])}).apply(covered, rebased=True)
    assert after.partition(0) == HubPartitionPosition(10, ((4, 6),), ((0, 4), (6, 10)))


def test_the_next_offset_never_goes_back() -> None:
    before = OffsetsPosition({0: HubPartitionPosition(20, ((0, 20),))})
    assert OffsetsChange({0: Covered(next=10)}).apply(before, rebased=False).next(0) == 20
