"""The keeper: one process that owns the rack and answers the emulated commands of every host.

A command that runs goes on when the SSH session that it was called from ends, unless its own process is killed.
"""

import json
import os
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lab.hosts.commands  # noqa: F401 - registers the handlers
from lab.hosts import step_faults
from lab.hosts.call import Call
from lab.hosts.commands import ironic
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.node import Node
from lab.hosts.outcomes import Become, Hangup, Refusal
from lab.hosts.rack import Rack
from lab.hosts.registry import COMMANDS
from lab.hosts.state import HardwareFaults, PortFaults
from lab.process import LabError


def listen(path: Path) -> socket.socket:
    """Return a listening Unix socket at a path of any length, which every user may connect to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The address of a Unix socket is limited to 107 bytes, so the folder is named by a file descriptor.
    folder = os.open(path.parent, os.O_PATH)
    try:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    path.chmod(0o666)
    server.listen(128)
    return server


class Keeper:
    """Serves the rack's hosts and, at the socket `control`, the lab itself."""

    def __init__(self, rack: Rack, control: Path) -> None:
        self.rack, self._control = rack, control
        self._servers: dict[str, socket.socket] = {}
        self._requests: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "status": self._status,
            "power_on": lambda request: self._node(request).power_on(),
            "power_off": lambda request: self._node(request).power_off(),
            "reboot": lambda request: self._node(request).reboot(),
            "fail_links": lambda request: self._node(request).fail_links(int(request["times"])),
            "replace_adapter": lambda request: self._node(request).replace_adapter(),
            "hardware_faults": lambda request: self._node(request).inject(_faults(request["faults"])),
            "step_fault": self._step_fault,
            "templates": lambda request: self.rack.undercloud.release_templates(bool(request["released"])),
        }

    def start(self) -> None:
        """Start the rack and serve it; return when UFM's node and the undercloud answer.

        Raises:
            LabError: a host does not come up.
        """
        self.rack.serve = self.serve
        for host in self.rack.hosts():
            self.serve(host)
        self.rack.start()
        ironic.recover(self.rack)
        self._accept("control", listen(self._control), self._answer_control)

    def stop(self) -> None:
        """Stop serving. The hosts stay up."""
        for server in self._servers.values():
            # A thread may block in accept(): shutdown wakes it, close does not.
            server.shutdown(socket.SHUT_RDWR)
            server.close()
        self._servers.clear()
        self._control.unlink(missing_ok=True)

    def serve(self, host: Host) -> None:
        """Open the host's socket for its emulated commands."""
        server = listen(host.root.local / "libexec" / "keeper.sock")
        self._accept(f"host {host.name}", server, lambda peer: self._answer(host, peer))

    def _accept(self, name: str, server: socket.socket, answer: Callable[[socket.socket], None]) -> None:
        self._servers[name] = server

        def loop() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(peer,), daemon=True).start()

        threading.Thread(target=loop, name=name, daemon=True).start()

    # -- emulated commands

    def _answer(self, host: Host, peer: socket.socket) -> None:
        streams: list[int] = []
        try:
            with peer:
                request = _receive(peer, streams)
                argv, env, cwd, clouds = (request[key] for key in ("argv", "env", "cwd", "clouds"))
                call = Call(self.rack, host, argv, env, cwd, _uid(peer), streams, peer, clouds)
                reply = run(call)
                for stream in streams:
                    os.close(stream)
                streams.clear()
                peer.sendall(json.dumps(reply).encode() + b"\n")
                call.alive(2)
            for action in call.afterwards:
                action()
        except (OSError, ValueError):
            return  # the caller ended before it had its answer
        except Exception:
            traceback.print_exc()
        finally:
            for stream in streams:
                os.close(stream)

    # -- requests of the lab and of tests

    def _answer_control(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rwb") as stream:
            request = json.loads(stream.readline() or b"{}")
            try:
                answer = self.control(request)
            except (LabError, KeyError) as error:
                answer = {"error": str(error)}
            stream.write(json.dumps(answer).encode() + b"\n")

    def control(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what the lab or a test asks for, and return the answer; `docs/lab-hosts.md` lists the requests.

        Raises:
            LabError: it failed.
            KeyError: there is no such node, or the request lacks a key.
        """
        handler = self._requests.get(str(request.get("op")))
        if handler is None:
            return {"error": f"unknown request {request.get('op')!r}"}
        return handler(request) or {"ok": True}

    def _node(self, request: dict[str, Any]) -> Node:
        return self.rack.nodes[request["node"]]

    def _status(self, request: dict[str, Any]) -> dict[str, Any]:
        hosts = (self.rack.ufm, self.rack.undercloud, *self.rack.nodes.values())
        return {
            "hosts": {
                host.name: {
                    "kind": host.kind,
                    "address": host.access.address,
                    "up": host.up,
                    "power": "on" if host.powered else "off",
                }
                for host in hosts
            }
        }

    def _step_fault(self, request: dict[str, Any]) -> None:
        undercloud, hold, fails = self.rack.undercloud, bool(request["hold"]), int(request["fails"])
        step_faults.inject(undercloud, request["command"], hold, fails)


def _faults(fields: dict[str, Any]) -> HardwareFaults:
    """Return injected faults from their JSON form, whose keys are the fields of `HardwareFaults`."""
    try:
        return HardwareFaults(**{**fields, "hca": PortFaults(**fields.get("hca", {}))})
    except TypeError as error:
        raise LabError(f"unknown fault: {error}") from None


def run(call: Call[Host]) -> dict[str, Any]:
    """Run the command; return the reply that tells its process how to end."""
    handler = COMMANDS.find(type(call.host), call.argv[0])
    try:
        if handler is None:
            raise Refusal(f"{call.argv[0]}: command not found", 127)
        return {"status": handler(call) or 0}
    except Become as other:
        return {"exec": other.argv, "env": other.env}
    except Hangup:
        return {"status": 141}
    except Refusal as refusal:
        return _refused(call, refusal.text, refusal.status)
    except LabError as error:
        return _refused(call, f"{call.argv[0]}: {error}", 1)
    except Exception:
        traceback.print_exc()
        return _refused(
            call, f"{call.argv[0]}: the lab's keeper failed; its log (hosts-keeper.log) has the traceback", 70
        )


def _refused(call: Call[Host], text: str, status: int) -> dict[str, Any]:
    try:
        if text:
            call.err(text)
    except Hangup:
        pass
    return {"status": status}


def _receive(peer: socket.socket, streams: list[int]) -> dict[str, Any]:
    head, descriptors, _, _ = socket.recv_fds(peer, 8, 3)
    streams += descriptors
    size, body = int(head), b""
    while len(body) < size:
        chunk = peer.recv(size - len(body))
        if not chunk:
            raise OSError("the caller ended")
        body += chunk
    request: dict[str, Any] = json.loads(body)
    return request


def _uid(peer: socket.socket) -> int:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
