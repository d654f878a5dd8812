from __future__ import annotations

import pytest

from airflow_provider_defender.clouds import CLOUDS
from airflow_provider_defender.hooks._hosts import parse_host


def test_all_clouds_are_there() -> None:
    assert list(CLOUDS) == ["public", "gcc", "gcc_high", "dod", "china", "custom"]


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS)
def test_hosts_are_bare_and_scopes_end_in_default(cloud) -> None:  # type: ignore[no-untyped-def]
    hosts = [*cloud.authority_hosts, *cloud.defender_families]
    assert [parse_host(host) for host in hosts] == hosts
    for scope in (cloud.defender_scope, cloud.graph_scope):
        assert scope is None or (scope.startswith("https://") and scope.endswith("/.default"))
    if cloud.defender_host:
        assert cloud.owns_defender_host(cloud.defender_host)


@pytest.mark.parametrize(
    ("cloud", "host", "owned"),
    [
        ("public", "eu.api.security.microsoft.com", True),
        ("public", "api-us.securitycenter.microsoft.com", True),
        ("public", "api.securitycenter.windows.com", True),
        ("public", "evilsecurity.microsoft.com", False),
        ("public", "security.microsoft.com.evil.example", False),
        ("public", "api.security.microsoft.com:8443", False),
        ("public", "api-gcc.securitycenter.microsoft.us", False),
        ("gcc", "api-gcc.security.microsoft.us", True),
        ("gcc", "api.security.microsoft.com", False),
        ("custom", "api.security.microsoft.com", False),
        ("china", "api.security.microsoft.com", False),
    ],
)
def test_only_the_clouds_own_hosts_are_its_own(cloud: str, host: str, owned: bool) -> None:
    assert CLOUDS[cloud].owns_defender_host(host) is owned
