"""What the network inspection of Defender for Endpoint saw of a connection: DNS, HTTP, TLS, mail, logons.

`AdditionalFields` has it under the names of Zeek's logs, which inspects the packets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from email.utils import getaddresses
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import by_distinct, canonical_ip, host_name, known_text, parts_of_url
from .functions import TEXTS, URL_FIELDS, json_items

__all__ = [
    "ACCOUNT_KEYS",
    "DNS_FIELDS",
    "DNS_KEYS",
    "HTTP_FIELDS",
    "HTTP_KEYS",
    "MAIL_FIELDS",
    "MAIL_KEYS",
    "TLS_FIELDS",
    "TLS_KEYS",
    "account_fields",
    "answered_names",
    "by_distinct_where",
    "dns_fields",
    "http_fields",
    "inspected_protocol",
    "mail_fields",
    "names_among",
    "requested_url",
    "tls_fields",
]

_TEXT = pa.string()
_ACTION = re.compile(r"([A-Za-z0-9]+?)(?:Connection|Authentication)Inspected\Z")
_PROTOCOLS = {"ssl": "tls"}


def inspected_protocol(action: str | None) -> tuple[str | None]:
    """The protocol that an action type of inspection names, in lower case; TLS for Microsoft's Ssl."""
    match = _ACTION.match(action or "")
    name = match[1].lower() if match else None
    return (_PROTOCOLS.get(name or "", name),)


def by_distinct_where(
    condition: pa.Array,
    function: Callable[..., tuple[Any, ...]],
    types: Sequence[pa.DataType],
    *columns: pa.Array,
) -> tuple[pa.Array, ...]:
    """`by_distinct` for the rows where the condition is true; null for all others."""
    condition = pc.fill_null(condition, False)
    rows = pc.indices_nonzero(condition)
    if not len(rows):
        return tuple(pa.nulls(len(condition), each) for each in types)
    found = by_distinct(function, types, *(column.take(rows) for column in columns))
    places = pc.subtract(pc.cumulative_sum(condition.cast(pa.int64())), 1)
    places = pc.if_else(condition, places, pa.scalar(None, pa.int64()))
    return tuple(column.take(places) for column in found)


def _where_inspected(
    action_type: pa.Array,
    action: str,
    function: Callable[..., tuple[Any, ...]],
    types: Sequence[pa.DataType],
    *columns: pa.Array,
) -> tuple[pa.Array, ...]:
    return by_distinct_where(pc.equal(action_type, action), function, types, *columns)


def _count(text: str | None) -> int | None:
    """A number of bytes."""
    return int(text) if text and _COUNT.fullmatch(text) else None


_COUNT = re.compile("[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}


def _boolean(text: str | None) -> bool | None:
    return _BOOLEANS.get((text or "").lower())


_FLAGS = ("AA", "TC", "RD", "RA", "AD", "CD", "DO")
DNS_KEYS = ("query", "qclass_name", "qtype_name", "rcode_name", "answers", "trans_id", *_FLAGS)
DNS_FIELDS = (
    "dns.question.name",
    "dns.resolved_ip",
    "dns.type",
    "dns.question.class",
    "dns.question.type",
    "dns.response_code",
    "dns.id",
    "dns.header_flags",
)
"""What `dns_fields` gives."""


def dns_fields(action_type: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """A DNS query and its answer, as in `DNS_FIELDS`.

    Args:
        action_type: names the protocol.
        columns: those of `DNS_KEYS`: the answers as a JSON array, the flags as true or false.
    """
    types = (_TEXT, TEXTS, *(_TEXT,) * 5, TEXTS)
    return _where_inspected(action_type, "DnsConnectionInspected", _dns, types, *columns)


def _dns(*values: str | None) -> tuple[Any, ...]:
    query, question_class, question_type, code, answers, number, *flags = values
    short = {"C_INTERNET": "IN", "C_CHAOS": "CH", "C_HESIOD": "HS"}
    resolved = (canonical_ip(item) for item in json_items(answers) if isinstance(item, str))
    set_flags = [name for name, value in zip(_FLAGS, flags, strict=True) if _boolean(value)]
    answered = code is not None or bool(json_items(answers))
    return (
        query,
        list(dict.fromkeys(filter(None, resolved))) or None,
        "answer" if answered else "query" if query else None,
        short.get(question_class or "", question_class),
        question_type,
        code,
        number,
        set_flags or None,
    )


def answered_names(action_type: pa.Array, answers: pa.Array) -> pa.Array:
    """The names of hosts among the answers of DnsConnectionInspected, as aliases and servers of mail."""
    return _where_inspected(action_type, "DnsConnectionInspected", _answered_names, (TEXTS,), answers)[0]


def _answered_names(answers: str | None) -> tuple[list[str] | None]:
    return (names_among(item for item in json_items(answers) if isinstance(item, str)),)


def names_among(answers: Iterable[str]) -> list[str] | None:
    """The names of hosts among the texts of DNS answers: those that have a dot, so that no type is one."""
    names = (host_name(text) for text in answers if "." in text.rstrip("."))
    return list(dict.fromkeys(filter(None, names))) or None


HTTP_KEYS = (
    "method",
    "referrer",
    "request_body_len",
    "orig_mime_types",
    "status_code",
    "response_body_len",
    "resp_mime_types",
    "version",
)
HTTP_FIELDS = (
    "http.request.method",
    "http.request.referrer",
    "http.request.body.bytes",
    "http.request.mime_type",
    "http.response.status_code",
    "http.response.body.bytes",
    "http.response.mime_type",
    "http.version",
)
"""What `http_fields` gives."""
_STATUS = re.compile("[1-9][0-9]{2}")


def http_fields(action_type: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """A request and its response, as in `HTTP_FIELDS`, by the columns of `HTTP_KEYS`."""
    number = pa.int64()
    types = (_TEXT, _TEXT, number, _TEXT, number, number, _TEXT, _TEXT)
    return _where_inspected(action_type, "HttpConnectionInspected", _http, types, *columns)


def _http(*values: str | None) -> tuple[Any, ...]:
    method, referrer, asked, asked_types, status, answered, answered_types, version = values
    return (
        method,
        referrer,
        _count(asked),
        _only_one(asked_types),
        int(status) if status and _STATUS.fullmatch(status) else None,
        _count(answered),
        _only_one(answered_types),
        version,
    )


def _only_one(text: str | None) -> str | None:
    """The text, or the first one of a JSON array of texts."""
    if text is None or text[:1] != "[":
        return text
    return next((item for item in json_items(text) if isinstance(item, str) and item), None)


_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^/?#:@\s\[\]]+):[0-9]{1,5}\Z")


def requested_url(action_type: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """The URL of an HTTP request as in `URL_FIELDS`, and the host that the destination was called by.

    Args:
        action_type: names the protocol.
        columns: method, `Host` of the request, and its target (`uri`).
    """
    types = tuple(pa.int64() if name == "url.port" else _TEXT for name in URL_FIELDS)
    return _where_inspected(action_type, "HttpConnectionInspected", _requested_url, (*types, _TEXT), *columns)


_NO_PARTS = (None,) * (len(URL_FIELDS) - 2)


def _requested_url(method: str | None, host: str | None, target: str | None) -> tuple[Any, ...]:
    """By the forms of RFC 9112, 3.2, in which a request names its target.

    Of a path (origin form) the URL is made with the request's `Host`. A whole URL (absolute form) and the
    authority of CONNECT are meant for a proxy: their host is that of the URL, but not the destination's name.
    The asterisk names no resource.
    """
    scheme, domain, port, path, *_ = _parts(f"http://{host}" if host else None)
    is_host = scheme is not None and domain is not None and path is None
    asked = domain if is_host else None
    only_host = (None, asked, port if is_host else None, *_NO_PARTS[3:])
    if target is None or target == "*":
        return None, None, *(only_host if target is None else _NO_PARTS), asked
    if _ABSOLUTE.match(target):
        return target, target, *_parts(target), None
    if _AUTHORITY.match(target) or (method == "CONNECT" and target[0] != "/"):
        return None, target, *_parts(target), None
    if target[0] != "/":
        return None, target, *only_host, asked
    if asked is None:
        return None, target, None, None, None, *_parts(f"http://host{target}")[3:], None
    full = f"http://{host}{target}"
    return full, target, *_parts(full), asked


def _parts(url: str | None) -> tuple[Any, ...]:
    """`parts_of_url`, with no domain that is none."""
    scheme, domain, *others = parts_of_url(url)
    is_domain = domain and (host_name(domain) or canonical_ip(domain.strip("[]")))
    return (scheme, domain, *others) if is_domain else (scheme, None, None, *others[1:])


TLS_KEYS = (
    "version",
    "cipher",
    "curve",
    "server_name",
    "established",
    "resumed",
    "next_protocol",
    "subject",
    "issuer",
    "client_subject",
    "client_issuer",
    "ja3",
    "ja3s",
)
TLS_FIELDS = (
    "tls.version_protocol",
    "tls.version",
    "tls.cipher",
    "tls.curve",
    "tls.client.server_name",
    "tls.established",
    "tls.resumed",
    "tls.next_protocol",
    "tls.server.subject",
    "tls.server.issuer",
    "tls.client.subject",
    "tls.client.issuer",
    "tls.client.ja3",
    "tls.server.ja3s",
)
"""What `tls_fields` gives."""


def tls_fields(action_type: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """A handshake, as in `TLS_FIELDS`, by the columns of `TLS_KEYS`."""
    types = (*(_TEXT,) * 5, pa.bool_(), pa.bool_(), *(_TEXT,) * 7)
    return _where_inspected(action_type, "SslConnectionInspected", _tls, types, *columns)


def _tls(version: str | None, *values: str | None) -> tuple[Any, ...]:
    cipher, curve, server, established, resumed, *others = values
    return *_tls_version(version), cipher, curve, server, _boolean(established), _boolean(resumed), *others


def _tls_version(text: str | None) -> tuple[str | None, str | None]:
    """`TLSv12` as (`tls`, `1.2`)."""
    name, _, digits = (text or "").lower().partition("v")
    number = digits.replace(".", "")
    if name not in ("tls", "ssl", "dtls") or not (number.isascii() and number.isdigit()):
        return None, None
    return name, ".".join(number) if len(number) > 1 else f"{number}.0"


MAIL_KEYS = ("mailfrom", "from", "rcptto", "to", "cc", "subject", "msg_id")
MAIL_FIELDS = (
    "email.sender.address",
    "email.from.address",
    "email.to.address",
    "email.cc.address",
    "email.subject",
    "email.message_id",
)
"""What `mail_fields` gives."""


def mail_fields(action_type: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """A mail sent by SMTP, as in `MAIL_FIELDS`, by the columns of `MAIL_KEYS`.

    The sender is the envelope's; so are the recipients where the mail's own header names none.
    """
    types = (_TEXT, TEXTS, TEXTS, TEXTS, _TEXT, _TEXT)
    return _where_inspected(action_type, "SmtpConnectionInspected", _mail, types, *columns)


def _mail(*values: str | None) -> tuple[Any, ...]:
    sender, origin, recipients, to, cc, subject, identifier = values
    return (
        next(iter(_mail_addresses(sender)), None),
        _mail_addresses(origin) or None,
        _mail_addresses(to) or _mail_addresses(recipients) or None,
        _mail_addresses(cc) or None,
        subject,
        identifier,
    )


def _mail_addresses(text: str | None) -> list[str]:
    """The addresses in a header's text or in a JSON array of such."""
    if not text:
        return []
    texts = [item for item in json_items(text) if isinstance(item, str)] if text[0] == "[" else [text]
    found = (address for _, address in getaddresses(texts) if "@" in address)
    return list(dict.fromkeys(found))


ACCOUNT_KEYS = ("username", "domainname", "hostname", "server_dns_computer_name", "client", "user")


def account_fields(action_type: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """Who logs on by NTLM, Kerberos or FTP: name and domain; then the names of client and server for NTLM.

    Args:
        action_type: names the protocol.
        columns: those of `ACCOUNT_KEYS`. Kerberos' client is `jdoe/CONTOSO.EXAMPLE`.
    """
    name, domain, host, server, client, user = columns
    nothing = pa.nulls(len(name), _TEXT)
    found = [nothing] * 4
    for action, function, inputs in (
        ("NtlmAuthenticationInspected", _ntlm, (name, domain, host, server)),
        ("KerberosConnectionInspected", _kerberos, (client,)),
        ("FtpConnectionInspected", _ftp, (user,)),
    ):
        some = _where_inspected(action_type, action, function, (_TEXT,) * 4, *inputs)
        found = [pc.coalesce(*pair) for pair in zip(found, some, strict=True)]
    return tuple(found)


def _ftp(user: str | None) -> tuple[str | None, ...]:
    """Zeek writes `<unknown>` as long as no user is named."""
    name = known_text(user)
    return None if name == "<unknown>" else name, None, None, None


def _ntlm(*values: str | None) -> tuple[str | None, ...]:
    return tuple(map(known_text, values))


def _kerberos(client: str | None) -> tuple[str | None, ...]:
    name, _, realm = (client or "").rpartition("/")
    return (name, realm or None, None, None) if name else (realm or None, None, None, None)
