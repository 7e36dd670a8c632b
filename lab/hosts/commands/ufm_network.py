"""UFM's node: addresses and link state of its network interfaces (U3)."""

from ipaddress import IPv4Interface

from lab.hosts.call import Call
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.registry import command
from lab.hosts.state import Interface


@command("ip", UfmHost)
def ip(call: Call[UfmHost]) -> None:
    """Run `ip address` or `ip link` on the interfaces, which are state (U3)."""
    options = [a for a in call.argv[1:] if a in ("-4", "-br", "-brief", "-o", "-oneline")]
    rest = [a for a in call.argv[1:] if a not in options]
    objects = {"address": _address, "addr": _address, "a": _address, "link": _link, "l": _link}
    if not rest or rest[0] not in objects:
        raise Refusal(
            f'Object "{rest[0]}" is unknown, try "ip help".'
            if rest
            else "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }",
            255 if not rest else 1,
        )
    line = "link line" if objects[rest[0]] is _link else "address line"
    brief = {"-br", "-brief"} & {*options}
    form = "brief" if brief else line if {"-o", "-oneline"} & {*options} else "full"
    objects[rest[0]](call, rest[1:] or ["show"], form)


def _device(call: Call[UfmHost], words: list[str]) -> str:
    name = words[words.index("dev") + 1] if "dev" in words[:-1] else words[-1] if words else ""
    if name not in call.host.state.interfaces:
        raise Refusal(f'Cannot find device "{name}"' if "dev" in words else f'Device "{name}" does not exist.')
    return name


def _address(call: Call[UfmHost], words: list[str], form: str) -> None:
    verb, rest = words[0], words[1:]
    if verb in ("show", "list", "s"):
        _show(call, rest, form)
        return
    if verb not in ("add", "replace", "del", "delete") or not rest or "dev" not in rest:
        raise Refusal(f'Command "{verb}" is unknown, try "ip address help".', 255)
    call.as_root()
    name = _device(call, rest)
    try:
        address = str(IPv4Interface(rest[0]))
    except ValueError:
        raise Refusal(f'Error: any valid prefix is expected rather than "{rest[0]}".') from None
    addresses = call.host.state.interfaces[name].addresses
    with call.host.change():
        if verb == "add" and address in addresses:
            raise Refusal("RTNETLINK answers: File exists", 2)
        if verb in ("del", "delete"):
            if address not in addresses:
                raise Refusal("RTNETLINK answers: Cannot assign requested address", 2)
            addresses.remove(address)
        elif address not in addresses:
            addresses.append(address)


def _show(call: Call[UfmHost], rest: list[str], form: str) -> None:
    interfaces = call.host.state.interfaces
    only = _device(call, rest) if rest else None
    for number, (name, link) in enumerate(interfaces.items(), start=1):
        if only in (None, name):
            FORMS[form](call, number, name, link)


def _brief(call: Call[UfmHost], _number: int, name: str, link: Interface) -> None:
    call.out(f"{name:<16} {_state(link):<14} {' '.join(link.addresses)}")


def _full(call: Call[UfmHost], number: int, name: str, link: Interface) -> None:
    call.out(f"{number}: {name}: {_properties(link)}\n    {_hardware(call, name, link)}")
    for address in link.addresses:
        call.out(f"    inet {address} scope global {name}\n       valid_lft forever preferred_lft forever")


def _address_lines(call: Call[UfmHost], number: int, name: str, link: Interface) -> None:
    """Print `ip -o address`: one line per address, with a backslash in place of the line break."""
    for address in link.addresses:
        inet = f"inet {address} scope global {name}"
        call.out(f"{number}: {name}    {inet}\\       valid_lft forever preferred_lft forever")


def _link_line(call: Call[UfmHost], number: int, name: str, link: Interface) -> None:
    call.out(f"{number}: {name}: {_properties(link)}\\    {_hardware(call, name, link)}")


FORMS = {"brief": _brief, "full": _full, "address line": _address_lines, "link line": _link_line}


def _state(link: Interface) -> str:
    return "UP" if link.up else "DOWN"


def _properties(link: Interface) -> str:
    flags = "BROADCAST,MULTICAST" + (",UP,LOWER_UP" if link.up else "")
    mtu = 2044 if link.infiniband else 1500
    return f"<{flags}> mtu {mtu} qdisc mq state {_state(link)} mode DEFAULT group default qlen 1000"


def _hardware(call: Call[UfmHost], name: str, link: Interface) -> str:
    """Return the hardware address; IPoIB's is the number of the queue pair, the subnet prefix and the port GUID."""
    host = call.rack.plan.site.ufm.host
    if not link.infiniband or host is None:
        return f"link/ether 52:54:00:00:00:{sum(name.encode()) % 256:02x} brd ff:ff:ff:ff:ff:ff"
    guid = ":".join(host.guid[i : i + 2] for i in range(0, 16, 2))
    broadcast = "00:ff:ff:ff:ff:12:40:1b:ff:ff:00:00:00:00:00:00:ff:ff:ff:ff"
    return f"link/infiniband 00:00:10:29:fe:80:00:00:00:00:00:00:{guid} brd {broadcast}"


def _link(call: Call[UfmHost], words: list[str], form: str) -> None:
    if words[0] in ("show", "list"):
        _show(call, words[1:], form)
        return
    if words[0] != "set" or words[-1] not in ("up", "down"):
        raise Refusal(f'Command "{words[0]}" is unknown, try "ip link help".', 255)
    call.as_root()
    name = _device(call, words[1:-1])
    with call.host.change():
        call.host.state.interfaces[name].up = words[-1] == "up"
