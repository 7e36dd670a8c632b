"""Provisioning of the overcloud's nodes (O5), after tripleo-ansible 6.0.0."""

import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from lab.cloud.expansion import Instance, expand
from lab.hosts.call import Call
from lab.hosts.commands import ironic
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.state import IronicNode
from lab.process import LabError
from rack.site import Role


def read_instances(call: Call[Undercloud], name: str, stack: str) -> list[Instance]:
    """Return the instances of a node-info file, after tripleo-ansible's `baremetal_deploy.expand`.

    Raises:
        Refusal: the file, or a NIC template that it names, is missing or is not valid YAML.
        LabError: the file contradicts itself.
    """
    try:
        roles = yaml.safe_load(call.text(name))
    except yaml.YAMLError as error:
        raise Refusal(f"{name}: {error}") from None
    if not isinstance(roles, list) or not all(isinstance(r, dict) for r in roles):
        raise Refusal(f"{name}: a list of roles is expected")
    instances = expand(roles, stack)
    for role in roles:
        template = role.get("defaults", {}).get("network_config", {}).get("template")
        if template:
            call.text(template)
    return instances


def provision(call: Call[Undercloud], instances: list[Instance], parameters: dict[str, Any]) -> None:
    """Match instances to nodes, and deploy the overcloud's image to nodes that have none.

    No instance is removed: one that the file marks `provisioned: false`, or no longer names, stays as it is.

    Raises:
        Refusal: a node is missing, or is not available.
        LabError: a node does not come up.
    """
    call.out("PLAY [Overcloud Node Provision]")
    matched = [(_match(call, i), i) for i in instances]
    fresh = [(node, i.hostname) for node, i in matched if node.state != "active"]
    _deploy_nodes(call, fresh, parameters)
    for node, instance in matched:
        call.out(f"Provisioned instance {instance.hostname} on node {node.name}")


def _match(call: Call[Undercloud], instance: Instance) -> IronicNode:
    if instance.node is None:
        raise Refusal(f"instance {instance.hostname}: name a node; the lab does not choose nodes by profile")
    try:
        node = ironic.find(call, instance.node)
    except Refusal as refusal:
        raise Refusal(f"Cannot provision {instance.hostname}: {refusal.text}") from None
    if node.state == "active" and hostname(call, node) == instance.hostname:
        return node
    if node.state != "available" or node.maintenance:
        state = "maintenance" if node.maintenance else node.state
        raise Refusal(
            f"Cannot provision {instance.hostname}: Node {instance.node} "
            f"({node.uuid}) is in state {state}, it must be available"
        )
    return node


def hostname(call: Call[Undercloud], node: IronicNode) -> str:
    """Return the short name that a record's node was deployed under; empty if it is not deployed."""
    hardware = ironic.machine(call, node)
    return hardware.short_name if hardware else ""


def _deploy_nodes(call: Call[Undercloud], fresh: list[tuple[IronicNode, str]], parameters: dict[str, Any]) -> None:
    for node, _ in fresh:
        ironic.set_state(call, node, "deploying")
    try:
        call.pause()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda pair: _deploy_node(call, pair[0], pair[1], parameters), fresh))
    finally:
        for node, _ in fresh:  # a failed or killed deployment can be repeated
            if node.state == "deploying":
                ironic.set_state(call, node, "available")


def _deploy_node(call: Call[Undercloud], node: IronicNode, hostname: str, parameters: dict[str, Any]) -> None:
    hardware = ironic.machine(call, node)
    if hardware is None:
        raise Refusal(f"Failed to set power state of node {node.uuid}: IPMI call failed")
    full_name = f"{hostname}.{parameters.get('CloudDomain', 'localdomain')}"
    kernel_args = parameters.get(f"{Role.COMPUTE}Parameters", {}).get("KernelArgs", "")
    hardware.deploy(full_name, kernel_args, call.rack.stack_key)
    with call.host.change():
        node.state, node.instance = "active", str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def undeploy(call: Call[Undercloud], found: list[IronicNode]) -> None:
    """Power nodes off, erase their disks and free their host names; then release them.

    Raises:
        LabError: a node cannot be powered off. It is in state error, and the nodes after it are unchanged.
    """
    erased: list[IronicNode] = []
    try:
        for node in found:
            ironic.set_state(call, node, "deleting")
            hardware = ironic.machine(call, node)
            name = hardware.undeploy() if hardware else ""
            if name:
                call.rack.backends.cloud.lose(name, print)
            erased.append(node)
    except LabError:
        ironic.set_state(call, node, "error")
        raise
    finally:
        ironic.release(call, erased)


def existing(call: Call[Undercloud], instances: list[Instance]) -> list[IronicNode]:
    """Return the nodes of these instances, as tripleo-ansible's `baremetal_deploy.check_existing` does.

    Raises:
        Refusal: a node is deployed under another host name.
    """
    deployed = [node for node in ironic.nodes(call) if node.instance]
    found = []
    for instance in instances:
        named = [node for node in deployed if hostname(call, node) == instance.hostname]
        same = [node for node in deployed if node.name == instance.node]
        if same and not named:
            raise Refusal(
                f"Requested hostname {instance.hostname} was not found, but the deployed node {same[0].uuid} has a "
                "matching name. Refusing to proceed to avoid confusing results. Please either rename the node or use a "
                "different hostname"
            )
        found += named
    return found
