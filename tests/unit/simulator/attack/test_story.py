"""The attack: the same at any time, told alike by all sources, and beside all else that happens."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_defender.simulator import Portal, Simulator, Tenant
from airflow_provider_defender.simulator.attack.rows import Event
from airflow_provider_defender.simulator.attack.story import Attack
from airflow_provider_defender.simulator.events import EventStream


@pytest.fixture
def tenant() -> Tenant:
    return Tenant(7, alerts=5)


def without_times(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.properties.items() if "Time" not in name}


def test_who_and_what_depends_on_the_seed_only(tenant: Tenant) -> None:
    later = Tenant("7", alerts=9, start=tenant.now() + timedelta(days=90))
    attack, other = Attack(tenant), Attack(later)
    assert attack.alerts == other.alerts
    ids = ("network_message_id", "internet_message_id", "address", "incident")
    assert [getattr(attack.cast, name) for name in ids] == [getattr(other.cast, name) for name in ids]
    processes = [(each.pid, each.command, each.device.machine_id) for each in attack.cast.processes]
    assert processes == [(each.pid, each.command, each.device.machine_id) for each in other.cast.processes]
    assert attack.cast.network_message_id != Attack(Tenant(8, alerts=0)).cast.network_message_id


def test_a_tenant_is_attacked_once(tenant: Tenant) -> None:
    Attack(tenant)
    with pytest.raises(ValueError, match="already"):
        Attack(tenant)


def test_both_apis_show_its_alerts_in_one_incident(tenant: Tenant) -> None:
    attack, portal = Attack(tenant), Portal.of(tenant)
    incident = portal.visible("incident", str(attack.cast.incident))
    assert incident is not None
    assert set(incident.members) == set(attack.alerts.values())
    for name in ("script", "movement"):
        endpoint, graph = (
            tenant.visible(attack.alerts[name]),
            portal.visible("alert", attack.alerts[name]),
        )
        assert endpoint is not None
        assert graph is not None
        assert endpoint.body["title"] == graph.body["title"]
        assert graph.body["providerAlertId"] == attack.alerts[name]
        machines = {item["mdeDeviceId"] for item in graph.body["evidence"] if "mdeDeviceId" in item}
        assert machines == {endpoint.body["machineId"]}
    assert tenant.visible(attack.alerts["mail"]) is None


def test_an_incident_holds_what_names_it_and_nothing_that_comes_later(tenant: Tenant) -> None:
    attack, portal = Attack(tenant), Portal.of(tenant)
    tenant.add_alerts(30)
    tenant.advance(timedelta(days=1))
    incident = portal.visible("incident", str(attack.cast.incident))
    assert incident is not None
    assert set(incident.members) == set(attack.alerts.values())


def test_every_process_has_a_parent_among_the_events_or_from_before(tenant: Tenant) -> None:
    events = Attack(tenant).events
    rows = [event.properties for event in events if event.table == "DeviceProcessEvents"]
    started = {(row["DeviceId"], row["ProcessId"], row["ProcessCreationTime"]) for row in rows}
    parents = {
        (row["DeviceId"], row["InitiatingProcessId"], row["InitiatingProcessCreationTime"]) for row in rows
    }
    assert len(started) == len(rows) == 11
    assert len(parents - started) == 2  # the shell of the desktop, the service on the server
    for row in rows:
        assert row["InitiatingProcessCreationTime"] < row["ProcessCreationTime"] < row["Timestamp"]


def test_alerts_name_processes_as_the_events_do(tenant: Tenant) -> None:
    attack = Attack(tenant)
    by_pid = {process.pid: process for process in attack.cast.processes}
    for name in ("script", "movement"):
        version = tenant.visible(attack.alerts[name])
        assert version is not None
        items = [item for item in version.body["evidence"] if item["entityType"] == "Process"]
        assert items
        for item in items:
            process = by_pid[item["processId"]]
            assert item["processCommandLine"] == process.command
            assert item["sha256"] == process.program.hashes["sha256"]
            assert version.body["machineId"] == process.device.machine_id


def test_the_program_holds_the_same_on_both_devices(tenant: Tenant) -> None:
    cast = Attack(tenant).cast
    assert cast.implant.path != cast.implant_on_server.path
    assert cast.implant.hashes == cast.implant_on_server.hashes


def test_addresses_come_in_several_spellings(tenant: Tenant) -> None:
    """As Microsoft's products write them, so that a comparison of texts would miss some."""
    attack = Attack(tenant)
    wanted = ipaddress.ip_address(attack.cast.second_address)
    spellings = {text for text in addresses(attack) if ipaddress.ip_address(text) == wanted}
    assert len(spellings) == 2
    assert f"::ffff:{attack.cast.address}" in set(addresses(attack))


def addresses(attack: Attack) -> Iterator[str]:
    for event in attack.events:
        for name in ("RemoteIP", "IPAddress", "SenderIPv4"):
            if event.properties.get(name):
                yield event.properties[name]


def test_a_value_without_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="DeviceInfo has no Colour"):
        _ = Event("DeviceInfo", 0, {"Colour": "red"}).properties


def test_the_streams_own_messages_stay_the_same(tenant: Tenant) -> None:
    """Whether it tells of an attack or not; and the truth counts the attack's events."""
    told, plain = EventStream(7, tenant=tenant), EventStream(7, tenant=tenant)
    begun = told.messages(20)
    attack = Attack(Tenant(7, alerts=0))
    messages = told.told((event.table, event.properties, event.at) for event in attack.events)
    assert [*begun, *told.messages(20)] == plain.messages(40)
    assert len(messages) == len(attack.events) == told.truth.messages - 40
    assert told.truth.records == plain.truth.records + len(attack.events)
    record = json.loads(messages[0])["records"][0]
    assert record["properties"] == json.loads(json.dumps(attack.events[0].properties))


def test_a_simulator_without_a_hub_has_the_alerts() -> None:
    with Simulator(seed=7) as simulator:
        attack = simulator.attack()
        assert simulator.tenant.visible(attack.alerts["script"]) is not None
