"""The overcloud's nodes: containers (O6, T4, B1), and the way to the guests through neutron's namespaces (T7, X4)."""

import configparser
import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.hosts.backends.interfaces import Guest
from lab.hosts.call import Become, Call, Parser, Refusal, command
from lab.hosts.commands.deploy import ML2_CONF

CONTAINERS = {
    "controller": (
        "neutron_api",
        "neutron_dhcp",
        "neutron_l3_agent",
        "nova_api",
        "nova_scheduler",
        "keystone",
        "glance_api",
        "haproxy-bundle-podman-0",
    ),
    "compute": ("nova_compute", "nova_libvirt", "neutron_mlnx_agent", "neutron_ovs_agent"),
}
"""By kind of host."""

NAMESPACE = "LAB_NETNS"
"""Set for what `ip netns exec` starts: ssh and ping find the namespace there."""


# -- containers


@command("podman", "controller", "compute")
def podman(call: Call) -> None:
    """`ps [-a] [-q] [--format] [--filter name=, health=]` and `restart neutron_api` of the deployed services."""
    options = Parser(call, "podman")
    options.add_argument("verb", choices=["ps", "restart", "inspect"])
    options.add_argument("-a", "--all", action="store_true")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("-t", "--time", type=int)
    options.add_argument("--format")
    options.add_argument("-f", "--filter", action="append", default=[])
    options.add_argument("names", nargs="*")
    given = options.parse()
    call.as_root()
    if given.verb == "ps":
        _ps(call, "{{.ID}}" if given.quiet else given.format, given.filter)
        return
    for name in given.names or [""]:
        if name not in CONTAINERS[call.host.kind]:
            raise Refusal(f'Error: no container with name or ID "{name}" found: no such container', 125)
    if given.verb == "inspect":
        call.out("true" if given.format and "Running" in given.format else "running")
        return
    for name in given.names:
        if name == "neutron_api":
            _restart_neutron(call)
        call.out(name)


def _ps(call: Call, template: str | None, filters: list[str]) -> None:
    rows = [row for row in _containers(call) if all(_passes(row, f) for f in filters)]
    if template:
        for row in rows:
            line = template
            for key in ("ID", "Names", "Status"):
                line = line.replace("{{." + key + "}}", row[key])
            call.out(line)
        return
    call.out(f"{'CONTAINER ID':<14}{'STATUS':<28}NAMES")
    for row in rows:
        call.out(f"{row['ID']:<14}{row['Status']:<28}{row['Names']}")


def _containers(call: Call) -> list[dict[str, str]]:
    """What runs here. nova_compute is healthy once nova has it up again after a boot, and gone once it is scaled in."""
    rows = []
    for number, name in enumerate(CONTAINERS[call.host.kind]):
        health = call.host.state.get("nova", "healthy") if name == "nova_compute" else "healthy"
        if health == "stopped":
            continue
        status = f"Up 5 minutes ago ({health})"
        rows.append({"ID": f"{number + 0xA1B2C3:012x}", "Names": name, "Status": status, "health": health})
    return rows


def _passes(row: dict[str, str], condition: str) -> bool:
    key, _, value = condition.partition("=")
    if key not in ("name", "health"):
        raise Refusal(f'Error: "{key}" is an invalid filter', 125)
    return bool(re.search(value, row["Names"])) if key == "name" else row["health"] == value


def _restart_neutron(call: Call) -> None:
    """Reads this controller's file. The lab's one neutron takes the first controller's; the others' must parse."""
    text = call.text(ML2_CONF)
    try:
        configparser.ConfigParser(interpolation=None, strict=False).read_string(text)
    except configparser.Error as error:
        # oslo.config stops the service: podman restarts the container in vain.
        raise Refusal(f"neutron_api: oslo_config.iniparser.ParseError: {ML2_CONF}: {error}", 125) from None
    if call.host is call.rack.deployed("controller")[0]:
        call.rack.backends.cloud.restart_neutron(text, call.err)
    else:
        call.pause()
    with call.host.change() as state:
        state["neutron_restarts"] = state.get("neutron_restarts", 0) + 1


# -- pacemaker


@command("pcs", "controller")
def pcs(call: Call) -> None:
    """`cluster stop [--force]`, which refuses where the quorum would go (pcs 0.10), and `status nodes`. A controller
    joins the cluster again when it boots, as TripleO has it."""
    call.as_root()
    members = call.rack.deployed("controller")
    online = [n for n in members if n.up and "cluster" not in n.state]
    words = list(call.argv[1:])
    if words == ["status", "nodes"]:
        names = " ".join(n.state["hostname"].partition(".")[0] for n in online)
        call.out(f"Pacemaker Nodes:\n Online: {names}\n Standby:\n Maintenance:\n Offline:")
        call.out("Pacemaker Remote Nodes:\n Online:\n Standby:\n Offline:")
        return
    if words[:2] != ["cluster", "stop"] or words[2:] not in ([], ["--force"]):
        raise Refusal("Usage: pcs cluster stop [--force] | pcs status nodes")
    left = len([n for n in online if n.name != call.host.name])
    if "cluster" not in call.host.state and left <= len(members) // 2 and not words[2:]:
        raise Refusal("Error: Stopping the node will cause a loss of the quorum, use --force to override")
    call.out("Stopping Cluster (pacemaker)...\nStopping Cluster (corosync)...")
    with call.host.change() as state:
        state["cluster"] = "stopped"


# -- namespaces


@command("ip", "controller", "compute", "undercloud")
def ip(call: Call) -> None:
    """`netns list` and `netns exec`; anything else is the real ip."""
    words = list(call.argv[1:])
    if words[:1] not in (["netns"], ["net"]):
        raise Become(["/usr/sbin/ip", *words])
    rest = words[1:] or ["list"]
    names = namespaces(call) if call.host.kind == "controller" else []
    if rest[0] in ("list", "ls", "show"):
        for number, name in enumerate(names):
            call.out(f"{name} (id: {number})")
        return
    if rest[0] != "exec" or len(rest) < 3:
        raise Refusal(f'Command "{rest[0]}" is unknown, try "ip netns help".', 255)
    call.as_root()
    if rest[1] not in names:
        raise Refusal(f'Cannot open network namespace "{rest[1]}": No such file or directory', 1)
    raise Become(rest[2:], {NAMESPACE: rest[1]})


def namespaces(call: Call) -> list[str]:
    """qdhcp of every network with DHCP, qrouter of every router."""
    cloud = call.rack.backends.cloud
    return [*(f"qdhcp-{n}" for n in cloud.dhcp_networks()), *(f"qrouter-{r}" for r in cloud.routers())]


@dataclass(frozen=True)
class Way:
    """Which guests an address leads to from here."""

    namespace: str = ""
    """qdhcp-… or qrouter-… on a controller."""
    guest: str = ""
    """ID of the guest that asks."""

    def find(self, guests: list[Guest], address: str) -> Guest | None:
        """The ACTIVE guest behind the address."""
        return next((g for g in guests if g.status == "ACTIVE" and self._reaches(g, guests, address)), None)

    def _reaches(self, guest: Guest, guests: list[Guest], address: str) -> bool:
        if self.namespace.startswith("qdhcp-"):
            return address in guest.addresses.get(self.namespace.removeprefix("qdhcp-"), ())
        if self.namespace.startswith("qrouter-"):
            return guest.floating.get(address) == self.namespace.removeprefix("qrouter-")
        here = next((g for g in guests if g.id == self.guest), None)
        shared = set(guest.addresses) & set(here.addresses) if here else set()
        return any(address in guest.addresses[network] for network in shared)


def way(call: Call) -> Way:
    if call.host.kind == "guest":
        return Way(guest=call.host.name)
    return Way(namespace=call.env.get(NAMESPACE, ""))


# -- ssh to guests

SSH_FLAGS = "46AaCfGgKkMNnqsTtVvXxYy"
SSH_VALUES = "BbcDEeFIiJLlmOopQRSWw"


@command("ssh", "controller", "guest")
def ssh(call: Call) -> None:
    """The real ssh. From a namespace or a guest, its connection "
    "goes to the guest's own real sshd through the keeper."""
    if call.host.kind == "controller" and NAMESPACE not in call.env:
        raise Become(["/usr/bin/ssh", *call.argv[1:]])
    user = _login(list(call.argv[1:]))
    proxy = "/usr/local/bin/lab-connect %h"
    # The first value of an option wins: everybody logs in as root, and sshd learns who was meant.
    options = ["-o", f"ProxyCommand={proxy}", "-o", "User=root", "-o", f"SetEnv=LAB_USER={user}"]
    raise Become(["/usr/bin/ssh", *options, *call.argv[1:]])


def _login(words: list[str]) -> str:
    """The user of an ssh command line: -l, or before the @; root, who runs ssh here, where it names none."""
    user = ""
    while words:
        word = words.pop(0)
        if word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters and letters[0] in SSH_FLAGS:
                letters = letters[1:]
            if letters and letters[0] in SSH_VALUES:
                value = letters[1:] or (words.pop(0) if words else "")
                user = value if letters[0] == "l" and not user else user
                match = re.fullmatch(r"User[= ](\S+)", value) if letters[0] == "o" else None
                user = match[1] if match and not user else user
            continue
        return user or (word.rpartition("@")[0] if "@" in word else "root")
    return user or "root"


@command("lab-connect", "controller", "guest")
def connect(call: Call) -> int:
    """ssh's ProxyCommand: joins its streams to an sshd of the guest at the address."""
    address = call.argv[1]
    guest = way(call).find(call.rack.guests(), address)
    if guest is None:
        raise Refusal(f"ssh: connect to host {address} port 22: No route to host", 255)
    machine = call.rack.guest(guest)
    return machine.serve_one(call.streams[0], call.streams[1]).wait()


# -- ping


@command("ping", "controller", "guest")
def ping(call: Call) -> int:
    """From a namespace or a guest: answers where an ACTIVE guest has the address. Elsewhere the real ping's job."""
    options = Parser(call, "ping")
    options.add_argument("-c", type=int, dest="count", default=4)
    options.add_argument("-W", type=float)
    options.add_argument("-w", type=float)
    options.add_argument("-i", type=float)
    options.add_argument("-I")
    options.add_argument("-s", type=int, default=56)
    options.add_argument("-q", action="store_true")
    options.add_argument("-n", action="store_true")
    options.add_argument("address")
    given = options.parse()
    if call.host.kind == "controller" and NAMESPACE not in call.env:
        raise Refusal(f"ping: {given.address}: only namespaces and guests are emulated; loopback hosts need no ping", 2)
    reached = _answers(call, given.address)
    call.out(f"PING {given.address} ({given.address}) {given.s}({given.s + 28}) bytes of data.")
    for number in range(1, given.count + 1):
        if reached and not given.q:
            call.out(f"{given.s + 8} bytes from {given.address}: icmp_seq={number} ttl=64 time=0.06{number % 10} ms")
    received = given.count if reached else 0
    loss = 0 if reached else 100
    call.out(f"\n--- {given.address} ping statistics ---")
    call.out(
        f"{given.count} packets transmitted, {received} received, "
        f"{loss}% packet loss, time {given.count * 1000 - 943}ms"
    )
    if reached:
        call.out("rtt min/avg/max/mdev = 0.060/0.064/0.069/0.003 ms")
    return 0 if reached else 1


def _answers(call: Call, address: str) -> bool:
    """A guest's address, or for a guest with a floating address the world outside (X4)."""
    guests = call.rack.guests()
    if way(call).find(guests, address):
        return True
    here = next((g for g in guests if g.id == call.host.name), None)
    return bool(here and here.floating and _outside(call, address))


def _outside(call: Call, address: str) -> bool:
    """Whether only the router leads there: not on the tenant's network."""
    try:
        return IPv4Address(address) not in call.rack.plan.site.tenant.network.cidr
    except ValueError:  # a name of the Internet
        return True
