"""Which cases of a broad test run in `make test`.

The others are marked `integration`, for `make test-servers`, which CI runs besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["first_in_make_test"]


def first_in_make_test(values: Iterable[Any], count: int = 1) -> list[Any]:
    """The values as parameters, of which only the first ones run in `make test`."""
    return [
        pytest.param(value, marks=[pytest.mark.integration] if number >= count else [])
        for number, value in enumerate(values)
    ]
