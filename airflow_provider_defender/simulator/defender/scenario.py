"""The events in a tenant over time: alerts arrive, are investigated, gain evidence, and are resolved.

Every step has its time and its own random numbers, derived from the seed and the alert. So the same seed
gives the same history, however the time is divided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airflow_provider_defender.simulator.defender.book import Alert, AlertBook, Edit
from airflow_provider_defender.simulator.defender.versions import Version, wire_time
from airflow_provider_defender.simulator.server.agenda import Agenda
from airflow_provider_defender.simulator.server.draw import Draw, draw_for

__all__ = ["Scenario"]

_SECOND = 10_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

_ENDS = ("SuccessfullyRemediated", "Benign", "PartiallyRemediated", "Failed", "TerminatedBySystem")
_VERDICTS = (
    ("TruePositive", "MultiStagedAttack"),
    ("TruePositive", "MaliciousUserActivity"),
    ("TruePositive", "CompromisedUser"),
    ("TruePositive", "Malware"),
    ("TruePositive", "Phishing"),
    ("TruePositive", "UnwantedSoftware"),
    ("InformationalExpectedActivity", "SecurityTesting"),
    ("InformationalExpectedActivity", "LineOfBusinessApplication"),
    ("InformationalExpectedActivity", "ConfirmedUserActivity"),
    ("FalsePositive", "Clean"),
    ("FalsePositive", "InsufficientData"),
    ("FalsePositive", "Other"),
)
_COMMENTS = (
    "Called the user, awaiting an answer.",
    "Gleiche Datei auch auf zwei anderen Geräten gefunden.",
    "Isolated the device ✅ until it is reinstalled.",
    "تم التحقق من الحساب، لا نشاط آخر.",
    "Known test of the red team, see ticket 4471.",
)


class Scenario:
    """The plan of a tenant's life; `live_until` carries it out.

    `late_share` of the writes become visible up to `latest` ticks after their update time; `tuned_share` of
    the alerts are suppressed by a tuning rule, `tuned` are their ids.
    """

    def __init__(
        self,
        seed: int | str,
        book: AlertBook,
        *,
        per_day: float,
        late_share: float,
        latest: int,
        tuned_share: float = 0.0,
    ) -> None:
        self.per_day = per_day
        self.late_share = late_share
        self.latest = latest
        self.tuned_share = tuned_share
        self.tuned: set[str] = set()
        self._seed = seed
        self._book = book
        self._arrivals = draw_for(seed, "arrivals")
        self._stirring = draw_for(seed, "stirring")
        self._agenda: Agenda[str] = Agenda()
        self._arrived = 0

    # -- the agenda

    def begin(self, start: int, count: int, span: int) -> None:
        """Plan `count` arrivals evenly over the `span` after `start`, then the tenant's usual rate."""
        for number in range(count):
            offset = span * (number + self._arrivals.random()) / count
            self._plan(start + int(offset), self._arrive, "")
        self._plan_next_arrival(start + span)

    def live_until(self, now: int) -> None:
        """Carry out all steps whose time has come, in order."""
        self._agenda.live_until(now)

    def _plan(self, at: int, step: Callable[[int, str], None], alert_id: str) -> None:
        self._agenda.plan(at, step, alert_id)

    def _plan_next_arrival(self, after: int) -> None:
        if self.per_day > 0:
            gap = self._arrivals.expovariate(self.per_day / _DAY)
            self._plan(after + int(gap), self._arrive_and_go_on, "")

    def _draw(self, alert_id: str, step: str) -> Draw:
        return draw_for(self._seed, alert_id, step)

    def _lag(self, draw: Draw) -> int:
        return draw.randrange(self.latest) if self.latest and draw.random() < self.late_share else 0

    # -- an alert's life

    def _arrive_and_go_on(self, at: int, _: str) -> None:
        self._arrive(at, "")
        self._plan_next_arrival(at)

    def _arrive(self, at: int, _: str) -> None:
        self._arrived += 1
        draw = self._draw(str(self._arrived), "arrival")
        version = self._book.create(draw, at, visible=at + self._lag(draw))
        alert_id = version.alert_id
        if self._draw(alert_id, "tuned").random() < self.tuned_share:
            self.tuned.add(alert_id)
        if draw.random() < 0.6:
            begin = at + draw.randrange(5 * _SECOND, 40 * _SECOND)
            self._plan(begin, self._investigate, alert_id)
            self._plan(begin + draw.randrange(_MINUTE, 10 * _MINUTE), self._find_evidence, alert_id)
            self._plan(begin + draw.randrange(10 * _MINUTE, 40 * _MINUTE), self._end_investigation, alert_id)
        if draw.random() < 0.5:
            taken = at + draw.randrange(30 * _MINUTE, 8 * _HOUR)
            self._plan(taken, self._assign, alert_id)
            self._plan(taken + draw.randrange(_MINUTE, 2 * _HOUR), self._comment, alert_id)
        if draw.random() < 0.15:
            self._plan(at + draw.randrange(_HOUR, 4 * _HOUR), self._take_incident, alert_id)
        if draw.random() < 0.6:
            self._plan(at + draw.randrange(2 * _HOUR, 72 * _HOUR), self._resolve, alert_id)

    def _change(self, step: str, at: int, ids: Sequence[str], edit: Callable[[Draw], Edit]) -> None:
        draw = self._draw(ids[0], step)
        lag = self._lag(draw)
        self._book.change(ids, edit(draw), at, lag)

    def _investigate(self, at: int, alert_id: str) -> None:
        def edit(draw: Draw) -> Edit:
            return _setting(investigationId=draw.randrange(10**5, 10**6), investigationState="Running")

        self._change("investigate", at, [alert_id], edit)

    def _find_evidence(self, at: int, alert_id: str) -> None:
        def edit(draw: Draw) -> Edit:
            return lambda alert: self._book.add_evidence(draw, alert, at, draw.randrange(1, 4))

        self._change("evidence", at, [alert_id], edit)

    def _end_investigation(self, at: int, alert_id: str) -> None:
        self._change("end", at, [alert_id], lambda draw: _setting(investigationState=draw.choice(_ENDS)))

    def _assign(self, at: int, alert_id: str) -> None:
        analysts = self._book.population.analysts
        self._change(
            "assign",
            at,
            [alert_id],
            lambda draw: _setting(assignedTo=draw.choice(analysts), status="InProgress"),
        )

    def _comment(self, at: int, alert_id: str) -> None:
        analysts = self._book.population.analysts
        self._change(
            "comment",
            at,
            [alert_id],
            lambda draw: _commenting(draw.choice(_COMMENTS), draw.choice(analysts), at),
        )

    def _take_incident(self, at: int, alert_id: str) -> None:
        """Assign all alerts of an incident to an analyst at once, with one update time."""
        incident = self._book.store.newest(alert_id).fields["incidentId"]
        ids = self._book.incidents.get(incident, [alert_id])
        analysts = self._book.population.analysts
        self._change("take", at, ids, lambda draw: _setting(assignedTo=draw.choice(analysts)))

    def _resolve(self, at: int, alert_id: str) -> None:
        """Resolve an alert, or with a chance of one half its whole incident at once."""
        incident = self._book.store.newest(alert_id).fields["incidentId"]
        whole = self._draw(alert_id, "resolve whole").random() < 0.5
        ids = self._book.incidents.get(incident, [alert_id]) if whole else [alert_id]

        def edit(draw: Draw) -> Edit:
            classification, determination = draw.choice(_VERDICTS)
            return _setting(
                status="Resolved",
                classification=classification,
                determination=determination,
                resolvedTime=wire_time(at),
            )

        self._change("resolve", at, ids, edit)

    # -- between two pages

    def stir(self, at: int, read: Sequence[str], unread: Sequence[str]) -> list[Version]:
        """Make one or two changes that make paging hard: change rows on either side, or add some."""
        choices = (self._touch_read, self._touch_unread, self._touch_both, self._insert)
        written: list[Version] = []
        for _ in range(self._stirring.randrange(1, 3)):
            written += self._stirring.choice(choices)(at, read, unread)
        return written

    def _touch_read(self, at: int, read: Sequence[str], unread: Sequence[str]) -> list[Version]:
        return self._touch(at, read[-1:] if self._stirring.random() < 0.3 else self._some(read))

    def _touch_unread(self, at: int, read: Sequence[str], unread: Sequence[str]) -> list[Version]:
        return self._touch(at, self._some(unread))

    def _touch_both(self, at: int, read: Sequence[str], unread: Sequence[str]) -> list[Version]:
        return self._touch(at, [*self._some(read), *self._some(unread)])

    def _touch(self, at: int, ids: Sequence[str]) -> list[Version]:
        text = f"Seen between two pages, {self._stirring.getrandbits(32):08x}"
        lag = self._lag(self._stirring)
        return self._book.change(ids, _commenting(text, "API Action", at), at, lag) if ids else []

    def _insert(self, at: int, read: Sequence[str], unread: Sequence[str]) -> list[Version]:
        """Add a new alert, with an id that sorts first or with a usual one."""
        low = {"id": f"6{self._stirring.getrandbits(56):017d}_{self._stirring.getrandbits(31)}"}
        changes = low if self._stirring.random() < 0.7 else None
        visible = at + self._lag(self._stirring)
        return [self._book.create(self._stirring, at, visible=visible, changes=changes)]

    def _some(self, ids: Sequence[str]) -> list[str]:
        return self._stirring.sample(list(ids), min(len(ids), self._stirring.randrange(1, 4)))


def _setting(**changes: object) -> Edit:
    return lambda alert: alert.update(changes)


def _commenting(text: str, author: str, at: int) -> Edit:
    def edit(alert: Alert) -> None:
        alert["comments"].append({"comment": text, "createdBy": author, "createdTime": wire_time(at)})

    return edit
