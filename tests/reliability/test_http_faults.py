"""Faults of the API and of Entra ID at every step of a drain: bounded, told by type, and made up for."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_defender.simulator import Simulator, Tenant
from tests.helpers.airflow import LakeFolder
from tests.reliability.drills import Outcome, run_alerts, run_bounded
from tests.reliability.support import (
    assert_each_version_is_whole_and_single,
    assert_last_versions_landed,
    assert_log_is_sound,
    assert_only_committed_rows_are_seen,
    landed_rows,
)

pytestmark = pytest.mark.integration

PAGES = 4
TOKEN, ALERTS = "/*/oauth2/v2.0/token", "/api/*alerts"
HTML = "<html><body>Sign in to the network</body></html>"
ERROR = '{"error":{"code":"InternalServerError","message":"An error has occurred."}}'
ALERT = '{"id":"x","lastUpdateTime":"2026-11-22T00:00:00Z","alertCreationTime":"2026-11-22T00:00:00Z"}'
PAGE = f'{{"value":[{ALERT}]}}'

Switch = Callable[..., Any]

FAULTS: dict[str, Switch] = {
    "500": lambda faults, **when: faults.server_error(500, **when),
    "503": lambda faults, **when: faults.server_error(503, **when),
    "503 with Retry-After": lambda faults, **when: faults.error(503, "Busy", "Busy", retry_after=5, **when),
    "504": lambda faults, **when: faults.status(504, "", **when),
    "408": lambda faults, **when: faults.status(408, "", **when),
    "HTML of a proxy": lambda faults, **when: faults.html(502, **when),
    "429": lambda faults, **when: faults.error(429, "TooManyRequests", "Slow down", retry_after=3, **when),
    "429 for long": lambda faults, **when: faults.error(
        429, "TooManyRequests", "No", retry_after=9999, **when
    ),
    "429 without Retry-After": lambda faults, **when: faults.error(429, "TooManyRequests", "No", **when),
    "429 until a far date": lambda faults, **when: faults.status(
        429, "", {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, **when
    ),
    "401": lambda faults, **when: faults.status(401, "", **when),
    "403": lambda faults, **when: faults.missing_role(**when),
    "404": lambda faults, **when: faults.error(404, "ResourceNotFound", "No such resource", **when),
    "400": lambda faults, **when: faults.error(400, "BadRequest", "No such filter", **when),
    "redirect": lambda faults, **when: faults.status(302, "", {"Location": "https://login.example/"}, **when),
    "reset": lambda faults, **when: faults.reset(**when),
    "cut": lambda faults, **when: faults.cut(**when),
    "truncated": lambda faults, **when: faults.truncated(**when),
    "silent": lambda faults, **when: faults.silent(**when),
    "200 with HTML": lambda faults, **when: faults.status(200, HTML, **when),
    "200 without a body": lambda faults, **when: faults.status(200, "", **when),
    "200 with an error": lambda faults, **when: faults.status(200, ERROR, **when),
    "200 with a list": lambda faults, **when: faults.status(200, f"[{ALERT}]", **when),
    "200 with null": lambda faults, **when: faults.status(200, "null", **when),
    "200 with binary rubbish": lambda faults, **when: faults.status(200, "\x00\x01\ufffd{", **when),
    "204": lambda faults, **when: faults.status(204, "", **when),
    "a page and an error": lambda faults, **when: faults.status(200, PAGE + ERROR, **when),
    "a page with an error beside it": lambda faults, **when: faults.status(
        200, f'{{"value":[{ALERT}],{ERROR[1:]}', **when
    ),
    "a page that ends in an error item": lambda faults, **when: faults.status(
        200, f'{{"value":[{ALERT},{ERROR}]}}', **when
    ),
    "two pages in one": lambda faults, **when: faults.status(200, PAGE + PAGE, **when),
    "a trailing comma": lambda faults, **when: faults.status(200, f'{{"value":[{ALERT},]}}', **when),
    "an empty link": lambda faults, **when: faults.status(200, '{"value":[],"@odata.nextLink":""}', **when),
    "a link in another spelling": lambda faults, **when: faults.status(
        200, '{"value":[],"odata.nextLink":"https://localhost/api/alerts"}', **when
    ),
    "a link that is a number": lambda faults, **when: faults.status(
        200, '{"value":[],"@odata.nextLink":5}', **when
    ),
    "no records": lambda faults, **when: faults.status(200, '{"@odata.context":"x"}', **when),
}
STEPS: dict[str, dict[str, Any]] = {
    "token": {"path": TOKEN},
    "first page": {"path": ALERTS, "page": 0},
    "middle page": {"path": ALERTS, "page": 2},
    "last page": {"path": ALERTS, "page": PAGES - 1},
}
ONLY_OF_PAGES = {name for name in FAULTS if "page" in name or "link" in name or "records" in name}
CASES = [
    (fault, step, times)
    for fault, step, times in itertools.product(FAULTS, STEPS, (1, None))
    if not (step == "token" and fault in ONLY_OF_PAGES)
]


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    with Simulator(calls_per_minute=None, calls_per_hour=None) as simulator:
        yield simulator


@pytest.fixture
def simulator(service: Simulator) -> Simulator:
    now = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=1)
    service.faults.clear()
    service.tenant = Tenant(3, alerts=3 * PAGES, history=timedelta(hours=20), start=now)
    service.page_size = -(-len(service.tenant.alerts) // PAGES)
    return service


def run(simulator: Simulator, lake: LakeFolder) -> Outcome:
    connection = simulator.connections()["defender_default"]
    connection["extra"] |= {
        "calls_per_minute": 1_000_000,
        "calls_per_hour": 1_000_000,
        "connect_timeout": 1,
        "read_timeout": 1,
    }
    environment = {"AIRFLOW_CONN_DEFENDER_DEFAULT": json.dumps(connection)}
    outcome = run_bounded(run_alerts, lake.uri, {}, environment=environment)
    assert simulator.client_secret not in outcome.text
    assert not re.search(r"eyJ[\w-]{4}", outcome.text), "a token is shown"
    return outcome


@pytest.mark.parametrize(
    ("fault", "step", "times"),
    CASES,
    ids=[f"{fault}-{step}-{'once' if times else 'always'}" for fault, step, times in CASES],
)
def test_a_fault_loses_nothing_and_holds_nothing_up(
    simulator: Simulator, lake: LakeFolder, fault: str, step: str, times: int | None
) -> None:
    switched = FAULTS[fault](simulator.faults, times=times, **STEPS[step])
    outcome = run(simulator, lake)
    assert switched.happened > 0
    assert_only_committed_rows_are_seen(lake.path)
    assert_each_version_is_whole_and_single(simulator.tenant, landed_rows(lake.path))
    if outcome.summary is not None:
        assert outcome.complete
        assert_last_versions_landed(simulator.tenant, lake.path)
        return
    assert {"DefenderError", "LakeError"} & set(outcome.error), outcome
    simulator.faults.clear()
    simulator.tenant.advance(timedelta(minutes=6))
    again = run(simulator, lake)
    assert again.complete, again
    assert_last_versions_landed(simulator.tenant, lake.path)
    assert_log_is_sound(lake.path)
