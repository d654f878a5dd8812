"""Jars of a pom.xml, the broker's by default: fetched once by Maven.

They are kept in `.cache/jars/<hash of pom.xml>/` of the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parents[2] / ".cache" / "jars"


class BrokerFailed(Exception):  # noqa: N818
    """The jars could not be fetched, or the broker did not start; the text has what the tool said."""


def java() -> str | None:
    """The Java launcher: that of `JAVA_HOME`, else the one on the path."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")


def missing_tools(pom: Path = POM, whose: str = "the Apache Kafka broker") -> str | None:
    """Why the jars of a pom.xml cannot be had or run here, or None when they can. `whose`: of what."""
    if java() is None:
        return f"Java is not installed: {whose} needs a JDK 17 or newer"
    if shutil.which("mvn") is None and not jars_folder(pom).exists():
        return f"Maven (mvn) is not installed: it fetches {whose}'s jars"
    return None


def jars_folder(pom: Path = POM) -> Path:
    """Where the jars of the present pom.xml are kept."""
    return CACHE / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]


def fetch_jars(pom: Path = POM) -> Path:
    """The folder with the jars, filled by Maven if this is the first time.

    Raises BrokerFailed with Maven's own words.
    """
    folder = jars_folder(pom)
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Maven's own folder is not made for two of them
        if not folder.exists():
            _fetch_jars(pom, folder)
    return folder


def _fetch_jars(pom: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=CACHE) as name:
        place = f"-DoutputDirectory={name}/jars"
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", place]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            raise BrokerFailed(f"Maven could not fetch the jars of {pom}:\n{done.stdout[-4000:]}")
        (Path(name) / "jars").rename(folder)
