"""The life of a portal: alerts of other products arrive and are worked on, incidents grow, merge and close.

Every step has its time and its own random numbers, derived from the seed. So the same seed gives the same
history, however the time is divided. Nothing here changes an alert of Defender for Endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airflow_provider_defender.simulator.defender.tenant import Plan
from airflow_provider_defender.simulator.defender.versions import Version, wire_time
from airflow_provider_defender.simulator.graph.alerts import PORTAL, comment_of, evidence_items, new_alert
from airflow_provider_defender.simulator.graph.book import Edit, PortalBook
from airflow_provider_defender.simulator.graph.cast import Cast, Company
from airflow_provider_defender.simulator.graph.products import PRODUCTS, Finding, Product
from airflow_provider_defender.simulator.graph.versions import Record, RecordVersion
from airflow_provider_defender.simulator.server.agenda import Agenda
from airflow_provider_defender.simulator.server.draw import Draw, draw_for

__all__ = ["PortalScenario"]

_SECOND = 10_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_SHARE = 0.6  # alerts of other products for one of Defender for Endpoint

_VERDICTS = (
    ("truePositive", "phishing"),
    ("truePositive", "compromisedAccount"),
    ("truePositive", "multiStagedAttack"),
    ("truePositive", "malware"),
    ("informationalExpectedActivity", "securityTesting"),
    ("informationalExpectedActivity", "confirmedActivity"),
    ("falsePositive", "notMalicious"),
    ("falsePositive", "notEnoughDataToValidate"),
)
_COMMENTS = (
    "Called the user, awaiting an answer.",
    "Gleicher Absender auch in zwei anderen Postfächern.",
    "Disabled the account ✅ until the password is reset.",
    "アカウントを確認しました。",
)
_TAGS = ("Phishing wave", "Ticket 4471", "Filiale Ost")


class PortalScenario:
    """The plan of a portal's life; `live_until` carries it out.

    `tuned` says whether a tuning rule suppresses an endpoint alert.
    """

    def __init__(
        self,
        seed: int | str,
        plan: Plan,
        book: PortalBook,
        company: Company,
        tuned: Callable[[str], bool],
    ) -> None:
        self._seed = seed
        self._when = plan
        self._book = book
        self._company = company
        self._tuned = tuned
        self._arrivals = draw_for(seed, "graph arrivals")
        self._stirring = draw_for(seed, "graph stirring")
        self._agenda: Agenda[str] = Agenda()
        self._casts: dict[str, tuple[Cast, Finding]] = {}
        self._arrived = 0
        self._begin(round(plan.alerts * _SHARE))

    # -- the agenda

    def _begin(self, count: int) -> None:
        """Plan the arrivals of the past evenly, then at the tenant's rate."""
        begin, span = self._when.start - self._when.history, self._when.history
        for number in range(count):
            offset = span * (number + self._arrivals.random()) / count
            self._agenda.plan(begin + int(offset), self._arrive, "")
        self._plan_next_arrival(self._when.start)

    def _plan_next_arrival(self, after: int) -> None:
        if self._when.per_day > 0:
            gap = self._arrivals.expovariate(_SHARE * self._when.per_day / _DAY)
            self._agenda.plan(after + int(gap), self._arrive_and_go_on, "")

    def copy(self, version: Version) -> None:
        """Plan that a version of an endpoint alert becomes known, at its update time."""
        at = version.visible_ticks if version.update_ticks is None else version.update_ticks
        self._agenda.plan(min(at, version.visible_ticks), self._copy(version), version.alert_id)

    def _copy(self, version: Version) -> Callable[[int, str], None]:
        def step(at: int, alert_id: str) -> None:
            incident = str(version.fields.get("incidentId"))
            known = self._book.incidents.known(incident)
            self._book.mirror(version, self._tuned(alert_id))
            if not known and self._book.incidents.known(incident):
                self._plan_incident(at, incident)

        return step

    def live_until(self, now: int) -> None:
        """Carry out all steps whose time has come, in order."""
        self._agenda.live_until(now)

    def _draw(self, subject: str, step: str) -> Draw:
        return draw_for(self._seed, "graph", subject, step)

    def _lag(self, draw: Draw) -> int:
        late = self._when.latest and draw.random() < self._when.late_share
        return draw.randrange(self._when.latest) if late else 0

    # -- an alert's life

    def _arrive_and_go_on(self, at: int, _: str) -> None:
        self._arrive(at, "")
        self._plan_next_arrival(at)

    def _arrive(self, at: int, _: str) -> None:
        self._arrived += 1
        draw = self._draw(str(self._arrived), "arrival")
        version = self.create(draw, at, at + self._lag(draw))
        alert_id = version.row_id
        if draw.random() < 0.4:
            begin = at + draw.randrange(5 * _SECOND, _MINUTE)
            self._agenda.plan(begin, self._investigate, alert_id)
            self._agenda.plan(begin + draw.randrange(_MINUTE, 20 * _MINUTE), self._find_evidence, alert_id)
            self._agenda.plan(begin + draw.randrange(20 * _MINUTE, _HOUR), self._remediate, alert_id)
        if draw.random() < 0.5:
            taken = at + draw.randrange(30 * _MINUTE, 8 * _HOUR)
            self._agenda.plan(taken, self._assign, alert_id)
            self._agenda.plan(taken + draw.randrange(_MINUTE, 2 * _HOUR), self._comment, alert_id)
        if draw.random() < 0.6:
            self._agenda.plan(at + draw.randrange(2 * _HOUR, 72 * _HOUR), self._resolve, alert_id)

    def create(
        self,
        draw: Draw,
        at: int,
        visible: int,
        *,
        product: str | None = None,
        incident: str | None = None,
        evidence: Sequence[dict[str, object]] | None = None,
        changes: Record | None = None,
    ) -> RecordVersion:
        """Write a new alert of a random finding; it joins a recent incident, or begins one.

        Raises KeyError for an unknown product, ValueError for an id that there is.
        """
        chosen = PRODUCTS[product] if product else self._random_product(draw)
        finding = draw.choice(chosen.findings)
        cast = Cast(draw.getrandbits(64), self._company, at)
        record = new_alert(chosen, finding, cast, draw, evidence)
        recent = self._open_incidents()
        joined = draw.choice(recent) if recent and draw.random() < 0.35 else None
        record["incidentId"] = incident or joined or self._book.new_incident_id()
        record.update(changes or {})
        known = self._book.incidents.known(str(record["incidentId"]))
        number, tid = record["incidentId"], self._company.tenant_id
        record["incidentWebUrl"] = None if number is None else f"{PORTAL}/incidents/{number}?tid={tid}"
        version = self._book.add_alert(record, at, visible)
        self._casts[version.row_id] = (cast, finding)
        if not known and number is not None and self._living():
            self._plan_incident(at, str(number))
        return version

    def _living(self) -> bool:
        """Whether anybody works in this tenant; without alerts of its own, only the test does."""
        return bool(self._when.alerts) or self._when.per_day > 0

    @staticmethod
    def _random_product(draw: Draw) -> Product:
        names = [name for name in PRODUCTS if name != "unknown"]
        return PRODUCTS["unknown" if draw.random() < 0.02 else draw.choice(names)]

    def _change(self, step: str, at: int, ids: Sequence[str], edit: Callable[[Draw], Edit]) -> None:
        own = [alert_id for alert_id in ids if alert_id not in self._book.mirrored]
        if own:
            draw = self._draw(own[0], step)
            lag = self._lag(draw)
            self._book.change_alerts(own, edit(draw), at, lag)

    def _investigate(self, at: int, alert_id: str) -> None:
        self._change("investigate", at, [alert_id], lambda draw: _setting(investigationState="running"))

    def _find_evidence(self, at: int, alert_id: str) -> None:
        cast, finding = self._casts[alert_id]

        def edit(draw: Draw) -> Edit:
            later = Cast(cast.key, self._company, at, variant=at)
            items = evidence_items(draw.choices(finding.evidence, k=draw.randrange(1, 3)), later, draw)
            return lambda alert: alert["evidence"].extend(items)

        self._change("evidence", at, [alert_id], edit)

    def _remediate(self, at: int, alert_id: str) -> None:
        def remediate(alert: Record) -> None:
            alert["investigationState"] = "successfullyRemediated"
            for item in alert["evidence"]:
                if item.get("verdict") in ("suspicious", "malicious"):
                    item["remediationStatus"] = "remediated"
                    item["remediationStatusDetails"] = "Entity was remediated."

        self._change("remediate", at, [alert_id], lambda draw: remediate)

    def _analyst(self, draw: Draw) -> str:
        return draw.choice(self._company.population.analysts)

    def _assign(self, at: int, alert_id: str) -> None:
        self._change(
            "assign",
            at,
            [alert_id],
            lambda draw: _setting(assignedTo=self._analyst(draw), status="inProgress"),
        )

    def _comment(self, at: int, alert_id: str) -> None:
        def edit(draw: Draw) -> Edit:
            return _commenting(draw.choice(_COMMENTS), self._analyst(draw), at, draw)

        self._change("comment", at, [alert_id], edit)

    def _resolve(self, at: int, alert_id: str) -> None:
        """Resolve an alert, or with a chance of one half all of its incident's at once."""
        incident = self._book.alerts.newest(alert_id).fields["incidentId"]
        whole = self._draw(alert_id, "resolve whole").random() < 0.5
        members = self._book.incidents.newest(incident).members if whole else (alert_id,)

        def edit(draw: Draw) -> Edit:
            classification, determination = draw.choice(_VERDICTS)
            return _setting(
                status="resolved",
                classification=classification,
                determination=determination,
                resolvedDateTime=wire_time(at),
            )

        self._change("resolve", at, [alert_id, *(m for m in members if m != alert_id)], edit)

    # -- an incident's life

    def _plan_incident(self, at: int, incident_id: str) -> None:
        if not self._living():
            return
        draw = self._draw(incident_id, "incident")
        steps = (
            (0.5, 8 * _HOUR, self._take_incidents),
            (0.3, 12 * _HOUR, self._comment_incident),
            (0.3, 12 * _HOUR, self._tag_incident),
            (0.1, 6 * _HOUR, self._await_action),
            (0.15, 10 * _HOUR, self._merge),
            (0.3, 48 * _HOUR, self._close_incident),
        )
        for chance, span, step in steps:
            happens, offset = draw.random() < chance, draw.randrange(10 * _MINUTE, span)
            if happens:
                self._agenda.plan(at + offset, step, incident_id)

    def _open_incidents(self) -> list[str]:
        """The newest incidents that are neither closed nor redirected."""
        found = []
        for incident_id in reversed(self._book.begun[-12:]):
            status = self._book.incidents.newest(incident_id).fields["status"]
            if status not in ("resolved", "redirected"):
                found.append(incident_id)
        return found[:4]

    def _change_incidents(self, step: str, at: int, ids: Sequence[str], edit: Callable[[Draw], Edit]) -> None:
        ids = [i for i in ids if self._book.incidents.newest(i).fields["status"] != "redirected"]
        if ids:
            draw = self._draw(ids[0], step)
            lag = self._lag(draw)
            self._book.change_incidents(ids, edit(draw), at, lag)

    def _take_incidents(self, at: int, incident_id: str) -> None:
        """An analyst takes an incident, and with it others that are open, all with one update time."""
        others = [other for other in self._open_incidents()[:2] if other != incident_id]

        def edit(draw: Draw) -> Edit:
            analyst = self._analyst(draw)
            return _setting(assignedTo=analyst, status="inProgress", lastModifiedBy=analyst)

        if self._book.incidents.newest(incident_id).fields["status"] in ("active", "awaitingAction"):
            self._change_incidents("take", at, [incident_id, *others], edit)

    def _comment_incident(self, at: int, incident_id: str) -> None:
        def edit(draw: Draw) -> Edit:
            return _commenting(draw.choice(_COMMENTS), self._analyst(draw), at, draw)

        self._change_incidents("comment incident", at, [incident_id], edit)

    def _tag_incident(self, at: int, incident_id: str) -> None:
        def edit(draw: Draw) -> Edit:
            tag = draw.choice(_TAGS)
            summary = "Mehrere Konten haben dieselbe Nachricht geöffnet."
            return lambda incident: incident.update(
                customTags=[*incident["customTags"], tag], summary=summary
            )

        self._change_incidents("tag", at, [incident_id], edit)

    def _await_action(self, at: int, incident_id: str) -> None:
        if self._book.incidents.newest(incident_id).fields["status"] == "active":
            self._change_incidents(
                "await",
                at,
                [incident_id],
                lambda draw: _setting(status="awaitingAction", systemTags=["Attack Disruption"]),
            )

    def _merge(self, at: int, incident_id: str) -> None:
        """Merge an incident without endpoint alerts into a newer or older one that is open."""
        incident = self._book.incidents.newest(incident_id)
        others = [other for other in self._open_incidents() if other != incident_id]
        closed = incident.fields["status"] in ("resolved", "redirected")
        if closed or not others or self._book.of_endpoint(incident_id):
            return
        draw = self._draw(incident_id, "merge")
        self._book.merge(incident_id, draw.choice(others), at, self._lag(draw))

    def _close_incident(self, at: int, incident_id: str) -> None:
        """Resolve an incident, with all of its alerts that are not Defender for Endpoint's."""
        incident = self._book.incidents.newest(incident_id)
        if incident.fields["status"] in ("resolved", "redirected"):
            return
        draw = self._draw(incident_id, "verdict")
        classification, determination = draw.choice(_VERDICTS)
        closing = {"status": "resolved", "classification": classification, "determination": determination}
        resolved = {**closing, "resolvedDateTime": wire_time(at)}
        self._change("close", at, incident.members, lambda draw: _setting(**resolved))
        comment = "Geklärt."
        self._change_incidents(
            "close incident", at, [incident_id], lambda draw: _setting(**closing, resolvingComment=comment)
        )

    # -- between two pages

    def stir(self, at: int, read: Sequence[str], unread: Sequence[str]) -> list[RecordVersion]:
        """Make one or two changes that make paging hard: change records on either side, or add an alert."""
        read, unread = list(filter(self._ours, read)), list(filter(self._ours, unread))
        written: list[RecordVersion] = []
        for _ in range(self._stirring.randrange(1, 3)):
            choice = self._stirring.randrange(4)
            if choice == 3:
                visible = at + self._lag(self._stirring)
                written.append(self.create(self._stirring, at, visible))
                continue
            ids = self._some(read) if choice != 1 else []
            ids += self._some(unread) if choice != 0 else []
            written += self._touch(at, ids)
        return written

    def _ours(self, row_id: str) -> bool:
        known = self._book.alerts.known(row_id) and row_id not in self._book.mirrored
        return known or self._book.incidents.known(row_id)

    def _some(self, ids: Sequence[str]) -> list[str]:
        return self._stirring.sample(list(ids), min(len(ids), self._stirring.randrange(1, 4)))

    def _touch(self, at: int, ids: Sequence[str]) -> list[RecordVersion]:
        text = f"Seen between two pages, {self._stirring.getrandbits(32):08x}"
        lag, edit = self._lag(self._stirring), _commenting(text, "API Action", at, self._stirring)
        alerts = [row_id for row_id in ids if self._book.alerts.known(row_id)]
        incidents = [row_id for row_id in ids if not self._book.alerts.known(row_id)]
        return [
            *self._book.change_alerts(alerts, edit, at, lag),
            *self._book.change_incidents(incidents, edit, at, lag),
        ]


def _setting(**changes: object) -> Edit:
    return lambda record: record.update(changes)


def _commenting(text: str, author: str, at: int, draw: Draw) -> Edit:
    comment = comment_of(text, author, at, draw)
    return lambda record: record["comments"].append(dict(comment))
