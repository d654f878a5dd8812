"""The "Test" button of a connection to REST APIs: for each use, whether it works, and what is missing."""

from __future__ import annotations

import contextvars
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_defender.exceptions import ConfigurationError, DefenderError
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._entra.access_token import describe_token
from airflow_provider_defender.hooks._http.rate_limiter import RateLimiter
from airflow_provider_defender.hooks._http.waiting import NO_WAITING, Waits
from airflow_provider_defender.hooks._rest.api import RestApi
from airflow_provider_defender.hooks._rest.pages import read_page
from airflow_provider_defender.hooks._rest.settings import RestSettings

if TYPE_CHECKING:
    from airflow_provider_defender.hooks._entra.tokens import TokenSource

__all__ = ["Uses", "check_uses", "read_uses"]

_GRACE_SECONDS = 0.5
_CORRELATION = re.compile(r"\(correlation ID [^)]*\)")
_WHOSE = re.compile(r"^Connection '[^']*'(?: \([^)]*\))?: ")
_LATE = "no result in time: check host and proxy"


@dataclass(frozen=True)
class Uses:
    """The uses of a connection: the APIs that it is for, with their settings, or why they cannot be used."""

    settings: tuple[tuple[RestApi, RestSettings | DefenderError], ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """Warnings about suspicious fields."""
        return _unique(remark for _, found in self._readable() for remark in found.remarks)

    def _readable(self) -> list[tuple[RestApi, RestSettings]]:
        return [(api, found) for api, found in self.settings if isinstance(found, RestSettings)]

    def by_audience(self) -> list[list[tuple[RestApi, RestSettings]]]:
        """The uses that can be tried, those with the same token together."""
        groups: dict[tuple[str, str], list[tuple[RestApi, RestSettings]]] = {}
        for api, found in self._readable():
            groups.setdefault((found.host, found.scope), []).append((api, found))
        return list(groups.values())


@dataclass(frozen=True)
class _Tried:
    """What came of a use: whether it works, and what to say."""

    api: RestApi
    works: bool
    text: str


def read_uses(apis: Iterable[RestApi], read: Callable[[RestApi], RestSettings]) -> Uses:
    """Read the settings for each API. Raises `ConfigurationError` if none of them can be read."""
    settings: list[tuple[RestApi, RestSettings | DefenderError]] = []
    for api in apis:
        try:
            settings.append((api, read(api)))
        except DefenderError as error:
            settings.append((api, error))
    errors = [found for _, found in settings if isinstance(found, DefenderError)]
    if len(errors) == len(settings):
        raise ConfigurationError(" ".join(_unique(map(str, errors))))
    return Uses(tuple(settings))


def check_uses(uses: Uses, deadline: float, log: Log) -> str:
    """Try each use with one request; return what works and what does not, until `deadline` (monotonic).

    Raises `DefenderError`, with the same text, if nothing works.
    """
    trials = [_Trial(group, deadline, log) for group in uses.by_audience()]
    _together([trial.run for trial in trials], deadline + _GRACE_SECONDS)
    tried = {each.api: each for trial in trials for each in list(trial.tried)}
    for api, found in uses.settings:
        if isinstance(found, DefenderError):
            tried[api] = _Tried(api, False, str(found))
    results = [tried.get(api) or _Tried(api, False, _LATE) for api, _ in uses.settings]
    text = " ".join([*map(_sentence, results), *(trial.token for trial in trials if trial.token)])
    if not any(each.works for each in results):
        causes = {_CORRELATION.sub("", each.text): each.text for each in results}
        raise DefenderError(next(iter(causes.values())) if len(causes) == 1 else text)  # as a wrong secret
    return text


class _Trial:
    """The trial of uses that share a token."""

    def __init__(self, group: Sequence[tuple[RestApi, RestSettings]], deadline: float, log: Log) -> None:
        self.token = ""
        """A description of the token; empty without one."""
        self.tried: list[_Tried] = []
        self._roles: tuple[str, ...] = ()
        self._group = group
        self._deadline = deadline
        self._waits = Waits(log, sleep=time.sleep, jitter=random.random, limits=NO_WAITING)
        self._log = log

    def run(self) -> None:
        """Get the token and try each use. Collects errors as results."""
        from airflow_provider_defender.hooks._entra.tokens import TokenSource

        settings = self._group[0][1]
        tokens = TokenSource(settings.entra, deadline=self._deadline)
        error = self._error_of(lambda: self._describe(tokens, settings))
        for api, found in self._group:
            why = error or self._error_of(lambda api=api, found=found: self._ask(api, found, tokens))  # type: ignore[misc]
            granted = [role for role in api.roles if role in self._roles]
            role = f"the role {granted[0]} is granted, and " if granted else ""
            self.tried.append(_Tried(api, not why, why or f"{role}{found.host} answers"))

    def _describe(self, tokens: TokenSource, settings: RestSettings) -> None:
        token = tokens.token(settings.scope, self._waits)
        client_id, self._roles = settings.entra.credential.client_id, token.roles
        described = describe_token(token, client_id, settings.tenant_id, settings.cloud.name)
        self.token = f"{self._group[0][0].name}: {described[:1].lower()}{described[1:]}"

    def _ask(self, api: RestApi, settings: RestSettings, tokens: TokenSource) -> None:
        from airflow_provider_defender.hooks._rest.client import RestClient

        limiter = RateLimiter([(api.calls_per_minute, 60.0)], time.monotonic)
        client = RestClient(api, settings, tokens, limiter, self._log, deadline=self._deadline)
        client.get(f"https://{settings.host}{api.test_path}", self._waits, read_page)

    @staticmethod
    def _error_of(step: Callable[[], None]) -> str:
        try:
            step()
        except DefenderError as error:
            return str(error)
        except Exception as error:
            # Not the text: it is unknown what a library puts into it.
            return f"the test ended with {type(error).__name__}; see the log"
        return ""


def _sentence(tried: _Tried) -> str:
    purpose = tried.api.purpose
    found = _WHOSE.sub("", tried.text)  # the token's description says it once for all uses
    text = f"{purpose[:1].upper()}{purpose[1:]}: {'yes' if tried.works else 'no'}, {found}"
    return text if text.endswith(".") else f"{text}."


def _together(steps: Sequence[Callable[[], None]], deadline: float) -> None:
    """Run the steps in threads of their own, so that none waits for a host that hangs."""
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(step,), daemon=True) for step in steps
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
