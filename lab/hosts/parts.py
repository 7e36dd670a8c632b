"""What the hosts need of the lab's other parts, as interfaces, and the real ones.

Tests hand the keeper fakes by `--parts MODULE:FUNCTION`; `make lab` uses `real`.
"""

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab import addresses
from lab.cloud.translation import ComputeHardware, DeployFiles
from lab.fabric import sim
from lab.fabric.client import FabricClient, FabricError
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


class Fabric(Protocol):
    def link(self, node: str) -> None: ...

    def unlink(self, node: str) -> None: ...

    def ibstat(self, node: str) -> str:
        """What `ibstat` prints on that node."""


class Ufm(Protocol):
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


class Cloud(Protocol):
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

    def call(self, what: str, release: str | None = None) -> None:
        self._send("POST", what, {"release": release} if release else {})

    def name_hosts(self, names: Mapping[str, str]) -> None:
        self._send("PUT", "names", names)

    def _send(self, verb: str, what: str, fields: Mapping[str, str]) -> None:
        body = json.dumps(dict(fields)).encode()
        request = urllib.request.Request(f"{self._url}/{what}", data=body, method=verb)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        self._ask(request, what)

    def release(self) -> str:
        state: dict[str, str] = json.loads(self._ask(urllib.request.Request(f"{self._url}/state"), "state"))  # noqa: S310
        return state.get("release", "")

    @staticmethod
    def _ask(request: urllib.request.Request, what: str) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - loopback
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace").strip()
            raise LabError(f"UFM: {what}: {error.code} {text}") from error
        except OSError as error:
            raise LabError(f"UFM: {what}: {error}") from error


class SimulatedFabric:
    """The fabric's controller and the real ibstat on its simulation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._client = FabricClient(folder / "control.sock")

    def link(self, node: str) -> None:
        self._ask(self._client.link, node)

    def unlink(self, node: str) -> None:
        self._ask(self._client.unlink, node)

    @staticmethod
    def _ask(request: Callable[[str], None], node: str) -> None:
        try:
            request(node)
        except FabricError as error:
            raise LabError(str(error)) from error

    def ibstat(self, node: str) -> str:
        """The simulation's ibstat as seen from the node, its HCA called as a ConnectX-6 is."""
        scratch = self._folder / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {**os.environ, **sim.environment(self._folder, node)}
        done = subprocess.run(["ibstat"], capture_output=True, text=True, timeout=20, env=environment, cwd=scratch)
        if done.returncode:
            raise LabError(done.stderr.strip() or "ibstat failed")
        text = re.sub(r"^CA '.*'", "CA 'mlx5_0'", done.stdout, flags=re.MULTILINE)
        text = re.sub(r"^(\s*CA type:).*", r"\1 MT4123", text, flags=re.MULTILINE)
        # ibsim knows no HDR: its rate stands for the card's 200 Gb/s.
        text = re.sub(r"^(\s*Rate:) \d+", r"\1 200", text, flags=re.MULTILINE)
        return re.sub(r"^(\s*Firmware version:).*", r"\1 20.32.1010", text, flags=re.MULTILINE)


def real() -> Parts:
    """The lab's own parts."""
    from lab.hosts.cloud import LabCloud

    return Parts(SimulatedFabric(addresses.FABRIC_SOCKET.parent), UfmAdmin(), LabCloud())
