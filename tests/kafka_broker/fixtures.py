"""One simulated tenant and one broker that trusts its tokens, started once a test run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_defender.simulator import Simulator
from tests.helpers.tools import need
from tests.kafka_broker.broker import KafkaBroker, TokenIssuer
from tests.kafka_broker.jars import missing_tools


@pytest.fixture(scope="session")
def entra() -> Iterator[Simulator]:
    """The simulated Entra ID whose tokens the broker accepts."""
    with Simulator(calls_per_minute=None, calls_per_hour=None) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def running_broker(entra: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The broker of the test run. Without Java or Maven its tests are skipped, with `CI=true` they fail."""
    need(missing_tools(), "tests with a broker")
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka") / "broker", issuer=TokenIssuer.of(entra))
    try:
        broker.start()
        yield broker
    finally:
        broker.delete()


@pytest.fixture
def broker(running_broker: KafkaBroker) -> KafkaBroker:
    """The broker, up: a test that failed may have left it down."""
    if not running_broker.is_running:
        running_broker.start()
    return running_broker
