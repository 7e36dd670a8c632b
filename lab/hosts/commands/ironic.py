"""ironic's records of the nodes, and their provisioning states."""

import argparse
import threading
import time

from lab.hosts.call import Call
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.node import Node
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.rack import Rack
from lab.hosts.state import IronicNode
from lab.process import LabError

CLEANING = 2
"""Steps of the rack's pace that it takes to erase the disks' metadata."""


def nodes(call: Call[Host]) -> list[IronicNode]:
    """Return ironic's records in the order of their import."""
    return call.rack.undercloud.state.nodes


def find(call: Call[Host], name: str) -> IronicNode:
    """Return a record by name or UUID.

    Raises:
        Refusal: there is none.
    """
    for node in nodes(call):
        if name in (node.name, node.uuid):
            return node
    raise Refusal(f"Node {name} could not be found. (HTTP 404)")


def machine(call: Call[Host], node: IronicNode) -> Node | None:
    """Return the hardware behind a record: the node whose boot interface or IPMI address it names."""
    macs = {port["address"].lower() for port in node.ports}
    for candidate in call.rack.plan.site.nodes:
        if candidate.mac in macs or str(candidate.ipmi.address) == node.pm_addr:
            return call.rack.nodes[candidate.name]
    return None


def set_state(call: Call[Host], node: IronicNode, state: str) -> None:
    """Change a record's provisioning state."""
    with call.rack.undercloud.change():
        node.state = state


def power(call: Call[Host], node: IronicNode) -> str:
    """Return the power state in ironic's words."""
    hardware = machine(call, node)
    if hardware is None or not node.accepted:
        return "None"
    return "power on" if hardware.powered else "power off"


def chosen_nodes(call: Call[Host], options: Parser, given: argparse.Namespace) -> list[IronicNode]:
    """Return the records that the command line chooses: by name, or --all-manageable.

    Raises:
        Refusal: it has both or neither, or there is no such record.
    """
    if bool(given.node_uuids) == given.all_manageable:
        options.error("one of the arguments <node_uuid> --all-manageable is required")
    if given.all_manageable:
        return [n for n in nodes(call) if n.state == "manageable"]
    return [find(call, n) for n in given.node_uuids]


def transition_refused(node: IronicNode, verb: str) -> Refusal:
    """Return ironic's refusal of a verb that the provisioning state does not allow."""
    return Refusal(
        f'The requested action "{verb}" can not be performed on node '
        f'"{node.uuid}" while it is in state "{node.state}". '
        "(HTTP 400)"
    )


def provide_nodes(call: Call[Host], chosen: list[IronicNode]) -> None:
    """Make manageable nodes available (I1).

    Raises:
        Refusal: a node is in another state.
    """
    for node in chosen:
        if node.state == "available":
            continue
        if node.state != "manageable":
            raise transition_refused(node, "provide")
        set_state(call, node, "cleaning")
        set_state(call, node, "available")
    call.pause()
    call.out(f'{len(chosen)} node(s) successfully moved to the "available" state.')


# -- cleaning


def release(call: Call[Host], released: list[IronicNode]) -> None:
    """End an undeployment: make nodes available, at once or, with undercloud.conf's clean_nodes, once they are clean.

    The caller does not wait for the cleaning: metalsmith's `unprovision_node` returns when the deletion has begun.
    """
    cleaned = call.rack.undercloud.state.clean_nodes
    with call.rack.undercloud.change():
        for node in released:
            node.state, node.instance = "cleaning" if cleaned else "available", None
    if cleaned and released:
        threading.Thread(target=_clean, args=(call, released), daemon=True).start()


def _clean(call: Call[Host], cleaning: list[IronicNode]) -> None:
    """Boot ironic's agent on the nodes, which brings their links up, and power them off."""
    booted = [hardware for node in cleaning if (hardware := machine(call, node))]
    result = "clean failed"
    try:
        try:
            for hardware in booted:
                hardware.power_on()
            time.sleep(CLEANING * call.rack.pace)
        finally:
            power_off_all(booted)
        result = "available"
    except LabError as error:
        print(f"cleaning: {error}", flush=True)
    finally:
        with call.rack.undercloud.change():
            for node in cleaning:
                node.state, node.maintenance = result, result != "available"


def power_off_all(booted: list[Node]) -> None:
    """Power off every node, even if the fabric refuses another one.

    Raises:
        LabError: the fabric refused one or more.
    """
    problems = []
    for hardware in booted:
        try:
            hardware.power_off()
        except LabError as error:
            problems.append(str(error))
    if problems:
        raise LabError("; ".join(problems))


def recover(rack: Rack) -> None:
    """Start ironic: cleanings and deletions that were running when the keeper ended have failed."""
    failed = {"cleaning": "clean failed", "deleting": "error"}
    with rack.undercloud.change():
        for node in rack.undercloud.state.nodes:
            if node.state in failed:
                node.state, node.maintenance = failed[node.state], True
