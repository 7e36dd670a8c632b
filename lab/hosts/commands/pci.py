"""A compute's PCI devices: lspci, setpci (B2, B3); and the VMs that run there: pgrep (B1)."""

import re
from dataclasses import dataclass

from lab.hosts.call import Call
from lab.hosts.kinds.compute import GPUS, Compute, gpu_address
from lab.hosts.outcomes import Become, Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

BRIDGES = ("c0:01.0", "c1:00.0", "c2:04.0", "c2:08.0", "00:01.1", "40:01.1", "80:01.1")
"""Root ports, and the PCIe switch above the adapter and the first GPU (B3).

The path is c0:01.0, c1:00.0, then c2:04.0 to the adapter or c2:08.0 to the GPU.
"""

ACS_FLAGS = ("SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd", "EgressCtrl", "DirectTrans")


@dataclass(frozen=True)
class Device:
    """A PCI device as lspci prints it."""

    text: str
    ids: str
    """VENDOR:DEVICE."""
    numa: int


def devices(call: Call[Compute]) -> dict[str, Device]:
    """Return the compute's devices by address: bridges, the adapter with its virtual functions, and the GPUs."""
    compute = call.rack.plan.site.compute
    bridge = "PCI bridge: Broadcom / LSI PEX880xx PCIe Gen 4 Switch"
    adapter = "Infiniband controller: Mellanox Technologies MT28908 Family [ConnectX-6]"
    function = "Infiniband controller: Mellanox Technologies MT28908 Family [ConnectX-6 Virtual Function]"
    gpu = "3D controller: NVIDIA Corporation GA100 [A100 PCIe 40GB]"
    stem = compute.hca.rpartition(".")[0]
    found = {bdf: Device(bridge, "1000:c010", 1 if bdf[0] == "c" else 0) for bdf in BRIDGES}
    found |= {f"{stem}.{number}": Device(adapter, "15b3:101b", 1) for number in (0, 1)}
    for number in range(2, call.host.state.vfs + 2):
        found[f"{stem[:-2]}{number // 8:02x}.{number % 8}"] = Device(function, "15b3:101c", 1)
    for index in range(GPUS):
        ids = f"{compute.gpu.vendor_id}:{compute.gpu.product_id}"
        found[gpu_address(index).removeprefix("0000:")] = Device(gpu, ids, 1 if index < 2 else 0)
    return dict(sorted(found.items()))


@command("lspci", Compute)
def lspci(call: Call[Compute]) -> None:
    """List PCI devices: `-D -PP -n -nn -d VENDOR:DEVICE[:CLASS] -s BDF -v -tv`."""
    options = Parser(call, "lspci")
    options.add_argument("-D", action="store_true", dest="domain")
    options.add_argument("-n", action="count", default=0, dest="numbers")
    options.add_argument("-k", action="store_true")
    options.add_argument("-P", action="count", default=0, dest="path")
    options.add_argument("-t", action="store_true", dest="tree")
    options.add_argument("-v", action="count", default=0, dest="verbose")
    options.add_argument("-s", dest="slot")
    options.add_argument("-d", dest="ids")
    given = options.parse()
    if given.tree:
        call.out(_tree(call))
        return
    for bdf, device in _selected(call, given.slot, given.ids).items():
        name = "/".join([*_above(call, bdf), bdf]) if given.path else bdf
        name = f"0000:{name}" if given.domain else name
        label = f"{device.text} [{device.ids}]" if given.numbers == 2 else device.ids if given.numbers else device.text
        call.out(f"{name} {label}")
        if given.verbose:
            call.out(_details(call, bdf, device.numa, given.verbose))


def _above(call: Call[Compute], bdf: str) -> list[str]:
    """Return the bridges from the root port down to the device. -P prints full addresses too, as -PP does."""
    hca = call.rack.plan.site.compute.hca.partition(":")[0]
    last = {hca: "c2:04.0", "cc": "c2:08.0"}.get(bdf.partition(":")[0])
    return ["c0:01.0", "c1:00.0", last] if last else []


def _selected(call: Call[Compute], slot: str | None, ids: str | None) -> dict[str, Device]:
    found = devices(call)
    if slot is not None:
        if not re.fullmatch(r"([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.?[0-7]?", slot):
            raise Refusal(f"lspci: -s: Invalid slot number: {slot}")
        wanted = slot.removeprefix("0000:").lower()
        found = {b: d for b, d in found.items() if b == wanted or ("." not in wanted and b.startswith(f"{wanted}."))}
    if ids is not None:
        vendor, _, device = ids.partition(":")
        device = device.partition(":")[0]
        found = {
            b: d
            for b, d in found.items()
            if vendor in ("", "*", d.ids.partition(":")[0]) and device in ("", "*", d.ids.partition(":")[2])
        }
    return found


def _details(call: Call[Compute], bdf: str, numa: int, verbose: int) -> str:
    lines = [f"\tNUMA node: {numa}", "\tFlags: bus master, fast devsel, latency 0"]
    if _has_acs(call, bdf) and verbose >= 2:
        value = call.host.acs_control(bdf)
        lines.append("\tCapabilities: [148 v1] Access Control Services")
        for label, bits in (("ACSCap", 0x7F), ("ACSCtl", value)):
            flags = " ".join(f"{f}{'+' if bits >> i & 1 else '-'}" for i, f in enumerate(ACS_FLAGS))
            lines.append(f"\t\t{label}: {flags}")
    if bdf == call.rack.plan.site.compute.hca and verbose >= 2:
        ats = "+" if call.host.firmware()["ATS_ENABLED"] else "-"
        if ats == "+":
            lines.append(
                f"\tCapabilities: [480 v1] Address Translation Service (ATS)\n"
                f"\t\tATSCtl: Enable{ats}, Smallest Translation Unit: 00"
            )
        lines.append(f"\t\tDevCtl: MaxPayload 512 bytes, MaxReadReq {128 << call.host.state.read_request} bytes")
    return "\n".join([*lines, ""])


def _has_acs(call: Call[Compute], bdf: str) -> bool:
    """Return whether the device has ACS: bridges, if the BIOS enables it (H4)."""
    return bdf in BRIDGES and bool(call.host.bios()["acs"])


def _tree(call: Call[Compute]) -> str:
    """Return the tree: the adapter and the first GPU are under one bridge, as the guide requires (B3)."""
    hca = call.rack.plan.site.compute.hca
    bus = hca.partition(":")[0]
    return (
        "-+-[0000:c0]-+-00.0  Advanced Micro Devices, Inc. [AMD] Starship/Matisse Root Complex\n"
        f" |           \\-01.0-[c1-cd]----00.0-[c2-cd]-+-04.0-[{bus}]--+-00.0 "
        f" Mellanox Technologies MT28908 Family [ConnectX-6]\n"
        f" |                                           |            "
        f"\\-00.1  Mellanox Technologies MT28908 Family [ConnectX-6]\n"
        " |                                           \\-08.0-[cc]----00.0  NVIDIA Corporation GA100 [A100 PCIe 40GB]\n"
        " +-[0000:80]---01.1-[81-82]--+-00.0  NVIDIA Corporation GA100 [A100 PCIe 40GB]\n"
        " +-[0000:40]---01.1-[41-42]--+-00.0  NVIDIA Corporation GA100 [A100 PCIe 40GB]\n"
        " \\-[0000:00]---01.1-[01-02]--+-00.0  NVIDIA Corporation GA100 [A100 PCIe 40GB]"
    )


OPERATION = re.compile(
    r"(?P<register>ECAP_ACS|CAP_EXP)\+(?:0x)?0*(?P<offset>[68])\.[wW]"
    r"(?:=(?:0x)?(?P<value>[0-9a-fA-F]{1,4})(?::(?:0x)?(?P<mask>[0-9a-fA-F]{1,4}))?)?"
)
OFFSETS = {"ECAP_ACS": "6", "CAP_EXP": "8"}
READ_REQUEST = 0x7000
"""Bits of MaxReadReq in the device control register."""


@command("setpci", Compute)
def setpci(call: Call[Compute]) -> int:
    """Read or write registers that a reboot resets: `-v -s BDF REGISTER[=VALUE[:MASK]]` (B1, B2).

    The registers are the bridges' ACS control, ECAP_ACS+0x6.w, and the adapter's device control, CAP_EXP+0x8.w.
    """
    options = Parser(call, "setpci")
    options.add_argument("-v", action="store_true", dest="verbose")
    options.add_argument("-f", action="store_true")
    options.add_argument("-s", dest="slot", required=True)
    options.add_argument("operation")
    given = options.parse()
    call.as_root()
    match = OPERATION.fullmatch(given.operation)
    if not match or match["offset"] != OFFSETS[match["register"]]:
        raise Refusal(f"setpci: Unable to parse {given.operation!r}: the lab has ECAP_ACS+0x6.w and CAP_EXP+0x8.w only")
    found = _selected(call, given.slot, None)
    if not found:
        return 0
    bdf = next(iter(found))
    if match["register"] == "CAP_EXP":
        _device_control(call, bdf, match)
        return 0
    if not _has_acs(call, bdf):
        raise Refusal(
            f"setpci: {bdf}: Instance #0 of PCI Extended Capability "
            f"000d not found - there are no capabilities with that id."
        )
    value = call.host.acs_control(bdf) if match["value"] is None else int(match["value"], 16)
    if match["value"] is None:
        call.out(f"{value:04x}")
        return 0
    if given.verbose:
        call.out(f"0000:{bdf} (ecap 000d @148) @14e = {value:04x}")
    with call.host.change():
        call.host.state.acs[bdf] = value & 0x7F
    return 0


def _device_control(call: Call[Compute], bdf: str, match: re.Match[str]) -> None:
    """Read the device control register, or write the adapter's MaxReadReq; the lab keeps no other bits."""
    value = call.host.state.read_request << 12 | 0x936
    if match["value"] is None:
        call.out(f"{value:04x}")
        return
    mask = int(match["mask"] or "ffff", 16)
    code = (value & ~mask | int(match["value"], 16) & mask) & READ_REQUEST
    if bdf == call.rack.plan.site.compute.hca:
        with call.host.change():
            call.host.state.read_request = code >> 12


@command("pgrep", Compute)
def pgrep(call: Call[Compute]) -> None:
    """Print a pid per running VM for `pgrep qemu-kvm`; every other pgrep is the real one."""
    words = [w for w in call.argv[1:] if not w.startswith("-")]
    if words != ["qemu-kvm"]:
        raise Become(["/usr/bin/pgrep", *call.argv[1:]])
    guests = [g for g in call.rack.guests() if g.host == call.host.state.hostname and g.status == "ACTIVE"]
    if not guests:
        raise Refusal("", 1)
    call.out("\n".join(str(4000 + number) for number in range(len(guests))))
