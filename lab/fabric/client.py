"""Calls to the fabric's controller. Standard library only and no import of this project: nova's virt driver loads this
file by its path from a virtual environment of its own.

One request is one connection: a JSON object and a newline there, one back, `{"ok": true, ...}` or `{"error": "..."}`.
"""

import json
import socket
from pathlib import Path
from typing import Any


class FabricError(Exception):
    """The fabric refused a request, or its controller cannot be reached; the text says which."""


class FabricClient:
    """The fabric's controller, at the other end of `socket_path` (`lab.addresses.FABRIC_SOCKET`). Thread-safe.

    Every change returns when OpenSM has swept the fabric and programmed what follows from it (0.02 s with six hosts,
    0.4 s with 800). Doing a thing twice is no error and changes nothing the second time.
    """

    def __init__(self, socket_path: str | Path, timeout: float = 60) -> None:
        """`timeout`: seconds for a whole call."""
        self._path = str(socket_path)
        self._timeout = timeout

    def ping(self) -> dict[str, Any]:
        """{"model": hash of the wired fabric, "ibsim": pid, "opensm": pid}."""
        return self._call("ping")

    def nodes(self) -> list[dict[str, Any]]:
        """Every switch and HCA: name, kind ("switch", "host", "vf"), node_guid, port_guid ("0x" + 16 digits), lid,
        ports, linked, switch, switch_port, vf_of, vf_index. What does not apply is None."""
        nodes: list[dict[str, Any]] = self._call("nodes")["nodes"]
        return nodes

    def trunks(self) -> list[dict[str, Any]]:
        """The links between switches: switch, port, peer, peer_port."""
        trunks: list[dict[str, Any]] = self._call("nodes")["trunks"]
        return trunks

    def link(self, node: str) -> None:
        """Brings a host's port up, as powering it on does."""
        self._call("link", node=node)

    def unlink(self, node: str) -> None:
        """Takes a host's port down, and its VFs with it."""
        self._call("unlink", node=node)

    def plug(self, node: str, vf: int, guid: str) -> None:
        """Gives VF number `vf` (from 0) of the host `node` the GUID and brings its port up, as starting its VM does."""
        self._call("plug", node=node, vf=vf, guid=guid)

    def unplug(self, node: str, vf: int) -> None:
        """Takes the VF's port down and its GUID back."""
        self._call("unplug", node=node, vf=vf)

    def partitions(self, text: str, *, restart: bool = False) -> None:
        """Replaces OpenSM's partitions.conf. `restart`: OpenSM starts anew with it, as with a start of UFM; one that
        only reads it again leaves the MTU and rate of a multicast group that exists as they are."""
        self._call("partitions", text=text, restart=restart)

    def reap(self) -> None:
        """Frees the places in ibsim of programs that were killed; `lab.fabric.tools` calls it when none is left."""
        self._call("reap")

    def _call(self, op: str, **arguments: Any) -> dict[str, Any]:
        request = json.dumps({"op": op, **arguments}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout)
                connection.connect(self._path)
                connection.sendall(request)
                with connection.makefile("rb") as stream:
                    line = stream.readline()
        except OSError as error:
            raise FabricError(f"the fabric's controller at {self._path} does not answer: {error}") from error
        if not line:
            raise FabricError(f"the fabric's controller ended while it handled {op!r}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FabricError(str(answer["error"]))
        return answer
