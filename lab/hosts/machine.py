"""The processes of one host: the first process of its namespaces and its SSH server."""

import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from lab.hosts.root import Root
from lab.process import LabError, Process, start_time, until

SSHD = "/usr/sbin/sshd"
SFTP = "/usr/lib/openssh/sftp-server"


@dataclass(frozen=True)
class Access:
    """How a host is reached over SSH."""

    address: str = ""
    port: int = 0
    authorized_keys: Path | None = None
    """File with the keys of the operator or of a guest's owner. The installation may add other keys."""
    user: str = "root"
    """The only user who may log in. Another user than root has sudo."""
    login_hash: str = ""
    """Hash of the user's password, as in /etc/shadow; empty: no login by password is offered."""


class Machine:
    """A host without its state: a folder with a root, and the processes that run in the root.

    Args:
        name: unique in the rack.
        folder: holds the root, the host key and the files of the processes.
        access: may be left out if the machine is only listed or stopped.
    """

    def __init__(self, name: str, folder: Path, access: Access | None = None) -> None:
        self.name, self.folder = name, folder
        self.access = access or Access()
        self.root = Root(folder)
        self._power = threading.RLock()

    @property
    def host_key(self) -> Path:
        """The private key of the SSH server, on the lab's machine."""
        return self.folder / "host_key"

    @property
    def authorized_keys(self) -> Path:
        """Keys that the installation authorises, in addition to the operator's."""
        return self.folder / "authorized_keys"

    @property
    def installed(self) -> bool:
        """Whether an operating system is on the disk."""
        return self.root.exists()

    def wipe(self) -> None:
        """Stop everything that runs from the disk and erase the disk, with the host key."""
        self.shutdown()
        self.root.wipe()
        self.host_key.unlink(missing_ok=True)
        self.host_key.with_name("host_key.pub").unlink(missing_ok=True)
        self.authorized_keys.unlink(missing_ok=True)

    # -- processes

    @property
    def init(self) -> Process:
        """The first process, which lives as long as the host is powered on."""
        info = self.folder / "init.json"
        name = (self.root.tree / "etc/hostname").read_text().strip() if self.installed else self.name
        argv = ["sh", "-c", 'exec "$@" 3>"$0"', str(info), *self.root.init_argv(name)]
        return Process(f"{self.name}-init", argv, self.folder)

    @property
    def sshd(self) -> Process:
        """The SSH server. It runs outside the root; each session enters the root."""
        return Process(f"{self.name}-sshd", self._sshd_argv("-D"), self.folder)

    def _sshd_argv(self, mode: str) -> list[str]:
        """Return the command line of an SSH server that knows the host's users instead of the lab machine's."""
        bind = 'mount --bind "$0" /etc/passwd && exec "$@"'
        users, config = str(self.folder / "sshd_passwd"), str(self.folder / "sshd_config")
        return ["unshare", "--mount", "sh", "-c", bind, users, SSHD, mode, "-e", "-f", config]

    def processes(self) -> list[Process]:
        """Return the processes that were started and not stopped."""
        return [p for p in (self.init, self.sshd) if p.pid_file.exists()]

    @property
    def up(self) -> bool:
        """Whether the SSH server runs."""
        return self.sshd.pid() is not None

    def boot(self, serve: bool = True) -> None:
        """Start the installed system and, if `serve`, its SSH server.

        Raises:
            LabError: a process ends, or does not become ready within 10 s.
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

    def shutdown(self) -> None:
        """Power off: end the SSH server, its sessions and every process in the root."""
        with self._power:
            pid = self.sshd.pid()
            sessions = descendants(pid) if pid else []
            self.sshd.stop()
            for session in sessions:
                _end(session)
            (self.folder / "init_pid").unlink(missing_ok=True)
            self._end_all()
            self.init.stop()

    def _first_pid(self, running: bool = True) -> int | None:
        """Return the pid, on the lab's machine, of the first process in the host's namespaces.

        If `running`, return None until bwrap has set up the mounts, which is when its child runs `sleep`.
        """
        try:
            pid = int(json.loads((self.folder / "init.json").read_text())["child-pid"])
            if not running:
                return pid
            child = descendants(pid)[0]
            return pid if Path(f"/proc/{child}/comm").read_text() == "sleep\n" else None
        except (OSError, ValueError, KeyError, IndexError):
            return None

    def _end_all(self) -> None:
        """Kill the first process of the PID namespace; the kernel then kills all others in it.

        To end bwrap is not enough: it waits for background jobs that run in the namespace.
        """
        outer, first = self.init.pid(), self._first_pid(running=False)
        if outer is not None and first in descendants(outer):
            os.kill(first, signal.SIGKILL)
            until(lambda: start_time(first) is None, 5)

    # -- SSH

    def enter(self, argv: list[str]) -> list[str]:
        """Return the command line, on the lab's machine, that runs `argv` in the host.

        Raises:
            LabError: the host is down.
        """
        pid = self._first_pid() if self.init.pid() else None
        if pid is None:
            raise LabError(f"{self.name} is down")
        return ["nsenter", "-t", str(pid), "-m", "-u", "-p", "--", *argv]

    def serve_one(self, reads: int, writes: int) -> "subprocess.Popen[bytes]":
        """Serve one SSH connection on two file descriptors, without a listening server. Guests are reached this way."""
        self._write_config(listen=False)
        argv = self._sshd_argv("-i")
        return subprocess.Popen(argv, stdin=reads, stdout=writes, stderr=subprocess.DEVNULL, start_new_session=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.access.address, self.access.port), 1):
                return True
        except OSError:
            return False

    def _write_enter(self) -> None:
        """Write the program that sshd runs instead of the requested command: it enters the root."""
        enter = self.folder / "enter"
        session = '/usr/local/libexec/session "$SSH_ORIGINAL_COMMAND"'
        if self.access.user != "root":
            session = f'/usr/sbin/runuser -l {self.access.user} ${{SSH_ORIGINAL_COMMAND:+-c "$SSH_ORIGINAL_COMMAND"}}'
        enter.write_text(
            "#!/bin/sh\n"
            f"read -r pid < '{self.folder}/init_pid' || {{ echo '{self.name} is going down' >&2; exit 255; }}\n"
            f'exec nsenter -t "$pid" -m -u -p -- {session}\n'
        )
        enter.chmod(0o755)

    def _write_config(self, listen: bool) -> None:
        users = Path("/etc/passwd").read_text()
        if self.access.user != "root":
            # The session enters the root with the lab machine's own rights, and takes the user's there.
            users += f"{self.access.user}:{self.access.login_hash or 'x'}:0:0::/:/bin/sh\n"
        (self.folder / "sshd_passwd").write_text(users)
        keys = [str(file) for file in (self.access.authorized_keys, self.authorized_keys) if file]
        address = [f"ListenAddress {self.access.address}", f"Port {self.access.port}"] if listen else []
        lines = [
            *address,
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {' '.join(keys)}",
            f"AllowUsers {self.access.user}",
            f"ForceCommand {self.folder / 'enter'}",
            f"Subsystem sftp {SFTP}",
            "PidFile none",
            "UsePAM no",
            f"PasswordAuthentication {'yes' if self.access.login_hash else 'no'}",
            "KbdInteractiveAuthentication no",
            # To sshd, the user has root's number.
            f"PermitRootLogin {'yes' if self.access.login_hash else 'prohibit-password'}",
            "StrictModes no",
            "AcceptEnv *",
            # bash treats SHLVL=0 as a login from the network and reads the user's .bashrc.
            "SetEnv SHLVL=1",
            "UseDNS no",
            "PrintMotd no",
            "PrintLastLog no",
            "MaxStartups 200",
            "MaxSessions 100",
            "LogLevel ERROR",
            # The default, a post-quantum key exchange, takes longer than most commands.
            "KexAlgorithms curve25519-sha256",
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        # sshd needs its empty folder, which Debian's unit would create at boot.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


def descendants(pid: int) -> list[int]:
    """Return the pids of the process's children, their children and so on."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    except OSError:
        pass
    return found


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        if not until(lambda: start_time(pid) is None, 1):
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
