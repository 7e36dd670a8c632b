"""`nodes.py leave`: scale in the nodes that were removed from the configuration, then delete them from ironic.

A run that was interrupted is completed by the next one: the record of known nodes is written last.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

from onhost.undercloud.baremetal import DEPLOYED, NEW, READY, Node, refuse_nodes, registered, stuck
from onhost.undercloud.client import openstack, openstack_json
from onhost.undercloud.common import Wait, read_record, refuse, say, some, write_record
from onhost.undercloud.orders import LeaveOrder, Placement

LEAVING = "rack: leaving"
"""Reason with which a compute service is disabled. It marks the services that this program may enable again."""
LEAVE_ADVICE = "\nThe next `up` continues from here"


class Leave:
    """One run of `nodes.py leave`."""

    def __init__(self, order: LeaveOrder) -> None:
        """Read which nodes the last run knew; nothing is sent."""
        self._stack, self._nodes, self._roles = order.stack, order.nodes, order.roles
        self._drain: Optional[float] = order.limit if order.instances == "drain" else None
        """Seconds to wait until no instance is left; None: refuse if there is one."""
        self._cleaning = order.cleaning
        self._wait = Wait(order.limit, order.pauses, LEAVE_ADVICE)
        self._record = Path(order.record)
        self._known = {name: Placement(**node) for name, node in read_record(self._record).items()}
        """The nodes of the last run."""
        self._login = str(Path.home() / f"{self._stack}rc")
        self._deployed = Path(self._login).exists()

    def run(self) -> None:
        """Remove the nodes that are no longer in the configuration.

        Raises:
            Fault: the removal is refused, or timed out.
        """
        there = registered()
        leaving = {name: node for name, node in self._known.items() if name not in self._nodes}
        deployed = {name for name, node in there.items() if node.state == DEPLOYED}
        refuse_nodes(renamed(self._known, self._nodes, deployed))
        refuse_nodes(controllers(leaving, deployed))
        self._enable_kept()
        if leaving:
            say(f"removing from the cloud: {some(sorted(leaving))}")
            self._remove(leaving, [name for name in leaving if name in deployed])
        write_record(self._record, {name: dict(node._asdict()) for name, node in self._nodes.items()})

    def _remove(self, leaving: Dict[str, Placement], deployed: List[str]) -> None:
        if self._deployed:
            self._empty([leaving[name].host for name in deployed])
        self._delete({name: leaving[name] for name in deployed})
        if self._deployed:
            self._forget([node.host for node in leaving.values()])
        self._unregister(list(leaving))

    # -- instances

    def _empty(self, hosts: List[str]) -> None:
        """Disable the hosts' compute services and make sure that no instance is left on them.

        Raises:
            Fault: there are instances, and the configuration says `refuse`; or they are there at the time limit.
        """
        for host in hosts:
            self._disable(host)
        if self._drain is not None:
            self._wait.allow(self._drain)
            self._wait.until(lambda: self._instances(hosts))
            return
        found = self._instances(hosts)
        if found:
            self._enable(hosts)
        refuse("nodes to be removed have instances, so nothing was changed. Delete or migrate them:", found)

    def _enable_kept(self) -> None:
        """Enable nodes that an earlier run has disabled and whose entry was put back."""
        if self._deployed:
            self._enable([node.host for node in self._nodes.values()])

    def _disable(self, host: str) -> None:
        for service in self._services("--host", host):
            if service["Status"] == "enabled":
                words = ("--disable", "--disable-reason", LEAVING, host, "nova-compute")
                openstack("compute", "service", "set", *words, login=self._login, shown=True)

    def _enable(self, hosts: List[str]) -> None:
        """Enable the services that this program has disabled, in this run or an earlier one, and no others."""
        for service in self._services():
            if service["Host"] in hosts and service["Disabled Reason"] == LEAVING:
                words = ("--enable", service["Host"], "nova-compute")
                openstack("compute", "service", "set", *words, login=self._login, shown=True)

    def _services(self, *where: str) -> List[Dict[str, Any]]:
        words = ("--long", "--service", "nova-compute", *where)
        services: List[Dict[str, Any]] = openstack_json("compute", "service", "list", *words, login=self._login)
        return services

    def _instances(self, hosts: List[str]) -> List[str]:
        return [
            f"{vm['Name']} ({vm['ID']}) on {host} is {vm['Status']}"
            for host in hosts
            for vm in openstack_json("server", "list", "--all-projects", "--host", host, login=self._login)
        ]

    # -- removal

    def _delete(self, deployed: Dict[str, Placement]) -> None:
        """Scale in deployed nodes with `openstack overcloud node delete`."""
        if not deployed:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump(marked(self._roles, deployed), file)
            file.flush()
            openstack("overcloud", "node", "delete", "-y", "--stack", self._stack, "-b", file.name, shown=True)

    def _forget(self, hosts: List[str]) -> None:
        """Delete the compute services and network agents of deleted hosts, which would be listed as down forever."""
        for host in hosts:
            for service in self._services("--host", host):
                openstack("compute", "service", "delete", str(service["ID"]), login=self._login, shown=True)
            agents = openstack_json("network", "agent", "list", "--host", host, login=self._login)
            if agents:
                ids = [agent["ID"] for agent in agents]
                openstack("network", "agent", "delete", *ids, login=self._login, shown=True)

    def _unregister(self, names: List[str]) -> None:
        """Delete nodes from ironic, once their disks are clean where undercloud.conf demands it."""
        self._wait.allow(self._cleaning)
        self._wait.until(lambda: uncleaned([node for name, node in registered().items() if name in names]))
        there = registered()
        uuids = [there[name].uuid for name in names if name in there]
        if uuids:
            openstack("baremetal", "node", "delete", *uuids, shown=True)


def uncleaned(nodes: List[Node]) -> List[str]:
    """Return the nodes that are not at rest yet.

    Raises:
        Fault: cleaning has failed on a node.
    """
    refuse_nodes([text for node in nodes if node.state.endswith("failed") for text in stuck(node)])
    return [f"{node.name} is {node.state}" for node in nodes if node.state not in ("enroll", NEW, READY)]


def renamed(before: Dict[str, Placement], after: Dict[str, Placement], deployed: Set[str]) -> List[str]:
    """Return the deployed nodes whose host name would change. A host name follows from the node's index."""
    return [
        f"{name} is deployed as {node.host} and would become {after[name].host}; "
        f"write `index: {index(node.host)}` in its entry of `nodes`"
        for name, node in before.items()
        if name in after and node.host != after[name].host and name in deployed
    ]


def controllers(leaving: Dict[str, Placement], deployed: Set[str]) -> List[str]:
    """Return the deployed controllers among the nodes to be removed."""
    return [
        f"{name} is a deployed controller: pacemaker, Galera and RabbitMQ know it by name, so TripleO can replace it "
        "but not remove it; put its entry back"
        for name, node in leaving.items()
        if node.role == "Controller" and name in deployed
    ]


def marked(roles: List[Dict[str, Any]], leaving: Dict[str, Placement]) -> List[Dict[str, Any]]:
    """Return the deployment's node file with the nodes to be removed marked; TripleO deletes these and no others."""

    def gone(role: str) -> List[Dict[str, Any]]:
        hosts = {name: node.host.partition(".")[0] for name, node in leaving.items() if node.role == role}
        return [{"name": name, "hostname": host, "provisioned": False} for name, host in hosts.items()]

    return [dict(role, instances=role["instances"] + gone(role["name"])) for role in roles]


def index(host: str) -> str:
    """Return the index in a host name: `1` for overcloud-computesriov-ib-1.localdomain."""
    return host.partition(".")[0].rpartition("-")[2]
