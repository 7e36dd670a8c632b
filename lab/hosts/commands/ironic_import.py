"""`openstack overcloud node import` (C7), after tripleo-common 15.4.0."""

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from lab.hosts.call import Call
from lab.hosts.commands import ironic
from lab.hosts.commands.introspection import introspect_nodes
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.state import IronicNode

IPMI_FIELDS = {"pm_addr", "pm_user", "pm_password", "pm_port"}
COMMON_FIELDS = {
    "name", "pm_type", "ports", "capabilities", "arch", "platform", "root_device", "cpu", "memory", "disk", "_comment",
    "kernel_id", "ramdisk_id", "pxe_interface", "bios_interface", "boot_interface",
    "console_interface", "conductor_group",
    "deploy_interface", "inspect_interface", "management_interface", "network_interface",
    "power_interface", "raid_interface",
    "rescue_interface", "storage_interface", "vendor_interface", "resource_class", "traits", "mac",
}  # fmt: skip
DRIVERS = {"ipmi", "pxe_ipmitool", "redfish", "idrac", "ilo", "irmc"}
MAC = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")


@subcommand("overcloud node import")
def import_(call: Call[Undercloud]) -> None:
    """Register the nodes of an inventory, or update those that are registered."""
    options = parser(call)
    options.add_argument("--introspect", action="store_true")
    options.add_argument("--run-validations", action="store_true")
    options.add_argument("--validate-only", action="store_true")
    options.add_argument("--provide", action="store_true")
    options.add_argument("--no-deploy-image", action="store_true")
    options.add_argument("--instance-boot-option", choices=["local", "netboot"])
    options.add_argument("--boot-mode", choices=["uefi", "bios"])
    options.add_argument("--http-boot")
    options.add_argument("--concurrency", type=int, default=20)
    options.add_argument("env_file")
    given = options.parse()
    if not call.path(given.env_file).is_file():
        options.error(
            f"argument env_file: can't open '{given.env_file}': [Errno 2] No such file or directory: '{given.env_file}'"
        )
    inventory = _parse(call, given.env_file)
    _validate(inventory)
    if given.validate_only:
        call.out("Successfully validated environment file")
        return
    registered = [_register(call, entry) for entry in inventory]
    call.pause()
    if given.introspect:
        introspect_nodes(call, registered)
    if given.provide:
        ironic.provide_nodes(call, registered)


def _parse(call: Call[Undercloud], name: str) -> list[dict[str, Any]]:
    text = call.text(name)
    try:
        document = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise Refusal(f"Failed to parse {name}: {error}") from None
    found = document.get("nodes", document) if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise Refusal("Invalid node data: a list of nodes is expected under the key nodes")
    return found


def _validate(inventory: Iterable[dict[str, Any]]) -> None:
    """Check the inventory as `tripleo_common.utils.nodes.validate_nodes`: report every problem, with its messages."""
    failures: list[str] = []
    seen: dict[str, set[str]] = {"mac": set(), "id": set(), "name": set()}
    for index, node in enumerate(inventory):
        failures += [f"node #{index}: {problem}" for problem in _problems(node, seen)]
    if failures:
        raise Refusal("\n".join(failures))


def _problems(node: dict[str, Any], seen: dict[str, set[str]]) -> Iterator[str]:
    if node.get("pm_type") not in DRIVERS:
        # The real tool looks up the driver before it collects problems.
        raise Refusal(f"unknown pm_type: {node.get('pm_type')}")
    missing = [f for f in ("pm_addr", "pm_user", "pm_password") if not node.get(f)]
    if missing:
        yield f"The following fields are missing: {', '.join(missing)}"
    for port in node.get("ports", ()):
        if not MAC.fullmatch(str(port["address"])):
            yield f"MAC address {port['address']} is invalid"
        yield from _repeated(port["address"], seen["mac"], f"MAC {port['address']} is not unique")
    address, name = node.get("pm_addr"), node.get("name")
    yield from _repeated(address, seen["id"], f"Node identified by {address} is already present")
    yield from _repeated(name, seen["name"], f'Name "{name}" is not unique')
    capabilities = node.get("capabilities")
    if isinstance(capabilities, str) and capabilities and any(":" not in c for c in capabilities.split(",")):
        yield f"Invalid capabilities: {capabilities}"
    for field in node:
        if field not in COMMON_FIELDS | IPMI_FIELDS and not field.startswith("ipmi"):
            yield f"Unknown field {field}"


def _repeated(value: str | None, seen: set[str], problem: str) -> Iterator[str]:
    """Yield the problem if an earlier node has the same value."""
    if value:
        if value in seen:
            yield problem
        seen.add(value)


def _register(call: Call[Undercloud], entry: dict[str, Any]) -> IronicNode:
    """Add or update a node's record. A node whose BMC refuses the login stays in `enroll`."""
    name = entry.get("name") or entry["pm_addr"]
    capabilities = entry.get("capabilities") or ""
    given = dict(c.split(":", 1) for c in capabilities.split(",")) if capabilities else {}
    address, user, ports = entry["pm_addr"], entry["pm_user"], entry.get("ports", [])
    node = next((n for n in ironic.nodes(call) if n.pm_addr == address or n.name == name), None)
    if node is not None:
        with call.host.change():
            node.name, node.pm_addr, node.pm_user, node.ports = name, address, user, ports
            node.capabilities.update(given)
        _verify(call, node, entry)
        return node
    node = IronicNode(name, str(uuid.uuid4()), address, user, ports, given)
    with call.host.change():
        call.host.state.nodes.append(node)
    call.out(f"Successfully registered node UUID {node.uuid}")
    _verify(call, node, entry)
    return node


def _verify(call: Call[Undercloud], node: IronicNode, entry: dict[str, Any]) -> None:
    """Log in at the BMC, as ironic does on the way to `manageable`."""
    hardware = ironic.machine(call, node)
    with call.host.change():
        node.accepted = bool(hardware and (entry["pm_user"], entry["pm_password"]) == hardware.bmc_login)
    if node.state == "enroll":
        ironic.set_state(call, node, "verifying")
        ironic.set_state(call, node, "manageable" if node.accepted else "enroll")
