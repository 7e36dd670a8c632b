"""A VM of the cloud (T5, B4 to B6). Its operating system runs in a root of the lab, not in a hypervisor."""

import shutil
from pathlib import Path

from lab.hosts.backends.interfaces import Guest
from lab.hosts.kinds.host import Host
from lab.hosts.machine import Access
from lab.hosts.state import GuestState

UID = 1000
"""Of the image's user."""


class GuestHost(Host):
    """A VM's operating system.

    Args:
        user: the user that cloud-init authorises the keys for; the only one who can log in.
    """

    kind = "guest"
    state_type = GuestState
    state: GuestState

    def __init__(self, name: str, folder: Path, access: Access, user: str) -> None:
        super().__init__(name, folder, access)
        self.user = user

    def first_boot(self, guest: Guest) -> None:
        """Install the image and do what cloud-init does: the host name that neutron's DHCP gives, and the user."""
        self.install("host-" + self.access.address.replace(".", "-"))
        user = self.user
        for file, line in (
            ("passwd", f"{user}:x:{UID}:{UID}::/home/{user}:/bin/bash\n"),
            ("group", f"{user}:x:{UID}:\n"),
            ("shadow", f"{user}:*:19000:0:99999:7:::\n"),
            ("sudoers", f"{user} ALL=(ALL) NOPASSWD:ALL\n"),
        ):
            with (self.root.tree / "etc" / file).open("a") as stream:
                stream.write(line)
        home = self.root.tree / "home" / user
        home.mkdir()
        shutil.chown(home, UID, UID)
        home.chmod(0o700)
        with self.change():
            self.state.image = guest.image
