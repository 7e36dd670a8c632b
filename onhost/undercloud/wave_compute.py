"""A compute in a wave (H2 to H4, B1, B2)."""

from pathlib import Path
from typing import Any, Dict, Iterator, List

from onhost.undercloud.adapter import kept_vfs, lacking_vfs, lacking_virtualization
from onhost.undercloud.client import openstack, openstack_json
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import WaveMember, WaveOrder
from onhost.undercloud.pcie import BRIDGES, RESTORE, Bridges, parse_bridges, unit
from onhost.undercloud.shell import Unreachable
from onhost.undercloud.wave_node import WaveNode

REASON = "rack: adapter firmware"
"""Reason with which a nova-compute service is disabled. It marks the services that this program may enable again."""
RESTING = ("SHUTOFF", "SHELVED", "SHELVED_OFFLOADED", "ERROR")
"""States in which an instance has no process that a reboot would end."""
NOVA_HEALTHY = "podman ps -q --filter 'name=^nova_compute$' --filter health=healthy"
QEMU = "pgrep -x qemu-kvm || [ $? -eq 1 ]"
"""Status 1 means that there is none; any other failure is an error."""


class Compute(WaveNode):
    """A compute. It is disabled in nova and empty while its firmware or ACS is changed."""

    def __init__(self, order: WaveOrder, member: WaveMember, folder: str) -> None:
        """Prepare the connection; nothing is sent."""
        super().__init__(order, member, folder)
        self._enabled = self._ours = False
        """Enabled in nova; disabled by this program, in this run or in one that was interrupted."""
        self._bridges = Bridges({}, [], False)
        self._login = str(Path.home() / f"{order.ssh.stack}rc")

    # -- steps

    def inspect(self) -> None:
        """Read firmware, BIOS and the state of nova's service."""
        super().inspect()
        service = self._service()
        self._enabled = service["Status"] == "enabled"
        self._ours = not self._enabled and (service["Disabled Reason"] or "").startswith(REASON)

    def _faults(self) -> Iterator[str]:
        yield from super()._faults()
        yield from kept_vfs(self._pending(), self._shown)

    def drain(self) -> None:
        """Disable the compute in nova and make sure that it is empty, where something is to be changed.

        Raises:
            Fault: instances run on it, and the configuration says `refuse`; or they run at the time limit.
        """
        if not self._pending() and all(self._bridges.acs().values()):
            return
        if self._enabled:
            self._set_service("--disable", "--disable-reason", f"{REASON} (B1)")
            self._ours = True
        if self._order.instances == "drain":
            advice = "nova places no new instances on it; run pulumi up again"
            self._until(self._instances, self._order.drain_limit, advice)
            return
        running = self._instances()
        if running:
            self._refuse([*running, "runs instances; delete, stop or move them before its firmware is changed (B1)"])

    def settle(self) -> None:
        """Change what differs, check the result and enable the compute."""
        try:
            super().settle()
        except (Fault, Unreachable) as error:
            after = "\n  nova places nothing on it before a run succeeds" if self._ours else ""
            raise Fault(f"{error}{after}") from None

    def release(self) -> None:
        """Enable the compute once nova reports it up: a starting agent would lose an instance placed earlier."""
        if self._ours:
            self._until_healthy()
            self._set_service("--enable")
            self._ours = False

    def report(self) -> Iterator[str]:
        """Return the node's values, one per line."""
        yield from super().report()
        facts = self.facts
        yield (
            f"{self.name}: booted by {facts['boot_mode']}, {facts['virtualization']}, {facts['iommu_groups']} IOMMU "
            f"groups, {facts['vfs']} VFs, ACS direct translation on {' '.join(self._bridges.above)}"
        )

    # -- nova

    def _service(self) -> Dict[str, Any]:
        which = ("--service", "nova-compute", "--host", self._hostname, "--long")
        found = openstack_json("compute", "service", "list", *which, login=self._login)
        if not found:
            raise Fault(f"{self.name}: nova knows no compute {self._hostname}; see openstack compute service list")
        service: Dict[str, Any] = found[0]
        return service

    def _set_service(self, *words: str) -> None:
        openstack("compute", "service", "set", *words, self._hostname, "nova-compute", login=self._login)

    def _instances(self) -> List[str]:
        """Return what runs on the compute: nova's instances, or else QEMU processes that nova does not know of.

        Nova is asked first because it knows of instances that are scheduled to the compute and have no process yet.
        """
        which = ("--all-projects", "--host", self._hostname, "--no-name-lookup")
        columns = ("-c", "ID", "-c", "Name", "-c", "Status")
        found = openstack_json("server", "list", *which, *columns, login=self._login)
        running = [f"instance {s['Name']} ({s['ID']}) is {s['Status']}" for s in found if s["Status"] not in RESTING]
        if running:
            return running
        return [f"qemu-kvm {pid} runs, for which nova has no instance" for pid in self._shell.run(QEMU).split()]

    def _unhealthy(self) -> List[str]:
        """Return what the container's health check and nova's heartbeat say."""
        try:
            healthy = self._shell.run(NOVA_HEALTHY).strip()
        except Unreachable as error:
            return [str(error)]
        up = self._service()["State"] == "up"
        return [] if healthy and up else ["nova_compute is not healthy" if up else "nova reports it down"]

    # -- BIOS and PCIe

    def _learn(self) -> None:
        super()._learn()
        self._read_bridges()

    def _read_bridges(self) -> None:
        """Read ACS of the bridges above the adapter (B2) and above the GPUs beside it (B3)."""
        self._bridges = parse_bridges(self._shell.run(BRIDGES.format(device=self._order.device, gpu=self._order.gpu)))
        alone = "no GPU shares a PCIe bridge with the adapter (B3); see lspci -tv"
        self.remarks = [] if self._bridges.beside else [alone]

    def _after_boot(self) -> None:
        """Install the unit that restores what a boot resets, and run its program if a setting is not there (B2)."""
        self._shell.run(unit(self._order.device, self._order.read_request))
        if not (all(self._bridges.acs().values()) and self._reads_as_wanted()):
            self._shell.run(RESTORE)
            self._read_bridges()

    def _reads_as_wanted(self) -> bool:
        return self._order.read_request in (None, self._bridges.read_request(self._order.device))

    def _bios_faults(self) -> Iterator[str]:
        yield from super()._bios_faults()
        yield from lacking_virtualization(self.facts)
        for bridge in self._bridges.without_acs():
            yield f"PCIe bridge {bridge} has no ACS with direct translation; enable ACS in the BIOS (H4)"

    def _settled_faults(self) -> Iterator[str]:
        """Return BIOS settings that show only once kernel arguments, firmware and ACS are as wanted."""
        yield from settled_faults(self.facts, self._order.kernel_args)
        yield from lacking_vfs(self.facts, self._wanted)
        for bridge in (bridge for bridge, on in self._bridges.acs().items() if not on):
            yield f"PCIe bridge {bridge} does not accept ACS direct translation; enable ACS in the BIOS (H4)"
        if not self._reads_as_wanted():
            found, wanted_bytes = self._bridges.read_request(self._order.device), self._order.read_request
            yield f"the adapter has MaxReadReq {found} and not {wanted_bytes} bytes; see setpci -s {self._order.device}"


def settled_faults(facts: Dict[str, str], kernel_args: str) -> Iterator[str]:
    """Return what is wrong with kernel arguments and IOMMU of a compute."""
    given = facts["kernel_args"].split()
    missing = [word for word in kernel_args.split() if word not in given]
    if missing:
        yield f"the kernel runs without {' '.join(missing)}; reboot it once TripleO has set them (O4)"
    elif facts["iommu_groups"] == "0":
        yield "no IOMMU; enable VT-d or AMD-Vi in the BIOS (H4)"
