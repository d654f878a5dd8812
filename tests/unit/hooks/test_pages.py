"""Pages are cut into records; a record that is no proper JSON does not spoil its page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.hooks._pages import read_page

ENVELOPE = ("value", "@odata.nextLink")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("value"), inner),
    max_leaves=15,
)
BROKEN = [
    rb'{"half":"\ud83d"}',
    b'{"bytes":"\xff\xfe"}',
    b'{"number":NaN}',
    b'{"control":"\x01"}',
    b"{'quoted'}",
]


def texts(body: bytes) -> list[bytes]:
    return [bytes(record) for record in read_page(body).value]


@given(
    st.lists(VALUES),
    st.none() | st.text(),
    st.dictionaries(st.text().filter(lambda name: name not in ENVELOPE), VALUES),
    st.sampled_from(BROKEN),
)
def test_one_broken_record_leaves_all_others_as_they_are(
    records: list[Any], link: str | None, rest: dict[str, Any], broken: bytes
) -> None:
    good = [json.dumps(record).encode() for record in records]
    envelope = json.dumps({**rest, "@odata.nextLink": link} if link else rest).encode()[1:]
    comma = b"" if envelope == b"}" else b","
    page = read_page(b'{"value": [' + b", ".join([*good, broken]) + b"]" + comma + envelope)
    assert [bytes(record) for record in page.value] == [*good, broken]
    assert page.next_link == (link or None)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_link_before_the_records_is_found_too(broken: bytes) -> None:
    page = read_page(b'{"@odata.nextLink":"https://host/next","value":[' + broken + b',{"id":"x"}]}')
    assert [bytes(record) for record in page.value] == [broken, b'{"id":"x"}']
    assert page.next_link == "https://host/next"


@given(st.data())
def test_a_body_that_is_cut_off_is_never_a_page(data: st.DataObject) -> None:
    body = json.dumps(
        {"value": [{"id": "a", "evidence": [{}]}, {"id": "b"}], "@odata.nextLink": "x"}
    ).encode()
    cut = data.draw(st.integers(min_value=0, max_value=len(body) - 1))
    with pytest.raises(ValueError, match=r"broken JSON|an empty body"):
        read_page(body[:cut])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "an empty body"),
        (b"  ", "an empty body"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b'{"value":null}', "JSON of another shape"),
        (b'{"error":{}}', "JSON of another shape"),
        (b"[]", "JSON of another shape"),
        (rb'{"value":null,"half":"\ud83d"}', "JSON of another shape"),
        (rb'{"value":["\ud83d"],"@odata.nextLink":17}', "JSON of another shape"),
        (rb'{"value":["\ud83d"],"@odata.nextLink":{"a":"b"}}', "JSON of another shape"),
        (rb'{"value":{"a":["\ud83d"]}}', "JSON of another shape"),
        (rb'{"error":{"value":["\ud83d"]}}', "JSON of another shape"),
        (b"Bad gateway", "broken JSON"),
    ],
)
def test_what_is_no_page_is_named(body: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=kind):
        read_page(body)


def test_a_record_that_is_nested_too_deeply_spoils_nothing() -> None:
    deep = b'{"deep":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    assert texts(b'{"value":[{"id":"a"},' + deep + b',{"id":"b"}]}') == [b'{"id":"a"}', deep, b'{"id":"b"}']


def test_a_proper_page_keeps_every_byte_of_its_records() -> None:
    record = '{"id":"ü😀","n":1.50,"t":"\\u00e9"}'.encode()
    assert texts(b'{"value":[ ' + record + b" , {} ]}") == [record, b"{}"]
