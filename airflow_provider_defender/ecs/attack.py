"""Finding MITRE ATT&CK in texts of any spelling: tactics by name, techniques by id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.categories import ALERT_CATEGORIES, OTHER_CATEGORIES

from .engine.values import UnreadableError, parse_value

__all__ = ["TACTICS", "category_names", "tactic_of", "tactics_of", "techniques_in", "unknown_categories"]

_NAMES = (
    ("TA0043", "Reconnaissance"),
    ("TA0042", "Resource Development"),
    ("TA0001", "Initial Access"),
    ("TA0002", "Execution"),
    ("TA0003", "Persistence"),
    ("TA0004", "Privilege Escalation"),
    ("TA0005", "Defense Evasion"),
    ("TA0005", "Stealth"),
    ("TA0112", "Defense Impairment"),
    ("TA0006", "Credential Access"),
    ("TA0007", "Discovery"),
    ("TA0008", "Lateral Movement"),
    ("TA0009", "Collection"),
    ("TA0011", "Command and Control"),
    ("TA0010", "Exfiltration"),
    ("TA0040", "Impact"),
)
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
# Either case, but no part of a longer word or number: `xT1059`, `T10591`.
_TECHNIQUE = re.compile(r"(?<![A-Za-z0-9])[Tt]([0-9]{4})(\.[0-9]{3})?(?![A-Za-z0-9])")
_NAME_BEHIND = re.compile(r"[ ]?(?:[:(]|[-\u2013][ ])([^,;)\]]*)")
_AROUND_NAMES = " \t\r\n,;:()[]{}\"'|-\u2013"


def _plain(name: str) -> str:
    return _BETWEEN_WORDS.sub("", name).lower().replace("&", "and")


TACTICS: dict[str, tuple[str, str]] = {_plain(name): (identifier, name) for identifier, name in _NAMES}
"""ATT&CK's enterprise tactics (v19 and older names) by name, without blanks and in lower case."""
_CATEGORIES = frozenset(map(_plain, (*ALERT_CATEGORIES, *OTHER_CATEGORIES))) | TACTICS.keys()


def tactic_of(name: str) -> tuple[str, str] | None:
    """Id and name of the tactic with this name, however its words are joined; None if there is none."""
    return TACTICS.get(_plain(name))


def tactics_of(*categories: str | None) -> list[tuple[str, str]]:
    """Id and name of each of MITRE's tactics in texts of categories (see `category_names`), each once."""
    names = (name for text in categories for name in category_names(text))
    return list(dict.fromkeys(tactic for name in names if (tactic := tactic_of(name))))


def category_names(text: str | None) -> list[str]:
    """The category names in a text: one, several separated by commas, or a JSON array of these."""
    texts = [text] if text else []
    if text and text.lstrip().startswith("["):
        try:
            items = parse_value(text.encode())
        except UnreadableError:
            items = []
        texts = [item for item in items if isinstance(item, str)]
    return [name for part in texts for word in part.split(",") if (name := word.strip())]


def unknown_categories(
    columns: Mapping[str, pa.Array], properties: Iterable[str]
) -> Iterator[tuple[str, int]]:
    """Yield `property=name` and count of each category that is no tactic and not documented by Microsoft.

    Such a name may be a new tactic, which then is missing in `threat.tactic.*`.
    """
    for name in properties:
        for each in pc.value_counts(columns[name]).to_pylist() if name in columns else ():
            for category in category_names(each["values"]):
                if _plain(category) not in _CATEGORIES:
                    yield f"{name}={category}", each["counts"]


def techniques_in(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the ids of techniques and sub-techniques anywhere in a text, each with its name if it has one.

    A name comes before its id, `PowerShell (T1059.001)`, or after it, `T1059.001: PowerShell`.
    """
    end = 0
    for match in _TECHNIQUE.finditer(text):
        behind = (
            None if text[match.start() - 1 : match.start()] == "(" else _NAME_BEHIND.match(text, match.end())
        )
        name = behind[1] if behind else text[end : match.start()]
        end = behind.end() if behind else match.end()
        yield f"T{match[1]}{match[2] or ''}", name.strip(_AROUND_NAMES) or None
