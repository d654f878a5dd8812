"""The part of OData's `$filter` that Microsoft's security APIs support, compiled to a test of records.

Grammar: `or` below `and` below `not`; parentheses; `eq ne gt ge lt le in`; `startswith(property,'text')`;
`collection/any(x: …)` and `/all`. Times stand without quotes, texts and enums within them.
Which properties can be filtered is the service's to say (`Properties`).
Source: Microsoft "OData queries using Microsoft Defender for Endpoint" and the alerts APIs' pages.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from airflow_provider_defender.timestamps import parse_ticks

__all__ = ["FilterError", "Filterable", "Properties", "compile_filter", "fields_of"]

_Row = Mapping[str, Any]
_Test = Callable[[_Row], bool]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+-]\d\d:\d\d))?)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<sign>[(),:])
    )""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_BODY = "\0body"


class FilterError(ValueError):
    """A `$filter` that the API answers with 400; the text says where parsing failed."""


@dataclass(frozen=True)
class Properties:
    """What records of a type can be filtered by; everything else is refused.

    * `times`: compared as times; `values`: compared as they are; `numbers`: those of them that are numbers.
    * `collections`: for `any` and `all`, which look at the record itself.
    """

    type: str
    times: frozenset[str]
    values: frozenset[str]
    numbers: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()


def fields_of(record: _Row, *, values: Iterable[str], times: Iterable[str]) -> dict[str, Any]:
    """Properties of a record as `Filterable.fields` has them; a time that is none is left out, as null is."""
    fields = {name: record.get(name) for name in values}
    for name in times:
        text = record.get(name)
        fields[name] = parse_ticks(text) if isinstance(text, str) else None
    return fields


class Filterable(Protocol):
    """A record that a filter can look at."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """The properties that can be filtered; times in ticks."""

    @property
    def body(self) -> Any:
        """The record, decoded. Raises msgspec.DecodeError when it is not JSON."""


class _Token(NamedTuple):
    type: str
    text: str


def compile_filter(text: str, properties: Properties) -> Callable[[Filterable], bool]:
    """Compile a filter to a test of records that have these properties.

    Raises FilterError if the API would refuse it.
    """
    parser = _Parser(_tokens(text), properties)
    test = parser.parse()
    if parser.needs_body:
        return lambda record: test({**record.fields, _BODY: _body(record)})
    return lambda record: test(record.fields)


def _body(record: Filterable) -> _Row:
    try:
        body = record.body
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise FilterError(f"Syntax error at position {position} in '{text}'.")
        group = match.lastgroup or ""
        tokens.append(_Token(group, match[group]))
        position = match.end()
    tokens.append(_Token("end", ""))
    return tokens


class _Parser:
    """Recursive descent over the tokens; each level gives a test on a row."""

    def __init__(self, tokens: list[_Token], properties: Properties) -> None:
        self._tokens = tokens
        self._properties = properties
        self._at = 0
        self._variable: str | None = None
        self.needs_body = False

    def parse(self) -> _Test:
        test = self._or()
        if self._peek().type != "end":
            raise FilterError(f"Syntax error: unexpected '{self._peek().text}'.")
        return test

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _take(self, text: str) -> bool:
        if self._peek().text == text and self._peek().type in ("name", "sign"):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise FilterError(f"Syntax error: '{text}' expected, '{self._peek().text}' found.")

    def _or(self) -> _Test:
        tests = [self._and()]
        while self._take("or"):
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _and(self) -> _Test:
        tests = [self._not()]
        while self._take("and"):
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _not(self) -> _Test:
        if self._take("not"):
            test = self._not()
            return lambda row: not test(row)
        return self._primary()

    def _primary(self) -> _Test:
        if self._take("("):
            test = self._or()
            self._expect(")")
            return test
        token = self._next()
        if token.type != "name":
            raise FilterError(f"Syntax error: a property expected, '{token.text}' found.")
        if self._peek().text == "(":
            return self._function(token.text)
        return self._comparison(token.text)

    def _function(self, name: str) -> _Test:
        collection, _, quantifier = name.rpartition("/")
        if quantifier in ("any", "all") and collection:
            return self._lambda(collection, quantifier)
        if name != "startswith":
            raise FilterError(f"An unknown function with name '{name}' was found.")
        self._expect("(")
        get = self._property(self._next().text)
        self._expect(",")
        prefix = self._literal()
        self._expect(")")
        if not isinstance(prefix, str):
            raise FilterError("startswith takes a text in single quotes.")
        wanted = True
        if self._take("eq"):
            wanted = self._literal() is True
        return lambda row: (isinstance(value := get(row), str) and value.startswith(prefix)) == wanted

    def _lambda(self, collection: str, quantifier: str) -> _Test:
        if collection not in self._properties.collections or self._variable is not None:
            raise FilterError(f"'{collection}' is not a collection of '{self._properties.type}'.")
        self._expect("(")
        if quantifier == "any" and self._take(")"):
            self.needs_body = True
            return lambda row: bool(row[_BODY].get(collection))
        self._variable = self._next().text
        self._expect(":")
        test = self._or()
        self._expect(")")
        self._variable, self.needs_body = None, True
        combine = any if quantifier == "any" else all
        return lambda row: combine(test({"": item}) for item in row[_BODY].get(collection) or ())

    def _property(self, path: str) -> Callable[[_Row], Any]:
        first, _, rest = path.partition("/")
        if self._variable is not None:
            if first != self._variable:
                raise FilterError(f"'{first}' is not the variable of this expression.")
            if not rest:
                return lambda row: row[""]
            return lambda row: row[""].get(rest) if isinstance(row[""], dict) else None
        if path not in self._properties.times and path not in self._properties.values:
            raise FilterError(
                f"Could not find a property named '{path}' that can be filtered on type "
                f"'{self._properties.type}'."
            )
        return lambda row: row.get(path)

    def _comparison(self, path: str) -> _Test:
        get = self._property(path)
        name = self._next().text
        if name == "in":
            values = self._list(path)
            return lambda row: get(row) in values
        compare = _COMPARISONS.get(name)
        if compare is None:
            raise FilterError(f"Syntax error: an operator expected after '{path}', '{name}' found.")
        wanted = self._typed(path, self._literal())
        if wanted is None or compare in (operator.eq, operator.ne):
            return lambda row: compare(get(row), wanted) if name in ("eq", "ne") else False
        return lambda row: (value := get(row)) is not None and _ordered(compare, value, wanted)

    def _list(self, path: str) -> list[Any]:
        self._expect("(")
        values = [self._typed(path, self._literal())]
        while self._take(","):
            values.append(self._typed(path, self._literal()))
        self._expect(")")
        return values

    def _literal(self) -> Any:
        token = self._next()
        if token.type == "text":
            return token.text[1:-1].replace("''", "'")
        if token.type == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.type == "time":
            return _Time(token.text)
        if token.type == "name" and token.text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token.text]
        raise FilterError(f"Syntax error: a value expected, '{token.text}' found.")

    def _typed(self, path: str, value: Any) -> Any:
        """The value as the property's type has it; the API refuses to compare different types."""
        if value is None:
            return None
        if self._variable is not None:
            return value.text if isinstance(value, _Time) else value
        if path in self._properties.times:
            expected: type = _Time
        elif path in self._properties.numbers:
            expected = int
        else:
            expected = str
        if not isinstance(value, expected):
            raise FilterError(
                f"A binary operator with incompatible types was detected for '{path}': times stand without "
                "quotes, texts and enums in single quotes."
            )
        return value.ticks if isinstance(value, _Time) else value


class _Time:
    """A time in a filter, kept exact."""

    def __init__(self, text: str) -> None:
        ticks = parse_ticks(text if "T" in text else f"{text}T00:00:00Z")
        if ticks is None:
            raise FilterError(f"'{text}' is not a time.")
        self.text = text
        self.ticks = ticks


def _ordered(compare: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    try:
        return bool(compare(value, wanted))
    except TypeError:  # a raw record with another type than the property has
        return False
