"""The rack: every machine, its power, and what happens to fabric and cloud when power changes."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.cloud.translation import ComputeHardware
from lab.hosts import delivered, templates
from lab.hosts.backends.interfaces import Backends, Guest
from lab.hosts.keys import STACK_KEY, keygen, public_key
from lab.hosts.machine import Access, Machine
from lab.hosts.root import CENTOS, UBUNTU
from lab.process import LabError
from rack.plan import HEAT_TEMPLATES, Plan
from rack.site import Role

KINDS = {Role.CONTROLLER: "controller", Role.COMPUTE: "compute"}
FIRMWARE_RELEASE = "20.32.1010"
"""Of every adapter."""
IOMMU_GROUPS = 34
GPUS = 8
"""A100s in a compute: an HGX board's eight (D7)."""


@dataclass(frozen=True)
class IbPort:
    """A port of a node's HCA as Linux sees it."""

    interface: str
    guid: str
    carrier: bool


class Rack:
    """Everything below `folder`; the one owner of the hosts' state.

    Args:
        plan: of all machines that stand there, deployed or not (`lab.inventory`). What they are called, the deployment
            decides: `hostname` in their state.
        pace: seconds that one step of a long job (hours on a rack) takes here.
    """

    def __init__(self, plan: Plan, backends: Backends, folder: Path, operator_key: Path, pace: float = 0.2) -> None:
        self.plan, self.backends, self.folder, self.pace = plan, backends, folder, pace
        self.operator_key = operator_key
        access = Access(plan.site.ssh.port, operator_key.with_name(operator_key.name + ".pub"))
        site = plan.site
        self.ufm = Machine("ufm", "ufm", str(site.ufm.address), folder / "ufm", UBUNTU, access)
        self.undercloud = Machine(
            "undercloud", "undercloud", str(site.undercloud.address), folder / "undercloud", CENTOS, access
        )
        self.nodes = {
            h.name: Machine(h.name, KINDS[h.role], str(h.address), folder / h.name, CENTOS, access) for h in plan.hosts
        }
        self.serve: Callable[[Machine], None] = lambda machine: None
        """Opens a machine's socket for its emulated commands; the keeper's."""
        self._guests: dict[str, Machine] = {}
        self._guests_lock = threading.Lock()

    def machines(self) -> Iterator[Machine]:
        """All that have a root to be entered or a power button, guests included."""
        yield from (self.ufm, self.undercloud, *self.nodes.values())
        yield from list(self._guests.values())

    @staticmethod
    def prepare(plan: Plan, folder: Path, operator_key: Path, known_hosts: Path) -> None:
        """Makes the operator's key and the host keys he knows beforehand."""
        keygen(operator_key, "operator of the lab")
        keygen(folder / "guest_key", "guests of the lab")
        lines = []
        for name, address in (("ufm", plan.site.ufm.address), ("undercloud", plan.site.undercloud.address)):
            keygen(folder / name / "host_key", name)
            port = plan.site.ssh.port
            where = str(address) if port == 22 else f"[{address}]:{port}"
            lines.append(f"{where} {public_key(folder / name / 'host_key')}\n")
        known_hosts.parent.mkdir(parents=True, exist_ok=True)
        known_hosts.write_text("".join(lines))

    # -- power

    def start(self) -> None:
        """Power comes back: UFM's node and the undercloud boot, nodes return to what they were."""
        if not self.ufm.installed:
            delivered.ufm(self.ufm, self.plan.site)
        if not self.undercloud.installed:
            delivered.undercloud(self.undercloud)
        self._update_templates()
        for machine in (self.ufm, self.undercloud):
            machine.refresh()
            machine.boot()
        for node in self.nodes.values():
            if node.state.get("power") == "on":
                self.power_on(node)

    def stop(self) -> None:
        """The machine room goes dark; nobody pressed a button, so the state stays."""
        for machine in self.machines():
            machine.shutdown()

    def stop_guests(self) -> None:
        """Also those that an earlier keeper started."""
        access = Access(0, Path())
        for folder in (self.folder / "guests").glob("*"):
            Machine(folder.name, "guest", "", folder, CENTOS, access).shutdown()

    def power_on(self, node: Machine) -> None:
        """The node's HCA trains its link (I2), unless it is made to fail; where an image is on the disk, it boots."""
        with node.change() as state:
            state["power"] = "on"
            dark = state.pop("dark", 0)
            if dark > 1:
                state["dark"] = dark - 1
        if node.installed:
            node.refresh()
            self._show_hardware(node)
            node.boot()
            if node.state.get("nova") == "starting":  # it died in a reboot
                self._start_nova(node)
        if not dark:
            self.backends.fabric.link(node.name)

    def darken(self, node: Machine, times: int) -> None:
        """For tests: the HCA's link stays down the next `times` that the node is powered on; 0 mends it."""
        with node.change() as state:
            state["dark"] = times

    def spoil(self, node: Machine, **faults: Any) -> None:
        """For tests, until the next call: `stuck`, parameters that the adapter does not keep; `dead`, the node does not
        come back from a reboot; `bios`, settings other than those that `bios` delivers, from the next boot on; `hca`,
        another `interface`, `guid` or `carrier` of the wired port than it was racked with."""
        with node.change() as state:
            state["faults"] = faults

    def power_off(self, node: Machine) -> None:
        with node.change() as state:
            state["power"] = "off"
            state.pop("acs", None)
        node.shutdown()
        self.backends.fabric.unlink(node.name)

    def reboot(self, machine: Machine) -> None:
        """Firmware settings of the next boot become current (H3), ACS settings are lost (B2)."""
        machine.shutdown()
        if machine.name in self.nodes:
            self._cold_start(machine)
        deployed = machine.kind == "compute" and "hostname" in machine.state
        if deployed:
            _nova(machine, "starting")
        if machine.state.get("faults", {}).get("dead"):
            return
        if machine.name in self.nodes:
            self._show_hardware(machine)
        machine.boot()
        if deployed:
            self._start_nova(machine)

    def _start_nova(self, compute: Machine) -> None:
        """SSH answers before nova-compute does, as on the rack: `podman ps --filter health=` tells."""
        try:
            hardware = self.hardware(compute)
            self.backends.cloud.restart_compute(compute.state["hostname"], hardware, print)
            _nova(compute, "healthy")
        except LabError as error:  # the host is up whatever its cloud says
            print(f"{compute.name}: {error}", flush=True)
            _nova(compute, "unhealthy")

    def _cold_start(self, node: Machine) -> None:
        self.backends.fabric.unlink(node.name)
        with node.change() as state:
            state.pop("acs", None)
            state.pop("cluster", None)
            stuck = state.get("faults", {}).get("stuck", ())
            following = {k: v for k, v in state.pop("firmware_next", {}).items() if k not in stuck}
            state.setdefault("firmware", {}).update(following)
        self.backends.fabric.link(node.name)

    # -- hardware

    def bios(self, node: Machine) -> dict[str, Any]:
        """Its settings: as the guide wants them (H4), then as spoilt."""
        delivered = {
            "boot_mode": self.plan.site.undercloud.boot_mode,
            "virtualization": True,
            "iommu": True,
            "sriov": True,
            "acs": True,
        }
        return {**delivered, **node.state.get("faults", {}).get("bios", {})}

    def _show_hardware(self, node: Machine) -> None:
        compute, bios, firmware = self.plan.site.compute, self.bios(node), self.firmware(node)
        given = node.state.get("kernel_args", compute.kernel_args) if node.kind == "compute" else ""
        cpu = ("vmx" if "intel_iommu" in given else "svm") if bios["virtualization"] else ""
        device = f"bus/pci/devices/0000:{compute.hca.removeprefix('0000:')}"
        vfs = firmware["NUM_OF_VFS"] if firmware["SRIOV_EN"] and bios["sriov"] else 0
        sys: dict[str, str | None] = {
            f"{device}/infiniband/mlx5_0/fw_ver": f"{FIRMWARE_RELEASE}\n",
            f"{device}/sriov_totalvfs": f"{vfs}\n",
            "kernel/iommu_groups": None,
        }
        if bios["boot_mode"] == "uefi":
            sys["firmware/efi"] = None
        if bios["virtualization"]:
            sys["class/misc/kvm/dev"] = "10:232\n"
        if bios["iommu"] and "iommu=on" in given:
            sys |= {f"kernel/iommu_groups/{number}": None for number in range(IOMMU_GROUPS)}
        cmdline = f"BOOT_IMAGE=(hd0,msdos1)/boot/vmlinuz-4.18.0-448.el8.x86_64 root=LABEL=img-rootfs ro {given}"
        node.root.show_hardware(
            {"cpuinfo": f"processor\t: 0\nflags\t\t: fpu vme {cpu} npt\n", "cmdline": f"{cmdline.rstrip()}\n"}, sys
        )

    def firmware(self, node: Machine) -> dict[str, int]:
        """The HCA's current settings: as delivered, then as set."""
        delivered = {
            "LINK_TYPE_P1": 1,
            "SRIOV_EN": 1,
            "NUM_OF_VFS": self.plan.site.compute.vfs,
            "ATS_ENABLED": 0,
            "ADVANCED_PCI_SETTINGS": 0,
            "MAX_ACC_OUT_READ": 0,
        }
        return {**delivered, **node.state.get("firmware", {})}

    def ports(self, node: Machine) -> tuple[IbPort, IbPort]:
        """The HCA's two ports: the wired one (D6), and the other under the next name and GUID."""
        racked = {"interface": self.plan.site.fabric.interface, "guid": self.plan.host(node.name).guid, "carrier": True}
        wired = IbPort(**{**racked, **node.state.get("faults", {}).get("hca", {})})
        stem, number = re.fullmatch(r"(.*?)(\d*)", wired.interface).groups()  # type: ignore[union-attr]
        return wired, IbPort(f"{stem}{int(number or 0) + 1}", f"{int(wired.guid, 16) + 1:016x}", False)

    def hardware(self, node: Machine) -> ComputeHardware:
        """What the cloud finds in a compute."""
        compute, firmware = self.plan.site.compute, self.firmware(node)
        return ComputeHardware(
            node=node.name,
            vfs=firmware["NUM_OF_VFS"] if firmware["SRIOV_EN"] else 0,
            gpus=GPUS,
            gpu_ids=(compute.gpu.vendor_id, compute.gpu.product_id),
            gpu_type=compute.gpu.device_type,
            pf_name=self.ports(node)[0].interface,
        )

    # -- guests

    def guests(self) -> list[Guest]:
        """The VMs; the roots of those that are gone go too."""
        guests = list(self.backends.cloud.guests())
        alive = {g.id for g in guests if g.status == "ACTIVE"}
        known = {g.id for g in guests}
        with self._guests_lock:
            for gone in set(self._guests) - alive:
                self._guests.pop(gone).shutdown()
            folder = self.folder / "guests"
            for entry in folder.iterdir() if folder.exists() else ():
                if entry.name not in known and entry.name not in self._guests:
                    shutil.rmtree(entry, ignore_errors=True)
        return guests

    def guest(self, guest: Guest) -> Machine:
        """The VM's machine, installed when it is first entered."""
        with self._guests_lock:
            machine = self._guests.get(guest.id)
            if machine is None:
                folder = self.folder / "guests" / guest.id
                keys = folder / "authorized_keys"
                access = Access(self.plan.site.ssh.port, keys)
                machine = Machine(guest.id, "guest", next(iter(_fixed(guest)), ""), folder, CENTOS, access)
                machine.user = self.plan.site.tenant.user
                if not machine.installed:
                    self._first_boot(machine, guest)
                keys.write_text("".join(f"{key}\n" for key in (*guest.keys, *self._image_keys(guest))))
                self._guests[guest.id] = machine
                self.serve(machine)
            machine.boot(serve=False)
            return machine

    @property
    def guest_key(self) -> Path:
        """The site's key for its guests: the lab's controllers have it, the element cloud-init-config authorises it."""
        return self.folder / "guest_key"

    def _image_keys(self, guest: Guest) -> list[str]:
        built: dict[str, list[str]] = self.undercloud.state.get("built", {})
        return [public_key(self.guest_key)] if "cloud-init-config" in built.get(guest.image, []) else []

    def deliver_stack_key(self, node: Machine) -> None:
        """The undercloud's user stack may log in on a node, as TripleO's provisioning has it."""
        node.authorized_keys.write_text((self.undercloud.root.tree / STACK_KEY).with_suffix(".pub").read_text())

    def deliver_guest_key(self, controller: Machine) -> None:
        """Puts the key where root's ssh on a controller looks for it."""
        file = controller.root.tree / "root/.ssh/id_ed25519"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(self.guest_key.read_text())

    def _first_boot(self, machine: Machine, guest: Guest) -> None:
        """cloud-init: host name after the fixed address, as neutron's DHCP names it in the guide; user stack."""
        machine.install("host-" + machine.address.replace(".", "-"))
        user = self.plan.site.tenant.user
        for file, line in (
            ("passwd", f"{user}:x:1000:1000::/home/{user}:/bin/bash\n"),
            ("group", f"{user}:x:1000:\n"),
            ("shadow", f"{user}:*:19000:0:99999:7:::\n"),
            ("sudoers", f"{user} ALL=(ALL) NOPASSWD:ALL\n"),
        ):
            with (machine.root.tree / "etc" / file).open("a") as stream:
                stream.write(line)
        home = machine.root.tree / "home" / user
        home.mkdir()
        shutil.chown(home, 1000, 1000)
        home.chmod(0o700)
        with machine.change() as state:
            state["guest"] = {"id": guest.id, "name": guest.name, "image": guest.image, "host": guest.host}

    def deployed(self, kind: str) -> list[Machine]:
        """The controllers, or computes, that a deployment has given a host name, in the order of the names."""
        named = [n for n in self.nodes.values() if n.kind == kind and "hostname" in n.state]
        return sorted(named, key=lambda n: str(n.state["hostname"]))

    def release_templates(self, released: bool) -> None:
        """For tests: from now on the undercloud's package holds TripleO's templates as they were released, or (False)
        as they are on the branch; where it is installed, it is updated."""
        with self.undercloud.change() as state:
            state["released_templates"] = released
        self._update_templates()

    def _update_templates(self) -> None:
        target = self.undercloud.root.resolve(HEAT_TEMPLATES)
        if target.exists():
            templates.install(target, self.undercloud.state.get("released_templates", False))

    def machine_of(self, hostname: str) -> Machine | None:
        """The node that was deployed as `hostname`, short or full."""
        short = hostname.partition(".")[0]
        return next((n for n in self.nodes.values() if n.state.get("hostname", "").partition(".")[0] == short), None)


def gpu_address(index: int) -> str:
    """The PCI address of a compute's GPU; the first shares a bridge with the HCA (B3)."""
    return f"0000:{(0xCC, 0xCD, 0x41, 0x42, 0x81, 0x82, 0x01, 0x02)[index]:02x}:00.0"


def _fixed(guest: Guest) -> list[str]:
    return [a for addresses in guest.addresses.values() for a in addresses]


def _nova(compute: Machine, health: str) -> None:
    with compute.change() as state:
        state["nova"] = health
