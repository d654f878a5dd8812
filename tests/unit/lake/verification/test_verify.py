"""`verify`: each kind of tampering with a lake is found and named, and nothing else is."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import Difference, DifferenceType, Lake, verify
from tests.unit.lake.faults import Crash, SteppedStorage
from tests.unit.lake.offsets.support import HUB
from tests.unit.lake.support import LOG, START, Clock, local_lake
from tests.unit.lake.verification.support import (
    STORES,
    change_byte,
    commit_of,
    commit_path,
    compact,
    digests,
    edit_commit,
    files_below,
    found_in,
    head_number,
    land_alerts,
    land_events,
    landed_lake,
    new_lake,
    only,
    paths_that_count,
    types,
)

LOGS = (LOG, HUB)
OTHER = {LOG: HUB, HUB: LOG}


@pytest.fixture(params=STORES)
def lake(request: pytest.FixtureRequest, folder: Path) -> Lake:
    """Of both kinds of sources, with commits that were shortened, a compaction and quarantine."""
    return landed_lake(request.param, folder)


# As it was landed --------------------------------------------------------------------------------


def test_nothing_differs_in_a_lake_as_it_was_landed(lake: Lake) -> None:
    result = verify(lake)
    assert result.differences == ()
    assert result.found == 0
    assert result.digests == digests(lake)
    for log, name in zip(result.logs, LOGS, strict=True):
        paths = paths_that_count(lake, name)
        assert log.name == name
        assert log.number == log.commits == head_number(lake, name)
        assert log.files == len(paths)
        assert log.bytes == sum(len(lake.storage.read(path)) for path in paths)
        assert log.origin == commit_of(lake.log(name), 1).origin
        assert log.proved is None
    assert [commit_of(lake.log(LOG), n).position is None for n in (1, 6)] == [True, False]  # shortened


@pytest.mark.parametrize("log", LOGS)
def test_a_digest_noted_earlier_proves_all_up_to_its_commit(lake: Lake, log: str) -> None:
    for number in range(1, head_number(lake, log) + 1):
        noted = {log: commit_of(lake.log(log), number).digest.upper()}
        result = verify(lake, digests=noted)
        assert result.differences == ()
        assert {each.name: each.proved for each in result.logs} == {log: number, OTHER[log]: None}


def test_nothing_is_written(lake: Lake) -> None:
    before = {path: lake.storage.read(path) for path in files_below(lake, "")}
    verify(lake)
    assert {path: lake.storage.read(path) for path in files_below(lake, "")} == before


def test_the_lake_is_given_as_for_committed_files(folder: Path) -> None:
    landed_lake("local", folder)
    for given_as in (folder / "lake", str(folder / "lake"), (folder / "lake").as_uri()):
        assert [log.name for log in verify(given_as).logs] == list(LOGS)


# Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log", LOGS)
def test_a_byte_changed_in_any_file_is_found(lake: Lake, log: str) -> None:
    for path in paths_that_count(lake, log):
        body = lake.storage.read(path)
        change_byte(lake, path)
        difference = only(found_in(lake), DifferenceType.FILE_CHANGED)
        assert (difference.log, difference.path) == (log, path)
        assert path in {file.path for file in commit_of(lake.log(log), difference.number or 0).files}
        assert path in difference.text
        lake.storage.replace(path, body)
    assert found_in(lake) == []


@pytest.mark.parametrize("change", [lambda body: body[:-1], lambda body: body + b"\0", lambda body: b""])
def test_a_file_of_another_size_is_found(lake: Lake, change: Callable[[bytes], bytes]) -> None:
    path = paths_that_count(lake, HUB)[0]
    body = lake.storage.read(path)
    lake.storage.replace(path, change(body))
    difference = only(found_in(lake), DifferenceType.FILE_CHANGED)
    assert difference.expected.startswith(f"{len(body)} bytes with the SHA-256 ")
    assert difference.found.startswith(f"{len(change(body))} bytes with the SHA-256 ")


@pytest.mark.parametrize("log", LOGS)
def test_a_file_removed_is_found(lake: Lake, log: str) -> None:
    paths = paths_that_count(lake, log)
    for path in (paths[0], next(path for path in paths if "quarantine" in path)):
        body = lake.storage.read(path)
        lake.storage.delete(path)
        difference = only(found_in(lake), DifferenceType.FILE_MISSING)
        assert (difference.log, difference.path) == (log, path)
        lake.storage.replace(path, body)


def renamed(path: str, number: int = 9) -> str:
    """The path of a file beside it, which its log could have landed."""
    return f"{path.rpartition('-')[0]}-{number}.parquet"


@pytest.mark.parametrize("log", LOGS)
def test_a_copy_of_a_file_under_a_new_name_is_found(lake: Lake, log: str) -> None:
    paths = paths_that_count(lake, log)
    for path in (paths[0], next(path for path in paths if "quarantine" in path)):
        lake.storage.replace(renamed(path), lake.storage.read(path))
        difference = only(found_in(lake), DifferenceType.FILE_UNKNOWN)
        assert (difference.log, difference.path) == (log, renamed(path))
        lake.storage.delete(renamed(path))


@pytest.mark.parametrize(
    "path",
    [
        "alerts/date=2026-11-22/evil.parquet",
        "alerts/date=2026-11-22/.evil.parquet",
        "alerts/date=2026-11-22/part-0",
        "alerts/date=2026-11-22/below/evil.parquet",
        "alerts/date=2027-01-01/evil.parquet",
        "alerts/evil.parquet",
        "events/DeviceInfo/date=2026-11-22/hour=12/evil.parquet",
        "events/DeviceInfo/date=2026-11-22/evil.parquet",
        "events/DeviceFileEvents/date=2026-11-22/hour=12/evil.parquet",
        f"_defender/{HUB}/quarantine/date=2026-11-22/evil.parquet",
        f"incidents/date=2026-11-22/{LOG}-0123456789abcdef-1.parquet",
        f"some/day/date=2026-11-22/{LOG}-0123456789abcdef-1.parquet",
    ],
)
def test_a_file_put_in_is_found_wherever_readers_read_it(lake: Lake, path: str) -> None:
    lake.storage.replace(path, b"PAR1")
    difference = only(found_in(lake), DifferenceType.FILE_UNKNOWN)
    assert difference.path == path
    assert difference.log == (LOG if LOG in path else HUB if HUB in path else None)


@pytest.mark.parametrize(
    "path",
    [
        "alerts/_delta_log/00000000000000000010.checkpoint.parquet",
        "alerts/metadata/v1.metadata.json",
        "alerts/date=2026-11-22/_SUCCESS",
        "alerts/date=2026-11-22/.name.parquet.0123456789abcdef",
        "mine/date=2026-11-22/table.parquet",
        "mine/readme.txt",
        "readme.txt",
        f"_defender/{LOG}/staging/0123456789abcdef/1.staged",
        f"_defender/{LOG}/commits/.00000001.json.0123456789abcdef",
        f"_defender/{LOG}/commits/readme.json",
        "_defender/create.probe",
    ],
)
def test_what_no_reader_of_the_lake_reads_is_no_difference(lake: Lake, path: str) -> None:
    """Left by a crash, of a table's own, or of another program that the folder is shared with."""
    lake.storage.replace(path, b"PAR1")
    assert found_in(lake) == []


def test_a_replaced_file_put_back_is_found(lake: Lake) -> None:
    compaction = next(commit for commit in lake.log(LOG).commits() if commit.removed)
    path = compaction.removed[0]
    lake.storage.replace(path, b"PAR1")
    difference = only(found_in(lake), DifferenceType.FILE_NOT_REMOVED)
    assert (difference.log, difference.number, difference.path) == (LOG, compaction.number, path)


# Commits -----------------------------------------------------------------------------------------


def other(value: Any) -> Any:
    """Another value of the same type, with which a commit is as readable as before."""
    if isinstance(value, dict):
        return {**value, "more": 1} if all(isinstance(each, int) for each in value.values()) else {"a": "b"}
    if isinstance(value, int):
        return value + 1
    if value.startswith("202"):
        return value.replace("202", "201", 1)
    return ("f" if value[0] != "f" else "e") + value[1:]


FIELDS = [
    "origin",
    "token",
    "kind",
    "started_at",
    "committed_at",
    "window",
    "counts",
    "position_sha256",
    "digest",
]
FILE_FIELDS = [
    "path",
    "dataset",
    "partition",
    "rows",
    "bytes",
    "min_timestamp",
    "max_timestamp",
    "sha256",
    "offsets",
]


def edited(field: str) -> Callable[[dict[str, Any]], None]:
    """An edit of a commit's field, or of one of its first file's."""

    def edit(body: dict[str, Any]) -> None:
        holder, _, name = field.rpartition("[0].")
        values = body[holder][0] if holder else body
        if name == "offsets":
            values[name] = {"0": [0, 1]}
        elif name == "partition":
            values[name] = "date=2025-01-01"
        elif name == "path":
            values[name] = renamed(values[name])
        else:
            values[name] = other(values[name])

    return edit


EDITS = [
    *FIELDS,
    *(f"added[0].{name}" for name in FILE_FIELDS),
    *(f"rejects[0].{name}" for name in FILE_FIELDS if "time" not in name),
]


CONTRADICTIONS = [field for field in EDITS if field.endswith((".dataset", ".partition"))]
"""A commit is unreadable where they do not fit the path."""


def test_all_fields_of_a_commit_are_tried(lake: Lake) -> None:
    body = json.loads(lake.storage.read(commit_path(HUB, 1)))
    assert set(body) == {*FIELDS, "format", "log", "number", "added", "rejects", "removed", "position"}
    assert set(body["added"][0]) == set(FILE_FIELDS)


@pytest.mark.parametrize("number", [1, 3, 5], ids=["first", "middle", "newest"])
@pytest.mark.parametrize("field", EDITS)
def test_an_edited_commit_is_found(folder: Path, field: str, number: int) -> None:
    lake = landed_lake("object store", folder)
    edit_commit(lake, HUB, number, edited(field))
    wrong = DifferenceType.COMMIT_UNREADABLE if field in CONTRADICTIONS else DifferenceType.COMMIT_CHANGED
    changed = [each for each in found_in(lake) if each.what is wrong]
    assert {(each.log, each.number, each.path) for each in changed} == {
        (HUB, number, commit_path(HUB, number))
    }
    assert len(changed) == 1 or field == "position_sha256"  # which the position contradicts, too


@pytest.mark.parametrize("field", [field for field in EDITS if field not in {"digest", *CONTRADICTIONS}])
def test_a_commit_edited_with_its_digest_is_found_by_the_next(folder: Path, field: str) -> None:
    lake = landed_lake("object store", folder)
    edit_commit(lake, HUB, 3, edited(field), recompute=True)
    [difference] = [each for each in found_in(lake) if each.what is DifferenceType.COMMIT_CHANGED]
    assert (difference.log, difference.number) == (HUB, 4)
    assert "unless it is commit 3 that was changed" in difference.text


@pytest.mark.parametrize("number", [1, 3, 5], ids=["first", "middle", "newest"])
@pytest.mark.parametrize("field", ["origin", "kind", "counts", "added[0].rows", "added[0].max_timestamp"])
def test_commits_written_anew_with_all_digests_are_found_by_a_noted_one(
    folder: Path, field: str, number: int
) -> None:
    """Nothing contradicts itself then, if the files fit: only what was noted elsewhere tells."""
    lake = landed_lake("object store", folder)
    noted = digests(lake)
    edit_commit(lake, HUB, number, edited(field), recompute=True, up_to=5)
    assert found_in(lake) == []
    difference = only(found_in(lake, digests=noted), DifferenceType.DIGEST_UNKNOWN)
    assert difference.log == HUB
    assert noted[HUB] in difference.text
    assert digests(lake)[HUB] in difference.text


def test_a_file_and_its_commit_changed_together_are_found(lake: Lake) -> None:
    noted = digests(lake)
    path = paths_that_count(lake, HUB)[0]
    change_byte(lake, path)
    [changed] = found_in(lake)
    sha256 = changed.found.rpartition(" ")[2]
    edit_commit(lake, HUB, 1, lambda body: body["added"][0].update(sha256=sha256), recompute=True, up_to=5)
    assert found_in(lake) == []
    assert only(found_in(lake, digests=noted), DifferenceType.DIGEST_UNKNOWN).log == HUB


def test_the_list_of_replaced_files_is_proved_too(lake: Lake) -> None:
    [number] = [commit.number for commit in lake.log(LOG).commits() if commit.removed]
    edit_commit(lake, LOG, number, lambda body: body["removed"].pop())
    assert ("COMMIT_CHANGED", number) in {(each.what.name, each.number) for each in found_in(lake)}


@pytest.mark.parametrize("log", LOGS)
def test_an_edited_position_is_found(lake: Lake, log: str) -> None:
    """It says where the next run goes on: who moves it loses or doubles records to come."""
    number = head_number(lake, log)

    def edit(body: dict[str, Any]) -> None:
        if log == LOG:
            body["position"]["watermark"] = "2030-01-01T00:00:00.0000000Z"
        else:
            body["position"]["partitions"]["0"]["next"] += 1000

    edit_commit(lake, log, number, edit)
    difference = only(found_in(lake), DifferenceType.COMMIT_CHANGED)
    assert (difference.log, difference.number) == (log, number)
    edit_commit(lake, log, number, edit, recompute=True)
    assert only(found_in(lake), DifferenceType.COMMIT_CHANGED).number == number


def test_a_position_taken_out_of_the_newest_commit_is_found(lake: Lake) -> None:
    edit_commit(lake, LOG, 6, lambda body: body.update(position=None))
    difference = only(found_in(lake), DifferenceType.COMMIT_CHANGED)
    assert (difference.log, difference.number, difference.found) == (LOG, 6, "none")


def test_a_key_put_into_a_commit_is_found(lake: Lake) -> None:
    edit_commit(lake, LOG, 2, lambda body: body.update(more=1))
    assert only(found_in(lake), DifferenceType.COMMIT_CHANGED).number == 2
    edit_commit(lake, LOG, 2, lambda body: body.pop("more"))
    edit_commit(lake, LOG, 3, lambda body: body["added"][0].update(more=1))
    assert only(found_in(lake), DifferenceType.COMMIT_CHANGED).number == 3


def test_a_key_that_stands_twice_is_found(lake: Lake) -> None:
    """The provider takes the last value, another reader the first."""
    body = lake.storage.read(commit_path(HUB, 2))
    lake.storage.replace(commit_path(HUB, 2), b'{"added":[],' + body[1:])
    difference = only(found_in(lake), DifferenceType.COMMIT_CHANGED)
    assert (difference.log, difference.number) == (HUB, 2)
    assert difference.found == "added more than once"


def test_another_layout_of_the_same_json_is_no_difference(lake: Lake) -> None:
    """A commit may have been restored by a tool that writes JSON its own way."""
    body = json.loads(lake.storage.read(commit_path(HUB, 2)))
    lake.storage.replace(commit_path(HUB, 2), json.dumps(body, indent=2, sort_keys=True).encode())
    assert found_in(lake) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b'{"format": 3}',
        b'{"format": 1}',
    ],
)
def test_a_commit_that_cannot_be_read_is_named(lake: Lake, body: bytes) -> None:
    lake.storage.replace(commit_path(LOG, 5), body)
    found = found_in(lake)
    assert (found[0].what, found[0].log, found[0].number) == (DifferenceType.COMMIT_UNREADABLE, LOG, 5)
    assert commit_path(LOG, 5) in found[0].text
    assert types(found) == ["COMMIT_UNREADABLE", "FILE_UNKNOWN"]  # the files that it named


def test_a_newest_commit_that_cannot_be_read_has_no_digest(lake: Lake) -> None:
    noted = digests(lake)
    lake.storage.replace(commit_path(LOG, 6), b"{}")
    result = verify(lake)
    assert [(log.number, log.digest) for log in result.logs] == [(6, ""), (5, noted[HUB])]
    assert result.digests == {HUB: noted[HUB]}


@pytest.mark.parametrize("number", [1, 2, 5])
def test_an_empty_commit_is_named_wherever_it_is(lake: Lake, number: int) -> None:
    """Commits are read in batches; one of 1 has nothing but the empty one in it."""
    lake.storage.replace(commit_path(LOG, number), b"")
    found = {(each.what.name, each.log, each.number) for each in found_in(lake)}
    assert ("COMMIT_UNREADABLE", LOG, number) in found


@pytest.mark.parametrize(
    "edit",
    [
        lambda body: body["added"][0].update(bytes=2**70),
        lambda body: body["window"].update(text=10**30),
        lambda body: body["window"].update(deep=json.loads("[" * 900 + "]" * 900)),
    ],
)
def test_values_that_no_run_writes_stop_nothing(lake: Lake, edit: Callable[[dict[str, Any]], object]) -> None:
    change_byte(lake, paths_that_count(lake, HUB)[-1])
    edit_commit(lake, LOG, 5, edit)
    found = {(each.what.name, each.log) for each in found_in(lake)}
    assert ("FILE_CHANGED", HUB) in found
    assert found & {("COMMIT_UNREADABLE", LOG), ("COMMIT_CHANGED", LOG)}


def test_a_surrogate_alone_in_a_text_stops_nothing(lake: Lake) -> None:
    body = lake.storage.read(commit_path(LOG, 5))
    lake.storage.replace(commit_path(LOG, 5), body.replace(b'"window":{', b'"window":{"text":"\\ud800",'))
    assert {each.log for each in found_in(lake)} == {LOG}


@pytest.mark.parametrize("number", [1, 3], ids=["first", "middle"])
def test_a_commit_removed_is_found(lake: Lake, number: int) -> None:
    noted = digests(lake)
    lake.storage.delete(commit_path(HUB, number))
    for given_digests in (None, noted):
        found = found_in(lake, digests=given_digests)
        missing = found[0]
        assert (missing.what, missing.log, missing.number) == (DifferenceType.COMMIT_MISSING, HUB, number)
        assert missing.text.startswith(f"{HUB} lacks commit {number}, ")
        assert types(found) == ["COMMIT_MISSING", "FILE_UNKNOWN"]
        assert {each.log for each in found} == {HUB}


def test_several_commits_removed_are_told_at_once(lake: Lake) -> None:
    for number in (2, 3, 4):
        lake.storage.delete(commit_path(HUB, number))
    [missing] = [each for each in found_in(lake) if each.what is DifferenceType.COMMIT_MISSING]
    assert missing.number == 2
    assert missing.text.startswith(f"{HUB} lacks commits 2 to 4, ")


def test_the_newest_commit_removed_is_found(lake: Lake) -> None:
    noted = digests(lake)
    files = commit_of(lake.log(HUB), 5).files
    lake.storage.delete(commit_path(HUB, 5))
    found = found_in(lake, digests=noted)
    assert types(found) == ["DIGEST_UNKNOWN", "FILE_UNKNOWN", "HINT_AHEAD"]
    assert {each.log for each in found} == {HUB}
    assert {each.path for each in found if each.what is DifferenceType.FILE_UNKNOWN} == {
        file.path for file in files
    }


def test_the_newest_commit_removed_with_all_its_traces_is_found_by_a_noted_digest(lake: Lake) -> None:
    noted = digests(lake)
    for file in commit_of(lake.log(HUB), 5).files:
        lake.storage.delete(file.path)
    lake.storage.delete(commit_path(HUB, 5))
    lake.storage.replace(f"_defender/{HUB}/head.json", b'{"number": 4}')
    assert found_in(lake) == []
    difference = only(found_in(lake, digests=noted), DifferenceType.DIGEST_UNKNOWN)
    assert difference.log == HUB
    assert "its newest is commit 4" in difference.text


def test_a_whole_log_removed_is_found(lake: Lake) -> None:
    noted = digests(lake)
    files = {path for path in paths_that_count(lake, HUB) if not path.startswith("_")}
    for path in list(files_below(lake, f"_defender/{HUB}")):
        lake.storage.delete(path)
    found = found_in(lake)
    assert {each.path for each in found} == files
    assert {(each.what.name, each.log) for each in found} == {("FILE_UNKNOWN", HUB)}
    found = found_in(lake, digests=noted)
    assert (found[0].what, found[0].log) == (DifferenceType.DIGEST_UNKNOWN, HUB)


def swap(lake: Lake, first: str, second: str) -> None:
    bodies = lake.storage.read(first), lake.storage.read(second)
    lake.storage.replace(first, bodies[1])
    lake.storage.replace(second, bodies[0])


@pytest.mark.parametrize("numbers", [(1, 2), (2, 4), (4, 5)])
def test_two_commits_swapped_are_found(lake: Lake, numbers: tuple[int, int]) -> None:
    swap(lake, *(commit_path(HUB, number) for number in numbers))
    found = [each for each in found_in(lake) if each.what is DifferenceType.COMMIT_MISPLACED]
    assert [(each.log, each.number) for each in found] == [(HUB, number) for number in numbers]
    assert f"holds commit {numbers[1]} of {HUB} in the place of commit {numbers[0]}" in found[0].text


def test_two_commits_swapped_with_their_numbers_put_right_are_found(lake: Lake) -> None:
    swap(lake, commit_path(HUB, 2), commit_path(HUB, 4))
    for number in (2, 4):
        edit_commit(lake, HUB, number, partial(dict.update, number=number))
    found = found_in(lake)
    assert types(found) == ["COMMIT_CHANGED"]
    assert {each.log for each in found} == {HUB}
    assert {2, 4} <= {each.number for each in found}


def test_commits_of_two_logs_swapped_are_found(lake: Lake) -> None:
    swap(lake, commit_path(HUB, 2), commit_path(LOG, 2))
    found = [each for each in found_in(lake) if each.what is DifferenceType.COMMIT_MISPLACED]
    assert [(each.log, each.number) for each in found] == [(LOG, 2), (HUB, 2)]


def test_a_copy_of_a_commit_is_found(lake: Lake) -> None:
    lake.storage.replace(commit_path(HUB, 6), lake.storage.read(commit_path(HUB, 5)))
    difference = only(found_in(lake), DifferenceType.COMMIT_MISPLACED)
    assert (difference.log, difference.number) == (HUB, 6)


def test_a_stray_commit_with_a_huge_number_is_found_at_once(lake: Lake) -> None:
    lake.storage.replace(f"_defender/{HUB}/commits/999999999999.json", b"{}")
    found = found_in(lake)
    assert [(each.what.name, each.number) for each in found] == [
        ("COMMIT_MISSING", 6),
        ("COMMIT_UNREADABLE", 999999999999),
    ]
    assert found[0].text.startswith(f"{HUB} lacks commits 6 to 999999999998, ")


# Hints and digests -------------------------------------------------------------------------------


def test_a_hint_ahead_of_the_log_is_found(lake: Lake) -> None:
    lake.storage.replace(f"_defender/{LOG}/head.json", b'{"number": 7}')
    difference = only(found_in(lake), DifferenceType.HINT_AHEAD)
    assert (difference.log, difference.path) == (LOG, f"_defender/{LOG}/head.json")
    assert "had commit 7, but its newest is commit 6" in difference.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"number": "6"}', b"\xff"])
def test_a_hint_that_no_run_has_written_is_found(lake: Lake, body: bytes) -> None:
    lake.storage.replace(f"_defender/{LOG}/head.json", body)
    assert only(found_in(lake), DifferenceType.HINT_UNREADABLE).log == LOG


@pytest.mark.parametrize("body", [None, b"{}", b'{"number": 2}'])
def test_a_hint_that_is_behind_is_what_a_crash_leaves(lake: Lake, body: bytes | None) -> None:
    path = f"_defender/{LOG}/head.json"
    lake.storage.delete(path) if body is None else lake.storage.replace(path, body)
    assert found_in(lake) == []


def test_a_digest_that_no_commit_has_is_told(lake: Lake) -> None:
    noted = {LOG: "0" * 64, "another": "1" * 64, HUB: digests(lake)[HUB]}
    found = found_in(lake, digests=noted)
    assert {(each.what.name, each.log) for each in found} == {
        ("DIGEST_UNKNOWN", LOG),
        ("DIGEST_UNKNOWN", "another"),
    }
    assert all(noted[each.log or ""] in each.text for each in found)


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "0" * 63, "0" * 65])
def test_what_is_no_digest_is_refused(lake: Lake, digest: str) -> None:
    with pytest.raises(ValueError, match="no chain digest of endpoint_alerts-tenant: it has 64 hexadecimal"):
        verify(lake, digests={LOG: digest})


def test_without_files_only_commits_are_looked_at(lake: Lake) -> None:
    change_byte(lake, paths_that_count(lake, LOG)[0])
    edit_commit(lake, HUB, 3, edited("kind"))
    result = verify(lake, files=False)
    assert [(each.what.name, each.log) for each in result.differences] == [("COMMIT_CHANGED", HUB)]
    assert [(log.commits, log.files, log.bytes) for log in result.logs] == [(6, 0, 0), (5, 0, 0)]


def test_more_differences_than_wanted_are_counted(lake: Lake) -> None:
    for path in paths_that_count(lake, HUB):
        lake.storage.delete(path)
    result = verify(lake, max_differences=3)
    assert len(result.differences) == 3
    assert result.found == len(paths_that_count(lake, HUB)) > 3


def test_every_text_says_what_to_do() -> None:
    for what in DifferenceType:
        text = Difference(what, "log", 1, "path", "expected", "found").text
        assert "{" not in text
        remedies = ("restore", "delete", "take the file out", "verify that")
        assert what is DifferenceType.COMMIT_UNREADABLE or any(remedy in text.lower() for remedy in remedies)


# Commits under way -------------------------------------------------------------------------------


def stopped_before(lake: Lake, step: str) -> Lake:
    """The same lake for a run that dies before a step of this name."""

    def take(name: str, path: str, act: Callable[[], Any]) -> Any:
        if f"{name} {path}".startswith(step):
            raise Crash
        return act()

    dying = local_lake(Path(lake.storage.url("")), Clock(START + timedelta(days=60)))
    dying.storage = SteppedStorage(lake.storage, take)
    return dying


def test_files_of_a_commit_that_is_not_published_are_read_in_staging(folder: Path) -> None:
    lake = landed_lake("local", folder)
    with suppress(Crash):
        land_events(stopped_before(lake, "publish"), 40, 46, kind="backfill")
    assert found_in(lake, digests=digests(lake)) == []
    files = commit_of(lake.log(HUB), 6).files
    staging = f"_defender/{HUB}/staging/{commit_of(lake.log(HUB), 6).token}"
    assert len(lake.storage.list_folder(staging) or []) == len(files) > 2
    for name in lake.storage.list_folder(staging) or []:
        body = lake.storage.read(f"{staging}/{name}")
        change_byte(lake, f"{staging}/{name}")
        difference = only(found_in(lake), DifferenceType.FILE_CHANGED)
        assert (difference.log, difference.number) == (HUB, 6)
        lake.storage.delete(f"{staging}/{name}")
        assert only(found_in(lake), DifferenceType.FILE_MISSING).number == 6
        lake.storage.replace(f"{staging}/{name}", body)
    lake.log(HUB).head()
    assert found_in(lake) == []


def test_a_file_brought_back_to_staging_is_missing(folder: Path) -> None:
    """Only those of the newest commit may lie there."""
    lake = landed_lake("local", folder)
    commit = commit_of(lake.log(HUB), 4)
    path = commit.added[0].path
    for token in (commit.token, commit_of(lake.log(HUB), 5).token):
        staged = f"_defender/{HUB}/staging/{token}/{lake.log(HUB).paths.staged_name(path)}"
        lake.storage.replace(staged, lake.storage.read(path))
    lake.storage.delete(path)
    missing, changed = found_in(lake)
    assert (missing.what, missing.path) == (DifferenceType.FILE_MISSING, path)
    # In the newest commit's folder it has the name of another file, and would be published in its place.
    assert (changed.what, changed.number, changed.path) == (DifferenceType.FILE_CHANGED, 5, staged)


def test_another_file_in_staging_of_a_published_commit_is_found(folder: Path) -> None:
    """The next run would publish it."""
    lake = landed_lake("local", folder)
    commit = commit_of(lake.log(HUB), 5)
    path = commit.added[0].path
    staged = f"_defender/{HUB}/staging/{commit.token}/{lake.log(HUB).paths.staged_name(path)}"
    lake.storage.replace(staged, lake.storage.read(path))  # a store may leave a copy
    assert found_in(lake) == []
    change_byte(lake, staged)
    difference = only(found_in(lake), DifferenceType.FILE_CHANGED)
    assert (difference.log, difference.number, difference.path) == (HUB, 5, staged)


def test_files_that_the_newest_commit_replaces_may_still_be_there(folder: Path) -> None:
    clock = Clock(START)
    lake = new_lake("local", folder, clock)
    land_alerts(lake, "abc", clock)
    land_alerts(lake, "de", clock)
    with suppress(Crash):
        compact(stopped_before(lake, "delete alerts"), 2)
    inputs = commit_of(lake.log(LOG), 3).removed
    assert all(lake.storage.exists(path) for path in inputs)
    assert found_in(lake) == []
    lake.log(LOG).head()
    assert not any(lake.storage.exists(path) for path in inputs)
    lake.storage.replace(inputs[0], b"PAR1")  # now that the commit is finished
    assert only(found_in(lake), DifferenceType.FILE_NOT_REMOVED).path == inputs[0]


class Interrupted:
    """A storage in which something happens before a call, by default that for files that do not count."""

    def __init__(self, storage: Any, happens: Callable[[], object], before: str = "list_folder ") -> None:
        self._storage = storage
        self._happens = happens
        self._before = before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._storage, name)

        def call(*args: Any) -> Any:
            if f"{name} {args[0]}" == self._before:
                self._happens()
            return method(*args)

        return call


@pytest.mark.parametrize("store", STORES)
def test_what_is_landed_meanwhile_is_verified_too(folder: Path, store: str) -> None:
    """Also a log that has just begun."""
    clock = Clock(START)
    lake = new_lake(store, folder, clock)
    land_alerts(lake, "abc", clock)
    writer = Lake.__new__(Lake)
    writer.__dict__.update(lake.__dict__)
    lake.storage = Interrupted(lake.storage, lambda: land_events(writer, 0, 7))
    result = verify(lake)
    assert result.differences == ()
    assert [(log.name, log.number, log.files) for log in result.logs] == [
        (LOG, 1, len(paths_that_count(writer, LOG))),
        (HUB, 1, len(paths_that_count(writer, HUB))),
    ]

    def tampered() -> None:
        land_events(writer, 7, 9)
        path = commit_of(writer.log(HUB), 2).added[0].path
        change_byte(writer, path)

    lake.storage = Interrupted(writer.storage, tampered)
    assert only(found_in(lake), DifferenceType.FILE_CHANGED).number == 2


def test_a_hint_of_a_commit_that_comes_meanwhile_is_not_ahead(folder: Path) -> None:
    clock = Clock(START)
    lake = new_lake("local", folder, clock)
    land_alerts(lake, "abc", clock)
    writer = Lake.__new__(Lake)
    writer.__dict__.update(lake.__dict__)

    def happens() -> None:
        clock.advance(timedelta(minutes=5))
        land_alerts(writer, "d", clock)

    for path in ("read _defender/{}/head.json", "scan_folder _defender/{}/commits"):
        lake.storage = Interrupted(writer.storage, happens, path.format(LOG))
        result = verify(lake)
        assert result.differences == ()
        assert [log.number for log in result.logs] == [head_number(writer, LOG)]
    assert head_number(writer, LOG) == 3


# What cannot be verified -------------------------------------------------------------------------


@pytest.mark.parametrize("store", STORES)
def test_where_there_is_no_lake_that_is_an_error(folder: Path, store: str) -> None:
    lake = new_lake(store, folder)
    with pytest.raises(FileNotFoundError, match=r"there is no lake in .*lake.*: it has no folder _defender"):
        verify(lake)
    lake.storage.replace("_defender/create.probe", b"")
    assert verify(lake).logs == ()


@pytest.mark.parametrize("call", ["read_many", "scan_folder", "open_stream", "list_folder", "read"])
def test_errors_of_the_store_are_raised(folder: Path, call: str) -> None:
    lake = landed_lake("local", folder)

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return self.fail if name == call else getattr(storage, name)

        def fail(self, *args: Any) -> Any:
            raise OSError(errno.EIO, "the disk is broken")

    storage = lake.storage
    lake.storage = Broken()
    with pytest.raises(OSError, match="the disk is broken"):
        verify(lake)


# Random tampering --------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_tampering_is_found_and_names_its_log(data: st.DataObject) -> None:
    lake = landed_lake("object store", Path())
    log = data.draw(st.sampled_from(LOGS), "log")
    commits = [commit_path(log, number) for number in range(1, head_number(lake, log) + 1)]
    noted = digests(lake)
    path = data.draw(st.sampled_from([*paths_that_count(lake, log), *commits]), "path")
    body = lake.storage.read(path)
    how = data.draw(st.sampled_from(["change", "cut", "remove", "swap", "copy"]), "how")
    if how == "change":
        place = data.draw(st.integers(0, len(body) - 1), "place")
        change_byte(lake, path, place, data.draw(st.integers(1, 255), "by"))
    elif how == "cut":
        lake.storage.replace(path, body[: data.draw(st.integers(0, len(body) - 1), "length")])
    elif how == "remove":
        lake.storage.delete(path)
    else:
        same = commits if path in commits else paths_that_count(lake, log)
        second = data.draw(st.sampled_from([each for each in same if each != path]), "second")
        if lake.storage.read(second) == body:  # two files of the same rows
            return
        swap(lake, path, second) if how == "swap" else lake.storage.replace(path, lake.storage.read(second))
    found = found_in(lake, digests=noted)
    assert {each.log for each in found} == {log}
