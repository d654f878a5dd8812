"""A fault as data: what goes wrong, and for which request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EFFECTS", "Fault"]

#: Effects that the server has on any service's answers. Services add their own (`Service.faults`).
EFFECTS = ("answer", "truncated", "cut", "reset", "silent", "slow", "wire", "large")


@dataclass
class Fault:
    """What goes wrong, and when.

    * `path`: a pattern as in file names; None for requests for a page of records (of effects that one
      service alone knows: what that service says). `method`: only this one.
    * `page`: only this page of a drain (the first is 0); `nth`: only the n-th matching request (from 1),
      counted from when the fault was switched on.
    * `times`: how often it happens, None until it is switched off.

    The effects on any service: `answer` (status, headers and body as given), `truncated` (half of the body,
    ended properly), `cut` (half of the body, then a reset), `reset` (before the first byte), `silent` (no
    answer at all), `slow` (`seconds` late), `wire` (`body`, a character a byte, is all that is sent, from the
    status line on, one byte each `seconds` if any are given), `large` (`status` with a body of `size` MiB,
    which packs to a thousandth).

    The effects on REST APIs: `next_link` (`link` in place of the page's own: "same", "first" or a URL),
    `revoke` (401, and the token stays refused), `throttle` (429 for `seconds`, `hour` for the hourly text).
    The effect on Entra ID: `aadsts` (its error `code`).
    """

    effect: str
    path: str | None = None
    method: str | None = None
    page: int | None = None
    nth: int | None = None
    times: int | None = 1
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: float = 0.0
    hour: bool = False
    link: str = "same"
    code: int = 0
    size: int = 0
    matched: int = 0
    happened: int = 0
