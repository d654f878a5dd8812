"""The event types that ECS 9.4 expects with each of its event categories."""

from __future__ import annotations

__all__ = ["EXPECTED_TYPES"]

_PAIRS = {
    "api": "access admin allowed change creation deletion denied end info start user",
    "authentication": "end info start",
    "configuration": "access change creation deletion info",
    "database": "access change error info",
    "driver": "change end info start",
    "email": "info",
    "file": "access change creation deletion info",
    "host": "access change end info start",
    "iam": "admin change creation deletion group info user",
    "intrusion_detection": "allowed denied info",
    "library": "start",
    "malware": "info",
    "network": "access allowed connection denied end info protocol start",
    "package": "access change deletion info installation start",
    "process": "access change end info start",
    "registry": "access change creation deletion",
    "session": "end info start",
    "threat": "indicator",
    "vulnerability": "info",
    "web": "access error info",
}

EXPECTED_TYPES: dict[str, frozenset[str]] = {name: frozenset(types.split()) for name, types in _PAIRS.items()}
"""`event.category` → the values of `event.type` that ECS expects with it (`expected_event_types`)."""
