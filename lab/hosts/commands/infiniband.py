"""The InfiniBand tools of MLNX_OFED that UFM's node and the nodes have: ibstat, ofed_info."""

import os

from lab.hosts.call import Call
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.node import Node
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

OFED = "MLNX_OFED_LINUX-5.6-2.0.9.0:"
"""The oldest release that the bandwidth test accepts (G2)."""


@command("ibstat", UfmHost, Node)
def ibstat(call: Call[Host]) -> None:
    """Print the state of the adapter's port in the fabric (U2)."""
    parser = Parser(call, "ibstat")
    parser.add_argument("-l", "--list_of_cas", action="store_true")
    parser.add_argument("-s", "--short", action="store_true")
    parser.add_argument("-p", "--port_list", action="store_true")
    parser.add_argument("ca", nargs="?")
    parser.add_argument("port", nargs="?")
    options = parser.parse()
    if options.ca not in (None, "mlx5_0"):
        raise Refusal(
            f"ibpanic: [{os.getpid()}] main: '{options.ca}' IB device can't be found: (No such file or directory)"
        )
    text = call.rack.backends.fabric.ibstat(call.host.name)
    if options.list_of_cas:
        call.out("mlx5_0")
    elif options.port_list:
        call.out(next(line.split(":")[1].strip() for line in text.splitlines() if "Port GUID" in line))
    else:
        call.out(text.rstrip("\n"))


@command("ofed_info", UfmHost)
def ofed_info(call: Call[UfmHost]) -> None:
    """`-s`: the release of MLNX_OFED, if it is installed (U1)."""
    _ofed_info(call, call.host.state.ofed, f"MLNX_OFED_LINUX-{call.host.state.ofed_release}:")


@command("ofed_info", GuestHost)
def guest_ofed_info(call: Call[GuestHost]) -> None:
    """`-s`: the release of MLNX_OFED, if the image was built with the element mofed (G2)."""
    _ofed_info(call, "mofed" in call.rack.image_elements(call.host.state.image), OFED)


def _ofed_info(call: Call[Host], installed: bool, release: str) -> None:
    if list(call.argv[1:]) != ["-s"]:
        raise Refusal("Usage: ofed_info -s", 1)
    if not installed:
        raise Refusal("bash: ofed_info: command not found", 127)
    call.out(release)
