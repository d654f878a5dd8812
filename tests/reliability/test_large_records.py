"""P9 for single values: what a record takes to map is bounded. Each is mapped in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.integration  # a process for each, which takes minutes in all

MEGABYTE = 1_000_000


def mapped(shape: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.reliability.mapping_process", shape, str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(shape, {**found, "peak": f"{found['peak'] / MEGABYTE:.0f} MB"})
    return found


@pytest.mark.parametrize("shape", ["alert", "message", "message of words", "message of escapes"])
def test_a_value_of_thirty_megabytes_lands(shape: str) -> None:
    """What Event Hubs carries at most are 20 MB; before, an alert took ten times its size and more."""
    found = mapped(shape, 30 * MEGABYTE)
    assert (found["rows"], found["rejects"]) == (1, 0)
    assert found["peak"] < 9 * found["size"]


@pytest.mark.parametrize("shape", ["alert", "message"])
def test_what_is_larger_than_a_record_may_be_is_not_even_copied(shape: str) -> None:
    found = mapped(shape, 40 * MEGABYTE)
    assert (found["rows"], found["rejects"], found["kept"]) == (0, 1, 1024 * 1024)
    assert "too large: 40,00" in found["error"]
    assert "SHA-256" in found["error"]
    assert found["peak"] < 50 * MEGABYTE


@pytest.mark.parametrize(
    ("shape", "megabytes"),
    [("alert of unknown values", 20), ("alert of small values", 20), ("message of fields", 4)],
)
def test_many_small_values_are_bounded_by_their_number(shape: str, megabytes: int) -> None:
    """As Python objects they take up to 50 times their text."""
    many = mapped(shape, megabytes * MEGABYTE)
    assert (many["rows"], many["rejects"]) == (0, 1)
    assert many["kept"] >= many["size"] - 20, "all of it, as it is no larger than a record may be"
    assert "too many values" in many["error"]
    assert many["peak"] < 80 * MEGABYTE
    few = mapped(shape, 1_500_000)
    assert (few["rows"], few["rejects"]) == (1, 0)
    assert few["peak"] < 150 * MEGABYTE


def test_a_large_message_is_read_record_by_record() -> None:
    found = mapped("message of records", 40 * MEGABYTE)
    assert (found["rows"], found["rejects"]) == (25_000, 0)
    assert found["peak"] < 100 * MEGABYTE


@pytest.mark.parametrize("shape", ["message of nothing", "messages without end", "message of rubbish"])
def test_a_message_of_nothing(shape: str) -> None:
    """The places of its pieces are no list that grows with it: of 5 MB it took 700 MB."""
    found = mapped(shape, MEGABYTE)
    assert (found["rows"], found["rejects"]) == (0, 1)
    assert found["peak"] < 100 * MEGABYTE
