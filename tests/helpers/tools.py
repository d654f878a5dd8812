"""Programs that some tests need and that not every machine has."""

from __future__ import annotations

import os

import pytest


def need(missing: str | None, tests: str) -> None:
    """Skip the test if there is a reason: the text `missing`. With `CI=true` it fails instead."""
    if missing is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must not skip the {tests}: {missing}")
    pytest.skip(missing)
