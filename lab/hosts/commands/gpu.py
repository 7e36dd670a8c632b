"""A guest's GPU: nvidia-smi (B4)."""

import argparse
import re
from dataclasses import replace

from lab.hosts.call import Call
from lab.hosts.commands.guest_system import need, this_guest
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command
from lab.hosts.state import GpuSettings

GPU = "00000000:05:00.0"
"""PCI address in the guest."""
GPU_NAME = "NVIDIA A100-PCIE-40GB"
MAX_CLOCK = 1410
"""MHz: the A100's highest graphics clock (B4)."""


@command("nvidia-smi", GuestHost)
def nvidia_smi(call: Call[GuestHost]) -> None:
    """Show or change the GPU's settings: `-L`, `-q -d clock`, `-pm`, `-lgc`, `-rgc`, `-mig`, `--query-gpu` (B4)."""
    need(call, "cuda")
    options = Parser(call, "nvidia-smi")
    options.add_argument("-i", "--id")
    options.add_argument("-L", "--list-gpus", action="store_true", dest="list")
    options.add_argument("-q", "--query", action="store_true")
    options.add_argument("-d", "--display")
    options.add_argument("-pm", "--persistence-mode", choices=["0", "1"], dest="persistence")
    options.add_argument("-lgc", "--lock-gpu-clocks", dest="lock")
    options.add_argument("-rgc", "--reset-gpu-clocks", action="store_true", dest="reset")
    options.add_argument("-mig", "--multi-instance-gpu", choices=["0", "1"], dest="mig")
    options.add_argument("--query-gpu", dest="fields")
    options.add_argument("--format", default="csv")
    given = options.parse()
    if this_guest(call).gpus < 1:
        raise Refusal("No devices were found", 6)
    if given.id not in (None, "0", GPU):
        raise Refusal("No devices were found", 6)
    _smi(call, given)


def _smi(call: Call[GuestHost], given: argparse.Namespace) -> None:
    gpu = call.host.state.gpu
    if given.list:
        call.out(f"GPU 0: {GPU_NAME} (UUID: GPU-{call.host.name})")
    elif given.fields:
        _query_gpu(call, given, gpu)
    elif given.query:
        _query_clock(call, given, gpu)
    elif given.persistence or given.lock or given.reset or given.mig:
        _change_gpu(call, given)
    else:
        call.out(
            f"| NVIDIA-SMI 510.47.03    Driver Version: 510.47.03    CUDA Version: 11.6 |\n"
            f"|   0  {GPU_NAME}  {'On' if gpu.persistence else 'Off'} |"
        )


def _query_gpu(call: Call[GuestHost], given: argparse.Namespace, gpu: GpuSettings) -> None:
    values = {
        "index": "0", "name": GPU_NAME, "pci.bus_id": GPU, "driver_version": "510.47.03",
        "uuid": f"GPU-{call.host.name}",
        "mig.mode.current": "Enabled" if gpu.mig else "Disabled",
        "mig.mode.pending": "Enabled" if gpu.mig else "Disabled",
        "persistence_mode": "Enabled" if gpu.persistence else "Disabled", "clocks.max.graphics": f"{MAX_CLOCK} MHz",
        "clocks.max.gr": f"{MAX_CLOCK} MHz", "clocks.gr": f"{gpu.clock or 210} MHz", "memory.total": "40536 MiB",
    }  # fmt: skip
    wanted = given.fields.split(",")
    for name in wanted:
        if name not in values:
            raise Refusal(f'Field "{name}" is not a valid field to query.', 2)
    form = given.format.split(",")
    if "noheader" not in form:
        call.out(", ".join(wanted))
    call.out(", ".join(values[n].partition(" M")[0] if "nounits" in form else values[n] for n in wanted))


def _query_clock(call: Call[GuestHost], given: argparse.Namespace, gpu: GpuSettings) -> None:
    if (given.display or "").lower() not in ("clock", ""):
        raise Refusal(f"Invalid display type {given.display}: the lab has CLOCK only", 2)
    call.out(f"\nGPU {GPU}\n    Clocks\n        Graphics                          : {gpu.clock or 210} MHz")
    call.out(
        f"    Max Clocks\n        Graphics                          : {MAX_CLOCK} MHz\n"
        f"        SM                                : {MAX_CLOCK} MHz"
    )


def _change_gpu(call: Call[GuestHost], given: argparse.Namespace) -> None:
    if call.uid != 0:
        raise Refusal("Unable to set the mode: Insufficient Permissions\nTerminating early due to previous errors.", 4)
    gpu = replace(call.host.state.gpu)
    if given.persistence:
        gpu.persistence = given.persistence == "1"
        call.out(f"{'Enabled' if gpu.persistence else 'Disabled'} persistence mode for GPU {GPU}.")
    if given.lock:
        low, high = _clocks(given.lock)
        gpu.clock = high
        call.out(f'GPU clocks set to "(gpuClkMin {low}, gpuClkMax {high})" for GPU {GPU}')
    if given.reset:
        gpu.clock = None
        call.out(f"All done resetting clocks for GPU {GPU}")
    if given.mig:
        gpu.mig = given.mig == "1"
        call.out(f"{'Enabled' if gpu.mig else 'Disabled'} MIG Mode for GPU {GPU}")
    with call.host.change():
        call.host.state.gpu = gpu
    call.out("All done.")


def _clocks(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:,(\d+))?", text)
    if not match:
        raise Refusal(f'Option "-lgc": invalid clock "{text}"', 2)
    low, high = int(match[1]), int(match[2] or match[1])
    if not 210 <= low <= high <= MAX_CLOCK:
        raise Refusal(
            f"Specified clocks ({low}, {high}) are not supported on GPU {GPU}: the maximum is {MAX_CLOCK} MHz", 2
        )
    return low, high
