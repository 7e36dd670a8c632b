"""Provisioning of the overcloud's networks and nodes (O5), after tripleoclient 16.5.0 and tripleo-ansible 6.0.0."""

import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from lab.cloud.expansion import Instance, expand
from lab.hosts.call import Call
from lab.hosts.commands import ironic
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.kinds.node import NetworkError
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.state import IronicNode
from lab.hosts.step_faults import STAMP
from lab.process import LabError
from rack.plan import HEAT_TEMPLATES

ANSIBLE = "Ansible execution failed. playbook: {0}, Run Status: failed, Return Code: {1}"
NODE_PLAYBOOK = "/usr/share/ansible/tripleo-playbooks/cli-overcloud-node-provision.yaml"
NETWORK_PLAYBOOK = "/usr/share/ansible/tripleo-playbooks/cli-overcloud-node-network-config.yaml"


@subcommand("overcloud network provision")
def network_provision(call: Call[Undercloud]) -> None:
    """Create the overcloud's networks in the undercloud's neutron."""
    options = parser(call)
    options.add_argument("networks_file", metavar="<network_data.yaml>")
    options.add_argument("-o", "--output", required=True)
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("--templates", default=HEAT_TEMPLATES)
    options.add_argument("--stack", default=call.env.get("OVERCLOUD_STACK_NAME"))
    options.add_argument("--working-dir")
    given = options.parse()
    if not call.path(given.networks_file).exists():
        raise Refusal(f"Network configuration file does not exist: {given.networks_file}")
    if call.path(given.output).exists() and not given.yes:  # the lab has no terminal to ask on
        call.err("User interaction required, cannot confirm.")
        raise Refusal(f"Will not overwrite existing file: {given.output}")
    provision_networks(call, given.networks_file)
    call.write(given.output, "resource_registry: {}\n")


def provision_networks(call: Call[Undercloud], name: str) -> None:
    """Create the networks of a network data file that do not exist yet.

    Raises:
        Refusal: the file is missing, or is not a list of networks.
    """
    networks = _documents(call, name, "networks")
    call.out("PLAY [Overcloud Networks Provision]")
    call.pause()
    with call.host.change():
        found = {str(network.get("name_lower")) for network in networks}
        call.host.state.networks = sorted({*call.host.state.networks, *found})


@subcommand("overcloud node provision")
def node_provision(call: Call[Undercloud]) -> None:
    """Deploy the overcloud's image to the nodes, and configure their networks with `--network-config`."""
    options = parser(call)
    options.add_argument("input", metavar="<baremetal_deployment.yaml>")
    options.add_argument("-o", "--output", default="baremetal_environment.yaml")
    options.add_argument("--stack", default=call.env.get("OVERCLOUD_STACK_NAME", "overcloud"))
    options.add_argument("--overcloud-ssh-user", default="heat-admin")
    options.add_argument("--overcloud-ssh-key")
    options.add_argument("--concurrency", type=int, default=20)
    options.add_argument("--timeout", type=int, default=3600)
    options.add_argument("--network-ports", action="store_true")
    options.add_argument("--network-config", action="store_true")
    options.add_argument("--templates", default=HEAT_TEMPLATES)
    options.add_argument("--working-dir")
    given = options.parse()
    instances = [i for i in read_instances(call, given.input, given.stack) if i.provisioned]
    if call.path(given.output).exists():
        call.out(f'fatal: [localhost]: FAILED! => {{"msg": "Output file {given.output} already exists"}}')
        raise Refusal(ANSIBLE.format(NODE_PLAYBOOK, 2))
    provision(call, given.input, instances, given.overcloud_ssh_user)
    call.write(given.output, "resource_registry: {}\n")
    if given.network_config:
        configure_networks(call, given.input, instances)
    call.out(f"Nodes deployed successfully, add {given.output} to your deployment environment")


def read_instances(call: Call[Undercloud], name: str, stack: str) -> list[Instance]:
    """Return the instances of a node-info file, after tripleo-ansible's `baremetal_deploy.expand`.

    Raises:
        Refusal: the file is missing or is not valid YAML.
        LabError: the file contradicts itself.
    """
    return expand(_documents(call, name, "roles"), stack)


def _documents(call: Call[Undercloud], name: str, what: str) -> list[dict[str, Any]]:
    try:
        found = yaml.safe_load(call.text(name))
    except yaml.YAMLError as error:
        raise Refusal(f"{name}: {error}") from None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Refusal(f"{name}: a list of {what} is expected")
    return found


def provision(call: Call[Undercloud], name: str, instances: list[Instance], user: str) -> None:
    """Match instances of a node-info file to nodes, and deploy the overcloud's image to nodes that have none.

    cloud-init creates `user` on new nodes. The playbooks for the roles enter all nodes as this user.

    No instance is removed: one that the file marks `provisioned: false`, or no longer names, stays as it is.

    Raises:
        Refusal: there is no image; a node is missing, or is not available; or a network is not provisioned.
        LabError: a node does not come up.
    """
    if not call.host.state.overcloud_image:
        raise Refusal(
            "Exception: image file:///var/lib/ironic/images/overcloud-full.qcow2 not found: upload the images"
        )
    call.out("PLAY [Overcloud Node Provision]")
    matched = [(_match(call, i), i) for i in instances]
    _deploy_nodes(call, [(node, i.hostname) for node, i in matched if node.state != "active"], user)
    for role in _documents(call, name, "roles"):
        for network in role.get("defaults", {}).get("networks", []):
            if network["network"] not in call.host.state.networks:
                call.out(f"{STAMP} |      FATAL | Provision instance network ports | localhost | KeyError: {network}")
                raise Refusal(ANSIBLE.format(NODE_PLAYBOOK, 2))
    for node, instance in matched:
        call.out(f"Provisioned instance {instance.hostname} on node {node.name}")
    call.out("PLAY [Overcloud Node Grow Volumes]")
    _require_user(call, instances, user)


def _require_user(call: Call[Undercloud], instances: list[Instance], user: str) -> None:
    found = [(i.hostname, call.rack.node_named(i.hostname)) for i in instances]
    failed = [hostname for hostname, node in found if node and not node.can_enter(user)]
    for hostname in failed:
        call.out(f"{STAMP} |      FATAL | Wait for provisioned nodes to boot | {hostname} | {user}: Permission denied")
    if failed:
        raise Refusal(ANSIBLE.format("cli-overcloud-node-growvols.yaml", 4))


def configure_networks(call: Call[Undercloud], name: str, instances: list[Instance]) -> None:
    """Run os-net-config on the nodes of these instances, whether their services run or not.

    Raises:
        Refusal: the NIC template of a role is missing, or os-net-config fails on a node.
    """
    call.out("PLAY [Overcloud Node Network Config]")
    roles = {role["name"]: role.get("defaults", {}).get("network_config", {}) for role in _documents(call, name, "")}
    templates = {name: call.text(config["template"]) for name, config in roles.items() if "template" in config}
    failed = [i.hostname for i in instances if not _configured(call, i, templates.get(i.role, ""))]
    if failed:
        raise Refusal(ANSIBLE.format(NETWORK_PLAYBOOK, 2))


def _configured(call: Call[Undercloud], instance: Instance, template: str) -> bool:
    """Run os-net-config on a node and return whether it succeeded."""
    node = call.rack.node_named(instance.hostname)
    try:
        if node:
            node.configure_network(template)
    except NetworkError as error:
        said = f"os_net_config.sriov_config.SRIOVNumvfsException: {error}"
        call.out(f"{STAMP} |      FATAL | Run tripleo_os_net_config_module with network_config | {instance.hostname}")
        call.out(said)
        return False
    return True


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


def _deploy_nodes(call: Call[Undercloud], fresh: list[tuple[IronicNode, str]], user: str) -> None:
    for node, _ in fresh:
        ironic.set_state(call, node, "deploying")
    try:
        call.pause()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda pair: _deploy_node(call, pair[0], pair[1], user), fresh))
    finally:
        for node, _ in fresh:  # a failed or killed deployment can be repeated
            if node.state == "deploying":
                ironic.set_state(call, node, "available")


def _deploy_node(call: Call[Undercloud], node: IronicNode, hostname: str, user: str) -> None:
    hardware = ironic.machine(call, node)
    if hardware is None:
        raise Refusal(f"Failed to set power state of node {node.uuid}: IPMI call failed")
    hardware.provision(hostname, user, call.rack.stack_key)
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
