"""PCIe bridges above the adapter and the GPUs, ACS on them, and the unit that sets it at each boot (B2, B3)."""

import re
from typing import Dict, List, NamedTuple, Optional

BRIDGES = """\
lspci -PP -s {device}
echo --
lspci -PP -d {gpu}
echo --
lspci -vvv
"""
"""Prints the adapter's path, the GPUs' paths, and every device in detail."""

RESTORE = "/bin/sh /etc/rack-pcie.sh"
"""Command on the compute that restores the settings which a boot resets."""
SCRIPT = """\
# ACS of every device that has it (B2): source validation, request and completion redirect, upstream forwarding, direct
# translated P2P. A boot resets it.
for device in $(lspci -D | cut -d ' ' -f 1); do
  if setpci -s "$device" ECAP_ACS+0x6.w >/dev/null 2>&1; then
    setpci -v -s "$device" ECAP_ACS+0x6.w=0x5D || exit
  fi
done
"""
"""The script of `RESTORE`."""
SERVICE = f"""\
[Unit]
Description=PCIe settings for GPUDirect RDMA
Before=tripleo_nova_compute.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={RESTORE}

[Install]
WantedBy=multi-user.target
"""
"""The unit that runs the script at each boot before nova-compute starts."""
UNIT = "rack-pcie"
READ_REQUEST = "setpci -v -s {device} CAP_EXP+0x8.w={code:#x}:0x7000\n"
"""Sets MaxReadReq in the device control register; the code of 128 bytes is 0, and each next one is twice as large."""


def pcie_files(device: str, read_request: Optional[int]) -> Dict[str, str]:
    """Return path to content of the unit and its script. `read_request`: MaxReadReq in bytes, if it is to be set."""
    code = (read_request or 128).bit_length() - 8
    extra = READ_REQUEST.format(device=device, code=code << 12) if read_request else ""
    return {RESTORE.split()[-1]: SCRIPT + extra, f"/etc/systemd/system/{UNIT}.service": SERVICE}


def unit(device: str, read_request: Optional[int]) -> str:
    """Return the script that installs and enables the unit. It sets no register. See `pcie_files`."""
    files = [
        f"install -D -m 0644 /dev/stdin {path} <<'END'\n{content}END\n"
        for path, content in pcie_files(device, read_request).items()
    ]
    return "".join([*files, "systemctl daemon-reload\n", f"systemctl -q enable {UNIT}\n"])


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

    def read_request(self, device: str) -> Optional[int]:
        """Return MaxReadReq of a device in bytes; None where it shows none."""
        details = self.details.get(device) or self.details.get(device[-7:], "")
        match = re.search(r"MaxReadReq (\d+) bytes", details)
        return int(match.group(1)) if match else None


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
