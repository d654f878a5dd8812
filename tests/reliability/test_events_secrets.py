"""P8 for events: no secret is seen anywhere, whether a drain lands, fails, or is set up wrongly.

Everything is logged, at level DEBUG and past Airflow's masker, librdkafka's own lines on stderr included.
"""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.compat import AirflowFailException
from airflow_provider_defender.exceptions import ConfigurationError, FailNow
from airflow_provider_defender.hooks._connection import redaction
from airflow_provider_defender.sensors import EventHubSensor
from airflow_provider_defender.simulator.events import EmbeddedHub
from tests.helpers.airflow import context
from tests.helpers.event_hubs import EventLake, drain
from tests.reliability.events_support import Namespace

KEY = "c2VjcmV0LXNoYXJlZC1hY2Nlc3Mta2V5LTAxMjM0NTY3ODk="
STRING = f"Endpoint=sb://127.0.0.1/;SharedAccessKeyName=listen;SharedAccessKey={KEY}"
OTHER = "another-s3cret"
LOGGERS = (None, "airflow", "airflow_provider_defender")


class Watch:
    """Everything that was shown to anybody."""

    def __init__(self, lake: EventLake) -> None:
        self.lake = lake
        self.logged = io.StringIO()
        self.shown: list[str] = []
        self.expected: list[str] = []
        """Parts of log lines that must be there: else nothing was watched."""

    def check(self, captured: str) -> None:
        texts = [self.logged.getvalue(), captured, *self.shown]
        assert [part for part in self.expected if part not in captured] == []
        for secret in (KEY, STRING, OTHER):
            assert [text for text in texts if secret in text] == []
            files = [path for path in self.lake.path.glob("**/*") if path.is_file()]
            assert [path for path in files if secret.encode() in path.read_bytes()] == []

    def failing(self, kind: type[FailNow], **arguments: Any) -> str:
        """The operator fails without retry; its message."""
        with pytest.raises(AirflowFailException) as raised:
            drain(self.lake, **arguments)
        error: BaseException | None = raised.value
        self.shown.append("".join(traceback.format_exception(raised.value)))
        self.shown.append(repr(vars(raised.value)))
        while error is not None:
            self.shown.append(f"{error!r} {error} {error.args!r}")
            error = error.__cause__ or error.__context__
        assert isinstance(raised.value, kind)
        assert self.lake.records() == []
        return str(raised.value)


@pytest.fixture
def watch(
    fast_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watch]:
    watch = Watch(EventLake(fast_folder / "lake"))
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    monkeypatch.setattr(redaction, "mask_secret", lambda secret: None)
    handler, root = logging.StreamHandler(watch.logged), logging.getLogger()
    root.addHandler(handler)
    for name in LOGGERS:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    root.manager._clear_cache()  # type: ignore[attr-defined]
    yield watch
    captured = capfd.readouterr()
    root.removeHandler(handler)
    structlog.reset_defaults()
    watch.check(captured.out + captured.err)


def connect(namespace: Namespace, monkeypatch: pytest.MonkeyPatch, protocol: str, **extra: Any) -> None:
    """A connection with secrets wherever there is room for some."""
    connection = {
        "conn_type": "event_hub",
        "host": "127.0.0.1",
        "port": namespace.embedded.port,
        "password": STRING,
        "extra": {
            "event_hub": namespace.hub,
            "security_protocol": protocol,
            "kafka_config": {"ssl.key.password": OTHER, "debug": "conf,security"},
            **extra,
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_EVENT_HUB_DEFAULT", json.dumps(connection))


def test_a_run_that_lands_shows_no_secret(
    watch: Watch, embedded: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = Namespace(embedded)
    connect(namespace, monkeypatch, "PLAINTEXT", kafka_config={"ssl.key.password": OTHER})
    namespace.fill(4)
    given = context()
    summary = drain(watch.lake, given, group_id="monitoring")
    assert summary["messages"] == 8
    event = given["outlet_events"][defender_asset("event_hub_default", "events/default")]
    sensor = EventHubSensor(task_id="wait", lake=watch.lake.uri)
    assert sensor.poke(context()) is False  # type: ignore[arg-type]
    watch.shown += [json.dumps(summary), json.dumps(event.extra), repr(vars(sensor))]
    watch.expected.append("8 messages read")


def test_a_port_that_speaks_no_tls(
    watch: Watch, embedded: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(Namespace(embedded), monkeypatch, "SASL_SSL", kafka_config={})
    watch.failing(FailNow)


def test_a_sign_in_that_the_namespace_does_not_know(
    watch: Watch, embedded: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(Namespace(embedded), monkeypatch, "SASL_PLAINTEXT", kafka_config={})
    watch.failing(FailNow)


def test_a_connection_string_that_is_none(
    watch: Watch, embedded: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(Namespace(embedded), monkeypatch, "SASL_SSL", kafka_config=f'{{"ssl.key.password": {OTHER}')
    assert "kafka_config" in watch.failing(ConfigurationError)


def test_secrets_in_the_operators_arguments_are_refused(
    watch: Watch, embedded: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(Namespace(embedded), monkeypatch, "PLAINTEXT")
    text = watch.failing(ConfigurationError, kafka_config={"sasl.password": STRING})
    assert "into the extra of the connection" in text
