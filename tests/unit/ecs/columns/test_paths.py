"""Names and paths of files."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.ecs import columns


def texts(*values: Any) -> pa.Array:
    return pa.array(values, pa.string())


@pytest.mark.parametrize(
    ("directory", "name", "expected"),
    [
        (
            "C:\\Windows\\System32",
            "notepad.exe",
            ("C:\\Windows\\System32", "C:\\Windows\\System32\\notepad.exe", "exe"),
        ),
        ("C:\\", "a.TXT", ("C:\\", "C:\\a.TXT", "txt")),
        ("/usr/bin", "python3.11", ("/usr/bin", "/usr/bin/python3.11", "11")),
        ("/", "init", ("/", "/init", None)),
        ("/usr/bin/bash", "bash", ("/usr/bin", "/usr/bin/bash", None)),
        ("c:\\temp\\A.dll", "a.dll", ("c:\\temp", "c:\\temp\\A.dll", "dll")),
        ("\\\\server\\share", "x", ("\\\\server\\share", "\\\\server\\share\\x", None)),
        ("D:", ".bashrc", ("D:", "D:\\.bashrc", None)),
        ("C:", "a.txt", ("C:", "C:\\a.txt", "txt")),
        ("C:\\a.txt", "a.txt", ("C:\\", "C:\\a.txt", "txt")),
        ("/init", "init", ("/", "/init", None)),
        ("/usr/bin/", "bash", ("/usr/bin/", "/usr/bin/bash", None)),
        ("C:\\x\\", "a.txt", ("C:\\x\\", "C:\\x\\a.txt", "txt")),
        ("/usr/bin/bash", "/usr/bin/bash", ("/usr/bin", "/usr/bin/bash", None)),
        ("/usr/bin", "/usr/bin/bash", ("/usr/bin", "/usr/bin/bash", None)),
        (None, "C:\\x\\a.txt", ("C:\\x", "C:\\x\\a.txt", "txt")),
        ("/home/jane/x/a.sh", "x/a.sh", ("/home/jane/x", "/home/jane/x/a.sh", "sh")),
        ("/tmp", "/tmp/", ("/tmp", None, None)),
        ("bash", "bash", (None, "bash", None)),
        (
            "C:\\PROGRA~1\\MICROS~1\\POWERP~1.EXE",
            "POWERPNT.EXE",
            ("C:\\PROGRA~1\\MICROS~1", "C:\\PROGRA~1\\MICROS~1\\POWERP~1.EXE", "exe"),
        ),
        ("C:\\PROGRA~1", "POWERPNT.EXE", ("C:\\PROGRA~1", "C:\\PROGRA~1\\POWERPNT.EXE", "exe")),
        ("C:\\x", "a.txt:b", ("C:\\x", "C:\\x\\a.txt:b", "txt")),
        ("C:\\x\\a.txt", "a.txt:b", ("C:\\x", "C:\\x\\a.txt:b", "txt")),
        ("C:\\x\\a.txt:b", "a.txt", ("C:\\x", "C:\\x\\a.txt:b", "txt")),
        ("C:\\x", "", ("C:\\x", None, None)),
        (None, "a.b.c", (None, None, "c")),
        ("/tmp", None, ("/tmp", None, None)),
        (None, None, (None, None, None)),
    ],
)
def test_file_parts(directory: Any, name: Any, expected: Any) -> None:
    assert columns.parts_of_file(directory, name) == expected
    assert tuple(part[0].as_py() for part in columns.file_parts(texts(directory), texts(name))) == expected


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("C:\\Windows\\explorer.exe", "explorer.exe", ("C:\\Windows\\explorer.exe", "explorer.exe")),
        ("c:\\windows\\EXPLORER.EXE", "explorer.exe", ("c:\\windows\\EXPLORER.EXE", "explorer.exe")),
        ("/usr/bin/bash", "bash", ("/usr/bin/bash", "bash")),
        ("/usr/bin/bash", "/usr/bin/bash", ("/usr/bin/bash", "bash")),
        ("/usr/bin", "/usr/bin/bash", ("/usr/bin/bash", "bash")),
        ("/usr/bin/dash", "sh", ("/usr/bin/dash", "sh")),
        ("/usr/bin/", "bash", ("/usr/bin/bash", "bash")),
        (
            "C:\\PROGRA~1\\MICROS~1\\POWERP~1.EXE",
            "POWERPNT.EXE",
            ("C:\\PROGRA~1\\MICROS~1\\POWERP~1.EXE", "POWERPNT.EXE"),
        ),
        ("C:\\Windows\\System32", "cmd.exe", ("C:\\Windows\\System32\\cmd.exe", "cmd.exe")),
        ("C:\\Tools\\App.Net 4.5", "a.exe", ("C:\\Tools\\App.Net 4.5\\a.exe", "a.exe")),
        ("C:", "a.exe", ("C:\\a.exe", "a.exe")),
        ("C:\\Windows\\ntoskrnl.exe", "System", ("C:\\Windows\\ntoskrnl.exe", "System")),
        ("C:\\x\\python3.exe", "python.exe", ("C:\\x\\python3.exe", "python.exe")),
        ("C:\\x\\a.txt:evil.exe", "a.txt:evil.exe", ("C:\\x\\a.txt:evil.exe", "a.txt:evil.exe")),
        (
            None,
            "\\Device\\HarddiskVolume3\\Windows\\System32\\smss.exe",
            ("\\Device\\HarddiskVolume3\\Windows\\System32\\smss.exe", "smss.exe"),
        ),
        (
            "C:\\Windows\\System32\\smss.exe",
            "\\Device\\HarddiskVolume3\\Windows\\System32\\smss.exe",
            ("C:\\Windows\\System32\\smss.exe", "smss.exe"),
        ),
        ("notepad.exe", "notepad.exe", ("notepad.exe", "notepad.exe")),
        ("/usr/bin/bash", None, ("/usr/bin/bash", None)),
        (None, "bash", (None, "bash")),
        (None, None, (None, None)),
        ("/usr/bin/bash", "", ("/usr/bin/bash", None)),
    ],
)
def test_image_paths(path: Any, name: Any, expected: Any) -> None:
    assert columns.parts_of_image(path, name) == expected
    assert tuple(part[0].as_py() for part in columns.image_paths(texts(path), texts(name))) == expected


PATHS = (
    st.none()
    | st.text(st.sampled_from("aA.:~1/\\\\ "), max_size=8)
    | st.sampled_from(
        [
            "/usr/bin/a",
            "C:\\\\a.exe",
            "C:\\\\b\\\\a.exe",
            "C:\\\\b",
            "a.exe",
            "AB~1.EXE",
            "C:\\\\AB~1.EXE",
            "abc.exe",
            "C:\\\\İ",
            "i̇",
        ]
    )
)
PAIRS = st.lists(st.tuples(PATHS, PATHS), max_size=6)


@given(PAIRS)
def test_columns_of_paths_are_as_single_ones(pairs: list[tuple[Any, Any]]) -> None:
    first, second = (texts(*(pair[place] for pair in pairs)) for place in (0, 1))
    for function, single in (
        (columns.file_parts, columns.parts_of_file),
        (columns.image_paths, columns.parts_of_image),
    ):
        rows = list(zip(*(part.to_pylist() for part in function(first, second)), strict=True))
        assert rows == [single(*pair) for pair in pairs]


@given(PATHS, PATHS)
def test_a_path_ends_in_its_name_or_is_as_sent(directory: Any, name: Any) -> None:
    _, path, _ = columns.parts_of_file(directory, name)
    assert path is None or path in (directory, name) or path.endswith(name)
    executable, own = columns.parts_of_image(directory, name)
    assert executable is None or executable in (directory, name) or executable.endswith(own or "")
    assert own is None or not {"/", "\\"} & set(own)


@pytest.mark.parametrize(
    ("text", "name", "stream", "extension"),
    [
        ("a.txt", "a.txt", None, "txt"),
        ("a.txt:b", "a.txt", "b", "txt"),
        ("a.txt:Zone.Identifier", "a.txt", "Zone.Identifier", "txt"),
        ("a.txt:b:$DATA", "a.txt", "b", "txt"),
        ("a.txt::$DATA", "a.txt", None, "txt"),
        ("C:\\x\\A.TXT:b", "A.TXT", "b", "txt"),
        ("/usr/bin/bash", "bash", None, None),
        (".bashrc", ".bashrc", None, None),
        ("a.", "a.", None, None),
        ("C:\\x\\", None, None, None),
        (":", None, None, None),
    ],
)
def test_names_and_streams(text: str, name: Any, stream: Any, extension: Any) -> None:
    assert (columns.file_name(text), columns.fork_name(text)) == (name, stream)
    assert columns.extension_of(text) == extension
    assert [part[0].as_py() for part in columns.file_names(texts(text))] == [name, stream]


def test_only_name() -> None:
    names = texts("/usr/bin/bash", "a.txt:b", "\\Device\\HarddiskVolume3\\smss.exe", "x/", None)
    assert columns.only_name(names).to_pylist() == ["bash", "a.txt:b", "smss.exe", None, None]
