"""A compute's hardware: PCI devices and bridges (B2, B3), the HCA's firmware (H1 to H3, B1)."""

import argparse
import re
from collections.abc import Mapping
from typing import Any

from lab.hosts.call import Become, Call, Parser, Refusal, command
from lab.hosts.rack import FIRMWARE_RELEASE, gpu_address

CURRENT_VALUES = {
    "LINK_TYPE_P1": {1: "IB(1)", 2: "ETH(2)"},
    "SRIOV_EN": {0: "False(0)", 1: "True(1)"},
    "ATS_ENABLED": {0: "False(0)", 1: "True(1)"},
    "ADVANCED_PCI_SETTINGS": {0: "False(0)", 1: "True(1)"},
}
"""How mstconfig prints named values."""

HIDDEN = "MAX_ACC_OUT_READ"
"""Shown and settable only where ADVANCED_PCI_SETTINGS has been applied (the guide's two reboots, B1)."""

RANGES = {"NUM_OF_VFS": (0, 127), "MAX_ACC_OUT_READ": (0, 127)}


# -- firmware


@command("mlxconfig", "compute", "controller")
@command("mstconfig", "compute", "controller")
def mstconfig(call: Call) -> None:
    """`-d DEVICE query [PARAMETER...]` and `set KEY=VALUE...`; new values wait for a reboot (H3)."""
    options = Parser(call, call.argv[0])
    options.add_argument("-d", "--dev", required=True)
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("-e", "--enable_verbosity", action="store_true")
    options.add_argument("verb", choices=["query", "q", "set", "s", "reset", "r"])
    options.add_argument("parameters", nargs="*")
    given = options.parse()
    call.as_root()
    _device(call, given.dev)
    if given.verb in ("query", "q"):
        _query(call, given)
    elif given.verb in ("set", "s"):
        _set(call, given)
    else:
        _confirm(call, given, "Reset configuration for device")
        with call.host.change() as state:
            state["firmware_next"] = {k: v for k, v in _delivered(call).items() if k != "LINK_TYPE_P1"}
        call.out("Applying... Done!\n-I- Please reboot machine to load new configurations.")


def _delivered(call: Call) -> dict[str, int]:
    return {
        "SRIOV_EN": 1, "NUM_OF_VFS": call.rack.plan.site.compute.vfs, "ATS_ENABLED": 0,
        "ADVANCED_PCI_SETTINGS": 0, HIDDEN: 0,
    }  # fmt: skip


def _device(call: Call, name: str) -> None:
    hca = call.rack.plan.site.compute.hca
    second = hca.rpartition(".")[0] + ".1"
    if name.removeprefix("0000:") not in (hca, second, "/dev/mst/mt4123_pciconf0", "mlx5_0"):
        raise Refusal(f"-E- Failed to open the device {name}: No such file or directory", 3)


def settings(call: Call, following: bool = False) -> dict[str, int]:
    """Parameter → value: what runs, or what the next boot brings."""
    current = call.rack.firmware(call.host)
    values = {**current, **call.host.state.get("firmware_next", {})} if following else current
    if not current["ADVANCED_PCI_SETTINGS"]:
        values = {k: v for k, v in values.items() if k != HIDDEN}
    return values


def _text(name: str, value: int) -> str:
    return CURRENT_VALUES.get(name, {}).get(value, str(value))


def _query(call: Call, given: argparse.Namespace) -> None:
    current, following = settings(call), settings(call, following=True)
    for name in given.parameters:
        if name not in current:
            raise Refusal(f"-E- The Device doesn't support {name} parameter", 3)
    call.out(
        f"\nDevice #1:\n----------\n\nDevice type:    ConnectX6\n"
        f"Name:           MCX653106A-HDA_Ax\nDevice:         {given.dev}\n"
    )
    heads = ["Default", "Current", "Next Boot"] if given.enable_verbosity else ["Next Boot"]
    call.out(f"{'Configurations:':<44}" + "".join(f"{h:<16}" for h in heads).rstrip())
    delivered = {**current, **_delivered(call)}
    for name in given.parameters or sorted(current, key=list(current).index):
        values = [delivered[name], current[name], following[name]] if given.enable_verbosity else [following[name]]
        mark = "*" if len(set(values)) > 1 else ""
        call.out(f"{mark:<9}{name:<35} " + "".join(f"{_text(name, v):<16}" for v in values).rstrip())
    if given.enable_verbosity and any(delivered[n] != current[n] or current[n] != following[n] for n in current):
        call.out("The '*' shows parameters with next value different from default/current value.")


def _set(call: Call, given: argparse.Namespace) -> None:
    if not given.parameters:
        raise Refusal("-E- No configurations to set were given", 1)
    current = settings(call)
    wanted: dict[str, int] = {}
    for assignment in given.parameters:
        name, _, text = assignment.partition("=")
        if name not in current:
            raise Refusal(f"-E- The Device doesn't support {name} parameter", 3)
        wanted[name] = _value(name, text)
    call.out(f"\nDevice #1:\n----------\n\nDevice type:    ConnectX6\nDevice:         {given.dev}\n")
    following = settings(call, following=True)
    call.out(f"{'Configurations:':<44}{'Next Boot':<16}New")
    for name, value in wanted.items():
        call.out(f"         {name:<35} {_text(name, following[name]):<16}{_text(name, value)}")
    _confirm(call, given, "\n Apply new Configuration?")
    with call.host.change() as state:
        state.setdefault("firmware_next", {}).update(wanted)
    call.out("Applying... Done!\n-I- Please reboot machine to load new configurations.")


def _value(name: str, text: str) -> int:
    words = {"true": 1, "false": 0, "ib": 1, "eth": 2} if name in CURRENT_VALUES else {}
    try:
        value = words[text.lower()] if text.lower() in words else int(text, 0)
    except ValueError:
        raise Refusal(f"-E- Failed to parse {name}={text}: illegal value", 1) from None
    low, high = RANGES.get(name, (min(CURRENT_VALUES.get(name, {0: ""})), max(CURRENT_VALUES.get(name, {0: ""}))))
    if not low <= value <= high:
        raise Refusal(f"-E- Failed to set {name}={text}: the value must be from {low} to {high}", 1)
    return value


def _confirm(call: Call, given: argparse.Namespace, question: str) -> None:
    if given.yes:
        return
    call.out(f"{question} (y/n) [n] : ", end="")
    if call.read().strip().lower()[:1] != "y":
        raise Refusal("\n Aborted by user.\n", 1)


@command("mstflint", "compute", "controller")
def mstflint(call: Call) -> None:
    """`-d DEVICE query`: the firmware's version (H1)."""
    options = Parser(call, "mstflint")
    options.add_argument("-d", "--device", required=True)
    options.add_argument("verb", choices=["query", "q"])
    options.add_argument("mode", nargs="?", choices=["full"])
    given = options.parse()
    _device(call, given.device)
    guid = call.rack.ports(call.host)[0].guid
    call.out(
        f"Image type:            FS4\nFW Version:            {FIRMWARE_RELEASE}\n"
        f"FW Release Date:       1.12.2021\nProduct Version:       {FIRMWARE_RELEASE}"
    )
    call.out(
        f"Description:           UID                GuidsNumber\n"
        f"Base GUID:             {guid}        8\nPSID:                  MT_0000000223"
    )


# -- PCI

BRIDGES = ("c0:01.0", "c1:00.0", "c2:04.0", "c2:08.0", "00:01.1", "40:01.1", "80:01.1")
"""Root ports and the PCIe switch above HCA and first GPU: c0:01.0 > c1:00.0 > c2:04.0 (HCA), c2:08.0 (GPU) (B3)."""

ACS_FLAGS = ("SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd", "EgressCtrl", "DirectTrans")
DELIVERED_ACS = 0x1D
"""What BIOS sets with ACS enabled (H4): all that IOMMU groups need, DirectTrans off."""


def devices(call: Call) -> dict[str, tuple[str, str, int]]:
    """BDF → (text, vendor:device, NUMA node), of a compute."""
    compute, firmware = call.rack.plan.site.compute, call.rack.firmware(call.host)
    hca = compute.hca
    found = {
        b: ("PCI bridge: Broadcom / LSI PEX880xx PCIe Gen 4 Switch", "1000:c010", 1 if b[0] == "c" else 0)
        for b in BRIDGES
    }
    stem = hca.rpartition(".")[0]
    for function in (0, 1):
        text = "Infiniband controller: Mellanox Technologies MT28908 Family [ConnectX-6]"
        found[f"{stem}.{function}"] = (text, "15b3:101b", 1)
    for index in range(firmware["NUM_OF_VFS"] if firmware["SRIOV_EN"] else 0):
        number = index + 2
        vf = f"{stem[:-2]}{number // 8:02x}.{number % 8}"
        found[vf] = (
            "Infiniband controller: Mellanox Technologies MT28908 Family [ConnectX-6 Virtual Function]",
            "15b3:101c",
            1,
        )
    for index in range(8):
        ids = f"{compute.gpu.vendor_id}:{compute.gpu.product_id}"
        found[gpu_address(index).removeprefix("0000:")] = (
            "3D controller: NVIDIA Corporation GA100 [A100 PCIe 40GB]",
            ids,
            1 if index < 2 else 0,
        )
    return dict(sorted(found.items()))


@command("lspci", "compute")
def lspci(call: Call) -> None:
    """`-D`, `-PP`, `-n`, `-nn`, `-d VENDOR:DEVICE[:CLASS]`, `-s BDF`, `-v...`, `-tv`."""
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
    for bdf, (text, ids, numa) in _selected(call, given.slot, given.ids).items():
        name = "/".join([*_above(call, bdf), bdf]) if given.path else bdf
        name = f"0000:{name}" if given.domain else name
        label = f"{text} [{ids}]" if given.numbers == 2 else ids if given.numbers else text
        call.out(f"{name} {label}")
        if given.verbose:
            call.out(_details(call, bdf, numa, given.verbose))


def _above(call: Call, bdf: str) -> list[str]:
    """The bridges from the root port down to the device; -P shows their full addresses, as -PP does."""
    hca = call.rack.plan.site.compute.hca.partition(":")[0]
    last = {hca: "c2:04.0", "cc": "c2:08.0"}.get(bdf.partition(":")[0])
    return ["c0:01.0", "c1:00.0", last] if last else []


def _selected(call: Call, slot: str | None, ids: str | None) -> dict[str, tuple[str, str, int]]:
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
            if vendor in ("", "*", d[1].partition(":")[0]) and device in ("", "*", d[1].partition(":")[2])
        }
    return found


def _details(call: Call, bdf: str, numa: int, verbose: int) -> str:
    lines = [f"\tNUMA node: {numa}", "\tFlags: bus master, fast devsel, latency 0"]
    if _has_acs(call, bdf) and verbose >= 2:
        value = acs(call, bdf)
        lines.append("\tCapabilities: [148 v1] Access Control Services")
        for label, bits in (("ACSCap", 0x7F), ("ACSCtl", value)):
            flags = " ".join(f"{f}{'+' if bits >> i & 1 else '-'}" for i, f in enumerate(ACS_FLAGS))
            lines.append(f"\t\t{label}: {flags}")
    if bdf == call.rack.plan.site.compute.hca and verbose >= 2:
        ats = "+" if call.rack.firmware(call.host)["ATS_ENABLED"] else "-"
        if ats == "+":
            lines.append(
                f"\tCapabilities: [480 v1] Address Translation Service (ATS)\n"
                f"\t\tATSCtl: Enable{ats}, Smallest Translation Unit: 00"
            )
        lines.append("\t\tDevCtl: MaxPayload 512 bytes, MaxReadReq 512 bytes")
    return "\n".join([*lines, ""])


def _has_acs(call: Call, bdf: str) -> bool:
    """Bridges, where the BIOS has it enabled (H4)."""
    return bdf in BRIDGES and bool(call.rack.bios(call.host)["acs"])


def acs(call: Call, bdf: str) -> int:
    """ACSCtl of a bridge."""
    value: int = call.host.state.get("acs", {}).get(bdf, DELIVERED_ACS)
    return value


def _tree(call: Call) -> str:
    """HCA and first GPU under one bridge, as the guide asks (B3)."""
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


@command("setpci", "compute")
def setpci(call: Call) -> int:
    """`-v -s BDF ECAP_ACS+0x6.w[=VALUE]`: the bridges' ACS control, lost at a reboot (B2)."""
    options = Parser(call, "setpci")
    options.add_argument("-v", action="store_true", dest="verbose")
    options.add_argument("-f", action="store_true")
    options.add_argument("-s", dest="slot", required=True)
    options.add_argument("operation")
    given = options.parse()
    call.as_root()
    match = re.fullmatch(r"ECAP_ACS\+(?:0x)?0*6\.[wW](?:=(?:0x)?([0-9a-fA-F]{1,4}))?", given.operation)
    if not match:
        raise Refusal(f"setpci: Unable to parse {given.operation!r}: only ECAP_ACS+0x6.w is known here")
    found = _selected(call, given.slot, None)
    if not found:
        return 0
    bdf = next(iter(found))
    if not _has_acs(call, bdf):
        raise Refusal(
            f"setpci: {bdf}: Instance #0 of PCI Extended Capability "
            f"000d not found - there are no capabilities with that id."
        )
    value = acs(call, bdf) if match[1] is None else int(match[1], 16)
    if match[1] is None:
        call.out(f"{value:04x}")
        return 0
    if given.verbose:
        call.out(f"0000:{bdf} (ecap 000d @148) @14e = {value:04x}")
    with call.host.change() as state:
        state.setdefault("acs", {})[bdf] = value & 0x7F
    return 0


def direct_translation(state: Mapping[str, Any]) -> bool:
    """Whether ACS Direct Translated P2P is on, on every bridge between HCA and GPU (B2)."""
    values = state.get("acs", {})
    return all(values.get(b, DELIVERED_ACS) & 0x40 for b in ("c1:00.0", "c2:04.0", "c2:08.0"))


@command("pgrep", "compute")
def pgrep(call: Call) -> None:
    """The guests' qemu-kvm, one a VM of this compute, is hypervisor's work and emulated; all else is the real pgrep."""
    words = [w for w in call.argv[1:] if not w.startswith("-")]
    if words != ["qemu-kvm"]:
        raise Become(["/usr/bin/pgrep", *call.argv[1:]])
    hostname = call.host.state.get("hostname", "")
    guests = [g for g in call.rack.guests() if g.host == hostname and g.status == "ACTIVE"]
    if not guests:
        raise Refusal("", 1)
    call.out("\n".join(str(4000 + number) for number in range(len(guests))))
