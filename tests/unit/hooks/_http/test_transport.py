"""What the environment may and may not change: CA bundles, proxies, and who we say we are."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_defender import __version__
from airflow_provider_defender.exceptions import HostUnreachable
from airflow_provider_defender.hooks import DefenderEndpointHook, EntraIdHook, updated_since_filter
from airflow_provider_defender.hooks._http.transport import USER_AGENT, HttpSession
from airflow_provider_defender.simulator import Simulator
from tests.unit.hooks.conftest import SCOPE, Connect, Watch


@pytest.fixture
def other_ca(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corporate bundle in the environment that does not know the server."""
    import certifi

    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, certifi.where())


@pytest.mark.usefixtures("other_ca")
def test_the_connections_ca_wins_over_the_environments(connect: Connect) -> None:
    connect("entra_id_default")
    connect("defender_default")
    assert EntraIdHook().get_token(SCOPE)
    assert next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0))).records


def test_without_it_the_environments_counts(
    connect: Connect, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("defender_default", ca_bundle=None)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.ca_bundle)
    assert next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0))).records
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(HostUnreachable, match="not trusted"):
        next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0)))


class Proxy:
    """A proxy that opens no tunnel, but notes who asked for one."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                asked.append(self.path)
                self.send_error(407)

            def log_message(self, *_: object) -> None:
                pass

        self.asked = asked
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def proxies() -> Iterator[list[Proxy]]:
    pair = [Proxy(), Proxy()]
    yield pair
    for proxy in pair:
        proxy.server.shutdown()
        proxy.server.server_close()


def test_the_environments_proxy_counts(
    connect: Connect, proxies: list[Proxy], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxies[0].url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    connect("defender_default")
    with pytest.raises(HostUnreachable, match="the proxy refused"):
        next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0)))
    assert proxies[0].asked == [simulator.url.removeprefix("https://")]


def test_the_environments_exceptions_count(
    connect: Connect, proxies: list[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxies[0].url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    connect("defender_default")
    assert next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0))).records
    assert proxies[0].asked == []


@pytest.mark.parametrize("exceptions", ["", "127.0.0.1"])
def test_the_connections_proxy_wins(
    exceptions: str, connect: Connect, proxies: list[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxies[0].url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, exceptions)
    connect("defender_default", proxy=proxies[1].url)
    with pytest.raises(HostUnreachable, match="the proxy refused"):
        next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0)))
    assert (len(proxies[0].asked), len(proxies[1].asked)) == (0, 1)


def test_a_proxys_password_is_masked_and_not_shown(
    connect: Connect, proxies: list[Proxy], watch: Watch
) -> None:
    url = proxies[0].url.replace("http://", "http://me:p%40ssw0rd@")
    connect("defender_default", proxy=url)
    with pytest.raises(HostUnreachable) as caught:
        next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0)))
    assert {"p@ssw0rd", "p%40ssw0rd"} <= set(watch.masked)
    assert "ssw0rd" not in str(caught.value)


def test_a_name_server_that_does_not_answer_is_an_outage(
    connect: Connect, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("defender_default")
    whole, failures = socket.getaddrinfo, [socket.gaierror(socket.EAI_AGAIN, "")]

    def getaddrinfo(*given: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return whole(*given, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert next(DefenderEndpointHook(sleep=watch.sleep).alert_pages(filter=updated_since_filter(0))).records
    assert len(watch.waits) == 1
    assert "no name server answers" in watch.text


def test_we_say_who_we_are(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    request = HttpSession.request

    def note(self: HttpSession, *args: object, **kwargs: object) -> object:
        seen.append(str(self.headers["User-Agent"]))
        return request(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(HttpSession, "request", note)
    connect("defender_default")
    next(DefenderEndpointHook().alert_pages(filter=updated_since_filter(0)))
    assert set(seen) == {USER_AGENT} == {f"airflow-provider-defender/{__version__}"}
    assert len(seen) == 3
