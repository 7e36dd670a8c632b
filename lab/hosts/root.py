"""The root file system of a host.

/etc, /var, /home and so on are the host's own; programs are the lab machine's, read-only; emulated commands come first
in PATH.

The root is entered in two steps. `bwrap` starts the host's first process in its own namespaces (mount, PID, host name).
The process lives as long as the host is powered on: a job that outlives its SSH connection keeps running, and ends at a
reboot, as on hardware. Each SSH session joins those namespaces with `nsenter`.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

PROGRAMS = ("bin", "sbin", "lib", "lib32", "lib64", "libexec")
"""Folders of /usr that the root shares with the lab's machine, read-only."""

SHARED = ("zoneinfo", "terminfo", "perl", "perl5", "ca-certificates", "i18n")
"""Folders of /usr/share that those programs read. The rest of /usr/share is the host's: packages put files there."""

SHARED_ETC = ("alternatives", "ssl", "ca-certificates", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")

KERNEL = ("cpuinfo", "cmdline")
"""Files of /proc that each node has its own version of."""

CLIENT = Path(__file__).with_name("client.py")
"""The program behind every emulated command."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"

PERMISSIVE = """\
auth     sufficient pam_rootok.so
auth     required   pam_deny.so
account  required   pam_permit.so
session  required   pam_permit.so
password required   pam_deny.so
"""


@dataclass(frozen=True)
class System:
    """How a host presents its operating system."""

    os_release: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    """Path below / → text, in addition to the files of every root."""


UBUNTU = System(
    {
        "NAME": "Ubuntu",
        "VERSION": "18.04.6 LTS (Bionic Beaver)",
        "ID": "ubuntu",
        "ID_LIKE": "debian",
        "PRETTY_NAME": "Ubuntu 18.04.6 LTS",
        "VERSION_ID": "18.04",
        "VERSION_CODENAME": "bionic",
    }
)
"""The guide's UFM node (U1)."""

CENTOS = System(
    {
        "NAME": "CentOS Stream",
        "VERSION": "8",
        "ID": "centos",
        "ID_LIKE": "rhel fedora",
        "VERSION_ID": "8",
        "PLATFORM_ID": "platform:el8",
        "PRETTY_NAME": "CentOS Stream 8",
    },
    {"etc/centos-release": "CentOS Stream release 8\n", "etc/redhat-release": "CentOS Stream release 8\n"},
)
"""The undercloud (C1), the overcloud's nodes (C5) and guests (G1)."""


@dataclass(frozen=True)
class Root:
    """The root of one host below `folder`."""

    folder: Path

    @property
    def tree(self) -> Path:
        """The folder that is the host's /."""
        return self.folder / "root"

    @property
    def local(self) -> Path:
        """The folder that is bound read-only at /usr/local: the emulated commands and the keeper's socket."""
        return self.folder / "local"

    @property
    def boot_id(self) -> Path:
        """The file that is bound over /proc/sys/kernel/random/boot_id. Every boot writes a new ID, as on hardware."""
        return self.folder / "boot_id"

    @property
    def kernel(self) -> Path:
        """The folder whose files are bound over those of /proc: CPU and command line of a node's kernel."""
        return self.folder / "kernel"

    def exists(self) -> bool:
        """Return whether an operating system is installed."""
        return (self.tree / "etc" / "hostname").exists()

    def make(self, hostname: str, system: System, commands: Iterable[str]) -> None:
        """Erase the root and install `system` with these emulated commands."""
        self.wipe()
        for name in ("home", "opt", "srv", "mnt", "sys", "proc", "dev", "etc/skel", "usr/local", "usr/share"):
            (self.tree / name).mkdir(parents=True, exist_ok=True)
        for name in ("root", "tmp", "run", "var/lib", "var/log", "var/tmp", "var/spool/mail"):
            (self.tree / name).mkdir(parents=True, exist_ok=True)
        for name, mode in (("root", 0o700), ("tmp", 0o1777), ("var/tmp", 0o1777)):
            (self.tree / name).chmod(mode)
        self.clear_run()
        (self.tree / "var/run").symlink_to("../run")
        for name in PROGRAMS:
            self._share_programs(name)
        for path, text in {**_etc(hostname, system), **system.files}.items():
            self.write(path, text)
        for name, mode in (("shadow", 0o640), ("gshadow", 0o640), ("sudoers", 0o440)):
            (self.tree / "etc" / name).chmod(mode)
        self.install_commands(commands)

    def add_user(self, name: str, uid: int) -> None:
        """Create a user with a home, without a password, who may run everything by sudo."""
        for file, line in (
            ("passwd", f"{name}:x:{uid}:{uid}::/home/{name}:/bin/bash\n"),
            ("group", f"{name}:x:{uid}:\n"),
            ("shadow", f"{name}:*:19000:0:99999:7:::\n"),
            ("sudoers", f"{name} ALL=(ALL) NOPASSWD:ALL\n"),
        ):
            with (self.tree / "etc" / file).open("a") as stream:
                stream.write(line)
        home = self.tree / "home" / name
        home.mkdir()
        shutil.chown(home, uid, uid)
        home.chmod(0o700)

    def _share_programs(self, name: str) -> None:
        if Path("/usr", name).exists():
            (self.tree / "usr" / name).mkdir(parents=True, exist_ok=True)
            if name in ("bin", "sbin", "lib", "lib32", "lib64"):
                (self.tree / name).symlink_to(f"usr/{name}")

    def install_commands(self, commands: Iterable[str]) -> None:
        """Put exactly these emulated commands into /usr/local/bin, the first folder of every user's PATH."""
        binaries, libexec = self.local / "bin", self.local / "libexec"
        for folder in (binaries, libexec, self.local / "sbin"):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CLIENT, libexec / "command")
        (libexec / "session").write_text(SESSION)
        for program in ("command", "session"):
            (libexec / program).chmod(0o755)
        wanted = set(commands)
        for command in binaries.iterdir():
            if command.name not in wanted:
                command.unlink()
        for name in wanted - {command.name for command in binaries.iterdir()}:
            (binaries / name).symlink_to("../libexec/command")

    def clear_run(self) -> None:
        """Empty /run, as a boot does."""
        shutil.rmtree(self.tree / "run", ignore_errors=True)
        (self.tree / "run" / "sudo").mkdir(parents=True)
        (self.tree / "run" / "sudo").chmod(0o711)

    def show_hardware(self, proc: Mapping[str, str], sys: Mapping[str, str | None]) -> None:
        """Write the files of /proc and /sys that a boot finds: path below them → text, or None for a folder."""
        self.kernel.mkdir(exist_ok=True)
        for name, text in proc.items():
            (self.kernel / name).write_text(text)
        shutil.rmtree(self.tree / "sys", ignore_errors=True)
        (self.tree / "sys").mkdir()
        for name, content in sys.items():
            if content is None:
                (self.tree / "sys" / name).mkdir(parents=True, exist_ok=True)
            else:
                self.write(f"sys/{name}", content)

    def wipe(self) -> None:
        """Erase the root."""
        shutil.rmtree(self.tree, ignore_errors=True)

    def write(self, path: str, text: str) -> None:
        """Write /`path`, owned by root, with its missing folders."""
        file = self.tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def resolve(self, path: str, cwd: str = "/") -> Path:
        """Return where `path` of the root lies on the lab's machine. Symbolic links never lead out of the root.

        Raises:
            OSError: there are too many symbolic links.
        """
        todo = list(reversed(PurePosixPath(cwd, path).parts[1:]))
        at = self.tree
        for _ in range(1000):
            if not todo:
                return at
            part = todo.pop()
            if part == "..":
                at = at.parent if at != self.tree else at
                continue
            step = at / part
            if step.is_symlink():
                target = PurePosixPath(step.readlink())
                at = self.tree if target.is_absolute() else at
                todo += reversed([p for p in target.parts if p != "/"])
            else:
                at = step
        raise OSError(f"Too many levels of symbolic links: {path}")

    def init_argv(self, hostname: str) -> Sequence[str]:
        """Return the command line of the host's first process. bwrap writes its pid as JSON to file descriptor 3."""
        binds: list[str] = []
        for name in PROGRAMS:
            if Path("/usr", name).exists():
                binds += ["--ro-bind", f"/usr/{name}", f"/usr/{name}"]
        for name in SHARED:
            binds += ["--ro-bind-try", f"/usr/share/{name}", f"/usr/share/{name}"]
        for name in SHARED_ETC:
            binds += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        return (
            "bwrap", "--bind", str(self.tree), "/", *binds,
            "--ro-bind", str(self.local), "/usr/local",
            "--proc", "/proc", "--dev", "/dev",
            "--ro-bind", str(self.boot_id), "/proc/sys/kernel/random/boot_id",
            *(word for name in KERNEL for word in ("--ro-bind-try", str(self.kernel / name), f"/proc/{name}")),
            "--unshare-pid", "--unshare-uts", "--hostname", hostname,
            "--info-fd", "3", "sleep", "infinity",
        )  # fmt: skip


SESSION = f"""\
#!/bin/sh
# One SSH session in this host: $1 is the command, empty for a login shell.
PATH={PATH}
export PATH
cd "$HOME" 2>/dev/null || cd /
[ -n "$1" ] || exec /bin/bash -l
exec /bin/bash -c "$1"
"""


def _etc(hostname: str, system: System) -> dict[str, str]:
    short = hostname.partition(".")[0]
    pam = {f"etc/pam.d/{s}": PERMISSIVE for s in ("su", "su-l", "runuser", "runuser-l", "sudo", "sudo-i", "other")}
    return {
        "etc/os-release": "".join(f'{k}="{v}"\n' for k, v in system.os_release.items()),
        "etc/hostname": f"{hostname}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {hostname} {short}\n",
        "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
        "etc/group": "root:x:0:\nnogroup:x:65534:\n",
        "etc/shadow": "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
        "etc/gshadow": "root:*::\nnogroup:*::\n",
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
        "etc/profile": f"PATH={PATH}\nexport PATH\n",
        "etc/login.defs": f"ENV_SUPATH PATH={PATH}\nENV_PATH PATH={PATH}\nUID_MIN 1000\nGID_MIN 1000\n"
        "UMASK 022\nUSERGROUPS_ENAB yes\nCREATE_HOME no\nHOME_MODE 0700\n",
        "etc/default/useradd": "SHELL=/bin/bash\nHOME=/home\n",
        "etc/sudoers": f'Defaults secure_path="{PATH}"\nDefaults !use_pty\n'
        "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
        "etc/skel/.bash_profile": "# .bash_profile\n",
        "etc/sudoers.d/README": "# Files of this folder are read by sudo.\n",
        "etc/locale.conf": "LANG=C.UTF-8\n",
        "root/.bash_profile": "# .bash_profile\n",
        **pam,
    }
