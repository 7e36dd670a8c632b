"""The rack: every host, and the guests of the cloud that runs on it."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from lab.hosts.backends.interfaces import Backends, Guest
from lab.hosts.keys import STACK_KEY, keygen, public_key
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.controller import Controller
from lab.hosts.kinds.guest import LOGIN_HASH, GuestHost
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.node import NODE_USER, Node
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.machine import Access, Machine
from rack.plan import Plan
from rack.site import Role

NODE_KINDS: dict[Role, type[Node]] = {Role.CONTROLLER: Controller, Role.COMPUTE: Compute}
ALWAYS_ON = ("ufm", "undercloud")
"""Hosts that run from the start of the lab, and whose host keys the operator knows beforehand."""
GUESTS = "guests"
"""Folder of the guests."""

N = TypeVar("N", bound=Node)


class Rack:
    """Everything below `folder`; the only owner of the hosts' state.

    Args:
        plan: of every machine in the rack, deployed or not.
        pace: seconds that one step of a long job takes here; hours on a rack.

    Raises:
        LabError: another version of the lab wrote the hosts' state.
    """

    def __init__(self, plan: Plan, backends: Backends, folder: Path, operator_key: Path, pace: float = 0.2) -> None:
        self.plan, self.backends, self.folder, self.pace = plan, backends, folder, pace
        self._operator_keys = operator_key.with_name(operator_key.name + ".pub")
        site = plan.site
        self.ufm = UfmHost("ufm", folder / "ufm", self._access(str(site.ufm.address)))
        self.undercloud = Undercloud("undercloud", folder / "undercloud", self._access(str(site.undercloud.address)))
        self.nodes: dict[str, Node] = {
            h.name: NODE_KINDS[h.role](
                h.name, folder / h.name, Access(str(h.address), site.ssh.node_port, user=NODE_USER), plan, backends
            )
            for h in plan.hosts
        }
        self.serve: Callable[[Host], None] = lambda host: None
        """Opens a host's socket for its emulated commands. The keeper sets it."""
        self._guests: dict[str, GuestHost] = {}
        self._guests_lock = threading.Lock()

    def _access(self, address: str) -> Access:
        ssh = self.plan.site.ssh
        return Access(address, ssh.port, self._operator_keys, ssh.user)

    def hosts(self) -> Iterator[Host]:
        """Yield every host, the guests that were entered last."""
        yield from (self.ufm, self.undercloud, *self.nodes.values())
        yield from list(self._guests.values())

    def deployed(self, kind: type[N]) -> list[N]:
        """Return the deployed nodes of this kind in the order of their host names."""
        found = [n for n in self.nodes.values() if isinstance(n, kind) and n.deployed]
        return sorted(found, key=lambda n: n.state.hostname)

    def node_named(self, hostname: str) -> Node | None:
        """Return the node that was deployed under this host name, short or full."""
        short = hostname.partition(".")[0]
        return next((n for n in self.nodes.values() if n.short_name == short), None)

    # -- power

    def start(self) -> None:
        """Power the rack up: UFM's node and the undercloud boot, nodes return to the state that they had.

        Raises:
            LabError: a host does not come up, or the fabric does not answer.
        """
        if not self.ufm.installed:
            self.ufm.install_factory(self.plan.site)
        if not self.undercloud.installed:
            self.undercloud.install_factory()
        self.undercloud.update_templates()
        self.undercloud.prepare_builds()
        for host in (self.ufm, self.undercloud):
            host.refresh()
            host.boot()
        for node in self.nodes.values():
            if node.powered:
                node.power_on()

    def stop(self) -> None:
        """End every process of every host. The state keeps which nodes are powered on."""
        for host in self.hosts():
            host.shutdown()

    # -- keys

    @property
    def stack_key(self) -> str:
        """The public key of the undercloud's user stack."""
        return (self.undercloud.root.tree / STACK_KEY).with_suffix(".pub").read_text()

    # -- guests

    def guests(self) -> list[Guest]:
        """Return the VMs that the cloud has, and remove the roots of deleted ones.

        Raises:
            LabError: a service of the cloud does not answer.
        """
        guests = list(self.backends.cloud.guests())
        alive = {g.id for g in guests if g.status == "ACTIVE"}
        existing = {g.id for g in guests}
        with self._guests_lock:
            for gone in set(self._guests) - alive:
                self._guests.pop(gone).shutdown()
            folder = self.folder / GUESTS
            for entry in folder.iterdir() if folder.exists() else ():
                if entry.name not in existing and entry.name not in self._guests:
                    shutil.rmtree(entry, ignore_errors=True)
        return guests

    def guest_host(self, guest: Guest) -> GuestHost:
        """Return the VM's running host. It is installed when it is first asked for.

        Raises:
            LabError: it does not come up.
        """
        with self._guests_lock:
            host = self._guests.get(guest.id) or self._add_guest(guest)
            host.boot(serve=False)
            return host

    def _add_guest(self, guest: Guest) -> GuestHost:
        folder = self.folder / GUESTS / guest.id
        keys = folder / "authorized_keys"
        fixed = [address for addresses in guest.addresses.values() for address in addresses]
        login = LOGIN_HASH if "cloud-init-config" in self.image_elements(guest.image) else ""
        user = self._guest_user(guest.image)
        access = Access(next(iter(fixed), ""), self.plan.site.ssh.port, keys, user, login)
        host = GuestHost(guest.id, folder, access)
        if not host.installed:
            host.first_boot(guest)
        keys.write_text("".join(f"{key}\n" for key in guest.keys))
        self._guests[guest.id] = host
        self.serve(host)
        return host

    def _guest_user(self, image: str) -> str:
        """Return the default user of an image, for whom cloud-init authorises keys. A file has the configured one."""
        elements = self.image_elements(image)
        if not elements:
            return self.plan.site.tenant.user
        return self.undercloud.state.cloud_init_user if "cloud-init-config" in elements else "centos"

    def image_elements(self, image: str) -> list[str]:
        """Return the elements that disk-image-create built a guest image from; none if it built no such image."""
        return self.undercloud.state.built.get(image, [])


def prepare(plan: Plan, folder: Path, operator_key: Path, known_hosts: Path) -> None:
    """Create the operator's key, and the host keys that the operator knows beforehand. Idempotent."""
    keygen(operator_key, "operator of the lab")
    port, lines = plan.site.ssh.port, []
    for name, address in zip(ALWAYS_ON, (plan.site.ufm.address, plan.site.undercloud.address), strict=True):
        keygen(folder / name / "host_key", name)
        where = str(address) if port == 22 else f"[{address}]:{port}"
        lines.append(f"{where} {public_key(folder / name / 'host_key')}\n")
    known_hosts.parent.mkdir(parents=True, exist_ok=True)
    known_hosts.write_text("".join(lines))


def machines(plan: Plan, folder: Path) -> list[Machine]:
    """Return every machine without its state, guests included: enough to list and to stop them."""
    names = (*ALWAYS_ON, *(h.name for h in plan.hosts))
    rack = [Machine(name, folder / name) for name in names]
    return rack + [Machine(entry.name, entry) for entry in sorted((folder / GUESTS).glob("*"))]
