"""One wave of overcloud nodes: adapter firmware, BIOS, ACS (H1 to H4, B1, B2). Runs on the undercloud by stack, with
the overcloud's login.

Reads what to do from standard input (`firmware.py` says what), tells its progress on standard error and, at the end,
what each node holds and what Linux cannot show, on standard output. Shipped as it is: the standard library only, and
Python 3.6, which is CentOS Stream 8's own. The wave's nodes are done side by side, each step by all before the next.

It may be run again at any time. What differs is read from the adapters, and nova keeps who disabled a compute and why:
a run that was cut off is taken up where it stood, and what somebody else disabled stays disabled.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence

REASON = "rack: adapter firmware"
"""Why a nova-compute service is disabled: the mark by which the next run knows its own."""
GROWTH = 1.25
"""From one pause to the next."""
RESTING = ("SHUTOFF", "SHELVED", "SHELVED_OFFLOADED", "ERROR")
"""Instances in these states run no process that a reboot would end."""
UNREACHED = 255
"""ssh's own status; that of a host which goes down under the command, too."""

CHECK_LIST = {
    "compute": """\
Not to be seen from Linux; look in the BIOS of each compute once (H4):
  [ ] boot order: PXE on the provisioning interface first, then the local disk
  [ ] SR-IOV, Above 4G Decoding and a memory-mapped I/O range for GPUs and VFs enabled
  [ ] ACS enabled, and ATS where the BIOS has a switch for it
  [ ] power profile: maximum performance; the adapter's and the GPU's slots at full width and PCIe generation
  [ ] power-on after a power failure: last state""",
    "controller": """\
Not to be seen from Linux; look in the BIOS of each controller once (H4):
  [ ] boot order: PXE on the provisioning interface first, then the local disk
  [ ] power-on after a power failure: last state""",
}

TOOL = """\
for tool in {tools}; do
  if command -v $tool; then exit; fi
done
case "{tools}" in
  *mstconfig*) dnf install -y mstflint >&2; command -v mstconfig ;;
  *) echo 'no {tools}; install MFT, or write firmware.tool: auto' >&2; exit 1 ;;
esac
"""

FACTS = """\
fact() {{ echo "$1 ${{2:-none}}"; }}
device=/sys/bus/pci/devices/{device}
fact boot_mode "$([ -d /sys/firmware/efi ] && echo uefi || echo bios)"
fact release "$(cat $device/infiniband/*/fw_ver 2>/dev/null)"
fact virtualization "$(grep -owm1 -e vmx -e svm /proc/cpuinfo)"
fact kvm "$([ ! -e /sys/class/misc/kvm ] || echo yes)"
fact iommu_groups "$(ls /sys/kernel/iommu_groups 2>/dev/null | wc -l)"
fact vfs "$(cat $device/sriov_totalvfs 2>/dev/null)"
fact kernel_args "$(cat /proc/cmdline)"
"""

BRIDGES = """\
lspci -PP -s {device}
echo --
lspci -PP -d {gpu}
echo --
lspci -vvv
"""

ACS = "setpci -v -s {device} ECAP_ACS+0x6.w=0x5D"
"""The guide's value, for every device that has the capability (B2): source validation, request and completion redirect,
upstream forwarding, direct translated P2P."""

REJOINED = """\
pcs status nodes | sed -n 's/^ *Online://p' | head -n 1 | grep -qw "$(hostname -s)" || echo 'pacemaker is not online'
for health in starting unhealthy; do
  podman ps --filter health=$health --format '{{.Names}}' | sed "s/$/ is $health/"
done
"""
NOVA_HEALTHY = "podman ps -q --filter 'name=^nova_compute$' --filter health=healthy"
QEMU = "pgrep -x qemu-kvm || [ $? -eq 1 ]"
"""1: none; anything else is no answer."""


class Fault(Exception):  # noqa: N818 - it stands at the end of what an operator reads
    """What no waiting mends, or what was waited for long enough; the text says what to do."""


class Unreached(Exception):  # noqa: N818
    """SSH does not answer, or went away."""


class Value(NamedTuple):
    """A parameter of the firmware."""

    current: str
    following: str
    """After the next boot."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ended(argv: Sequence[str], given: str = "") -> "subprocess.CompletedProcess[bytes]":
    pipe = subprocess.PIPE
    return subprocess.run(argv, input=given.encode(), stdout=pipe, stderr=pipe)


def openstack(*words: str) -> Any:
    """The overcloud's answer to an admin's command, JSON where it has one."""
    done = ended(("openstack", *words))
    if done.returncode:
        raise Fault(f"openstack {' '.join(words)}: {done.stderr.decode().strip()}")
    return json.loads(done.stdout.decode() or "null")


def settings(listing: str) -> Dict[str, Value]:
    """What `query` with -e lists: a mark where a value is not the default, name, default, current, next boot."""
    lines = re.findall(r"^(?:\*|RO)?\s+([A-Z][A-Z0-9_]*)\s+\S+\s+(\S+)\s+(\S+)\s*$", listing, re.MULTILINE)
    return {name: Value(number(current), number(following)) for name, current, following in lines}


def number(text: str) -> str:
    """`True(1)` and `IB(1)` are compared by the number."""
    match = re.search(r"\((\w+)\)$", text)
    return match.group(1) if match else text


def bus_path(line: str) -> List[str]:
    """`c0:01.0/c2:04.0/c5:00.0 Infiniband …` → the devices from the root port down, none with its domain."""
    return [step[-7:] for step in line.split(" ", 1)[0].split("/")]


class Node(ABC):
    """One node of the wave, through its own SSH server. `order` is the wave's, `folder` the program's own."""

    def __init__(self, order: Dict[str, Any], folder: str, name: str, address: str, hostname: str) -> None:
        self.name, self._hostname, self._order = name, hostname, order
        where = order["ssh"]
        self._ssh = (
            "ssh", "-p", str(where["port"]), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
            "-o", "ServerAliveInterval=15",
            "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={folder}/known_hosts",
            "-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", "ControlPersist=60",
            f"{where['user']}@{address}", "sudo sh -s",
        )  # fmt: skip
        self._device: str = order["device"]
        self._wanted: Dict[str, str] = {name: str(value) for name, value in order["settings"].items()}
        self._shown: Dict[str, Value] = {}
        self.facts: Dict[str, str] = {}
        self.remarks: List[str] = []

    # -- the steps of a wave, in their order

    def inspect(self) -> None:
        """Asks, and changes nothing: what stands against the guide and no reboot mends ends the run here.

        A run that was cut off may have left the node on its way up.
        """
        self._until(self._away, self._order["reboot_limit"], "see its console")
        self._tool = self._find_tool()
        self._query()
        self._learn()
        faults = [*self._adapter_faults(), *self._bios_faults()]
        if self._hidden() and not self._pending():
            faults.append(f"the adapter has no parameter {', '.join(self._hidden())}; see {self._tool} -d … query")
        self._refuse(faults)

    def drain(self) -> None:
        """Before anything that guests would not survive."""

    def settle(self) -> None:
        self._change()
        self._learn()
        self._after_boot()
        lacking = [f"the adapter does not show {name}" for name in self._hidden()]
        self._refuse([*lacking, *self._settled_faults()])
        self.release()

    def _change(self) -> None:
        """Sets what differs and reboots. MAX_ACC_OUT_READ shows once ADVANCED_PCI_SETTINGS is on: then a second time,
        as in the guide (B1)."""
        while self._pending():
            pending = self._pending()
            self._set(pending)
            self._reboot()
            self._query()
            self._refuse(self._unapplied(pending))

    def _after_boot(self) -> None:
        """Sets what a boot loses (B2)."""

    def release(self) -> None:
        """Back into service, where we took it out."""

    def report(self) -> Iterator[str]:
        held = " ".join(f"{name}={self._shown[name].current}" for name in self._wanted)
        yield f"{self.name}: firmware {self.facts['release']}, {held}"
        yield from (f"{self.name}: remark: {remark}" for remark in self.remarks)

    # -- firmware

    def _find_tool(self) -> str:
        tools = {"auto": "mstconfig mlxconfig"}.get(self._order["tool"], self._order["tool"])
        return self.at(TOOL.format(tools=tools)).strip().splitlines()[-1].rpartition("/")[2]

    def _query(self) -> None:
        """All that the adapter shows: to ask for one that is hidden would be an error."""
        self._shown = settings(self.at(f"{self._tool} -d {self._device} -e query"))

    def _pending(self) -> Dict[str, str]:
        """The parameters that the adapter shows and does not work with yet."""
        shown = {name: value for name, value in self._wanted.items() if name in self._shown}
        return {name: value for name, value in shown.items() if self._shown[name].current != value}

    def _hidden(self) -> List[str]:
        return [name for name in self._wanted if name not in self._shown]

    def _set(self, pending: Dict[str, str]) -> None:
        """What was set before, in a run that was cut off, waits for the reboot alone."""
        missing = [f"{name}={value}" for name, value in pending.items() if self._shown[name].following != value]
        say(f"{self.name}: {', '.join(f'{n}={v} (was {self._shown[n].current})' for n, v in pending.items())}")
        if missing:
            self.at(f"{self._tool} -d {self._device} -y set {' '.join(missing)}")

    def _unapplied(self, pending: Dict[str, str]) -> Iterator[str]:
        for name, wanted in pending.items():
            value = self._shown.get(name, Value("nothing", "nothing"))
            if value.current != wanted:
                mend = "power-cycle the node" if value.following == wanted else "the adapter does not keep it"
                yield f"{name} is {value.current} and not {wanted} after the reboot; {mend}"

    # -- what Linux shows

    def _learn(self) -> None:
        device = self._device if self._device.count(":") == 2 else f"0000:{self._device}"
        lines = self.at(FACTS.format(device=device)).splitlines()
        self.facts = {key: value for key, _, value in (line.partition(" ") for line in lines)}

    def _adapter_faults(self) -> Iterator[str]:
        """H1: there, and of a release that is not too old."""
        release, least = self.facts["release"], self._order["minimum_release"]
        if release == "none":
            yield f"no InfiniBand adapter at {self._device}; see: lspci | grep -i nox"
        elif least and [int(n) for n in release.split(".")] < [int(n) for n in least.split(".")]:
            yield f"the adapter's firmware is {release}; bring it to {least} or later (mstflint -d {self._device} burn)"

    def _bios_faults(self) -> Iterator[str]:
        """H4, of every role."""
        mode, wanted = self.facts["boot_mode"], self._order["boot_mode"]
        if mode != wanted:
            yield f"it has booted by {mode}; set the BIOS to {wanted}, or undercloud.bootMode to {mode}"

    def _settled_faults(self) -> Iterator[str]:
        return iter(())

    # -- reboot

    def _reboot(self) -> None:
        before = self._boot_id()
        self._leave()
        say(f"{self.name}: reboots")
        with contextlib.suppress(Unreached):  # it may go down under the command
            self.at("systemctl reboot")
        self._until(lambda: self._away(before), self._order["reboot_limit"], "see its console")
        self._until_healthy()

    def _boot_id(self) -> str:
        return self.at("cat /proc/sys/kernel/random/boot_id").strip()

    def _away(self, before: str = "") -> List[str]:
        """Until SSH answers, and where a boot ID is given, with another."""
        try:
            return ["it is not back"] if self._boot_id() == before else []
        except Unreached as error:
            return [str(error)] if not before else ["it is not back"]

    def _leave(self) -> None:
        """Takes the node's services out of the cloud in an orderly way."""

    def _until_healthy(self) -> None:
        """SSH answers before the node's services do."""
        self._until(self._unhealthy, self._order["reboot_limit"], "see podman ps")

    @abstractmethod
    def _unhealthy(self) -> List[str]:
        """What is not well yet of the node's services."""

    # -- tools

    def at(self, script: str) -> str:
        """Runs it as root on the node."""
        done = ended(self._ssh, f"set -eu\n{script}")
        said = done.stderr.decode().strip()
        if done.returncode == UNREACHED:
            raise Unreached(f"{self.name} cannot be reached by SSH: {said}")
        if done.returncode:
            raise Fault(f"{self.name}: {said or done.stdout.decode().strip()}")
        return done.stdout.decode()

    def close(self) -> None:
        """Ends the connection that all of the run's commands shared."""
        ended(("ssh", "-O", "exit", *self._ssh[1:-1]))

    def _until(self, missing: Callable[[], List[str]], limit: float, advice: str) -> None:
        """Returns when nothing is missing any more."""
        end, said = time.monotonic() + limit, ""
        for pause in self._pauses():
            lines = missing()
            if not lines:
                return
            text = f"{self.name}: {'; '.join(lines)}"
            if time.monotonic() >= end:
                raise Fault(f"{text}, after {limit / 60:g} minutes; {advice}")
            if text != said:
                say(text)
                said = text
            time.sleep(max(0.0, min(pause, end - time.monotonic())))

    def _pauses(self) -> Iterator[float]:
        pause, longest = self._order["pauses"]
        while True:
            yield pause
            pause = min(pause * GROWTH, longest)

    def _refuse(self, faults: Any) -> None:
        lines = [f"{self.name}: {fault}" for fault in faults]
        if lines:
            raise Fault("\n  ".join(lines))


class Controller(Node):
    """H1, one at a time: pcs itself refuses to stop a node that the cluster's quorum needs."""

    def _leave(self) -> None:
        self.at(f"pcs cluster stop{' --force' if self._order['alone'] else ''} >&2")

    def _unhealthy(self) -> List[str]:
        try:
            return self.at(REJOINED).splitlines()
        except (Fault, Unreached) as error:
            return [str(error)]


class Compute(Node):
    """H2 to H4, B1, B2. Disabled in nova and empty while its firmware or its ACS is changed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._enabled = self._ours = False
        """In nova; and disabled by us, in this run or in one that was cut off."""
        self._acs: Dict[str, bool] = {}
        """The bridges that adapter and GPUs hang on → whether direct translated P2P is on (B2)."""

    def inspect(self) -> None:
        super().inspect()
        service = self._service()
        self._enabled = service["Status"] == "enabled"
        self._ours = not self._enabled and (service["Disabled Reason"] or "").startswith(REASON)

    def drain(self) -> None:
        if not self._pending() and all(self._acs.values()):
            return
        if self._enabled:
            self._nova("--disable", "--disable-reason", f"{REASON} (B1)")
            self._ours = True
        if self._order["instances"] == "drain":
            self._until(self._guests, self._order["drain_limit"], "no new ones are placed on it; run it again")
            return
        guests = self._guests()
        if guests:
            self._refuse([*guests, "runs guests; delete, stop or move them before its firmware is changed (B1)"])

    def settle(self) -> None:
        try:
            super().settle()
        except (Fault, Unreached) as error:
            after = "\n  nova places nothing on it before a run succeeds" if self._ours else ""
            raise Fault(f"{error}{after}") from None

    def _after_boot(self) -> None:
        if not all(self._acs.values()):
            capable = [device for device, details in self._details.items() if "ACSCap:" in details]
            self.at("\n".join(ACS.format(device=device) for device in capable))
            self._bridges()

    def release(self) -> None:
        """Not before nova has it up: a guest placed earlier would be lost with the agent's start."""
        if self._ours:
            self._until_healthy()
            self._nova("--enable")
            self._ours = False

    def _service(self) -> Dict[str, Any]:
        found = openstack(
            "compute", "service", "list", "--service", "nova-compute", "--host", self._hostname, "--long", "-f", "json"
        )
        if not found:
            raise Fault(f"{self.name}: nova knows no compute {self._hostname}; see openstack compute service list")
        service: Dict[str, Any] = found[0]
        return service

    def _nova(self, *words: str) -> None:
        openstack("compute", "service", "set", *words, self._hostname, "nova-compute")

    def _guests(self) -> List[str]:
        """By nova's word, which knows of those on their way here; a qemu that nova does not know of counts too."""
        columns = ("-c", "ID", "-c", "Name", "-c", "Status")
        found = openstack(
            "server", "list", "--all-projects", "--host", self._hostname, "--no-name-lookup", "-f", "json", *columns
        )
        running = [f"instance {s['Name']} ({s['ID']}) is {s['Status']}" for s in found if s["Status"] not in RESTING]
        return running or [f"qemu-kvm {pid} runs, which nova has no instance for" for pid in self.at(QEMU).split()]

    def _unhealthy(self) -> List[str]:
        """The container's own health check, and nova's heartbeat."""
        try:
            healthy = self.at(NOVA_HEALTHY).strip()
        except Unreached as error:
            return [str(error)]
        up = self._service()["State"] == "up"
        return [] if healthy and up else ["nova_compute is not healthy" if up else "nova has it down"]

    def _learn(self) -> None:
        super()._learn()
        self._bridges()

    def _bios_faults(self) -> Iterator[str]:
        yield from super()._bios_faults()
        if self.facts["virtualization"] == "none" or self.facts["kvm"] == "none":
            yield "no hardware virtualization; enable VT-x or SVM in the BIOS (H4)"
        for bridge in self._acs:
            if "DirectTrans+" not in self._control("ACSCap", bridge):
                yield f"PCIe bridge {bridge} has no ACS with direct translation; enable ACS in the BIOS (H4)"

    def _settled_faults(self) -> Iterator[str]:
        """What kernel arguments, firmware and ACS make of the BIOS's settings."""
        given = self.facts["kernel_args"].split()
        missing = [word for word in self._order["kernel_args"].split() if word not in given]
        if missing:
            yield f"the kernel runs without {' '.join(missing)}; reboot it once TripleO has set them (O4)"
        elif self.facts["iommu_groups"] == "0":
            yield "no IOMMU; enable VT-d or AMD-Vi in the BIOS (H4)"
        vfs = int(self.facts["vfs"]) if self.facts["vfs"].isdigit() else 0
        if vfs < int(self._wanted["NUM_OF_VFS"]):
            wanted = self._wanted["NUM_OF_VFS"]
            yield f"the adapter offers {vfs} VFs of {wanted}; enable SR-IOV in the BIOS (H4)"
        for bridge in (bridge for bridge, on in self._acs.items() if not on):
            yield f"PCIe bridge {bridge} does not take ACS direct translation; enable ACS in the BIOS (H4)"

    # -- PCIe

    def _bridges(self) -> None:
        """B2 wants it on the bridge that hosts the adapter, and on those of the GPUs beside it (B3)."""
        hca, gpus, listing = self.at(BRIDGES.format(device=self._device, gpu=self._order["gpu"])).split("--\n")
        blocks = (block.partition(" ") for block in re.split(r"\n\s*\n", listing))
        self._details = {head.strip(): text for head, _, text in blocks}
        path = bus_path(hca)
        beside = [gpu for gpu in map(bus_path, gpus.splitlines()) if set(gpu) & set(path)]
        self.remarks = [] if beside else ["no GPU shares a PCIe bridge with the adapter (B3); see lspci -tv"]
        above = sorted({line[-2] for line in (path, *beside) if len(line) > 1})
        self._acs = {bridge: "DirectTrans+" in self._control("ACSCtl", bridge) for bridge in above}

    def _control(self, register: str, bridge: str) -> str:
        details = self._details.get(bridge) or self._details.get(f"0000:{bridge}", "")
        match = re.search(rf"{register}:(.*)", details)
        return match.group(1) if match else ""

    def report(self) -> Iterator[str]:
        yield from super().report()
        facts = self.facts
        yield (
            f"{self.name}: booted by {facts['boot_mode']}, {facts['virtualization']}, {facts['iommu_groups']} IOMMU "
            f"groups, {facts['vfs']} VFs, ACS direct translation on {' '.join(self._acs)}"
        )


KINDS = {"compute": Compute, "controller": Controller}


def each(nodes: List[Any], step: str) -> None:
    """One step by all nodes side by side, each to its end; what failed is told together."""

    def done(node: Node) -> str:
        try:
            getattr(node, step)()
        except (Fault, Unreached) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(nodes)) as pool:
        faults = [fault for fault in pool.map(done, nodes) if fault]
    if faults:
        raise Fault("\n  ".join(["this wave has stopped; nothing after it was begun:", *faults]))


def drain(nodes: List[Any], waits: bool) -> None:
    """All of the wave or none: where one is refused, the others go back into service untouched. A compute that is being
    drained stays as it is, for the next run."""
    try:
        each(nodes, "drain")
    except Fault:
        if not waits:
            each(nodes, "release")
        raise


def run(order: Dict[str, Any], folder: str) -> None:
    kind = order["kind"]
    nodes = [KINDS[kind](order, folder, n["name"], n["address"], n["hostname"]) for n in order["nodes"]]
    try:
        each(nodes, "inspect")
        drain(nodes, order["instances"] == "drain")
        each(nodes, "settle")
    finally:
        each(nodes, "close")
    for node in nodes:
        for line in node.report():
            print(line)
    if order["check_list"]:
        print(CHECK_LIST[kind])


def alone() -> None:
    """Returns once no other run is at work, not even one that lost its caller."""
    home = os.open(str(Path.home()), os.O_RDONLY)
    try:
        fcntl.flock(home, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("an earlier run is still at work; waiting for its end")
        fcntl.flock(home, fcntl.LOCK_EX)


def main() -> int:
    order = json.load(sys.stdin)
    alone()
    folder = tempfile.mkdtemp()
    try:
        Path(folder, "known_hosts").write_text("".join(f"{line}\n" for line in order["host_keys"]))
        run(order, folder)
    except Fault as fault:
        say(str(fault))
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # ssh's sockets vanish by themselves meanwhile
    return 0


if __name__ == "__main__":
    sys.exit(main())
