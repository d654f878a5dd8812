"""A page is whole or it is none; a record that is no proper JSON does not spoil its page."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.exceptions import PagingBroken
from airflow_provider_defender.hooks._rest import pages
from airflow_provider_defender.hooks._rest.pages import PageBody, read_page

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("value"), inner),
    max_leaves=15,
)
BROKEN = [
    rb'{"half":"\ud83d"}',
    b'{"bytes":"\xff\xfe"}',
    b'{"number":NaN}',
    b'{"control":"\x01"}',
    b'{"line feed":"a\nb","tab":"a\tb","escape":"a\x1bb"}',
    rb'{"escape":"\q"}',
    b'{"a":1 "b":2,}',
    b"{'quoted'}",
]
LINK = "https://api.security.microsoft.com/api/alerts?$expand=evidence&$skip=10000"
CONTEXT = "https://api.security.microsoft.com/api/$metadata#Alerts"
ALERTS = st.lists(
    st.fixed_dictionaries(
        {"id": st.text(min_size=1, max_size=8)},
        optional={
            "title": st.text(st.sampled_from('a"\\{}[],:\n@'), max_size=12),
            "evidence": st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=3)),
            "incidentId": st.none() | st.integers(),
        },
    ).map(lambda alert: json.dumps(alert).encode()),
    max_size=4,
)
"""Exact texts of alerts, their strings full of what could be taken for structure."""


def texts(body: bytes) -> list[bytes]:
    return [bytes(record) for record in read_page(body).value]


def page(records: list[bytes], link: str | None = LINK, *, link_first: bool = False) -> tuple[bytes, bytes]:
    """A page as the service writes it, as the bytes before its records and those after them."""
    head, tail = f'{{"@odata.context":"{CONTEXT}",', ""
    if link is not None and link_first:
        head += f'"@odata.nextLink":"{link}",'
    elif link is not None:
        tail = f',"@odata.nextLink":"{link}"'
    return f'{head}"value":['.encode(), f"]{tail}}}".encode()


def says_no_error(record: Any) -> bool:
    """Whether it is no object with a member of an error's name, for which a page is refused."""
    names = "\0".join(record).lower() if isinstance(record, dict) else ""
    return not any(word in names for word in ("error", "exception", "message", "title"))


@given(
    st.lists(VALUES.filter(says_no_error)),
    st.none() | st.text().filter(str.strip),
    st.dictionaries(
        st.from_regex(r"@[a-d.]{1,5}", fullmatch=True), st.none() | st.integers() | st.booleans()
    ),
    st.sampled_from(BROKEN),
)
def test_one_broken_record_leaves_all_others_as_they_are(
    records: list[Any], link: str | None, annotations: dict[str, Any], broken: bytes
) -> None:
    good = [json.dumps(record).encode() for record in records]
    members = {**annotations, "@odata.nextLink": link} if link else annotations
    envelope = json.dumps(members).encode()[1:]
    comma = b"" if envelope == b"}" else b","
    found = read_page(b'{"value": [' + b", ".join([*good, broken]) + b"]" + comma + envelope)
    assert [bytes(record) for record in found.value] == [*good, broken]
    assert found.next_link == link


@pytest.mark.parametrize("broken", BROKEN)
def test_a_link_before_the_records_is_found_too(broken: bytes) -> None:
    found = read_page(b'{"@odata.nextLink":"https://host/next","value":[' + broken + b',{"id":"x"}]}')
    assert [bytes(record) for record in found.value] == [broken, b'{"id":"x"}']
    assert found.next_link == "https://host/next"


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


def test_a_byte_order_mark_changes_nothing() -> None:
    assert texts(b'\xef\xbb\xbf{"value":[{"id":"a"}]}') == [b'{"id":"a"}']


# -- whole or not at all


def read_or_outage(body: bytes) -> PageBody | None:
    """The page, or None where reading it ends the way an outage does."""
    try:
        return read_page(body)
    except (ValueError, PagingBroken):
        return None


@st.composite
def one_byte_off(draw: st.DrawFn, text: bytes) -> bytes:
    """A text with one byte put in, taken out or replaced; marks of JSON more often than others."""
    at = draw(st.integers(0, len(text)))
    byte = draw(
        st.sampled_from([bytes([mark]) for mark in b'"\\{}[],:@0 n']) | st.binary(min_size=1, max_size=1)
    )
    kind = draw(st.sampled_from(["put in", "taken out", "replaced"]))
    if kind == "put in":
        return text[:at] + byte + text[at:]
    return text[:at] + (byte if kind == "replaced" else b"") + text[at + 1 :]


@given(st.data())
@settings(max_examples=150)
def test_damage_around_the_records_never_makes_a_smaller_page(data: st.DataObject) -> None:
    """One byte off: the same records and link, or an outage. The link's own text is the service's affair."""
    records = data.draw(ALERTS)
    broken = data.draw(st.none() | st.sampled_from(BROKEN))
    if broken is not None:
        records = [*records, broken]
    link = data.draw(st.sampled_from([None, LINK]))
    head, tail = page(records, link, link_first=data.draw(st.booleans()))
    parts = [head, *[part for record in records for part in (record, b",")][:-1], tail]
    place = data.draw(
        st.sampled_from(
            [index for index in range(len(parts)) if index in (0, len(parts) - 1) or parts[index] == b","]
        )
    )
    parts[place] = data.draw(one_byte_off(parts[place]))
    found = read_or_outage(b"".join(parts))
    if found is None:
        return
    given = [bytes(record) for record in found.value]
    # A digit put into an empty list is a record more, for the quarantine.
    assert given == records or (not records and len(given) == 1)
    if link is None or found.next_link is None:
        assert found.next_link == link
    else:
        assert abs(len(found.next_link) - len(link)) <= 1


@pytest.mark.parametrize("link", [None, LINK])
@pytest.mark.parametrize("broken", [[], BROKEN[:1], BROKEN[4:5]])
def test_every_byte_around_the_records_of_one_page(broken: list[bytes], link: str | None) -> None:
    """All single bytes put in, taken out or replaced, with all marks of JSON and some others."""
    records = [rb'{"id":"a","title":"}]\"","evidence":[{"x":[]}]}', *broken, b'{"id":"b"}']
    head, tail = page(records, link)
    body = head + b",".join(records) + tail
    end = len(body) - len(tail)
    places = [*range(len(head) + 1), len(head) + len(records[0]), *range(end, len(body) + 1)]
    url = body.find(LINK.encode())
    for at in places:
        for byte in (b"", *(bytes([mark]) for mark in b'"\\{}[],:@0nxL \n\x00\xc3')):
            for taken in {0, 1} - ({1} if at in (len(head), end - 1) else set()):
                found = read_or_outage(body[:at] + byte + body[at + taken :])
                if found is None:
                    continue
                assert [bytes(record) for record in found.value] == records
                if link is not None and url <= at <= url + len(LINK):
                    assert found.next_link
                else:
                    assert found.next_link == link


@given(st.data())
@settings(max_examples=150)
def test_damage_inside_a_record_spoils_no_other(data: st.DataObject) -> None:
    records = data.draw(ALERTS.filter(bool))
    link = data.draw(st.sampled_from([None, LINK]))
    head, tail = page(records, link, link_first=data.draw(st.booleans()))
    place = data.draw(st.integers(0, len(records) - 1))
    inside = records[place][1:-1]
    for _ in range(data.draw(st.integers(1, 3))):
        inside = data.draw(one_byte_off(inside))
    damaged = b"{" + inside + b"}"
    found = read_or_outage(head + b",".join([*records[:place], damaged, *records[place + 1 :]]) + tail)
    if found is None:
        return
    given = [bytes(record) for record in found.value]
    assert found.next_link == link
    assert given[:place] == records[:place]
    assert given[len(given) - (len(records) - place - 1) :] == records[place + 1 :]
    assert b",".join(given[place : len(given) - (len(records) - place - 1)]) == damaged


def test_a_quote_too_many_does_not_swallow_the_next_record() -> None:
    """The escaped quote of the next record closes what the surplus quote opened: these two look like one."""
    with pytest.raises(ValueError, match="broken JSON"):
        read_page(rb'{"value":[{""id":"a"},{"id":"\""}]}')


PAGE = b'{"value":[{"id":"a"},{"id":"b"}],"@odata.nextLink":"https://host/next"}'
ERROR = b'{"error":{"code":"InternalServerError","message":"boom"}}'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (PAGE + ERROR, "broken JSON"),
        (PAGE + PAGE, "broken JSON"),
        (PAGE + b"}", "broken JSON"),
        (PAGE + b"\x00", "broken JSON"),
        (PAGE.replace(b"{", b'{"error":{"code":"x"},', 1), "the unknown member 'error'"),
        (PAGE.replace(b"{", b'{"@odata.error":{"code":"x"},', 1), "the unknown member '@odata.error'"),
        (PAGE.replace(b"{", b'{"more":1,', 1), "the unknown member 'more'"),
        (PAGE.replace(b"{", b'{"Value":[],', 1), "the unknown member 'Value'"),
        (PAGE.replace(b"{", b'{"value":[],', 1), "a member that stands twice|broken JSON"),
        (PAGE.replace(b"{", b'{"value":5,', 1), "a member that stands twice"),
        (PAGE.replace(b"},{", b"}," + ERROR + b",{"), "an error among its records"),
        (PAGE.replace(b"}]", b"}," + ERROR + b"]"), "an error among its records"),
        (PAGE.replace(b"}]", b'},{"odata.error":{"code":"x"}}]'), "an error among its records"),
        (
            PAGE.replace(b"}]", b'},{"code":"InternalServerError","message":""}]'),
            "an error among its records",
        ),
        *(
            (PAGE.replace(b"}]", b"}," + error + b"]"), "an error among its records")
            for error in (
                b'{"error":{"code":"InternalServerError","message":"at A\n  at B"}}',
                rb'{"error":{"code":"x","message":"\ud83d"}}',
                b'{"error":"\xff"}',
                rb'{"\u0065rror":{"code":"x"}}',
                b'{"id":null,"error":{"code":"x"}}',
                b'{"errors":[{"code":"x"}]}',
                b'{"Code":"InternalServerError","Message":"boom"}',
                b'{"errorCode":"x","errorMessage":"boom"}',
                b'{"Message":"An error has occurred."}',
                b'{"type":"about:blank","title":"An error occurred","status":500,"traceId":"x"}',
            )
        ),
        *(
            (PAGE.replace(b'"@odata.nextLink":"https://host/next"', member), reason)
            for member, reason in (
                (b'"@odata.next":"/api/alerts?$skip=2"', "an address as '@odata.next'"),
                (b'"@odata.next_link":"alerts?$skip=2"', "an address as '@odata.next_link'"),
                (b'"@odata.nextLinks":["/api/alerts"]', "an address as '@odata.nextLinks'"),
                (b'"@odata.skipToken":"abc"', "'@odata.skipToken', which may lead to a next page"),
                (b'"@odata.deltaLink":"abc"', "'@odata.deltaLink', which may lead to a next page"),
                (b'"@odata.exception":{"code":"x"}', "the unknown member '@odata.exception'"),
            )
        ),
        (PAGE.replace(b"}]", b"},]"), "broken JSON"),
        (PAGE.replace(b"},{", b"},,{"), "broken JSON"),
        (PAGE.replace(b"},{", b"}{"), "broken JSON"),
        (PAGE.replace(b"},{", b"} {"), "broken JSON"),
        (PAGE.replace(b'"value":', b'"value"'), "broken JSON"),
        (PAGE.replace(b'"}],', b'"}]'), "broken JSON"),
        (PAGE.replace(b'next"}', b'next",}'), "broken JSON"),
        (PAGE.replace(b'"@odata.nextLink":', b'"@odata.nextLink"'), "broken JSON"),
        (PAGE.replace(b'"@odata.nextLink"', b'"@odata.nextLnk"'), "an address as '@odata.nextLnk'"),
        (PAGE.replace(b'"@odata.nextLink"', b'"@odata.nextLink "'), "an address as '@odata.nextLink'"),
        (PAGE.replace(b'"https://host/next"', b"[]"), "a page link that is no text"),
        (PAGE.replace(b'"https://host/next"', b"nul"), "broken JSON"),
        (PAGE.replace(b'"https://host/next"', b"NaN"), "broken JSON"),
        (PAGE.replace(b"https://host", b"https://\xff"), "broken JSON"),
        (PAGE.replace(b"https://host", rb"https://\ud83d"), "broken JSON"),
        (PAGE.decode().encode("utf-16"), "broken JSON"),
        (b"[" + PAGE + b"]", "no object"),
        (b'{"value":[x]}', "broken JSON"),
    ],
)
def test_what_is_not_whole_is_an_outage(body: bytes, reason: str) -> None:
    """Also with a record that only the brackets can cut out: that way is as strict."""
    for text in (body, body.replace(b'"b"', rb'"\ud83d"')):
        with pytest.raises(ValueError, match=reason):
            read_page(text)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"value":[' + b"0," * 2_000_001 + b"0]}", "more than 500,000 records"),
        (rb'{"value":["\ud83d",' + b"{}," * 500_000 + b"{}]}", "more than 500,000 records"),
        (b'{"@a.b":[' + b"0," * 600_000 + b'0],"value":[]}', "more than a page has around its records"),
    ],
    ids=["numbers", "objects", "annotation"],
)
def test_a_page_of_too_many_small_things_does_not_fill_the_memory(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_page(body)


def test_a_record_of_many_values_is_one_record() -> None:
    record = b'{"id":"a","n":[' + b"0," * 2_000_001 + b"0]}"
    assert texts(b'{"value":[' + record + b',{"id":"b"}]}') == [record, b'{"id":"b"}']


@pytest.mark.parametrize(
    "member",
    [
        '"@odata.nextLink":""',
        '"@odata.nextLink":"  "',
        *(
            f'"{name}":"https://host/next"'
            for name in ("odata.nextLink", "nextLink", "@nextLink", "NEXTLINK")
        ),
        *(f'"@odata.{name}":"https://host/next"' for name in ("nextlink", "NextLink")),
        r'"@odata.next\u004Cin\u006B2nextLink":null',
    ],
)
def test_a_link_that_lies_is_not_the_end(member: str) -> None:
    with pytest.raises(PagingBroken, match=r"is empty|stands under the name"):
        read_page(b'{"value":[{"id":"a"}],' + member.encode() + b"}")


@pytest.mark.parametrize(
    "member",
    [
        b'"@odata.nextLink":null',
        b'"@odata.count":12',
        b'"@odata.metadataEtag":"W/\\"x\\""',
        b'"value@odata.type":"#Collection(Alert)"',
        b'"@odata.kinds":["a]",[]]',
    ],
)
def test_an_annotation_that_changes_nothing_is_passed_over(member: bytes) -> None:
    found = read_page(b'{"value":[{"id":"a"}],' + member + b"}")
    assert [bytes(record) for record in found.value] == [b'{"id":"a"}']
    assert found.next_link is None


def test_a_record_that_speaks_of_errors_is_a_record() -> None:
    record = b'{"id":"a","error":{"code":"x","message":"y"},"title":"an \\"error\\""}'
    assert texts(b'{"value":[' + record + b"]}") == [record]


def test_only_records_that_do_not_begin_with_their_id_are_looked_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_into: list[bytes] = []
    monkeypatch.setattr(pages, "_is_error", lambda record: looked_into.append(bytes(record)))
    others = [b'{"title":"an error","id":"b"}', b'{ "id":"c"}', b'{"id":null}', b'{"id":4}']
    read_page(b'{"value":[{"id":"a","title":"an error"},' + b",".join(others) + b"]}")
    assert looked_into == others


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"value":[{"id":"' + rb"\"" * 500_000,
        b'{"value":[{"id":"\x01","b":"' + rb"\"" * 500_000 + b'"}]',
        b'{"' + rb"\"" * 500_000,
        b'{"value":[' + b'"' * 500_001,
        b'{"value":[' + b"{" * 500_000,
        b'{"value":[' + b"[]," * 300_000,
        b'{"value":' + b" " * 1_000_000,
        b'{"a":' + b"[" * 500_000,
    ],
)
def test_hostile_bodies_take_linear_time(hostile: bytes) -> None:
    """A megabyte each: what is quadratic takes an hour."""
    begun = time.monotonic()
    with pytest.raises(ValueError, match="broken JSON"):
        read_page(hostile)
    assert time.monotonic() - begun < 60
