"""A lake and its logs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_defender.lake import (
    VersionsLedger,
)
from tests.unit.lake.support import (
    LOG,
    local_lake,
    open_log,
    visible,
)
from tests.unit.lake.versions.support import fill


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "-x", "x" * 201])
def test_names_of_logs_that_could_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a log"):
        local_lake(tmp_path).log(name)


def test_logs_share_a_lake_and_do_not_meet(tmp_path: Path) -> None:
    """One log's name may begin like another's."""
    lake = local_lake(tmp_path)
    for name in (LOG, f"{LOG}-b"):
        log = open_log(lake, name)
        for expected in (1, None):
            with log.begin(log.head(), VersionsLedger(), kind="backfill") as transaction:
                fill(transaction, "a")
                record = transaction.commit()
            assert (record and record.number) == expected
    assert len(visible(tmp_path)) == 2
    assert [log.name for log in lake.logs()] == [LOG, f"{LOG}-b"]


def test_all_names_are_there_without_the_extras() -> None:
    absent = "import sys; sys.modules.update(dict.fromkeys(('deltalake', 'pyiceberg')))"
    subprocess.run(
        [sys.executable, "-c", f"{absent}; from airflow_provider_defender.lake import *"], check=True
    )
