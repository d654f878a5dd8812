"""The five queries of docs/queries.md find what the attack left in the lake, all of it and nothing else."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_defender.simulator.attack.cast import Process
from airflow_provider_defender.simulator.attack.rows import Event
from airflow_provider_defender.simulator.attack.story import Attack
from tests.helpers.airflow import LakeFolder
from tests.helpers.event_hubs import EventLake, MemoryHub

from .lakes import Made, land_events, query
from .pages import blocks

QUERIES = {
    variable[1]: block.text
    for block in blocks()
    if block.page == "docs/queries.md" and (variable := re.match(r"set variable (\w+) = '", block.text))
}
"""The variable that a query begins with → its text."""
LONGEST = 28
"""Lines that people still read at once."""

WITHOUT_ID = {
    "AlertInfo",
    "DeviceInfo",
    "EmailAttachmentInfo",
    "EmailEvents",
    "EmailPostDeliveryEvents",
    "EmailUrlInfo",
    "UrlClickEvents",
}
"""Tables that name nobody who acts, or not by an id."""
OTHER_RECIPIENTS = ("To", "Cc")
"""Columns that name whom a mail was addressed to besides: other rows tell of these."""

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "events"


@pytest.fixture
def attack(made: Made, landed: LakeFolder, hub: MemoryHub, event_lake: EventLake, kept: Path) -> Attack:
    """The attack whose alerts and events, among many others, are in the lake of the current folder."""
    events = landed.path / "events"
    if kept.exists():
        shutil.copytree(kept, events)
    else:
        land_events(made, hub, event_lake, 12)
        shutil.copytree(events, kept)
    assert made.attack is not None
    return made.attack


def found_by(variable: str, value: str | None, views: duckdb.DuckDBPyConnection) -> Found:
    """The rows of a query of the page, as it stands or with another value to look for."""
    text = QUERIES[variable]
    if value is not None:
        text = re.sub(r"= '[^']+'", f"= '{value}'", text, count=1)
    rows = query(text, views)
    names = [str(column[0]) for column in views.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def texts_in(value: Any) -> Iterator[str]:
    """All texts in a value, also in texts that are JSON."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, str):
        yield value
        if value[:2] in ('{"', '["', "[{"):
            yield from texts_in(json.loads(value))


def telling(attack: Attack, *wanted: str) -> list[Event]:
    """The events of the attack that have one of these texts as a value."""
    return [event for event in attack.events if set(wanted) & set(texts_in(own(event)))]


def own(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.properties.items() if name not in OTHER_RECIPIENTS}


def dataset(table: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", table).lower()


def datasets(events: list[Event]) -> Counter[str]:
    return Counter(dataset(event.table) for event in events)


def test_the_page_has_five_short_queries_that_look_for_what_the_demo_has(attack: Attack) -> None:
    cast = attack.cast
    values = {name: re.search(r"= '([^']+)'", text)[1] for name, text in QUERIES.items()}  # type: ignore[index]
    assert values == {
        "alert": attack.alerts["script"],
        "mail": cast.network_message_id,
        "address": cast.address,
        "account": cast.victim.sid,
        "hash": cast.implant.hashes["sha256"],
    }
    assert max(len(text.splitlines()) for text in QUERIES.values()) <= LONGEST


# -- from an alert to the process tree


def depth(process: Process) -> int:
    parent = process.parent
    return 0 if parent is None or not parent.seen else 1 + depth(parent)


@pytest.mark.parametrize("alert", ["script", "movement"])
def test_the_process_tree_of_an_alert_is_complete(
    attack: Attack, views: duckdb.DuckDBPyConnection, alert: str
) -> None:
    """From the first process whose start has landed down to the last, in order, on the alert's device."""
    cast = attack.cast
    device, named = {
        "script": (cast.desktop, {cast.powershell, cast.updater}),
        "movement": (cast.server, {cast.updater_on_server}),
    }[alert]
    tree = [process for process in cast.processes if process.device == device]
    assert len(tree) > 1
    assert [
        (row["host"], row["process"], row["command_line"], row["in_alert"])
        for row in found_by("alert", attack.alerts[alert], views)
    ] == [
        (
            device.name,
            "· " * depth(process) + process.program.name,
            process.command,
            process in named,
        )
        for process in tree
    ]


def test_both_apis_name_processes_as_the_events_do(attack: Attack, views: duckdb.DuckDBPyConnection) -> None:
    """Each source by itself leads from the alert to the events."""
    rows = query(
        """
        select landing.source, count(distinct process.entity_id)
        from read_parquet('lake/alerts/date=*/*.parquet', union_by_name = true)
        where process.entity_id in (select process.entity_id from events('lake', 'DeviceProcessEvents'))
        group by all
        """,
        views,
    )
    assert dict(rows) == {"endpoint_alerts": 3, "graph_alerts": 3}


# -- from a mail


def test_a_mail_leads_to_its_recipients_clicks_and_the_logons_after_them(
    attack: Attack, views: duckdb.DuckDBPyConnection
) -> None:
    cast = attack.cast
    victim, colleague = cast.victim.principal, cast.colleague.principal
    rows = found_by("mail", None, views)
    steps = {(row["step"], row["who"], row["address"]) for row in rows}
    assert steps >= {
        ("mail delivered", victim, cast.address),
        ("mail delivered", colleague, cast.address),
        ("click", victim, cast.office_address),
        ("phish-zap", victim, None),
        ("phish-zap", colleague, None),
        ("logon failure", victim, cast.address),
        ("logon success", victim, cast.address),
    }
    assert {who for _, who, _ in steps} == {victim, colleague}
    assert {who for step, who, _ in steps if step not in ("mail delivered", "phish-zap")} == {victim}


# -- from an address


@pytest.mark.parametrize("name", ["address", "second_address"])
def test_an_address_leads_to_all_that_it_touched_in_any_spelling(
    attack: Attack, views: duckdb.DuckDBPyConnection, name: str
) -> None:
    wanted = getattr(attack.cast, name)
    rows = found_by("address", wanted, views)
    found: Counter[str] = Counter()
    for row in rows:
        found[row["dataset"]] += row["times"]
    alerts = found.pop("alerts", 0)
    assert found == datasets([event for event in attack.events if wanted in addresses_of(event)])
    assert alerts == (3 if name == "address" else 0)
    people = {attack.cast.victim.account, attack.cast.colleague.account}
    assert {who for row in rows for who in row["who"]} <= people


def addresses_of(event: Event) -> set[str]:
    """The addresses in an event's columns, in their shortest form, those of version 4 as such."""
    found = set()
    for text in event.properties.values():
        try:
            address = ipaddress.ip_address(text) if isinstance(text, str) else None
        except ValueError:
            continue
        found.add(str(getattr(address, "ipv4_mapped", None) or address))
    return found


# -- from a user


def test_a_user_is_found_in_every_table_that_knows_any_id_of_hers(
    attack: Attack, views: duckdb.DuckDBPyConnection
) -> None:
    """And no record that does not name her."""
    victim = attack.cast.victim
    ids = (victim.sid, victim.aad_id, victim.principal)
    text = QUERIES["account"].replace("count(distinct key) as records", "list(original) as originals")
    text = text.replace("landing.key as key", "event.original as original")
    text = text.replace("landing.key, 'alerts'", "event.original, 'alerts'")
    found = {row[0]: [json.loads(each) for each in row[1] if each] for row in query(text, views)}
    assert found.pop("alerts")
    records = [(name, record) for name, those in found.items() for record in those]
    assert [(name, record) for name, record in records if not set(ids) & set(texts_in(record))] == []
    for event in telling(attack, *ids):
        told = [record["properties"] for record in found[dataset(event.table)]]
        assert json.loads(json.dumps(event.properties)) in told, event.table
    assert len(found) > 15


def test_the_id_of_who_acts_is_the_sid_or_where_none_is_known_that_of_entra(
    attack: Attack, views: duckdb.DuckDBPyConnection
) -> None:
    """In every table, of the attack's events."""
    cast = attack.cast
    people = (cast.victim, cast.colleague)
    ids = [*(each.sid for each in people), *(each.aad_id for each in people)]
    wrong = []
    for table in sorted({event.table for event in attack.events if event.table not in WITHOUT_ID}):
        rows = query(f"select event.original, user.id from events('lake', '{table}')", views)
        landed = {in_order(json.loads(record)["properties"]): found for record, found in rows}
        for event in [each for each in attack.events if each.table == table]:
            found = landed[in_order(event.properties)]
            known = set(texts_in(event.properties))
            expected = [each for each in ids if each in known]
            if found != next(iter(expected), None) and found != "S-1-5-18":
                wrong.append((table, found, expected))
    assert wrong == []


def in_order(properties: dict[str, Any]) -> str:
    return json.dumps(properties, sort_keys=True)


# -- from a hash


def test_a_hash_leads_to_all_hosts_and_paths(attack: Attack, views: duckdb.DuckDBPyConnection) -> None:
    cast = attack.cast
    hashed = cast.implant.hashes
    rows = {row["host"]: row for row in found_by("hash", None, views)}
    assert {host: row["paths"] for host, row in rows.items()} == {
        cast.desktop.name: [cast.implant.path.lower()],
        cast.server.name: [cast.implant_on_server.path.lower()],
    }
    for device in (cast.desktop, cast.server):
        told = [
            event
            for event in telling(attack, *hashed.values())
            if event.properties["DeviceId"] == device.machine_id
        ]
        assert rows[device.name]["seen_in"] == sorted(datasets(told))


def test_the_hash_of_an_attachment_leads_from_the_mail_to_the_host(
    attack: Attack, views: duckdb.DuckDBPyConnection
) -> None:
    cast = attack.cast
    rows = found_by("hash", cast.document.hashes["sha256"], views)
    assert {row["host"]: row["paths"] for row in rows if row["host"]} == {
        cast.desktop.name: [cast.document.path.lower()]
    }
    [without] = [row for row in rows if row["host"] is None]
    assert without["seen_in"] == ["email_attachment_info"]
