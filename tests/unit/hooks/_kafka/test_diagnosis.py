"""Whom the probe trusts: as librdkafka does, and no word of TLS where the CA's file is what is wrong."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    ConnectionFailed,
    DefenderError,
    HostUnreachable,
    ServiceUnavailable,
    TlsMismatch,
)
from airflow_provider_defender.hooks._kafka.diagnosis import diagnose
from airflow_provider_defender.simulator.server.tls import TlsFiles, issue_tls_files
from tests.unit.hooks._kafka.test_settings import hub_conn, settings

_OWN = {"host": "kafka.example", "sasl.username": "reader"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return issue_tls_files(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture
def address(files: TlsFiles) -> Iterator[tuple[str, int]]:
    """A server that shakes hands, and no more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield "localhost", listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def look(address: tuple[str, int], ca: Path | str | None, *, verify: bool = True) -> DefenderError | None:
    bundle = str(ca) if ca else None
    return diagnose(address, tls=True, ca_bundle=bundle, prefix="Connection 'c'", seconds=5.0, verify=verify)


def test_a_file_and_a_directory_of_cas(address: tuple[str, int], files: TlsFiles, tmp_path: Path) -> None:
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(files.authority)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(files.authority.read_bytes())
    assert look(address, files.authority) is None
    assert look(address, tmp_path) is None


@pytest.mark.parametrize("ca", [None, "probe"])
def test_the_systems_cas(
    address: tuple[str, int], files: TlsFiles, ca: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is not trusted" in str(look(address, ca))
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    assert look(address, ca) is None


def test_a_directory_without_the_ca(address: tuple[str, int], tmp_path: Path) -> None:
    found = look(address, tmp_path)
    assert isinstance(found, TlsMismatch)
    assert "is not trusted" in str(found)


@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_that_holds_no_ca(address: tuple[str, int], tmp_path: Path, content: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    for verify in (True, False):
        found = look(address, ca, verify=verify)
        assert isinstance(found, ConfigurationError)
        assert str(ca) in str(found)


def test_a_kafka_of_ones_own_that_is_not_verified(address: tuple[str, int], tmp_path: Path) -> None:
    assert look(address, None, verify=False) is None
    assert look(("127.0.0.1", address[1]), tmp_path, verify=False) is None  # nor is its name


@pytest.mark.parametrize(
    ("given", "verifies"), [(None, True), ("true", True), ("1", True), ("false", False), (False, False)]
)
def test_whether_the_certificate_is_verified(given: str | bool | None, verifies: bool) -> None:
    extra = {} if given is None else {"enable.ssl.certificate.verification": given}
    assert settings(hub_conn("password", **_OWN, **extra)).verifies is verifies


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (socket.EAI_NONAME, HostUnreachable, "the host name has no address"),
        (socket.EAI_AGAIN, ServiceUnavailable, "no name server answers"),
    ],
)
def test_only_a_name_that_does_not_exist_is_final(
    code: int, kind: type[DefenderError], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    found = look(("kafka.example", 9093), None)
    assert type(found) is kind
    assert text in str(found)


@pytest.fixture
def hanging() -> Iterator[Callable[..., None]]:
    """A function that does not return while the test lasts."""
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait()
        raise OSError

    yield hang
    over.set()


def test_a_name_server_that_hangs_may_come_back(
    hanging: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    found = diagnose(("kafka.example", 9093), tls=False, ca_bundle=None, prefix="c", seconds=0.1)
    assert type(found) is ServiceUnavailable
    assert "no name server answers" in str(found)


def test_a_host_that_does_not_answer_is_final(
    hanging: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is known, so that a firewall or a wrong port may be the reason as well."""
    monkeypatch.setattr(socket, "create_connection", hanging)
    found = diagnose(("localhost", 9093), tls=False, ca_bundle=None, prefix="c", seconds=1.0)
    assert type(found) is ConnectionFailed
    assert "no connection in time" in str(found)
