"""Temporary Pulumi projects on the real engine, and temporary OpenSSH servers for them."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import build


@pytest.fixture(scope="session", autouse=True)
def engine() -> dict[str, str]:
    """Return the variables of the engine with the stand-ins of the plugins, also where released ones are installed.

    `make test` has made the engine already, and then this takes no time.
    """
    with build.locked():
        build.build()
        home = build.stand_ins()
    base = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    return {
        **base,
        **build.environment(base),
        "PULUMI_HOME": str(home),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
    }


@dataclass
class Run:
    """The exit status and the output of a pulumi command."""

    status: int
    text: str


@dataclass
class Project:
    """A Pulumi project with one stack, in its own folder, including the state."""

    folder: Path
    env: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pulumi = shutil.which("pulumi", path=self.env["PATH"])
        assert pulumi, "the engine fixture installs it"
        return subprocess.Popen(
            [pulumi, "--non-interactive", *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, fails: bool = False) -> Run:
        """Run the command to its end; its output must not contain a warning."""
        process = self.start(*arguments)
        text, _ = process.communicate()
        assert (process.returncode != 0) == fails, text
        assert "warning:" not in text, text  # e.g. "using pulumi-resource-… from $PATH"
        return Run(process.returncode, text)

    def up(self, spec: dict[str, Any], *arguments: str, fails: bool = False) -> Run:
        (self.folder / "spec.json").write_text(json.dumps(spec))
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def preview(self, spec: dict[str, Any]) -> Run:
        (self.folder / "spec.json").write_text(json.dumps(spec))
        return self.run("preview", "--diff")

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, with secrets in plain text."""
        outputs: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--show-secrets").text)
        return outputs

    def state(self) -> str:
        return self.run("stack", "export").text


@pytest.fixture
def project(tmp_path: Path, sshd: object, engine: dict[str, str]) -> Iterator[Callable[..., Project]]:
    """Create a project from the texts of its Python files; destroy its resources while the servers still run."""
    made: list[Project] = []

    def make(**files: str) -> Project:
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text("name: proof\nruntime: python\n")
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        env = {**engine, "PULUMI_CONFIG_PASSPHRASE": "proof"}
        env["PULUMI_BACKEND_URL"] = tmp_path.as_uri()
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        env.pop("SSH_AUTH_SOCK", None)
        made.append(Project(folder, env))
        made[-1].run("stack", "init", "dev")
        return made[-1]

    yield make
    for one in made:
        destroying = one.start(
            "destroy", "--yes", "--skip-preview"
        )  # may warn about an operation that a test interrupted
        text, _ = destroying.communicate()
        assert destroying.returncode == 0, text


@dataclass
class Server:
    """An OpenSSH server on the loopback interface; `connection` contains the arguments of remote.ConnectionArgs."""

    port: int
    connection: dict[str, Any]


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Start servers, and stop them after the test."""
    running: list[subprocess.Popen[str]] = []

    def start() -> Server:
        folder = tmp_path / f"sshd-{len(running)}"
        folder.mkdir()
        host_key = make_key(folder / "host")
        make_key(folder / "user")
        port = free_port()
        config = {
            "Port": port,
            "ListenAddress": "127.0.0.1",
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "user.pub",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "UsePAM": "no",
            "PidFile": "none",
            "AcceptEnv": "PULUMI_COMMAND_*",
            "SetEnv": "SHLVL=1",  # otherwise the user's shell, as the first one, reads .bashrc before each command
            "Subsystem": "sftp internal-sftp",
        }
        (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in config.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # as Debian's unit file does
        process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", folder / "config"], stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("Server listening"), line
        return Server(
            port,
            {
                "host": "127.0.0.1",
                "port": port,
                "user": getpass.getuser(),
                "private_key": (folder / "user").read_text(),
                "host_key": host_key,
            },
        )

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def make_key(path: Path) -> str:
    """Create an Ed25519 key pair and return the line of the public key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
