"""What the operators that land a source have in common: the asset that stands for it, and checks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_defender import compat
from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Asset

    from airflow_provider_defender.operators._window import Basis, Window

__all__ = ["LandingOperator", "check_counts", "check_kafka_config", "check_spans"]


class LandingOperator(BaseOperator):
    """Declares the asset of a connection's records of one kind, as inlet and as outlet.

    `conn_id` and `kind` are those of `defender_asset`. What lands is of a window that `since`, `until` and
    `partition_span`, which its subclasses set, and the run decide together.
    """

    since: str | date | None
    until: str | date | None
    partition_span: timedelta | None

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

    def _window(self, context: Mapping[str, Any], *, by: Basis, now: datetime) -> Window:
        """What this run reads; see `resolve_window`."""
        from airflow_provider_defender.operators._window import resolve_window

        return resolve_window(
            context,
            since=self.since,
            until=self.until,
            by=by,
            partition_span=self.partition_span,
            now=now,
            logger=self.log,
        )

    def _log_stages(self, seconds: Mapping[str, float]) -> None:
        stages = [f"{stage} {each:.1f} s" for stage, each in seconds.items() if each]
        self.log.info("Time: %s", ", ".join(stages) or "none")

    def _log_unmapped(self, summary: Mapping[str, Any]) -> None:
        for name, what in (
            ("unfit_values", "values that did not fit their column"),
            ("unknown_fields", "properties without a column"),
        ):
            if summary[name]:
                self.log.info("Kept in `unmapped`: %s %s", what, summary[name])

    def _warn_of_undeclared_asset(self) -> None:
        """Airflow reads a mapped operator's assets before it is built, so `__init__` is too late."""
        dag = self.get_dag()
        defined = dag.task_dict.get(self.task_id) if dag else None
        if defined is None or defined is self or self.asset in getattr(defined, "outlets", ()):
            return
        self.log.warning(
            "This mapped operator does not declare its asset %s: no DAG runs on what it lands.",
            self.asset.uri,
        )
        self.log.warning(
            "Pass partial(inlets=[defender_asset(%r, %r)], outlets=…), with the asset of every connection.",
            *self._asset_of,
        )


def check_spans(spans: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where a parameter is neither None nor a timedelta from 0 on."""
    for name, span in spans.items():
        if span is not None and (not isinstance(span, timedelta) or span < timedelta()):
            raise ConfigurationError(f"{name}={span!r} must be a timedelta that is not negative.")


def check_counts(counts: Mapping[str, Any], *, least: int) -> None:
    """Raise `ConfigurationError` where a parameter is neither None nor a whole number from `least` on."""
    for name, count in counts.items():
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < least):
            raise ConfigurationError(f"{name}={count!r} must be a whole number from {least} on.")


def check_kafka_config(config: Mapping[str, Any] | None) -> None:
    """Raise `ConfigurationError` where settings of librdkafka, given as a parameter, hold a secret."""
    from airflow_provider_defender.hooks._kafka_settings import is_secret

    for name in config or {}:
        if is_secret(name):
            raise ConfigurationError(
                f"kafka_config[{name!r}] is a secret: Airflow stores the arguments of tasks as they are. "
                "Put it into the extra of the connection, under its own name."
            )
