"""The fabric's controller: owns ibsim's console and OpenSM, and serves `lab.fabric.client` on a Unix socket.

One process, so that a link, the GUID of a VF and the partitions change in one place and in order. What it is told
survives a restart: nodes on the wire and GUIDs of VFs in state.json, partitions in partitions.conf (OpenSM's own file).
"""

import hashlib
import inspect
import json
import os
import signal
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.fabric import sim
from lab.fabric.children import Child, ChildError, Ibsim, OpenSM
from lab.fabric.topology import Hca, Switch, Topology, Trunk, net_file, node_guid, text

DEFAULT_PARTITIONS = "Default=0x7fff,ipoib:ALL=full;\n"
"""Everybody is a full member of 0x7fff, as on a fabric whose UFM was never told anything."""

OPENSM_CONF = """\
# Written by the lab's fabric controller at every start.
partition_config_file {folder}/partitions.conf
dump_files_dir {folder}
per_module_logging_file {folder}/opensm-logging.conf
# Without it OpenSM puts service level 0 in place of every partition's.
qos TRUE
"""

OPENSM_LOGGING = "osm_state_mgr.c 0x07\n"


RESTART = signal.SIGUSR1
"""Asks the main thread for another OpenSM."""


class RefusedError(Exception):
    """A request that cannot be done; the text goes to the client."""


def write(path: Path, content: str) -> None:
    """Replaces the file in one step."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(content)
    beside.replace(path)


def model_text(fabric: Topology) -> str:
    return json.dumps(asdict(fabric), indent=1)


def read_model(content: str) -> Topology:
    model = json.loads(content)
    return Topology(
        switches=tuple(Switch(**switch) for switch in model["switches"]),
        hcas=tuple(Hca(**hca) for hca in model["hcas"]),
        manager=model["manager"],
        trunks=tuple(Trunk(**trunk) for trunk in model["trunks"]),
    )


def digest(model: str) -> str:
    return hashlib.sha256(model.encode()).hexdigest()[:16]


class State:
    """Which HCAs are on the wire, and what GUIDs VFs have."""

    def __init__(self, path: Path, fabric: Topology) -> None:
        self._path = path
        stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        names = {hca.name for hca in fabric.hcas}
        self.linked: set[str] = {fabric.manager, *stored.get("linked", [])} & names
        self.plugged: dict[str, str] = {n: g for n, g in stored.get("plugged", {}).items() if n in names}

    def save(self) -> None:
        write(self._path, json.dumps({"linked": sorted(self.linked), "plugged": self.plugged}, indent=1))


class Controller:
    """The simulated fabric and what may be done to it. `handle` is safe to call from many threads."""

    def __init__(self, folder: Path) -> None:
        """Starts ibsim and OpenSM for `folder`/fabric.json; returns when the fabric is up for the first time.

        Raises:
            ChildError: one of them does not come up.
        """
        model = (folder / "fabric.json").read_text()
        self._hash = digest(model)
        self._fabric = read_model(model)
        self._hcas = {hca.name: hca for hca in self._fabric.hcas}
        self._state = State(folder / "state.json", self._fabric)
        self._partitions = folder / "partitions.conf"
        self._guid2lid = folder / "guid2lid"
        if not self._partitions.exists():
            write(self._partitions, DEFAULT_PARTITIONS)
        # Never held while a sweep is awaited: callers that come at once then share one sweep.
        self._lock = threading.Lock()
        self._partitioning = threading.Lock()
        self._replacing = threading.Lock()
        self._replaced = threading.Event()
        self._children: list[Child] = []
        try:
            self._ibsim = self._start_ibsim(folder)
            self._opensm = self._start_opensm(folder)
        except ChildError:
            self.stop()
            raise

    def crashed(self) -> list[Child]:
        """The children that have ended by themselves. For the main thread: two that ask Popen at once get no answer."""
        return [child for child in self._children if child.popen.poll() is not None]

    def restart_opensm(self) -> None:
        """For the main thread, which alone may start children (see `Child`); others send it `RESTART`."""
        with self._replacing:
            self._opensm.stop()
            self._children.remove(self._opensm)
            try:
                self._opensm = self._start_opensm(self._partitions.parent)
            except ChildError as error:
                print(f"OpenSM does not start again: {error}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGTERM)  # There is no fabric without it.
            self._replaced.set()

    def stop(self) -> None:
        """Ends the children, OpenSM first."""
        for child in reversed(self._children):
            child.stop()

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request of `lab.fabric.client`.

        Raises:
            RefusedError: it names what is not there, or what cannot be.
            ChildError: ibsim or OpenSM did not do it.
        """
        ops: dict[str, Callable[..., dict[str, Any] | None]] = {
            "ping": self.ping,
            "nodes": self.nodes,
            "link": self.link,
            "unlink": self.unlink,
            "plug": self.plug,
            "unplug": self.unplug,
            "partitions": self.partitions,
            "reap": self.reap,
        }
        arguments = dict(request)
        op = str(arguments.pop("op", None))
        if op not in ops:
            raise RefusedError(f"no such operation: {op!r}")
        try:
            inspect.signature(ops[op]).bind(**arguments)
        except TypeError as error:
            raise RefusedError(f"{op}: {error}") from error
        return {"ok": True, **(ops[op](**arguments) or {})}

    def ping(self) -> dict[str, Any]:
        return {"model": self._hash, "ibsim": self._ibsim.popen.pid, "opensm": self._opensm.popen.pid}

    def nodes(self) -> dict[str, Any]:
        lids = self._lids()
        with self._lock:
            nodes = [self._switch(switch) for switch in self._fabric.switches]
            nodes += [self._hca(hca) for hca in self._fabric.hcas]
        for node in nodes:
            node["lid"] = lids.get(node["port_guid"]) if node["linked"] else None
        return {"nodes": nodes, "trunks": [asdict(trunk) for trunk in self._fabric.trunks]}

    def link(self, node: str) -> None:
        host = self._host(node)
        with self._lock:
            if host.name in self._state.linked:
                return
            self._connect(host)
        self._sweep()

    def unlink(self, node: str) -> None:
        host = self._host(node)
        if host.name == self._fabric.manager:
            raise RefusedError(f"{node} holds the fabric's manager: OpenSM runs there and stays linked")
        with self._lock:
            gone = [hca for hca in self._fabric.hcas if host.name in (hca.name, hca.vf_of)]
            gone = [hca for hca in gone if hca.name in self._state.linked]
            for hca in gone:
                self._disconnect(hca)
        if gone:
            self._sweep()

    def plug(self, node: str, vf: int, guid: str) -> None:
        hca, value = self._vf(node, vf), self._guid(guid)
        self.link(node)
        with self._lock:
            if hca.name in self._state.linked and self._state.plugged.get(hca.name) == value:
                return
            for other in self._hcas.values():
                if other.name != hca.name and other.name in self._state.linked and self._port_guid(other) == value:
                    raise RefusedError(f"GUID {value} is on the wire already, as {other.name}")
            changed = hca.name in self._state.linked
            if changed:
                self._disconnect(hca)
        if changed:
            self._sweep()  # OpenSM must see the old GUID go, or it takes the new one for a second port.
        with self._lock:
            self._assign(hca, value)
            self._connect(hca)
        self._sweep()

    def unplug(self, node: str, vf: int) -> None:
        hca = self._vf(node, vf)
        with self._lock:
            if hca.name not in self._state.linked:
                return
            self._disconnect(hca)
        self._sweep()

    def partitions(self, text: str, restart: bool = False) -> None:
        with self._partitioning:
            before = self._partitions.read_text()
            write(self._partitions, text)
            if restart:
                self._replaced.clear()
                os.kill(os.getpid(), RESTART)
                self._replaced.wait()
            self._sweep()
            if refusal := self._opensm.refusal:
                write(self._partitions, before)
                self._sweep()
                raise RefusedError(f"OpenSM: {refusal}")

    def reap(self) -> None:
        with self._lock:
            self._ibsim.disconnect_dead_clients()

    def _sweep(self) -> None:
        """
        Raises:
            ChildError: OpenSM has ended, or is not done in time.
        """
        opensm = self._opensm
        try:
            opensm.sweep()
        except ChildError:
            with self._replacing:
                if self._opensm is opensm:
                    raise
            self._opensm.sweep()  # The other one was on its way out.

    def _start_ibsim(self, folder: Path) -> Ibsim:
        net = folder / "net.txt"
        write(net, net_file(self._fabric))
        ports = sum(switch.ports + 1 for switch in self._fabric.switches) + len(self._hcas)
        limits = {"N": len(self._hcas) + len(self._fabric.switches), "S": len(self._fabric.switches), "P": ports}
        ibsim = Ibsim(folder, net, limits)
        self._children.append(ibsim)
        ibsim.wait_ready()
        for name in self._hcas.keys() - self._state.linked:
            ibsim.command(f'Clear "{name}"')
        for name, value in self._state.plugged.items():
            ibsim.command(f'Guid "{name}" {node_guid(value)}')
        return ibsim

    def _start_opensm(self, folder: Path) -> OpenSM:
        write(folder / "opensm.conf", OPENSM_CONF.format(folder=folder))
        write(folder / "opensm-logging.conf", OPENSM_LOGGING)
        # OSM_CACHE_DIR holds guid2lid: ports keep their LIDs over a restart.
        env = {**sim.environment(folder, self._fabric.manager), "OSM_CACHE_DIR": str(folder)}
        opensm = OpenSM(folder, folder / "opensm.conf", env)
        self._children.append(opensm)
        opensm.wait_swept(0, seconds=30)
        return opensm

    def _connect(self, hca: Hca) -> None:
        self._ibsim.command(f'Link "{hca.name}"[1] "{hca.switch}"[{hca.switch_port}]')
        self._state.linked.add(hca.name)
        self._state.save()

    def _disconnect(self, hca: Hca) -> None:
        # "Unlink" would leave the port its LID.
        self._ibsim.command(f'Clear "{hca.name}"')
        self._state.linked.discard(hca.name)
        self._state.plugged.pop(hca.name, None)
        self._state.save()

    def _assign(self, hca: Hca, value: str) -> None:
        self._ibsim.command(f'Guid "{hca.name}" {node_guid(value)}')
        self._state.plugged[hca.name] = value

    def _host(self, node: str) -> Hca:
        hca = self._hcas.get(node)
        if hca is None or hca.vf_of is not None:
            raise RefusedError(f"no such host on the fabric: {node!r}")
        return hca

    def _vf(self, node: str, index: int) -> Hca:
        for hca in self._hcas.values():
            if hca.vf_of == node and hca.vf_index == index:
                return hca
        raise RefusedError(f"{node!r} has no VF {index!r}")

    def _guid(self, value: str) -> str:
        try:
            return text(value)
        except ValueError as error:
            raise RefusedError(str(error)) from error

    def _port_guid(self, hca: Hca) -> str:
        return self._state.plugged.get(hca.name, text(hca.port_guid))

    def _lids(self) -> dict[str, int]:
        """Port GUID → LID, from OpenSM's guid2lid: lines of GUID, first and last LID."""
        try:
            rows = [line.split() for line in self._guid2lid.read_text().splitlines()]
        except FileNotFoundError:
            return {}
        return {row[0]: int(row[1], 16) for row in rows if len(row) == 3}

    def _hca(self, hca: Hca) -> dict[str, Any]:
        return {
            "name": hca.name,
            "kind": hca.kind,
            "node_guid": node_guid(self._port_guid(hca)),
            "port_guid": self._port_guid(hca),
            "switch": hca.switch,
            "switch_port": hca.switch_port,
            "linked": hca.name in self._state.linked,
            "ports": 1,
            "vf_of": hca.vf_of,
            "vf_index": hca.vf_index,
        }

    def _switch(self, switch: Switch) -> dict[str, Any]:
        value = text(switch.guid)
        return {
            "name": switch.name,
            "kind": "switch",
            "node_guid": value,
            "port_guid": value,
            "linked": True,
            "ports": switch.ports,
            **dict.fromkeys(("switch", "switch_port", "vf_of", "vf_index")),
        }


class Handler(socketserver.StreamRequestHandler):
    """One connection, one request."""

    server: "Server"

    def handle(self) -> None:
        try:
            answer = self.server.controller.handle(json.loads(self.rfile.readline()))
        except (RefusedError, ChildError) as error:
            answer = {"error": str(error)}
        except ValueError as error:
            answer = {"error": f"no JSON object: {error}"}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, controller: Controller) -> None:
        self.controller = controller
        path.unlink(missing_ok=True)
        super().__init__(str(path), Handler)


def serve(folder: Path) -> int:
    """Runs until SIGTERM (exit status 0), or until ibsim or OpenSM ends by itself (1, after saying so)."""
    # For sigwait below. Before any thread starts, since a signal goes to whichever thread has it unblocked.
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, RESTART}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        controller = Controller(folder)
    except (ChildError, sim.NotInstalledError) as error:
        print(f"the fabric does not start: {error}", file=sys.stderr, flush=True)
        return 1
    path = folder / "control.sock"
    server = Server(path, controller)
    threading.Thread(target=server.serve_forever, daemon=True, name="socket").start()
    print(f"serving {path}", flush=True)
    while not (crashed := controller.crashed()) and (number := signal.sigwait(signals)) in (signal.SIGCHLD, RESTART):
        if number == RESTART:
            controller.restart_opensm()
    for child in crashed:
        print(f"{child.name} ended with status {child.popen.poll()}; see its log", file=sys.stderr, flush=True)
    path.unlink(missing_ok=True)
    controller.stop()
    return 1 if crashed else 0
