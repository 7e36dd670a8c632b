"""The common part of controllers and computes: bare metal with a power button and an InfiniBand adapter."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab.hosts.backends.interfaces import Backends
from lab.hosts.kinds.host import Host
from lab.hosts.machine import Access
from lab.hosts.state import HardwareFaults, NodeState
from rack.plan import Plan

NODE_USER = "tripleo-admin"
"""The user that a deployment creates on overcloud nodes, for the key of the undercloud's user stack alone.

Source: tripleo-ansible's cli-enable-ssh-admin.yaml, `ssh_user` in tripleoclient 16.5.0.
"""

FIRMWARE_RELEASE = "20.32.1010"
"""Firmware release of every adapter (H1)."""


class NetworkError(Exception):
    """os-net-config fails. The text is its own."""


@dataclass(frozen=True)
class IbPort:
    """A port of a node's adapter as Linux shows it."""

    interface: str
    guid: str
    """16 hexadecimal digits."""
    carrier: bool


class Node(Host):
    """A bare-metal node.

    Args:
        plan: of every machine in the rack, deployed or not. The host name comes from the deployment, not from it.
        backends: the fabric in which the node's link comes up, and the cloud that runs on the node.
    """

    state_type = NodeState
    state: NodeState
    containers: ClassVar[tuple[str, ...]] = ()
    """Names of the containers that a deployment starts."""
    external_wired: ClassVar[bool] = False
    """Whether it has a cable to the external network (D6)."""

    def __init__(self, name: str, folder: Path, access: Access, plan: Plan, backends: Backends) -> None:
        super().__init__(name, folder, access)
        self._plan, self._backends = plan, backends

    # -- deployment

    @property
    def deployed(self) -> bool:
        """Whether a deployment started its services; a node that is only provisioned has none."""
        return self.state.deployed

    @property
    def short_name(self) -> str:
        """The provisioned host name without its domain; empty if the node is not provisioned."""
        return self.state.hostname.partition(".")[0]

    def provision(self, hostname: str, user: str, stack_key: str) -> None:
        """Put the overcloud's image on the disk and boot it, as ironic and cloud-init do.

        Args:
            hostname: short name.
            user: the user that cloud-init creates.
            stack_key: public key of the undercloud's user stack, which may log in.
        """
        self.wipe()
        with self.change():
            self.state.packages = []
        self.install(hostname)
        self.authorized_keys.write_text(stack_key)
        with self.change():
            self.state.hostname, self.state.user = hostname, user
        self.power_on()

    def can_enter(self, user: str) -> bool:
        """Return whether the node has this user: the provisioned one, or the one that a deployment creates."""
        return user == self.state.user or (self.deployed and user == NODE_USER)

    def rename(self, hostname: str) -> None:
        """Set the full host name, as TripleO's hosts entries do."""
        with self.change():
            self.state.hostname = hostname
        self.root.write("/etc/hostname", f"{hostname}\n")
        subprocess.run(self.enter(["hostname", hostname]), stdin=subprocess.DEVNULL, check=True)

    def configure_network(self, nic_template: str) -> None:
        """Run os-net-config with the NIC template of the node's role.

        Raises:
            NetworkError: os-net-config fails.
        """

    def deploy(self, kernel_args: str) -> None:
        """Start the services for the first time, after TripleO's reboot for new kernel arguments.

        Args:
            kernel_args: of the node's role; empty on controllers.

        Raises:
            LabError: the fabric does not answer, or the system does not come up.
        """
        with self.change():
            self.state.kernel_args = kernel_args
        if kernel_args:
            self.reboot()
        with self.change():
            self.state.deployed = True

    def undeploy(self) -> str:
        """Power the node off and erase its disk. Return the host name that it had; empty if it had none.

        Raises:
            LabError: the fabric does not take its link down.
        """
        self.power_off()
        self.wipe()
        hostname = self.state.hostname
        with self.change():
            self.state.hostname, self.state.kernel_args, self.state.deployed = "", None, False
            self.forget_services()
        return hostname

    def forget_services(self) -> None:
        """Reset what the deployment configured and started. Called inside `change`."""
        self.state.container_images, self.state.stopped = {}, []

    def container_health(self, name: str) -> str:
        """Return the health of a container in podman's words, or "stopped"."""
        return "stopped" if name in self.state.stopped else "healthy"

    @property
    def bmc_login(self) -> tuple[str, str]:
        """User and password that the BMC accepts."""
        user = next(node.ipmi.user for node in self._plan.site.nodes if node.name == self.name)
        return user, self.state.faults.bmc_password

    # -- power

    @property
    def powered(self) -> bool:
        """Whether the node has power."""
        return self.state.powered

    def power_on(self) -> None:
        """Bring the adapter's link up (I2), unless it is made to fail, and boot the system on the disk, if any.

        Raises:
            LabError: the fabric does not answer, or the system does not come up.
        """
        with self.change():
            self.state.powered = True
            self._apply_firmware()
            link_fails = self.state.link_failures > 0
            self.state.link_failures = max(0, self.state.link_failures - 1)
        if self.installed:
            self.refresh()
            self.restore_network()
            self._show_hardware()
            self.boot()
            self.run_boot_units()
            self.start_services()
        if not link_fails:
            self._backends.fabric.link(self.name)

    def power_off(self) -> None:
        """End every process and take the link down.

        Raises:
            LabError: the fabric does not answer.
        """
        with self.change():
            self.state.powered = False
            self.lose_volatile_state()
        self.shutdown()
        self._backends.fabric.unlink(self.name)

    def reboot(self) -> None:
        """Boot again: new firmware settings become current (H3), volatile settings are lost (B2).

        Raises:
            LabError: the fabric does not answer, or the system does not come up.
        """
        self.shutdown()
        self._backends.fabric.unlink(self.name)
        with self.change():
            self.lose_volatile_state()
            self._apply_firmware()
        self._backends.fabric.link(self.name)
        self.stop_services()
        if self.state.faults.dead:
            return
        self.restore_network()
        self._show_hardware()
        self.boot()
        self.run_boot_units()
        self.start_services()

    def _apply_firmware(self) -> None:
        """Make the new firmware settings current. Called inside `change`."""
        kept = {k: v for k, v in self.state.firmware_next.items() if k not in self.state.faults.stuck}
        self.state.firmware.update(kept)
        self.state.firmware_next = {}

    def lose_volatile_state(self) -> None:
        """Reset the settings that do not survive a reboot. Called inside `change`."""

    def restore_network(self) -> None:
        """Apply at boot what os-net-config has stored for it."""

    def stop_services(self) -> None:
        """Note that the deployment's services went down with the node."""

    def start_services(self) -> None:
        """Start the services that went down with the node. SSH answers before they are up."""

    # -- hardware

    def bios(self) -> dict[str, bool | str]:
        """Return the BIOS settings: as the guide requires them (H4), except for injected faults."""
        settings: dict[str, bool | str] = {
            "boot_mode": self._plan.site.undercloud.boot_mode,
            "virtualization": True,
            "iommu": True,
            "sriov": True,
            "acs": True,
        }
        return {**settings, **self.state.faults.bios}

    def factory_firmware(self) -> dict[str, int]:
        """Return the adapter's settings as it left the factory."""
        return {
            "LINK_TYPE_P1": 1,
            "SRIOV_EN": 0,
            "NUM_OF_VFS": 0,
            "ATS_ENABLED": 0,
            "ADVANCED_PCI_SETTINGS": 0,
            "MAX_ACC_OUT_READ": 0,
        }

    def firmware(self) -> dict[str, int]:
        """Return the adapter's current settings."""
        return {**self.factory_firmware(), **self.state.firmware}

    def vfs(self) -> int:
        """Return the number of virtual functions that the adapter offers: by its current settings and the BIOS."""
        firmware = self.firmware()
        return firmware["NUM_OF_VFS"] if firmware["SRIOV_EN"] and self.bios()["sriov"] else 0

    def ports(self) -> tuple[IbPort, IbPort]:
        """Return the adapter's two ports: the wired one (D6), and the other with the next name and GUID."""
        site, fault = self._plan.site, self.state.faults.hca
        wired = IbPort(
            interface=fault.interface or site.fabric.interface or "ib0",
            guid=fault.guid or self._plan.host(self.name).guid,
            carrier=True if fault.carrier is None else fault.carrier,
        )
        number = re.search(r"\d*$", wired.interface)
        digits = number[0] if number else ""
        stem = wired.interface.removesuffix(digits)
        return wired, IbPort(f"{stem}{int(digits or 0) + 1}", f"{int(wired.guid, 16) + 1:016x}", False)

    def boot_kernel_args(self) -> str:
        """Return the arguments that the node's kernel gets from its deployment."""
        return ""

    def _show_hardware(self) -> None:
        """Write the files of /proc and /sys that firmware and BIOS determine at a boot."""
        bios, given = self.bios(), self.boot_kernel_args()
        cpu = ("vmx" if "intel_iommu" in given else "svm") if bios["virtualization"] else ""
        cmdline = f"BOOT_IMAGE=(hd0,msdos1)/boot/vmlinuz-4.18.0-448.el8.x86_64 root=LABEL=img-rootfs ro {given}"
        proc = {"cpuinfo": f"processor\t: 0\nflags\t\t: fpu vme {cpu} npt\n", "cmdline": f"{cmdline.rstrip()}\n"}
        self.root.show_hardware(proc, self._sys(bios, given))

    def _sys(self, bios: dict[str, bool | str], kernel_args: str) -> dict[str, str | None]:
        device = f"bus/pci/devices/0000:{self._plan.site.compute.hca.removeprefix('0000:')}"
        sys: dict[str, str | None] = {
            f"{device}/infiniband/mlx5_0/fw_ver": f"{FIRMWARE_RELEASE}\n",
            "kernel/iommu_groups": None,
        }
        if self.vfs():
            sys[f"{device}/sriov_totalvfs"] = f"{self.vfs()}\n"
        if bios["boot_mode"] == "uefi":
            sys["firmware/efi"] = None
        if bios["virtualization"]:
            sys["class/misc/kvm/dev"] = "10:232\n"
        if bios["iommu"] and "iommu=on" in kernel_args:
            sys |= {f"kernel/iommu_groups/{number}": None for number in range(IOMMU_GROUPS)}
        return sys

    # -- what tests do to it

    def replace_adapter(self) -> None:
        """Put in an adapter with the settings of the factory. It keeps the GUID of the plan."""
        with self.change():
            self.state.firmware, self.state.firmware_next = {}, {}

    def fail_links(self, times: int) -> None:
        """Keep the link down the next `times` that the node is powered on; 0 ends the fault."""
        with self.change():
            self.state.link_failures = times

    def inject(self, faults: HardwareFaults) -> None:
        """Replace the injected faults."""
        with self.change():
            self.state.faults = faults


IOMMU_GROUPS = 34
"""Number of groups that Linux shows when the IOMMU is on."""
