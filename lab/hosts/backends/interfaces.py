"""The fabric, UFM and cloud as the hosts need them. Tests pass fakes; `lab.hosts.backends.lab` has the lab's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lab.cloud.translation import ComputeHardware, DeployFiles
from lab.process import LabError, Say


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
    gpus: int = 0
    """Passed through after its flavor."""
    direct: bool = False
    """Whether it has an SR-IOV port."""


@dataclass(frozen=True)
class ComputeService:
    """A nova-compute as nova knows it."""

    id: int | str
    """nova's number; a UUID from microversion 2.53 on, which Wallaby's client does not ask for."""
    host: str
    """Compute host name."""
    up: bool = True
    disabled: bool = False
    reason: str = ""
    updated: str = ""


@dataclass(frozen=True)
class NetworkAgent:
    """An agent as neutron knows it."""

    id: str
    type: str
    """As "Mellanox plugin agent"."""
    host: str
    binary: str
    zone: str | None = None
    alive: bool = True
    up: bool = True
    """Its administrative state."""


class RefusedError(LabError):
    """A service of the overcloud says no; the text is in its own words."""

    def __init__(self, reason: str, status: int, url: str = "") -> None:
        super().__init__(reason)
        self.reason, self.status, self.url = reason, status, url


class FabricBackend(Protocol):
    def link(self, node: str) -> None: ...

    def unlink(self, node: str) -> None: ...

    def ibstat(self, node: str) -> str:
        """What `ibstat` prints on that node."""


class UfmBackend(Protocol):
    def call(self, what: str, release: str | None = None) -> None:
        """`install` and `upgrade` (of that release, where one is named), `start`, `stop`, `restart` or `remove`.

        Raises:
            LabError: UFM's lab refused.
        """

    def release(self) -> str:
        """Of the UFM that runs; empty where none does.

        Raises:
            LabError: UFM's lab does not answer.
        """

    def name_hosts(self, names: Mapping[str, str]) -> None:
        """Which host name was given to which node: on a rack, nodes tell the fabric by their descriptions.

        Raises:
            LabError: UFM's lab does not answer.
        """


class CloudBackend(Protocol):
    def deploy(self, files: DeployFiles, hardware: Mapping[str, ComputeHardware], say: Say) -> None:
        """Makes the cloud from the files; hardware by compute host name.

        Raises:
            LabError: the files are wrong, or a service fails; the text holds its lines.
        """

    def overcloudrc(self) -> str: ...

    def ml2_conf(self) -> str: ...

    def restart_neutron(self, ml2_conf: str, say: Say) -> None: ...

    def restart_compute(self, host: str, hardware: ComputeHardware, say: Say) -> None: ...

    def computes(self) -> Sequence[ComputeService]:
        """Every nova-compute; none where no cloud runs."""

    def set_compute(self, host: str, *, disabled: bool, reason: str = "") -> None: ...

    def stop_compute(self, host: str, say: Say) -> None:
        """The container ends; the service stays known, and goes down."""

    def delete_compute(self, service: str) -> None:
        """
        Raises:
            RefusedError: there is none, or it has servers.
        """

    def agents(self, host: str = "") -> Sequence[NetworkAgent]:
        """neutron's, or those of one host; none where no cloud runs."""

    def delete_agent(self, agent: str) -> None:
        """
        Raises:
            RefusedError: there is none.
        """

    def lose(self, host: str, say: Say) -> None:
        """The host was unprovisioned: nothing runs on it any more. No error where no cloud runs."""

    def delete(self, say: Say) -> None: ...

    def guests(self) -> Sequence[Guest]:
        """Every VM; none where no cloud runs."""

    def dhcp_networks(self) -> Sequence[str]:
        """IDs of the networks with a DHCP server."""

    def routers(self) -> Sequence[str]: ...


@dataclass
class Backends:
    """What the hosts act on. One instance is shared by the rack and all of its hosts."""

    fabric: FabricBackend
    ufm: UfmBackend
    cloud: CloudBackend
