"""What stands around the package: the workflows, the linters' versions, the version and its places."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

import airflow_provider_defender

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it where Python has none

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def workflow(name: str) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    return read


ALL = {path.name: workflow(path.name) for path in sorted(WORKFLOWS.glob("*.yml"))}


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, content in ALL.items():
        for job, body in content["jobs"].items():
            yield name, job, body


def commands() -> Iterator[str]:
    """Each command that a workflow runs, once for every Airflow of its matrix."""
    for _, _, job in jobs():
        airflows = job.get("strategy", {}).get("matrix", {}).get("airflow", [{}])
        for step in job["steps"]:
            for airflow in airflows:
                yield step.get("run", "").replace("${{ matrix.airflow.target }}", airflow.get("target", ""))


def actions() -> list[str]:
    return [step["uses"] for _, _, job in jobs() for step in job["steps"] if "uses" in step]


def classified_pythons() -> list[str]:
    found = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in _classifiers()]
    return [match[1] for match in found if match]


def _classifiers() -> list[str]:
    lines: list[str] = PYPROJECT["project"]["classifiers"]
    return lines


# Workflows ----------------------------------------------------------------------------------------


def test_the_workflows_that_contributing_names_are_there() -> None:
    assert set(ALL) == {"ci.yml", "servers.yml", "release.yml"}


def test_what_the_workflows_run_is_a_target_of_make_or_a_file_of_ours() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, flags=re.MULTILINE))
    run = [command for command in commands() if command]
    assert len(run) > 10
    for command in run:
        [first, second, *_] = [*command.split(), ""]
        assert (first == "make" and second in targets) or (ROOT / first).is_file(), command


def test_pythons_and_airflows_are_those_that_we_claim_to_support() -> None:
    matrix = ALL["ci.yml"]["jobs"]["unit"]["strategy"]["matrix"]
    assert matrix["python"] == classified_pythons()
    assert PYPROJECT["project"]["requires-python"] == f">={classified_pythons()[0]}"
    assert {row["target"] for row in matrix["airflow"]} == {"test-unit", "test-unit-oldest"}


def test_every_action_is_pinned() -> None:
    assert len(actions()) > 10
    assert [name for name in actions() if not re.fullmatch(r"[\w./-]+@(v\d+|[0-9a-f]{40})", name)] == []


def test_no_job_may_write_more_than_it_needs() -> None:
    for name, content in ALL.items():
        assert content["permissions"] in ({}, {"contents": "read"}), name
        assert "concurrency" in content, name
    for name, job, body in jobs():
        written = {key for key, value in body.get("permissions", {}).items() if value == "write"}
        assert written <= ({"id-token", "attestations"} if name == "release.yml" else set()), job
        assert body["timeout-minutes"] <= 120
        assert all(
            step["with"]["persist-credentials"] is False
            for step in body["steps"]
            if step.get("uses", "").startswith("actions/checkout@")
        )


def test_no_workflow_holds_a_secret() -> None:
    for path in WORKFLOWS.glob("*.yml"):
        assert "secrets." not in path.read_text(), path.name


def test_a_release_is_checked_built_and_attested_before_it_is_published() -> None:
    release = ALL["release.yml"]
    assert list(release[True]) == ["push"]  # YAML 1.1 reads "on" as true
    assert list(release[True]["push"]) == ["tags"]
    build, publish = release["jobs"]["build"], release["jobs"]["publish"]
    steps = [step.get("run") or step["uses"].partition("@")[0] for step in build["steps"]]
    assert steps[-5:] == [
        'make check-release TAG="$GITHUB_REF_NAME"',
        "make sbom",
        "actions/attest-build-provenance",
        "actions/attest-sbom",
        "actions/upload-artifact",
    ]
    assert publish["needs"] == "build"
    assert publish["environment"] == "release"
    assert not [step for step in publish["steps"] if "build" in step.get("run", "")]


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_files_for_github_are_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


# Tools --------------------------------------------------------------------------------------------


def locked(package: str) -> str:
    match = re.search(rf"^{package}==(\S+)$", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    assert match, package
    return match[1]


def test_pre_commit_runs_the_ruff_of_the_lock() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    for name in ("ruff-check", "ruff-format"):
        assert hooks[name]["additional_dependencies"] == [f"ruff=={locked('ruff')}"]
    assert hooks["lint"]["entry"] == "make lint"


def test_every_target_of_make_is_listed_and_phony() -> None:
    [phony] = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, flags=re.MULTILINE)
    targets = re.findall(r"^([a-z][a-z-]+):(?! *=)", MAKEFILE, flags=re.MULTILINE)
    assert set(phony.replace("\\", "").split()) == set(targets)
    assert set(re.findall(r"^([a-z][a-z-]+):.*## ", MAKEFILE, flags=re.MULTILINE)) == set(targets)


def test_contributing_explains_targets_that_exist() -> None:
    named = re.findall(r"`make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 10
    assert [name for name in named if not re.search(rf"^{name}:", MAKEFILE, flags=re.MULTILINE)] == []


# The version --------------------------------------------------------------------------------------


def test_the_version_has_one_place() -> None:
    assert "version" in PYPROJECT["project"]["dynamic"]
    assert version("airflow-provider-defender") == airflow_provider_defender.__version__
    conf = (ROOT / "docs" / "conf.py").read_text()
    assert "version = release = __version__" in conf


def test_airflow_names_our_version() -> None:
    from airflow.providers_manager import ProvidersManager

    listed = ProvidersManager().providers["airflow-provider-defender"]
    assert listed.version == airflow_provider_defender.__version__


def test_the_changelog_begins_with_what_is_not_released_or_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    released = [name for name, _ in headings[1:]]
    assert released[:1] in ([], [airflow_provider_defender.__version__])
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in headings[1:])


CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-29\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        ("v1.2.3", CHANGELOG, []),
        ("1.2.3", CHANGELOG, ["tag v1.2.3"]),
        ("v1.2.4", CHANGELOG, ["the tag is 'v1.2.4', the version '1.2.3'"]),
        ("v1.2.3", CHANGELOG.replace("2026-11-29", "soon"), ["## [1.2.3] - YYYY-MM-DD"]),
        ("v1.2.3", CHANGELOG.replace("1.2.3", "1x2x3"), ["## [1.2.3] - YYYY-MM-DD"]),
        ("v1.2.4", "", ["set __version__", "rename Unreleased"]),
    ],
)
def test_a_release_needs_its_tag_and_its_entry_in_the_changelog(
    tag: str, changelog: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    import check_release

    problems = check_release.problems(tag, "1.2.3", changelog)
    assert len(problems) == len(said)
    assert all(part in problem for part, problem in zip(said, problems, strict=True))


def test_a_wrong_tag_ends_the_release() -> None:
    command = [sys.executable, str(ROOT / ".ci" / "check_release.py"), "v0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"tag v{airflow_provider_defender.__version__}" in done.stderr
