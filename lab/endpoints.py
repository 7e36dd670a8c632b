"""The TCP addresses that the lab listens on, and the processes that hold one of them without being the lab's.

All from /proc: /proc/net/tcp lists the listening sockets, and /proc/PID/fd the process that holds a socket.
"""

import ipaddress
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lab.process import LabError

PROC = Path("/proc")
LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp (TCP_LISTEN)."""
SHOWN = 100
"""Characters of a command line in an error."""


class Endpoint(NamedTuple):
    """A TCP address that a process of the lab listens on."""

    user: str
    """What listens there, for people: "MariaDB"."""
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Socket(NamedTuple):
    """A listening socket."""

    address: str
    port: int
    inode: str

    def blocks(self, endpoint: Endpoint) -> bool:
        """Return whether no other process can listen on `endpoint`."""
        anywhere = ipaddress.ip_address(self.address).is_unspecified
        return self.port == endpoint.port and (anywhere or self.address == endpoint.address)


def require_free(endpoints: Iterable[Endpoint], ours: Iterable[int]) -> None:
    """Check that no process but the lab's own listens where the lab will.

    Args:
        endpoints: where the lab will listen.
        ours: pids of the lab's processes; their descendants and sessions are the lab's too.

    Raises:
        LabError: addresses are taken; the text names each with the process that holds it.
    """
    sockets, pids = list(_listening()), {*ours}
    held = {endpoint: s for endpoint in endpoints for s in sockets if s.blocks(endpoint)}
    holders = _holders({s.inode for s in held.values()}) if held else {}
    taken = [
        f"  {endpoint} ({endpoint.user}) is held by {_described(holders.get(s.inode))}"
        for endpoint, s in held.items()
        if not _belongs(holders.get(s.inode), pids)
    ]
    if taken:
        advice = "stop these processes; if they are another lab's, run `make lab-stop` in its checkout"
        raise LabError("addresses that the lab needs are taken:\n" + "\n".join(taken) + f"\n{advice}")


def _listening() -> Iterator[Socket]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue  # IPv6 may be disabled.
        for fields in map(str.split, lines):
            if fields[3] == LISTEN:
                address, _, port = fields[1].partition(":")
                yield Socket(_address(address), int(port, 16), fields[9])


def _address(digits: str) -> str:
    """Return an address of /proc/net/tcp: words of 32 bits in the machine's byte order."""
    words = [bytes.fromhex(digits[i : i + 8]) for i in range(0, len(digits), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    found = ipaddress.ip_address(packed)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _holders(inodes: set[str]) -> Mapping[str, int]:
    """Return inode → pid of a process that has the socket open. Processes of other users are seen by root only."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, int] = {}
    for entry in PROC.glob("[0-9]*/fd/*"):
        try:
            target = str(entry.readlink())
        except OSError:
            continue  # The process has ended, or is another user's.
        if target in wanted:
            found.setdefault(wanted[target], int(entry.parts[2]))
    return found


def _belongs(pid: int | None, ours: set[int]) -> bool:
    """Return whether a process is one of `ours`, a descendant, or in the session that one of them leads."""
    while pid:
        if pid in ours:
            return True
        try:
            _, parent, _, session, *_ = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        if int(session) in ours:
            return True
        pid = int(parent)
    return False


def _described(pid: int | None) -> str:
    if pid is None:
        return "a process that /proc does not show to this user or in this container"
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        folder = (PROC / str(pid) / "cwd").readlink()
    except OSError:
        return f"process {pid}"
    return f"process {pid}, started in {folder}: {command[:SHOWN]}"
