"""DeviceNetworkEvents: what is computed of the connection, its URL and who made it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import by_distinct, collect, first_known, only_where
from . import _inspected
from ._connections import direction_of, ends
from ._processes import Columns, chosen, nothing_like, user_of_initiator
from .actions import look_up
from .functions import URL_DOMAIN, URL_FIELDS, domain_and_address, url_fields

__all__ = ["USER_FIELDS", "connection", "outcome", "user_agent"]

USER_FIELDS = ("user.name", "user.domain", "user.id", "user.email", "related.user")
"""What `connection` gives of the user, last."""

_REQUEST_COLUMNS, _ACCOUNT_COLUMNS, _INITIATOR_COLUMNS = 3, len(_inspected.ACCOUNT_KEYS), 5
_DNS_COLUMNS = len(_inspected.DNS_KEYS)
_SCHEME = URL_FIELDS.index("url.scheme")


def connection(
    action_type: pa.Array,
    direction: pa.Array,
    device_name: pa.Array,
    local: pa.Array,
    local_port: pa.Array,
    remote: pa.Array,
    remote_port: pa.Array,
    url: pa.Array,
    session_device: pa.Array,
    session_address: pa.Array,
    *more: pa.Array,
) -> Columns:
    """The two ends as in `CONNECTION_FIELDS`, then `DNS_FIELDS` and `USER_FIELDS`.

    Args:
        action_type: with `direction`, says which end began; and what was inspected.
        direction: In or Out.
        device_name: the device.
        local: its address.
        local_port: its port.
        remote: the other end's address.
        remote_port: the other end's port.
        url: the URL or name that was connected to.
        session_device: the device of the initiating process' remote session; it is related.
        session_address: that device's address; it is related.
        more: method, host and target of an HTTP request, TLS' server name, then `ACCOUNT_KEYS`, what
            `user_of_initiator` takes, `DNS_KEYS`, `MAIL_KEYS`, and the public address that was scanned.
    """
    request, server_name = more[:_REQUEST_COLUMNS], more[_REQUEST_COLUMNS]
    others = more[_REQUEST_COLUMNS + 1 :]
    account = _inspected.account_fields(action_type, *others[:_ACCOUNT_COLUMNS])
    initiator = others[_ACCOUNT_COLUMNS:][:_INITIATOR_COLUMNS]
    *seen, scanned = others[_ACCOUNT_COLUMNS + _INITIATOR_COLUMNS :]
    dns = _inspected.dns_fields(action_type, *seen[:_DNS_COLUMNS])
    sender, origin, to, cc, *_ = _inspected.mail_fields(action_type, *seen[_DNS_COLUMNS:])
    *requested, host = _inspected.requested_url(action_type, *request)
    way = direction_of(action_type, direction)
    client, server = account[2:]
    is_tls = pc.fill_null(pc.equal(action_type, "SslConnectionInspected"), False)
    of_url = url_fields(url)
    requested_name, requested_address = domain_and_address(requested[URL_DOMAIN])
    asked = first_known(host, only_where(is_tls, server_name), server)
    return (
        *ends(
            way,
            device_name,
            (local, local_port),
            (remote, remote_port),
            _url(of_url, tuple(requested)),
            of_url[URL_DOMAIN],
            asked,
            only_where(pc.equal(way, "ingress"), client),
            (session_device, client, requested_name),
            (session_address, scanned, requested_address),
            dns,
            _inspected.answered_names(action_type, seen[_inspected.DNS_KEYS.index("answers")]),
        ),
        *_user(initiator, account, (origin, to, cc, sender)),
    )


def _url(said: Columns, asked: Columns) -> Columns:
    """The URL that the record says, if it is a whole one; else that of the request, if there is one."""
    is_asked = pc.or_(pc.is_valid(asked[1]), pc.is_valid(asked[URL_DOMAIN]))
    if not pc.any(is_asked).as_py():
        return said
    return chosen(pc.and_not(is_asked, pc.is_valid(said[_SCHEME])), asked, said)


def _user(initiator: Columns, account: Columns, mail: Columns) -> Columns:
    """The initiating process' account, else the one that logs on; then all, with a mail's addresses."""
    user = user_of_initiator(*initiator)
    name, _, sid, object_id, principal = initiator
    logged_on = account[0]
    if logged_on.null_count < len(logged_on):
        is_unknown = pc.and_(pc.is_null(user[0]), pc.and_(pc.is_null(user[2]), pc.is_null(user[3])))
        nothing = nothing_like(name)
        user = chosen(is_unknown, (logged_on, account[1], nothing, nothing), user)
    return (*user, collect(name, principal, sid, object_id, logged_on, *mail))


def outcome(action_type: pa.Array, success: pa.Array, auth_success: pa.Array) -> pa.Array:
    """`event.outcome` by the action type, else by the result of an inspected logon."""

    def find(action: str | None, *results: str | None) -> tuple[str | None]:
        said = {"true": "success", "false": "failure", "t": "success", "f": "failure"}
        by_result = said.get(next(filter(None, results), "").lower())
        logs_on = (action or "") in _LOGONS
        return (look_up("DeviceNetworkEvents", action).outcome or (by_result if logs_on else None),)

    return by_distinct(find, (pa.string(),), action_type, success, auth_success)[0]


_LOGONS = ("KerberosConnectionInspected", "NtlmAuthenticationInspected", "SshConnectionInspected")


def user_agent(action_type: pa.Array, agent: pa.Array, client: pa.Array) -> pa.Array:
    """`user_agent.original`: what was inspected; of SSH, the software of the client."""
    if client.null_count == len(client):
        return agent
    is_shell = pc.fill_null(pc.equal(action_type, "SshConnectionInspected"), False)
    return first_known(agent, only_where(is_shell, client))
