"""UFM's node (U1 to U6)."""

from lab.hosts.kinds.host import Host
from lab.hosts.root import UBUNTU
from lab.hosts.state import Interface, UfmState, Unit
from rack.site import Site


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
            self.state.units = {"docker": Unit(active=True, enabled=True)}
            self.state.interfaces = {
                "lo": Interface(up=True, addresses=["127.0.0.1/8"]),
                management: Interface(up=True, addresses=[f"{site.ufm.address}/{prefix}"]),
                fabric: Interface(up=False, addresses=[], infiniband=True),
            }

    def reboot(self) -> None:
        """Lose what `ip` set on the fabric interface, boot, and run the enabled oneshot units (U3).

        Raises:
            LabError: the host does not come up.
        """
        with self.change():
            for link in self.state.interfaces.values():
                if link.infiniband:
                    link.up, link.addresses = False, []
        super().reboot()
        self.run_boot_units()
