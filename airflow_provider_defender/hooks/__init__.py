"""Hooks: network and credentials only. They return raw records and know nothing about ECS or lakes.

Importing them loads neither msal, requests nor confluent_kafka: these are loaded for the first request.
"""

from __future__ import annotations

from airflow_provider_defender.hooks._connection.lookup import find_connection
from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._connection.shown import nearest, not_shown, shown_name
from airflow_provider_defender.hooks._endpoint.filters import (
    AlertFilter,
    created_between_filter,
    updated_between_filter,
    updated_since_filter,
)
from airflow_provider_defender.hooks._entra.access_token import AccessToken
from airflow_provider_defender.hooks._graph.filters import GraphAlertFilter, GraphIncidentFilter
from airflow_provider_defender.hooks._kafka.messages import (
    LARGEST_MESSAGE,
    MessageBatch,
    Offsets,
    OversizedMessage,
)
from airflow_provider_defender.hooks._kafka.options import is_secret
from airflow_provider_defender.hooks._rest.pages import Page
from airflow_provider_defender.hooks.defender_endpoint import DefenderEndpointHook
from airflow_provider_defender.hooks.entra_id import EntraIdHook
from airflow_provider_defender.hooks.event_hub import EventHubHook
from airflow_provider_defender.hooks.graph_security import GraphSecurityHook

__all__ = [
    "LARGEST_MESSAGE",
    "AccessToken",
    "AlertFilter",
    "DefenderEndpointHook",
    "EntraIdHook",
    "EventHubHook",
    "GraphAlertFilter",
    "GraphIncidentFilter",
    "GraphSecurityHook",
    "MessageBatch",
    "Offsets",
    "OversizedMessage",
    "Page",
    "created_between_filter",
    "excerpt",
    "find_connection",
    "is_secret",
    "nearest",
    "not_shown",
    "shown_name",
    "updated_between_filter",
    "updated_since_filter",
]
