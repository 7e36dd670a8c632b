"""A GPU guest: driver, GPU settings and the GPUDirect RDMA benchmark (B4 to B6)."""

import argparse
import re
import secrets
import threading
import time
from dataclasses import dataclass, field

from lab.hosts.backends.interfaces import Guest
from lab.hosts.call import Become, Call, Hangup, Parser, Refusal, command
from lab.hosts.commands.common import elements
from lab.hosts.commands.compute import direct_translation
from lab.hosts.commands.controller import way

GPU = "00000000:05:00.0"
GPU_NAME = "NVIDIA A100-PCIE-40GB"
MAX_CLOCK = 1410
"""MHz: the A100's greatest graphics clock (B4)."""


def _needs(call: Call, element: str) -> None:
    if element not in elements(call):
        raise Refusal(f"bash: {call.argv[0]}: command not found", 127)


def me(call: Call) -> Guest:
    """What the cloud says of the guest that calls."""
    found = next((g for g in call.rack.guests() if g.id == call.host.name), None)
    if found is None:
        raise Refusal(f"{call.argv[0]}: this guest has been deleted", 1)
    return found


# -- the system


@command("hostname", "guest")
def hostname(call: Call) -> None:
    """`-I` prints the guest's addresses; everything else is the real hostname."""
    if list(call.argv[1:]) not in (["-I"], ["--all-ip-addresses"]):
        raise Become(["/bin/hostname", *call.argv[1:]])
    call.out(" ".join(a for fixed in me(call).addresses.values() for a in fixed))


@command("ip", "guest")
def ip(call: Call) -> None:
    """`address show`: the addresses that neutron's DHCP gave to ib0."""
    words = [w for w in call.argv[1:] if not w.startswith("-")]
    if not words or not "address".startswith(words[0]):
        raise Refusal(f'Object "{words[0] if words else ""}" is unknown here, only address.', 1)
    call.out("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    inet 127.0.0.1/8 scope host lo")
    call.out("2: ib0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 2044 state UP")
    prefix = call.rack.plan.site.tenant.network.cidr.prefixlen
    for address in (a for fixed in me(call).addresses.values() for a in fixed):
        call.out(f"    inet {address}/{prefix} scope global dynamic ib0")


@command("cloud-init", "guest")
def cloud_init(call: Call) -> None:
    if call.argv[1:2] != ["status"]:
        raise Refusal("usage: cloud-init status [--wait]", 2)
    call.out("status: done")


@command("modprobe", "guest")
def modprobe(call: Call) -> None:
    """`[-r] nvidia-peermem`, where the image has GPU driver and MLNX_OFED."""
    options = Parser(call, "modprobe")
    options.add_argument("-r", "--remove", action="store_true")
    options.add_argument("module")
    given = options.parse()
    call.as_root()
    module = given.module.replace("-", "_")
    have = set(elements(call))
    if module != "nvidia_peermem" or not {"cuda", "mofed"} <= have:
        raise Refusal(
            f"modprobe: FATAL: Module {given.module} not found in directory /lib/modules/4.18.0-365.el8.x86_64"
        )
    with call.host.change() as state:
        modules = set(state.get("modules", [])) - {module}
        state["modules"] = sorted(modules if given.remove else modules | {module})


@command("lsmod", "guest")
def lsmod(call: Call) -> None:
    peermem = "nvidia_peermem" in call.host.state.get("modules", [])
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


# -- GPU


@command("nvidia-smi", "guest")
def nvidia_smi(call: Call) -> None:
    """`-L`, `-q -d clock`, `-pm`, `-lgc`, `-rgc`, `-mig`, `--query-gpu`."""
    _needs(call, "cuda")
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
    if me(call).gpus < 1:
        raise Refusal("No devices were found", 6)
    if given.id not in (None, "0", GPU):
        raise Refusal("No devices were found", 6)
    _smi(call, given)


def _smi(call: Call, given: argparse.Namespace) -> None:
    gpu = {"persistence": False, "clock": None, "mig": False, **call.host.state.get("gpu", {})}
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
            f"|   0  {GPU_NAME}  {'On' if gpu['persistence'] else 'Off'} |"
        )


def _query_gpu(call: Call, given: argparse.Namespace, gpu: dict[str, object]) -> None:
    known = {
        "index": "0", "name": GPU_NAME, "pci.bus_id": GPU, "driver_version": "510.47.03",
        "uuid": f"GPU-{call.host.name}",
        "mig.mode.current": "Enabled" if gpu["mig"] else "Disabled",
        "mig.mode.pending": "Enabled" if gpu["mig"] else "Disabled",
        "persistence_mode": "Enabled" if gpu["persistence"] else "Disabled", "clocks.max.graphics": f"{MAX_CLOCK} MHz",
        "clocks.max.gr": f"{MAX_CLOCK} MHz", "clocks.gr": f"{gpu['clock'] or 210} MHz", "memory.total": "40536 MiB",
    }  # fmt: skip
    wanted = given.fields.split(",")
    for name in wanted:
        if name not in known:
            raise Refusal(f'Field "{name}" is not a valid field to query.', 2)
    form = given.format.split(",")
    if "noheader" not in form:
        call.out(", ".join(wanted))
    values = [known[n].partition(" M")[0] if "nounits" in form else known[n] for n in wanted]
    call.out(", ".join(values))


def _query_clock(call: Call, given: argparse.Namespace, gpu: dict[str, object]) -> None:
    if (given.display or "").lower() not in ("clock", ""):
        raise Refusal(f"Invalid display type {given.display}: only CLOCK is known here", 2)
    call.out(f"\nGPU {GPU}\n    Clocks\n        Graphics                          : {gpu['clock'] or 210} MHz")
    call.out(
        f"    Max Clocks\n        Graphics                          : {MAX_CLOCK} MHz\n"
        f"        SM                                : {MAX_CLOCK} MHz"
    )


def _change_gpu(call: Call, given: argparse.Namespace) -> None:
    if call.uid != 0:
        raise Refusal("Unable to set the mode: Insufficient Permissions\nTerminating early due to previous errors.", 4)
    changes: dict[str, object] = {}
    if given.persistence:
        changes["persistence"] = given.persistence == "1"
        call.out(f"{'Enabled' if changes['persistence'] else 'Disabled'} persistence mode for GPU {GPU}.")
    if given.lock:
        low, high = _clocks(given.lock)
        changes["clock"] = high
        call.out(f'GPU clocks set to "(gpuClkMin {low}, gpuClkMax {high})" for GPU {GPU}')
    if given.reset:
        changes["clock"] = None
        call.out(f"All done resetting clocks for GPU {GPU}")
    if given.mig:
        changes["mig"] = given.mig == "1"
        call.out(f"{'Enabled' if changes['mig'] else 'Disabled'} MIG Mode for GPU {GPU}")
    with call.host.change() as state:
        state.setdefault("gpu", {}).update(changes)
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


# -- ib_write_bw

BEST = 194.2345
"""Gb/s of payload: the guide's result on 200 Gb/s HDR (0.740946 million messages of 32 KiB a second)."""
MESSAGES = 12e6
"""Messages a second that one queue pair sends at most: what bounds small ones."""
UNTUNED_READS = 0.86
"""Share of BEST where MAX_ACC_OUT_READ is not 44: PCIe reads in flight do not cover the round trip (B1)."""
ROOT_COMPLEX = 0.22
"""Share of BEST where GPU and HCA talk through the root complex: no ATS on the HCA, or no ACS DirectTrans (B1, B2)."""


@dataclass
class Server:
    """An ib_write_bw that waits."""

    cuda: bool
    client: "Result | None" = None
    came: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Result:
    """What both sides print."""

    size: int
    iterations: int
    average: float


SERVERS: dict[tuple[str, int], Server] = {}
"""(guest's ID, port) → who waits there."""
WAIT_SECONDS = 300.0
"""The real server waits for ever; here a forgotten one ends."""


@command("ib_write_bw", "guest")
def ib_write_bw(call: Call) -> None:
    """A server waits for a client; the client measures and prints the guide's transcript (B5)."""
    _needs(call, "gpudirect-bench")
    options = Parser(call, "ib_write_bw")
    options.add_argument("--report_gbits", action="store_true")
    options.add_argument("-F", "--CPU-freq", action="store_true")
    options.add_argument("--use_cuda", type=int)
    options.add_argument("-s", "--size", type=int, default=65536)
    options.add_argument("-n", "--iters", type=int, default=5000)
    options.add_argument("-D", "--duration", type=int)
    options.add_argument("-d", "--ib-dev", default="mlx5_0")
    options.add_argument("-p", "--port", type=int, default=18515)
    options.add_argument("server", nargs="?")
    given = options.parse()
    if not me(call).direct or given.ib_dev != "mlx5_0":
        raise Refusal(f" Unable to find the Infiniband/RoCE device\n IB device {given.ib_dev} not found")
    _cuda(call, given)
    if given.server is None:
        _serve(call, given)
    else:
        _measure(call, given)


def _cuda(call: Call, given: argparse.Namespace) -> None:
    """A GPU buffer, registered with the HCA, as perftest does first."""
    if given.use_cuda is None:
        return
    gpu = call.host.state.get("gpu", {})
    call.out("initializing CUDA\nListing all CUDA devices in system:")
    if me(call).gpus < 1 or "cuda" not in elements(call):
        raise Refusal("cuInit(0) returned 100\n Couldn't init GPU context")
    call.out("CUDA device 0: PCIe address is 05:00")
    if given.use_cuda != 0:
        raise Refusal(f"No such device ID {given.use_cuda} exists in system\n Couldn't init GPU context")
    call.out(
        f"\nPicking device No. 0\n[pid = {2000 + secrets.randbelow(2000)}, "
        f"dev = 0] device name = [{GPU_NAME}]\ncreating CUDA Ctx"
    )
    if gpu.get("mig"):
        raise Refusal("cuCtxCreate() error=100: MIG is enabled without an instance\n Couldn't init GPU context")
    call.out(f"making it the current CUDA Ctx\ncuMemAlloc() of a {given.size * 2} bytes GPU buffer")
    call.out("allocated GPU buffer address at 00007f9bcd200000 pointer=0x7f9bcd200000")
    if "nvidia_peermem" not in call.host.state.get("modules", []):
        raise Refusal("Couldn't allocate MR\nfailed to create mr\nFailed to create MR\n Couldn't create IB resources")


def _serve(call: Call, given: argparse.Namespace) -> None:
    key = (call.host.name, given.port)
    if key in SERVERS:
        raise Refusal(f"bind() failed: Address already in use\n Unable to open a socket on port {given.port}")
    server = SERVERS[key] = Server(given.use_cuda is not None)
    try:
        rule = "*" * 36
        call.out(f"\n{rule}\n* Waiting for client to connect... *\n{rule}")
        deadline = time.monotonic() + WAIT_SECONDS
        while not server.came.wait(0.02):
            if not call.alive():
                raise Hangup("killed")
            if time.monotonic() > deadline:
                raise Refusal(f"ib_write_bw: no client within {WAIT_SECONDS:.0f} s, which is this lab's limit")
    finally:
        SERVERS.pop(key, None)
    if server.client:
        _print(call, given, server.client)


def _measure(call: Call, given: argparse.Namespace) -> None:
    there = way(call).find(call.rack.guests(), given.server)
    server = SERVERS.get((there.id, given.port)) if there else None
    if there is None or server is None:
        raise Refusal(
            f"Couldn't connect to {given.server}:{given.port}\nUnable to open file descriptor for socket connection"
            " Unable to init the socket connection"
        )
    call.pause(given.duration or 1)
    speed = min(_side(call, me(call), given.use_cuda is not None), _side(call, there, server.cuda))
    average = min(BEST * speed, MESSAGES * given.size * 8 / 1e9)
    iterations = given.iters if given.duration is None else int(average * 1e9 / 8 / given.size * given.duration)
    result = Result(given.size, iterations, average)
    server.client = result
    server.came.set()
    _print(call, given, result)


def _side(call: Call, guest: Guest, cuda: bool) -> float:
    """The share of BEST that a guest's compute allows, after its firmware and PCIe settings."""
    compute = call.rack.machine_of(guest.host)
    if compute is None:
        raise Refusal(f"ib_write_bw: no compute {guest.host} in this rack")
    firmware = call.rack.firmware(compute)
    wanted = call.rack.plan.site.compute.max_acc_out_read
    share = 1.0 if firmware["ADVANCED_PCI_SETTINGS"] and firmware["MAX_ACC_OUT_READ"] >= wanted else UNTUNED_READS
    if cuda and not (firmware["ATS_ENABLED"] and direct_translation(compute.state)):
        share = min(share, ROOT_COMPLEX)
    return share


def _print(call: Call, given: argparse.Namespace, result: Result) -> None:
    """perftest's report."""
    rule = "-" * 87
    gbits = given.report_gbits
    unit, scale = ("Gb/sec", 1.0) if gbits else ("MB/sec", 1e9 / 8 / 2**20)
    call.out(f"{rule}\n                    RDMA_Write BW Test")
    call.out(" Dual-port       : OFF\t\tDevice         : mlx5_0\n Number of qps   : 1\t\tTransport type : IB")
    call.out(
        " Connection type : RC\t\tUsing SRQ      : OFF\n"
        " PCIe relax order: ON\n ibv_wr* API     : ON\n TX depth        : 128"
    )
    call.out(
        " CQ Moderation   : 1\n Mtu             : 4096[B]\n"
        " Link type       : IB\n Max inline data : 0[B]\n rdma_cm QPs\t : OFF"
    )
    call.out(f" Data ex. method : Ethernet\n{rule}")
    for side in ("local", "remote"):
        numbers = f"QPN 0x{secrets.randbelow(1 << 12):04x} PSN 0x{secrets.randbelow(1 << 24):06x}"
        call.out(f" {side} address: LID 0x1b {numbers} RKey 0x044417 VAddr 0x007f9bcd208000")
    call.out(f"{rule}\n #bytes     #iterations    BW peak[{unit}]    BW average[{unit}]   MsgRate[Mpps]")
    messages = result.average * 1e9 / 8 / result.size / 1e6
    peak, average = (result.average + 0.09) * scale, result.average * scale
    call.out(f" {result.size:<10} {result.iterations:<14} {peak:<18.2f} {average:<20.2f} {messages:.6f}\n{rule}")
    if given.use_cuda is not None:
        call.out("deallocating RX GPU buffer 00007f9bcd200000\ndestroying current CUDA Ctx")
