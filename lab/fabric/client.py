"""The client of the fabric's controller.

Standard library only, without imports of this project: nova's virt driver loads this file by its path in the cloud's
virtual environment. One request is one connection: one line with a JSON object there, and one line back,
`{"ok": true, ...}` or `{"error": "..."}`.
"""

import json
import socket
from pathlib import Path
from typing import Any


class FabricError(Exception):
    """The controller refused a request or does not answer."""


class FabricClient:
    """The operations of the fabric's controller. Thread-safe; each raises FabricError.

    A change returns when OpenSM has swept the fabric and programmed the ports (0.02 s with six hosts, 0.4 s with 800).
    All changes are idempotent.
    """

    def __init__(self, socket_path: str | Path, timeout: float = 60) -> None:
        """Use the controller at `socket_path` (`lab.addresses.FABRIC_SOCKET`); `timeout` in seconds per call."""
        self._path = str(socket_path)
        self._timeout = timeout

    def ping(self) -> dict[str, Any]:
        """Return {"model": digest of the topology, "ibsim": pid, "opensm": pid}."""
        return self._call("ping")

    def nodes(self) -> list[dict[str, Any]]:
        """Return every switch and HCA.

        Keys: name, kind ("switch", "host", "vf"), node_guid, port_guid ("0x" + 16 digits), lid, ports, linked, switch,
        switch_port, vf_of, vf_index. Values that do not apply are None.
        """
        nodes: list[dict[str, Any]] = self._call("nodes")["nodes"]
        return nodes

    def trunks(self) -> list[dict[str, Any]]:
        """Return the links between switches: switch, port, peer, peer_port."""
        trunks: list[dict[str, Any]] = self._call("nodes")["trunks"]
        return trunks

    def link(self, node: str) -> None:
        """Link a host's port, as powering the host on does."""
        self._call("link", node=node)

    def unlink(self, node: str) -> None:
        """Unlink a host's port and its VFs."""
        self._call("unlink", node=node)

    def plug(self, node: str, vf: int, guid: str) -> None:
        """Set the GUID of VF `vf` (from 0) of the host `node` and link it, as starting its VM does."""
        self._call("plug", node=node, vf=vf, guid=guid)

    def unplug(self, node: str, vf: int) -> None:
        """Unlink the VF and reset its GUID."""
        self._call("unplug", node=node, vf=vf)

    def partitions(self, text: str, *, restart: bool = False) -> None:
        """Replace OpenSM's partitions.conf.

        Args:
            text: the content of the file.
            restart: restart OpenSM, as a start of UFM does. Without a restart, OpenSM keeps the MTU and rate of the
                multicast groups that exist.
        """
        self._call("partitions", text=text, restart=restart)

    def reap(self) -> None:
        """Free ibsim's connections to killed programs; `lab.fabric.tools` calls it when all ten are used."""
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
            raise FabricError(f"the fabric's controller ended during {op!r}; see its log (`make lab-status`)")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FabricError(str(answer["error"]))
        return answer
