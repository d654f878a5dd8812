"""P9 for events: memory is bounded by what is read at once, not by the drain.

Ten million events from a real broker take half an hour: `python -m benchmarks.bench_events --full`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MEGABYTE = 1_000_000


def test_three_times_as_many_events_of_all_tables(fast_folder: Path) -> None:
    """48,000 events, of which the texts alone are 90 MB: messages, records and tables do not pile up.

    With fewer events than in the smaller drain, the buffers for rows would not fill up.
    """
    peaks, records = {}, {}
    for messages in (800, 2_400):
        command = [sys.executable, "-m", "tests.reliability.events_process"]
        command += [str(fast_folder / f"lake-{messages}"), str(messages)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["summary"]["messages"] == messages
        peaks[messages], records[messages] = found["peak"], found["summary"]["records"]
    assert records[2_400] == 3 * records[800] > 40_000
    print({messages: f"{peak / MEGABYTE:.0f} MB" for messages, peak in peaks.items()})
    assert peaks[2_400] - peaks[800] < 50 * MEGABYTE
