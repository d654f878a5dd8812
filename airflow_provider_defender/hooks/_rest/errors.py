"""The meaning of a REST API's errors: each API has a table of its own; this is what they share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    CredentialError,
    DefenderError,
    RequestRefused,
)

__all__ = ["COMMON_RULES", "ApiError", "ErrorRule", "PageTooLarge", "find_rule", "is_outage"]


class PageTooLarge(ConfigurationError):  # noqa: N818  as its neighbours are named
    """A page has more bytes than the configuration allows; with fewer records it may have less."""


@dataclass(frozen=True)
class ErrorRule:
    """One row of an API's table of errors: which responses it matches, what to raise, and what to do.

    A row matches responses with its `status` (None: any from 400 on), its `code` in the body (empty: any) and
    a message in the body in which `message` is found (None: any). `remedy` may contain `{roles}`: the roles
    that are needed, from the group `roles` of `message` (separated by commas), or else the API's own. An
    `error` that is a `TryAgain` is first retried in place, like an outage.
    """

    error: type[DefenderError]
    remedy: str
    status: int | None = None
    code: str = ""
    message: re.Pattern[str] | None = None

    def matches(self, status: int, error: ApiError | None) -> bool:
        """Whether this row matches a response; `error` is the error in its body, if it is the API's own."""
        if self.status not in (None, status):
            return False
        if self.code and (error is None or error.code.lower() != self.code.lower()):
            return False
        return self.message is None or (error is not None and self.message.search(error.message) is not None)


@dataclass(frozen=True)
class ApiError:
    """The API's error body: code, message, and the correlation ID for Microsoft's support."""

    code: str
    message: str
    correlation_id: str


COMMON_RULES = (
    ErrorRule(
        CredentialError,
        "a new token was refused, too: check cloud and host, which decide whom the token is for",
        401,
    ),
    ErrorRule(CredentialError, "the proxy wants a login: check the connection's proxy", 407),
)
"""Rows for any API, tried after its own."""

_OTHER = ErrorRule(RequestRefused, "the request was refused: check host and cloud")
_NEEDS_BODY = frozenset({400, 403})


def is_outage(status: int) -> bool:
    """Whether a retry may succeed."""
    return status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def find_rule(
    api: str, rules: Sequence[ErrorRule], roles: Sequence[str], status: int, error: ApiError | None
) -> ErrorRule:
    """The first row that matches a 4xx response that is neither throttling nor an expired token.

    `api` is the API's name, `rules` its table and `roles` the roles that it needs. The remedy of the returned
    row names the roles.
    """
    if error is None and status in _NEEDS_BODY:  # APIs explain these, so something else has answered
        return ErrorRule(
            RequestRefused,
            f"this does not look like {api}'s answer: check host, and any proxy or firewall between",
        )
    rule = next((each for each in (*rules, *COMMON_RULES) if each.matches(status, error)), _OTHER)
    return replace(rule, remedy=rule.remedy.replace("{roles}", " or ".join(_needed(rule, roles, error))))


def _needed(rule: ErrorRule, roles: Sequence[str], error: ApiError | None) -> Sequence[str]:
    """The roles that the response itself names, or else the API's."""
    found = rule.message.search(error.message) if rule.message and error else None
    named = found.groupdict().get("roles") if found else None
    return [role.strip() for role in (named or "").split(",") if role.strip()] or roles
