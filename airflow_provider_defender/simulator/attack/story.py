"""The attack as a whole: in the tenant's alerts, and as the rows that the exporter sends about it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from airflow_provider_defender.simulator.attack.alerts import alert_events, alert_ids, raise_alerts
from airflow_provider_defender.simulator.attack.cast import Cast
from airflow_provider_defender.simulator.attack.devices import device_events
from airflow_provider_defender.simulator.attack.people import people_events
from airflow_provider_defender.simulator.attack.rows import Event
from airflow_provider_defender.simulator.defender.tenant import Tenant

__all__ = ["Attack"]


class Attack:
    """One attack on a tenant, noticed now, which all products tell with the same ids.

    A mail with a link and a document comes from outside. One of two recipients clicks, then opens the
    document: its macro starts PowerShell, which drops a program that stays in the registry, looks around and
    copies itself to a server. Meanwhile somebody signs in to her account from the attacker's address, hides
    answers by a rule of her inbox and reads her mail. At last antivirus finds the program, and the mails are
    removed.

    People, devices, ids and addresses depend on the tenant's seed only, so they are the same at any time.
    The constructor adds four alerts in one incident to the tenant; `events` are for the exporter. Raises
    ValueError for a tenant that has been attacked already.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.cast = Cast(tenant, tenant.now_ticks())
        """Who and what it is about."""
        self.alerts = alert_ids(self.cast)
        """The ids of its alerts: script, movement, mail, sign-in."""
        if tenant.visible(self.alerts["script"]):
            raise ValueError("The attack on this tenant has happened already")
        raise_alerts(tenant, self.cast)

    @functools.cached_property
    def events(self) -> Sequence[Event]:
        """The rows of the streaming tables about it, in the order in which they happened."""
        told = [*people_events(self.cast), *device_events(self.cast), *alert_events(self.cast)]
        return sorted(told, key=lambda event: event.at)
