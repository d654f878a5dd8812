"""Families of operating systems."""

from __future__ import annotations

import pytest

from airflow_provider_defender.ecs.operating_systems import operating_system_family

LINUX = (
    *("AlmaLinux", "Amazon", "AmazonLinux2", "CentOS", "Debian", "Fedora", "Linux", "Mariner", "Oracle"),
    *("OracleLinux", "RedHat", "RedHatEnterpriseLinux", "Rocky", "SLES", "SUSE", "Ubuntu"),
)


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("windows", ["Windows11", "WindowsServer2022", "windows server 2022 datacenter", "Windows10WVD"]),
        ("macos", ["macOS", "OS X", "Mac OS X", "MacOsX", "OSX", "Darwin"]),
        ("linux", [*LINUX, "Red Hat Enterprise Linux 9", "Amazon Linux 2023", "ubuntu 22.04"]),
        ("ios", ["iOS", "iOS 17.1", "iPadOS", "Apple iOS"]),
        ("android", ["Android", "AndroidEnterprise"]),
        ("unix", ["FreeBSD", "AIX", "Solaris", "Oracle Solaris", "HP-UX", "Unix"]),
        (None, [None, "", "Unknown", "Other", "CiscoIOS", "Cisco IOS XE", "IOS-XE", "visionOS", "ESXi"]),
    ],
)
def test_family_by_name(family: str | None, names: list[str | None]) -> None:
    assert {name: operating_system_family(name) for name in names} == dict.fromkeys(names, family)
