"""Groups of hub partitions: each partition once, and no more tasks than the messages need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.sources.hub_groups import groups_by_number, groups_by_work

WAITING = st.dictionaries(st.integers(0, 40), st.integers(0, 100), min_size=1)


@given(WAITING, st.integers(1, 10), st.integers(1, 200))
def test_every_partition_is_in_one_group_and_the_load_is_balanced(
    waiting: dict[int, int], groups: int, messages_per_task: int
) -> None:
    found = groups_by_work(waiting, groups=groups, messages_per_task=messages_per_task)
    assert sorted(number for group in found for number in group) == sorted(waiting)
    assert all(group == sorted(group) for group in found)
    assert 1 <= len(found) <= groups
    total = sum(waiting.values())
    assert len(found) == 1 or (len(found) - 1) * messages_per_task < total
    loads = [sum(waiting[number] for number in group) for group in found]
    assert len(found) == 1 or min(loads) > 0
    # Whatever came last into a group was put there because the group had the least.
    for group, load in zip(found, loads, strict=True):
        last = min((waiting[number] for number in group if waiting[number]), default=0)
        assert load - last <= min(loads)


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(1, 10))
def test_groups_by_number_have_about_the_same_length(numbers: set[int], groups: int) -> None:
    found = groups_by_number(list(numbers), groups)
    assert sorted(number for group in found for number in group) == sorted(numbers)
    lengths = [len(group) for group in found]
    assert len(found) == min(groups, len(numbers))
    assert max(lengths) - min(lengths) <= 1
