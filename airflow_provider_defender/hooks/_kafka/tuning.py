"""Timeouts and sizes of a hub's client; tests change them."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_defender.hooks._kafka.messages import LARGEST_MESSAGE

__all__ = ["TUNING", "Tuning"]


@dataclass(frozen=True)
class Tuning:
    """Times in seconds, sizes in bytes."""

    contact: float = 9.0
    """For the first contact, including the diagnosis if it fails."""
    diagnosis: float = 2.5
    """For that diagnosis."""
    patience: float = 2.5
    """For which an error of the first contact, or of a request, may still be transient."""
    close: float = 3.0
    """To wait for a hanging client when it is closed."""
    commit: float = 10.0
    """For the broker's answer to a commit of offsets."""
    consume: float = 0.1
    """For one call that waits for messages."""
    authentication_patience: float = 5.0
    """For which a refused key or token may still be renewed, while reading."""
    missing_patience: float = 30.0
    """For which a hub may seem to be missing: restarting brokers say so."""
    refusal_patience: float = 10.0
    """For which the broker may repeat the same permanent error."""
    between_looks: float = 2.0
    """Before a second check of a partition that ends too early: a newly elected leader may be behind."""
    between_hub_looks: float = 10.0
    """Between two checks whether the hub still exists, while nothing comes."""
    at_damage: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Before each further try to read what is damaged."""
    at_more_damage: tuple[float, ...] = (0.1, 0.1, 0.1)
    """The same, once damage in the hub itself was found, so that it is no network problem."""
    stuck: float = 15.0
    """For which a partition may not move before single offsets are probed."""
    batch_bytes: int = 2 * 1024 * 1024
    """Of a batch at which no more is added to it."""
    chunk_bytes: int = 2 * 1024 * 1024
    """Of the messages that are taken at once, by the average so far."""
    largest_message: int = LARGEST_MESSAGE
    """The largest value that is returned."""


TUNING = Tuning()
"""The values outside of tests."""
