"""Every test of columns runs twice: for short columns, and for long ones, which are worked on otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_defender.ecs.columns import short


@pytest.fixture(params=[short.SHORT, -1], ids=["short", "long"], autouse=True, scope="module")
def _length(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(short, "SHORT", request.param)
        yield
