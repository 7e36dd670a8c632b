"""A rack of real SSH servers in its own folder and on its own port, between fake backends."""

import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.addresses import PROJECT
from lab.hosts.backends.interfaces import Backends
from lab.hosts.keeper import Keeper
from lab.hosts.keys import public_key
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.node import NODE_USER
from lab.hosts.rack import Rack, prepare
from lab.inventory import complete, spares
from rack.plan import Plan
from rack.site import Site
from rack.site.load import load_stack_file
from tests.lab.hosts.fakes import FakeCloud, FakeFabric, FakeUfm

MARKS = [
    pytest.mark.lab,
]


STACK = PROJECT / "Pulumi.dev.yaml"


def free_port() -> int:
    """Return a port that is free on every loopback address."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def dev_site(**ssh: object) -> Site:
    """Return the lab's site with other values of `ssh`."""
    site = load_stack_file(STACK)
    return site.model_copy(update={"ssh": site.ssh.model_copy(update=ssh)})


class Lab:
    """A keeper in this process, its rack, and an operator who uses the real ssh."""

    def __init__(self, folder: Path, user: str = "root") -> None:
        self.folder = folder
        port = free_port()
        self.plan = Plan(dev_site(port=port, node_port=port, user=user))
        self.fabric, self.ufm, self.cloud = FakeFabric(), FakeUfm(), FakeCloud()
        self.key, self.known_hosts = folder / "id_ed25519", folder / "known_hosts"
        prepare(self.plan, folder, self.key, self.known_hosts)
        self.start()

    def start(self) -> None:
        backends = Backends(self.fabric, self.ufm, self.cloud)
        inventory = Plan(complete(self.plan.site, spares(STACK)))
        self.rack = Rack(inventory, backends, self.folder, self.key, pace=0)
        self.keeper = Keeper(self.rack, self.folder / "keeper.sock")
        self.keeper.start()

    def provision(self) -> None:
        """Put the image on every node's disk, with the services and VFs of a deployment."""
        self.set_vfs(self.plan.site.compute.vfs)
        for host in self.plan.hosts:
            node = self.rack.nodes[host.name]
            node.install(host.hostname)
            with node.change():
                node.state.hostname, node.state.deployed = host.hostname, True
            if isinstance(node, Compute):
                with node.change():
                    node.state.kernel_args = self.plan.site.compute.kernel_args
                    node.state.boot_vfs = self.plan.site.compute.vfs
            node.power_on()

    def set_vfs(self, vfs: int) -> None:
        """Let every adapter offer that many VFs."""
        for node in self.rack.nodes.values():
            with node.change():
                node.state.firmware = {"SRIOV_EN": 1, "NUM_OF_VFS": vfs}

    def stop(self) -> None:
        self.keeper.stop()
        self.rack.stop()

    def address(self, host: str) -> str:
        site = self.plan.site
        fixed = {"ufm": site.ufm.address, "undercloud": site.undercloud.address}
        return str(fixed[host] if host in fixed else self.plan.host(host).address)

    def options(self, host: str) -> list[str]:
        check = "yes" if host in ("ufm", "undercloud") else "no"
        return [
            "-F", "none", "-i", str(self.key), "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "LogLevel=ERROR",
            "-o", f"StrictHostKeyChecking={check}", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5",
        ]  # fmt: skip

    def argv(self, host: str, command: str) -> list[str]:
        """Return the ssh command line that runs `command` as root.

        A node authorises no operator: the tests add their key there, and use sudo.
        """
        port, user = self.plan.site.ssh.port, "root"
        if host in self.rack.nodes:
            user, command = NODE_USER, f"sudo -nH bash -c {shlex.quote('cd; ' + command)}"
            keys, own = self.rack.nodes[host].authorized_keys, public_key(self.key)
            if own not in (keys.read_text() if keys.exists() else ""):
                with keys.open("a") as stream:
                    stream.write(f"{own}\n")
        return ["ssh", *self.options(host), "-p", str(port), f"{user}@{self.address(host)}", command]

    def run(self, host: str, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` on the host over SSH."""
        return subprocess.run(self.argv(host, command), input=stdin, capture_output=True, text=True, timeout=60)

    def ok(self, host: str, command: str, stdin: str = "") -> str:
        """Run a command that must succeed; return its standard output."""
        done = self.run(host, command, stdin)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, host: str, command: str, stdin: str = "") -> str:
        """Run a command that must fail; return its standard output and error."""
        done = self.run(host, command, stdin)
        assert done.returncode not in (0, 70, 255), f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One rack per module: each test continues where the previous one ended."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()
