"""The fields of evidence from whole columns: what its functions give item by item, at a fraction of the cost.

Equal items are derived once. Of processes, which all differ, this holds for the objects inside them; what is
their own is computed on columns. The hosts of items that only have a device's id are looked up for all of
them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, reduce
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import collect, first_known, join_known, only_host, only_named, only_where, positive
from ...engine.items import ColumnPart, ItemColumns, Spread, distinct
from ...mapping import Fields
from .alert import Alert, Item, Parts, roles_of
from .endpoint import PROCESS_PREFIXES, device_users
from .evidence import EVIDENCE
from .object_columns import (
    accounts,
    files,
    images,
    known_texts,
    lowered,
    platforms,
    process_images,
    read_accounts,
    read_files,
    read_users,
    risks,
    user_names,
)
from .parts import DEVICE_PROPERTIES, host_addresses, machine_fields, user_prefix
from .related import RELATED, Part, with_related
from .shape import evidence_properties
from .values import child, text, texts

__all__ = ["ROW_BY_ROW", "evidence_columns", "read_by"]

ROW_BY_ROW = frozenset({"hostLogonSessionEvidence", "malwareEvidence"})
"""Types of evidence with devices inside, whose hosts are looked up in the alert."""
_OfItem: TypeAlias = "Callable[[Item], Fields]"
_MACHINE = "mdeDeviceId"
_ACCOUNT = "cloud.account.id"
_OF_ADDRESSES = ("lastIpAddress", "ipInterfaces", "lastExternalIpAddress")
_OF_HOST = tuple(name for name in DEVICE_PROPERTIES if name not in (*_OF_ADDRESSES, "osBuild"))
_ALSO_READ = {
    **dict.fromkeys(
        ("kubernetesClusterEvidence", "kubernetesSecretEvidence", "kubernetesServiceAccountEvidence"),
        ("labels",),
    ),
    "registryKeyEvidence": ("registryValueName", "registryValueType"),
}
"""Properties that the functions of types read, though these do not have them by Microsoft's metadata."""


@cache
def read_by(name: str) -> tuple[str, ...]:
    """The properties of an item that the function of its type may read, but for the device's id."""
    names = dict.fromkeys(["roles", *evidence_properties(name), *_ALSO_READ.get(name, ())])
    return tuple(each for each in names if each != _MACHINE)


def evidence_columns(
    items: ItemColumns, types: pa.Array, common: dict[str, pa.Array]
) -> tuple[list[ColumnPart], pa.Array]:
    """The fields of all rows, and the rows for which they must be derived row by row.

    Args:
        items: the evidence.
        types: for each row the name of its type, without the prefix.
        common: fields that each row has, unless those of its evidence say otherwise.
    """
    evidence = _Evidence(items, common)
    rows = {name: _where(types, name) for name in types.unique().to_pylist() if name in EVIDENCE}
    none = pa.array([], pa.int32())
    evidence.hosts(
        rows.pop("deviceEvidence", none), [rows[name] for name in sorted(_WITH_HOST & rows.keys())]
    )
    for name, own in rows.items():
        if name in ROW_BY_ROW:
            evidence.left.append(own)
        elif name == "processEvidence":
            evidence.processes(own)
        elif name == "fileEvidence":
            evidence.files(own)
        elif name == "userEvidence":
            evidence.users(own)
        else:
            evidence.others(name, own)
    left = pa.concat_arrays(evidence.left).unique() if evidence.left else none
    return evidence.parts, left


_WITH_HOST = frozenset({"fileEvidence", "processEvidence", "registryKeyEvidence", "registryValueEvidence"})


def _where(types: pa.Array, name: str) -> pa.Array:
    return pc.indices_nonzero(pc.fill_null(pc.equal(types, name), False)).cast(pa.int32())


class _Evidence:
    """The evidence of some alerts; `parts` and `left` are the results of `evidence_columns` so far."""

    def __init__(self, items: ItemColumns, common: dict[str, pa.Array]) -> None:
        self._items = items
        self._common = common
        self.parts = [ColumnPart(None, common)]
        self.left: list[pa.Array] = []

    def hosts(self, devices: pa.Array, others: Sequence[pa.Array]) -> None:
        """Devices, and the hosts of other rows: the alert's first device with the same id."""
        hosts, odd = self._devices(devices)
        users = read_users(self._items.sent("loggedOnUsers").take(devices))
        seen = self._derive(devices, ("resourceAccessEvents",), lambda item: Part(device_users(item)).whole)
        united = _united(hosts, users.on_rows(user_names(users)), seen.fields)
        self._add(devices, {**united, **self._accounts(devices, hosts)})
        self._leave(devices, users.odd)
        self._leave(devices, odd)
        if not others:
            return
        machines = known_texts(self._items.sent(_MACHINE))
        encoded = machines.dictionary_encode()
        records = pc.multiply(self._items.parents.cast(pa.int64()), len(encoded.dictionary))
        keys = pc.add(records, encoded.indices.cast(pa.int64()))
        rows = pa.concat_arrays(others)
        rows = rows.filter(keys.take(rows).is_valid())
        places = pc.index_in(keys.take(rows), value_set=keys.take(devices), skip_nulls=True)
        fields = {name: column.take(places) for name, column in hosts.items()}
        fields["host.id"] = machines.take(rows)
        fields["cloud.instance.id"] = first_known(fields["cloud.instance.id"], fields["host.id"])
        self._add(rows, {**fields, **self._accounts(rows, fields)})
        self._leave(rows, None if odd is None else pc.fill_null(odd.take(places), False))

    def _accounts(self, rows: pa.Array, fields: dict[str, pa.Array]) -> dict[str, pa.Array]:
        """The subscription of virtual machines, else what all rows have."""
        own, usual = fields.get(_ACCOUNT), self._common.get(_ACCOUNT)
        if own is None or usual is None:
            return {}
        return {_ACCOUNT: first_known(own, usual.take(rows))}

    def _devices(self, rows: pa.Array) -> tuple[dict[str, pa.Array], pa.Array | None]:
        """`device_fields` of devices, and which of them are odd, if any."""
        sent = {name: known_texts(self._sent(name, rows)) for name in _OF_HOST}
        name = first_known(only_named(sent["deviceDnsName"]), only_named(sent["hostName"]))
        plain, (system, system_type) = only_host(name), platforms(sent["osPlatform"])
        addresses = self._derive(rows, _OF_ADDRESSES, _addresses)
        machines = self._derive(rows, ("vmMetadata",), _machine)
        instance = machines.fields.get("cloud.instance.id", sent[_MACHINE])
        fields = {
            **addresses.fields,
            **machines.fields,
            "host.id": sent[_MACHINE],
            "host.hostname": name,
            "host.name": lowered(name),
            "host.domain": first_known(sent["ntDomain"], sent["dnsDomain"]),
            "host.os.name": system,
            "host.os.type": system_type,
            "host.os.version": platforms(sent["version"])[0],
            "host.os.build": _without_zero(self._sent("osBuild", rows)).cast(pa.string()),
            "host.risk.calculated_level": risks(sent["riskScore"]),
            "device.id": sent["azureAdDeviceId"],
            "cloud.instance.id": first_known(instance, sent[_MACHINE]),
            "related.hosts": collect(plain),
        }
        odd = pc.and_(name.is_valid(), plain.is_null())  # an address, perhaps, which is related otherwise
        odd = [odd if pc.any(odd).as_py() else None, addresses.failed, machines.failed]
        return fields, _any_of(*odd)

    def processes(self, rows: pa.Array) -> None:
        """Processes, but for their hosts."""
        image = read_files(self._sent("imageFile", rows))
        parent = read_files(self._sent("parentProcessImageFile", rows))
        account = read_accounts(self._sent("userAccount", rows))
        of_account = accounts(account)
        of_account["process.user.id"] = of_account["user.id"]
        of_account["process.user.name"] = of_account["user.name"]
        fields = _united(
            image.on_rows(process_images(image)),
            parent.on_rows(images(parent, "process.parent")),
            account.on_rows(of_account),
        )
        own = {
            "process.command_line": known_texts(self._sent("processCommandLine", rows)),
            **self._instances(rows, "process"),
            **self._instances(rows, "parentProcess"),
        }
        self._add(rows, {**fields, **own})
        self._leave(rows, _any_of(image.odd, parent.odd, account.odd))

    def files(self, rows: pa.Array) -> None:
        """Files, but for their hosts."""
        found = read_files(self._sent("fileDetails", rows))
        self._add(rows, found.on_rows(files(found)))
        self._leave(rows, found.odd)

    def users(self, rows: pa.Array) -> None:
        """Users, by their roles those who act or those who are acted upon."""
        found = read_accounts(self._sent("userAccount", rows))
        self._leave(rows, found.odd)
        roles = self._sent("roles", rows)
        indices, firsts = distinct(len(rows), [roles])
        prefixes = [user_prefix(roles_of({"roles": each})) for each in roles.take(firsts).to_pylist()]
        for prefix in dict.fromkeys(prefixes):
            own = pa.array([each == prefix for each in prefixes], pa.bool_()).take(indices)
            fields = found._replace(indices=found.indices.filter(own)).on_rows(accounts(found, prefix))
            self._add(rows.filter(own), fields)

    def _instances(self, rows: pa.Array, name: str) -> dict[str, pa.Array]:
        """Number, start and id of processes or their parents; 0 is no number."""
        prefix = PROCESS_PREFIXES[name]
        number = positive(self._sent(f"{name}Id", rows))
        started = f"{name}CreationDateTime"
        machine = known_texts(self._sent(_MACHINE, rows))
        return {
            f"{prefix}.pid": number,
            f"{prefix}.start": self._items.typed(started).take(rows),
            f"{prefix}.entity_id": join_known("-", machine, number, self._items.ticks(started).take(rows)),
        }

    def others(self, name: str, rows: pa.Array) -> None:
        """Items of a type of which equal ones have equal fields, but for their hosts."""
        function = EVIDENCE[name]
        found = self._derive(rows, read_by(name), lambda item: _whole(function(item, _NO_ALERT)))
        fields = dict(found.fields)
        for each, column in self._common.items():
            if each in found.named:
                value, usual = fields.get(each, pa.nulls(len(rows), column.type)), column.take(rows)
                is_own = found.named[each]
                if each == "threat.software.name":
                    is_own = pc.and_(is_own, value.is_valid())
                fields[each] = pc.if_else(is_own, value, usual)
        self._add(rows, fields)

    def _sent(self, name: str, rows: pa.Array) -> pa.Array:
        return self._items.sent(name).take(rows)

    def _derive(self, rows: pa.Array, names: Sequence[str], function: _OfItem) -> Spread:
        found = self._items.derive(rows, names, function, named=tuple(self._common))
        self._leave(rows, found.failed)
        return found

    def _add(self, rows: pa.Array, fields: dict[str, pa.Array]) -> None:
        if len(rows):
            self.parts.append(ColumnPart(rows, fields))

    def _leave(self, rows: pa.Array, odd: pa.Array | None) -> None:
        """Leave rows to the functions."""
        if odd is not None:
            self.left.append(rows.filter(odd))


_NO_ALERT = Alert({}, [])


def _whole(parts: Parts) -> Fields:
    """The fields of all parts, with `related.*`."""
    row = with_related(parts if isinstance(parts, tuple) else (parts,))
    return {name: value for each in row for name, value in each.items()}


def _addresses(device: Item) -> Fields:
    own = host_addresses(text(device, "lastIpAddress"), *texts(device, "ipInterfaces"))
    external = host_addresses(text(device, "lastExternalIpAddress"))
    return Part({"host.ip": own, "related.ip": external}).whole


def _machine(device: Item) -> Fields:
    return dict(machine_fields(child(device, "vmMetadata")))


def _without_zero(numbers: pa.Array) -> pa.Array:
    return only_where(pc.not_equal(numbers, 0), numbers)


def _any_of(*masks: pa.Array | None) -> pa.Array | None:
    """Where any of the masks is true; None stands for nowhere."""
    given = [mask for mask in masks if mask is not None]
    return reduce(pc.or_, given) if given else None


def _united(*parts: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """The fields of all parts, and the values of `related.*` of all of them."""
    fields = {name: column for part in parts for name, column in part.items()}
    for name in RELATED:
        columns = [part[name] for part in parts if name in part]
        columns = [column for column in columns if column.null_count < len(column)]
        if len(columns) > 1:
            fields[name] = collect(*columns)
        elif columns:
            fields[name] = columns[0]
    return fields
