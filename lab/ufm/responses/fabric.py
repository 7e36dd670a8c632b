"""/resources/systems, /ports, /links and /vports: what is linked on the fabric."""

from flask import Response, jsonify, request

from lab.ufm.errors import NotFoundError
from lab.ufm.resources import selected
from lab.ufm.responses.common import fabric_resources, flag, query_filter


def systems() -> Response:
    """Return the switches and hosts that match the query."""
    by = {name: (name,) for name in ("ip", "type", "model", "role", "name", "system_name")}
    filters = {key: check for name, fields in by.items() for key, check in query_filter(name, *fields).items()}
    return jsonify(selected(fabric_resources().systems(), filters))


def one_system(name: str) -> Response:
    """Return the system with this GUID or name."""
    found = [system for system in fabric_resources().systems() if name in (system["guid"], system["system_name"])]
    if not found:
        raise NotFoundError(f"no system {name!r}")
    return jsonify(found[0])


def ports() -> Response:
    """Return the ports that match the query."""
    filters = query_filter("system", "systemID", "system_name") | query_filter("system_name", "system_name")
    if kind := request.args.get("sys_type"):
        filters["sys_type"] = lambda port: port["description"].startswith(f"{kind} ")
    if flag("active"):
        filters["active"] = lambda port: port["logical_state"] == "Active"
    return jsonify(selected(fabric_resources().ports(), filters))


def named_ports(csv: str) -> Response:
    """Return the ports with these names."""
    names = csv.split(",")
    found = [port for port in fabric_resources().ports() if port["name"] in names]
    if not found:
        raise NotFoundError(f"no port {csv!r}")
    return jsonify(found)


def links() -> Response:
    """Return the links, with `system` those of one system; with `page_number` and `rpp` (records per page) one page."""
    system = ("source_guid", "destination_guid", "source_port_node_description", "destination_port_node_description")
    found = selected(fabric_resources().links(), query_filter("system", *system))
    if not {"page_number", "rpp"} & request.args.keys():
        return jsonify(found)
    page, size = (request.args.get(name, default, type=int) for name, default in (("page_number", 1), ("rpp", 10)))
    return jsonify(data=found[(page - 1) * size : page * size])


def vports() -> Response:
    """Return the virtual ports of running VMs that match the query."""
    filters = query_filter("system", "system_guid", "system_name") | query_filter("port", "port_name", "port_guid")
    return jsonify(selected(fabric_resources().vports(), filters))
