"""The log of a Delta table, `_delta_log`: reading where the table stands, and creating its next version.

Versions are created through the lake's own store, by its conditional create. So nothing but the lake's own
connection is needed, on any store, and of two writers of a version exactly one wins. deltalake can remove
files only by replacing whole partitions, where files of other logs lie, and wants each store's credentials in
a form of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_defender.lake.errors import TableUnusable
from airflow_provider_defender.lake.storage.storage import NotCreated, Storage

__all__ = ["DELTA_LOG", "VERSION_ID", "Action", "DeltaLog", "State", "digest_transaction", "transaction"]

DELTA_LOG = "_delta_log"
"""The folder of a table's log, within the folder of its dataset."""

VERSION_ID = "airflow_provider_defender/version"
"""The `appId` by which a version says that it is the follower's; no log of a lake can have this name."""

DIGEST_ID = "airflow_provider_defender/digest/"
"""Before the name of a log: the `appId` whose number is the beginning of the digest of the log's commit."""

_DIGITS = 15
"""How many hexadecimal digits of a digest fit into Delta's numbers, which have 63 bits."""

Action = dict[str, Any]
"""A line of a version: one name, `add` for example, with its object."""

_VERSION = re.compile(r"(\d{20})\.json", re.ASCII)
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet", re.ASCII)
_READ_AT_ONCE = 64
_FEATURES = {"appendOnly", "invariants"}
_REMAKE = (
    "To make the table anew, delete its folder {folder}, and nothing else, and follow the lake again. Other "
    "programs may read the table, but must not write to it"
)


@dataclass(frozen=True)
class State:
    """Where a table stands.

    Attributes:
        version: its newest version; -1: there is no table.
        numbers: up to which commit of which log of the lake it has come.
        digests: the beginnings of these commits' digests, as far as they are known.
        protocol: its `protocol`.
        metadata: its `metaData`, with the schema.
        own: the newest version that the follower has written; -1: none.
        checkpoint: the version of its newest checkpoint; -1: none.
    """

    version: int = -1
    numbers: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    protocol: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    own: int = -1
    checkpoint: int = -1

    def after(self, version: int, actions: Iterable[Action]) -> State:
        """The state after a version with these actions."""
        numbers, digests, own = dict(self.numbers), dict(self.digests), self.own
        protocol, metadata = self.protocol, self.metadata
        for action in actions:
            protocol = action.get("protocol") or protocol
            metadata = action.get("metaData") or metadata
            if moved := action.get("txn"):
                if moved["appId"] == VERSION_ID:
                    own = moved["version"]
                elif moved["appId"].startswith(DIGEST_ID):
                    digests[moved["appId"][len(DIGEST_ID) :]] = _digest(moved["version"])
                else:
                    numbers[moved["appId"]] = moved["version"]
        return replace(
            self,
            version=version,
            numbers=numbers,
            digests=digests,
            own=own,
            protocol=protocol,
            metadata=metadata,
        )


def transaction(app_id: str, version: int, moment: int) -> Action:
    """The action that says how far the table has come, for a log of the lake or for `VERSION_ID`.

    `moment`: in milliseconds since 1970.
    """
    return {"txn": {"appId": app_id, "version": version, "lastUpdated": moment}}


def digest_transaction(log: str, digest: str, moment: int) -> Action:
    """The action that says which commit of a log the table has come to; an empty digest: not known."""
    return transaction(f"{DIGEST_ID}{log}", int(digest[:_DIGITS] or "0", 16), moment)


def _digest(number: int) -> str:
    return f"{number:0{_DIGITS}x}" if number else ""


class DeltaLog:
    """The log of the table of a dataset."""

    def __init__(self, storage: Storage, dataset: str) -> None:
        self.storage = storage
        self.dataset = dataset
        self.folder = f"{dataset}/{DELTA_LOG}"

    def path(self, version: int) -> str:
        """The file of a version."""
        return f"{self.folder}/{version:020d}.json"

    # Reading ------------------------------------------------------------------------------------

    def versions(self) -> tuple[list[int], dict[int, list[str]]]:
        """The versions that have a file, and the files of the checkpoints that are whole, by version."""
        names = self.storage.list_folder(self.folder) or []
        versions = sorted(int(match[1]) for name in names if (match := _VERSION.fullmatch(name)))
        return versions, _checkpoints(names)

    def read(self) -> State:
        """Read where the table stands, after checking that it can be followed.

        Raises `TableUnusable` if others have changed its files, or what it demands of writers.
        """
        versions, checkpoints = self.versions()
        if not versions and not checkpoints:
            return State()
        state = State()
        if checkpoints:
            newest = max(checkpoints)
            for name in checkpoints[newest]:
                state = state.after(newest, self._checkpoint_actions(name))
            state = replace(state, checkpoint=newest)
        first = state.own + 1  # versions up to there were looked at before that one was written
        wanted = range(first, max([*versions, state.version]) + 1)
        if missing := set(wanted).difference(versions):
            raise TableUnusable(
                f"the Delta table of {self.dataset} lacks version {min(missing)}, so it is not known what "
                f"has changed in it since this package's last one. {self.remake()}"
            )
        for version, actions in self._read_versions(wanted):
            self._check_ours(version, actions)
            state = state.after(version, actions)
        self._check_protocol(state)
        return state

    def _read_versions(self, wanted: Sequence[int]) -> Iterable[tuple[int, list[Action]]]:
        for start in range(0, len(wanted), _READ_AT_ONCE):
            some = wanted[start : start + _READ_AT_ONCE]
            bodies = self.storage.read_many([self.path(version) for version in some])
            for version, body in zip(some, bodies, strict=True):
                yield version, self._parsed(version, body)

    def _parsed(self, version: int, body: bytes) -> list[Action]:
        try:
            return [msgspec.json.decode(line, type=dict[str, Any]) for line in body.splitlines() if line]
        except (ValueError, msgspec.MsgspecError) as error:
            raise TableUnusable(f"{self.path(version)} is damaged: {error}. {self.remake()}") from error

    def _checkpoint_actions(self, name: str) -> list[Action]:
        """The few actions of a checkpoint that are not about files."""
        wanted = ["txn", "protocol", "metaData"]
        with self.storage.open_input(f"{self.folder}/{name}") as source:
            table = pq.ParquetFile(source).read(columns=wanted)
        return [
            {column: _plain(value)}
            for column in wanted
            for value in table[column].filter(pc.is_valid(table[column])).to_pylist()
        ]

    # Whether it can be followed -----------------------------------------------------------------

    def _check_ours(self, version: int, actions: Sequence[Action]) -> None:
        """Raise `TableUnusable` for a version of another program that has changed the table's files."""
        if any(action.get("txn", {}).get("appId") == VERSION_ID for action in actions):
            return
        if any("add" in action or "remove" in action for action in actions):
            info: Mapping[str, Any] = next(
                (each["commitInfo"] for each in actions if "commitInfo" in each), {}
            )
            raise TableUnusable(
                f"version {version} of the Delta table of {self.dataset} was written by another program "
                f"({info.get('operation', 'unknown operation')}) and changes its files, so that the table no "
                f"longer shows what has landed. {self.remake()}"
            )

    def _check_protocol(self, state: State) -> None:
        protocol, settings = state.protocol, state.metadata.get("configuration") or {}
        reader, writer = protocol.get("minReaderVersion", 1), protocol.get("minWriterVersion", 2)
        features = {*(protocol.get("readerFeatures") or ()), *(protocol.get("writerFeatures") or ())}
        simple = reader == 1 and writer <= 2  # noqa: PLR2004
        if not simple and not (writer == 7 and features <= _FEATURES):  # noqa: PLR2004
            named = ", ".join(sorted(features - _FEATURES)) or f"reader {reader}, writer {writer}"
            raise TableUnusable(
                f"the Delta table of {self.dataset} was upgraded to a protocol that this package does not "
                f"write ({named}). {self.remake()}"
            )
        for name, value in (("delta.appendOnly", "true"), ("delta.setTransactionRetentionDuration", None)):
            if name in settings and value in (None, str(settings[name]).lower()):
                raise TableUnusable(
                    f"the Delta table of {self.dataset} has the property {name}={settings[name]}, with which "
                    "it cannot follow the lake: unset the property"
                )

    def remake(self) -> str:
        """What to do with a table that cannot be followed."""
        return _REMAKE.format(folder=self.storage.url(self.folder))

    # Writing ------------------------------------------------------------------------------------

    def create(self, version: int, actions: Iterable[Action]) -> bool:
        """Create a version. False: another writer was faster. Raises what the store raises."""
        path = self.path(version)
        body = b"\n".join(map(msgspec.json.encode, actions)) + b"\n"
        try:
            self.storage.create(path, body, self.folder)
        except NotCreated as error:
            raise error.__cause__ or error from None
        except Exception:  # whatever a store's client raises: reading the version decides
            try:
                found = self.storage.read(path)
            except FileNotFoundError:
                found = None
            if found is None:
                raise
            self.storage.sync_folder(self.folder)
            return found == body
        return True


def _checkpoints(names: Iterable[str]) -> dict[int, list[str]]:
    """The files of each checkpoint all of whose parts are there, by its version."""
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for name in sorted(names):
        if match := _CHECKPOINT.fullmatch(name):
            found[int(match[1]), int(match[3] or 1)].append(name)
    return {version: parts for (version, count), parts in found.items() if len(parts) == count}


def _plain(value: Any) -> Any:
    """A value of a checkpoint as it is in a version: maps are lists of pairs in Arrow."""
    if not isinstance(value, dict):
        return value
    plain = {name: _plain(each) for name, each in value.items()}
    if isinstance(plain.get("configuration"), list):
        plain["configuration"] = dict(plain["configuration"])
    if isinstance(plain.get("options"), list):
        plain["options"] = dict(plain["options"])
    return {name: each for name, each in plain.items() if each is not None}
