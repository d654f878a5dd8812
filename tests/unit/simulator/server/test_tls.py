"""The server's certificates and their authority."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509

from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.server import tls
from airflow_provider_defender.simulator.server.tls import TlsFiles, issue_tls_files
from tests.unit.simulator.conftest import Client


def test_state_folder_keeps_the_authority(tmp_path: Path) -> None:
    with Simulator(tenant=Tenant(alerts=0), state_folder=tmp_path) as first:
        authority = (tmp_path / "ca.pem").read_bytes()
    with Simulator(tenant=Tenant(alerts=0), state_folder=tmp_path) as second:
        assert (tmp_path / "ca.pem").read_bytes() == authority
        assert Client(second).get().status_code == 200
    assert first.ca_bundle == second.ca_bundle
    with Simulator(tenant=Tenant(alerts=0), state_folder=tmp_path, names=["simulator.test"]) as third:
        assert (tmp_path / "ca.pem").read_bytes() != authority
        assert Client(third).get().status_code == 200


def san(files: TlsFiles) -> x509.SubjectAlternativeName:
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_the_certificate_names_every_host(tmp_path: Path) -> None:
    names = san(issue_tls_files(tmp_path, ["127.0.0.1", "::1", "localhost"]))
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_the_key_is_pkcs8_and_for_its_owner_only(tmp_path: Path) -> None:
    key = issue_tls_files(tmp_path, ["localhost"]).key
    assert key.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert key.stat().st_mode & 0o077 == 0


def test_the_authoritys_key_is_not_kept(tmp_path: Path) -> None:
    files = issue_tls_files(tmp_path, ["localhost"])
    assert sorted(tmp_path.iterdir()) == sorted([files.authority, files.certificate, files.key])
    assert "PRIVATE" not in files.authority.read_text() + files.certificate.read_text()


def test_files_that_fit_are_kept_and_others_replaced(tmp_path: Path) -> None:
    first = issue_tls_files(tmp_path, ["localhost"])
    certificate = first.certificate.read_bytes()
    assert issue_tls_files(tmp_path, ["localhost"]).certificate.read_bytes() == certificate
    other = issue_tls_files(tmp_path / "other", ["localhost"])
    first.authority.write_bytes(other.authority.read_bytes())
    assert issue_tls_files(tmp_path, ["localhost"]).certificate.read_bytes() != certificate


def test_files_that_soon_expire_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_VALID", dt.timedelta(days=6))
    certificate = issue_tls_files(tmp_path, ["localhost"]).certificate.read_bytes()
    assert issue_tls_files(tmp_path, ["localhost"]).certificate.read_bytes() != certificate


def test_a_host_that_no_certificate_can_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No certificate can be issued for localhost, my_host: .*hyphens"):
        issue_tls_files(tmp_path, ["localhost", "my_host"])
    with pytest.raises(ValueError, match="my_host"):
        Simulator(tenant=Tenant(7, alerts=0), names=["my_host"])
