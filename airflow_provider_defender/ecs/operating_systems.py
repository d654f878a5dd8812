"""Families of operating systems by their names."""

from __future__ import annotations

import re

__all__ = ["operating_system_family"]

_LINUX = (
    "alma|alpine|amazon|centos|core ?os|debian|euler ?os|fedora|flatcar|gentoo|kali|linux|manjaro|mariner|"
    "nixos|oracle|photon|raspbian|red ?hat|rhel|rocky|slackware|sles|suse|ubuntu"
)
_FAMILIES = (
    ("windows", re.compile(r"\bwindows|\bwin(?:dows)?[ _-]?(?:\d|xp|vista|server)")),
    ("android", re.compile(r"\bandroid")),
    ("macos", re.compile(r"\bmac ?os|\bos ?x\b|\bosx|\bmacintosh|\bdarwin")),
    ("unix", re.compile(r"\bunix\b|\baix\b|\bsolaris|\bsunos|\bhp-?ux|(?:free|open|net|dragonfly) ?bsd")),
    ("linux", re.compile(_LINUX)),
    ("ios", re.compile(r"\bios\b|\bios ?\d|\bipad ?os")),
)
_APPLIANCES = re.compile(r"cisco|\bios[ -]?x[er]\b|\bnx-?os|junos|fortios|pan-?os")


def operating_system_family(name: str | None) -> str | None:
    """`host.os.type` by the name of an operating system or of a distribution of Linux.

    It is android, ios, linux, macos, unix or windows, which are all that ECS allows; None where the name is
    that of none of them. `CiscoIOS` and other systems of network devices are none.
    """
    text = (name or "").lower()
    if not text or _APPLIANCES.search(text):
        return None
    return next((family for family, pattern in _FAMILIES if pattern.search(text)), None)
