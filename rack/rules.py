"""Design rules: what the models cannot see, each a small unit with an ID, the guide's step, a message and a fix.

A rule is a generator over a `Site` that yields one `Finding` a broken place; it touches nothing and never raises.
IDs are unique and never reused (a test holds them so); `docs/configuration.md` has one line a rule.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from rack.config import Range, Role, Site


@dataclass(frozen=True)
class Finding:
    """One broken place."""

    path: str
    found: str
    write: str
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; {self.write} ({self.rule})"


Check = Callable[[Site], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    id: str
    step: str
    """The guide's step that asks for it."""
    says: str
    """What must hold, in one line; the line of the documentation."""
    check: Check


RULES: list[Rule] = []


def rule(id: str, step: str, says: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        RULES.append(Rule(id, step, says, check))
        return check

    return register


def check(site: Site) -> list[Finding]:
    """Every broken place, in the order of the rules."""
    return [Finding(f.path, f.found, f.write, r.id) for r in RULES for f in r.check(site)]


def _outside(addresses: Iterable[tuple[str, IPv4Address]], network: IPv4Network, name: str) -> Iterator[Finding]:
    for path, address in addresses:
        if address not in network:
            yield Finding(path, str(address), f"write an address of {name} {network}")


def _twice(values: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    listed = list(values)
    count = Counter(value for _, value in listed)
    return ((path, value) for path, value in listed if count[value] > 1)


def _networks(site: Site) -> list[tuple[str, IPv4Network]]:
    n = site.networks
    return [
        ("networks.provisioning", n.provisioning.cidr),
        ("networks.external", n.external.cidr),
        *((f"networks.control.{name}", net.cidr) for name, net in n.control.items()),
        ("tenant.network", site.tenant.network.cidr),
    ]


@rule("NET001", "D3", "No two networks overlap.")
def networks_apart(site: Site) -> Iterator[Finding]:
    for (one, a), (other, b) in combinations(_networks(site), 2):
        if a.overlaps(b):
            yield Finding(f"{other}.cidr", f"{b}, which overlaps {one} {a}", "give each network a range of its own")


@rule("NET002", "D3", "Ranges and gateways lie in their network, start before end.")
def ranges_inside(site: Site) -> Iterator[Finding]:
    n, x = site.networks, site.external_access
    p, e = n.provisioning, n.external
    ranges: list[tuple[str, Range, IPv4Network]] = [
        ("networks.provisioning.dhcp", p.dhcp, p.cidr),
        ("networks.provisioning.inspection", p.inspection, p.cidr),
        ("networks.external.pool", e.pool, e.cidr),
        *((f"networks.control.{name}.pool", c.pool, c.cidr) for name, c in n.control.items()),
    ]
    gateways = [("networks.provisioning.gateway", p.gateway, p.cidr), ("networks.external.gateway", e.gateway, e.cidr)]
    if x:
        ranges.append(("externalAccess.network.pool", x.network.pool, x.network.cidr))
        gateways.append(("externalAccess.network.gateway", x.network.gateway, x.network.cidr))
    for path, pool, cidr in ranges:
        if pool.start > pool.end:
            yield Finding(path, str(pool), "write the lower address as start")
        yield from _outside([(f"{path}.start", pool.start), (f"{path}.end", pool.end)], cidr, "the network")
    for path, gateway, cidr in gateways:
        yield from _outside([(path, gateway)], cidr, "the network")


@rule("NET003", "C2", "The provisioning network's DHCP and inspection ranges are apart.")
def provisioning_ranges(site: Site) -> Iterator[Finding]:
    p = site.networks.provisioning
    if p.dhcp.overlaps(p.inspection):
        yield Finding("networks.provisioning.inspection", str(p.inspection), f"keep it apart from dhcp {p.dhcp}")


@rule(
    "NET004",
    "D5",
    "UFM, undercloud and nodes have own addresses on the provisioning network, outside its ranges.",
)
def fixed_addresses(site: Site) -> Iterator[Finding]:
    p = site.networks.provisioning
    fixed: list[tuple[str, IPv4Address]] = [
        ("ufm.address", site.ufm.address),
        ("undercloud.address", site.undercloud.address),
        *((f"nodes[{i}].address", n.address) for i, n in enumerate(site.nodes)),
    ]
    yield from _outside(fixed, p.cidr, "the provisioning network")
    for path, address in fixed:
        for name, taken in (("dhcp", p.dhcp), ("inspection", p.inspection)):
            if address in taken:
                yield Finding(path, f"{address}, inside the {name} range {taken}", "write an address outside of it")
    for path, address in _twice(fixed):
        yield Finding(path, f"{address} more than once", "give each host an address of its own")


@rule("PKEY001", "D4", "Control networks have PKeys of their own.")
def control_pkeys(site: Site) -> Iterator[Finding]:
    listed = [(f"networks.control.{name}.vlan", net.vlan) for name, net in site.networks.control.items()]
    for path, vlan in _twice([*listed, ("networks.external.vlan", site.networks.external.vlan)]):
        yield Finding(path, f"VLAN {vlan} more than once", "give each network a VLAN of its own")


@rule("PKEY002", "D4", "Control PKeys lie outside the tenants' VLAN range: Neutron would hand one to a tenant.")
def pkeys_apart(site: Site) -> Iterator[Finding]:
    low, high = site.networks.tenant.vlans
    for name, net in site.networks.control.items():
        if low <= net.vlan <= high:
            yield Finding(
                f"networks.control.{name}.vlan", f"{net.vlan} ({net.vlan:#x})", f"write one outside {low}-{high}"
            )


@rule("PKEY003", "T2", "The tenant network's VLAN lies in the tenants' range.")
def tenant_vlan(site: Site) -> Iterator[Finding]:
    low, high = site.networks.tenant.vlans
    if low > high:
        yield Finding("networks.tenant.vlans", f"{low}-{high}", "write the lower VLAN first")
    if not low <= site.tenant.network.vlan <= high:
        yield Finding("tenant.network.vlan", str(site.tenant.network.vlan), f"write one of {low}-{high}")


@rule("NODE001", "D1", "Names, GUIDs, Ethernet and IPMI addresses of the nodes are unique.")
def nodes_unique(site: Site) -> Iterator[Finding]:
    guids: list[tuple[str, object]] = [(f"nodes[{i}].guid", n.guid) for i, n in enumerate(site.nodes)]
    guids.append(("fabric.switch.guid", site.fabric.switch.guid))
    if site.ufm.host:
        guids.append(("ufm.host.guid", site.ufm.host.guid))
    others: list[tuple[str, object]] = []
    for i, n in enumerate(site.nodes):
        others += [
            (f"nodes[{i}].name", n.name),
            (f"nodes[{i}].mac", n.mac),
            (f"nodes[{i}].ipmi.address", n.ipmi.address),
        ]
    for path, value in [*_twice(guids), *_twice(others)]:
        yield Finding(path, f"{value} more than once", "write each node's own")


@rule("NODE002", "D1", "Controllers are odd in number: Galera and RabbitMQ need a majority.")
def controllers_odd(site: Site) -> Iterator[Finding]:
    count = sum(n.role == Role.CONTROLLER for n in site.nodes)
    if count % 2 == 0:
        yield Finding("nodes", f"{count} controllers", "write 1, 3 or 5 nodes with the role Controller")


@rule("FAB001", "D1", "The switch has a port for each host.")
def switch_ports(site: Site) -> Iterator[Finding]:
    hosts = len(site.nodes) + (site.ufm.host is not None)
    if hosts > site.fabric.switch.ports:
        yield Finding(
            "fabric.switch.ports", f"{site.fabric.switch.ports} for {hosts} hosts", "take fewer nodes a switch"
        )


@rule("VM001", "T5", "Instances name a compute and an image that exist; names and ports are unique.")
def instances_placed(site: Site) -> Iterator[Finding]:
    computes = {n.name for n in site.nodes if n.role == Role.COMPUTE}
    images = {i.name for i in site.images}
    for i, vm in enumerate(site.tenant.instances):
        path = f"tenant.instances[{i}]"
        if vm.compute not in computes:
            yield Finding(f"{path}.compute", repr(vm.compute), f"write one of {', '.join(sorted(computes))}")
        if vm.image not in images:
            yield Finding(f"{path}.image", repr(vm.image), f"write one of {', '.join(sorted(images))}")
    for key in ("name", "port"):
        listed = [(f"tenant.instances[{i}].{key}", getattr(vm, key)) for i, vm in enumerate(site.tenant.instances)]
        for path, value in _twice(listed):
            yield Finding(path, f"{value!r} more than once", "write each instance's own")


@rule("VM002", "H2", "A compute has as many VFs as instances are pinned to it.")
def enough_vfs(site: Site) -> Iterator[Finding]:
    for compute, count in Counter(vm.compute for vm in site.tenant.instances).items():
        if count > site.compute.vfs:
            yield Finding(
                "compute.vfs", f"{site.compute.vfs} for {count} instances on {compute}", f"write {count} or more"
            )


@rule("VM003", "X3", "Floating IPs and the bandwidth test name instances that exist.")
def instances_named(site: Site) -> Iterator[Finding]:
    vms = {vm.name for vm in site.tenant.instances}
    named: list[tuple[str, str]] = []
    if site.external_access:
        named += [
            (f"externalAccess.floatingIps[{i}].instance", f.instance)
            for i, f in enumerate(site.external_access.floating_ips)
        ]
    if site.bandwidth:
        named += [("bandwidth.server", site.bandwidth.server), ("bandwidth.client", site.bandwidth.client)]
        if site.bandwidth.server == site.bandwidth.client:
            yield Finding("bandwidth.client", repr(site.bandwidth.client), "write another instance than the server's")
    for path, name in named:
        if name not in vms:
            yield Finding(path, repr(name), f"write one of {', '.join(sorted(vms)) or 'tenant.instances'}")


@rule("UFM001", "U5", "Image names carry a tag or digest that says which UFM runs.")
def images_tagged(site: Site) -> Iterator[Finding]:
    if site.ufm.host:
        for key in ("installer_image", "image"):
            image = getattr(site.ufm.host, key)
            if ":" not in image.rpartition("/")[2] and "@" not in image:
                yield Finding(
                    f"ufm.host.{key}", repr(image), "write it with a tag, e.g. mellanox/ufm-enterprise:latest"
                )
