"""Backends in memory. Tests can read which requests they received."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace

from lab.cloud.translation import ComputeHardware, DeployFiles
from lab.hosts.backends.interfaces import Backends, ComputeService, Guest, NetworkAgent, ServiceRefusedError
from lab.process import LabError, Say

IBSTAT = """\
CA 'mlx5_0'
\tCA type: MT4123
\tNumber of ports: 1
\tFirmware version: 20.32.1010
\tPort 1:
\t\tState: {state}
\t\tPhysical state: {physical}
\t\tRate: 200
\t\tBase lid: 1
\t\tPort GUID: 0xb8599f0300b00001
"""


OVERCLOUD_LOGIN = {
    "OS_AUTH_URL": "http://overcloud:5000",
    "OS_USERNAME": "admin",
    "OS_PASSWORD": "overcloud-secret",
    "OS_PROJECT_NAME": "admin",
}


@dataclass
class FakeFabric:
    linked: set[str] = field(default_factory=lambda: {"ufm"})
    state: str = "Active"
    """State of a linked port."""
    events: list[str] = field(default_factory=list)

    def link(self, node: str) -> None:
        self.linked.add(node)
        self.events.append(f"link {node}")

    def unlink(self, node: str) -> None:
        self.linked.discard(node)
        self.events.append(f"unlink {node}")

    def ibstat(self, node: str) -> str:
        on = node in self.linked
        return IBSTAT.format(state=self.state if on else "Down", physical="LinkUp" if on else "Polling")


@dataclass
class FakeUfm:
    calls: list[str] = field(default_factory=list)
    """`install 6.14.5-2`, `stop` …"""
    broken: bool = False
    installed: str = ""
    """The installed release; empty if UFM is not installed."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Host name → node."""
    serving: Callable[[], AbstractContextManager[object]] = nullcontext
    """Serves TLS as long as UFM runs."""
    pem: str = ""
    """Certificate and key of its files; empty if there are none."""

    def __post_init__(self) -> None:
        self._served = ExitStack()

    def call(self, what: str, release: str | None = None) -> None:
        if self.broken:
            raise LabError(f"UFM: {what}: 500 broken")
        if what not in ("install", "remove", "restart") and not self.installed:
            raise LabError(f"UFM: {what}: 409 UFM is not installed")
        self.calls.append(f"{what} {release}" if release else what)
        if what in ("install", "upgrade"):
            self.installed = release or "6.19.3-1"
        elif what == "remove":
            self.installed = ""
        self._served.close()
        if what in ("install", "start", "restart"):
            self._served.enter_context(self.serving())

    def certificate(self, pem: str) -> None:
        self.pem = pem

    def release(self) -> str:
        return self.installed

    def name_hosts(self, names: Mapping[str, str]) -> None:
        self.names = names


@dataclass
class FakeCloud:
    files: DeployFiles | None = None
    hardware: Mapping[str, ComputeHardware] = field(default_factory=dict)
    vms: list[Guest] = field(default_factory=list)
    dhcp: list[str] = field(default_factory=list)
    routers_: list[str] = field(default_factory=list)
    compute_restarts: list[tuple[str, ComputeHardware]] = field(default_factory=list)
    broken: str = ""
    services: dict[str, ComputeService] = field(default_factory=dict)
    """By compute host name."""
    agents_: dict[str, NetworkAgent] = field(default_factory=dict)
    """By ID."""
    lost: list[str] = field(default_factory=list)
    """Host names in the order in which they were undeployed."""

    statements: list[str] = field(default_factory=list)
    """SQL in the controllers' database."""

    def computes(self) -> Sequence[ComputeService]:
        return list(self.services.values())

    def set_compute(self, host: str, *, disabled: bool, reason: str = "") -> None:
        self.services[host] = replace(self.services[host], disabled=disabled, reason=reason)

    def stop_compute(self, host: str, say: Say) -> None:
        self.services[host] = replace(self.services[host], up=False)

    def delete_compute(self, service: str) -> None:
        host = next((s.host for s in self.services.values() if str(s.id) == service), None)
        if host is None:
            raise ServiceRefusedError(f"Service {service} not found.", 404)
        if any(vm.host == host for vm in self.vms):
            raise ServiceRefusedError("Unable to delete compute service that is hosting instances.", 409)
        del self.services[host]

    def agents(self, host: str = "") -> Sequence[NetworkAgent]:
        return [agent for agent in self.agents_.values() if host in ("", agent.host)]

    def delete_agent(self, agent: str) -> None:
        if self.agents_.pop(agent, None) is None:
            raise ServiceRefusedError(
                f"Agent {agent} could not be found.", 404, f"http://overcloud:9696/v2.0/agents/{agent}"
            )

    def lose(self, host: str, say: Say) -> None:
        self.lost.append(host)
        self.agents_ = {i: replace(a, alive=a.alive and a.host != host) for i, a in self.agents_.items()}

    def deploy(self, files: DeployFiles, hardware: Mapping[str, ComputeHardware], say: Say) -> None:
        say("keystone: ready")
        if self.broken:
            raise LabError(self.broken)
        self.files, self.hardware = files, hardware

    def overcloudrc(self) -> str:
        return "".join(f"export {key}={value}\n" for key, value in OVERCLOUD_LOGIN.items())

    def ml2_conf(self) -> str:
        return "[ml2]\ntype_drivers = flat,vlan\n"

    def sql(self, statements: str, database: str) -> list[list[str]]:
        if database != "neutron":
            raise LabError(f"ERROR 1049 (42000): Unknown database '{database}'")
        self.statements.append(statements)
        return [["1", "pending"]] if statements.startswith("SELECT") else []

    def restart_compute(self, host: str, hardware: ComputeHardware, say: Say) -> None:
        self.compute_restarts.append((host, hardware))

    def delete(self, say: Say) -> None:
        self.files = None

    def guests(self) -> Sequence[Guest]:
        return self.vms

    def dhcp_networks(self) -> Sequence[str]:
        return self.dhcp

    def routers(self) -> Sequence[str]:
        return self.routers_


def make() -> Backends:
    """Return the backends of a keeper in another process."""
    return Backends(FakeFabric(), FakeUfm(), FakeCloud())
