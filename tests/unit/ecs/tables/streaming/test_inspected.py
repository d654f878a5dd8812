"""Targets of inspected HTTP requests, and other things that the network inspection saw."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.ecs.helpers.event_rows import device_row, part

SEEN: dict[str, Any] = {
    "ActionType": "HttpConnectionInspected",
    "LocalIP": "10.0.0.5",
    "LocalPort": 50123,
    "RemoteIP": "203.0.113.7",
    "RemotePort": 80,
}


def inspected(action: str, **keys: str) -> dict[str, Any]:
    """The row of an inspected connection that left the device, if no direction is given."""
    additional = json.dumps({"direction": "Out", **keys})
    return device_row("DeviceNetworkEvents", **{**SEEN, "ActionType": action, "AdditionalFields": additional})


def request(**keys: str) -> tuple[dict[str, Any], str | None, list[str]]:
    """A request's url.* without the root, its destination.domain, and the related hosts but the device."""
    fields = inspected("HttpConnectionInspected", **keys)
    url = {name.removeprefix("url."): value for name, value in part(fields, "url").items()}
    return url, fields.get("destination.domain"), fields["related.hosts"][1:]


@pytest.mark.parametrize(
    ("method", "host", "target", "url"),
    [
        ("GET", "a.example", "/x?q=1", {"full": "http://a.example/x?q=1", "path": "/x", "query": "q=1"}),
        ("GET", "a.example:8080", "/", {"full": "http://a.example:8080/", "port": 8080, "path": "/"}),
        ("GET", "a.example", "//x", {"full": "http://a.example//x", "path": "//x"}),
        (
            "GET",
            "a.example",
            "/?u=http://b.example/",
            {"full": "http://a.example/?u=http://b.example/", "path": "/", "query": "u=http://b.example/"},
        ),
    ],
)
def test_origin_form_is_completed_by_the_host(
    method: str, host: str, target: str, url: dict[str, Any]
) -> None:
    assert request(method=method, host=host, uri=target) == (
        {"original": target, "scheme": "http", "domain": "a.example", **url},
        "a.example",
        ["a.example"],
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_absolute_form_is_the_url(scheme: str) -> None:
    target = f"{scheme}://b.example:8443/x?q=1"
    assert request(method="GET", host="a.example", uri=target) == (
        {
            "full": target,
            "original": target,
            "scheme": scheme,
            "domain": "b.example",
            "port": 8443,
            "path": "/x",
            "query": "q=1",
        },
        None,
        ["b.example"],
    )


@pytest.mark.parametrize("method", ["CONNECT", "GET"])
def test_authority_form_has_domain_and_port_and_no_path(method: str) -> None:
    url = {"original": "a.example:443", "domain": "a.example", "port": 443}
    assert request(method=method, host="a.example", uri="a.example:443") == (url, None, ["a.example"])


def test_authority_of_version_6_is_an_address() -> None:
    fields = inspected("HttpConnectionInspected", method="CONNECT", uri="[2001:db8::9]:443")
    assert part(fields, "url") == {
        "url.original": "[2001:db8::9]:443",
        "url.domain": "[2001:db8::9]",
        "url.port": 443,
    }
    assert fields["related.ip"] == ["10.0.0.5", "203.0.113.7", "2001:db8::9"]
    assert fields["related.hosts"] == ["ws1.contoso.com"]


def test_asterisk_form_is_no_url() -> None:
    assert request(method="OPTIONS", host="a.example", uri="*") == ({}, "a.example", ["a.example"])


@pytest.mark.parametrize("host", ["", "a b", "a.example/x", "uri=a.example", "a.example:443:1"])
def test_what_is_no_host_completes_nothing(host: str) -> None:
    assert request(method="GET", host=host, uri="/x.js?q") == (
        {"original": "/x.js?q", "path": "/x.js", "extension": "js", "query": "q"},
        None,
        [],
    )


def test_target_of_no_form_is_only_kept() -> None:
    url, domain, hosts = request(method="GET", host="a.example", uri="x y")
    assert url == {"original": "x y", "domain": "a.example"}
    assert (domain, hosts) == ("a.example", ["a.example"])


def test_whole_remote_url_counts_before_the_request_and_a_mere_name_behind_it() -> None:
    seen = json.dumps({"direction": "Out", "host": "a.example", "uri": "/x"})
    for url, expected in (
        ("https://c.example/y", "https://c.example/y"),
        ("a.example", "http://a.example/x"),
    ):
        fields = device_row("DeviceNetworkEvents", **SEEN, RemoteUrl=url, AdditionalFields=seen)
        assert fields["url.full"] == expected


@pytest.mark.parametrize(
    ("version", "protocol", "number"),
    [
        ("TLSv12", "tls", "1.2"),
        ("TLSv1.3", "tls", "1.3"),
        ("DTLSv10", "dtls", "1.0"),
        ("SSLv3", "ssl", "3.0"),
        ("unknown-64282", None, None),
        ("TLSv", None, None),
    ],
)
def test_version_of_tls(version: str, protocol: str | None, number: str | None) -> None:
    fields = inspected("SslConnectionInspected", version=version)
    assert (fields.get("tls.version_protocol"), fields.get("tls.version")) == (protocol, number)
    assert "http.version" not in fields


@pytest.mark.parametrize(
    ("action", "protocol", "transport"),
    [
        ("SslConnectionInspected", "tls", None),
        ("NtlmAuthenticationInspected", "ntlm", None),
        ("KerberosConnectionInspected", "kerberos", None),
        ("SmbConnectionInspected", "smb", None),
        ("IcmpConnectionInspected", None, "icmp"),
        ("NetworkSignatureInspected", None, None),
        ("InboundInternetScanInspected", None, None),
    ],
)
def test_protocol_by_what_was_inspected(action: str, protocol: str | None, transport: str | None) -> None:
    fields = inspected(action)
    assert (fields.get("network.protocol"), fields.get("network.transport")) == (protocol, transport)


def test_keys_of_one_protocol_say_nothing_about_another() -> None:
    keys = {"subject": "Hello", "client": "jdoe/A.EXAMPLE", "host": "a.example", "uri": "/x", "user": "bob"}
    fields = inspected("DnsConnectionInspected", **keys, version="TLSv12", status_code="200")
    assert not part(fields, "email", "tls", "http", "url")
    assert fields["user.name"] == "jdoe"
    assert "bob" not in fields["related.user"]


def test_initiating_account_counts_before_the_one_that_logs_on() -> None:
    fields = inspected("NtlmAuthenticationInspected", username="bob", domainname="B", direction="Out")
    assert (fields["user.name"], fields["user.domain"]) == ("jdoe", "contoso")
    assert fields["related.user"][-1] == "bob"


@pytest.mark.parametrize(
    ("action", "key"),
    [
        ("NtlmAuthenticationInspected", "success"),
        ("KerberosConnectionInspected", "success"),
        ("SshConnectionInspected", "auth_success"),
    ],
)
def test_result_of_an_inspected_logon_is_the_outcome(action: str, key: str) -> None:
    outcomes = [inspected(action, **{key: text}).get("event.outcome") for text in ("true", "false", "")]
    assert outcomes == ["success", "failure", None]
    assert "event.outcome" not in inspected("HttpConnectionInspected", **{key: "true"})
