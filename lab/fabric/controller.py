"""The fabric's controller: owns ibsim's console and OpenSM.

One process, so that links, VF GUIDs and partitions change in one place and in order. They survive a restart: linked
nodes and VF GUIDs in state.json, the partitions in OpenSM's own partitions.conf.
"""

import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.fabric import sim
from lab.fabric.child import Child, ChildError
from lab.fabric.ibsim import Ibsim
from lab.fabric.opensm import OpenSM
from lab.fabric.state import State, digest, load_topology, write
from lab.fabric.topology import Hca, Switch, net_file, node_guid, text

DEFAULT_PARTITIONS = "Default=0x7fff,ipoib:ALL=full;\n"
"""All ports are full members of 0x7fff, as on a fabric whose UFM has no partitions."""

OPENSM_CONF = """\
# Written by the lab's fabric controller at every start.
partition_config_file {folder}/partitions.conf
dump_files_dir {folder}
per_module_logging_file {folder}/opensm-logging.conf
# Without it OpenSM replaces every partition's service level with 0.
qos TRUE
"""

OPENSM_LOGGING = "osm_state_mgr.c 0x07\n"

RESTART = signal.SIGUSR1
"""Asks the main thread to restart OpenSM."""


class InvalidRequestError(Exception):
    """A request is invalid; the text goes to the client."""


class Controller:
    """The simulated fabric and its operations. `handle` is thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Start ibsim and OpenSM for the topology in `folder`/fabric.json; return after OpenSM's first sweep.

        Raises:
            ChildError: ibsim or OpenSM does not start.
            MissingPackageError: a Debian package is missing.
        """
        content = (folder / "fabric.json").read_text()
        self._digest = digest(content)
        self._topology = load_topology(content)
        self._hcas = {hca.name: hca for hca in self._topology.hcas}
        self._state = State(folder / "state.json", self._topology)
        self._partitions = folder / "partitions.conf"
        self._guid2lid = folder / "guid2lid"
        if not self._partitions.exists():
            write(self._partitions, DEFAULT_PARTITIONS)
        # Not held while waiting for a sweep, so that simultaneous callers share one sweep.
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
        """Return the children that ended by themselves. Main thread only: Popen.poll is not thread-safe."""
        return [child for child in self._children if child.popen.poll() is not None]

    def restart_opensm(self) -> None:
        """Restart OpenSM. Main thread only, because it starts a child (see `Child`); other threads send `RESTART`."""
        with self._replacing:
            self._opensm.stop()
            self._children.remove(self._opensm)
            try:
                self._opensm = self._start_opensm(self._partitions.parent)
            except ChildError as error:
                print(f"restarting OpenSM failed, the controller ends: {error}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
            self._replaced.set()

    def stop(self) -> None:
        """Stop the children, OpenSM first."""
        for child in reversed(self._children):
            child.stop()

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request of `lab.fabric.client`, which documents the operations.

        Raises:
            InvalidRequestError: the request is invalid or names an unknown object.
            ChildError: ibsim or OpenSM failed.
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
            raise InvalidRequestError(f"unknown operation: {op!r}")
        try:
            inspect.signature(ops[op]).bind(**arguments)
        except TypeError as error:
            raise InvalidRequestError(f"{op}: {error}") from error
        return {"ok": True, **(ops[op](**arguments) or {})}

    def ping(self) -> dict[str, Any]:
        """Return the digest of the topology and the children's pids."""
        return {"model": self._digest, "ibsim": self._ibsim.popen.pid, "opensm": self._opensm.popen.pid}

    def nodes(self) -> dict[str, Any]:
        """Return all nodes and trunks."""
        lids = self._lids()
        with self._lock:
            nodes = [self._switch(switch) for switch in self._topology.switches]
            nodes += [self._hca(hca) for hca in self._topology.hcas]
        for node in nodes:
            node["lid"] = lids.get(node["port_guid"]) if node["linked"] else None
        return {"nodes": nodes, "trunks": [asdict(trunk) for trunk in self._topology.trunks]}

    def link(self, node: str) -> None:
        """Link a host's port."""
        host = self._host(node)
        with self._lock:
            if host.name in self._state.linked:
                return
            self._connect(host)
        self._sweep()

    def unlink(self, node: str) -> None:
        """Unlink a host's port and its VFs."""
        host = self._host(node)
        if host.name == self._topology.manager:
            raise InvalidRequestError(f"cannot unlink {node}: OpenSM runs there")
        with self._lock:
            gone = [hca for hca in self._topology.hcas if host.name in (hca.name, hca.vf_of)]
            gone = [hca for hca in gone if hca.name in self._state.linked]
            for hca in gone:
                self._disconnect(hca)
        if gone:
            self._sweep()

    def plug(self, node: str, vf: int, guid: str) -> None:
        """Set the GUID of a VF and link it."""
        hca, value = self._vf(node, vf), self._guid(guid)
        self.link(node)
        with self._lock:
            if hca.name in self._state.linked and self._state.plugged.get(hca.name) == value:
                return
            for other in self._hcas.values():
                if other.name != hca.name and other.name in self._state.linked and self._port_guid(other) == value:
                    raise InvalidRequestError(f"cannot plug {hca.name}: {other.name} already has GUID {value}")
            changed = hca.name in self._state.linked
            if changed:
                self._disconnect(hca)
        if changed:
            self._sweep()  # OpenSM must remove the old GUID first, or it treats the new one as a second port.
        with self._lock:
            self._assign(hca, value)
            self._connect(hca)
        self._sweep()

    def unplug(self, node: str, vf: int) -> None:
        """Unlink a VF."""
        hca = self._vf(node, vf)
        with self._lock:
            if hca.name not in self._state.linked:
                return
            self._disconnect(hca)
        self._sweep()

    def partitions(self, text: str, restart: bool = False) -> None:
        """Replace partitions.conf and keep the old one if OpenSM refuses the new one."""
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
                raise InvalidRequestError(f"OpenSM: {refusal}")

    def reap(self) -> None:
        """Free ibsim's connections to killed programs."""
        with self._lock:
            self._ibsim.disconnect_dead_clients()

    def _sweep(self) -> None:
        """Sweep the fabric, with the new OpenSM if it is restarted meanwhile.

        Raises:
            ChildError: OpenSM has ended, or does not finish in time.
        """
        opensm = self._opensm
        try:
            opensm.sweep()
        except ChildError:
            with self._replacing:
                if self._opensm is opensm:
                    raise
            self._opensm.sweep()

    def _start_ibsim(self, folder: Path) -> Ibsim:
        net = folder / "net.txt"
        write(net, net_file(self._topology))
        ports = sum(switch.ports + 1 for switch in self._topology.switches) + len(self._hcas)
        limits = {"N": len(self._hcas) + len(self._topology.switches), "S": len(self._topology.switches), "P": ports}
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
        # OSM_CACHE_DIR holds guid2lid: ports keep their LIDs across a restart.
        env = {**sim.environment(folder, self._topology.manager), "OSM_CACHE_DIR": str(folder)}
        opensm = OpenSM(folder, folder / "opensm.conf", env)
        self._children.append(opensm)
        opensm.wait_swept(0, seconds=30)
        return opensm

    def _connect(self, hca: Hca) -> None:
        self._ibsim.command(f'Link "{hca.name}"[1] "{hca.switch}"[{hca.switch_port}]')
        self._state.linked.add(hca.name)
        self._state.save()

    def _disconnect(self, hca: Hca) -> None:
        # "Unlink" would keep the port's LID.
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
            raise InvalidRequestError(f"no host {node!r} on the fabric")
        return hca

    def _vf(self, node: str, index: int) -> Hca:
        for hca in self._hcas.values():
            if hca.vf_of == node and hca.vf_index == index:
                return hca
        raise InvalidRequestError(f"{node!r} has no VF {index!r}")

    def _guid(self, value: str) -> str:
        try:
            return text(value)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from error

    def _port_guid(self, hca: Hca) -> str:
        return self._state.plugged.get(hca.name, text(hca.port_guid))

    def _lids(self) -> dict[str, int]:
        """Return port GUID → LID from OpenSM's guid2lid: lines of GUID, first and last LID."""
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
