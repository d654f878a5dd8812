from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.hooks._connection.hosts import link_host, parse_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("api.security.microsoft.com", "api.security.microsoft.com"),
        ("API.Security.Microsoft.com:443", "api.security.microsoft.com"),
        ("https://api.security.microsoft.com/", "api.security.microsoft.com"),
        ("  127.0.0.1:8443 ", "127.0.0.1:8443"),
        ("https://localhost:8443", "localhost:8443"),
        ("[::1]:8443", "[::1]:8443"),
    ],
)
def test_a_host_is_normalised(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://api.example.com", "only https"),
        ("ftp://api.example.com", "only https"),
        ("https://api.example.com/api", "without a path"),
        ("api.example.com/api", "without a path"),
        ("api.example.com?x=1", "without a path"),
        ("https://user:pw@api.example.com", "user name"),
        ("api.example.com:0", "port"),
        ("api.example.com:65536", "port"),
        ("api.example.com:https", "host name"),
        ("api example.com", "host name"),
        ("api..example.com", "host name"),
        ("-api.example.com", "host name"),
        ("", "host name"),
        ("exämple.com", "host name"),
        ("a.example\n", None),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str, reason: str | None) -> None:
    if reason is None:
        assert parse_host(text) == text.strip()
        return
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_host(text)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_what_passes_is_a_bare_host_and_stays_itself(text: str) -> None:
    try:
        host = parse_host(text)
    except ValueError:
        return
    assert parse_host(host) == host
    parts = urlsplit(f"https://{host}/api")
    assert parts.netloc == host
    assert parts.username is None
    assert parts.path == "/api"


@pytest.mark.parametrize(
    "link",
    [
        "https://api.security.microsoft.com/api/alerts?$skip=10000&$filter=lastUpdateTime%20ge%202026",
        "https://api.security.microsoft.com:443/api",
        "https://API.security.microsoft.com",
    ],
)
def test_the_host_of_a_link_is_found(link: str) -> None:
    assert link_host(link) == "api.security.microsoft.com"


@pytest.mark.parametrize(
    "link",
    [
        "http://api.security.microsoft.com/api",
        "//api.security.microsoft.com/api",
        "/api/alerts",
        "https://api.security.microsoft.com@evil.example/",
        "https://api.security.microsoft.com\\@evil.example/",
        "https://evil.example\\.security.microsoft.com/",
        "https://api.security.microsoft.com#@evil.example/",
        "https:///evil.example",
        "https://api.security.microsoft.com/\r\nX: y",
        "https://api.security.microsoft.com /",
        "https://évil.example/",
        "",
    ],
)
def test_a_link_that_could_be_read_in_two_ways_is_refused(link: str) -> None:
    with pytest.raises(ValueError, match=r"it is|must"):
        link_host(link)


@given(st.text(alphabet="ab.:/@\\?#[]%12- \t", max_size=30) | st.text(max_size=30))
def test_a_link_that_passes_leads_where_requests_goes(tail: str) -> None:
    import requests

    link = f"https://{tail}"
    try:
        host = link_host(link)
    except ValueError:
        return
    prepared = requests.Request("GET", link).prepare().url
    assert prepared is not None
    assert parse_host(urlsplit(prepared).netloc) == host
