"""The table of all types of evidence, and a full record of each."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from airflow_provider_defender.simulator.defender.catalogue import Population
from airflow_provider_defender.simulator.graph.cast import Cast, Company
from airflow_provider_defender.simulator.graph.evidence.base import Evidence, Maker, evidence
from airflow_provider_defender.simulator.graph.evidence.cloud import CLOUD
from airflow_provider_defender.simulator.graph.evidence.containers import CONTAINERS
from airflow_provider_defender.simulator.graph.evidence.devices import DEVICES
from airflow_provider_defender.simulator.graph.evidence.files import FILES
from airflow_provider_defender.simulator.graph.evidence.identities import IDENTITIES
from airflow_provider_defender.simulator.graph.evidence.mail import MAIL
from airflow_provider_defender.simulator.graph.evidence.network import NETWORK
from airflow_provider_defender.simulator.graph.evidence.sessions import SESSIONS
from airflow_provider_defender.simulator.server.draw import Draw

__all__ = ["MAKERS", "evidence_of", "evidence_sample"]

_AT = 17_679_456_000_000_000  # ticks: 2026-01-09T08:00:00Z, when simulated tenants begin
#: Type of evidence → what makes its own properties.
MAKERS: Mapping[str, Maker] = MappingProxyType(
    {**DEVICES, **IDENTITIES, **FILES, **NETWORK, **MAIL, **CLOUD, **CONTAINERS, **SESSIONS}
)


def evidence_of(type_name: str, cast: Cast, **state: Any) -> Evidence:
    """An item of evidence about what a cast is; `state` is its verdict, roles and so on (see `evidence`).

    Raises KeyError for an unknown type.
    """
    return evidence(type_name, cast.time(), **state, **MAKERS[type_name](cast))


@functools.cache
def _company() -> Company:
    domain = "contoso.example"
    return Company("3adb963c-8e61-48e8-a06d-6dbb0dacea39", domain, Population("samples", domain))


def evidence_sample(type_name: str, draw: Draw) -> Evidence:
    """A full record of a type of evidence: every property that Graph's types name has a value.

    `type_name` without `#microsoft.graph.security.`; `draw` decides the values. Within evidence that holds
    evidence of its own type (a container's pod, a domain's trusted domains), properties can be empty.

    Raises KeyError for an unknown type.
    """
    return evidence_of(
        type_name,
        Cast(draw.getrandbits(64), _company(), _AT - draw.randrange(864_000_000_000)),
        verdict=draw.choice(("suspicious", "malicious", "noThreatsFound")),
        remediation=draw.choice(("none", "remediated", "blocked", "active", "pendingApproval")),
        details="Stopped by automated investigation.",
        roles=draw.choice(
            (["compromised"], ["attacked"], ["source", "attacker"], ["destination"], ["contextual"])
        ),
        detailed=["PrimaryDevice", "Compromised"],
        tags=["High value asset", "Notfall ✅"],
    )
