"""Pages, quotas, faults and refusals of the alerts API, against the simulator."""

from __future__ import annotations

import errno
import gc
import itertools
import json
import socket
import tracemalloc
from collections.abc import Generator
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from airflow_provider_defender.exceptions import (
    CredentialError,
    HostUnreachable,
    PagingBroken,
    PermissionMissing,
    RequestRefused,
    ServiceUnavailable,
    StopAndLook,
    Throttled,
    UnexpectedHost,
)
from airflow_provider_defender.hooks import (
    AlertFilter,
    DefenderEndpointHook,
    Page,
    created_between_filter,
    updated_between_filter,
    updated_since_filter,
)
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.timestamps import datetime_to_ticks, parse_ticks
from tests.unit.hooks.conftest import Connect, Watch

EVERYTHING = updated_since_filter(0)


@pytest.fixture
def hook(connect: Connect, watch: Watch) -> DefenderEndpointHook:
    return DefenderEndpointHook(connect("defender_default"), sleep=watch.sleep)


def read(hook: DefenderEndpointHook, filter: str = EVERYTHING, **options: Any) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(record)
        for page in hook.alert_pages(filter=filter, **options)
        for record in page.records
    ]


def failure(watch: Watch, hook: DefenderEndpointHook, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        read(hook)
    message = str(caught.value)
    watch.shown.append(message)
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return message


def queries(simulator: Simulator) -> list[dict[str, list[str]]]:
    return [parse_qs(request.query) for request in simulator.requests.to("/api/alerts")]


# -- pages


def test_all_pages_are_read_once_each_in_order(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    pages = list(hook.alert_pages(filter=EVERYTHING))
    assert [(page.number, len(page.records)) for page in pages] == [(1, 30), (2, 30), (3, 30), (4, 10)]
    ids = [json.loads(bytes(record))["id"] for page in pages for record in page.records]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    now = simulator.state()["now"]
    assert {page.served_at for page in pages} == {datetime.fromisoformat(now[:19] + "+00:00")}
    assert hook.requests_made == 4
    assert hook.retries == 0


def test_the_request_is_as_the_api_wants_it(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    read(hook)
    first = queries(simulator)[0]
    assert first == {"$filter": ["lastUpdateTime ge 1970-01-01T00:00:00.0000000Z"], "$expand": ["evidence"]}


def test_records_are_the_exact_bytes(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    """Odd spacing, key order, escapes and an unknown field stay as they were sent."""
    record = b'{ "id" : "a\\u00e9\\/b",  "new":1.50, "id2":[ ] , "emoji":"\xf0\x9f\x9b\xa1"}'
    simulator.faults.status(200, '{"@odata.context":"x","value":[' + record.decode() + "]}")
    [page] = hook.alert_pages(filter=EVERYTHING)
    assert [bytes(record) for record in page.records] == [record]


def test_evidence_comes_when_it_is_wanted(hook: DefenderEndpointHook) -> None:
    assert any(alert["evidence"] for alert in read(hook))
    assert not any(alert["evidence"] for alert in read(hook, expand_evidence=False))


def test_nothing_found_is_one_empty_page(hook: DefenderEndpointHook) -> None:
    [page] = hook.alert_pages(filter=updated_since_filter(parse_ticks("2040-01-01T00:00:00Z") or 0))
    assert page.records == []


def test_filters_narrow_on_the_server(hook: DefenderEndpointHook) -> None:
    filters = AlertFilter(severity=["High", "Low"], status="New")
    found = read(hook, updated_since_filter(0, filters))
    wanted = [
        alert for alert in read(hook) if alert["severity"] in ("High", "Low") and alert["status"] == "New"
    ]
    assert found == wanted
    assert found


@pytest.mark.parametrize("build", [created_between_filter, updated_between_filter])
def test_windows_divide_the_alerts(build: Any, hook: DefenderEndpointHook) -> None:
    field = "alertCreationTime" if build is created_between_filter else "lastUpdateTime"
    alerts = read(hook)
    ticks = sorted(parse_ticks(alert[field]) or 0 for alert in alerts)
    cuts = [ticks[0], ticks[30], ticks[60], ticks[-1] + 1]
    parts = [read(hook, build(since, until)) for since, until in itertools.pairwise(cuts)]
    assert [len(part) for part in parts] == [30, 30, 40]
    assert sorted(alert["id"] for part in parts for alert in part) == [alert["id"] for alert in alerts]


def test_a_category_with_a_quote_reaches_the_server(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    simulator.tenant.add_alert(category="O'Neill & söhne + 100%")
    found = read(hook, updated_since_filter(0, AlertFilter(category="O'Neill & söhne + 100%")))
    assert [alert["category"] for alert in found] == ["O'Neill & söhne + 100%"]


def test_alerts_that_change_between_the_pages_are_not_lost(
    hook: DefenderEndpointHook, simulator: Simulator
) -> None:
    """Without an upper bound rows only enter: an update after our place shows in this drain."""

    def change(_: Any) -> None:
        simulator.advance(timedelta(seconds=10))
        simulator.tenant.add_alert()

    simulator.after_page = change
    before = {alert.alert_id for alert in simulator.tenant.alerts}
    assert {alert["id"] for alert in read(hook)} >= before


def test_one_page_is_held_at_a_time(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    """The peak of eight pages is that of one and what the next needs, not four times as much.

    Nor does it wait for garbage collection, which comes late in a process with much in it.
    """
    record = {"id": "x", "description": "d" * 1_000_000}
    page = json.dumps({"value": [record, record], "@odata.nextLink": f"{simulator.url}/api/alerts?$skip=%d"})

    def peak(pages: int) -> int:
        for number in range(pages):
            link = number + 100 * pages if number + 1 < pages else None
            body = page % link if link is not None else json.dumps({"value": [record]})
            simulator.faults.status(200, body)
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            iterator = hook.alert_pages(filter=EVERYTHING)
            assert sum(1 for _ in iterator) == pages
            highest = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            gc.enable()
        simulator.faults.clear()
        return highest

    _, few, many = peak(2), peak(2), peak(8)  # the first also has what is imported now
    # The simulator runs in this process, and gives up the bodies that it has sent a moment later.
    assert many - few < 4 * len(page)


def test_a_drain_can_be_left_early(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    iterator = hook.alert_pages(filter=EVERYTHING)
    assert isinstance(iterator, Generator)
    assert next(iterator).number == 1
    iterator.close()
    assert len(queries(simulator)) == 1


def test_progress_is_logged(connect: Connect, simulator: Simulator, watch: Watch) -> None:
    # Each request takes 20 seconds.
    clock = lambda: 20.0 * len(simulator.requests.all())  # noqa: E731
    read(DefenderEndpointHook(connect("defender_default"), clock=clock))
    assert "Reading alerts: 60 in 2 pages, " in watch.text
    assert "Read all alerts: 100 in 4 pages, " in watch.text


# -- the sensor's question


def test_one_cheap_call_tells_whether_something_is_new(
    hook: DefenderEndpointHook, simulator: Simulator
) -> None:
    newest = max(parse_ticks(alert["lastUpdateTime"]) or 0 for alert in read(hook))
    simulator.requests.clear()
    assert not hook.has_alert_updated_since(newest)
    assert hook.has_alert_updated_since(newest - 1)
    assert not hook.has_alert_updated_since(newest - 1, AlertFilter(category="nothing like it"))
    assert [set(query) for query in queries(simulator)] == [{"$filter", "$top"}] * 3
    assert queries(simulator)[0]["$top"] == ["1"]


# -- the token


def test_a_token_that_runs_out_is_renewed(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.expired_token(page=2)
    assert len(read(hook)) == 100
    assert len(simulator.requests.to("/oauth2/v2.0/token")) == 2
    assert watch.waits == []
    assert len([text for text in watch.masked if text.startswith("eyJ")]) == 2


def test_each_request_may_have_a_new_token_but_only_once(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    for page in range(4):
        simulator.faults.expired_token(page=page)
    assert len(read(hook)) == 100
    simulator.faults.expired_token(page=1, times=None)
    message = failure(watch, hook, CredentialError)
    assert "a new token was refused, too: check cloud and host" in message
    assert watch.waits == []


def test_the_token_is_not_followed_by_netrc(
    hook: DefenderEndpointHook, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert len(read(hook)) == 100


# -- refusals


def test_a_missing_role_fails_at_once_and_is_named(
    connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    app = simulator.apps["other role"]
    connect("defender_default", login=app.client_id, password=app.client_secret)
    message = failure(watch, DefenderEndpointHook(sleep=watch.sleep), PermissionMissing)
    assert "the application lacks the role Alert.Read.All or Alert.ReadWrite.All: in Entra ID" in message
    assert "grant admin consent" in message
    assert f"application {app.client_id}, tenant {simulator.tenant_id}" in message
    assert "Correlation ID: " in message
    assert watch.waits == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            400,
            '{"error":{"code":"BadRequest","message":"odd $filter","target":"t-1"}}',
            RequestRefused,
            "odd $filter",
        ),
        (
            403,
            '{"error":{"code":"DisabledFeature","message":"off"}}',
            PermissionMissing,
            "DisabledFeature: off",
        ),
        (403, "<html>Blocked by Example Proxy</html>", RequestRefused, "Blocked by Example Proxy"),
        (404, "", RequestRefused, "no alerts API at this address"),
        (410, "{}", RequestRefused, "is gone: Microsoft has retired it"),
    ],
)
def test_a_refusal_fails_at_once(
    status: int,
    body: str,
    kind: type[Exception],
    text: str,
    hook: DefenderEndpointHook,
    simulator: Simulator,
    watch: Watch,
) -> None:
    simulator.faults.status(status, body, times=None)
    message = failure(watch, hook, kind)
    assert text in message
    assert f"HTTP {status}" in message
    assert hook.requests_made == 1
    assert watch.waits == []


def test_what_the_server_says_is_quoted_on_one_short_line_without_the_token(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    read(hook)
    token = next(text for text in watch.masked if text.startswith("eyJ"))
    simulator.faults.status(200, f"you sent\r\n\x1b[31m{token}" + "x" * 5000, times=None)
    message = failure(watch, hook, ServiceUnavailable)
    assert "you sent [31m***xxx" in message
    assert len(message) < 500


@pytest.mark.parametrize("status", [301, 302, 307, 304])
def test_a_redirect_is_not_followed(
    status: int, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    headers = {"Location": f"{simulator.url}/api/v1.0/alerts"} if status != 304 else {}
    simulator.faults.status(status, "", headers)
    assert "where no token is sent" in failure(watch, hook, UnexpectedHost)
    assert hook.requests_made == 1


# -- page links


def test_a_link_to_another_host_is_not_followed(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.foreign_next_link(page=1)
    message = failure(watch, hook, UnexpectedHost)
    assert "a page link leads to attacker.example, which is no Defender host of the custom cloud" in message
    assert hook.requests_made == 2


@pytest.mark.parametrize(
    "link",
    [
        "http://{host}/api/alerts?$skip=30",
        "https://user:pw@{host}/api/alerts?$skip=30",
        "https://{host}@attacker.example/api/alerts",
        "https://127.0.0.1/api/alerts?$skip=30",
        "https://localhost:{port}/api/alerts?$skip=30",
        "/api/alerts?$skip=30",
    ],
)
def test_a_link_must_lead_to_the_very_host(
    link: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    host = simulator.url.removeprefix("https://")
    simulator.faults.foreign_next_link(link.format(host=host, port=host.rpartition(":")[2]), page=0)
    failure(watch, hook, UnexpectedHost)
    assert hook.requests_made == 1


def test_the_page_with_a_bad_link_is_not_given_out(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    """The operator commits whole answers; what follows a strange page is not to be trusted."""
    simulator.faults.foreign_next_link(page=1)
    pages: list[Page] = []
    with pytest.raises(UnexpectedHost):
        pages.extend(hook.alert_pages(filter=EVERYTHING))
    iterator = hook.alert_pages(filter=EVERYTHING)
    simulator.faults.foreign_next_link(page=1)
    assert next(iterator).number == 1
    with pytest.raises(UnexpectedHost):
        next(iterator)


@pytest.mark.parametrize("link", ["same", "first"])
def test_a_link_that_repeats_is_a_loop(
    link: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    from airflow_provider_defender.simulator import Fault

    simulator.faults.add(Fault("next_link", page=2, link=link, times=None))
    message = failure(watch, hook, PagingBroken)
    assert "repeats an earlier one" in message
    assert hook.requests_made == 3 + (link == "first")  # the first link in the server's own spelling
    assert issubclass(PagingBroken, StopAndLook)


@pytest.mark.parametrize("member", ['"@odata.nextLink":""', '"odata.nextLink":"https://host/next"'])
def test_a_link_that_is_none_is_not_the_end(
    member: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.status(200, '{"value":[{"id":"a"}],' + member + "}")
    message = failure(watch, hook, PagingBroken)
    assert message.startswith("Connection 'defender_default': a page's link ")
    assert hook.requests_made == 1


def _endless(simulator: Simulator, pages: int, *, same: bool) -> None:
    for number in range(pages):
        record = {"id": "x" if same else f"x{number}"}
        link = f"{simulator.url}/api/alerts?$skip={number}"
        body = {"value": [record], **({"@odata.nextLink": link} if number + 1 < pages else {})}
        simulator.faults.status(200, json.dumps(body))


def test_a_page_that_repeats_itself_under_new_links_is_a_loop(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    _endless(simulator, 30, same=True)
    assert "9 pages in a row have come before" in failure(watch, hook, PagingBroken)
    assert hook.requests_made == 10


def test_pages_in_a_circle_under_new_links_are_a_loop(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    for number in range(60):
        link = f"{simulator.url}/api/alerts?$skip={number}"
        body = {"value": [{"id": f"x{number % 3}"}], "@odata.nextLink": link}
        simulator.faults.status(200, json.dumps(body))
    assert "9 pages in a row have come before" in failure(watch, hook, PagingBroken)
    assert hook.requests_made == 12


def test_a_date_that_utc_has_no_year_for_is_none(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    simulator.faults.status(200, '{"value":[]}', {"Date": "Fri, 31 Dec 9999 23:59:59 -1000"})
    (page,) = hook.alert_pages(filter=EVERYTHING)
    assert abs(page.served_at - datetime.now(timezone.utc)) < timedelta(minutes=5)


def test_different_pages_are_no_loop(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    _endless(simulator, 30, same=False)
    assert len(read(hook)) == 30


# -- outages


@pytest.mark.parametrize("fault", ["server_error", "html", "html 200", "truncated", "cut", "reset"])
@pytest.mark.parametrize("page", [0, 2])
def test_a_passing_fault_costs_a_wait_and_no_alert(
    fault: str, page: int, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    name, _, status = fault.partition(" ")
    getattr(simulator.faults, name)(*([200] if status else []), page=page, times=3)
    alerts = read(hook)
    assert len({alert["id"] for alert in alerts}) == len(alerts) == 100
    assert len(watch.waits) == hook.retries == 3
    assert hook.waited_seconds == pytest.approx(sum(watch.waits))
    assert hook.requests_made == 7


@pytest.mark.parametrize(
    ("switch", "seen"),
    [
        (lambda faults: faults.server_error(503, times=None), "HTTP 503 ServiceUnavailable"),
        (lambda faults: faults.html(200, times=None), "HTTP 200 with HTML: <!DOCTYPE html>"),
        (lambda faults: faults.truncated(times=None), "broken JSON"),
        (lambda faults: faults.cut(times=None), "the body ended too early"),
        (lambda faults: faults.reset(times=None), "the connection was"),
        (lambda faults: faults.status(200, "", times=None), "HTTP 200 with an empty body"),
        (lambda faults: faults.status(200, "[]", times=None), "JSON of another shape"),
        (lambda faults: faults.status(200, '{"value": null}', times=None), "JSON of another shape"),
        (lambda faults: faults.status(200, '{"error": {"code": "x"}}', times=None), "JSON of another shape"),
        (
            lambda faults: faults.status(200, '{"value": [], "@odata.nextLink": 3}', times=None),
            "JSON of another shape",
        ),
    ],
)
def test_a_lasting_fault_ends_as_unavailable_and_says_what_was_seen(
    switch: Any, seen: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    switch(simulator.faults)
    message = failure(watch, hook, ServiceUnavailable)
    assert f"the API at {simulator.url.removeprefix('https://')} gave no whole answer in 8 tries" in message
    assert seen in message
    assert hook.requests_made == 8
    assert len(watch.waits) == hook.retries == 7


def test_a_silent_api_ends_with_the_read_timeout(
    connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.silent(page=1)
    hook = DefenderEndpointHook(connect("defender_default", read_timeout=0.3), sleep=watch.sleep)
    assert len(read(hook)) == 100
    assert "no answer in time" in watch.text


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"id": None}, {"id": 1, "a": [[[]]]}])
def test_a_strange_record_is_a_record(value: Any, hook: DefenderEndpointHook, simulator: Simulator) -> None:
    """Judging records is the mapper's business: one bad record never stops a source."""
    simulator.faults.status(200, json.dumps({"value": [value]}))
    [page] = hook.alert_pages(filter=EVERYTHING)
    assert [json.loads(bytes(record)) for record in page.records] == [value]


# -- first contact, and later


def _closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


UNREACHABLE = [
    ({"host": "no-such-host.invalid", "port": None}, "the host name has no address", True),
    ({"host": "127.0.0.1:{closed}", "port": None}, "the connection was refused", False),
    ({"ca_bundle": None}, "TLS certificate is not trusted", True),
    ({"proxy": "http://127.0.0.1:{closed}"}, "the proxy refused or cannot be reached", False),
]
"""What is wrong with the API's address, what is said, and whether it is final at once."""


def _unreachable(connect: Connect, changes: dict[str, Any]) -> None:
    changes = {
        name: value.format(closed=_closed_port()) if value else value for name, value in changes.items()
    }
    connect("entra_id_default")
    connect("defender_default", login=None, password=None, entra_id_conn_id="entra_id_default", **changes)


@pytest.mark.parametrize(("changes", "text", "final"), UNREACHABLE)
def test_an_api_that_was_never_reached_is_tried_for_ten_seconds(
    changes: dict[str, Any], text: str, final: bool, connect: Connect, watch: Watch
) -> None:
    _unreachable(connect, changes)
    hook = DefenderEndpointHook(sleep=watch.sleep)
    message = failure(watch, hook, HostUnreachable)
    assert message.startswith("Connection 'defender_default': cannot reach the API at ")
    assert text in message
    assert len(watch.waits) == hook.retries == hook.requests_made - 1
    assert (hook.requests_made == 1) is final
    assert sum(watch.waits) <= 10


@pytest.mark.parametrize(("changes", "text", "final"), UNREACHABLE)
def test_an_api_that_earlier_runs_have_reached_has_an_outage(
    changes: dict[str, Any], text: str, final: bool, connect: Connect, watch: Watch
) -> None:
    """A refused connection is one; a name without an address is final all the same."""
    _unreachable(connect, changes)
    hook = DefenderEndpointHook(sleep=watch.sleep)
    with pytest.raises(HostUnreachable if final else ServiceUnavailable, match=text):
        next(hook.alert_pages(filter=EVERYTHING, reached_before=True))
    assert hook.requests_made == (1 if final else 8)
    with pytest.raises(HostUnreachable if final else ServiceUnavailable, match=text):
        hook.has_alert_updated_since(0, reached_before=True)


def test_an_api_that_is_about_to_come_back_is_waited_for(
    connect: Connect, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused at the first contact, and there a moment later: for tokens and for alerts."""
    hook = DefenderEndpointHook(connect("defender_default"), sleep=watch.sleep)
    away = iter([True, True, False, True, True, *[False] * 9])  # the token's session, then the API's
    whole = socket.socket.connect

    def connect_or_refuse(self: socket.socket, address: Any) -> None:
        if next(away):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        whole(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_or_refuse)
    assert len(read(hook)) == 100
    assert len(watch.waits) == 4


def test_an_api_that_was_reached_before_is_an_outage(
    hook: DefenderEndpointHook, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterator = hook.alert_pages(filter=EVERYTHING)
    next(iterator)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{_closed_port()}")
    with pytest.raises(ServiceUnavailable) as caught:
        next(iterator)
    assert "in 8 tries" in str(caught.value)
    assert len(watch.waits) == hook.retries == 7


# -- quotas


def test_a_throttle_is_waited_for(hook: DefenderEndpointHook, simulator: Simulator, watch: Watch) -> None:
    simulator.faults.throttle(26, page=2)
    assert len(read(hook)) == 100
    assert len(watch.waits) == 1
    assert 24 < watch.waits[0] <= 26
    assert "is throttled\n" in watch.text
    assert "HTTP 429 429: API calls quota exceeded!" in watch.text


def test_a_throttle_by_date_is_read_on_the_services_clock(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    from email.utils import format_datetime

    now = datetime.fromisoformat(simulator.state()["now"][:19] + "+00:00")
    until = format_datetime(now + timedelta(seconds=12), usegmt=True)
    simulator.faults.status(429, "", {"Retry-After": until}, page=1)
    assert len(read(hook)) == 100
    assert watch.waits == [12.0]


def test_the_hourly_quota_is_airflows(hook: DefenderEndpointHook, simulator: Simulator, watch: Watch) -> None:
    simulator.faults.throttle(1800, hour=True, page=1)
    iterator = hook.alert_pages(filter=EVERYTHING)
    assert next(iterator).number == 1
    with pytest.raises(Throttled) as caught:
        next(iterator)
    assert 1790 < caught.value.retry_after <= 1800
    assert "1500 per 01:00:00" in str(caught.value)
    assert watch.waits == []


def test_throttling_without_end_is_airflows_after_a_quarter_of_an_hour(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.status(429, "{}", {"Retry-After": "29"}, times=None)
    with pytest.raises(Throttled):
        read(hook)
    assert 840 < sum(watch.waits) <= 900


def test_our_own_pace_keeps_below_the_servers_quota(
    connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    """The server counts by its own clock, which the waits move, and would refuse the 21st call."""
    simulator.api.quota.per_minute = 20
    simulator.page_size = 4
    connect("defender_default", calls_per_minute=20)
    hook = DefenderEndpointHook(sleep=watch.sleep, clock=lambda: sum(watch.waits))
    assert len(read(hook)) == 100
    assert len(read(hook)) == 100
    assert {request.status for request in simulator.requests.to("/api/alerts")} == {200}
    assert (hook.requests_made, hook.retries) == (50, 0)
    assert watch.waits == [60.0, 60.0]


def test_the_pace_is_the_connections(connect: Connect, watch: Watch) -> None:
    connect("defender_default", calls_per_minute=2, calls_per_hour=3)
    hook = DefenderEndpointHook(sleep=watch.sleep, clock=lambda: sum(watch.waits))
    with pytest.raises(Throttled, match="calls_per_minute and calls_per_hour") as caught:
        read(hook)
    assert watch.waits == [60.0]
    assert caught.value.retry_after == 3540.0


# -- the clock


def test_without_a_date_our_clock_counts_and_says_so(
    hook: DefenderEndpointHook, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_defender.hooks._rest.client.served_at", lambda _: None)
    before = datetime.now(timezone.utc).replace(microsecond=0)
    pages = list(hook.alert_pages(filter=EVERYTHING))
    assert all(before <= page.served_at <= datetime.now(timezone.utc) for page in pages)
    assert watch.text.count("has no Date header") == 1
    assert datetime_to_ticks(pages[0].served_at) % 10_000_000 == 0


# -- test connection


def test_the_test_says_that_the_api_answers(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    good, message = hook.test_connection()
    assert good
    assert f"in tenant {simulator.tenant_id} (custom cloud), valid until " in message
    assert "Roles granted: Alert.Read.All." in message
    host = simulator.url.removeprefix("https://")
    assert (
        f"Alerts by the Endpoint API: yes, the role Alert.Read.All is granted, and {host} answers." in message
    )
    assert queries(simulator) == [{"$top": ["1"]}]


@pytest.mark.parametrize("app", ["no role", "other role"])
def test_the_test_names_the_missing_role(
    app: str, connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    connect(
        "defender_default", login=simulator.apps[app].client_id, password=simulator.apps[app].client_secret
    )
    good, message = DefenderEndpointHook(sleep=watch.sleep).test_connection()
    watch.shown.append(message)
    assert not good
    assert "lacks the role Alert.Read.All" in message


@pytest.mark.parametrize(
    ("switch", "text"),
    [
        (lambda faults: faults.throttle(20, path="/api/alerts"), "is throttled"),
        (lambda faults: faults.server_error(503, path="/api/alerts"), "gave no whole answer in 1 try"),
        (lambda faults: faults.silent(path="/api/alerts", times=None), "no answer in time"),
    ],
)
def test_the_test_waits_for_nothing(
    switch: Any,
    text: str,
    hook: DefenderEndpointHook,
    simulator: Simulator,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("airflow_provider_defender.hooks._connection.button._LIMIT_SECONDS", 2.5)
    switch(simulator.faults)
    _, message = hook.test_connection()
    watch.shown.append(message)
    assert "Alerts by the Endpoint API: no, " in message
    assert text in message.partition("Alerts by the Endpoint API")[2]
    assert watch.waits == []


def test_the_test_of_a_wrong_connection_sends_nothing(connect: Connect, simulator: Simulator) -> None:
    connect("defender_default", cloud="china")
    good, message = DefenderEndpointHook().test_connection()
    assert not good
    assert "no Defender for Endpoint API in the China cloud" in message
    assert len(simulator.requests) == 0


def test_a_connection_that_does_not_exist_is_said(connect: Connect) -> None:
    good, message = DefenderEndpointHook("nowhere").test_connection()
    assert not good
    assert message.startswith("Connection 'nowhere' ")  # Airflow 3.1 finds other words outside of a task


# -- whose credentials


def test_credentials_of_another_connection(connect: Connect, simulator: Simulator) -> None:
    connect("entra_id_default")
    connect("defender_default", login=None, password=None, entra_id_conn_id="entra_id_default")
    assert len(read(DefenderEndpointHook())) == 100
