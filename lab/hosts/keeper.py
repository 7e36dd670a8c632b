"""The keeper: one process that owns the rack and answers the emulated commands of every host, whatever becomes of the
SSH sessions they were called from."""

import json
import os
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lab.hosts.commands  # noqa: F401 - registers the commands
from lab.hosts import step_faults
from lab.hosts.call import COMMANDS, Become, Call, Hangup, Refusal
from lab.hosts.commands import ironic
from lab.hosts.machine import Machine
from lab.hosts.rack import Rack
from lab.process import LabError


def listen(path: Path) -> socket.socket:
    """A Unix socket at a path of any length, open to every user of the host's root."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A socket's path may have 107 bytes: name the folder by a descriptor.
    folder = os.open(path.parent, os.O_PATH)
    try:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    path.chmod(0o666)
    server.listen(128)
    return server


class Keeper:
    """Serves the rack's hosts and, at `control`, the lab itself."""

    def __init__(self, rack: Rack, control: Path) -> None:
        self.rack, self._control = rack, control
        self._servers: dict[str, socket.socket] = {}

    def start(self) -> None:
        """Returns when UFM's node and the undercloud answer."""
        self.rack.serve = self.serve
        for machine in self.rack.machines():
            self.serve(machine)
        self.rack.start()
        ironic.recover(self.rack)
        self._accept("control", listen(self._control), self._answer_control)

    def stop(self) -> None:
        for server in self._servers.values():
            # A thread may sit in accept(): shutdown wakes it, close alone does not.
            server.shutdown(socket.SHUT_RDWR)
            server.close()
        self._servers.clear()
        self._control.unlink(missing_ok=True)

    def serve(self, machine: Machine) -> None:
        """Opens the host's socket."""
        server = listen(machine.root.local / "libexec" / "keeper.sock")
        self._accept(f"host {machine.name}", server, lambda peer: self._answer(machine, peer))

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

    def _answer(self, machine: Machine, peer: socket.socket) -> None:
        streams: list[int] = []
        try:
            with peer:
                request = _receive(peer, streams)
                call = Call(
                    self.rack, machine, request["argv"], request["env"], request["cwd"], _uid(peer), streams, peer
                )
                reply = run(call)
                for stream in streams:
                    os.close(stream)
                streams.clear()
                peer.sendall(json.dumps(reply).encode() + b"\n")
                call.alive(2)
            for action in call.afterwards:
                action()
        except (OSError, ValueError):
            return  # the caller went away
        except Exception:
            traceback.print_exc()
        finally:
            for stream in streams:
                os.close(stream)

    # -- the lab's own handle

    def _answer_control(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rwb") as stream:
            request = json.loads(stream.readline() or b"{}")
            try:
                answer = self._control_request(request)
            except (LabError, KeyError) as error:
                answer = {"error": str(error)}
            stream.write(json.dumps(answer).encode() + b"\n")

    def _control_request(self, request: dict[str, Any]) -> dict[str, Any]:
        op = request.get("op")
        if op == "status":
            return {
                "hosts": {
                    m.name: {"kind": m.kind, "address": m.address, "up": m.up, "power": m.state.get("power", "on")}
                    for m in (self.rack.ufm, self.rack.undercloud)
                }
                | {
                    m.name: {"kind": m.kind, "address": m.address, "up": m.up, "power": m.state.get("power", "off")}
                    for m in self.rack.nodes.values()
                }
            }
        if op in ("power_on", "power_off", "reboot"):
            machine = self.rack.nodes[request["node"]]
            getattr(self.rack, op)(machine)
            return {"ok": True}
        if op == "darken":
            self.rack.darken(self.rack.nodes[request["node"]], int(request["times"]))
            return {"ok": True}
        if op == "step_fault":
            step_faults.order(self.rack.undercloud, request["command"], bool(request["hold"]), int(request["fails"]))
            return {"ok": True}
        if op == "spoil":
            self.rack.spoil(self.rack.nodes[request["node"]], **request["faults"])
            return {"ok": True}
        if op == "templates":
            self.rack.release_templates(bool(request["released"]))
            return {"ok": True}
        return {"error": f"unknown request {op!r}"}


def run(call: Call) -> dict[str, Any]:
    """Runs the command and says how its process ends."""
    handler = COMMANDS.get((call.host.kind, call.argv[0]))
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
        return _refused(call, f"{call.argv[0]}: the lab's keeper failed; see its log", 70)


def _refused(call: Call, text: str, status: int) -> dict[str, Any]:
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
            raise OSError("the caller went away")
        body += chunk
    request: dict[str, Any] = json.loads(body)
    return request


def _uid(peer: socket.socket) -> int:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
