"""Finishing the newest commit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_provider_defender.lake import (
    VersionsLedger,
)
from tests.unit.lake.support import (
    START,
    drain,
    local_lake,
    open_log,
    version,
    visible,
)
from tests.unit.lake.versions.support import staged


def test_reading_the_head_alone_changes_nothing_and_cannot_be_built_upon(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    drain(lake, [("a", START)])
    before = sorted(tmp_path.rglob("*"))
    head = open_log(lake).read_head()
    assert head.position.watermark_text == version(START)
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ValueError, match="begin with head"):
        open_log(lake).begin(head, VersionsLedger(), kind="drain")


def test_a_folder_that_vanishes_is_not_taken_for_a_file_shown_by_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that deletes empty folders may strike between making the folder and moving the file."""
    lake = local_lake(tmp_path)
    original = os.rename

    def rename(source: str, target: str) -> None:
        Path(target).parent.rmdir()
        original(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(Exception, match="counts"):
        drain(lake, [("a", START)])
    monkeypatch.undo()
    assert len(staged(tmp_path)) == 1
    open_log(lake).head()
    assert len(visible(tmp_path)) == 1
