"""Sessions at a device."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Maker, inner
from airflow_provider_defender.simulator.graph.evidence.devices import device
from airflow_provider_defender.simulator.graph.evidence.identities import user_evidence

__all__ = ["SESSIONS"]


def _host_session(cast: Cast) -> dict[str, Any]:
    return {
        "account": user_evidence(cast, cast.person),
        "host": inner("deviceEvidence", cast, device(cast)),
        "sessionId": f"0x{cast.hexadecimal('logon', 7)}",
        "startUtcDateTime": cast.time(3_600),
        "endUtcDateTime": cast.time(60),
    }


SESSIONS: dict[str, Maker] = {"hostLogonSessionEvidence": _host_session}
