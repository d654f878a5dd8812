"""What Microsoft's SDK for Graph knows about alerts and incidents, read from its wheel without running it.

The SDK is generated from Graph's metadata and released every few weeks. Its models are read as syntax trees:
importing them takes seconds and needs the SDK's own libraries.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["GraphTypes", "differences", "read_wheel"]

_MODELS = "msgraph/generated/models/security"
_ROOTS = {"Alert": "alert", "Incident": "incident"}
_BASE = "alertevidence"
_SCALARS = {
    "bool": "boolean",
    "datetime": "time",
    "float": "double",
    "int": "int",
    "str": "string",
    "uuid": "guid",
}
_ANNOTATION = "@odata.type"


@dataclass
class GraphTypes:
    """Types by name: of evidence, other objects, and enums. A type has property → kind, an enum its members.

    A kind is `string`, `time`, `int`, `double`, `boolean`, `guid` or a type's name, in brackets for a list.
    """

    evidence: dict[str, dict[str, str]] = field(default_factory=dict)
    other: dict[str, dict[str, str]] = field(default_factory=dict)
    enums: dict[str, list[str]] = field(default_factory=dict)


def read_wheel(wheel: Path) -> GraphTypes:
    """The types that alerts and incidents consist of, in the SDK's wheel.

    Raises:
        ValueError: the wheel's models do not look as they did when this was written.
    """
    with zipfile.ZipFile(wheel) as archive:
        return _Models(archive).read()


class _Models:
    """The models that can be reached from an alert or an incident."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._modules = dict(_ROOTS)
        self._found = GraphTypes()

    def read(self) -> GraphTypes:
        """Read the roots, and all that they mention, level by level."""
        known: set[str] = set()
        while new := [name for name in self._modules if name not in known]:
            for name in new:
                known.add(name)
                self._read(name)
        if not (self._found.evidence and self._found.enums):
            raise ValueError(
                f"no evidence types or enums in {self._archive.filename}: have its models moved?"
            )
        return self._found

    def _read(self, name: str) -> None:
        try:
            text = self._archive.read(f"{_MODELS}/{self._modules[name]}.py")
        except KeyError:  # such as `entity`, the base of all that has an id
            return
        tree = ast.parse(text)
        [model] = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name]
        bases = {each.id for each in model.bases if isinstance(each, ast.Name)}
        if "Enum" in bases:
            self._found.enums[_first_lower(name)] = list(_members(model))
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
                self._modules.update((alias.name, node.module) for alias in node.names)
        is_evidence = any(each.lower() == _BASE for each in (name, *bases))
        (self._found.evidence if is_evidence else self._found.other)[_first_lower(name)] = _properties(model)


def _properties(model: ast.ClassDef) -> dict[str, str]:
    """Property → kind, from the dict of its readers: `"url": lambda n: setattr(…, n.get_str_value())`."""
    assigned = [node for node in ast.walk(model) if isinstance(node, ast.AnnAssign)]
    readers = next(node.value for node in assigned if ast.unparse(node.target) == "fields")
    if not isinstance(readers, ast.Dict):
        raise ValueError(f"{model.name}: a dict was expected, not {ast.unparse(readers or model)}")
    kinds = {}
    for key, value in zip(readers.keys, readers.values, strict=True):
        name = ast.literal_eval(key) if key is not None else ""
        if name != _ANNOTATION:
            kinds[name] = _kind(value)
    return kinds


def _kind(reader: ast.expr) -> str:
    """`n.get_collection_of_enum_values(EvidenceRole)` is `[evidenceRole]`."""
    calls = [node for node in ast.walk(reader) if isinstance(node, ast.Call)]
    [(call, getter)] = [
        (node, node.func.attr.removeprefix("get_"))
        for node in calls
        if isinstance(node.func, ast.Attribute) and node.func.attr.startswith("get_")
    ]
    arguments = [each.id for each in call.args if isinstance(each, ast.Name)]
    inner = arguments[0] if arguments else getter.removesuffix("_value")
    kind = _SCALARS.get(inner.lower(), _first_lower(inner))
    return f"[{kind}]" if getter.startswith("collection_") else kind


def _members(model: ast.ClassDef) -> Iterator[str]:
    for node in model.body:
        if isinstance(node, ast.Assign):
            value = ast.literal_eval(node.value)
            yield value[0] if isinstance(value, tuple) else value


def _first_lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def differences(ours: GraphTypes, theirs: GraphTypes) -> list[str]:
    """What the SDK has and we lack, and the other way round, each as a line for people."""
    return [
        *_differences_of_types("evidence type", ours.evidence, theirs.evidence),
        *_differences_of_types("type", ours.other, theirs.other),
        *_differences_of_enums(ours.enums, theirs.enums),
    ]


def _differences_of_types(
    what: str, ours: Mapping[str, Mapping[str, str]], theirs: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    own, other = _by_lower(ours), _by_lower(theirs)
    for key in other.keys() - own.keys():
        name, properties = other[key], theirs[other[key]]
        yield f"new {what} {name}: {', '.join(f'{each}:{kind}' for each, kind in properties.items())}"
    for key in own.keys() - other.keys():
        yield f"{what} {own[key]} is gone"
    for key in own.keys() & other.keys():
        yield from _differences_of_properties(own[key], ours[own[key]], theirs[other[key]])


def _differences_of_properties(
    name: str, ours: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[str]:
    for each in theirs.keys() - ours.keys():
        yield f"new property {name}.{each}:{theirs[each]}"
    for each in ours.keys() - theirs.keys():
        yield f"property {name}.{each} is gone"
    for each in ours.keys() & theirs.keys():
        if ours[each].lower() != theirs[each].lower():
            yield f"property {name}.{each} was {ours[each]} and is {theirs[each]}"


def _differences_of_enums(ours: Mapping[str, list[str]], theirs: Mapping[str, list[str]]) -> Iterator[str]:
    own, other = _by_lower(ours), _by_lower(theirs)
    for key in other.keys() - own.keys():
        yield f"new enum {other[key]}: {', '.join(theirs[other[key]])}"
    for key in own.keys() - other.keys():
        yield f"enum {own[key]} is gone"
    for key in own.keys() & other.keys():
        known, found = ours[own[key]], theirs[other[key]]
        yield from (f"new member {own[key]}.{each}" for each in found if each not in known)
        yield from (f"member {own[key]}.{each} is gone" for each in known if each not in found)


def _by_lower(names: Mapping[str, object]) -> dict[str, str]:
    """Class names differ from type names in case: `IoTDeviceEvidence` is `ioTDeviceEvidence`."""
    return {name.lower(): name for name in names}
