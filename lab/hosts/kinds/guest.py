"""A VM of the cloud (T5, B4 to B6). Its operating system runs in a root of the lab, not in a hypervisor."""

from lab.hosts.backends.interfaces import Guest
from lab.hosts.kinds.host import Host
from lab.hosts.state import GuestState

LOGIN = "lab-guest"
"""Password of the default user in images with NVIDIA's element cloud-init-config (the guide's T7 logs in with one)."""
LOGIN_HASH = "$6$rack$h7XsscVLZsPDFk.HqNH5wFhdCtp8f1J/WEPT/zlZEOOo0XJxvZDB69XcGb8QD4n5uNQ.r/aIIWane3JemCeWT0"


class GuestHost(Host):
    """A VM's operating system. cloud-init authorises the keys for one user."""

    kind = "guest"
    state_type = GuestState
    state: GuestState

    def first_boot(self, guest: Guest) -> None:
        """Install the image and do what cloud-init does: the host name that neutron's DHCP gives, and the user."""
        self.install("host-" + self.access.address.replace(".", "-"))
        with self.change():
            self.state.image = guest.image
