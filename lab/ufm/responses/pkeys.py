"""/resources/pkeys, and its older names under /actions that ib-kubernetes still uses."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Response, jsonify

from lab.ufm.errors import BadRequestError, ForbiddenError, NotFoundError
from lab.ufm.hostlist import expanded
from lab.ufm.partitions import MANAGEMENT, MEMBERSHIPS, NAME, Member, Partition, Qos, guid, pkey, spell
from lab.ufm.resources import Record
from lab.ufm.responses.common import body, boolean, fabric_resources, flag, ufm

Answer = Response | tuple[Response, int]


# --- GET ------------------------------------------------------------------------------------------------------------


def all_pkeys() -> Response:
    """Return the list of all PKeys, or with guids_data or qos_conf an object that describes each."""
    details = {"guids_data": flag("guids_data"), "qos_conf": flag("qos_conf")}
    if all(details.values()):
        raise BadRequestError("guids_data and qos_conf together: one PKey only")
    with ufm().lock:
        found = sorted(ufm().visible_table.partitions.items())
        if not any(details.values()):
            return jsonify([spell(MANAGEMENT), *(spell(number) for number, _ in found)])
        records = {spell(number): _record(partition, **details) for number, partition in found}
    return jsonify({spell(MANAGEMENT): _management(**details), **records})


def one_pkey(key: str) -> Answer:
    """Return one PKey, or {} if it does not exist."""
    details = {"guids_data": flag("guids_data"), "qos_conf": flag("qos_conf")}
    try:
        with ufm().lock:
            return jsonify(_record(ufm().visible_table.find(pkey(key)), **details))
    except ForbiddenError:
        return jsonify(_management(**details))
    except NotFoundError:
        return jsonify({}), 404 if ufm().quirks.unknown_pkey_404 else 200


def last_updated() -> Response:
    """Return the time of the last change of the table since UFM's start."""
    when = ufm().last_updated
    return jsonify(last_updated=when and f"{when:%a %b} {when.day:2} {when:%H:%M:%S UTC %Y}")


def legacy_all_pkeys() -> Response:
    """Handle /actions/get_all_pkeys."""
    return all_pkeys()


def _record(partition: Partition, *, guids_data: bool, qos_conf: bool) -> Record:
    record: Record = {}
    if guids_data:
        record["guids"] = [
            {"guid": port, "index0": member.index0, "membership": member.membership}
            for port, member in sorted(partition.members.items())
        ]
    record |= {"ip_over_ib": partition.ip_over_ib, "partition": partition.name}
    if qos_conf:
        qos = partition.qos
        record["qos_conf"] = {
            "mtu_limit": qos.mtu_limit,
            "service_level": qos.service_level,
            "rate_limit": qos.rate_limit,
        }
    return record


def _management(*, guids_data: bool, qos_conf: bool) -> Record:
    """Return the record of 0x7fff without members, since all ports are members; since 6.19 index0 and membership."""
    record = _record(Partition("management"), guids_data=guids_data, qos_conf=qos_conf)
    return record | ({"index0": False, "membership": "full"} if guids_data and ufm().since(6, 19) else {})


# --- POST and PUT ---------------------------------------------------------------------------------------------------


def create_pkey() -> Answer:
    """Create an empty PKey."""
    fields = body()
    number, qos = pkey(fields.get("pkey")), Qos().changed(fields)
    boolean(fields, "index0", False)
    ip_over_ib, name = boolean(fields, "ip_over_ib", True), _partition_name(fields)
    with ufm().changing() as table:
        table.create(number, ip_over_ib=ip_over_ib, name=name, qos=qos)
    return jsonify({}), ufm().quirks.add_status


def add_guids() -> Response:
    """Add members to a PKey; create the PKey if it does not exist."""
    fields = body()
    found = _members(fields)
    if ufm().quirks.post_ignores_memberships and fields.get("memberships"):
        found = {port: Member("full", member.index0) for port, member in found.items()}
    return _add(fields, found)


def legacy_add_guids() -> Response:
    """Handle /actions/add_guids_to_pkey."""
    fields = body()
    return _add(fields, _members(fields, "default_membership"))


def add_hosts() -> Response:
    """Add all ports of the hosts in `hosts_names`: names or ranges (`node[1-2]`), separated by commas.

    NVIDIA's SLURM plugin passes SLURM_JOB_NODELIST, and the booleans of its configuration file as strings.
    """
    fields = body()
    fields |= {name: _unquoted(fields[name]) for name in ("ip_over_ib", "index0") if name in fields}
    names = expanded(str(fields.get("hosts_names", "")))
    return _add(fields, _members({**fields, "guids": _ports_of_hosts(names)}))


def set_guids() -> Response:
    """Replace the members of a PKey; create the PKey, or delete it if the list is empty."""
    fields = body()
    return _set(fields, _members(fields))


def legacy_set_guids() -> Response:
    """Handle /actions/set_guids_for_pkey."""
    fields = body()
    return _set(fields, _members(fields, "default_membership"))


def set_qos() -> Response:
    """Store the QoS of a PKey, which OpenSM gets at UFM's next start."""
    fields = body()
    number = pkey(fields.get("pkey"))
    with ufm().changing() as table:
        partition = table.find(number)
        partition.qos = partition.qos.changed(fields)  # `programmed_qos` follows at the next start.
    return jsonify({})


def _add(fields: Mapping[str, Any], members: dict[str, Member]) -> Response:
    if not members:
        raise BadRequestError("guids: the list is empty")
    number, name, ip_over_ib = _partition(fields)
    with ufm().changing() as table:
        table.add(number, members, ip_over_ib=ip_over_ib, name=name)
    return jsonify({})


def _set(fields: Mapping[str, Any], members: dict[str, Member]) -> Response:
    number, name, ip_over_ib = _partition(fields)
    with ufm().changing() as table:
        table.set(number, members, ip_over_ib=ip_over_ib, name=name, qos=fields)
    return jsonify({})


# --- DELETE ---------------------------------------------------------------------------------------------------------


def delete_pkey(key: str) -> Response:
    """Delete a PKey."""
    number = pkey(key)
    with ufm().changing() as table:
        table.delete(number)
    return jsonify({})


def remove_guids(key: str, csv: str) -> Response:
    """Remove members from a PKey."""
    number = pkey(key)
    return _remove(number, [guid(value) for value in csv.split(",")])


def legacy_remove_guids() -> Response:
    """Handle /actions/remove_guids_from_pkey."""
    fields = body()
    number = pkey(fields.get("pkey"))
    return _remove(number, [guid(value) for value in fields.get("guids") or []])


def remove_hosts(key: str, csv: str) -> Response:
    """Remove all ports of the hosts from a PKey."""
    number = pkey(key)
    return _remove(number, _ports_of_hosts(expanded(csv)))


def _remove(number: int, ports: list[str]) -> Response:
    with ufm().changing() as table:
        if number in table.partitions or not ufm().quirks.absent_removal_ok:
            table.remove(number, ports)
    return jsonify({})


# --- fields of the body ---------------------------------------------------------------------------------------------


def _partition(fields: Mapping[str, Any]) -> tuple[int, str | None, bool]:
    """Return number, name and IP over IB of the PKey in the body."""
    return pkey(fields.get("pkey")), _partition_name(fields), boolean(fields, "ip_over_ib", True)


def _partition_name(fields: Mapping[str, Any]) -> str | None:
    """Return None if the body has no name, or before 6.22, which ignores the field."""
    name = fields.get("partition_name") if ufm().since(6, 22) else None
    if name is not None and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise BadRequestError(f"partition_name: {name!r}: write 1 to 63 letters, digits, dots, dashes or underscores")
    return name


def _members(fields: Mapping[str, Any], common_field: str = "membership") -> dict[str, Member]:
    """Return the members in the body; the field `common_field` holds one membership for all."""
    ports, memberships, common = _guids(fields), fields.get("memberships") or [], fields.get(common_field)
    if memberships and common is not None:
        raise BadRequestError(f"{common_field} and memberships exclude each other")
    if memberships and len(memberships) != len(ports):
        raise BadRequestError("memberships: write as many as guids")
    memberships = memberships or [common or "full"] * len(ports)
    if unknown := [word for word in memberships if word not in MEMBERSHIPS]:
        raise BadRequestError(f"membership: {unknown[0]!r} is neither full nor limited")
    index0 = boolean(fields, "index0", False)
    return {port: Member(word, index0) for port, word in zip(ports, memberships, strict=True)}


def _guids(fields: Mapping[str, Any]) -> list[str]:
    values = fields.get("guids")
    if not isinstance(values, list):
        raise BadRequestError("guids: write a list")
    found = [guid(value) for value in values]
    if ufm().quirks.strict_guids:
        absent = sorted(set(found) - fabric_resources().guids().keys())
        if absent:
            raise NotFoundError(f"InfiniBand port {absent[0]} does not exist")
    return found


def _unquoted(value: object) -> object:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _ports_of_hosts(names: Iterable[str]) -> list[str]:
    ports: dict[str, list[str]] = {}
    for port in fabric_resources().ports():
        if port["dname"].startswith("HCA"):
            ports.setdefault(port["system_name"], []).append(port["guid"])
    for name in names:
        if name not in ports:
            raise NotFoundError(f"no host {name!r} on the fabric")
    return [guid for name in names for guid in ports[name]]
