"""A simulator on TLS, connections to it, and a watch for secrets in everything that is logged."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_defender.hooks import (
    DefenderEndpointHook,
    EntraIdHook,
    EventHubHook,
    GraphSecurityHook,
)
from airflow_provider_defender.hooks._connection import redaction
from airflow_provider_defender.simulator import Simulator, Tenant

SCOPE = "https://api.securitycenter.microsoft.com/.default"


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator(seed=7, page_size=30) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator, watch: Watch) -> Iterator[Simulator]:
    """As if new: 100 alerts in four pages, quotas full, no faults, no requests."""
    simulator = watch.simulator = running_simulator
    simulator.faults.clear()
    simulator.tenant = Tenant(7)
    simulator.page_size = 30
    simulator.api.quota.per_minute = 100
    watch.secrets += [app.client_secret for app in simulator.apps if app.secrets]
    yield simulator
    simulator.elapse(-sum(watch.waits))


class Watch:
    """What was masked, what was logged, what was waited for; and whether a secret leaked."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog
        self.masked: list[str] = []
        self.secrets: list[str] = []
        self.waits: list[float] = []
        self.shown: list[str] = []
        self.simulator: Simulator | None = None

    @property
    def text(self) -> str:
        return self.caplog.text + "\n".join(self.shown)

    def sleep(self, seconds: float) -> None:
        """Let the services' time pass instead of ours."""
        self.waits.append(seconds)
        if self.simulator is not None:
            self.simulator.elapse(seconds)

    def check(self) -> None:
        """No secret and no token in any message or log line, and every token was masked."""
        for secret in {*self.secrets, *self.masked}:
            assert secret not in self.text
        assert "eyJ" not in self.text


@pytest.fixture(autouse=True)
def no_invalid_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below .invalid do not exist (RFC 6761), whatever this machine's name servers say, if any."""
    whole = socket.getaddrinfo

    def getaddrinfo(host: Any, *given: Any, **options: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return whole(host, *given, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch(caplog)
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(redaction, "mask_secret", watch.masked.append)
    for hook in (EntraIdHook, DefenderEndpointHook, GraphSecurityHook, EventHubHook):
        # Airflow's own logger masks before it writes; a plain one shows what we hand over.
        monkeypatch.setattr(hook, "log", logging.getLogger(f"plain.{hook.__name__}"))
    yield watch
    watch.check()


Connect = Callable[..., str]


@pytest.fixture
def connect(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Define a connection to the simulator; fields in capitals of Airflow, extras beside them.

    A value of None leaves the field out.
    """
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def define(conn_id: str = "defender_default", /, **changes: Any) -> str:
        kind = "entra_id" if conn_id.startswith("entra") else "defender"
        fields = dict(simulator.connections()[f"{kind}_default"])
        extra = dict(fields.pop("extra"))
        for name, value in changes.items():
            target = fields if name in ("host", "port", "login", "password") else extra
            target[name] = value
        fields["extra"] = {name: value for name, value in extra.items() if value is not None}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return define
