"""Design rules of the hosts and of their place on the fabric (D1, O1)."""

from collections.abc import Iterator

from rack.plan import Plan
from rack.rules.common import duplicates
from rack.rules.registry import Finding, rule
from rack.site import Role, Site


@rule(
    "NODE001",
    "D1",
    "Names, GUIDs, MAC addresses and IPMI addresses of the hosts are unique. The names `ufm` and `undercloud` are "
    "reserved.",
)
def hosts_unique(site: Site) -> Iterator[Finding]:
    """Look for reserved names, then for values that several hosts have."""
    nodes = [(f"nodes[{i}]", n) for i, n in enumerate(site.nodes)]
    switch, ufm = site.fabric.switch, site.ufm.host
    for path, node in nodes:
        if node.name in ("ufm", "undercloud"):
            yield Finding(f"{path}.name", f"{node.name!r}, which is the name of another host", "write another name")
    guids = [("fabric.switch.guid", switch.guid), *((f"{path}.guid", n.guid) for path, n in nodes if n.guid)]
    if ufm:
        guids.append(("ufm.host.guid", ufm.guid))
    groups: list[list[tuple[str, object]]] = [
        [("fabric.switch.name", switch.name), *((f"{path}.name", n.name) for path, n in nodes)],
        [*guids],
        [(f"{path}.mac", n.mac) for path, n in nodes],
        [(f"{path}.ipmi.address", n.ipmi.address) for path, n in nodes],
    ]
    for path, value in (found for group in groups for found in duplicates(group)):
        yield Finding(path, f"{value} more than once", "write the value of this host")


@rule("NODE002", "D1", "The number of controllers is odd: Galera and RabbitMQ need a majority.")
def controllers_odd(site: Site) -> Iterator[Finding]:
    """Count the controllers."""
    count = sum(n.role == Role.CONTROLLER for n in site.nodes)
    if count % 2 == 0:
        yield Finding("nodes", f"{count} controllers", "write 1, 3 or 5 nodes with the role Controller")


@rule("NODE003", "O1", "No two nodes of a role have the same index: host names contain it.")
def indexes_unique(site: Site) -> Iterator[Finding]:
    """Report each node whose index an earlier node of its role has."""
    taken: dict[tuple[Role, int], str] = {}
    for i, (node, index) in enumerate(zip(site.nodes, site.indexes, strict=True)):
        other = taken.setdefault((node.role, index), node.name)
        if other != node.name:
            found = f"{index}, which is the index of {other}"
            yield Finding(f"nodes[{i}].index", found, f"write an index that no other {node.role} has")


MODELS = {"MSB7800": 36, "MSB7890": 36, "MQM8700": 40, "MQM8790": 40, "MQM9700": 64, "MQM9790": 64}
"""Ports of NVIDIA's InfiniBand switches by the first part of their part number."""


@rule("FAB002", "D1", "A switch of a known model has no more ports than that model.")
def switch_model(site: Site) -> Iterator[Finding]:
    """Look the model up, without the variant after its dash."""
    switch = site.fabric.switch
    known = MODELS.get(switch.model.partition("-")[0], switch.ports)
    if switch.ports > known:
        yield Finding("fabric.switch.ports", f"{switch.ports} for model {switch.model}", f"write {known}")


@rule("FAB001", "D1", "The switch has a port for each host.")
def switch_ports(site: Site) -> Iterator[Finding]:
    """Compare the number of ports with the number of hosts, UFM's included."""
    hosts, ports = len(site.nodes) + (site.ufm.host is not None), site.fabric.switch.ports
    if hosts > ports:
        yield Finding("fabric.switch.ports", f"{ports} for {hosts} hosts", "remove hosts, or write a larger switch")


@rule(
    "HOST002",
    "C2",
    "The undercloud's host name is its own: not that of a node or of the cloud's public address, and not localhost.",
)
def undercloud_named(site: Site) -> Iterator[Finding]:
    """Compare the first label: TripleO writes the short names of all hosts to /etc/hosts."""
    name, cloud = site.undercloud.hostname, Plan(site)
    users = {host.short_hostname: f"the host name of {host.name}" for host in cloud.hosts}
    users |= {"localhost": "every host's own name", "overcloud": "the name of the cloud's public address"}
    used = users.get(name.partition(".")[0])
    if used:
        yield Finding("undercloud.hostname", f"{name!r}, {used}", "write another name, like director.localdomain")


@rule("HOST001", "O1", "The nodes' host names with the domain have at most 64 characters, Linux's limit.")
def hostnames_short(site: Site) -> Iterator[Finding]:
    """Measure the longest name."""
    longest = max((host.hostname for host in Plan(site).hosts), key=len)
    if len(longest) > 64:
        write = "write a shorter domain, or a shorter cloud.name"
        yield Finding("cloud.domain", f"{site.cloud.domain!r}, for {longest} of {len(longest)} characters", write)
