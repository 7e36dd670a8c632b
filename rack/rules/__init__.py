"""Design rules: what the models cannot see, each a small unit with an ID, the guide's step, a message and a fix.

A rule is a generator over a `Site` that yields one `Finding` a broken place; it touches nothing and never raises.
IDs are unique and never reused (a test holds them so); `docs/configuration.md` has one line a rule.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from pathlib import PurePosixPath
from typing import TypeVar

from rack import firmware
from rack.distribution import LOGIN_REGISTRY, PUBLIC_REGISTRIES, REFUSED, Release, registry_of
from rack.site import Range, Role, Site
from rack.site.names import cpus, image_tag


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
    statement: str
    """What must hold, in one line; the line of the documentation."""
    check: Check


RULES: list[Rule] = []


def rule(id: str, step: str, statement: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        RULES.append(Rule(id, step, statement, check))
        return check

    return register


def check(site: Site) -> list[Finding]:
    """Every broken place, in the order of the rules."""
    return [Finding(f.path, f.found, f.write, r.id) for r in RULES for f in r.check(site)]


T = TypeVar("T")
Addresses = Iterable[tuple[str, IPv4Address]]


def _outside(addresses: Addresses, network: IPv4Network, name: str) -> Iterator[Finding]:
    reserved = (network.network_address, network.broadcast_address)
    for path, address in addresses:
        if address not in network or address in reserved:
            yield Finding(path, str(address), f"write a host's address of {name} {network}")


def _twice(values: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    listed = list(values)
    count = Counter(value for _, value in listed)
    return ((path, value) for path, value in listed if count[value] > 1)


def _one_of(names: Iterable[str], key: str) -> str:
    listed = sorted(names)
    return f"write one of {', '.join(listed)}" if listed else f"list it under {key}"


def _networks(site: Site) -> list[tuple[str, IPv4Network]]:
    n = site.networks
    return [
        ("networks.provisioning.cidr", n.provisioning.cidr),
        ("networks.external.cidr", n.external.cidr),
        *((f"networks.control.{name}.cidr", net.cidr) for name, net in n.control.items()),
        ("tenant.network.cidr", site.tenant.network.cidr),
    ]


@rule("NET001", "D3", "No two networks overlap.")
def networks_apart(site: Site) -> Iterator[Finding]:
    for (one, a), (other, b) in combinations(_networks(site), 2):
        if a.overlaps(b):
            yield Finding(other, f"{b}, which overlaps {one} {a}", "give each network a range of its own")


@rule("NET002", "D3", "Ranges and gateways lie in their network; no range holds the gateway or ends before it starts.")
def ranges_inside(site: Site) -> Iterator[Finding]:
    n, x = site.networks, site.external_access
    p, e = n.provisioning, n.external
    ranges: list[tuple[str, Range, IPv4Network, IPv4Address | None]] = [
        ("networks.provisioning.dhcp", p.dhcp, p.cidr, p.gateway),
        ("networks.provisioning.inspection", p.inspection, p.cidr, p.gateway),
        ("networks.external.pool", e.pool, e.cidr, e.gateway),
        *((f"networks.control.{name}.pool", c.pool, c.cidr, None) for name, c in n.control.items()),
    ]
    gateways = [("networks.provisioning.gateway", p.gateway, p.cidr), ("networks.external.gateway", e.gateway, e.cidr)]
    if x:
        ranges.append(("externalAccess.network.pool", x.network.pool, x.network.cidr, x.network.gateway))
        gateways.append(("externalAccess.network.gateway", x.network.gateway, x.network.cidr))
    for path, pool, cidr, gateway in ranges:
        if pool.start > pool.end:
            yield Finding(path, str(pool), "write the lower address as start")
        if gateway and gateway in pool:
            yield Finding(path, f"{pool} with the gateway {gateway} in it", "leave the gateway out of it")
        yield from _outside([(f"{path}.start", pool.start), (f"{path}.end", pool.end)], cidr, "the network")
    for path, address, cidr in gateways:
        yield from _outside([(path, address)], cidr, "the network")


@rule("NET003", "C2", "The provisioning network's DHCP and inspection ranges are apart.")
def provisioning_ranges(site: Site) -> Iterator[Finding]:
    p = site.networks.provisioning
    if p.dhcp.overlaps(p.inspection):
        yield Finding("networks.provisioning.inspection", str(p.inspection), f"keep it apart from dhcp {p.dhcp}")


@rule(
    "NET004",
    "D5",
    "UFM, undercloud (with the two addresses after it) and nodes have own addresses on the provisioning network, "
    "outside its ranges.",
)
def fixed_addresses(site: Site) -> Iterator[Finding]:
    p, undercloud = site.networks.provisioning, site.undercloud
    fixed: list[tuple[str, IPv4Address]] = [
        ("ufm.address", site.ufm.address),
        *(
            ("undercloud.address", address)
            for address in (undercloud.address, undercloud.public_address, undercloud.admin_address)
        ),
        *((f"nodes[{i}].address", n.address) for i, n in enumerate(site.nodes)),
    ]
    yield from _outside(fixed, p.cidr, "the provisioning network")
    for path, address in fixed:
        for name, taken in (("dhcp", p.dhcp), ("inspection", p.inspection)):
            if address in taken:
                yield Finding(path, f"{address}, inside the {name} range {taken}", "write an address outside of it")
    if p.gateway != undercloud.address:  # the undercloud may be the gateway
        fixed.append(("networks.provisioning.gateway", p.gateway))
    for path, address in _twice(fixed):
        yield Finding(path, f"{address} more than once", "give each host an address of its own")


@rule("NET005", "D3", "The control networks InternalApi and Storage exist: both roles are on them.")
def control_networks(site: Site) -> Iterator[Finding]:
    for name in ("InternalApi", "Storage"):
        if name not in site.networks.control:
            yield Finding(f"networks.control.{name}", "no such network", "write it")


@rule("NET006", "O1", "Every range has an address for each node on its network, and for the virtual one.")
def ranges_large_enough(site: Site) -> Iterator[Finding]:
    n, every = site.networks, len(site.nodes)
    controllers = sum(node.role == Role.CONTROLLER for node in site.nodes)
    ranges: list[tuple[str, Range, int]] = [
        ("networks.provisioning.dhcp", n.provisioning.dhcp, every + 1),
        ("networks.provisioning.inspection", n.provisioning.inspection, every),
        ("networks.external.pool", n.external.pool, controllers + 1),
        *(
            (f"networks.control.{name}.pool", net.pool, (controllers if name == "StorageMgmt" else every) + 1)
            for name, net in n.control.items()
        ),
    ]
    for path, pool, needed in ranges:
        if 0 < pool.size < needed:  # one that ends before it starts is NET002's
            yield Finding(path, f"{pool}, which is {pool.size} addresses", f"make room for {needed}")


@rule("NET007", "X1", "The public network is `networks.external`, with its gateway, or overlaps no network at all.")
def public_network(site: Site) -> Iterator[Finding]:
    if not site.external_access:
        return
    public, external = site.external_access.network, site.networks.external
    if public.cidr == external.cidr:
        if public.gateway != external.gateway:
            yield Finding("externalAccess.network.gateway", str(public.gateway), f"write {external.gateway}")
        return
    for path, network in _networks(site):
        if public.cidr.overlaps(network):
            yield Finding(
                "externalAccess.network.cidr",
                f"{public.cidr}, which overlaps {path} {network}",
                f"write {external.cidr} or a range of its own",
            )


@rule("NET008", "X1", "The controllers' pool on the external network and the floating IPs' pool are apart.")
def external_pools(site: Site) -> Iterator[Finding]:
    pool = site.networks.external.pool
    if site.external_access and site.external_access.network.pool.overlaps(pool):
        found = str(site.external_access.network.pool)
        yield Finding("externalAccess.network.pool", found, f"keep it apart from networks.external.pool {pool}")


@rule("NET009", "O4", "The tenants' physical network is not datacentre, which is TripleO's name for br-ex.")
def physnet_names(site: Site) -> Iterator[Finding]:
    if site.networks.tenant.physnet == "datacentre":
        yield Finding("networks.tenant.physnet", "'datacentre'", "write another name, like ibnet")


@rule("PKEY001", "D4", "Every network has a VLAN of its own, and so every control network a PKey of its own.")
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
    elif not low <= site.tenant.network.vlan <= high:
        yield Finding("tenant.network.vlan", str(site.tenant.network.vlan), f"write one of {low}-{high}")


@rule(
    "NODE001", "D1", "Names, GUIDs, Ethernet and IPMI addresses of the hosts are unique; ufm and undercloud are taken."
)
def hosts_unique(site: Site) -> Iterator[Finding]:
    nodes = [(f"nodes[{i}]", n) for i, n in enumerate(site.nodes)]
    switch, ufm = site.fabric.switch, site.ufm.host
    for path, node in nodes:
        if node.name in ("ufm", "undercloud"):
            yield Finding(f"{path}.name", f"{node.name!r}, which is another host", "write another name")
    guids = [("fabric.switch.guid", switch.guid), *((f"{path}.guid", n.guid) for path, n in nodes if n.guid)]
    if ufm:
        guids.append(("ufm.host.guid", ufm.guid))
    groups: list[list[tuple[str, object]]] = [
        [("fabric.switch.name", switch.name), *((f"{path}.name", n.name) for path, n in nodes)],
        [*guids],
        [(f"{path}.mac", n.mac) for path, n in nodes],
        [(f"{path}.ipmi.address", n.ipmi.address) for path, n in nodes],
    ]
    for path, value in (found for group in groups for found in _twice(group)):
        yield Finding(path, f"{value} more than once", "write each host's own")


@rule("NODE002", "D1", "Controllers are odd in number: Galera and RabbitMQ need a majority.")
def controllers_odd(site: Site) -> Iterator[Finding]:
    count = sum(n.role == Role.CONTROLLER for n in site.nodes)
    if count % 2 == 0:
        yield Finding("nodes", f"{count} controllers", "write 1, 3 or 5 nodes with the role Controller")


@rule("NODE003", "O1", "No two nodes of a role have the same index: host names are made of it.")
def indexes_unique(site: Site) -> Iterator[Finding]:
    taken: dict[tuple[Role, int], str] = {}
    for i, (node, index) in enumerate(zip(site.nodes, site.indexes, strict=True)):
        other = taken.setdefault((node.role, index), node.name)
        if other != node.name:
            yield Finding(f"nodes[{i}].index", f"{index}, which is {other}'s", "write a number that no other node has")


@rule("FAB001", "D1", "The switch has a port for each host.")
def switch_ports(site: Site) -> Iterator[Finding]:
    hosts = len(site.nodes) + (site.ufm.host is not None)
    if hosts > site.fabric.switch.ports:
        yield Finding(
            "fabric.switch.ports", f"{site.fabric.switch.ports} for {hosts} hosts", "take fewer nodes a switch"
        )


@rule("CPU001", "O4", "The instances' CPUs and the host's are disjoint.")
def cpus_apart(site: Site) -> Iterator[Finding]:
    both = cpus(site.compute.dedicated_cpus) & cpus(site.compute.shared_cpus)
    if both:
        listed = ", ".join(map(str, sorted(both)))
        yield Finding("compute.sharedCpus", f"{listed}, dedicated too", "give each CPU to one side")


@rule("IMG001", "G1", "Image names are unique.")
def images_unique(site: Site) -> Iterator[Finding]:
    for path, name in _twice((f"images[{i}].name", image.name) for i, image in enumerate(site.images)):
        yield Finding(path, f"{name!r} more than once", "write each image's own")


@rule("IMG002", "G1", "An image is built of elements or is a file: one of the two.")
def image_sources(site: Site) -> Iterator[Finding]:
    for i, image in enumerate(site.images):
        if image.elements and image.file:
            yield Finding(f"images[{i}].file", f"{str(image.file)!r} beside elements", "write one of the two")
        elif not image.elements and not image.file:
            yield Finding(f"images[{i}].elements", "none, and no file", "write elements, or the file of an image")


@rule("VM001", "T5", "Instances name a compute and an image that exist; names and ports are unique.")
def instances_placed(site: Site) -> Iterator[Finding]:
    computes = {n.name for n in site.nodes if n.role == Role.COMPUTE}
    images = {i.name for i in site.images}
    for i, vm in enumerate(site.tenant.instances):
        path = f"tenant.instances[{i}]"
        if vm.compute not in computes:
            yield Finding(f"{path}.compute", repr(vm.compute), _one_of(computes, "nodes"))
        if vm.image not in images:
            yield Finding(f"{path}.image", repr(vm.image), _one_of(images, "images"))
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


@rule(
    "FW001",
    "H2",
    "Further firmware parameters stand once a role, and none is one of the guide's: those follow from `compute`.",
)
def firmware_parameters(site: Site) -> Iterator[Finding]:
    listed = [(f"firmware.parameters[{i}].name", p) for i, p in enumerate(site.firmware.parameters)]
    for path, parameter in listed:
        if parameter.name in firmware.guide_parameters(site, parameter.role):
            yield Finding(path, f"{parameter.name}, which the guide sets", "leave it out: it follows from compute")
    for path, (role, name) in _twice((path, (p.role, p.name)) for path, p in listed):
        yield Finding(path, f"{name} more than once for {role}", "write it once")


@rule("VM003", "X3", "Floating IPs and the bandwidth test name instances that exist.")
def instances_named(site: Site) -> Iterator[Finding]:
    vms = {vm.name for vm in site.tenant.instances}
    named: list[tuple[str, str]] = []
    if site.external_access:
        floating = site.external_access.floating_ips
        named += [(f"externalAccess.floatingIps[{i}].instance", f.instance) for i, f in enumerate(floating)]
    if site.bandwidth:
        named += [("bandwidth.server", site.bandwidth.server), ("bandwidth.client", site.bandwidth.client)]
    for path, name in named:
        if name not in vms:
            yield Finding(path, repr(name), _one_of(vms, "tenant.instances"))


@rule("VM004", "O4", "A compute's dedicated CPUs hold the instances that are pinned to it.")
def enough_cpus(site: Site) -> Iterator[Finding]:
    have, each = len(cpus(site.compute.dedicated_cpus)), site.tenant.flavor.vcpus
    for compute, count in Counter(vm.compute for vm in site.tenant.instances).items():
        if count * each > have:
            yield Finding(
                "compute.dedicatedCpus",
                f"{have} CPUs for {count} instances with {each} each on {compute}",
                f"dedicate {count * each} or more",
            )


@rule("EXT001", "X3", "Chosen floating IPs lie in the public pool; instances and addresses are listed once.")
def floating_ips(site: Site) -> Iterator[Finding]:
    if not site.external_access:
        return
    pool, floating = site.external_access.network.pool, site.external_access.floating_ips
    listed = [(f"externalAccess.floatingIps[{i}]", f) for i, f in enumerate(floating)]
    chosen = [(f"{path}.address", f.address) for path, f in listed if f.address]
    for path, address in chosen:
        if address not in pool:
            yield Finding(path, str(address), f"write an address of {pool}")
    for path, value in [*_twice(chosen), *_twice((f"{path}.instance", f.instance) for path, f in listed)]:
        yield Finding(path, f"{value} more than once", "write each once")


@rule(
    "BW001", "B5", "The bandwidth test's ends sit on two computes: between VFs of one HCA nothing crosses the fabric."
)
def bandwidth_ends(site: Site) -> Iterator[Finding]:
    if not site.bandwidth:
        return
    places = {vm.name: vm.compute for vm in site.tenant.instances}
    server, client = (places.get(name, name) for name in (site.bandwidth.server, site.bandwidth.client))
    if server == client:
        yield Finding("bandwidth.client", repr(site.bandwidth.client), f"write an instance that is not on {server}")


@rule("UFM001", "U5", "UFM's images are pinned, by a tag other than latest or by a digest: an upgrade is a decision.")
def images_pinned(site: Site) -> Iterator[Finding]:
    for path, image in _ufm_images(site):
        if "@" not in image and image_tag(image) in ("", "latest"):
            fix = "pin it: a release as tag, e.g. :6.14.5-2 (`docker image ls` on the UFM host), or a digest"
            yield Finding(path, repr(image), fix)


@rule(
    "UFM002", "U3", "The dummy address of UFM's fabric interface is of no network in use: UFM would lose its way there."
)
def dummy_address(site: Site) -> Iterator[Finding]:
    if not site.ufm.host:
        return
    dummy, public = site.ufm.host.fabric_address, site.external_access
    public_network = [("externalAccess.network.cidr", public.network.cidr)] if public else []
    for path, network in [*_networks(site), *public_network]:
        if dummy.network.overlaps(network):
            yield Finding(
                "ufm.host.fabricAddress",
                f"{dummy}, inside {path} {network}",
                "write one of no network, or leave it out",
            )


@rule("UFM003", "U5", "Images from an archive are named by tag: `docker load` brings no digests.")
def archive_tags(site: Site) -> Iterator[Finding]:
    if site.ufm.host and site.ufm.host.image_archive:
        for path, image in _ufm_images(site):
            if "@" in image:
                yield Finding(path, repr(image), "write the tag that the archive holds, or leave out imageArchive")


@rule(
    "UFM004",
    "U4",
    "UFM's files and its licence have folders apart: the one goes with UFM, the other holds the licence only.",
)
def ufm_folders(site: Site) -> Iterator[Finding]:
    if site.ufm.host:
        files, licenses = PurePosixPath(site.ufm.host.files_dir), PurePosixPath(site.ufm.host.license_dir)
        if files.is_relative_to(licenses) or licenses.is_relative_to(files):
            yield Finding("ufm.host.licenseDir", repr(site.ufm.host.license_dir), f"write one apart from {files}")


def _ufm_images(site: Site) -> list[tuple[str, str]]:
    host = site.ufm.host
    named = [("image", host.image), ("installerImage", host.installer_image)] if host else []
    return [(f"ufm.host.{key}", image) for key, image in named if image]


@rule("DIST001", "C1", "The distribution's director takes the documents that are shipped: rhosp-16.2's does not.")
def distribution_fits(site: Site) -> Iterator[Finding]:
    found = site.undercloud.distribution
    if found in REFUSED:
        write = f"write {Release.RHOSP_17_1}, which is made of Wallaby"
        yield Finding("undercloud.distribution", f"{str(found)!r}, {REFUSED[found]}", write)


@rule("REG001", "C3", "Whatever is said of the containers' registry, `containerNamespace` names its host.")
def registry_named(site: Site) -> Iterator[Finding]:
    said, namespace = site.undercloud.registry, site.undercloud.container_namespace
    if (said.user or said.ca_file or said.insecure) and namespace and not registry_of(namespace):
        write = "write it with the registry's host, as registry.example:5000/tripleowallaby"
        yield Finding("undercloud.containerNamespace", repr(namespace), write)


@rule("REG002", "C3", "Who fetches from registry.redhat.io logs in: it gives nothing to others.")
def registry_login(site: Site) -> Iterator[Finding]:
    cloud = site.undercloud
    if cloud.distribution not in REFUSED and cloud.registry_host == LOGIN_REGISTRY and not cloud.registry.user:
        write = f"write the user of a service account of {LOGIN_REGISTRY}, or your own registry as containerNamespace"
        yield Finding("undercloud.registry.user", "nothing", write)


@rule("REPO001", "C1", "Repositories have names of their own.")
def repositories_unique(site: Site) -> Iterator[Finding]:
    listed = ((f"undercloud.repositories[{i}].id", r.id) for i, r in enumerate(site.undercloud.repositories))
    for path, name in _twice(listed):
        yield Finding(path, f"{name!r} more than once", "write each repository's own")


OFFLINE = "without the Internet"


@rule(
    "OFF001", "C1", "Without the Internet, RDO's packages come from repositories of the site's own; Red Hat's may come "
    "from the Satellite at which the undercloud is registered."
)  # fmt: skip
def packages_are_here(site: Site) -> Iterator[Finding]:
    rdo = site.undercloud.distribution == Release.RDO_WALLABY
    if not site.internet and rdo and not site.undercloud.repositories:
        yield Finding("undercloud.repositories", f"none, {OFFLINE}", "write those of the site")


@rule("OFF002", "C3", "Without the Internet, containers come from a registry of the site's own.")
def containers_are_here(site: Site) -> Iterator[Finding]:
    cloud = site.undercloud
    if site.internet or cloud.distribution in REFUSED:
        return
    namespaces = [("containerNamespace", cloud.namespace)]
    if cloud.mlnx_container_namespace:
        namespaces.append(("mlnxContainerNamespace", cloud.mlnx_container_namespace))
    for key, namespace in namespaces:
        if _public(namespace):
            found = f"{namespace!r}, a public registry, {OFFLINE}"
            yield Finding(f"undercloud.{key}", found, "write the namespace at the site's registry")


@rule("OFF003", "C5", "Without the Internet, the overcloud's disk images are an archive on the undercloud.")
def disk_images_are_here(site: Site) -> Iterator[Finding]:
    if not site.internet and not site.undercloud.images_archive:
        yield Finding("undercloud.imagesArchive", f"none, {OFFLINE}", "write the path of their tar on the undercloud")


@rule("OFF004", "G1", "Without the Internet, guest images are files: disk-image-create begins with one of it.")
def guest_images_are_here(site: Site) -> Iterator[Finding]:
    for i, image in enumerate(site.images):
        if not site.internet and not image.file:
            yield Finding(f"images[{i}].file", f"none, {OFFLINE}", "write the path of its qcow2, and no elements")


@rule("OFF005", "U5", "Without the Internet, UFM's images are an archive on its host, or of a registry of the site's.")
def ufm_is_here(site: Site) -> Iterator[Finding]:
    if site.internet or not site.ufm.host or site.ufm.host.image_archive:
        return
    for path, image in _ufm_images(site):
        if _public(image):
            fix = "write ufm.host.imageArchive, or the image with the registry's host"
            yield Finding(path, f"{image!r}, of a public registry, {OFFLINE}", fix)


def _public(image: str) -> bool:
    """Whether a container's name leads to the Internet; without a host it is Docker's."""
    return registry_of(image) in ("", *PUBLIC_REGISTRIES)
