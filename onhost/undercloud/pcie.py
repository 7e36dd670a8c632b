"""PCIe bridges above the adapter and the GPUs, and ACS on them (B2, B3)."""

import re
from typing import Dict, List, NamedTuple

BRIDGES = """\
lspci -PP -s {device}
echo --
lspci -PP -d {gpu}
echo --
lspci -vvv
"""
"""Prints the adapter's path, the GPUs' paths, and every device in detail."""

ACS = "setpci -v -s {device} ECAP_ACS+0x6.w=0x5D"
"""The guide's value, for every device that has the capability (B2): source validation, request and completion redirect,
upstream forwarding, direct translated P2P."""


class Bridges(NamedTuple):
    """What `BRIDGES` prints, parsed."""

    details: Dict[str, str]
    """Device to its text in `lspci -vvv`."""
    above: List[str]
    """The bridges directly above the adapter and above the GPUs that share a bridge with it."""
    beside: bool
    """Whether a GPU shares a bridge with the adapter (B3)."""

    def control(self, register: str, bridge: str) -> str:
        """Return the flags of a register of a bridge: `ACSCap` or `ACSCtl`; nothing where it has none."""
        details = self.details.get(bridge) or self.details.get(f"0000:{bridge}", "")
        match = re.search(rf"{register}:(.*)", details)
        return match.group(1) if match else ""

    def acs(self) -> Dict[str, bool]:
        """Return for each bridge in `above` whether direct translated P2P is on."""
        return {bridge: "DirectTrans+" in self.control("ACSCtl", bridge) for bridge in self.above}

    def without_acs(self) -> List[str]:
        """Return the bridges in `above` that lack the capability."""
        return [bridge for bridge in self.above if "DirectTrans+" not in self.control("ACSCap", bridge)]

    def capable(self) -> List[str]:
        """Return all devices that have the capability."""
        return [device for device, details in self.details.items() if "ACSCap:" in details]


def parse_bridges(text: str) -> Bridges:
    """Parse what `BRIDGES` prints."""
    hca, gpus, listing = text.split("--\n")
    blocks = (block.partition(" ") for block in re.split(r"\n\s*\n", listing))
    details = {head.strip(): rest for head, _, rest in blocks}
    path = bus_path(hca)
    beside = [gpu for gpu in map(bus_path, gpus.splitlines()) if set(gpu) & set(path)]
    above = sorted({steps[-2] for steps in (path, *beside) if len(steps) > 1})
    return Bridges(details, above, bool(beside))


def bus_path(line: str) -> List[str]:
    """Return the devices from the root port down, without PCI domain, of a line of `lspci -PP`.

    The line starts with `c0:01.0/c2:04.0/c5:00.0 Infiniband …`.
    """
    return [step[-7:] for step in line.split(" ", 1)[0].split("/")]
