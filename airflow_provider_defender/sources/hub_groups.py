"""Groups of hub partitions: which mapped task reads which, so that the work needs few tasks."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

__all__ = ["groups_by_number", "groups_by_work"]


def groups_by_number(numbers: Sequence[int], groups: int) -> list[list[int]]:
    """Distribute hub partitions over at most `groups` groups of about the same length."""
    ordered = sorted(numbers)
    return [ordered[first::groups] for first in range(min(groups, len(ordered)))]


def groups_by_work(waiting: Mapping[int, int], *, groups: int, messages_per_task: int) -> list[list[int]]:
    """Distribute hub partitions over as few groups as their waiting messages need.

    A hub partition is read by one task, since its messages have one order. So there are never more groups
    than hub partitions with messages. The largest goes first, into the group with the least messages. Hub
    partitions where nothing waits join the groups too: a first drain records where it begins, and messages
    may come until the task starts.

    Args:
        waiting: the number of messages to read, by hub partition.
        groups: the most groups.
        messages_per_task: with up to this many messages, one group is enough; likewise for more groups.

    Returns:
        The numbers of the hub partitions, ascending in each group. One group at least, unless the hub has no
        partition.
    """
    needed = -(-sum(waiting.values()) // messages_per_task)
    filled = sum(count > 0 for count in waiting.values())
    count = max(1, min(groups, needed, filled))
    found: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, 0, index) for index in range(count)]  # messages, hub partitions, group
    for number in sorted(waiting, key=lambda number: (-waiting[number], number)):
        messages, length, index = heapq.heappop(loads)
        found[index].append(number)
        heapq.heappush(loads, (messages + waiting[number], length + 1, index))
    return [sorted(group) for group in found if group]
