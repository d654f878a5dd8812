"""The catalogue of action types: what `event.*` says of each, as data that a person can review.

`actions.csv` has one row for each table and action type. Action types match whatever their case, blanks,
hyphens and final dots. A `*` stands for any text: such rows count, in their order, where no row has the
action type itself; the row whose action type is nothing but `*` is the table's default. `action_words.csv`
has rules by the words of an action type, for tables with thousands of them: the first rule for the category
that fits gives it, the first rule for the type the type. An action type that only the default is left for is
unknown, and is counted.

How the fields are decided, by the definitions of ECS:

- `event.kind` is alert where a detection says that something is malicious, asset where a table is an
  inventory, else event: rules and policies also stop what is harmless.
- `event.type` is denied for what was stopped, also where it is called enforced, and allowed for what a rule
  noticed in audit mode, or a user went on with.
- `event.outcome` is success or failure only where the action type says how it ended, and unknown for an
  attempt whose end it does not say. To deny and to allow is a type, and no outcome.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import pyarrow as pa

from ...categories import EXPECTED_TYPES
from ...columns import by_distinct
from ...mapping import Computed
from .functions import TEXTS, action_name, json_items

__all__ = [
    "Action",
    "Entry",
    "WordRule",
    "catalogue",
    "event_constants",
    "event_fields",
    "find_entry",
    "has_actions",
    "is_known",
    "look_up",
    "operation_types",
    "result_outcome",
]

_DEFAULT = "*"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
"""A word of an action type; a change of case also parts words: `FileSyncUploadedFull`, `New-InboxRule`."""


class Entry(NamedTuple):
    """A row of `actions.csv`; categories and types are separated by blanks.

    An empty action is the action type in lower case with hyphens; an empty category or type is left to the
    rules by words and to the default; an empty outcome is none.
    """

    table: str
    action_type: str
    action: str
    kind: str
    categories: str
    types: str
    outcome: str
    reason: str


class WordRule(NamedTuple):
    """A row of `action_words.csv`.

    Attributes:
        table: the table whose action types it reads.
        field: `category`, `type`, `subject` (a further type of iam: user or group) or `outcome`.
        rule: `word`: one of the words is one of the texts; `stem`: one begins with one of them; `start`,
            `end`: the whole text begins or ends with one of them.
        texts: alternatives in lower case, with blanks between them.
        value: what it gives.
        reason: why, where that is not obvious.
    """

    table: str
    field: str
    rule: str
    texts: str
    value: str
    reason: str

    def fits(self, text: str, words: Sequence[str]) -> bool:
        """Whether it fits an action type, given in lower case and as words in lower case."""
        texts = tuple(self.texts.split())
        if self.rule in ("start", "end"):
            return text.startswith(texts) if self.rule == "start" else text.endswith(texts)
        if self.rule == "stem":
            return any(word.startswith(texts) for word in words)
        return not set(texts).isdisjoint(words)


class Action(NamedTuple):
    """What is known of an action type; `is_known` is false where only the table's default was left for it."""

    name: str | None
    kind: str
    categories: list[str]
    types: list[str]
    outcome: str | None
    is_known: bool


@dataclass
class _Table:
    """The catalogue's part on one table."""

    default: Entry
    exact: dict[str, Entry] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], Entry]] = field(default_factory=list)
    rules: list[WordRule] = field(default_factory=list)

    def entry(self, action_type: str) -> Entry:
        """The row of an action type, else the first pattern that matches it, else the default."""
        key = _key(action_type)
        found = self.exact.get(key)
        return found or next((entry for form, entry in self.patterns if form.fullmatch(key)), self.default)

    def rule(self, name: str, text: str, fitting: Callable[[str], bool] = bool) -> str | None:
        """What the first fitting rule for a field gives."""
        words = [word.lower() for word in _WORD.findall(text)]
        values = (each.value for each in self.rules if each.field == name and each.fits(text.lower(), words))
        return next((value for value in values if fitting(value)), None)


def _key(action_type: str) -> str:
    return "".join(letter for letter in action_type.lower() if letter.isalnum() or letter == _DEFAULT)


def _rows(name: str) -> list[list[str]]:
    text = files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.reader(text.splitlines()))[1:]


@lru_cache(maxsize=1)
def catalogue() -> tuple[tuple[Entry, ...], tuple[WordRule, ...]]:
    """The rows of `actions.csv` and of `action_words.csv`."""
    return tuple(map(Entry._make, _rows("actions.csv"))), tuple(
        map(WordRule._make, _rows("action_words.csv"))
    )


@lru_cache(maxsize=1)
def _tables() -> dict[str, _Table]:
    entries, rules = catalogue()
    tables = {entry.table: _Table(entry) for entry in entries if entry.action_type == _DEFAULT}
    for entry in entries:
        own = tables[entry.table]
        if _DEFAULT not in entry.action_type:
            own.exact[_key(entry.action_type)] = entry
        elif entry is not own.default:
            form = _key(entry.action_type).replace(_DEFAULT, ".*")
            own.patterns.append((re.compile(form, re.DOTALL), entry))
    for rule in rules:
        tables[rule.table].rules.append(rule)
    return tables


@lru_cache(maxsize=4096)
def look_up(table: str, action_type: str | None, operation: str | None = None) -> Action:
    """What an action type means in a table.

    Args:
        table: a table of the catalogue.
        action_type: the action type, null if the record has none.
        operation: what the rules by words read, if it is not the action type.
    """
    own, text = _tables()[table], operation or action_type or ""
    entry = own.entry(action_type or "")
    is_default = entry is own.default
    category = own.rule("category", text) if is_default or not entry.categories else None
    categories = (category or entry.categories or own.default.categories).split()
    expected = frozenset.intersection(*(EXPECTED_TYPES[name] for name in categories))
    event_type = own.rule("type", text, expected.__contains__) if is_default or not entry.types else None
    subject = own.rule("subject", text) if is_default and categories == ["iam"] else None
    found = {*(event_type or entry.types or own.default.types).split(), subject} - {None}
    return Action(
        entry.action or action_name(action_type),
        entry.kind,
        categories,
        sorted(name for name in found if name in expected) or ["info"],
        entry.outcome or None,
        not is_default or bool(category or event_type or subject),
    )


def find_entry(table: str, action_type: str) -> Entry:
    """The row of an action type, else the first pattern that matches it, else the table's default."""
    return _tables()[table].entry(action_type)


def has_actions(table: str) -> bool:
    """Whether the catalogue has action types of a table, besides its default."""
    own = _tables().get(table)
    return own is not None and bool(own.exact or own.patterns)


def is_known(table: str) -> Callable[[str], bool]:
    """A function that says whether the catalogue has more for an action type than the table's default."""
    return lambda action_type: look_up(table, action_type).is_known


def operation_types(table: str) -> Callable[[pa.Array], pa.Array]:
    """A function that gives `event.type` by a column of JSON arrays of operations: that of each of them."""

    def types(operations: pa.Array) -> pa.Array:
        def find(text: str | None) -> tuple[list[str]]:
            names = [name for name in json_items(text) if isinstance(name, str)]
            found = {each for name in names for each in look_up(table, name).types}
            return (sorted(found) or look_up(table, None).types,)

        return by_distinct(find, (TEXTS,), operations)[0]

    return types


def result_outcome(table: str) -> Callable[[pa.Array], pa.Array]:
    """A function that gives `event.outcome` by the words of a column of results, else unknown."""

    def outcomes(results: pa.Array) -> pa.Array:
        def find(text: str | None) -> tuple[str]:
            return (_tables()[table].rule("outcome", text or "") or "unknown",)

        return by_distinct(find, (pa.string(),), results)[0]

    return outcomes


_FIELDS = {
    "event.action": (lambda action: action.name, pa.string()),
    "event.kind": (lambda action: action.kind, pa.string()),
    "event.category": (lambda action: action.categories, TEXTS),
    "event.type": (lambda action: action.types, TEXTS),
    "event.outcome": (lambda action: action.outcome, pa.string()),
}
_NOTE = (
    "By the [catalogue of action types](action_types.md). For an action type that is not in it: the name in "
    "lower case with hyphens for blanks, and the table's default."
)


def event_fields(table: str, *inputs: str, without: Sequence[str] = (), note: str = _NOTE) -> Computed:
    """`event.action`, category and type by the catalogue; kind and outcome where action types differ in them.

    Args:
        table: a table of the catalogue.
        inputs: the column of action types, `ActionType` if left out; then that of operations, if any.
        without: fields that are filled otherwise.
        note: what the documentation says.
    """
    own = _tables()[table]
    entries = [own.default, *own.exact.values(), *(entry for _, entry in own.patterns)]
    same = {"event.kind"} if len({entry.kind for entry in entries}) == 1 else set()
    same |= set() if any(entry.outcome for entry in entries) else {"event.outcome"}
    fields = {name: how for name, how in _FIELDS.items() if name not in same and name not in without}
    values, types = zip(*fields.values(), strict=True)

    def compute(*columns: pa.Array) -> tuple[pa.Array, ...] | pa.Array:
        def find(*texts: str | None) -> tuple[object, ...]:
            action = look_up(table, *texts)
            return tuple(value(action) for value in values)

        found = by_distinct(find, types, *columns)
        return found if len(found) > 1 else found[0]

    return Computed(tuple(fields), inputs or ("ActionType",), compute, note)


def event_constants(table: str) -> dict[str, Any]:
    """`event.category`, `event.kind` and `event.type` of a table without action types."""
    default = _tables()[table].default
    return {
        "event.category": default.categories.split(),
        "event.kind": default.kind,
        "event.type": default.types.split(),
    }
