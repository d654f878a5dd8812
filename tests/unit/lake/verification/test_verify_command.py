"""`python -m airflow_provider_defender verify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_defender.__main__ import main
from airflow_provider_defender.lake import verify
from tests.unit.lake.offsets.support import HUB
from tests.unit.lake.support import LOG
from tests.unit.lake.verification.support import change_byte, digests, landed_lake, paths_that_count


@pytest.fixture
def root(folder: Path) -> Path:
    landed_lake("local", folder)
    return folder / "lake"


def test_logs_and_digests_are_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(root)]) == 0
    noted = verify(root).digests
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{LOG} (source endpoint_alerts, tenant tenant)"
    assert lines[1].startswith("  6 commits, 12 files, ")
    assert lines[2] == f"  digest of commit 6: {noted[LOG]}"
    assert lines[3] == f"{HUB} (source event_hub, namespace namespace, hub hub)"
    assert lines[5] == f"  digest of commit 5: {noted[HUB]}"
    assert lines[6:] == [
        "Nothing differs. Note the digests where nobody who writes to the lake can change them."
    ]


def test_digests_are_given(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noted = verify(root).digests
    assert main(["verify", root.as_uri(), "--digest", f"{LOG}={noted[LOG]}"]) == 0
    assert "; proved up to commit 6 by the digest given\n" in capsys.readouterr().out
    given = ["--digest", f"{LOG}={noted[HUB]}", "--digest", f"{HUB}={noted[HUB]}"]
    assert main(["verify", str(root), *given]) == 1
    shown = capsys.readouterr().out
    assert shown.count("proved up to commit") == 1
    assert f"\nDIGEST_UNKNOWN: no commit of {LOG} has the digest {noted[HUB]}" in shown
    assert shown.endswith("\nDifferences: 1. Do not note these digests.\n")


def test_differences_are_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(root / paths_that_count(landed_lake("local", root.parent), LOG)[0])
    Path(path).unlink()
    assert main(["verify", str(root)]) == 1
    shown = capsys.readouterr().out
    assert f"\nFILE_MISSING: {Path(path).relative_to(root)}, a file of commit " in shown


def test_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = landed_lake("local", root.parent)
    path = paths_that_count(lake, HUB)[0]
    change_byte(lake, path)
    assert main(["verify", str(root), "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert {log["name"]: log["digest"] for log in values["logs"]} == digests(lake)
    assert values["logs"][0]["origin"] == {"source": "endpoint_alerts", "tenant": "tenant"}
    [difference] = values["differences"]
    [expected] = verify(lake).differences
    assert difference == {
        "what": "FILE_CHANGED",
        "log": HUB,
        "number": 1,
        "path": path,
        "expected": expected.expected,
        "found": expected.found,
        "text": expected.text,
    }
    assert values["found"] == 1


@pytest.mark.parametrize(
    ("lake", "message"),
    [
        ("nowhere", "there is no lake in "),
        ("file:nowhere", "'file:nowhere' is relative"),
        ("nothing://bucket/lake", "Protocol not known: nothing"),
    ],
)
def test_what_is_no_lake_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lake: str, message: str
) -> None:
    lake = str(tmp_path / lake) if ":" not in lake else lake
    assert main(["verify", lake]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"{lake} cannot be verified: {message}")


def test_a_store_that_fails_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root / "_defender" / LOG / "commits"
    (folder / "00000006.json").unlink()
    (folder / "00000006.json").mkdir()  # which cannot be read
    assert main(["verify", str(root)]) == 2
    assert "cannot be verified: [Errno 21]" in capsys.readouterr().err


@pytest.mark.parametrize("digest", ["abc", "=abc"])
def test_a_digest_needs_its_log(root: Path, capsys: pytest.CaptureFixture[str], digest: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(root), "--digest", digest])
    assert stopped.value.code == 2
    assert f"{digest!r} is not of the form LOG=HEX" in capsys.readouterr().err


def test_what_is_no_digest_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(root), "--digest", f"{LOG}=abc"]) == 2
    assert f"'abc' is no chain digest of {LOG}" in capsys.readouterr().err


def test_two_digests_of_one_log_are_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong = verify(root).digests[LOG], "0" * 64
    given = ["--digest", f"{LOG}={wrong}", "--digest", f"{LOG}={right}"]
    assert main(["verify", str(root), *given]) == 2
    assert "--digest names the same log twice" in capsys.readouterr().err


@pytest.mark.parametrize("error", [Exception("no credentials"), RuntimeError()])
def test_what_a_stores_client_raises_is_no_difference(
    error: Exception, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("airflow_provider_defender.lake.verify", fail)
    assert main(["verify", str(root)]) == 2
    assert f"{root} cannot be verified: {str(error) or 'RuntimeError()'}" in capsys.readouterr().err
