"""What the import contract says of single modules: no circles, and nothing private from outside its package.

`make lint` checks the layers, which stand in pyproject.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import grimp
import pytest

PACKAGE = "airflow_provider_defender"


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules of which each imports, directly or not, all others of the group.

    A module reaches itself only on a circle; two modules are on the same one if each reaches the other.
    """
    reached = {module: set(_reached(module, imports)) for module in imports}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in imports
        if module in reached[module]
    }
    return [list(group) for group in sorted(groups)]


def _reached(start: str, imports: Mapping[str, set[str]]) -> Iterator[str]:
    """All modules that `start` imports, directly or not; itself only if it is among them."""
    seen: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            yield module
            waiting += imports[module]


@pytest.mark.parametrize(
    ("imports", "found"),
    [
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"a"}}, [["a"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}}, [["a", "b", "c"], ["d", "e"]]),
    ],
)
def test_circles_are_found(imports: dict[str, set[str]], found: list[list[str]]) -> None:
    assert circles(imports) == found


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Each module with those that it imports, be it at the top, lazily or for type checking."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_module_imports_itself_by_way_of_others(imports: dict[str, set[str]]) -> None:
    """A package counts as a module, too: its own modules must not import what it gathers from them."""
    assert len(imports) > 100
    assert circles(imports) == []


def intrusions(imports: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Who imports something private of a package in which it does not lie itself."""
    return sorted(
        (module, imported)
        for module, all_imported in imports.items()
        for imported in all_imported
        if not all(f"{module}.".startswith(f"{owner}.") for owner in _owners(imported))
    )


def _owners(module: str) -> Iterator[str]:
    """The packages that keep this module, or one of those around it, for themselves."""
    parts = module.split(".")
    for place, part in enumerate(parts):
        if part.startswith("_") and not part.startswith("__"):
            yield ".".join(parts[:place])


@pytest.mark.parametrize(
    ("module", "imported", "allowed"),
    [
        ("p.hooks.api", "p.hooks._rest.client", True),
        ("p.hooks._kafka.reader", "p.hooks._rest", True),
        ("p.hooks", "p.hooks._rest.client", True),
        ("p.hooks.api", "p._plural", True),
        ("p.cli", "p.__main__", True),
        ("p.lake.log", "p.hooks._rest.client", False),
        ("p.hooks_more.api", "p.hooks._rest.client", False),
        ("p.hooks.api", "p.hooks._rest._inner", False),
    ],
)
def test_intrusions_are_found(module: str, imported: str, allowed: bool) -> None:
    assert intrusions({module: {imported}}) == ([] if allowed else [(module, imported)])


def test_nothing_private_is_imported_from_outside_its_package(imports: dict[str, set[str]]) -> None:
    assert intrusions(imports) == []
