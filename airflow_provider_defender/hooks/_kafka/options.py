"""librdkafka settings: our defaults, those that we guarantee, and the user's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from airflow_provider_defender import __version__
from airflow_provider_defender.hooks._connection.fields import Fields
from airflow_provider_defender.hooks._connection.shown import shown_choice

__all__ = ["CLIENT_NAME", "DEFAULTS", "GUARANTEES", "VERIFICATION", "Options", "is_secret"]

CLIENT_NAME = "airflow-provider-defender"
"""The Kafka consumer group, and the name in the broker's logs, of readers that commit nothing."""

_SECRET_SETTING = re.compile(r"password|secret|passphrase|key\.pem|ssl_key|token", re.IGNORECASE)
_ALIASES = {
    "sasl.mechanisms": "sasl.mechanism",
    "metadata.broker.list": "bootstrap.servers",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
}

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "client.id": f"{CLIENT_NAME}/{__version__}",
        "group.id": CLIENT_NAME,
        # Microsoft's recommendations: Azure silently drops connections that are idle for four minutes.
        "socket.keepalive.enable": "true",
        "metadata.max.age.ms": "180000",
        "connections.max.idle.ms": "180000",
        "session.timeout.ms": "30000",
        "heartbeat.interval.ms": "3000",
        "socket.timeout.ms": "60000",
        "allow.auto.create.topics": "false",
        # The default of 1000 ms stalls a reader that is faster than the prefetch.
        "fetch.queue.backoff.ms": "1",
        # Memory: at most this much is fetched ahead, and one answer more.
        "queued.max.messages.kbytes": "4096",
        "fetch.max.bytes": "8388608",
        "max.partition.fetch.bytes": "1048576",
        # How long the broker delays an empty response, and with it the news that a partition ends.
        "fetch.wait.max.ms": "100",
        "reconnect.backoff.max.ms": "2000",
        "socket.connection.setup.timeout.ms": "8000",
    }
)
GUARANTEES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "enable.auto.commit": ("false", "what was read is recorded in the lake, together with the data"),
        "enable.auto.offset.store": (
            "false",
            "what was read is recorded in the lake, together with the data",
        ),
        "auto.offset.reset": ("error", "a reset would pass over lost messages without a word"),
        "enable.partition.eof": (
            "true",
            "without it the end of a partition cannot be distinguished from silence",
        ),
        "check.crcs": ("true", "a message that was changed on its way would land as if it were whole"),
    }
)
_FOREIGN_CODE = frozenset(
    {
        "plugin.library.paths",
        "sasl.kerberos.kinit.cmd",
        "ssl.engine.id",
        "ssl.engine.location",
        "ssl.providers",
    }
)
VERIFICATION: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "enable.ssl.certificate.verification": ("true", "1", "t"),
        "ssl.endpoint.identification.algorithm": ("https",),
    }
)


def is_secret(setting: str) -> bool:
    """Whether a setting of librdkafka, by its name, holds a secret."""
    return _SECRET_SETTING.search(setting) is not None


class Options:
    """The user's librdkafka settings: the connection's, overridden by the hook's argument.

    In the connection they are extras with a dot in their names, as in Microsoft's documentation of Event
    Hubs, or the JSON object `kafka_config`.
    """

    _ACCESS = ("bootstrap.servers", "security.protocol", "sasl.mechanism", "sasl.username", "sasl.password")

    def __init__(self, fields: Fields, argument: Mapping[str, Any]) -> None:
        self._fields = fields
        own = self._checked({**fields.dotted(), **self._kafka_config()})
        self.argument = self._checked(argument)
        self.connection = own
        self.values = {**own, **self.argument}

    @property
    def free(self) -> dict[str, str]:
        """The settings except those for servers and credential."""
        return {name: value for name, value in self.values.items() if name not in self._ACCESS}

    def get(self, name: str) -> str | None:
        """The user's setting; an empty one counts as absent."""
        return self.values.get(name) or None

    def _kafka_config(self) -> Mapping[str, Any]:
        value = self._fields.value("kafka_config")
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                self._fields.wrong("kafka_config", "it is not JSON")
        if not isinstance(value, Mapping | None):
            self._fields.wrong("kafka_config", "it must be a JSON object of librdkafka's settings")
        return value or {}

    def _checked(self, settings: Mapping[str, Any]) -> dict[str, str]:
        checked: dict[str, str] = {}
        for given, value in settings.items():
            name = _ALIASES.get(given.strip(), given.strip())
            text = self._text(name, value)
            self._check(name, text)
            if checked.setdefault(name, text) != text:
                self._fields.wrong(name, "it is given twice, with different values")
        return {name: text for name, text in checked.items() if name not in GUARANTEES}

    def _text(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | float):
            self._fields.wrong(name, f"it must be a text or a number, not {type(value).__name__}")
        return self._fields.sendable(name, str(value)).strip()

    def _check(self, name: str, text: str) -> None:
        guarantee = GUARANTEES.get(name)
        if guarantee is not None and text.lower() != guarantee[0]:
            remedy = f"it must be {guarantee[0]} or absent: {guarantee[1]}"
            self._fields.wrong(name, remedy, shown_choice(text, ("true", "false", "earliest", "latest")))
        if name in _FOREIGN_CODE:
            self._fields.wrong(name, "it is not allowed: it would load foreign code into the worker")
        if name.startswith("sasl.oauthbearer."):
            self._fields.wrong(
                name, "it is not allowed: tokens come by entra_id_conn_id, or by credential and its fields"
            )
        if name.endswith("_cb") or name in ("logger", "on_commit", "error", "opaque"):
            self._fields.wrong(name, "it is not allowed: callbacks are our own")
