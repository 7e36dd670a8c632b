"""One call of an emulated command: how a handler sees the calling process, its host and the rack."""

import os
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from lab.hosts.kinds.host import Host
from lab.hosts.outcomes import Hangup, Refusal
from lab.hosts.rack import Rack

H_co = TypeVar("H_co", bound=Host, covariant=True)


@dataclass
class Call(Generic[H_co]):
    """A call on a host of one kind. A handler acts on the host and the rack only through it."""

    rack: Rack
    host: H_co
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    uid: int
    streams: Sequence[int]
    """File descriptors of the caller's standard input, output and error."""
    peer: socket.socket | None = None
    """Becomes readable when the caller's process ends."""
    clouds: str = ""
    """Text of the caller's clouds.yaml; empty if its environment names none."""
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    """Run once the caller has its exit status, e.g. a reboot."""

    def out(self, text: str = "", end: str = "\n") -> None:
        """Write to the caller's standard output.

        Raises:
            Hangup: the caller closed it.
        """
        self._write(1, text + end)

    def err(self, text: str, end: str = "\n") -> None:
        """Write to the caller's standard error.

        Raises:
            Hangup: the caller closed it.
        """
        self._write(2, text + end)

    def _write(self, stream: int, text: str) -> None:
        data = text.encode()
        try:
            while data:
                data = data[os.write(self.streams[stream], data) :]
        except OSError as error:
            raise Hangup(str(error)) from error

    def read(self) -> str:
        """Return all of standard input."""
        with os.fdopen(os.dup(self.streams[0]), "rb") as stream:
            return stream.read().decode(errors="replace")

    def path(self, name: str) -> Path:
        """Return where a path of the host lies on the lab's machine."""
        return self.host.root.resolve(name, self.cwd)

    def text(self, name: str) -> str:
        """Return the content of a file of the host.

        Raises:
            Refusal: it cannot be read; in the words of a Python tool.
        """
        try:
            return self.path(name).read_text()
        except OSError as error:
            raise Refusal(f"[Errno {error.errno}] {error.strerror}: '{name}'") from None

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the host, owned by the caller's user, with its missing folders."""
        file = self.path(name)
        for folder in [p for p in file.parents if not p.exists()][::-1]:
            folder.mkdir()
            os.chown(folder, self.uid, self.uid)
        file.touch(mode=mode)
        file.chmod(mode)
        file.write_text(text)
        os.chown(file, self.uid, self.uid)

    def alive(self, seconds: float = 0) -> bool:
        """Wait for `seconds`, or until the caller's process ends; return whether it still runs."""
        if self.peer is None:
            time.sleep(seconds)
            return True
        return not select.select([self.peer], [], [], seconds)[0]

    def pause(self, share: float = 1.0) -> None:
        """Wait for `share` steps of the rack's pace: the time that a step of hours takes here.

        Raises:
            Hangup: the caller was killed meanwhile.
        """
        if not self.alive(share * self.rack.pace):
            raise Hangup("killed")

    def progress(self, *lines: str) -> None:
        """Print the lines of a long job; all of them together take one step of the rack's pace."""
        for line in lines:
            self.out(line)
            self.pause(1 / len(lines))

    def as_root(self) -> None:
        """Check that the caller is root.

        Raises:
            Refusal: it is another user.
        """
        if self.uid != 0:
            raise Refusal(f"{self.argv[0]}: this command must be run as root: permission denied")
