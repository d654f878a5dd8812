"""Whatever a server does, an answer ends in its time, within its size, and only whole ones count."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
from typing import Any

import pytest

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    RequestRefused,
    ServiceUnavailable,
    TryAgain,
    UnexpectedHost,
)
from airflow_provider_defender.hooks import DefenderEndpointHook, EntraIdHook, updated_since_filter
from airflow_provider_defender.simulator import TOKEN, Simulator
from tests.unit.hooks.conftest import SCOPE, Connect, Watch

EVERYTHING = updated_since_filter(0)
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SLOW_HEADER = f"{HEAD}X-Slow: {'x' * 2000}\r\n\r\n"
SLOW_BODY = f"{HEAD}Content-Length: 2000\r\n\r\n{' ' * 2000}"


class Clock:
    """Time as our own code sees it: it passes while bytes are waited for and while we sleep."""

    def __init__(self, watch: Watch, step: float) -> None:
        self.now = 0.0
        self._watch = watch
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._watch.sleep(seconds)


@pytest.fixture
def clock(watch: Watch) -> Clock:
    return Clock(watch, 2.0)


@pytest.fixture
def hook(connect: Connect, watch: Watch, clock: Clock) -> DefenderEndpointHook:
    """Its clock moves two seconds whenever it is looked at: that is, with every byte that comes alone."""
    connect("defender_default", calls_per_minute=1_000_000, calls_per_hour=1_000_000)
    return DefenderEndpointHook(sleep=clock.sleep, clock=clock)


def read(hook: DefenderEndpointHook, **options: Any) -> int:
    return sum(len(page.records) for page in hook.alert_pages(filter=EVERYTHING, **options))


def failure(watch: Watch, hook: DefenderEndpointHook, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        read(hook)
    watch.shown.append(str(caught.value))
    return str(caught.value)


# -- time


@pytest.mark.parametrize("text", [SLOW_HEADER, SLOW_BODY])
def test_an_answer_that_drips_is_given_up_and_asked_for_again(
    text: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.wire(text, seconds=0.001, page=1)
    assert read(hook) == 100
    assert len(watch.waits) == 1
    assert "the answer was not whole in its time" in watch.text


def test_a_chunk_of_negative_length_is_an_outage(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.wire(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n-5\r\n{{}}", seconds=0.0, page=1)
    assert read(hook) == 100
    assert len(watch.waits) == 1


@pytest.mark.parametrize("text", [SLOW_HEADER, SLOW_BODY])
def test_answers_that_drip_for_ever_end_within_twenty_minutes(
    text: str, hook: DefenderEndpointHook, simulator: Simulator, clock: Clock, watch: Watch
) -> None:
    """The 15 minutes count requests that bring nothing, and the last of these has five minutes itself."""
    simulator.faults.wire(text, seconds=0.001, times=None)
    assert "in 3 tries" in failure(watch, hook, ServiceUnavailable)
    assert 900 < clock.now < 1200


@pytest.mark.parametrize("text", [SLOW_HEADER, SLOW_BODY])
def test_a_token_that_drips_is_given_up(
    text: str, connect: Connect, simulator: Simulator, clock: Clock, watch: Watch
) -> None:
    simulator.faults.wire(text, seconds=0.001, path=TOKEN)
    hook = EntraIdHook(connect("entra_id_default"), sleep=clock.sleep, clock=clock)
    assert hook.get_token(SCOPE)
    assert len(watch.waits) == 1
    assert clock.now < 120


def test_an_identity_of_the_machine_that_drips_is_given_up(
    connect: Connect, simulator: Simulator, clock: Clock, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    monkeypatch.setenv("AIRFLOW__DEFENDER__TRUSTED_HOSTS", simulator.url.removeprefix("https://"))
    simulator.faults.wire(SLOW_BODY, seconds=0.001, path="/metadata/*")
    connect("entra_id_mi", login=None, password=None, credential="managed_identity")
    assert EntraIdHook("entra_id_mi", sleep=clock.sleep, clock=clock).get_token(SCOPE)
    assert len(watch.waits) == 1


def test_pages_that_hang_and_then_come_use_up_the_same_budget(
    connect: Connect, simulator: Simulator, watch: Watch
) -> None:
    """Each page hangs once for its read timeout: 112 minutes in one drain, when only sleeps counted."""
    clock = Clock(watch, 20.0)  # a request that times out looks at the clock some times
    connect("defender_default", read_timeout=0.1, calls_per_minute=1_000_000, calls_per_hour=1_000_000)
    hook = DefenderEndpointHook(sleep=clock.sleep, clock=clock)
    simulator.page_size = 1
    for page in range(100):
        simulator.faults.silent(page=page)
    failure(watch, hook, ServiceUnavailable)
    assert sum(watch.waits) < 300
    assert hook.requests_made < 100


@pytest.mark.parametrize(
    "switch",
    [
        lambda faults: faults.wire(SLOW_BODY, seconds=0.001, page=1, times=None),
        lambda faults: faults.wire(SLOW_HEADER, seconds=0.001, page=1, times=None),
        lambda faults: faults.server_error(503, page=1, times=None),
        lambda faults: faults.status(503, "", {"Retry-After": "29"}, page=1, times=None),
        lambda faults: faults.status(429, "", {"Retry-After": "29"}, page=1, times=None),
        lambda faults: faults.reset(page=1, times=None),
        lambda faults: faults.expired_token(page=1, times=2),
        lambda faults: faults.wire(SLOW_BODY, seconds=0.001, path=TOKEN, nth=2, times=None),
    ],
)
@pytest.mark.parametrize("limit", [100.0, 400.0])
def test_a_drain_ends_at_its_limit_or_with_the_answer_under_way(
    switch: Any, limit: float, hook: DefenderEndpointHook, simulator: Simulator, clock: Clock
) -> None:
    switch(simulator.faults)
    pages = hook.alert_pages(filter=EVERYTHING, max_seconds=limit)
    begun = clock.now
    with contextlib.suppress(TryAgain, CredentialError):
        for _ in pages:
            if clock.now - begun >= limit:
                break  # as a drain does
    assert clock.now - begun < limit + 320


@pytest.mark.parametrize("path", ["/api/alerts", TOKEN])
def test_all_requests_of_the_last_page_share_the_time_of_one_answer(
    path: str, hook: DefenderEndpointHook, simulator: Simulator, clock: Clock
) -> None:
    """A refusal of the token that drips for 270 s, and then another answer that drips."""
    refusal = "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 52\r\n\r\n"
    simulator.faults.wire(refusal + " " * 52, seconds=0.001)
    simulator.faults.wire(SLOW_BODY, seconds=0.001, path=path, nth=1 if path != TOKEN else 2, times=None)
    with pytest.raises(ServiceUnavailable):
        next(hook.alert_pages(filter=EVERYTHING, max_seconds=20.0))
    assert 280 < clock.now < 325


# -- size


def test_an_answer_beyond_the_largest_is_refused_while_it_is_read(
    hook: DefenderEndpointHook, simulator: Simulator, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """600 MiB that came in as 0.6: memory follows the bound, not the answer. Asked for once only."""
    monkeypatch.setenv("AIRFLOW__DEFENDER__MAX_PAGE_MEBIBYTES", "8")
    read(hook)
    simulator.faults.large(600, times=None)
    before = hook.requests_made
    tracemalloc.start()
    message = failure(watch, hook, ConfigurationError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "an answer of more than 8 MiB, unpacked" in message
    assert "[defender] max_page_mebibytes" in message
    assert hook.requests_made == before + 1
    assert peak < 64 << 20


@pytest.mark.parametrize("text", ["0", "-1", "much", "1.5"])
def test_a_bound_that_is_none_is_named(
    text: str, hook: DefenderEndpointHook, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DEFENDER__MAX_PAGE_MEBIBYTES", text)
    assert f"[defender] max_page_mebibytes='{text}'" in failure(watch, hook, ConfigurationError)


@pytest.mark.parametrize(("status", "kind"), [(503, ServiceUnavailable), (403, RequestRefused)])
def test_a_refusal_is_read_no_further_than_its_beginning(
    status: int, kind: type[Exception], hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.large(300, status=status, times=None)
    tracemalloc.start()
    failure(watch, hook, kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


@pytest.mark.parametrize("path", [TOKEN, "*/openid-configuration"])
def test_a_token_answer_beyond_all_measure_is_an_outage(
    path: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.large(300, path=path)
    assert read(hook) == 100
    assert "an answer of more than 1 MiB" in watch.text
    assert len(watch.waits) == 1


def _gzip(body: bytes) -> bytes:
    """Without the time, which would give a test another name each second."""
    return gzip.compress(body, mtime=0)


def _packed(body: bytes, encoding: str) -> str:
    head = f"{HEAD}Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head + body.decode("latin-1")


# -- only whole answers count

PAGE = '{"value":[{"id":"a"}]}'


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"{HEAD}Content-Length: {len(PAGE) + 1}\r\n\r\n{PAGE}", "the body ended too early"),
        (f"{HEAD}Content-Length: {len(PAGE) - 1}\r\n\r\n{PAGE}", "broken JSON"),
        (f"{HEAD}Transfer-Encoding: chunked\r\n\r\n16\r\n{PAGE}\r\n", "the body ended too early"),
        (_packed(_gzip(PAGE.encode())[:-20], "gzip"), "HTTP 200 with"),
        (_packed(b"no gzip at all", "gzip"), "the body cannot be unpacked"),
        (_packed(_gzip(_gzip(PAGE.encode())), "gzip, gzip"), "the body cannot be unpacked"),
        (_packed(b"\x0b\x02\x80abc\x03", "br"), "HTTP 200 with broken JSON"),
        (_packed(PAGE.encode("utf-16"), "identity"), "HTTP 200 with broken JSON"),
        (_packed(PAGE.encode("utf-32-le"), "identity"), "HTTP 200 with broken JSON"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "HTTP 204"),
        (f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(PAGE)}\r\n\r\n{PAGE}", "HTTP 206"),
        (f"HTTP/1.1 203 By A Proxy\r\nContent-Length: {len(PAGE)}\r\n\r\n{PAGE}", "HTTP 203"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "the connection"),
        ("no HTTP at all", "the connection"),
        (
            f"HTTP/1.1 200 OK\r\n{''.join(f'X-{n}: y' + chr(13) + chr(10) for n in range(200))}\r\n",
            "the connection",
        ),
        (f"HTTP/1.1 200 OK\r\nX: {'x' * 70_000}\r\n\r\n", "the connection"),
    ],
)
def test_what_is_no_whole_answer_is_asked_for_again(
    text: str, seen: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.wire(text.replace("\r\n", "\r\nConnection: close\r\n", 1), page=3)
    assert read(hook) == 100
    assert len(watch.waits) == 1
    assert seen in watch.text


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD.replace('application/json', 'text/html')}Content-Length: {len(PAGE)}\r\n\r\n{PAGE}",
        f"{HEAD}Content-Length: {len(PAGE) + 3}\r\n\r\n\xef\xbb\xbf{PAGE}",
        f"HTTP/1.0 200 OK\r\n\r\n{PAGE}",
        _packed(_gzip(PAGE.encode()), "gzip"),
        f"HTTP/1.1 100 Continue\r\n\r\n{HEAD}Content-Length: {len(PAGE)}\r\n\r\n{PAGE}",
    ],
)
def test_what_is_whole_but_odd_is_a_page(
    text: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.wire(text, page=0)
    assert read(hook) == 1
    assert watch.waits == []


@pytest.mark.parametrize(
    "answer",
    [
        '{"token_type":"Bearer","expires_in":99999999999999999999,"access_token":"abc"}',
        '{"token_type":"Bearer","expires_in":"soon","access_token":"abc"}',
        '{"token_type":"Bearer","expires_in":3600}',
        '{"token_type":"Bearer","expires_in":3600,"access_token":"abc"',
        "[]",
        "null",
    ],
)
def test_a_token_answer_that_is_none_is_asked_for_again(
    answer: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    simulator.faults.status(200, answer, path=TOKEN)
    assert read(hook) == 100
    assert len(watch.waits) == 1


@pytest.mark.parametrize("token", ["tök\u0142en", "a b", "a\\r\\nX-Evil: y", "a\\u0000", "\U0001f6e1", ""])
def test_a_token_that_no_header_can_carry_is_named_but_not_shown(
    token: str, hook: DefenderEndpointHook, simulator: Simulator, watch: Watch
) -> None:
    body = f'{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}"}}'
    simulator.faults.status(200, body, path=TOKEN, times=None)
    message = failure(watch, hook, CredentialError)
    assert "gave a token with characters that no HTTP header can carry" in message
    assert not token or token not in message
    assert hook.requests_made == 0


# -- what the environment must not change


@pytest.fixture
def netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A login for the simulator's host, as `~/.netrc` may hold one."""
    path = tmp_path / ".netrc"
    path.write_text("default login someone password else\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def headers(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Path and Authorization header of every request that arrives."""
    seen: list[tuple[str, str | None]] = []
    whole = simulator.answer

    def note(request: Any) -> Any:
        seen.append((request.path, request.headers.get("authorization")))
        return whole(request)

    monkeypatch.setattr(simulator._server, "_answer", note)
    return seen


@pytest.mark.usefixtures("netrc")
def test_no_login_of_netrc_is_sent(hook: DefenderEndpointHook, headers: list[tuple[str, str | None]]) -> None:
    assert read(hook) == 100
    for path, authorization in headers:
        assert (authorization or "").startswith("Bearer eyJ") is path.startswith("/api/")
        assert path.startswith("/api/") or authorization is None


@pytest.mark.usefixtures("netrc")
def test_no_login_of_netrc_is_sent_to_the_machines_endpoint(
    connect: Connect,
    simulator: Simulator,
    headers: list[tuple[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    monkeypatch.setenv("AIRFLOW__DEFENDER__TRUSTED_HOSTS", simulator.url.removeprefix("https://"))
    connect("entra_id_mi", login=None, password=None, credential="managed_identity")
    assert EntraIdHook("entra_id_mi").get_token(SCOPE)
    assert [authorization for _, authorization in headers] == [None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", ["/api/*", TOKEN, "*/openid-configuration", "/metadata/*"])
def test_no_redirect_is_followed(
    path: str,
    status: int,
    connect: Connect,
    simulator: Simulator,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", simulator.imds_url)
    monkeypatch.setenv("AIRFLOW__DEFENDER__TRUSTED_HOSTS", simulator.url.removeprefix("https://"))
    root = simulator.url
    changes: dict[str, Any] = {}
    if "metadata" in path:
        root = simulator.imds_url
        changes = {"login": None, "password": None, "credential": "managed_identity"}
    simulator.faults.status(status, "", {"Location": f"{root}/elsewhere"}, path=path)
    hook = DefenderEndpointHook(connect("defender_default", **changes), sleep=watch.sleep)
    assert "redirects to 127.0.0.1" in failure(watch, hook, UnexpectedHost)
    assert simulator.requests.to("elsewhere") == []
