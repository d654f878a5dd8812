"""The golden cases of `tests/golden`, and the framework that keeps them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.golden import __main__ as command
from tests.golden import cases
from tests.unit.ecs.helpers.graph_records import EVIDENCE_TYPES, PREFIX

CASES = cases.paths()
NAMES = [path.relative_to(cases.FOLDER).as_posix() for path in CASES]
EXAMPLE = "endpoint_alerts/sample.json"


@pytest.mark.parametrize("path", CASES, ids=NAMES)
def test_a_record_becomes_the_rows_that_were_reviewed(path: Path) -> None:
    case = cases.read(path)
    produced = cases.produce(path)
    assert case.get("input") == produced["input"], "the record was changed after its rows were written"
    assert cases.changes(case, produced) == [], "python -m tests.golden shows this; --rewrite accepts it"


@pytest.mark.parametrize("path", CASES, ids=NAMES)
def test_a_case_is_written_as_the_command_writes_it(path: Path, tmp_path: Path) -> None:
    again = tmp_path / path.name
    cases.write(again, cases.read(path))
    assert path.read_text("utf-8") == again.read_text("utf-8")


@pytest.mark.parametrize("name", EVIDENCE_TYPES)
def test_each_type_of_evidence_has_two_cases(name: str) -> None:
    assert len(list((cases.FOLDER / "graph_alerts" / "evidence" / name).glob("*.json"))) >= 2


def test_no_case_is_of_another_type_than_its_folder_says() -> None:
    for path in cases.paths(filters=["graph_alerts/evidence/"]):
        assert cases.read(path)["record"]["@odata.type"] == f"{PREFIX}{path.parent.name}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one case of alerts."""
    path = tmp_path / EXAMPLE
    path.parent.mkdir()
    shutil.copy(cases.FOLDER / EXAMPLE, path)
    return tmp_path


def changed(folder: Path, **properties: Any) -> Path:
    """The case, with other properties in its record but the rows of the former one."""
    path = folder / EXAMPLE
    case = cases.read(path)
    case["record"].update(properties)
    path.write_text(json.dumps(case), "utf-8")
    return path


def test_rows_of_another_record_are_stale(folder: Path) -> None:
    path = folder / EXAMPLE
    assert cases.is_fresh(path, folder)
    changed(folder, machineId=None)
    assert not cases.is_fresh(path, folder)


def test_each_change_of_a_leaf_is_named(folder: Path) -> None:
    path = changed(folder, title="Other", threatFamilyName="Emotet", rbacGroupName=None, evidence=[])
    lines = cases.changes(cases.read(path), cases.produce(path, folder))
    title = "Low-reputation arbitrary code executed by signed executable"
    assert lines[0] == "* the record is new, or has been changed"
    assert f'~ alerts[0] message = "{title}" → "Other"' in lines
    assert '+ alerts[0] threat.software.name = "Emotet"' in lines
    assert '- alerts[0] microsoft.defender_endpoint.rbacGroupName = "A"' in lines
    assert f'- alerts[1] message = "{title}"' in lines


def test_the_command_changes_files_only_when_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "FOLDER", folder)
    monkeypatch.setattr(command, "produce", lambda path: cases.produce(path, folder))
    path = changed(folder, title="Other")
    before = path.read_text()
    assert command.main([]) == 1
    assert path.read_text() == before
    assert command.main(["--rewrite", "no such case"]) == 0
    assert path.read_text() == before
    assert command.main(["--rewrite", "endpoint"]) == 0
    assert cases.read(path)["rows"]["alerts"][0]["message"] == "Other"
    assert "message" in capsys.readouterr().out
    assert command.main([]) == 0


@pytest.mark.parametrize("given", [{}, {"record": {}, "text": "{}"}])
def test_a_case_has_one_input(folder: Path, given: dict[str, Any]) -> None:
    path = folder / EXAMPLE
    path.write_text(json.dumps(given))
    with pytest.raises(ValueError, match="either a record or a text"):
        cases.produce(path, folder)


def test_what_cannot_land_is_part_of_a_case(folder: Path) -> None:
    path = folder / EXAMPLE
    path.write_text(json.dumps({"text": '{"id": '}))
    produced = cases.produce(path, folder)
    assert produced["rows"] == {"alerts": []}
    assert len(produced["rejects"]) == 1
    assert cases.changes(cases.read(path), produced)[-1].startswith("+ rejects rejects = ")


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """A case of one evidence item, beside the alert that it is put into."""
    graph = tmp_path / "graph_alerts"
    graph.mkdir()
    shutil.copy(cases.FOLDER / "graph_alerts" / "alert.json", graph)
    path = graph / "evidence" / "nicEvidence" / "adapter.json"
    path.parent.mkdir(parents=True)
    return path


def item(name: str, **properties: Any) -> dict[str, Any]:
    return {"@odata.type": f"{PREFIX}{name}", **properties}


def produced(path: Path, **case: Any) -> list[dict[str, Any]]:
    """The rows of a case of one evidence item."""
    path.write_text(json.dumps(case))
    rows: list[dict[str, Any]] = cases.produce(path, path.parents[3])["rows"]["alerts"]
    return rows


def test_an_evidence_item_shows_what_it_adds_to_the_alert(evidence: Path) -> None:
    (row,) = produced(evidence, record=item("nicEvidence", macAddress="00:00:5e:00:53:01"))
    assert row == {
        "host.mac": ["00-00-5E-00-53-01"],
        "microsoft.graph_security.evidence.macAddress": "00:00:5e:00:53:01",
        "microsoft.graph_security.evidence.odata_type": "#microsoft.graph.security.nicEvidence",
    }


def test_what_an_evidence_item_takes_from_the_alert_is_null(evidence: Path) -> None:
    (row,) = produced(evidence, record=item("googleCloudResourceEvidence", projectId="p"))
    assert row["cloud.provider"] == "gcp"
    assert row["cloud.account.id"] is None


def test_further_evidence_changes_the_row_but_has_none_of_its_own(evidence: Path) -> None:
    file = item("fileEvidence", mdeDeviceId="a1", fileDetails={"fileName": "a.exe"})
    device = item("deviceEvidence", mdeDeviceId="a1", deviceDnsName="ws1.contoso.example")
    assert "host.name" not in produced(evidence, record=file)[0]
    (row,) = produced(evidence, record=file, alert={"evidence": [device]})
    assert row["host.name"] == "ws1.contoso.example"
    assert row["file.name"] == "a.exe"


def test_a_case_is_stale_when_the_alert_around_it_has_changed(evidence: Path) -> None:
    evidence.write_text(json.dumps({"record": item("nicEvidence", vlans=["30"])}))
    folder = evidence.parents[3]
    cases.write(evidence, cases.produce(evidence, folder))
    assert cases.is_fresh(evidence, folder)
    around = folder / "graph_alerts" / "alert.json"
    around.write_text(around.read_text().replace('"Privileged container', '"A privileged container'))
    assert not cases.is_fresh(evidence, folder)
