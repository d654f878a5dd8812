"""Commits as JSON, and what is none."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import (
    CommitUnreadable,
    committed_files,
)
from airflow_provider_defender.lake.log.format import parse_commit
from tests.unit.lake.support import (
    START,
    drain,
    local_lake,
    open_log,
)
from tests.unit.lake.versions.support import home

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_record_with_any_value_in_it_reads_or_is_unreadable(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drain(local_lake(Path(folder)), [("a", START)])
        body = json.loads((home(Path(folder)) / "commits" / "00000001.json").read_bytes())
    places = [(body, name) for name in body] + [(body["position"], name) for name in body["position"]]
    places += [(body["added"][0], name) for name in body["added"][0]]
    holder, name = data.draw(st.sampled_from(places))
    holder[name] = data.draw(JSON)
    with suppress(CommitUnreadable):
        parse_commit(json.dumps(body).encode(), "commits/00000001.json")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"format": ' + b"9" * 400 + b"}", b"\xff"])
def test_a_record_that_is_rubbish_is_unreadable(body: bytes) -> None:
    with pytest.raises(CommitUnreadable):
        parse_commit(body, "commits/00000001.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "1"),
        ("number", 1.0),
        ("number", None),
        ("token", 5),
        ("token", ""),
        ("token", "../x"),
        ("removed", "alerts"),
        ("removed", [1]),
        ("removed", ["../../a-1.parquet"]),
        ("removed", ["alerts/../../../a-1.parquet"]),
        ("removed", ["/data/a-1.parquet"]),
        ("added", [{"path": 5}]),
        ("added", [{"path": "alerts"}]),
        ("added", [{"rows": "1"}]),
        ("added", [{"dataset": "events/DeviceInfo"}]),
        ("added", [{"partition": "date=2026-11-23"}]),
        ("added", [{"partition": "somewhere"}]),
        ("added", [{"sha256": "0" * 63}]),
        ("added", [{"min_timestamp": "2026-11-22T12:00:00"}]),
        ("added", [{"max_timestamp": None}]),
        ("origin", None),
        ("origin", {"tenant": 5}),
        ("digest", None),
        ("digest", "0" * 63),
        ("format", "2"),
        ("committed_at", "2026-11-22T12:00:00"),
        ("counts", None),
        ("window", []),
        ("log", "another-log"),
        ("number", 2),
        ("number", 7),
    ],
)
def test_a_record_that_is_not_what_was_committed_stops_everybody(
    tmp_path: Path, name: str, value: Any
) -> None:
    """Such as one of another type, or a copy of another record or log: it must not be misread."""
    drain(local_lake(tmp_path), [("a", START)])
    path = home(tmp_path) / "commits" / "00000001.json"
    body = json.loads(path.read_bytes())
    if name == "added" and isinstance(value, list):
        value = [body["added"][0] | each for each in value]
    path.write_text(json.dumps(body | {name: value}))
    with pytest.raises(CommitUnreadable, match=r"00000001\.json.*do not delete"):
        open_log(local_lake(tmp_path)).head()
    with pytest.raises(CommitUnreadable):
        committed_files(tmp_path, "alerts")


@pytest.mark.parametrize(
    ("name", "value"), [("filters", [1]), ("filters", None), ("keys", {"key": "a", "version": "b"})]
)
def test_a_position_of_other_types_stops_everybody(tmp_path: Path, name: str, value: Any) -> None:
    drain(local_lake(tmp_path), [("a", START)])
    path = home(tmp_path) / "commits" / "00000001.json"
    body = json.loads(path.read_bytes())
    body["position"][name] = value
    path.write_text(json.dumps(body))
    with pytest.raises(CommitUnreadable, match=r"00000001\.json"):
        open_log(local_lake(tmp_path)).head()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"format": 1}'])
def test_a_damaged_record_stops_everybody(tmp_path: Path, body: bytes) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    (home(tmp_path) / "commits" / "00000002.json").write_bytes(body)
    with pytest.raises(CommitUnreadable, match=r"00000002\.json"):
        open_log(lake).head()


def test_a_record_of_a_newer_release_asks_for_an_upgrade(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    path = home(tmp_path) / "commits" / "00000001.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "format": 3}))
    with pytest.raises(CommitUnreadable, match="upgrade"):
        open_log(lake).head()


def test_a_record_of_an_older_format_asks_for_a_new_folder(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    path = home(tmp_path) / "commits" / "00000001.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "format": 1}))
    for read in (lambda: open_log(lake).head(), lambda: committed_files(lake, "alerts"), lake.logs):
        with pytest.raises(CommitUnreadable, match=r"00000001\.json has format 1, .* into a new folder"):
            read()
