"""Ironic's nodes: their states, and the commands that end the states which need an operator."""

import json
from typing import Dict, Iterator, List, NamedTuple, Optional

from onhost.undercloud.client import openstack_json
from onhost.undercloud.common import execute, refuse, say

NEW, READY, DEPLOYED = "manageable", "available", "active"
"""Provisioning states in which a node is at rest."""
REPAIRS = {
    "enroll": "check its IPMI address, user and password, then: openstack baremetal node manage {0}",
    "clean failed": "openstack baremetal node manage {0}",
    "inspect failed": "openstack baremetal node manage {0}",
    "deploy failed": "openstack baremetal node undeploy {0}",
    "error": "openstack baremetal node undeploy {0}",
}
"""State that needs an operator, to the command that ends it."""
CLIENT_ID = "ff:00:00:00:00:00:02:00:00:02:c9:00:"
"""Start of the DHCP client-id that ironic's agent writes for an InfiniBand interface; the port GUID follows."""


class Node(NamedTuple):
    """A node as ironic lists it."""

    name: str
    uuid: str
    state: str
    maintenance: bool


def registered() -> Dict[str, Node]:
    """Return ironic's nodes by name."""
    columns = ("-c", "UUID", "-c", "Name", "-c", "Provisioning State", "-c", "Maintenance")
    rows = openstack_json("baremetal", "node", "list", *columns)
    return {r["Name"]: Node(r["Name"], r["UUID"], r["Provisioning State"], bool(r["Maintenance"])) for r in rows}


def refuse_nodes(faults: List[str]) -> None:
    """Raise a Fault that names the nodes which need an operator, if there are any.

    Raises:
        Fault: there are faults.
    """
    refuse("nodes that need an operator:", faults)


def stuck(node: Node) -> Iterator[str]:
    """Return why a node cannot be deployed, with the commands that repair it; nothing for one that is deployed."""
    if node.state == DEPLOYED:
        return
    repairs = ["openstack baremetal node maintenance unset {0}"] if node.maintenance else []
    if node.state.endswith("failed") or node.state in REPAIRS:
        repairs.append(REPAIRS.get(node.state, "openstack baremetal node show {0}"))
    if repairs:
        where = f"{node.state}, in maintenance" if node.maintenance else node.state
        yield f"{node.name} is {where}; {' && '.join(repairs).format(node.name)}"


def infiniband(node: Node) -> Optional[Dict[str, str]]:
    """Return a node's InfiniBand interfaces and their GUIDs; None where ironic's inspector has no data of it."""
    done = execute(("openstack", "baremetal", "introspection", "data", "save", node.uuid))
    if done.returncode:
        say(f"{node.name} has no introspection data: {done.stderr.decode(errors='replace').strip()}")
        return None
    interfaces = json.loads(done.stdout.decode())["inventory"]["interfaces"]
    ids = {i["name"]: (i.get("client_id") or "").lower() for i in interfaces}
    return {name: i[len(CLIENT_ID) :].replace(":", "") for name, i in ids.items() if i.startswith(CLIENT_ID)}
