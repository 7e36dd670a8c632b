"""What the hosts need of the lab's other parts, as interfaces, and the real ones.

Tests hand the keeper fakes by `--parts MODULE:FUNCTION`; `make lab` uses `real`.
"""

import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab import addresses
from lab.process import Say


class PartError(Exception):
    """Another part of the lab refused; its own words."""


@dataclass(frozen=True)
class DeployFiles:
    """What `openstack overcloud deploy` was given, as paths on the machine."""

    templates: Path
    roles: Path
    networks: Path
    vips: Path
    baremetal: Path
    environments: Sequence[Path]


@dataclass(frozen=True)
class ComputeHardware:
    """What nova finds in a compute host, after its firmware and the plan."""

    node: str
    """As the inventory calls it: compute-1."""
    gpus: Sequence[str]
    """PCI addresses."""
    gpu_vendor: str
    gpu_product: str
    vfs: int
    """Virtual functions that exist: NUM_OF_VFS where SRIOV_EN is on (H2)."""
    interface: str
    """The physical function's network device."""
    hca: str
    """The physical function's PCI address."""


@dataclass(frozen=True)
class Guest:
    """A VM as the cloud knows it."""

    id: str
    name: str
    status: str
    host: str
    """Compute host name."""
    addresses: Mapping[str, Sequence[str]]
    """Network ID → fixed addresses."""
    floating: Mapping[str, str]
    """Floating address → router ID."""
    keys: Sequence[str] = field(default_factory=tuple)
    """Public keys that cloud-init authorises for its user."""
    image: str = ""
    """Name of its image."""


class Fabric(Protocol):
    def link(self, node: str) -> None: ...

    def unlink(self, node: str) -> None: ...

    def ibstat(self, node: str) -> str:
        """What `ibstat` prints on that node."""


class Ufm(Protocol):
    def call(self, what: str) -> None:
        """`install`, `remove` or `restart`.

        Raises:
            PartError: UFM's lab refused.
        """


class Cloud(Protocol):
    def deploy(self, files: DeployFiles, hardware: Mapping[str, ComputeHardware], say: Say) -> None:
        """Makes the cloud from the files.

        Raises:
            PartError: a service fails; the text holds its lines.
        """

    def overcloudrc(self) -> str: ...

    def ml2_conf(self) -> str: ...

    def restart_neutron(self, ml2_conf: str) -> None: ...

    def restart_compute(self, host: str, hardware: ComputeHardware) -> None: ...

    def delete(self) -> None: ...

    def guests(self) -> Sequence[Guest]:
        """Every VM; none where no cloud runs."""

    def dhcp_networks(self) -> Sequence[str]:
        """IDs of the networks with a DHCP server."""

    def routers(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Parts:
    """The lab around the hosts."""

    fabric: Fabric
    ufm: Ufm
    cloud: Cloud


class UfmAdmin:
    """The lab's own handle on UFM."""

    def __init__(self, port: int = addresses.UFM_ADMIN_PORT) -> None:
        self._url = f"http://{addresses.LOOPBACK}:{port}"

    def call(self, what: str) -> None:
        request = urllib.request.Request(f"{self._url}/{what}", data=b"{}", method="POST")  # noqa: S310
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=120):  # noqa: S310 - loopback
                return
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace").strip()
            raise PartError(f"UFM: {what}: {error.code} {text}") from error
        except OSError as error:
            raise PartError(f"UFM: {what}: {error}") from error


class SimulatedFabric:
    """The fabric's controller and the real ibstat on its simulation."""

    def __init__(self, folder: Path) -> None:
        from lab.fabric.client import FabricClient

        self._folder = folder
        self._client = FabricClient(folder / "control.sock")

    def link(self, node: str) -> None:
        self._client.link(node)

    def unlink(self, node: str) -> None:
        self._client.unlink(node)

    def ibstat(self, node: str) -> str:
        """The simulation's ibstat as seen from the node, its HCA called as a ConnectX-6 is."""
        from lab.fabric import sim

        scratch = self._folder / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {**os.environ, **sim.environment(self._folder, node)}
        done = subprocess.run(["ibstat"], capture_output=True, text=True, timeout=20, env=environment, cwd=scratch)
        if done.returncode:
            raise PartError(done.stderr.strip() or "ibstat failed")
        text = re.sub(r"^CA '.*'", "CA 'mlx5_0'", done.stdout, flags=re.MULTILINE)
        text = re.sub(r"^(\s*CA type:).*", r"\1 MT4123", text, flags=re.MULTILINE)
        return re.sub(r"^(\s*Firmware version:).*", r"\1 20.32.1010", text, flags=re.MULTILINE)


def real() -> Parts:
    """The lab's own parts."""
    from lab.hosts.cloud import LabCloud

    return Parts(SimulatedFabric(addresses.FABRIC_SOCKET.parent), UfmAdmin(), LabCloud())
