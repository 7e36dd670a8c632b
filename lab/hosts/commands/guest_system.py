"""A guest's system: addresses, cloud-init, kernel modules (T7, B4)."""

from lab.hosts.backends.interfaces import Guest
from lab.hosts.call import Call
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.outcomes import Become, Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command


def elements(call: Call[GuestHost]) -> list[str]:
    """Return the elements that the guest's image was built from."""
    return call.rack.image_elements(call.host.state.image)


def need(call: Call[GuestHost], element: str) -> None:
    """Check that the guest's image was built with an element, which contains the called command.

    Raises:
        Refusal: it was not.
    """
    if element not in elements(call):
        raise Refusal(f"bash: {call.argv[0]}: command not found", 127)


def this_guest(call: Call[GuestHost]) -> Guest:
    """Return the calling guest as the cloud has it.

    Raises:
        Refusal: it was deleted.
    """
    found = next((g for g in call.rack.guests() if g.id == call.host.name), None)
    if found is None:
        raise Refusal(f"{call.argv[0]}: this guest has been deleted", 1)
    return found


@command("hostname", GuestHost)
def hostname(call: Call[GuestHost]) -> None:
    """Print the guest's addresses for -I; everything else is the real hostname."""
    if list(call.argv[1:]) not in (["-I"], ["--all-ip-addresses"]):
        raise Become(["/bin/hostname", *call.argv[1:]])
    call.out(" ".join(a for fixed in this_guest(call).addresses.values() for a in fixed))


@command("ip", GuestHost)
def ip(call: Call[GuestHost]) -> None:
    """Run `address show`: print the addresses that neutron's DHCP gave to ib0."""
    words = [w for w in call.argv[1:] if not w.startswith("-")]
    if not words or not "address".startswith(words[0]):
        raise Refusal(f'Object "{words[0] if words else ""}" is unknown here, only address.', 1)
    call.out("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    inet 127.0.0.1/8 scope host lo")
    call.out("2: ib0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 2044 state UP")
    prefix = call.rack.plan.site.tenant.network.cidr.prefixlen
    for address in (a for fixed in this_guest(call).addresses.values() for a in fixed):
        call.out(f"    inet {address}/{prefix} scope global dynamic ib0")


@command("cloud-init", GuestHost)
def cloud_init(call: Call[GuestHost]) -> None:
    """Run `status`: cloud-init ends before a guest can be entered."""
    if call.argv[1:2] != ["status"]:
        raise Refusal("usage: cloud-init status [--wait]", 2)
    call.out("status: done")


@command("modprobe", GuestHost)
def modprobe(call: Call[GuestHost]) -> None:
    """Load or remove (-r) nvidia-peermem, which needs the GPU driver and MLNX_OFED in the image (B4)."""
    options = Parser(call, "modprobe")
    options.add_argument("-r", "--remove", action="store_true")
    options.add_argument("module")
    given = options.parse()
    call.as_root()
    module = given.module.replace("-", "_")
    if module != "nvidia_peermem" or not {"cuda", "mofed"} <= {*elements(call)}:
        raise Refusal(
            f"modprobe: FATAL: Module {given.module} not found in directory /lib/modules/4.18.0-365.el8.x86_64"
        )
    with call.host.change():
        modules = {*call.host.state.modules} - {module}
        call.host.state.modules = sorted(modules if given.remove else modules | {module})


@command("lsmod", GuestHost)
def lsmod(call: Call[GuestHost]) -> None:
    """List the kernel modules of GPU and InfiniBand (B4)."""
    peermem = "nvidia_peermem" in call.host.state.modules
    call.out("Module                  Size  Used by")
    if peermem:
        call.out("nvidia_peermem         16384  0")
    if "cuda" in elements(call):
        users = "nvidia_uvm,nvidia_peermem,nvidia_modeset" if peermem else "nvidia_uvm,nvidia_modeset"
        call.out(f"nvidia              39047168  {users.count(',') + 1} {users}")
    users = "rdma_cm,ib_ipoib,nvidia_peermem,iw_cm,ib_umad,rdma_ucm,ib_uverbs,mlx5_ib,ib_cm"
    call.out(
        f"ib_core               438272  {9 if peermem else 8} "
        f"{users if peermem else users.replace('nvidia_peermem,', '')}"
    )
