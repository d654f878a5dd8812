"""P8: what cannot heal fails at once and says what to do, and no secret or token is seen anywhere.

Everything is logged, at level DEBUG and past Airflow's masker, which would hide what we must not hand over.
"""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.compat import AirflowFailException
from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    FailNow,
    HostUnreachable,
    PermissionMissing,
)
from airflow_provider_defender.hooks import DefenderEndpointHook, GraphSecurityHook
from airflow_provider_defender.simulator import ALERTS, TOKEN, Simulator, Tenant
from airflow_provider_defender.simulator.graph.faults import GRAPH
from tests.helpers.airflow import INJECTED, START, LakeFolder, connect, context, land, land_incidents
from tests.reliability.support import without_network

LOGGERS = (None, "urllib3", "requests", "msal", "airflow", "airflow_provider_defender")
OTHER_TENANT = "11111111-2222-4333-8444-555555555555"


class Watch:
    """Every secret that came up, and everything that was shown to anybody."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.secrets = {secret.value for app in simulator.apps for secret in app.secrets}
        self.shown: list[str] = []
        self.waits: list[float] = []
        self.expected: list[str] = []
        """Parts of log lines that must be there: else nothing was watched."""
        self.logged = io.StringIO()

    def note_tokens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep all tokens that the simulated Entra ID issues, and all secrets and assertions it is shown."""
        issue, answer = self.simulator.entra.issue, self.simulator.entra.handle

        def issuing(*given: Any) -> str:
            token = issue(*given)
            self.secrets.add(token)
            return token

        def answering(request: Any) -> Any:
            form = request.form()
            self.secrets |= {
                form[name] for name in ("client_secret", "client_assertion") if form.get(name, "")
            }
            return answer(request)

        monkeypatch.setattr(self.simulator.entra, "issue", issuing)
        monkeypatch.setattr(self.simulator.entra, "handle", answering)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.simulator.elapse(seconds)

    def check(self, lake: LakeFolder, captured: str) -> None:
        texts = [self.logged.getvalue(), captured, *self.shown]
        for part in self.expected:
            assert part in self.logged.getvalue() + captured
        for secret in self.secrets:
            assert [text for text in texts if secret in text] == []
            leaked = [path for path in lake.path.glob("**/*") if path.is_file() and _holds(path, secret)]
            assert leaked == []
        assert not re.search(r"eyJ[\w-]{10,}\.", "\n".join(texts))


def _holds(path: Path, secret: str) -> bool:
    return secret.encode() in path.read_bytes()


@pytest.fixture
def watch(
    simulator: Simulator,
    lake: LakeFolder,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Watch]:
    simulator.tenant = tenant = Tenant(7, alerts=0, start=START)
    tenant.add_alerts(8, evidence=1)
    simulator.page_size = 4
    connect(simulator, monkeypatch)
    simulator.requests.clear()
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    watch = Watch(simulator)
    handler, root = logging.StreamHandler(watch.logged), logging.getLogger()
    root.addHandler(handler)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    watch = Watch(simulator)
    handler, root = logging.StreamHandler(watch.logged), logging.getLogger()
    root.addHandler(handler)
    for logged in (None, "urllib3", "requests", "msal", "airflow", "airflow_provider_defender"):
        monkeypatch.setattr(logging.getLogger(logged), "level", logging.DEBUG)
        monkeypatch.setattr(logging.getLogger(logged), "disabled", False)
    root.manager._clear_cache()  # type: ignore[attr-defined]
    watch.note_tokens(monkeypatch)
    monkeypatch.setitem(INJECTED, "hook", partial(DefenderEndpointHook, sleep=watch.sleep))
    yield watch
    captured = capfd.readouterr()
    root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    structlog.reset_defaults()
    watch.check(lake, captured.out + captured.err)


def failing(watch: Watch, lake: LakeFolder, kind: type[FailNow], *cures: str) -> None:
    """The operator fails without retry, in one line with these words, without landing, and at once.

    Only a refused connection is tried again, for some ten seconds: the service may be restarting.
    """
    with pytest.raises(AirflowFailException) as raised:
        land(lake)
    error = raised.value
    watch.shown += ["".join(traceback.format_exception(error)), *_chain(error)]
    assert type(error) is kind
    assert "\n" not in str(error)
    for cure in cures:
        assert cure in str(error)
    assert (
        sum(watch.waits) <= 10 if "refused" in str(error) and kind is HostUnreachable else watch.waits == []
    )
    assert len(watch.simulator.requests.to("/api/alerts")) <= 1
    assert len(watch.simulator.requests.to("/token")) <= 1
    assert [path for path in lake.path.glob("**/*") if path.is_file()] == []


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{error!r} {error} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__


# Credentials and roles ----------------------------------------------------------------------------


def test_a_wrong_secret(watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.secrets.add("Wr0ng~secret-value")
    connect(watch.simulator, monkeypatch, password="Wr0ng~secret-value")
    failing(watch, lake, CredentialError, "the client secret is wrong", "connection's password")


def test_an_expired_secret(watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    app = watch.simulator.apps["expired secret"]
    connect(watch.simulator, monkeypatch, login=app.client_id, password=app.client_secret)
    failing(watch, lake, CredentialError, "expired", "create a new one")


def test_a_missing_role(watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    app = watch.simulator.apps["no role"]
    connect(watch.simulator, monkeypatch, login=app.client_id, password=app.client_secret)
    failing(watch, lake, PermissionMissing, "Alert.Read.All", "grant admin consent")


def test_an_application_that_is_not_there(
    watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(watch.simulator, monkeypatch, login=OTHER_TENANT)
    failing(watch, lake, CredentialError, "does not exist in this tenant", "login")


def test_a_wrong_tenant(watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(watch.simulator, monkeypatch, tenant_id=OTHER_TENANT)
    failing(watch, lake, CredentialError, "tenant does not exist in this cloud", "tenant_id and cloud")


def test_a_certificate_that_is_not_registered(
    watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = watch.simulator.apps["no role"].add_certificate()
    key = pair.private_key_pem
    watch.secrets |= {line for line in key.splitlines() if len(line) > 40}
    connect(
        watch.simulator,
        monkeypatch,
        password=None,
        credential="certificate",
        private_key=key,
        certificate=pair.certificate_pem,
    )
    failing(watch, lake, CredentialError, "certificate is not registered", "upload it")


# Clouds and hosts ---------------------------------------------------------------------------------


def test_a_cloud_that_the_tenant_is_not_in(
    watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_network(monkeypatch, watch.simulator)
    watch.simulator.faults.aadsts(900382)
    connect(watch.simulator, monkeypatch, host=None, port=None, cloud="gcc_high")
    failing(watch, lake, CredentialError, "another national cloud", "check cloud")


def test_a_cloud_whose_tokens_the_api_refuses(
    watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(watch.simulator, monkeypatch, scope="https://api.security.microsoft.com/.default")
    with pytest.raises(CredentialError, match="check cloud and host") as raised:
        land(lake)
    watch.shown += _chain(raised.value)
    assert watch.waits == []
    assert len(watch.simulator.requests.to("/api/alerts")) == 2  # once more, with a new token
    assert not lake.path.exists()


def test_a_cloud_that_is_none(watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(watch.simulator, monkeypatch, cloud="moon")
    failing(watch, lake, ConfigurationError, "cloud", "gcc_high")
    assert len(watch.simulator.requests) == 0


def test_a_port_that_refuses(watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused for as long as it is held
        connect(watch.simulator, monkeypatch, host="127.0.0.1", port=taken.getsockname()[1])
        failing(watch, lake, HostUnreachable, "refused", "check host, port, firewall and proxy")


def test_a_name_without_an_address(watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*given: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    connect(watch.simulator, monkeypatch, host="defender.invalid", port=443)
    failing(watch, lake, HostUnreachable, "has no address", "check host, cloud, DNS and proxy")


def test_a_certificate_authority_that_is_not_trusted(
    watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(watch.simulator, monkeypatch, ca_bundle=None)
    failing(watch, lake, HostUnreachable, "TLS certificate is not trusted", "ca_bundle")


# What succeeds, or heals later, leaks nothing either ----------------------------------------------


def test_a_run_that_lands_shows_no_secret(watch: Watch, lake: LakeFolder) -> None:
    given = context()
    watch.simulator.faults.expired_token(page=1)
    watch.simulator.faults.server_error(503, page=1)
    summary = land(lake, given)
    assert summary["versions"] == 8
    event = given["outlet_events"][defender_asset("defender_default", "alerts")]
    watch.shown += [json.dumps(summary), json.dumps(event.extra)]
    watch.expected += ["Reading alerts with", "/oauth2/v2.0/token", "getting a new one"]
    assert len([secret for secret in watch.secrets if secret.startswith("eyJ")]) == 2


def test_runs_of_graph_show_no_secret(
    watch: Watch, lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those that land, nor a refusal that repeats the token."""
    graph = partial(GraphSecurityHook, sleep=watch.sleep)
    monkeypatch.setitem(INJECTED, "hook", {"graph_alerts": graph})
    watch.simulator.faults.expired_token(path=GRAPH)
    watch.simulator.faults.gateway_timeout(nth=2)
    watch.shown += [json.dumps(land(lake, source="graph_alerts")), json.dumps(land_incidents(lake))]
    watch.expected += ["Reading alerts with", "Reading incidents with", "getting a new one"]
    token = watch.simulator.access_token(resource="https://graph.microsoft.com")
    monkeypatch.setattr(watch.simulator.entra, "issue", lambda *given: token)
    watch.simulator.faults.status(404, f"<pre>Authorization: Bearer {token}</pre>", path=GRAPH)
    with pytest.raises(FailNow, match="HTTP 404") as raised:
        land(lake, source="graph_alerts")
    watch.shown += ["".join(traceback.format_exception(raised.value)), *_chain(raised.value)]


def test_an_answer_that_repeats_the_token_is_not_quoted(watch: Watch, lake: LakeFolder) -> None:
    """As a proxy does that shows the request it refuses."""
    token = watch.simulator.access_token()
    issue = watch.simulator.entra.issue
    watch.simulator.entra.issue = lambda *given: token  # type: ignore[method-assign]
    watch.simulator.faults.status(404, f"<pre>Authorization: Bearer {token}</pre>", path=ALERTS)
    with pytest.raises(FailNow) as raised:
        land(lake)
    watch.simulator.entra.issue = issue  # type: ignore[method-assign]
    watch.shown += ["".join(traceback.format_exception(raised.value)), *_chain(raised.value)]
    assert "HTTP 404" in str(raised.value)


def test_an_error_of_entra_id_that_repeats_the_secret_is_not_quoted(watch: Watch, lake: LakeFolder) -> None:
    secret = watch.simulator.client_secret
    body = {"error": "invalid_client", "error_codes": [7], "error_description": f"AADSTS7: not {secret}, no"}
    watch.simulator.faults.status(400, json.dumps(body), path=TOKEN)
    failing(watch, lake, CredentialError, "AADSTS7", "check the connection's fields")
