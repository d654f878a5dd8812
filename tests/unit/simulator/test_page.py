"""The service that the simulator's page shows, as a reader would try it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.docs.pages import blocks


def test_the_service_of_the_page_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    [block] = [block for block in blocks() if block.run == "service"]
    names: dict[str, Any] = {"__name__": "example"}
    exec(block.text, names)
    names["test_tickets"]()
