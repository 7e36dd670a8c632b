"""The bare-metal inventory: import (C7), introspection (I1), and what `openstack baremetal` shows of it."""

import json
import re
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

import yaml

from lab.hosts.call import Call, Refusal, add_format, listing, showing
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.machine import Machine
from lab.hosts.rack import IbPort, Rack
from lab.process import LabError
from rack.site import Node

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
AGENT = 15
"""Steps that the agent runs: 3 s for the lab's hours, for somebody who looks at the fabric meanwhile (I2)."""
CLEANING = 2
"""Steps that it takes to erase the disks' metadata."""
MAC = re.compile(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")


def nodes(call: Call) -> list[dict[str, Any]]:
    """ironic's records in the order of their import."""
    found: list[dict[str, Any]] = call.rack.undercloud.state.get("nodes", [])
    return found


def find(call: Call, name: str) -> dict[str, Any]:
    for node in nodes(call):
        if name in (node["name"], node["uuid"]):
            return node
    raise Refusal(f"Node {name} could not be found. (HTTP 404)")


def machine(call: Call, node: dict[str, Any]) -> Machine | None:
    """The hardware behind a record: the node whose boot interface or IPMI address it names."""
    for known in call.rack.plan.site.nodes:
        macs = {port["address"].lower() for port in node["ports"]}
        if known.mac in macs or str(known.ipmi.address) == node["pm_addr"]:
            return call.rack.nodes[known.name]
    return None


def set_state(call: Call, node: dict[str, Any], **values: object) -> None:
    with call.rack.undercloud.change():
        node.update(values)


def power(call: Call, node: dict[str, Any]) -> str:
    hardware = machine(call, node)
    return f"power {hardware.state.get('power', 'off')}" if hardware else "None"


# -- C7


@subcommand("overcloud node import")
def import_(call: Call) -> None:
    """Registers the nodes of an inventory, or updates those that are registered."""
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
    validate(inventory)
    if given.validate_only:
        call.out("Successfully validated environment file")
        return
    registered = [_register(call, entry) for entry in inventory]
    call.pause()
    if given.introspect:
        introspect_nodes(call, registered)
    if given.provide:
        provide_nodes(call, registered)


def _parse(call: Call, name: str) -> list[dict[str, Any]]:
    text = call.text(name)
    try:
        document = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise Refusal(f"Failed to parse {name}: {error}") from None
    found = document.get("nodes", document) if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise Refusal("Invalid node data: a list of nodes is expected under the key nodes")
    return found


def validate(inventory: Iterable[dict[str, Any]]) -> None:
    """tripleo_common.utils.nodes.validate_nodes: every problem at once, in its words."""
    failures: list[str] = []
    seen: dict[str, set[str]] = {"mac": set(), "id": set(), "name": set()}
    for index, node in enumerate(inventory):
        failures += [f"node #{index}: {problem}" for problem in _problems(node, seen)]
    if failures:
        raise Refusal("\n".join(failures))


def _problems(node: dict[str, Any], seen: dict[str, set[str]]) -> Iterable[str]:
    if node.get("pm_type") not in DRIVERS:
        # The real tool looks for a handler before it collects problems.
        raise Refusal(f"unknown pm_type: {node.get('pm_type')}")
    missing = [f for f in ("pm_addr", "pm_user", "pm_password") if not node.get(f)]
    if missing:
        yield f"The following fields are missing: {', '.join(missing)}"
    for port in node.get("ports", ()):
        if not MAC.fullmatch(str(port["address"])):
            yield f"MAC address {port['address']} is invalid"
        if port["address"] in seen["mac"]:
            yield f"MAC {port['address']} is not unique"
        seen["mac"].add(port["address"])
    if node.get("pm_addr"):
        if node["pm_addr"] in seen["id"]:
            yield f"Node identified by {node['pm_addr']} is already present"
        seen["id"].add(node["pm_addr"])
    if node.get("name"):
        if node["name"] in seen["name"]:
            yield f'Name "{node["name"]}" is not unique'
        seen["name"].add(node["name"])
    capabilities = node.get("capabilities")
    if isinstance(capabilities, str) and capabilities and any(":" not in c for c in capabilities.split(",")):
        yield f"Invalid capabilities: {capabilities}"
    for field in node:
        if field not in COMMON_FIELDS | IPMI_FIELDS and not field.startswith("ipmi"):
            yield f"Unknown field {field}"


def _register(call: Call, entry: dict[str, Any]) -> dict[str, Any]:
    name = entry.get("name") or entry["pm_addr"]
    capabilities = entry.get("capabilities") or ""
    known = dict(c.split(":", 1) for c in capabilities.split(",")) if capabilities else {}
    existing = next((n for n in nodes(call) if n["pm_addr"] == entry["pm_addr"] or n["name"] == name), None)
    # The password stays in the inventory's file: nothing here asks a BMC.
    fields = {"name": name, "pm_addr": entry["pm_addr"], "pm_user": entry["pm_user"], "ports": entry.get("ports", [])}
    if existing is not None:
        with call.rack.undercloud.change():
            existing.update(fields)
            existing["capabilities"].update(known)
        return existing
    node = {
        **fields, "uuid": str(uuid.uuid4()), "state": "enroll", "maintenance": False, "instance": None,
        "capabilities": known, "properties": {}, "data": None,
    }  # fmt: skip
    with call.rack.undercloud.change() as state:
        state.setdefault("nodes", []).append(node)
    call.out(f"Successfully registered node UUID {node['uuid']}")
    set_state(call, node, state="verifying")
    set_state(call, node, state="manageable" if machine(call, node) else "enroll")
    return node


# -- I1


def manageable(call: Call) -> list[dict[str, Any]]:
    return [n for n in nodes(call) if n["state"] == "manageable"]


def _chosen(call: Call, everything: bool, names: list[str]) -> list[dict[str, Any]]:
    return manageable(call) if everything else [find(call, n) for n in names]


@subcommand("overcloud node introspect")
def introspect(call: Call) -> None:
    """Boots the nodes into the agent, which makes their HCAs appear in the fabric while it lasts (I2)."""
    options = parser(call)
    options.add_argument("node_uuids", nargs="*")
    options.add_argument("--all-manageable", action="store_true")
    options.add_argument("--provide", action="store_true")
    options.add_argument("--run-validations", action="store_true")
    for name in ("--concurrency", "--node-timeout", "--max-retries", "--retry-timeout"):
        options.add_argument(name, type=int)
    given = options.parse()
    if bool(given.node_uuids) == given.all_manageable:
        options.error("one of the arguments <node_uuid> --all-manageable is required")
    chosen = _chosen(call, given.all_manageable, given.node_uuids)
    introspect_nodes(call, chosen)
    if given.provide:
        provide_nodes(call, chosen)


def introspect_nodes(call: Call, chosen: list[dict[str, Any]]) -> None:
    if not chosen:
        raise Refusal("No nodes in manageable state to introspect")
    wrong = [n for n in chosen if n["state"] != "manageable"]
    if wrong:
        raise Refusal(
            "\n".join(
                f"Node {n['uuid']} is in state {n['state']}, not manageable; can't be introspected" for n in wrong
            )
        )
    call.out(f"Waiting for introspection to finish on nodes: {', '.join(n['name'] for n in chosen)}")
    booted = [hardware for n in chosen if (hardware := machine(call, n))]
    try:
        for hardware in booted:
            call.rack.power_on(hardware)
        call.pause(AGENT)
        for node in chosen:
            set_state(call, node, data=_collect(call, node))
    finally:
        _power_off_all(call, booted)
    call.out(f"Successfully introspected nodes: {', '.join(n['uuid'] for n in chosen)}\nIntrospection completed.")


def _power_off_all(call: Call, booted: list[Machine]) -> None:
    """Every one of them, whatever the fabric says of another."""
    problems = []
    for hardware in booted:
        try:
            call.rack.power_off(hardware)
        except LabError as error:
            problems.append(str(error))
    if problems:
        raise LabError("; ".join(problems))


def _collect(call: Call, node: dict[str, Any]) -> dict[str, Any] | None:
    """What ironic-inspector stores of the agent's inventory: all of it the machine's own facts (O2).

    After ironic-python-agent's `hardware.NetworkInterface`, `hardware_managers/mlnx.py` and `inspector.py`, and
    ironic-inspector's hook validate_interfaces.
    """
    hardware = machine(call, node)
    if hardware is None:
        return None
    site = call.rack.plan.site
    number, known = next((i, n) for i, n in enumerate(site.nodes) if n.name == hardware.name)
    booted = str(site.networks.provisioning.inspection.start + number)
    boot = f"01-{known.mac.replace(':', '-')}"
    interfaces = [
        *_ethernet(call, known, hardware.kind == "controller", booted),
        *(_infiniband(port) for port in call.rack.ports(hardware)),
    ]
    seen = {i["name"]: _seen(i, known.mac) for i in interfaces}
    disks = [_disk("/dev/sda", 480, True), _disk("/dev/nvme0n1", 1920, False)]
    bmc = str(known.ipmi.address)
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
        "macs": [known.mac],
    }


PROCESSED = ("ipmi_address", "all_interfaces", "interfaces", "macs")
"""What the inspector's hooks add to the agent's data."""


def _ethernet(call: Call, node: Node, external: bool, booted: str) -> Iterable[dict[str, Any]]:
    """The two of the provisioning and the external network; the latter is wired on controllers only (D6)."""
    networks, intel = call.rack.plan.site.networks, ("0x8086", "0x1563")
    yield _interface(networks.provisioning.interface, node.mac, True, *intel, ipv4_address=booted)
    yield _interface(networks.external.interface, f"{node.mac[:6]}01{node.mac[8:]}", external, *intel)


def _infiniband(port: IbPort) -> dict[str, Any]:
    """The agent shortens the port's GUID to a MAC, and makes of it the client ID that DHCP over IPoIB wants."""
    guid = ":".join(port.guid[i : i + 2] for i in range(0, 16, 2))
    client = f"ff:00:00:00:00:00:02:00:00:02:c9:00:{guid}"
    return _interface(port.interface, f"{guid[:9]}{guid[15:]}", port.carrier, "0x15b3", "0x101b", client_id=client)


def _interface(name: str, mac: str, carrier: bool, vendor: str, product: str, **more: str) -> dict[str, Any]:
    return {
        "name": name, "mac_address": mac, "ipv4_address": None, "ipv6_address": None, "has_carrier": carrier,
        "lldp": None, "vendor": vendor, "product": product, "client_id": None, "biosdevname": None, **more,
    }  # fmt: skip


def _seen(interface: dict[str, Any], pxe_mac: str) -> dict[str, Any]:
    """As the inspector has an interface of the inventory."""
    mac = interface["mac_address"]
    return {"ip": interface["ipv4_address"], "mac": mac, "client_id": interface["client_id"], "pxe": mac == pxe_mac}


def _disk(name: str, gigabytes: int, rotational: bool) -> dict[str, Any]:
    return {
        "name": name, "model": "", "size": gigabytes * 10**9, "rotational": rotational, "wwn": None, "serial": None,
        "vendor": None, "wwn_with_extension": None, "wwn_vendor_extension": None, "hctl": None, "by_path": None,
    }  # fmt: skip


@subcommand("overcloud node configure")
def configure(call: Call) -> None:
    """Boot option, root device and boot mode (I1)."""
    options = parser(call)
    options.add_argument("node_uuids", nargs="*")
    options.add_argument("--all-manageable", action="store_true")
    options.add_argument("--deploy-kernel")
    options.add_argument("--deploy-ramdisk")
    options.add_argument("--instance-boot-option", choices=["local", "netboot"])
    options.add_argument("--boot-mode", choices=["uefi", "bios"])
    options.add_argument("--root-device")
    options.add_argument("--root-device-minimum-size", type=int, default=4)
    options.add_argument("--overwrite-root-device-hints", action="store_true")
    given = options.parse()
    if bool(given.node_uuids) == given.all_manageable:
        options.error("one of the arguments <node_uuid> --all-manageable is required")
    for node in _chosen(call, given.all_manageable, given.node_uuids):
        changed = {"boot_option": given.instance_boot_option, "boot_mode": given.boot_mode}
        with call.rack.undercloud.change():
            node["capabilities"].update({k: v for k, v in changed.items() if v})
            if given.root_device:
                node["properties"]["root_device"] = {"name": _root_device(node, given.root_device)}
    call.pause()
    call.out("Successfully configured the nodes.")


def _root_device(node: dict[str, Any], strategy: str) -> str:
    if not node["data"]:
        raise Refusal(
            f"Node {node['uuid']}: root device cannot be detected: no introspection data, run introspection first"
        )
    disks = sorted(node["data"]["inventory"]["disks"], key=lambda d: d["size"])
    if strategy in ("largest", "smallest"):
        return str(disks[-1 if strategy == "largest" else 0]["name"])
    names = [d["name"].removeprefix("/dev/") for d in disks]
    for wanted in strategy.split(","):
        if wanted in names:
            return f"/dev/{wanted}"
    raise Refusal(f"Cannot find a suitable root device for node {node['uuid']} by strategy {strategy}")


@subcommand("overcloud node provide")
def provide(call: Call) -> None:
    """Makes nodes available (I1)."""
    options = parser(call)
    options.add_argument("node_uuids", nargs="*")
    options.add_argument("--all-manageable", action="store_true")
    given = options.parse()
    if bool(given.node_uuids) == given.all_manageable:
        options.error("one of the arguments <node_uuid> --all-manageable is required")
    provide_nodes(call, _chosen(call, given.all_manageable, given.node_uuids))


def provide_nodes(call: Call, chosen: list[dict[str, Any]]) -> None:
    for node in chosen:
        if node["state"] == "available":
            continue
        if node["state"] != "manageable":
            raise Refusal(_transition(node, "provide"))
        set_state(call, node, state="cleaning")
        set_state(call, node, state="available")
    call.pause()
    call.out(f'{len(chosen)} node(s) successfully moved to the "available" state.')


def release(call: Call, released: list[dict[str, Any]]) -> None:
    """The end of an undeployment: nodes become available, at once or, where undercloud.conf says clean_nodes, when they
    are clean. Nobody waits for that: metalsmith's `unprovision_node` returns when the deletion has begun."""
    cleaned = call.rack.undercloud.state.get("clean_nodes", False)
    for node in released:
        set_state(call, node, state="cleaning" if cleaned else "available", instance=None)
    if cleaned and released:
        threading.Thread(target=_clean, args=(call, released), daemon=True).start()


def _clean(call: Call, cleaning: list[dict[str, Any]]) -> None:
    """The agent runs on the nodes, with their links up, and they go off."""
    booted = [hardware for node in cleaning if (hardware := machine(call, node))]
    became = "clean failed"
    try:
        try:
            for hardware in booted:
                call.rack.power_on(hardware)
            time.sleep(CLEANING * call.rack.pace)
        finally:
            _power_off_all(call, booted)
        became = "available"
    except LabError as error:
        print(f"cleaning: {error}", flush=True)
    finally:
        for node in cleaning:
            set_state(call, node, state=became, maintenance=became != "available")


def recover(rack: Rack) -> None:
    """ironic starts: what was being cleaned or deleted when it ended has failed."""
    failed = {"cleaning": "clean failed", "deleting": "error"}
    with rack.undercloud.change() as state:
        for node in state.get("nodes", []):
            if node["state"] in failed:
                node.update(state=failed[node["state"]], maintenance=True)


def _transition(node: dict[str, Any], verb: str) -> str:
    return (
        f'The requested action "{verb}" can not be performed on node '
        f'"{node["uuid"]}" while it is in state "{node["state"]}". '
        "(HTTP 400)"
    )


# -- openstack baremetal

COLUMNS = ("UUID", "Name", "Instance UUID", "Power State", "Provisioning State", "Maintenance")


@subcommand("baremetal node list")
def list_(call: Call) -> None:
    options = parser(call)
    add_format(options)
    options.add_argument("--provision-state")
    options.add_argument("--long", action="store_true")
    given = options.parse()
    rows = [
        dict(
            zip(
                COLUMNS,
                (n["uuid"], n["name"], n["instance"], power(call, n), n["state"], n["maintenance"]),
                strict=True,
            )
        )
        for n in nodes(call)
        if given.provision_state in (None, n["state"])
    ]
    listing(call, given, rows, COLUMNS)


@subcommand("baremetal node show")
def show(call: Call) -> None:
    options = parser(call)
    add_format(options)
    options.add_argument("--fields", nargs="+")
    options.add_argument("node")
    given = options.parse()
    node = find(call, given.node)
    capabilities = ",".join(f"{k}:{v}" for k, v in sorted(node["capabilities"].items()))
    fields = {
        "uuid": node["uuid"], "name": node["name"], "driver": "ipmi", "instance_uuid": node["instance"],
        "power_state": power(call, node), "provision_state": node["state"], "maintenance": node["maintenance"],
        "driver_info": {"ipmi_address": node["pm_addr"], "ipmi_username": node["pm_user"], "ipmi_password": "******"},
        "properties": {**node["properties"], "capabilities": capabilities},
    }  # fmt: skip
    showing(call, given, {k: v for k, v in fields.items() if not given.fields or k in given.fields})


@subcommand("baremetal node delete")
def delete(call: Call) -> None:
    """Forgets nodes; those in use are refused, as ironic does."""
    options = parser(call)
    options.add_argument("nodes", nargs="+")
    problems = []
    for name in options.parse().nodes:
        try:
            node = find(call, name)
            if node["state"] not in ("enroll", "manageable", "available") and not node["maintenance"]:
                raise Refusal(
                    f'Node {name} can not be deleted while it is in provision state "{node["state"]}". (HTTP 409)'
                )
        except Refusal as refusal:
            problems.append(f"Failed to delete node {name}: {refusal.text}")
            continue
        with call.rack.undercloud.change() as state:
            state["nodes"] = [n for n in state["nodes"] if n is not node]
        call.out(f"Deleted node {name}")
    if problems:
        raise Refusal("\n".join(problems))


@subcommand("baremetal node power on")
def power_on(call: Call) -> None:
    for node in _named(call):
        hardware = machine(call, node)
        if hardware and hardware.state.get("power") != "on":
            call.rack.power_on(hardware)


@subcommand("baremetal node power off")
def power_off(call: Call) -> None:
    for node in _named(call):
        hardware = machine(call, node)
        if hardware and hardware.state.get("power") == "on":
            call.rack.power_off(hardware)


def _named(call: Call) -> list[dict[str, Any]]:
    options = parser(call)
    options.add_argument("nodes", nargs="+")
    options.add_argument("--soft", action="store_true")
    options.add_argument("--wait", nargs="?", type=int, const=0)
    return [find(call, name) for name in options.parse().nodes]


@subcommand("baremetal node manage")
def manage(call: Call) -> None:
    for node in _named(call):
        if node["state"] not in ("enroll", "available", "manageable", "clean failed"):
            raise Refusal(_transition(node, "manage"))
        if machine(call, node) is None:
            raise Refusal(
                f"Failed to get power state for node {node['uuid']}: IPMI call failed: no answer from {node['pm_addr']}"
            )
        set_state(call, node, state="manageable")


@subcommand("baremetal node provide")
def node_provide(call: Call) -> None:
    for node in _named(call):
        if node["state"] != "manageable":
            raise Refusal(_transition(node, "provide"))
        set_state(call, node, state="available")


@subcommand("baremetal node maintenance set")
def maintenance_set(call: Call) -> None:
    for node in _named(call):
        set_state(call, node, maintenance=True)


@subcommand("baremetal node maintenance unset")
def maintenance_unset(call: Call) -> None:
    for node in _named(call):
        set_state(call, node, maintenance=False)


INTERFACE_COLUMNS = ("Interface", "MAC Address", "Switch Port VLAN IDs", "Switch Chassis ID", "Switch Port ID")


def _data(call: Call, name: str) -> dict[str, Any]:
    node = find(call, name)
    if not node["data"]:
        raise Refusal(f"Introspection data not found for node {node['uuid']} (HTTP 404)")
    data: dict[str, Any] = node["data"]
    return data


@subcommand("baremetal introspection interface list")
def interface_list(call: Call) -> None:
    """Which name the wired InfiniBand port has (O2)."""
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
def data_save(call: Call) -> None:
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
