"""Introspection (I1, I2): the agent's run, and the data that `openstack baremetal introspection` shows of it (O2)."""

import json
from collections.abc import Iterable
from typing import Any

from lab.hosts.call import Call
from lab.hosts.commands import ironic
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.kinds.node import IbPort
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import add_format, listing
from lab.hosts.state import IronicNode
from rack.site import Node as NodeSpec

AGENT = 15
"""Steps of the rack's pace that the agent runs: 3 s in the lab, long enough to look at the fabric meanwhile (I2)."""


@subcommand("overcloud node introspect")
def introspect(call: Call[Undercloud]) -> None:
    """Introspect nodes: boot them into the agent, during which their adapters are in the fabric (I2)."""
    options = parser(call)
    options.add_argument("node_uuids", nargs="*")
    options.add_argument("--all-manageable", action="store_true")
    options.add_argument("--provide", action="store_true")
    options.add_argument("--run-validations", action="store_true")
    for name in ("--concurrency", "--node-timeout", "--max-retries", "--retry-timeout"):
        options.add_argument(name, type=int)
    given = options.parse()
    chosen = ironic.chosen_nodes(call, options, given)
    introspect_nodes(call, chosen)
    if given.provide:
        ironic.provide_nodes(call, chosen)


def introspect_nodes(call: Call[Undercloud], chosen: list[IronicNode]) -> None:
    """Introspect manageable nodes, and power them off.

    Raises:
        Refusal: there are none, or a node is in another state.
        LabError: the fabric does not answer.
    """
    if not chosen:
        raise Refusal("No nodes in manageable state to introspect")
    wrong = [n for n in chosen if n.state != "manageable"]
    if wrong:
        raise Refusal(
            "\n".join(f"Node {n.uuid} is in state {n.state}, not manageable; can't be introspected" for n in wrong)
        )
    call.out(f"Waiting for introspection to finish on nodes: {', '.join(n.name for n in chosen)}")
    booted = [hardware for n in chosen if (hardware := ironic.machine(call, n))]
    try:
        for hardware in booted:
            hardware.power_on()
        call.pause(AGENT)
        for node in chosen:
            data = _collect(call, node)
            with call.host.change():
                node.data = data
    finally:
        ironic.power_off_all(booted)
    call.out(f"Successfully introspected nodes: {', '.join(n.uuid for n in chosen)}\nIntrospection completed.")


def _collect(call: Call[Undercloud], node: IronicNode) -> dict[str, Any] | None:
    """Return what ironic-inspector stores of the agent's inventory: only facts of the machine itself (O2).

    After ironic-python-agent's `hardware.NetworkInterface`, `hardware_managers/mlnx.py` and `inspector.py`, and
    ironic-inspector's hook validate_interfaces.
    """
    hardware = ironic.machine(call, node)
    if hardware is None:
        return None
    site = call.rack.plan.site
    number, spec = next((i, n) for i, n in enumerate(site.nodes) if n.name == hardware.name)
    booted = str(site.networks.provisioning.inspection.start + number)
    boot = f"01-{spec.mac.replace(':', '-')}"
    interfaces = [
        *_ethernet(call, spec, hardware.external_wired, booted),
        *(_infiniband(port) for port in hardware.ports()),
    ]
    seen = {i["name"]: _seen(i, spec.mac) for i in interfaces}
    disks = [_disk("/dev/sda", 480, True), _disk("/dev/nvme0n1", 1920, False)]
    bmc = str(spec.ipmi.address)
    return {
        "inventory": {
            "interfaces": interfaces,
            "cpu": {
                "model_name": "AMD EPYC 7742 64-Core Processor",
                "frequency": "2250.0000",
                "count": 128,
                "architecture": "x86_64",
                "flags": [],
            },
            "disks": disks,
            "memory": {"total": 540_000_000_000, "physical_mb": 524288},
            "bmc_address": bmc,
            "bmc_v6address": "::/0",
            "system_vendor": {"product_name": "DGX", "serial_number": "", "manufacturer": "NVIDIA"},
            "boot": {"current_boot_mode": site.undercloud.boot_mode, "pxe_interface": boot},
            "hostname": None,
        },
        "root_disk": disks[0],
        "boot_interface": boot,
        "error": None,
        "ipmi_address": bmc,
        "all_interfaces": seen,
        "interfaces": {name: interface for name, interface in seen.items() if interface["pxe"]},
        "macs": [spec.mac],
    }


PROCESSED = ("ipmi_address", "all_interfaces", "interfaces", "macs")
"""Keys that the inspector's hooks add to the agent's data."""


def _ethernet(call: Call[Undercloud], node: NodeSpec, external: bool, booted: str) -> Iterable[dict[str, Any]]:
    """Yield the interfaces of the provisioning and the external network; the latter is wired if `external` (D6)."""
    networks, intel = call.rack.plan.site.networks, ("0x8086", "0x1563")
    yield _interface(networks.provisioning.interface, node.mac, True, *intel, ipv4_address=booted)
    yield _interface(networks.external.interface, f"{node.mac[:6]}01{node.mac[8:]}", external, *intel)


def _infiniband(port: IbPort) -> dict[str, Any]:
    """Return an InfiniBand port: the agent shortens its GUID to a MAC, and derives the client ID of DHCP over IPoIB."""
    guid = ":".join(port.guid[i : i + 2] for i in range(0, 16, 2))
    client = f"ff:00:00:00:00:00:02:00:00:02:c9:00:{guid}"
    return _interface(port.interface, f"{guid[:9]}{guid[15:]}", port.carrier, "0x15b3", "0x101b", client_id=client)


def _interface(name: str, mac: str, carrier: bool, vendor: str, product: str, **more: str) -> dict[str, Any]:
    return {
        "name": name, "mac_address": mac, "ipv4_address": None, "ipv6_address": None, "has_carrier": carrier,
        "lldp": None, "vendor": vendor, "product": product, "client_id": None, "biosdevname": None, **more,
    }  # fmt: skip


def _seen(interface: dict[str, Any], pxe_mac: str) -> dict[str, Any]:
    """Return an interface of the inventory in the inspector's form."""
    mac = interface["mac_address"]
    return {"ip": interface["ipv4_address"], "mac": mac, "client_id": interface["client_id"], "pxe": mac == pxe_mac}


def _disk(name: str, gigabytes: int, rotational: bool) -> dict[str, Any]:
    return {
        "name": name, "model": "", "size": gigabytes * 10**9, "rotational": rotational, "wwn": None, "serial": None,
        "vendor": None, "wwn_with_extension": None, "wwn_vendor_extension": None, "hctl": None, "by_path": None,
    }  # fmt: skip


INTERFACE_COLUMNS = ("Interface", "MAC Address", "Switch Port VLAN IDs", "Switch Chassis ID", "Switch Port ID")


def _data(call: Call[Undercloud], name: str) -> dict[str, Any]:
    node = ironic.find(call, name)
    if not node.data:
        raise Refusal(f"Introspection data not found for node {node.uuid} (HTTP 404)")
    return node.data


@subcommand("baremetal introspection interface list")
def interface_list(call: Call[Undercloud]) -> None:
    """List the interfaces of a node (O2)."""
    options = parser(call)
    add_format(options)
    options.add_argument("node")
    given = options.parse()
    found = _data(call, given.node)["inventory"]["interfaces"]
    rows = [
        dict(zip(INTERFACE_COLUMNS, (i["name"], i["mac_address"], "[]", "None", "None"), strict=True)) for i in found
    ]
    listing(call, given, rows, INTERFACE_COLUMNS)


@subcommand("baremetal introspection data save")
def data_save(call: Call[Undercloud]) -> None:
    """Print or save the introspection data of a node."""
    options = parser(call)
    options.add_argument("--file")
    options.add_argument("--unprocessed", action="store_true")
    options.add_argument("node")
    given = options.parse()
    hidden = PROCESSED if given.unprocessed else ()
    text = json.dumps({key: value for key, value in _data(call, given.node).items() if key not in hidden})
    if given.file:
        call.write(given.file, text)
    else:
        call.out(text, end="")
