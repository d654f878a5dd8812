"""Hooks: network and credentials only. They give batches of raw records and know nothing of ECS or lakes.

Importing them loads neither msal, requests nor confluent_kafka: those come with the first request.
"""

from __future__ import annotations

from airflow_provider_defender.hooks._access_token import AccessToken
from airflow_provider_defender.hooks._filters import (
    AlertFilter,
    created_between_filter,
    updated_between_filter,
    updated_since_filter,
)
from airflow_provider_defender.hooks._pages import Page
from airflow_provider_defender.hooks.defender_endpoint import DefenderEndpointHook
from airflow_provider_defender.hooks.entra_id import EntraIdHook
from airflow_provider_defender.hooks.event_hub import EventHubHook, MessageBatch, Offsets

__all__ = [
    "AccessToken",
    "AlertFilter",
    "DefenderEndpointHook",
    "EntraIdHook",
    "EventHubHook",
    "MessageBatch",
    "Offsets",
    "Page",
    "created_between_filter",
    "updated_between_filter",
    "updated_since_filter",
]
