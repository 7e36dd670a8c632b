"""A compute of the overcloud (H2, H3, B1 to B3)."""

import re

from lab.cloud.translation import ComputeHardware
from lab.hosts.kinds.node import NetworkError, Node
from lab.hosts.state import ComputeState, NovaHealth
from lab.process import LabError

GPUS = 8
"""A100s in a compute: the eight of an HGX board (D7)."""
FACTORY_ACS = 0x1D
"""ACSCtl that a BIOS with ACS enabled sets on each bridge (H4): all that IOMMU groups need, DirectTrans off."""
DIRECT_TRANS = 0x40
"""Bit of ACSCtl: Direct Translated P2P."""
GPU_PATH = ("c1:00.0", "c2:04.0", "c2:08.0")
"""The PCI bridges between the adapter and the first GPU (B3)."""
NUMVFS = re.compile(r"^- type: sriov_pf\n(?:  .*\n)*?  numvfs: (\d+)$", re.MULTILINE)
"""The number of VFs in a NIC template (O2)."""


class Compute(Node):
    """A compute."""

    kind = "compute"
    state_type = ComputeState
    state: ComputeState
    containers = ("nova_compute", "nova_libvirt", "neutron_mlnx_agent", "neutron_ovs_agent")

    def boot_kernel_args(self) -> str:
        """Return the deployment's kernel arguments."""
        return self.state.kernel_args or ""

    def hardware(self) -> ComputeHardware:
        """Return what nova-compute finds in this host."""
        gpu = self._plan.site.compute.gpu
        return ComputeHardware(
            node=self.name,
            vfs=self.state.vfs,
            gpus=GPUS,
            gpu_ids=(gpu.vendor_id, gpu.product_id),
            pf_name=self.ports()[0].interface,
        )

    def acs_control(self, bridge: str) -> int:
        """Return ACSCtl of a PCI bridge."""
        return self.state.acs.get(bridge, FACTORY_ACS)

    def direct_translation(self) -> bool:
        """Return whether every bridge between the adapter and the first GPU has DirectTrans on (B2)."""
        return all(self.acs_control(bridge) & DIRECT_TRANS for bridge in GPU_PATH)

    def lose_volatile_state(self) -> None:
        """Reset the bridges' ACS control and the adapter's MaxReadReq (B1, B2), and remove the VFs."""
        self.state.acs, self.state.vfs, self.state.read_request = {}, 0, ComputeState.read_request

    # -- os-net-config

    def configure_network(self, nic_template: str) -> None:
        """Create the VFs of a `sriov_pf` as os-net-config 14.2.0 does (`sriov_config.set_numvfs`).

        A PF that has VFs keeps their number; another number is only stored for the next boot.

        Raises:
            NetworkError: the adapter offers fewer VFs.
        """
        match = NUMVFS.search(nic_template)
        wanted, pf = (int(match[1]), self.ports()[0].interface) if match else (0, "")
        if wanted and not self.vfs():
            raise NetworkError(
                f"Unable to read numvfs for {pf}: [Errno 2] No such file or directory: "
                f"'/sys/class/net/{pf}/device/sriov_numvfs'"
            )
        if not self.state.vfs and wanted > self.vfs():
            raise NetworkError(
                f"Unable to configure pf: {pf} with numvfs: {wanted}\n[Errno 34] Numerical result out of range"
            )
        with self.change():
            self.state.boot_vfs = wanted
            self.state.vfs = self.state.vfs or wanted

    def restore_network(self) -> None:
        """Create the VFs that os-net-config has stored; none where the adapter offers fewer."""
        with self.change():
            self.state.vfs = self.state.boot_vfs if self.state.boot_vfs <= self.vfs() else 0

    # -- nova-compute

    def container_health(self, name: str) -> str:
        """Return nova-compute's health as it is; every other container is healthy."""
        return self.state.nova if name == "nova_compute" else super().container_health(name)

    def forget_services(self) -> None:
        """Treat the next nova_compute container as healthy, and create no VFs at boot."""
        super().forget_services()
        self.state.nova, self.state.boot_vfs = "healthy", 0

    def stop_services(self) -> None:
        """Let nova-compute be started by the next boot, if the node is deployed."""
        if self.deployed:
            self.set_nova("starting")

    def start_services(self) -> None:
        """Start nova-compute if it went down with the node. The node stays up if nova-compute fails."""
        if self.state.nova != "starting":
            return
        try:
            self._backends.cloud.restart_compute(self.state.hostname, self.hardware(), print)
            self.set_nova("healthy")
        except LabError as error:
            print(f"{self.name}: starting nova-compute: {error}", flush=True)
            self.set_nova("unhealthy")

    def set_nova(self, health: NovaHealth) -> None:
        """Store the health of the container nova_compute."""
        with self.change():
            self.state.nova = health


def gpu_address(index: int) -> str:
    """Return the PCI address of a GPU; the first shares a bridge with the adapter (B3)."""
    return f"0000:{(0xCC, 0xCD, 0x41, 0x42, 0x81, 0x82, 0x01, 0x02)[index]:02x}:00.0"
