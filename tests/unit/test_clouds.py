from __future__ import annotations

import pytest

from airflow_provider_defender.clouds import CLOUDS
from airflow_provider_defender.hooks._connection.hosts import parse_host


def test_all_clouds_are_there() -> None:
    assert list(CLOUDS) == ["public", "gcc", "gcc_high", "dod", "china", "custom"]


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS)
def test_hosts_are_bare_and_scopes_end_in_default(cloud) -> None:  # type: ignore[no-untyped-def]
    hosts = [*cloud.authority_hosts, *cloud.defender.families, *cloud.graph.families]
    assert [parse_host(host) for host in hosts] == hosts
    for scope in (cloud.defender.scope, cloud.graph.scope):
        assert scope is None or (scope.startswith("https://") and scope.endswith("/.default"))
    for api in (cloud.defender, cloud.graph):
        if api.host:
            assert api.owns(api.host)


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
    assert CLOUDS[cloud].defender.owns(host) is owned


@pytest.mark.parametrize(
    ("cloud", "host"),
    [
        ("public", "graph.microsoft.com"),
        ("gcc", "graph.microsoft.com"),
        ("gcc_high", "graph.microsoft.us"),
        ("dod", "dod-graph.microsoft.us"),
        ("china", "microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_a_graph_of_its_own(cloud: str, host: str) -> None:
    """Microsoft Learn, "National cloud deployments": the host is the audience, too."""
    graph = CLOUDS[cloud].graph
    assert (graph.host, graph.scope) == (host, f"https://{host}/.default")
    others = {each.graph.host for each in CLOUDS.values() if each.graph.host} - {host}
    assert not any(graph.owns(other) for other in others)
    assert not graph.owns(f"{host}.evil.example")
    assert not graph.owns(f"evil{host}")
    assert not graph.owns(CLOUDS[cloud].defender.host or "api.security.microsoft.com")


def test_a_custom_cloud_has_no_hosts_of_its_own() -> None:
    assert CLOUDS["custom"].graph.host is CLOUDS["custom"].defender.host is None
    assert not CLOUDS["custom"].graph.owns("graph.microsoft.com")
