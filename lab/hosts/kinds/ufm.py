"""UFM's node (U1 to U6)."""

from lab.hosts.kinds.host import Host
from lab.hosts.root import UBUNTU
from lab.hosts.state import Interface, UfmState, Unit
from rack.site import Site

KERNEL = "4.15.0-213-generic"
"""Kernel of Ubuntu 18.04."""
MODULE = "mlx5_core"


def module_version(release: str) -> str:
    """Return the version of the modules of MLNX_OFED's release: 5.6-2.0.9.0 has 5.6-2.0.9."""
    return release.rpartition(".")[0]


class UfmHost(Host):
    """UFM's node. It runs from the start of the lab."""

    kind = "ufm"
    system = UBUNTU
    state_type = UfmState
    state: UfmState

    def install_factory(self, site: Site) -> None:
        """Install it as the guide requires it: Docker runs, the fabric interface is down without address (U1, U3)."""
        self.install("ufm")
        (self.root.tree / "etc/systemd/system").mkdir(parents=True)
        host = site.ufm.host
        management = host.management_interface if host else "eno1"
        fabric = host.fabric_interface if host else "ib0"
        prefix = site.networks.provisioning.cidr.prefixlen
        with self.change():
            self.state.units = {name: Unit(active=True, enabled=True) for name in ("docker", "openibd")}
            self.state.interfaces = {
                "lo": Interface(up=True, addresses=["127.0.0.1/8"]),
                management: Interface(up=True, addresses=[f"{site.ufm.address}/{prefix}"]),
                fabric: Interface(up=False, addresses=[], infiniband=True),
            }

        self._show_modules()

    def load_modules(self) -> None:
        """Let the kernel load the modules that are installed; what `ip` set on the fabric interface is lost."""
        with self.change():
            for link in self.state.interfaces.values():
                if link.infiniband:
                    link.up, link.addresses = False, []
        self._show_modules()

    def _show_modules(self) -> None:
        version = f"sys/module/{MODULE}/version"
        if self.state.ofed:
            self.root.write(version, f"{module_version(self.state.ofed_release)}\n")
        else:
            (self.root.tree / version).unlink(missing_ok=True)

    def reboot(self) -> None:
        """Lose what `ip` set on the fabric interface, boot, and run the enabled oneshot units (U3).

        Raises:
            LabError: the host does not come up.
        """
        with self.change():
            self.state.modules_in_use = False
        self.load_modules()
        super().reboot()
        self.run_boot_units()
