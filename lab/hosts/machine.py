"""One host of the rack: its root, its SSH server, its power, and what the keeper remembers of it."""

import json
import os
import secrets
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.hosts.call import names
from lab.hosts.keys import keygen
from lab.hosts.root import Root, System
from lab.process import LabError, Process, start_time, until

SSHD = "/usr/sbin/sshd"
SFTP = "/usr/lib/openssh/sftp-server"


PACKAGES = {
    "mstconfig": "mstflint",
    "mlxconfig": "mft",
    "mstflint": "mstflint",
    "openstack": "python3-tripleoclient",
    "tripleo-repos": "python3-tripleo-repos",
}
"""Emulated commands that a package brings; the others come with the operating system."""


@dataclass(frozen=True)
class Access:
    """How hosts are reached over SSH."""

    port: int
    authorized_keys: Path


def descendants(pid: int) -> list[int]:
    """The process's children and theirs."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    except OSError:
        pass
    return found


class Machine:
    """A host. `kind` decides which commands it has: ufm, undercloud, controller, compute, guest."""

    def __init__(self, name: str, kind: str, address: str, folder: Path, system: System, access: Access) -> None:
        self.name, self.kind, self.address, self.folder = name, kind, address, folder
        self.user = ""
        """Where set, everybody is this user (a guest's), who must have been asked for; else root."""
        self._system, self._access = system, access
        self.root = Root(folder)
        self._lock = threading.RLock()
        self._power = threading.RLock()
        self._file = folder / "state.json"
        self._state: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    # -- what is remembered

    @property
    def state(self) -> dict[str, Any]:
        """For reading; changes go through `change`."""
        return self._state

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """A change of the host's state, on the disk before anybody is told."""
        with self._lock:
            yield self._state
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.touch(mode=0o600)  # passwords are in it
            fresh.write_text(json.dumps(self._state, indent=1))
            fresh.replace(self._file)

    def forget(self) -> None:
        """Everything but the hardware: the disk is empty, and nothing runs from it."""
        self.shutdown()
        self.root.wipe()
        self.host_key.unlink(missing_ok=True)
        self.host_key.with_name("host_key.pub").unlink(missing_ok=True)
        self.authorized_keys.unlink(missing_ok=True)

    # -- its operating system

    @property
    def host_key(self) -> Path:
        return self.folder / "host_key"

    @property
    def authorized_keys(self) -> Path:
        """Those that its installation has let in, beside the operator's."""
        return self.folder / "authorized_keys"

    @property
    def installed(self) -> bool:
        return self.root.exists()

    def install(self, hostname: str) -> None:
        """Puts an operating system with fresh host keys on the disk."""
        self.root.make(hostname, self._system, self._commands())
        keygen(self.host_key, hostname)

    def refresh(self) -> None:
        """Puts the emulated commands in place: of this version of the lab, and of the packages installed by now."""
        self.root.install_commands(self._commands())

    def _commands(self) -> list[str]:
        packages = self._state.get("packages", [])
        return [name for name in names(self.kind) if PACKAGES.get(name) in (None, *packages)]

    # -- running

    @property
    def init(self) -> Process:
        info = self.folder / "init.json"
        name = (self.root.tree / "etc/hostname").read_text().strip() if self.installed else self.name
        argv = ["sh", "-c", 'exec "$@" 3>"$0"', str(info), *self.root.init_argv(name)]
        return Process(f"{self.name}-init", argv, self.folder)

    @property
    def sshd(self) -> Process:
        return Process(f"{self.name}-sshd", [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")], self.folder)

    def processes(self) -> list[Process]:
        """Those that were started and not stopped."""
        return [p for p in (self.init, self.sshd) if p.pid_file.exists()]

    @property
    def up(self) -> bool:
        return self.sshd.pid() is not None

    def boot(self, serve: bool = True) -> None:
        """Starts the installed system and, unless told otherwise, its SSH server.

        Raises:
            LabError: it does not come up.
        """
        with self._power:
            if self.init.pid() is None:
                self.root.clear_run()
                self.root.boot_id.write_text(f"{uuid.UUID(bytes=secrets.token_bytes(16), version=4)}\n")
                (self.folder / "init.json").write_text("")
                self.init.start()
                self.init.wait(lambda: self._first_pid() is not None, 10)
                (self.folder / "init_pid").write_text(f"{self._first_pid()}\n")
            self._write_enter()
            if serve and self.sshd.pid() is None:
                self._write_config(listen=True)
                self.sshd.start()
                self.sshd.wait(self._answers, 10)

    def _first_pid(self, running: bool = True) -> int | None:
        """The pid, on the machine, of the first process in the host's namespaces; if `running`, once it serves."""
        try:
            pid = int(json.loads((self.folder / "init.json").read_text())["child-pid"])
            if not running:
                return pid
            # bwrap has set up the mounts when its child runs `sleep`.
            child = descendants(pid)[0]
            return pid if Path(f"/proc/{child}/comm").read_text() == "sleep\n" else None
        except (OSError, ValueError, KeyError, IndexError):
            return None

    def shutdown(self) -> None:
        """Power off: no SSH server, no session, no process left."""
        with self._power:
            pid = self.sshd.pid()
            sessions = descendants(pid) if pid else []
            self.sshd.stop()
            for session in sessions:
                _end(session)
            (self.folder / "init_pid").unlink(missing_ok=True)
            self._end_all()
            self.init.stop()

    def _end_all(self) -> None:
        """Ends the first process of the host's PID namespace, and the kernel with it every other one.

        bwrap alone would stay for as long as somebody's background job does.
        """
        outer, first = self.init.pid(), self._first_pid(running=False)
        if outer is not None and first in descendants(outer):
            os.kill(first, signal.SIGKILL)
            until(lambda: start_time(first) is None, 5)

    def _answers(self) -> bool:
        import socket

        try:
            with socket.create_connection((self.address, self._access.port), 1):
                return True
        except OSError:
            return False

    def _write_enter(self) -> None:
        """The program that sshd runs instead of the command: enters the root."""
        enter = self.folder / "enter"
        session = '/usr/local/libexec/session "$SSH_ORIGINAL_COMMAND"'
        check = ""
        if self.user:
            session = f'/usr/sbin/runuser -l {self.user} -c "$SSH_ORIGINAL_COMMAND"'
            refusal = 'echo "$LAB_USER: Permission denied (publickey)." >&2; exit 255'
            check = f'[ "$LAB_USER" = {self.user} ] || {{ {refusal}; }}\n'
        enter.write_text(
            "#!/bin/sh\n"
            f"read -r pid < '{self.folder}/init_pid' || {{ echo '{self.name} is going down' >&2; exit 255; }}\n"
            f"{check}"
            f'exec nsenter -t "$pid" -m -u -p -- {session}\n'
        )
        enter.chmod(0o755)

    def _write_config(self, listen: bool) -> None:
        address = [f"ListenAddress {self.address}", f"Port {self._access.port}"] if listen else []
        lines = [
            *address,
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self._access.authorized_keys} {self.authorized_keys}",
            f"ForceCommand {self.folder / 'enter'}",
            f"Subsystem sftp {SFTP}",
            "PidFile none",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "StrictModes no",
            "AcceptEnv *",
            # The machine's own bash runs the command, and as a first shell it would read its user's .bashrc.
            "SetEnv SHLVL=1",
            "UseDNS no",
            "PrintMotd no",
            "PrintLastLog no",
            "MaxStartups 200",
            "MaxSessions 100",
            "LogLevel ERROR",
            # The post-quantum exchange of the default costs more time than a command.
            "KexAlgorithms curve25519-sha256",
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        # Debian's sshd insists on its empty folder, which the package's unit would make at boot.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def serve_one(self, reads: int, writes: int) -> "subprocess.Popen[bytes]":
        """One SSH connection on two descriptors, without a listening server: guests are reached so."""
        self._write_config(listen=False)
        argv = [SSHD, "-i", "-e", "-f", str(self.folder / "sshd_config")]
        return subprocess.Popen(argv, stdin=reads, stdout=writes, stderr=subprocess.DEVNULL, start_new_session=True)

    def enter(self, argv: list[str]) -> list[str]:
        """The command line, on the machine, that runs `argv` in the host.

        Raises:
            LabError: the host is down.
        """
        pid = self._first_pid() if self.init.pid() else None
        if pid is None:
            raise LabError(f"{self.name} is down")
        return ["nsenter", "-t", str(pid), "-m", "-u", "-p", "--", *argv]


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        if not until(lambda: start_time(pid) is None, 1):
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
