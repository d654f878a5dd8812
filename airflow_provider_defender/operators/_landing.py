"""What the operators that land a source have in common: the asset that stands for it, and checks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_defender import compat
from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Asset

__all__ = ["LandingOperator", "check_kafka_config", "check_spans"]


class LandingOperator(BaseOperator):
    """Declares the asset of a connection's records of one kind, as inlet and as outlet.

    `conn_id` and `kind` are those of `defender_asset`.
    """

    def __init__(self, *, conn_id: str, kind: str, **kwargs: Any) -> None:
        super().__init__(**compat.with_retry_policy(kwargs))
        self._asset_of = (conn_id, kind)
        # Airflow 3.3 keeps the state of assets that are both.
        self.outlets = [*self.outlets, *([] if self.asset in self.outlets else [self.asset])]
        self.inlets = [*self.inlets, *([] if self.asset in self.inlets else [self.asset])]

    @property
    def asset(self) -> Asset:
        """The asset whose events this operator emits."""
        return defender_asset(*self._asset_of)

    def _warn_of_undeclared_asset(self) -> None:
        """Airflow reads a mapped operator's assets before it is built, so `__init__` is too late."""
        dag = self.get_dag()
        defined = dag.task_dict.get(self.task_id) if dag else None
        if defined is None or defined is self or self.asset in getattr(defined, "outlets", ()):
            return
        self.log.warning(
            "This mapped operator does not declare its asset %s, so no DAG runs on what it lands. Pass "
            "partial(inlets=[defender_asset(%r, %r)], outlets=…), with the asset of every connection.",
            self.asset.uri,
            *self._asset_of,
        )


def check_spans(spans: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where a parameter is neither None nor a timedelta from 0 on."""
    for name, span in spans.items():
        if span is not None and (not isinstance(span, timedelta) or span < timedelta()):
            raise ConfigurationError(f"{name}={span!r} must be a timedelta that is not negative.")


def check_kafka_config(config: Mapping[str, Any] | None) -> None:
    """Raise `ConfigurationError` where settings of librdkafka, given as a parameter, hold a secret."""
    from airflow_provider_defender.hooks._kafka_settings import is_secret

    for name in config or {}:
        if is_secret(name):
            raise ConfigurationError(
                f"kafka_config[{name!r}] is a secret: Airflow stores the arguments of tasks as they are. "
                "Put it into the extra of the connection, under its own name."
            )
