"""The way to guests: neutron's namespaces on controllers, ssh and ping from there and between guests (T7, X4)."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.hosts.backends.interfaces import Guest
from lab.hosts.call import Call
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.controller import Controller
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Become, Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

NAMESPACE = "LAB_NETNS"
"""Environment variable that `ip netns exec` sets for its command: ssh and ping read the namespace from it."""


@command("ip", Controller)
def ip(call: Call[Controller]) -> None:
    """Run `netns list` or `netns exec`; anything else is the real ip."""
    cloud = call.rack.backends.cloud
    rest = _netns_words(call)
    _netns(call, rest, [*(f"qdhcp-{n}" for n in cloud.dhcp_networks()), *(f"qrouter-{r}" for r in cloud.routers())])


@command("ip", Compute, Undercloud)
def ip_without_namespaces(call: Call[Host]) -> None:
    """Run `netns list`, which finds none; anything else is the real ip."""
    _netns(call, _netns_words(call), [])


def _netns_words(call: Call[Host]) -> list[str]:
    """Return the words after `ip netns`; run the real ip for any other object."""
    words = list(call.argv[1:])
    if words[:1] not in (["netns"], ["net"]):
        raise Become(["/usr/sbin/ip", *words])
    return words[1:] or ["list"]


def _netns(call: Call[Host], rest: list[str], names: list[str]) -> None:
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


@dataclass(frozen=True)
class Route:
    """Where a call reaches guests from."""

    namespace: str
    """qdhcp-… or qrouter-… on a controller; empty on a guest."""
    guest: str
    """ID of the calling guest."""

    def find(self, guests: list[Guest], address: str) -> Guest | None:
        """Return the ACTIVE guest that has the address and can be reached from here; None if there is none."""
        return next((g for g in guests if g.status == "ACTIVE" and self._reaches(g, guests, address)), None)

    def _reaches(self, guest: Guest, guests: list[Guest], address: str) -> bool:
        if self.namespace.startswith("qdhcp-"):
            return address in guest.addresses.get(self.namespace.removeprefix("qdhcp-"), ())
        if self.namespace.startswith("qrouter-"):
            return guest.floating.get(address) == self.namespace.removeprefix("qrouter-")
        here = next((g for g in guests if g.id == self.guest), None)
        shared = set(guest.addresses) & set(here.addresses) if here else set()
        return any(address in guest.addresses[network] for network in shared)


def route(call: Call[Host]) -> Route:
    """Return where the call reaches guests from."""
    return Route(call.env.get(NAMESPACE, ""), call.host.name)


@command("ssh", Controller)
def ssh(call: Call[Controller]) -> None:
    """Run the real ssh; from a namespace, connect to a guest."""
    if NAMESPACE not in call.env:
        raise Become(["/usr/bin/ssh", *call.argv[1:]])
    ssh_to_guest(call)


@command("ssh", GuestHost)
def ssh_to_guest(call: Call[Host]) -> None:
    """Run the real ssh, whose connection the keeper passes to the real sshd of a guest."""
    raise Become(["/usr/bin/ssh", "-o", "ProxyCommand=/usr/local/bin/lab-connect %h", *call.argv[1:]])


@command("lab-connect", Controller, GuestHost)
def connect(call: Call[Host]) -> int:
    """Serve as ssh's ProxyCommand: connect its streams to an sshd of the guest at the address."""
    address = call.argv[1]
    guest = route(call).find(call.rack.guests(), address)
    if guest is None:
        raise Refusal(f"ssh: connect to host {address} port 22: No route to host", 255)
    machine = call.rack.guest_host(guest)
    return machine.serve_one(call.streams[0], call.streams[1]).wait()


@command("ping", Controller)
def ping(call: Call[Controller]) -> int:
    """Ping a guest from a namespace."""
    if NAMESPACE not in call.env:
        address = call.argv[-1]
        raise Refusal(f"ping: {address}: the lab has ping in namespaces and guests only; its hosts are on loopback", 2)
    return ping_guest(call)


@command("ping", GuestHost)
def ping_guest(call: Call[Host]) -> int:
    """Ping an address: an ACTIVE guest answers, and the Internet if the calling guest has a floating address."""
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


def _answers(call: Call[Host], address: str) -> bool:
    """Return whether a guest has the address, or the calling guest reaches it through its floating address (X4)."""
    guests = call.rack.guests()
    if route(call).find(guests, address):
        return True
    here = next((g for g in guests if g.id == call.host.name), None)
    return bool(here and here.floating and _outside(call, address))


def _outside(call: Call[Host], address: str) -> bool:
    """Return whether the address is outside of the tenant's network, so that only the router leads there."""
    try:
        return IPv4Address(address) not in call.rack.plan.site.tenant.network.cidr
    except ValueError:  # a host name
        return True
