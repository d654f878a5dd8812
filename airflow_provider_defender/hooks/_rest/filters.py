"""Filters of records by the values of their properties, for any REST API."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._connection.shown import nearest
from airflow_provider_defender.hooks._rest import odata

if TYPE_CHECKING:
    import msgspec

__all__ = ["ValueFilter", "free_texts", "known_texts"]

_MOST_SEEN = 200
_ABSENT = ("", "-", "N/A")
"""Texts that stand for a missing value."""


class ValueFilter:
    """A filter of records by the texts of some properties; an empty part lets all pass.

    A subclass gives the values in `as_dict`, in the API's spelling. `documented` are the documented values of
    the properties that are free text, by property. `unfilterable` are the properties by which the API itself
    cannot filter.
    """

    noun: ClassVar[str] = "alert"
    documented: ClassVar[Mapping[str, Collection[str]]] = {}
    unfilterable: ClassVar[frozenset[str]] = frozenset()

    def as_dict(self) -> Mapping[str, list[str]]:
        """The values that pass, by property; parts that let all pass are left out."""
        raise NotImplementedError

    def wanted(self, records: Sequence[msgspec.Raw], seen: dict[str, set[str]] | None = None) -> list[bool]:
        """For each raw record, whether it passes. Names and values are compared regardless of case.

        A record that cannot be read, or that lacks the property, passes: a filter must not drop it. `seen`
        collects the values that occurred, by property, for `warnings`.
        """
        parts = {name: {value.casefold() for value in values} for name, values in self.as_dict().items()}
        if not parts:
            return [True] * len(records)
        return [_passes(record, parts, {} if seen is None else seen) for record in records]

    def warnings(self, seen: Mapping[str, Collection[str]]) -> list[str]:
        """Return a warning for each free text that is not documented and occurred in no record (`seen`)."""
        return [
            self._warning(name, value, [*known, *seen.get(name, ())])
            for name, known in self.documented.items()
            for value in self.as_dict().get(name, ())
            if value.casefold() not in {each.casefold() for each in (*known, *seen.get(name, ()))}
        ]

    def _warning(self, name: str, value: str, known: Collection[str]) -> str:
        return (
            f"Filter {name}: no {self.noun} that was read has {value!r}, and Microsoft's documentation does "
            f"not name it{_suggestion(value, sorted(set(known)))} If it is misspelt, the {self.noun}s it was "
            "meant for have not landed: correct it, and run this task once with since=<when it began to run>."
        )

    def odata(self) -> str | None:
        """The OData condition, or None if everything passes.

        Only for requests of a single page: rows that change while pages are read would leave the result, and
        paging would miss others. Lets more pass than the filter if the API cannot filter by a property.
        """
        parts = {name: values for name, values in self.as_dict().items() if name not in self.unfilterable}
        return odata.all_of(*(odata.any_of(name, values) for name, values in parts.items()))


def free_texts(name: str, values: Collection[str] | str | None) -> tuple[str, ...]:
    """The values of a filter that takes any text, sorted and without duplicates.

    Raises `ConfigurationError` if `values` is no list of names.
    """
    if isinstance(values, str):
        values = [values] if values.strip() else []  # a template that renders to nothing
    try:
        texts = list(values or ())
    except TypeError:
        raise ConfigurationError(f"Filter {name}: {values!r} is not a list of names.") from None
    for text in texts:
        if not isinstance(text, str) or not text.strip() or any(mark in text for mark in ",[]"):
            raise ConfigurationError(
                f"Filter {name}: {text!r} is not a name. Give a list of names; a template gives one with "
                "render_template_as_native_obj=True on the DAG."
            )
    return tuple(sorted({text.strip() for text in texts}))


def known_texts(
    name: str,
    values: Collection[str] | str | None,
    known: Collection[str],
    api: str,
    also: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """The values of a filter that takes only `known` ones, in any case; returns the API's spelling.

    `also`: other names of known values, in lower case. Raises `ConfigurationError` for an unknown value,
    since it would silently let nothing pass; `api` names the API in it.
    """
    spelling = {**(also or {}), **{value.lower(): value for value in known}}
    texts = free_texts(name, values)
    unknown = [text for text in texts if text.lower() not in spelling]
    if unknown:
        raise ConfigurationError(
            f"Filter {name}: {', '.join(map(repr, unknown))} is not a {name} of {api}. "
            f"It knows {', '.join(known)}."
        )
    return tuple(sorted({spelling[text.lower()] for text in texts}))


def _passes(record: msgspec.Raw, parts: Mapping[str, set[str]], seen: dict[str, set[str]]) -> bool:
    import msgspec

    try:
        members = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True
    passes = True
    for name, values in parts.items():
        text = _text_of(members, name)
        if text is None:
            continue
        met = seen.setdefault(name, set())
        if len(met) < _MOST_SEEN:
            met.add(text)
        passes = passes and text.casefold() in values
    return passes


def _text_of(members: Mapping[str, msgspec.Raw], name: str) -> str | None:
    """The property's text under its exact spelling, or else one that differs in case, as in the mapping."""
    import msgspec

    for key in (name, *(key for key in members if key.lower() == name.lower())):
        try:
            value = msgspec.json.decode(members.get(key, b"null"), type=str | None)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if value is not None and value.strip() not in _ABSENT:
            return value.strip()
    return None


def _suggestion(value: str, known: Sequence[str]) -> str:
    """The end of the sentence: the known name that was probably meant, if there is a similar one."""
    spelling = {_plain(name): name for name in known}
    near = nearest(_plain(value), spelling)
    return f"; did you mean {spelling[near]!r}?" if near else "."


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
