"""`get`: any path of the API, as dicts, with paging, quota, retries and errors as everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)
from airflow_provider_defender.hooks import DefenderEndpointHook
from airflow_provider_defender.hooks._rest.address import address
from airflow_provider_defender.hooks._rest.pages import read_any
from airflow_provider_defender.simulator import Simulator
from tests.unit.hooks._rest.local_api import LocalApi
from tests.unit.hooks.conftest import Connect, Watch


@pytest.fixture
def served(tmp_path: Path) -> Iterator[LocalApi]:
    with LocalApi(tmp_path / "tls") as served:
        yield served


@pytest.fixture
def hook(served: LocalApi, connect: Connect, watch: Watch) -> DefenderEndpointHook:
    """A hook of an API that the test itself serves, with tokens of the simulator's."""
    connect("entra_id_default")
    place = {"host": "127.0.0.1", "port": served.port, "login": None, "password": None}
    options = {"entra_id_conn_id": "entra_id_default", "ca_bundle": served.ca_bundle}
    return DefenderEndpointHook(connect("defender_default", **place, **options), sleep=watch.sleep)


def test_pages_are_followed_to_the_end(hook: DefenderEndpointHook, served: LocalApi) -> None:
    second = f"https://{served.host}/api/machines?$skiptoken=2"
    served.put("/api/machines", {"value": [{"id": "a", "n": None}, {"id": "b"}], "@odata.nextLink": second})
    served.put("/api/machines?$skiptoken=2", {"@odata.count": 3, "value": [{"id": "c", "tags": ["x"]}]})
    machines = hook.get("/api/machines")
    assert next(machines) == {"id": "a", "n": None}
    assert len(served.asked) == 1  # one page at a time
    assert list(machines) == [{"id": "b"}, {"id": "c", "tags": ["x"]}]


def test_parameters_are_written_as_a_query(hook: DefenderEndpointHook, served: LocalApi) -> None:
    target = "/api/machines?$top=10&$filter=name%20eq%20'%C3%A4%26b'&flag=true"
    served.put(target, {"value": []})
    params = {"$top": 10, "$filter": "name eq 'ä&b'", "flag": True, "left": None}
    assert list(hook.get("/api/machines", params)) == []
    assert [asked.target for asked in served.asked] == [target]


@pytest.mark.parametrize(
    ("body", "records"),
    [
        ({"id": "m1", "value": "text"}, [{"id": "m1", "value": "text"}]),
        ({"@odata.context": "x", "score": 7}, [{"@odata.context": "x", "score": 7}]),
        ([{"id": 1}, {"id": 2}], [{"id": 1}, {"id": 2}]),
        (b'\xef\xbb\xbf {"id": "m1"} ', [{"id": "m1"}]),
        (b'{"value": [{"id": "\\ud83d", "big": 123456789012345678901234567890}]}', None),
    ],
)
def test_an_answer_that_is_no_page_is_its_own_record(
    hook: DefenderEndpointHook, served: LocalApi, body: Any, records: list[dict[str, Any]] | None
) -> None:
    served.put("/api/machines/m1", body)
    expected = records or [{"id": "\ud83d", "big": 123456789012345678901234567890}]
    assert list(hook.get("/api/machines/m1")) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"valu": [{"id": 1}], "@odata.nextLink": "https://x.example/"}',  # a page with a damaged name
        b'{"value": [{"id": 1}',
        b'{"error": {"code": "x", "message": "broke off"}}',
        b"7",
        b"",
        b"<html>",
    ],
)
def test_what_is_no_whole_answer_is_an_outage(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_any(body)


def test_outages_and_quotas_are_waited_for(
    hook: DefenderEndpointHook, served: LocalApi, watch: Watch
) -> None:
    served.put("/api/machines", {}, 503)
    served.put("/api/machines", b'{"value": [{"id"')
    served.put("/api/machines", {"error": {"code": "429", "message": "x"}}, 429, Retry_After="5")
    served.put("/api/machines", {"value": [{"id": "a"}]})
    assert list(hook.get("/api/machines")) == [{"id": "a"}]
    assert len(watch.waits) == hook.retries == 3
    served.answers.clear()
    served.put("/api/machines", {}, 503)
    with pytest.raises(ServiceUnavailable):
        list(hook.get("/api/machines"))
    served.answers.clear()
    served.put("/api/machines", {"error": {"code": "429", "message": "x"}}, 429, Retry_After="900")
    with pytest.raises(Throttled):
        list(hook.get("/api/machines"))


def test_our_own_quota_counts(served: LocalApi, connect: Connect, watch: Watch) -> None:
    connect("entra_id_default")
    place = {"host": "127.0.0.1", "port": served.port, "login": None, "password": None}
    options = {"entra_id_conn_id": "entra_id_default", "ca_bundle": served.ca_bundle, "calls_per_minute": 1}
    connect("defender_default", **place, **options)
    now = [0.0]
    hook = DefenderEndpointHook(
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds), clock=lambda: now[0]
    )
    served.put("/api/machines", {"value": []})
    for _ in range(3):
        assert list(hook.get("/api/machines")) == []
    assert now == [120.0]


def test_a_path_that_is_not_there(hook: DefenderEndpointHook, served: LocalApi, watch: Watch) -> None:
    with pytest.raises(RequestRefused, match="nothing at /api/nothing") as caught:
        list(hook.get("/api/nothing"))
    assert "or nothing at the path that was asked for: check host, cloud and path" in str(caught.value)
    watch.shown.append(str(caught.value))
    assert len(served.asked) == 1


def test_a_record_that_is_no_object_is_told(hook: DefenderEndpointHook, served: LocalApi) -> None:
    served.put("/api/machines", {"value": [{"id": "a"}, 7]})
    found = hook.get("/api/machines")
    assert next(found) == {"id": "a"}
    with pytest.raises(ValueError, match="no JSON object, but '7'"):
        next(found)


def test_single_alerts_of_the_simulator(connect: Connect, simulator: Simulator) -> None:
    hook = DefenderEndpointHook(connect("defender_default"))
    first = next(hook.get("/api/alerts", {"$top": 1}))
    [single] = hook.get(f"/api/alerts/{first['id']}")
    assert {name: single[name] for name in first} == first


@pytest.mark.parametrize(
    "path",
    [
        "api/machines",
        "//attacker.example/api",
        "https://attacker.example/api",
        "/api/../admin",
        "/api/..;/admin",
        "/api/%2e%2e/admin",
        "/api/%2E./admin",
        "/api%2fmachines",
        "/api/%5cadmin",
        "/api/%252e",
        "/api/machines?$top=1",
        "/api/machines#x",
        "/api\\machines",
        "/api/a b",
        "/api/\r\nX: y",
        "/api/machines\n",
        "/api//machines",
        "/",
        "",
        None,
        "@attacker.example/",
        ":443@attacker.example/",
    ],
)
def test_only_plain_paths_get_the_token(hook: DefenderEndpointHook, served: LocalApi, path: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a path of the API: give it from its first /"):
        hook.get(path)
    assert served.asked == []


@given(st.text(st.sampled_from("/.%2eEfF5cC;a@:?#\\ é"), max_size=12))
def test_whatever_the_path_the_host_stays(path: str) -> None:
    from urllib.parse import unquote, urlsplit

    try:
        url = address("api.example", path, {"$top": 1})
    except ConfigurationError:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment, parts.query) == ("https", "api.example", "", "$top=1")
    assert ".." not in unquote(unquote(parts.path))
    assert "\\" not in unquote(parts.path)
