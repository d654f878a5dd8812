"""Kinds of positions, which register themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airflow_provider_defender.lake import CommitUnreadable, OffsetsPosition, VersionsPosition
from airflow_provider_defender.lake.log import position as position_module
from airflow_provider_defender.lake.log.position import dump_position, parse_position, registered
from tests.unit.lake.support import START, drain, local_lake


@dataclass(frozen=True)
class Pages:
    """How many pages of a book have been read."""

    tag: ClassVar[str] = "pages"
    read: int = 0

    def moved_from(self, before: Pages) -> bool:
        return self != before

    def dump(self) -> dict[str, Any]:
        return {"read": self.read}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Pages:
        return cls(values["read"])


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> type[Pages]:
    monkeypatch.setattr(position_module, "_TYPES", dict(position_module._TYPES))
    return registered(Pages)


def test_commits_hold_positions_of_every_kind(pages: type[Pages]) -> None:
    assert dump_position(pages(5)) == {"type": "pages", "read": 5}
    for kind in (pages, VersionsPosition, OffsetsPosition):
        assert type(parse_position(dump_position(kind()))) is kind


def test_a_kind_that_is_not_registered_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'pages': this release knows offsets, versions"):
        parse_position({"type": "pages", "read": 5})
    drain(local_lake(tmp_path), [("a", START)])
    [path] = tmp_path.glob("_defender/*/commits/*.json")
    path.write_bytes(path.read_bytes().replace(b'"type":"versions"', b'"type":"pages"'))
    with pytest.raises(CommitUnreadable, match="pages"):
        local_lake(tmp_path).logs()


def test_each_kind_has_a_tag_of_its_own(pages: type[Pages]) -> None:
    class Others(pages):  # type: ignore[misc, valid-type]
        pass

    with pytest.raises(ValueError, match="Pages and Others have the same tag 'pages'"):
        registered(Others)
