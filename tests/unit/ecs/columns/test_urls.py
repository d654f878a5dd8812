"""URLs and their parts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.ecs import columns


def texts(*values: Any) -> pa.Array:
    return pa.array(values, pa.string())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://bob:pw@Evil.example.com:8443/a/b.PHP?x=1&y#top",
            {
                "scheme": "https",
                "domain": "evil.example.com",
                "port": 8443,
                "path": "/a/b.PHP",
                "extension": "php",
                "query": "x=1&y",
                "fragment": "top",
                "username": "bob",
                "password": "pw",
            },
        ),
        ("evil.example.com/path", {"domain": "evil.example.com", "path": "/path"}),
        ("http://[2001:db8::1]/", {"scheme": "http", "domain": "[2001:db8::1]", "path": "/"}),
        ("http://[broken", {}),
        ("FTP://a.example", {"scheme": "ftp", "domain": "a.example"}),
        ("a.example:8080?q#f", {"domain": "a.example", "port": 8080, "query": "q", "fragment": "f"}),
        ("mailto:bob@a.example", {}),
        ("data:text/html,x", {}),
        ("https://a.example/x y\n", {"scheme": "https", "domain": "a.example", "path": "/x y"}),
        ("https:///path", {}),
        ("http://host:99999/", {}),
        ("not a url", {}),
        ("uri=https://a.example/b", {}),
        ("url=a.example", {}),
        ("uri=*", {}),
        ("\\\\srv\\share\\f", {}),
        ("//srv/share", {}),
        ("C:\\Users\\jane\\a.txt", {}),
        ("C:/Users/jane/a.txt", {}),
        ("jane@contoso.example", {}),
        ("https://a.example*/x", {}),
        ("https://a..example/", {}),
        ("https://%61.example/", {}),
        (" https://a.example/ ", {"scheme": "https", "domain": "a.example", "path": "/"}),
        ("https://A.Example./x", {"scheme": "https", "domain": "a.example", "path": "/x"}),
        ("https://192.0.2.1/", {"scheme": "https", "domain": "192.0.2.1", "path": "/"}),
        ("https://[2001:DB8:0::1]:8443", {"scheme": "https", "domain": "[2001:db8::1]", "port": 8443}),
        ("https://[::ffff:192.0.2.1]/", {"scheme": "https", "domain": "192.0.2.1", "path": "/"}),
        ("http://[1.2:3]/", {}),
        ("https://bücher.example/ü", {"scheme": "https", "domain": "bücher.example", "path": "/ü"}),
        ("a.example:0/x", {"domain": "a.example", "path": "/x"}),
        (
            "https://a.example/x:y.php",
            {"scheme": "https", "domain": "a.example", "path": "/x:y.php", "extension": "php"},
        ),
        (
            "file:///C:/Users/jane/a.HTML",
            {"scheme": "file", "path": "/C:/Users/jane/a.HTML", "extension": "html"},
        ),
        ("file://srv/share/a", {"scheme": "file", "domain": "srv", "path": "/share/a"}),
        ("", {}),
        (None, {}),
    ],
)
def test_url_parts(url: Any, expected: dict[str, Any]) -> None:
    parts = zip(columns.URL_PARTS, columns.url_parts(texts(url)), strict=True)
    assert {name: part[0].as_py() for name, part in parts if part[0].is_valid} == expected


@given(st.text(st.sampled_from("aZ1.:/@?#[]=\\\\* -é"), max_size=20))
def test_a_domain_is_a_host(text: str) -> None:
    parts = dict(zip(columns.URL_PARTS, columns.parts_of_url(text), strict=True))
    domain = parts["domain"]
    if domain is None:
        assert not any(parts.values())
    else:
        plain = domain.strip("[]")
        assert domain in (columns.host_name(domain), plain, f"[{plain}]")
        assert domain == columns.host_name(domain) or plain == columns.canonical_ip(plain)
    columned = [part[0].as_py() for part in columns.url_parts(texts(text))]
    assert columned == list(parts.values())
