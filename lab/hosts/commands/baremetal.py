"""`openstack baremetal node`, and `openstack overcloud node configure` and `provide` (I1)."""

from lab.hosts.call import Call
from lab.hosts.commands import ironic
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import add_format, listing, showing
from lab.hosts.state import IronicNode


@subcommand("overcloud node configure")
def configure(call: Call[Undercloud]) -> None:
    """Set boot option, root device and boot mode (I1)."""
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
    for node in ironic.chosen_nodes(call, options, given):
        changed = {"boot_option": given.instance_boot_option, "boot_mode": given.boot_mode}
        with call.host.change():
            node.capabilities.update({k: v for k, v in changed.items() if v})
            if given.root_device:
                node.root_device = _root_device(node, given.root_device)
    call.pause()
    call.out("Successfully configured the nodes.")


def _root_device(node: IronicNode, strategy: str) -> str:
    if not node.data:
        raise Refusal(
            f"Node {node.uuid}: root device cannot be detected: no introspection data, run introspection first"
        )
    disks = sorted(node.data["inventory"]["disks"], key=lambda d: d["size"])
    if strategy in ("largest", "smallest"):
        return str(disks[-1 if strategy == "largest" else 0]["name"])
    names = [d["name"].removeprefix("/dev/") for d in disks]
    for wanted in strategy.split(","):
        if wanted in names:
            return f"/dev/{wanted}"
    raise Refusal(f"Cannot find a suitable root device for node {node.uuid} by strategy {strategy}")


@subcommand("overcloud node provide")
def provide(call: Call[Undercloud]) -> None:
    """Make nodes available (I1)."""
    options = parser(call)
    options.add_argument("node_uuids", nargs="*")
    options.add_argument("--all-manageable", action="store_true")
    given = options.parse()
    ironic.provide_nodes(call, ironic.chosen_nodes(call, options, given))


COLUMNS = ("UUID", "Name", "Instance UUID", "Power State", "Provisioning State", "Maintenance")
FIELDS = {
    "uuid": "UUID",
    "name": "Name",
    "instance_uuid": "Instance UUID",
    "power_state": "Power State",
    "provision_state": "Provisioning State",
    "maintenance": "Maintenance",
    "driver_info": "Driver Info",
}
"""Fields of `--fields`, with their headings (python-ironicclient, v1/resource_fields.py)."""


@subcommand("baremetal node list")
def list_(call: Call[Undercloud]) -> None:
    """List the nodes."""
    options = parser(call)
    add_format(options)
    options.add_argument("--provision-state")
    options.add_argument("--long", action="store_true")
    options.add_argument("--fields", nargs="+", choices=list(FIELDS))
    given = options.parse()
    rows = [
        {
            "UUID": n.uuid,
            "Name": n.name,
            "Instance UUID": n.instance,
            "Power State": ironic.power(call, n),
            "Provisioning State": n.state,
            "Maintenance": n.maintenance,
            "Driver Info": _driver_info(n),
        }
        for n in ironic.nodes(call)
        if given.provision_state in (None, n.state)
    ]
    listing(call, given, rows, [FIELDS[field] for field in given.fields] if given.fields else COLUMNS)


def _driver_info(node: IronicNode) -> dict[str, str]:
    return {"ipmi_address": node.pm_addr, "ipmi_username": node.pm_user, "ipmi_password": "******"}


@subcommand("baremetal node show")
def show(call: Call[Undercloud]) -> None:
    """Show a node."""
    options = parser(call)
    add_format(options)
    options.add_argument("--fields", nargs="+")
    options.add_argument("node")
    given = options.parse()
    node = ironic.find(call, given.node)
    capabilities = ",".join(f"{k}:{v}" for k, v in sorted(node.capabilities.items()))
    root_device = {"root_device": {"name": node.root_device}} if node.root_device else {}
    fields = {
        "uuid": node.uuid, "name": node.name, "driver": "ipmi", "instance_uuid": node.instance,
        "power_state": ironic.power(call, node), "provision_state": node.state, "maintenance": node.maintenance,
        "driver_info": _driver_info(node),
        "properties": {**root_device, "capabilities": capabilities},
    }  # fmt: skip
    showing(call, given, {k: v for k, v in fields.items() if not given.fields or k in given.fields})


@subcommand("baremetal node delete")
def delete(call: Call[Undercloud]) -> None:
    """Delete records of nodes; ironic refuses those in use."""
    options = parser(call)
    options.add_argument("nodes", nargs="+")
    problems = []
    for name in options.parse().nodes:
        try:
            node = ironic.find(call, name)
            if node.state not in ("enroll", "manageable", "available") and not node.maintenance:
                raise Refusal(
                    f'Node {name} can not be deleted while it is in provision state "{node.state}". (HTTP 409)'
                )
        except Refusal as refusal:
            problems.append(f"Failed to delete node {name}: {refusal.text}")
            continue
        with call.host.change():
            call.host.state.nodes = [n for n in call.host.state.nodes if n is not node]
        call.out(f"Deleted node {name}")
    if problems:
        raise Refusal("\n".join(problems))


@subcommand("baremetal node power on")
def power_on(call: Call[Undercloud]) -> None:
    """Power nodes on."""
    for node in _named(call):
        hardware = ironic.machine(call, node)
        if hardware and not hardware.powered:
            hardware.power_on()


@subcommand("baremetal node power off")
def power_off(call: Call[Undercloud]) -> None:
    """Power nodes off."""
    for node in _named(call):
        hardware = ironic.machine(call, node)
        if hardware and hardware.powered:
            hardware.power_off()


def _named(call: Call[Undercloud]) -> list[IronicNode]:
    options = parser(call)
    options.add_argument("nodes", nargs="+")
    options.add_argument("--soft", action="store_true")
    options.add_argument("--wait", nargs="?", type=int, const=0)
    return [ironic.find(call, name) for name in options.parse().nodes]


@subcommand("baremetal node manage")
def manage(call: Call[Undercloud]) -> None:
    """Make nodes manageable."""
    for node in _named(call):
        if node.state not in ("enroll", "available", "manageable", "clean failed"):
            raise ironic.transition_refused(node, "manage")
        if ironic.machine(call, node) is None:
            raise Refusal(
                f"Failed to get power state for node {node.uuid}: IPMI call failed: no answer from {node.pm_addr}"
            )
        ironic.set_state(call, node, "manageable")


@subcommand("baremetal node provide")
def node_provide(call: Call[Undercloud]) -> None:
    """Make nodes available."""
    for node in _named(call):
        if node.state != "manageable":
            raise ironic.transition_refused(node, "provide")
        ironic.set_state(call, node, "available")


@subcommand("baremetal node maintenance set")
def maintenance_set(call: Call[Undercloud]) -> None:
    """Put nodes into maintenance."""
    for node in _named(call):
        with call.host.change():
            node.maintenance = True


@subcommand("baremetal node maintenance unset")
def maintenance_unset(call: Call[Undercloud]) -> None:
    """Take nodes out of maintenance."""
    for node in _named(call):
        with call.host.change():
            node.maintenance = False
