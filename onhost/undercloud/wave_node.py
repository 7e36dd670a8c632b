"""One node of a wave: read its firmware and BIOS, change what differs, reboot it, wait until it is back."""

import contextlib
import time
from abc import ABC, abstractmethod
from typing import Callable, Dict, Iterable, Iterator, List

from onhost.undercloud.adapter import TOOL, Value, hidden, pending, release_faults, settings, unapplied, unset
from onhost.undercloud.common import Fault, Progress, poll, say
from onhost.undercloud.orders import WaveMember, WaveOrder
from onhost.undercloud.shell import Shell, Unreachable

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
"""Prints one fact per line: name and value, `none` where there is no value."""


class WaveNode(ABC):
    """One node of a wave. Its steps are called in this order: inspect, drain, settle, report, close."""

    def __init__(self, order: WaveOrder, member: WaveMember, folder: str) -> None:
        """Prepare the connection; nothing is sent. `folder` is the program's own."""
        self.name, self._hostname, self._order = member.name, member.hostname, order
        self._shell = Shell(member.name, member.address, order.ssh, folder)
        self._wanted: Dict[str, str] = {name: str(value) for name, value in order.settings.items()}
        self._shown: Dict[str, Value] = {}
        self.facts: Dict[str, str] = {}
        self.remarks: List[str] = []

    # -- steps

    def inspect(self) -> None:
        """Read firmware and BIOS and change nothing. A node of an interrupted run may still be booting.

        Raises:
            Fault: the node differs from the guide in a way that a reboot does not fix.
        """
        self._read()
        self._refuse(self._faults())

    def drain(self) -> None:
        """Prepare the node for changes that instances would not survive."""

    def settle(self) -> None:
        """Change what differs, check the result and put the node back into service.

        Raises:
            Fault: the node is not as wanted afterwards.
        """
        self._change()
        self._learn()
        self._after_boot()
        lacking = [f"the adapter does not show {name}" for name in self._hidden()]
        self._refuse([*lacking, *self._settled_faults()])
        self.release()

    def release(self) -> None:
        """Put the node back into service where this program has taken it out."""

    def report(self) -> Iterator[str]:
        """Return the node's values, one per line."""
        held = " ".join(f"{name}={self._shown[name].current}" for name in self._wanted)
        yield f"{self.name}: firmware {self.facts['release']}, {held}"
        yield from (f"{self.name}: remark: {remark}" for remark in self.remarks)

    def close(self) -> None:
        """End the SSH connection."""
        self._shell.close()

    # -- firmware

    def _read(self) -> None:
        """Read firmware and BIOS, once the node answers."""
        self._until(self._away, self._order.reboot_limit, "see its console")
        self._tool = self._find_tool()
        self._query()
        self._learn()

    def _faults(self) -> Iterator[str]:
        """Return the faults of the node that a reboot does not fix."""
        yield from release_faults(self.facts["release"], self._order.minimum_release, self._order.device)
        yield from self._bios_faults()
        if self._hidden() and not self._pending():
            yield f"the adapter has no parameter {', '.join(self._hidden())}; see {self._tool} -d … query"

    def _change(self) -> None:
        """Set what differs and reboot, until nothing differs.

        Twice, as in the guide (B1): the adapter shows MAX_ACC_OUT_READ only once ADVANCED_PCI_SETTINGS is on. A value
        that only the next boot would change is set back without a reboot.
        """
        while self._pending():
            changes = self._pending()
            self._set(changes)
            self._reboot()
            self._query()
            self._refuse(unapplied(changes, self._shown))
        waiting = unset(self._wanted, self._shown)
        if waiting:
            say(f"{self.name}: {', '.join(waiting)} for the next boot, as now")
            self._shell.run(f"{self._tool} -d {self._order.device} -y set {' '.join(waiting)}")

    def _find_tool(self) -> str:
        tools = {"auto": "mstconfig mlxconfig"}.get(self._order.tool, self._order.tool)
        return self._shell.run(TOOL.format(tools=tools)).strip().splitlines()[-1].rpartition("/")[2]

    def _query(self) -> None:
        """Read all parameters that the adapter shows. A query for a hidden one by name fails."""
        self._shown = settings(self._shell.run(f"{self._tool} -d {self._order.device} -e query"))

    def _pending(self) -> Dict[str, str]:
        return pending(self._wanted, self._shown)

    def _hidden(self) -> List[str]:
        return hidden(self._wanted, self._shown)

    def _set(self, changes: Dict[str, str]) -> None:
        say(f"{self.name}: {', '.join(f'{n}={v} (was {self._shown[n].current})' for n, v in changes.items())}")
        words = unset(changes, self._shown)
        if words:
            self._shell.run(f"{self._tool} -d {self._order.device} -y set {' '.join(words)}")

    # -- what Linux shows

    def _learn(self) -> None:
        device = self._order.device if self._order.device.count(":") == 2 else f"0000:{self._order.device}"
        lines = self._shell.run(FACTS.format(device=device)).splitlines()
        self.facts = {key: value for key, _, value in (line.partition(" ") for line in lines)}

    def _bios_faults(self) -> Iterator[str]:
        """Return the faults of the BIOS (H4) that concern every role."""
        mode, wanted = self.facts["boot_mode"], self._order.boot_mode
        if mode != wanted:
            yield f"it has booted by {mode}; set the BIOS to {wanted}, or undercloud.bootMode to {mode}"

    def _settled_faults(self) -> Iterator[str]:
        """Return what is wrong after all changes."""
        return iter(())

    def _after_boot(self) -> None:
        """Restore the settings that a boot resets (B2)."""

    # -- reboot

    def _reboot(self) -> None:
        before = self._boot_id()
        self._stop_services()
        say(f"{self.name}: reboots")
        with contextlib.suppress(Unreachable):  # the node may go down before the command ends
            self._shell.run("systemctl reboot")
        self._until(lambda: self._away(before), self._order.reboot_limit, "see its console")
        self._until_healthy()

    def _boot_id(self) -> str:
        return self._shell.run("cat /proc/sys/kernel/random/boot_id").strip()

    def _away(self, before: str = "") -> List[str]:
        """Return a line while SSH does not answer or, with `before`, while the boot ID is still that one."""
        try:
            return ["it has not come back from its reboot"] if self._boot_id() == before else []
        except Unreachable as error:
            return ["it has not come back from its reboot"] if before else [str(error)]

    def _stop_services(self) -> None:
        """Stop the node's services in an orderly way before it goes down."""

    def _until_healthy(self) -> None:
        """Wait for the node's services, which come up after SSH."""
        self._until(self._unhealthy, self._order.reboot_limit, "see podman ps")

    @abstractmethod
    def _unhealthy(self) -> List[str]:
        """Return which of the node's services are not healthy yet."""

    # -- tools

    def _until(self, missing: Callable[[], List[str]], limit: float, advice: str) -> None:
        """Return as soon as nothing is missing.

        Raises:
            Fault: something is missing after `limit` seconds.
        """
        progress = Progress(float("inf"))
        end = time.monotonic() + limit
        left = poll(missing, self._order.pauses, end, lambda lines: progress.tell(self._line(lines)))
        if left:
            raise Fault(f"{self.name}: timed out after {limit / 60:g} minutes: {'; '.join(left)}; {advice}")

    def _line(self, lines: List[str]) -> str:
        return f"{self.name}: {'; '.join(lines)}"

    def _refuse(self, faults: Iterable[str]) -> None:
        lines = [f"{self.name}: {fault}" for fault in faults]
        if lines:
            raise Fault("\n  ".join(lines))
