"""The fabric, UFM and cloud as the hosts need them. Tests pass fakes; `lab.hosts.backends.lab` has the lab's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lab.cloud.translation import ComputeHardware, DeployFiles
from lab.process import LabError, Say


@dataclass(frozen=True)
class Guest:
    """A VM as nova and neutron show it."""

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
    """Public keys that cloud-init authorises for the image's user."""
    image: str = ""
    """Name of its image."""
    gpus: int = 0
    """Number of GPUs that its flavor passes through."""
    direct: bool = False
    """Whether it has an SR-IOV port."""


@dataclass(frozen=True)
class ComputeService:
    """A nova-compute as nova shows it."""

    id: int | str
    """A number; a UUID from microversion 2.53 on, which Wallaby's client does not request."""
    host: str
    """Compute host name."""
    up: bool = True
    disabled: bool = False
    reason: str = ""
    updated: str = ""


@dataclass(frozen=True)
class NetworkAgent:
    """An agent as neutron shows it."""

    id: str
    type: str
    """E.g. "Mellanox plugin agent"."""
    host: str
    binary: str
    zone: str | None = None
    alive: bool = True
    up: bool = True
    """Its administrative state."""


class ServiceRefusedError(LabError):
    """A service of the overcloud refuses a request; `reason` is its own text."""

    def __init__(self, reason: str, status: int, url: str = "") -> None:
        super().__init__(reason)
        self.reason, self.status, self.url = reason, status, url


class FabricBackend(Protocol):
    """The InfiniBand fabric. Every method raises LabError if it does not answer."""

    def link(self, node: str) -> None:
        """Bring the link of the node's wired port up."""

    def unlink(self, node: str) -> None:
        """Take the link down."""

    def ibstat(self, node: str) -> str:
        """Return the output of `ibstat` on the node."""


class UfmBackend(Protocol):
    """UFM. Every method raises LabError if it refuses or does not answer."""

    def call(self, what: str, release: str | None = None) -> None:
        """Run one of `install`, `upgrade`, `start`, `stop`, `restart` and `remove`; the first two to a release."""

    def certificate(self, pem: str) -> None:
        """Set certificate and key of UFM's web server from its next start on; empty for UFM's own, self-signed one."""

    def release(self) -> str:
        """Return the release that runs; empty if none does."""

    def name_hosts(self, names: Mapping[str, str]) -> None:
        """Set host name → node. On a rack, nodes send their host names to the fabric in their descriptions."""


class CloudBackend(Protocol):
    """The overcloud. Every method raises LabError if a service does not answer."""

    def deploy(self, files: DeployFiles, hardware: Mapping[str, ComputeHardware], say: Say) -> None:
        """Create the cloud from the files, or update it; `hardware` is by compute host name.

        Raises:
            LabError: the files are wrong, or a service fails; the text has the end of its log.
        """

    def overcloudrc(self) -> str:
        """Return the text of overcloudrc."""

    def ml2_conf(self) -> str:
        """Return the text of ml2_conf.ini."""

    def sql(self, statements: str, database: str) -> Sequence[Sequence[str]]:
        """Run SQL as root in a database of the controllers and return the rows."""

    def restart_compute(self, host: str, hardware: ComputeHardware, say: Say) -> None:
        """Restart nova-compute on a host, which may have other hardware now."""

    def computes(self) -> Sequence[ComputeService]:
        """Return every nova-compute; none if no cloud runs."""

    def set_compute(self, host: str, *, disabled: bool, reason: str = "") -> None:
        """Disable or enable a nova-compute."""

    def stop_compute(self, host: str, say: Say) -> None:
        """End a nova-compute; its service stays registered, and goes down."""

    def delete_compute(self, service: str) -> None:
        """Delete a compute service by its ID.

        Raises:
            ServiceRefusedError: there is no such service, or its host has servers.
        """

    def agents(self, host: str = "") -> Sequence[NetworkAgent]:
        """Return Neutron's agents, or those of one host; none if no cloud runs."""

    def delete_agent(self, agent: str) -> None:
        """Delete an agent by its ID.

        Raises:
            ServiceRefusedError: there is no such agent.
        """

    def lose(self, host: str, say: Say) -> None:
        """End everything that runs on an undeployed host. Does nothing if no cloud runs."""

    def delete(self, say: Say) -> None:
        """Delete the cloud."""

    def guests(self) -> Sequence[Guest]:
        """Return every VM; none if no cloud runs."""

    def dhcp_networks(self) -> Sequence[str]:
        """Return the IDs of the networks that have a DHCP server."""

    def routers(self) -> Sequence[str]:
        """Return the IDs of the routers."""


@dataclass
class Backends:
    """The fabric, UFM and cloud of the hosts. One instance is shared by the rack and all of its hosts."""

    fabric: FabricBackend
    ufm: UfmBackend
    cloud: CloudBackend
