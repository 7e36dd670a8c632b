"""The GPUDirect RDMA benchmark ib_write_bw (B5, B6), with a model of what bounds its result."""

import argparse
import secrets
import threading
import time
from dataclasses import dataclass, field

from lab.hosts.backends.interfaces import Guest
from lab.hosts.call import Call
from lab.hosts.commands.gpu import GPU_NAME
from lab.hosts.commands.guest_system import elements, need, this_guest
from lab.hosts.commands.namespaces import route
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.outcomes import Hangup, Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

BEST = 194.2345
"""Gb/s of payload: the guide's result on 200 Gb/s HDR (0.740946 million messages of 32 KiB per second) (B6)."""
MESSAGES = 12e6
"""Messages per second that one queue pair sends at most: the limit for small messages."""
UNTUNED_READS = 0.86
"""Share of BEST if MAX_ACC_OUT_READ is too low: the PCIe reads in flight do not cover the round trip (B1)."""
ROOT_COMPLEX = 0.22
"""Share of BEST if GPU and adapter communicate through the root complex: ATS or ACS DirectTrans is off (B1, B2)."""


@dataclass
class Server:
    """A waiting ib_write_bw."""

    cuda: bool
    client: "Result | None" = None
    came: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Result:
    """The result that both sides print."""

    size: int
    iterations: int
    average: float


SERVERS: dict[tuple[str, int], Server] = {}
"""The waiting servers by guest ID and port."""
WAIT_SECONDS = 300.0
"""The real server waits forever; in the lab a forgotten one ends."""


@command("ib_write_bw", GuestHost)
def ib_write_bw(call: Call[GuestHost]) -> None:
    """Wait for a client; or, with a server's address, measure. Both sides print the guide's transcript (B5)."""
    need(call, "gpudirect-bench")
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
    if not this_guest(call).direct or given.ib_dev != "mlx5_0":
        raise Refusal(f" Unable to find the Infiniband/RoCE device\n IB device {given.ib_dev} not found")
    _cuda(call, given)
    if given.server is None:
        _serve(call, given)
    else:
        _measure(call, given)


def _cuda(call: Call[GuestHost], given: argparse.Namespace) -> None:
    """Allocate a GPU buffer and register it with the adapter, as perftest does first."""
    if given.use_cuda is None:
        return
    call.out("initializing CUDA\nListing all CUDA devices in system:")
    if this_guest(call).gpus < 1 or "cuda" not in elements(call):
        raise Refusal("cuInit(0) returned 100\n Couldn't init GPU context")
    call.out("CUDA device 0: PCIe address is 05:00")
    if given.use_cuda != 0:
        raise Refusal(f"No such device ID {given.use_cuda} exists in system\n Couldn't init GPU context")
    call.out(
        f"\nPicking device No. 0\n[pid = {2000 + secrets.randbelow(2000)}, "
        f"dev = 0] device name = [{GPU_NAME}]\ncreating CUDA Ctx"
    )
    if call.host.state.gpu.mig:
        raise Refusal("cuCtxCreate() error=100: MIG is enabled without an instance\n Couldn't init GPU context")
    call.out(f"making it the current CUDA Ctx\ncuMemAlloc() of a {given.size * 2} bytes GPU buffer")
    call.out("allocated GPU buffer address at 00007f9bcd200000 pointer=0x7f9bcd200000")
    if "nvidia_peermem" not in call.host.state.modules:
        raise Refusal("Couldn't allocate MR\nfailed to create mr\nFailed to create MR\n Couldn't create IB resources")


def _serve(call: Call[GuestHost], given: argparse.Namespace) -> None:
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


def _measure(call: Call[GuestHost], given: argparse.Namespace) -> None:
    there = route(call).find(call.rack.guests(), given.server)
    server = SERVERS.get((there.id, given.port)) if there else None
    if there is None or server is None:
        raise Refusal(
            f"Couldn't connect to {given.server}:{given.port}\nUnable to open file descriptor for socket connection"
            " Unable to init the socket connection"
        )
    call.pause(given.duration or 1)
    speed = min(_side(call, this_guest(call), given.use_cuda is not None), _side(call, there, server.cuda))
    average = min(BEST * speed, MESSAGES * given.size * 8 / 1e9)
    iterations = given.iters if given.duration is None else int(average * 1e9 / 8 / given.size * given.duration)
    result = Result(given.size, iterations, average)
    server.client = result
    server.came.set()
    _print(call, given, result)


def _side(call: Call[GuestHost], guest: Guest, cuda: bool) -> float:
    """Return the share of BEST that the firmware and PCIe settings of the guest's compute allow."""
    compute = call.rack.node_named(guest.host)
    if not isinstance(compute, Compute):
        raise Refusal(f"ib_write_bw: no compute {guest.host} in this rack")
    firmware = compute.firmware()
    wanted = call.rack.plan.site.compute.max_acc_out_read
    share = 1.0 if firmware["ADVANCED_PCI_SETTINGS"] and firmware["MAX_ACC_OUT_READ"] >= wanted else UNTUNED_READS
    if cuda and not (firmware["ATS_ENABLED"] and compute.direct_translation()):
        share = min(share, ROOT_COMPLEX)
    return share


def _print(call: Call[GuestHost], given: argparse.Namespace, result: Result) -> None:
    """Print perftest's report."""
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
