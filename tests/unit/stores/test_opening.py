"""Where a lake lies, and what its errors come out as."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender import lake as lakes
from airflow_provider_defender.exceptions import (
    CommitDamaged,
    CommitUncertain,
    CommitUnfinished,
    ConfigurationError,
    ConflictingRun,
    DefenderError,
    FailNow,
    FileDamaged,
    RunTooOld,
    StopAndLook,
    TooManyRanges,
    TryAgain,
)
from airflow_provider_defender.lake import LakeError, committed_files
from airflow_provider_defender.operators import DefenderAlertsToParquetOperator, EventHubToParquetOperator
from airflow_provider_defender.sensors import DefenderAlertSensor, EventHubSensor
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.stores.opening import lake_errors, opened_lake
from tests.helpers.airflow import LakeFolder, asks_for_connections, context, land

_NO_COMMIT: Any = None

# Where the lake lies -----------------------------------------------------------------------------

RELATIVE = ["data/lake", "./lake", "lake", "../lake", "~/lake", "a b", "data/lake/"]
AMBIGUOUS = [
    "file://relative/lake",
    "file://localhost/data/lake",
    "file://data",
    "file:relative",
    "file:",
    "FILE://relative/lake",
    "local://relative/lake",
    "file:///a%20b",
    "file:///a?b",
    "file:///a#b",
    "file:///100%",
]


@pytest.mark.parametrize("root", RELATIVE)
def test_a_relative_path_is_refused_with_the_absolute_one(root: str) -> None:
    with pytest.raises(ConfigurationError, match="is relative") as raised:
        opened_lake(root)
    whole = os.path.abspath(os.path.expanduser(root))
    assert f"lake={whole!r}" in str(raised.value)
    assert repr(root) in str(raised.value)


@pytest.mark.parametrize("root", AMBIGUOUS)
def test_a_file_url_that_can_be_read_in_two_ways_is_refused(root: str) -> None:
    with pytest.raises(ConfigurationError, match=r"/data/my lake|file:///|whole path") as raised:
        opened_lake(root)
    assert root in str(raised.value)
    with pytest.raises(ValueError, match="file:"):
        committed_files(root, "alerts")


def test_what_is_meant_is_in_the_refusal() -> None:
    with pytest.raises(ConfigurationError, match="three slashes: file:///data/lake"):
        opened_lake("file://data/lake")
    with pytest.raises(ConfigurationError, match="three slashes: file:///data/lake"):
        opened_lake("file://localhost/data/lake")


@pytest.mark.parametrize("name", ["a b", "a%20b", "a[b]*?", "ä", "a#b"])
def test_a_path_and_a_plain_url_are_taken_as_they_stand(tmp_path: Path, name: str) -> None:
    lake = opened_lake(str(tmp_path / name))
    assert lake.storage.url("x") == f"{tmp_path}/{name}/x"
    if not set(name) & set("%?#"):
        for form in ("file://{}", "file:{}", "local://{}", "FILE://{}"):
            assert opened_lake(form.format(tmp_path / name)).storage.url("x") == f"{tmp_path}/{name}/x"


@pytest.mark.parametrize("root", ["s3://", "s3:///", "s3://aws_default@/"])
def test_an_object_store_without_a_bucket_is_refused(root: str) -> None:
    with pytest.raises(ConfigurationError, match="names no bucket"):
        opened_lake(root)


@asks_for_connections
def test_a_connection_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"lake='s3://nosuch@bucket/lake'.*'nosuch' does not exist"):
        opened_lake("s3://nosuch@bucket/lake")


@pytest.mark.parametrize(
    "root",
    [
        "https://acct.blob.core.windows.net/c?sv=2022-11-02&sig={}%3D",
        "abfs://c@acct.dfs.core.windows.net/lake?sp=rw&SIG={}",
        "s3://AKIAIOSFODNN7EXAMPLE:{}@bucket/lake",
        "s3://AKIAIOSFODNN7EXAMPLE:a/{}@bucket/lake",
        pytest.param("s3://{}1234567890abcdefghij@bucket/lake", marks=asks_for_connections),
        "s3://bucket/lake?X-Amz-Security-Token={}",
        "s3://bucket/lake?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={}",
        "sftp://user:{}@host/lake",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=core.windows.net",
        "AccountKey={}",
    ],
)
def test_a_secret_in_the_address_is_refused_and_not_shown(root: str) -> None:
    with pytest.raises(ConfigurationError, match="Airflow connection") as raised:
        opened_lake(root.format("hiddenthing"))
    assert "hiddenthing" not in str(raised.value)


@pytest.mark.parametrize("root", ["s3://bucket/a:b@c", "s3://bucket/a?b&c=d", "s3://arn:aws:s3:x:1:y/a@b"])
def test_what_only_resembles_a_secret_is_an_address(root: str) -> None:
    assert opened_lake(root).storage.url("x").endswith("/x")


@pytest.mark.parametrize("space", ["\n", "\r\n", " ", "\t", "\u00a0"])
@pytest.mark.parametrize("root", ["/data/lake", "s3://bucket/lake"])
def test_white_space_from_copying_makes_no_lake_of_its_own(root: str, space: str) -> None:
    for given in (root + space, space + root):
        with pytest.raises(ConfigurationError, match=f"white space.*write lake='{root}'"):
            opened_lake(given)


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_what_no_path_can_have_is_refused(character: str) -> None:
    with pytest.raises(ConfigurationError, match="no path can have"):
        opened_lake(f"/data/la{character}ke")


@pytest.mark.parametrize(
    "root", ["s3://bucket/la\nke", "s3://bucket/la\tke", "s3://bucket/lake?", "s3://b/x#"]
)
def test_what_is_lost_in_a_url_is_refused(root: str) -> None:
    with pytest.raises(ConfigurationError, match="is lost when Airflow reads it"):
        opened_lake(root)


@pytest.mark.parametrize("root", ["s3://bucket//lake", "s3://bucket///a/b"])
def test_an_empty_folder_name_after_the_bucket_is_refused(root: str) -> None:
    """S3's client writes there, but lists `bucket/lake`: what was committed would stay staged for ever."""
    with pytest.raises(ConfigurationError, match="empty folder name"):
        opened_lake(root)


def test_settings_that_a_client_does_not_take_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"config_kwargs": {"unknown": 1}}
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps({"conn_type": "aws", "extra": extra}))
    with pytest.raises(ConfigurationError, match=r"lake='s3://odd@bucket/lake'.*unknown"):
        opened_lake("s3://odd@bucket/lake")


def test_every_task_that_takes_a_lake_asks_where_it_lies(simulator: Simulator, hub: Any) -> None:
    tasks: list[Any] = [
        DefenderAlertsToParquetOperator(task_id="land", lake="data/lake"),
        EventHubToParquetOperator(task_id="land", lake="data/lake"),
    ]
    for task in tasks:
        with pytest.raises(ConfigurationError, match="is relative"):
            task.execute(context())
    for sensor in (
        DefenderAlertSensor(task_id="wait", lake="data/lake"),
        EventHubSensor(task_id="wait", lake="data/lake"),
    ):
        with pytest.raises(ConfigurationError, match="is relative"):
            sensor.poke(context())  # type: ignore[arg-type]
    assert not Path("data").exists()


def test_what_cannot_be_written_is_met_before_anything_is_read(
    simulator: Simulator, lake: LakeFolder
) -> None:
    lake.path.mkdir()
    lake.path.joinpath("alerts").symlink_to(lake.path / "gone")
    with pytest.raises(ConfigurationError, match=r"cannot be written \(a symbolic link to .*gone"):
        land(lake)
    lake.path.joinpath("alerts").unlink()
    lake.path.joinpath("_defender").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"cannot be written \(Not a directory"):
        land(lake)
    assert [request for request in simulator.requests if "alerts" in request.path] == []


# What the lake raises ----------------------------------------------------------------------------


def lake_error(kind: type[LakeError]) -> LakeError:
    if issubclass(kind, lakes.NotPublished):
        return kind("what happened", _NO_COMMIT)
    return kind("what happened")


@pytest.mark.parametrize(
    ("kind", "family", "expected"),
    [
        (lakes.CommitConflict, StopAndLook, ConflictingRun),
        (lakes.CommitStateUnknown, StopAndLook, CommitUncertain),
        (lakes.TransactionTooOld, TryAgain, RunTooOld),
        (lakes.NotPublished, TryAgain, CommitUnfinished),
        (lakes.PositionTooLarge, FailNow, TooManyRanges),
        (lakes.CommitUnreadable, StopAndLook, CommitDamaged),
        (lakes.FileChanged, StopAndLook, FileDamaged),
        (lakes.OriginMismatch, FailNow, ConfigurationError),
        (lakes.StoreRefused, FailNow, ConfigurationError),
    ],
)
def test_an_error_of_the_lake_says_what_to_do_next(
    kind: type[LakeError], family: type[DefenderError], expected: type[DefenderError]
) -> None:
    error = lake_error(kind)
    with pytest.raises(expected, match="what happened") as raised, lake_errors():
        raise error
    assert raised.value.__cause__ is error
    assert isinstance(raised.value, family)


def test_no_error_of_the_lake_is_left_out() -> None:
    for kind in LakeError.__subclasses__():
        with pytest.raises(DefenderError), lake_errors():
            raise lake_error(kind)


def test_what_is_no_error_of_a_store_passes_through() -> None:
    for error in (
        ValueError("a bug"),
        KeyError("a bug"),
        FileNotFoundError("a file"),
        ConflictingRun("said"),
    ):
        with pytest.raises(type(error)) as raised, lake_errors("/data/lake"):
            raise error
        assert raised.value is error
