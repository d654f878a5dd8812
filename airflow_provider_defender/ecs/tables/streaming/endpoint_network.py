"""DeviceNetworkEvents: connections, and what the inspection saw of them."""

from __future__ import annotations

from ...mapping import Computed, Shape
from . import _inspected, _network, _processes
from ._connections import CONNECTION_FIELDS, connection_protocol, hardware_addresses
from .actions import event_fields
from .endpoint_parts import (
    DEVICE,
    EVENT_ID,
    INITIATOR_HASHES,
    INITIATOR_VERSION,
    PROVIDER,
    SESSION_ADDRESS,
    SESSION_DEVICE,
    inside,
    related_hashes,
)
from .table import ONLY_HOST_NAME, table

__all__ = ["DEVICE_NETWORK_EVENTS"]

_MAC_KEYS = ("Source Mac", "Destination Mac")
_OTHER_KEYS = (
    "InitiatingProcessCurrentWorkingDirectory",
    "PublicScannedIp",
    "SignatureName",
    "auth_success",
    "direction",
    "host",
    "success",
    "uri",
    "user_agent",
)
_KEYS = (
    *_inspected.DNS_KEYS,
    *_inspected.HTTP_KEYS,
    *_inspected.TLS_KEYS,
    *_inspected.MAIL_KEYS,
    *_inspected.ACCOUNT_KEYS,
    *_MAC_KEYS,
    *_OTHER_KEYS,
)

DEVICE_NETWORK_EVENTS = table(
    "DeviceNetworkEvents",
    PROVIDER,
    constants={},
    copies={**DEVICE, **INITIATOR_VERSION, "rule.name": "AdditionalFields.SignatureName"},
    inside={"AdditionalFields": Shape(dict.fromkeys(_KEYS, "dynamic"))},
    computed=(
        EVENT_ID,
        ONLY_HOST_NAME,
        event_fields("DeviceNetworkEvents", without=("event.outcome",)),
        Computed(
            ("event.outcome",),
            ("ActionType", *inside("success", "auth_success")),
            _network.outcome,
            "By the [catalogue of action types](action_types.md), else the result of the logon that was "
            "inspected (NTLM, Kerberos, SSH).",
        ),
        Computed(
            tuple(
                f"{prefix}.{name}"
                for prefix in ("process", "process.parent")
                for name in _processes.PROCESS_FIELDS
            ),
            ("DeviceId", *_processes.INITIATING_INPUTS),
            _processes.initiating_process,
            "The initiating process and its parent; a pid of 0, as of inspected connections, is none. The "
            "working directory is what AdditionalFields say, on Linux and macOS.",
        ),
        Computed(
            ("network.transport", "network.protocol"),
            ("Protocol", "ActionType", "LocalIP", "RemoteIP"),
            connection_protocol,
            "Tcp, Udp, Icmp (ipv6-icmp between IPv6 addresses) are transports, all else is a protocol; also "
            "by what was inspected.",
        ),
        Computed(
            ("source.mac", "destination.mac"),
            inside(*_MAC_KEYS),
            hardware_addresses,
            "Of the frame of a connection attempt.",
        ),
        Computed(
            (*CONNECTION_FIELDS, *_inspected.DNS_FIELDS, *_network.USER_FIELDS),
            (
                "ActionType",
                *inside("direction"),
                "DeviceName",
                "LocalIP",
                "LocalPort",
                "RemoteIP",
                "RemotePort",
                "RemoteUrl",
                SESSION_DEVICE,
                SESSION_ADDRESS,
                *inside("method", "host", "uri", "server_name"),
                *inside(*_inspected.ACCOUNT_KEYS),
                "InitiatingProcessAccountName",
                "InitiatingProcessAccountDomain",
                "InitiatingProcessAccountSid",
                "InitiatingProcessAccountObjectId",
                "InitiatingProcessAccountUpn",
                *inside(*_inspected.DNS_KEYS, *_inspected.MAIL_KEYS, "PublicScannedIp"),
            ),
            _network.connection,
            "The source is the end that began: the remote one for ingress. The direction is what "
            "AdditionalFields says, else what the action type does (ingress for all with Inbound in their "
            "name, documented or not), else unknown. address repeats the IP address, else the domain. A port "
            "of 0 is none. RemoteUrl's host is the remote end's domain, or its address where RemoteIP is "
            "null. An inspected HTTP request names the URL where RemoteUrl has no whole one, by its target: "
            "a path (url.original) is completed by the host; a whole URL and the authority of CONNECT, which "
            "go to a proxy, give url.* but not the destination's domain; an asterisk gives no URL. The "
            "destination's domain is the request's host, TLS' server name or NTLM's server, whichever end "
            "that is. dns.* of DnsConnectionInspected; resolved_ip has those answers that are addresses, "
            "related.hosts those that are names. user.* is the initiating process' account, its id the SID, "
            "else Entra's object id; where none is known, who logs on by NTLM, Kerberos or FTP. related.ip "
            "also has the public address that a scan reached, related.user the addresses of an inspected "
            "mail.",
        ),
        Computed(
            _inspected.HTTP_FIELDS,
            ("ActionType", *inside(*_inspected.HTTP_KEYS)),
            _inspected.http_fields,
            "Of HttpConnectionInspected.",
        ),
        Computed(
            ("user_agent.original",),
            ("ActionType", *inside("user_agent", "client")),
            _network.user_agent,
            "The inspected user agent; of SSH, the software of the client.",
        ),
        Computed(
            _inspected.TLS_FIELDS,
            ("ActionType", *inside(*_inspected.TLS_KEYS)),
            _inspected.tls_fields,
            "Of SslConnectionInspected.",
        ),
        Computed(
            _inspected.MAIL_FIELDS,
            ("ActionType", *inside(*_inspected.MAIL_KEYS)),
            _inspected.mail_fields,
            "Of SmtpConnectionInspected: the sender is the envelope's, and so are the recipients where the "
            "mail's header names none.",
        ),
        related_hashes(*INITIATOR_HASHES),
    ),
)
