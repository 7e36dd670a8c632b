"""The nodes' life, on the undercloud: run there by stack, with stackrc's login.

    nodes.py introspect    I1, I2: introspects, compares ports, provides; prints node -> {"interface": …, "guid": …}
    nodes.py gate          I4: waits until every control PKey has every member
    nodes.py leave         takes the nodes that left the configuration out of the cloud, then out of ironic

Reads what to do from standard input (`introspection.py`, `gate.py` and `undercloud.py` say what) and tells its progress
on standard error. Shipped as it is: the standard library only, and Python 3.6, which is CentOS Stream 8's own. UFM's
token stands on standard input alone and never in a line that is printed.

It may be run again at any time. A node is introspected when it is new, and again when its port was not seen in the
fabric meanwhile (I2). A powered-off node's port vanishes from UFM, so what was seen once is written down.
"""

import http.client
import json
import re
import ssl
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union
from urllib.parse import urlsplit

PREFIX = "/ufmRestV3"
"""Where an access token counts, raw behind the word "Basic"."""
ANSWER_SECONDS = 60
GROWTH = 1.25
"""From one pause to the next: quick at first, for what is there already, and soon at the longest."""
SHOWN = 6
"""Of a long list, in a line of progress; an error names all."""
REMIND_SECONDS = 60
"""How often the same line of progress is said again."""

NEW, READY, DEPLOYED = "manageable", "available", "active"
MENDS = {
    "enroll": "check its IPMI address, user and password, then: openstack baremetal node manage {0}",
    "clean failed": "openstack baremetal node manage {0}",
    "inspect failed": "openstack baremetal node manage {0}",
    "deploy failed": "openstack baremetal node undeploy {0}",
    "error": "openstack baremetal node undeploy {0}",
}
"""What brings a node out of a state that it does not leave by itself."""


IPOIB = "ff:00:00:00:00:00:02:00:00:02:c9:00:"
"""What stands before the port GUID in the DHCP client-id of an InfiniBand interface, as ironic's agent writes it."""
LEAVING = "rack: leaving"
"""Why a compute service is disabled."""
READERS = 8
"""How many nodes' data are fetched at once."""


class Fault(Exception):  # noqa: N818 - it stands at the end of what an operator reads
    """What no waiting mends, or what was waited for long enough; the text says what to do."""


class Busy(Exception):  # noqa: N818
    """UFM has no answer just now: it starts, restarts, or is not reached."""


class Ufm:
    """UFM's REST API, for reading. A connection a request: no redirect, no proxy, no cookie."""

    def __init__(self, where: Dict[str, Any]) -> None:
        url = urlsplit(where["url"])
        self._host, self._port = str(url.hostname), url.port
        self._context = ssl.create_default_context(cadata=where["ca"])
        if where["insecure"]:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        # http.client would name a header that it does not like.
        if not re.match(r"[!-~]+\Z", where["token"]):
            raise Fault("UFM's API token is no word of printable letters; raise ufm.tokenGeneration")
        self._headers = {"Authorization": "Basic " + where["token"]}

    def members(self, pkey: str) -> Dict[str, str]:
        """GUID -> full or limited; none where UFM does not know the PKey. Some releases wrap the answer."""
        answer = self._get(f"/resources/pkeys/{pkey}?guids_data=true")
        for key, inner in list(answer.items()):
            if re.match("0[xX]", key) and int(key, 16) == int(pkey, 16):
                answer = inner
        return {bare(m["guid"]): str(m.get("membership") or "full") for m in answer.get("guids") or ()}

    def active(self) -> Dict[str, str]:
        """The hosts' ports with an active link: GUID -> what UFM calls the host."""
        ports = self._get("/resources/ports?sys_type=Computer") or ()
        up = [port for port in ports if str(port["logical_state"]).lower() == "active"]
        return {bare(port["guid"]): str(port.get("node_description") or port.get("system_name")) for port in up}

    def _get(self, path: str) -> Any:
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=ANSWER_SECONDS, context=self._context)
        try:
            connection.request("GET", PREFIX + path, headers=self._headers)
            answer = connection.getresponse()
            return decoded(path, answer.status, answer.read())
        except (OSError, http.client.HTTPException, ssl.CertificateError) as error:
            if isinstance(error, ssl.CertificateError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Fault(f"UFM's certificate is not to be trusted: {error}; see ufm.caFile") from None
            raise Busy(f"UFM at {self._host} does not answer ({type(error).__name__})") from None
        finally:
            connection.close()


def decoded(path: str, status: int, body: bytes) -> Any:
    """What UFM answered: JSON, or the reason why it is none. A login page in its place means the token."""
    if status >= 500:
        raise Busy(f"UFM answers {status}")
    if status in (401, 403) or 300 <= status < 400 or body.lstrip().startswith(b"<"):
        raise Fault(f"UFM does not take the API token ({status} to GET {path}); raise ufm.tokenGeneration")
    if status == 404:
        return {}
    if status != 200:
        raise Fault(f"UFM answers {status} to GET {path}")
    try:
        return json.loads(body.decode())
    except ValueError:
        raise Busy("UFM's answer is cut off") from None


def bare(guid: str) -> str:
    """UFM and people write GUIDs with or without 0x, in either case."""
    guid = guid.lower()
    return guid[2:] if guid.startswith("0x") else guid


def written_down(file: Path) -> Dict[str, Any]:
    """What an earlier run knew; nothing where there was none."""
    known: Dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return known


def write_down(file: Path, known: Dict[str, Any]) -> None:
    """For the runs after this one, in one piece."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(known, indent=1))
    fresh.replace(file)


class Record:
    """What was done and seen, for the runs after this one. Nodes by ironic's UUID: a node that was deleted and is
    imported again is a new one."""

    def __init__(self, path: str) -> None:
        self._file = Path(path)
        known = written_down(self._file)
        self.introspected: Set[str] = set(known.get("introspected", ()))
        self.seen: Set[str] = set(known.get("seen", ()))
        """GUIDs of ports that were active."""
        self.ports: Dict[str, Dict[str, str]] = known.get("ports", {})
        """Node -> its InfiniBand interfaces -> their GUIDs, as introspection found them."""

    def save(self) -> None:
        known = {"introspected": sorted(self.introspected), "seen": sorted(self.seen), "ports": self.ports}
        write_down(self._file, known)


class Node(NamedTuple):
    name: str
    uuid: str
    state: str
    maintenance: bool


def openstack(*words: str, login: str = "", to: Any = sys.stderr) -> str:
    """Runs the client. What it prints goes to our standard error, or is returned with `to` a pipe.

    Args:
        login: an rc file in place of the undercloud's.
    """
    command = ("openstack", *words)
    argv = ("sh", "-c", '. "$0" && exec "$@"', login, *command) if login else command
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=to)
    if done.returncode:
        raise Fault(f"for the reason above this failed: {' '.join(command)}")
    return (done.stdout or b"").decode()


def asked(*words: str, login: str = "") -> Any:
    """The client's answer, read as JSON."""
    return json.loads(openstack(*words, "-f", "json", login=login, to=subprocess.PIPE))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def some(lines: List[str]) -> str:
    more = len(lines) - SHOWN
    return "; ".join(lines[:SHOWN] + ([f"and {more} more"] if more > 0 else []))


class Wait:
    """Waits with a time limit, says what for, and takes UFM's restarts."""

    advice = ""
    """What to look at, at the end of what is missing."""

    def __init__(self, order: Dict[str, Any]) -> None:
        self._first_pause, self._longest_pause = order["pauses"]
        self._said = ("", 0.0)
        self.allow(order["limit"])

    def allow(self, seconds: float) -> None:
        """The time limit from now on."""
        self._limit, self._end = seconds, time.monotonic() + seconds

    def until(self, missing: Callable[[], List[str]]) -> None:
        """Returns when nothing is missing any more.

        Raises:
            Fault: at the time limit, with all that is missing.
        """
        pauses = self.pauses()
        while True:
            try:
                lines = missing()
            except Busy as busy:
                lines = [str(busy)]
            if not lines:
                return
            if self.expired():
                raise Fault("\n  ".join([f"given up after {self._limit / 60:g} minutes:", *lines]) + self.advice)
            self.progress(f"waiting: {some(lines)}")
            time.sleep(max(0.0, min(next(pauses), self._end - time.monotonic())))

    def pauses(self) -> Iterator[float]:
        pause = self._first_pause
        while True:
            yield pause
            pause = min(pause * GROWTH, self._longest_pause)

    def expired(self) -> bool:
        return time.monotonic() >= self._end

    def progress(self, text: str) -> None:
        said, when = self._said
        if text != said or time.monotonic() - when > REMIND_SECONDS:
            self._said = (text, time.monotonic())
            say(text)


class Gate(Wait):
    """I4: each control PKey has every member, a full one, as UFM says."""

    advice = "\nA member that is missing: pulumi refresh, pulumi up"

    def __init__(self, order: Dict[str, Any]) -> None:
        super().__init__(order)
        self._ufm = Ufm(order["ufm"])
        self._pkeys: Dict[str, str] = order["pkeys"]
        self._members: Dict[str, str] = order["members"]

    def run(self) -> None:
        self.until(self._lacking)
        say(f"{', '.join(sorted(self._pkeys))}: {len(self._members)} members each")

    def _lacking(self) -> List[str]:
        lines = []
        for pkey, network in self._pkeys.items():
            found = self._ufm.members(pkey)
            for member, guid in self._members.items():
                how = found.get(guid, "no")
                if how != "full":
                    lines.append(f"{member} ({guid}) is {how} member of PKey {pkey} ({network})")
        return lines


class Introspection(Wait):
    """I1 and I2, once. `order` is what stands on standard input."""

    advice = """
A port that was not seen: is its cable in, is its switch port up, does its node boot by PXE, is LINK_TYPE_P1 IB?
A deployed node must be on: openstack baremetal node power on NODE"""

    def __init__(self, order: Dict[str, Any]) -> None:
        super().__init__(order)
        self._ufm = Ufm(order["ufm"])
        self._record = Record(order["record"])
        self._guids: Dict[str, Optional[str]] = order["nodes"]
        """Node -> GUID of its wired port, where the configuration has it."""
        self._interface: Optional[str] = order["interface"]
        """The configuration's name for it."""
        self._boot_mode: str = order["boot_mode"]
        self._repeats: int = order["repeats"]
        self._nodes: List[Node] = []
        self._others: Optional[Set[str]] = None
        """Ports that were active before anything was introspected."""

    def run(self) -> None:
        self._introspect_all()
        self.until(self._unseen)
        self._provide()
        ports = {node.name: self._port(node) for node in self._nodes}
        found = {name: {"interface": port[0], "guid": port[1]} for name, port in ports.items() if port}
        print(json.dumps(found, sort_keys=True, indent=1))

    # -- I2: the ports in the fabric

    def _unseen(self) -> List[str]:
        """The nodes whose port UFM has not shown yet."""
        self._look()
        return [words for _, words in self._missing_ports()]

    def _missing_ports(self) -> Iterator[Tuple[Node, str]]:
        for node in self._nodes:
            port = self._port(node)
            if port is None:
                yield node, f"{node.name}: no port of it was seen in the fabric"
            elif port[1] not in self._record.seen:
                yield (
                    node,
                    f"{node.name}/{port[0]} ({port[1]}) was not seen in the fabric{self._instead(node, port[1])}",
                )

    def _instead(self, node: Node, guid: str) -> str:
        found = self._record.ports.get(node.uuid, {})
        others = [f"{i} ({g})" for i, g in sorted(found.items()) if g != guid and g in self._record.seen]
        return f", but its {', '.join(others)} was: is the cable in the other port?" if others else ""

    def _look(self) -> List[str]:
        """Writes down which ports are active. Missing after it: nothing."""
        active = self._ufm.active()
        self._others = set(active) if self._others is None else self._others
        ours = {guid: name for name, guid in self._guids.items() if guid}
        for ports in self._record.ports.values():
            ours.update({guid: active[guid] for guid in ports.values() if guid in active and guid not in ours})
        new = [g for g in active if (g in ours or g not in self._others) and g not in self._record.seen]
        for guid in new:
            say(f"{ours.get(guid, active[guid])} ({guid}) is in the fabric")
        if new:
            self._record.seen.update(new)
            self._record.save()
        return []

    # -- the ports of the configuration and those that introspection found (O2)

    def _port(self, node: Node) -> Optional[Tuple[str, str]]:
        """Interface and GUID of the wired port; None while it is not known."""
        found, wanted = self._record.ports.get(node.uuid, {}), self._guids[node.name]
        if wanted:
            return next(((i, g) for i, g in found.items() if g == wanted), (self._interface or "its port", wanted))
        seen = [(i, g) for i, g in sorted(found.items()) if g in self._record.seen]
        return seen[0] if seen else None

    def _read_ports(self) -> None:
        """Fetches the data of introspected and deployed nodes, once a node."""
        due = [n for n in self._nodes if n.uuid not in self._record.ports and self._has_data(n)]
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(infiniband, due))
        if due:
            self._record.ports.update({node.uuid: ports for node, ports in zip(due, found) if ports is not None})
            self._record.save()

    def _has_data(self, node: Node) -> bool:
        return node.state != NEW or node.uuid in self._record.introspected

    def _compare(self) -> None:
        """
        Raises:
            Fault: configuration and introspection differ, or neither knows a port.
        """
        wrong = [words for node in self._nodes for words in self._differences(node)]
        if wrong:
            raise Fault("\n  ".join(["ports of the configuration and of introspection:", *wrong]))

    def _differences(self, node: Node) -> Iterator[str]:
        found, wanted = self._record.ports.get(node.uuid), self._guids[node.name]
        if found is None:
            if node.state == DEPLOYED and not (wanted and self._interface):
                yield f"{node.name} is deployed and has no introspection data; write its `guid`, and `fabric.interface`"
            return
        if not found or (wanted and wanted not in found.values()):
            said = f"`guid` is {wanted}, " if wanted else ""
            yield f"{node.name}: {said}found {self._listed(found)}; write that of the wired port"
            return
        seen = [i for i, g in sorted(found.items()) if g in self._record.seen]
        if not wanted and len(seen) > 1:
            yield f"{node.name}: found {self._listed(found)}; write `guid`, as more than one is wired"
            return
        port = self._port(node)
        if self._interface and port and port[0] != self._interface:
            yield f"{node.name}: `fabric.interface` is {self._interface}, found {port[1]} as {port[0]}; write that"

    def _listed(self, ports: Dict[str, str]) -> str:
        lines = [f"{i} ({g}{', in the fabric' * (g in self._record.seen)})" for i, g in sorted(ports.items())]
        return ", ".join(lines) or "no InfiniBand interface (LINK_TYPE_P1 must be IB)"

    # -- I1 and I2: introspection

    def _introspect_all(self) -> None:
        for attempt in range(1 + self._repeats):
            self._settle()
            due = self._due()
            if not due or self.expired():
                break
            self._introspect(due, attempt)
        self._settle()
        failed = [n.name for n in self._nodes if n.state == NEW and n.uuid not in self._record.introspected]
        if failed:
            raise Fault(
                f"not introspected: {', '.join(failed)}; see openstack baremetal introspection status {failed[0]}"
            )

    def _settle(self) -> None:
        """Nodes at rest, their data read and compared."""
        self.until(self._look)
        self.until(self._unsettled)
        self._read_ports()
        self.until(self._look)
        self._compare()

    def _due(self) -> List[Node]:
        """New nodes, and those of an unseen port; what is deployed is never introspected."""
        unseen = {node.uuid for node, _ in self._missing_ports()}
        return [
            node
            for node in self._nodes
            if (node.state in (NEW, READY) and node.uuid in unseen)
            or (node.state == NEW and node.uuid not in self._record.introspected)
        ]

    def _introspect(self, due: List[Node], attempt: int) -> None:
        """The nodes by name and not all that are manageable: others of this undercloud are not ours."""
        again = f", once more ({attempt} of {self._repeats}), as UFM has not seen all of them" if attempt else ""
        say(f"introspecting {some([n.name for n in due])}{again}")
        for node in due:
            if node.state == READY:
                openstack("baremetal", "node", "manage", node.uuid)
        uuids = [n.uuid for n in due]
        self._record.introspected.difference_update(uuids)
        for uuid in uuids:
            self._record.ports.pop(uuid, None)
        self._record.save()
        command = ("openstack", "overcloud", "node", "introspect", *uuids)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr) as child:
            self._watch(child)
        if child.returncode == 0:
            self._record.introspected.update(uuids)
            self._record.save()

    def _watch(self, child: "subprocess.Popen[bytes]") -> None:
        """Ports are there while the agent runs, and vanish with the power at its end."""
        pauses = self.pauses()
        while child.poll() is None:
            try:
                missing = self._unseen()
                self.progress(f"introspection runs; {some(missing) or 'all ports were seen'}")
            except Busy as busy:
                self.progress(f"introspection runs; {busy}")
            try:
                child.wait(next(pauses))
            except subprocess.TimeoutExpired:
                continue

    def _provide(self) -> None:
        self.until(self._unsettled)
        uuids = [n.uuid for n in self._nodes if n.state == NEW]
        if uuids:
            boot_mode = ("--boot-mode", "bios") if self._boot_mode == "bios" else ()
            boot = ("--instance-boot-option", "local", "--root-device", "largest", *boot_mode)
            openstack("overcloud", "node", "configure", *boot, *uuids)
            openstack("overcloud", "node", "provide", *uuids)

    def _unsettled(self) -> List[str]:
        """Reads the nodes; those that are on their way to another state.

        Raises:
            Fault: a node is not known, or is where it stays until somebody acts.
        """
        known = registered()
        self._nodes = [known[name] for name in self._guids if name in known]
        broken = [
            f"{name} is not registered; openstack overcloud node import" for name in self._guids if name not in known
        ]
        hold_up([*broken, *(words for node in self._nodes for words in stuck(node))])
        return [f"{n.name} is {n.state}" for n in self._nodes if n.state not in (NEW, READY, DEPLOYED)]


def registered() -> Dict[str, Node]:
    """Ironic's nodes by name."""
    columns = ("-c", "UUID", "-c", "Name", "-c", "Provisioning State", "-c", "Maintenance")
    rows = asked("baremetal", "node", "list", *columns)
    return {r["Name"]: Node(r["Name"], r["UUID"], r["Provisioning State"], bool(r["Maintenance"])) for r in rows}


def hold_up(broken: List[str]) -> None:
    """
    Raises:
        Fault: there are nodes that ironic does not move by itself.
    """
    if broken:
        raise Fault("\n  ".join(["nodes that need a hand:", *broken]))


def infiniband(node: Node) -> Optional[Dict[str, str]]:
    """A node's InfiniBand interfaces and their GUIDs; None where ironic's inspector has no data of it."""
    command = ("openstack", "baremetal", "introspection", "data", "save", node.uuid)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if done.returncode:
        say(f"{node.name} has no introspection data")
        return None
    interfaces = json.loads(done.stdout.decode())["inventory"]["interfaces"]
    ids = {i["name"]: (i.get("client_id") or "").lower() for i in interfaces}
    return {name: i[len(IPOIB) :].replace(":", "") for name, i in ids.items() if i.startswith(IPOIB)}


class Leave(Wait):
    """Scale-in: what was a node of the configuration, and is none any more, leaves the cloud and then ironic."""

    advice = "\nThe next `up` goes on from here"

    def __init__(self, order: Dict[str, Any]) -> None:
        super().__init__(order)
        self._stack: str = order["stack"]
        self._nodes: Dict[str, Dict[str, str]] = order["nodes"]
        """Those of the configuration: node -> its role and host."""
        self._roles: List[Dict[str, Any]] = order["roles"]
        """The deployment's node file without those who leave (O1)."""
        self._drain: Optional[float] = order["limit"] if order["instances"] == "drain" else None
        """How long their instances are waited for, in seconds."""
        self._cleaning: float = order["cleaning"]
        self._record = Path(order["record"])
        self._known: Dict[str, Dict[str, str]] = written_down(self._record)
        """Those of the last run."""
        self._login = str(Path.home() / f"{self._stack}rc")
        self._deployed = Path(self._login).exists()

    def run(self) -> None:
        there = registered()
        leaving = {name: node for name, node in self._known.items() if name not in self._nodes}
        self._refuse_renamed(there)
        self._refuse_controllers(leaving, there)
        self._welcome_back()
        if leaving:
            say(f"leaving the cloud: {some(sorted(leaving))}")
            self._remove(leaving, [name for name in leaving if name in there and there[name].state == DEPLOYED])
        write_down(self._record, self._nodes)

    def _remove(self, leaving: Dict[str, Dict[str, str]], deployed: List[str]) -> None:
        if self._deployed:
            self._empty([leaving[name]["host"] for name in deployed])
        self._delete({name: leaving[name] for name in deployed})
        if self._deployed:
            self._forget([node["host"] for node in leaving.values()])
        self._unregister(list(leaving))

    # -- what is refused before anything is touched

    def _refuse_renamed(self, there: Dict[str, Node]) -> None:
        """A host's name goes with its index; a deployed host keeps both."""
        wrong = [
            f"{name} is deployed as {before} and would become {self._nodes[name]['host']}; "
            f"write `index: {index(before)}` in its entry of `nodes`"
            for name, before in ((name, node["host"]) for name, node in self._known.items())
            if name in self._nodes
            and before != self._nodes[name]["host"]
            and name in there
            and there[name].state == DEPLOYED
        ]
        hold_up(wrong)

    def _refuse_controllers(self, leaving: Dict[str, Dict[str, str]], there: Dict[str, Node]) -> None:
        hold_up(
            [
                f"{name} is a deployed controller: pacemaker, Galera and RabbitMQ know it by name, so TripleO has a "
                "procedure to replace one and none to remove it; put its entry back"
                for name, node in leaving.items()
                if node["role"] == "Controller" and name in there and there[name].state == DEPLOYED
            ]
        )

    # -- drained

    def _empty(self, hosts: List[str]) -> None:
        """Takes no new instances, and has none.

        Raises:
            Fault: instances are there, and the configuration says `refuse`; or they are after the time limit.
        """
        for host in hosts:
            self._disable(host)
        if self._drain is not None:
            self.allow(self._drain)
            self.until(lambda: self._instances(hosts))
            return
        found = self._instances(hosts)
        if found:
            self._enable(hosts)
            raise Fault(
                "\n  ".join(["instances on nodes that leave; nothing was changed. Delete or move them:", *found])
            )

    def _welcome_back(self) -> None:
        """Whose entry was put back while it was drained."""
        if self._deployed:
            self._enable([node["host"] for node in self._nodes.values()])

    def _disable(self, host: str) -> None:
        for service in self._services("--host", host):
            if service["Status"] == "enabled":
                words = ("--disable", "--disable-reason", LEAVING, host, "nova-compute")
                openstack("compute", "service", "set", *words, login=self._login)

    def _enable(self, hosts: List[str]) -> None:
        """What was disabled by this program, in this run or an earlier one, and by nobody else."""
        for service in self._services():
            if service["Host"] in hosts and service["Disabled Reason"] == LEAVING:
                words = ("--enable", service["Host"], "nova-compute")
                openstack("compute", "service", "set", *words, login=self._login)

    def _services(self, *where: str) -> List[Dict[str, Any]]:
        words = ("--long", "--service", "nova-compute", *where)
        services: List[Dict[str, Any]] = asked("compute", "service", "list", *words, login=self._login)
        return services

    def _instances(self, hosts: List[str]) -> List[str]:
        return [
            f"{vm['Name']} ({vm['ID']}) on {host} is {vm['Status']}"
            for host in hosts
            for vm in asked("server", "list", "--all-projects", "--host", host, login=self._login)
        ]

    # -- deleted

    def _delete(self, deployed: Dict[str, Dict[str, str]]) -> None:
        """`openstack overcloud node delete`, by the node file in which they are marked."""
        if not deployed:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump(marked(self._roles, deployed), file)
            file.flush()
            openstack("overcloud", "node", "delete", "-y", "--stack", self._stack, "-b", file.name)

    def _forget(self, hosts: List[str]) -> None:
        """What a deleted host leaves behind: its services and agents would be down for ever."""
        for host in hosts:
            for service in self._services("--host", host):
                openstack("compute", "service", "delete", str(service["ID"]), login=self._login)
            agents = [agent["ID"] for agent in asked("network", "agent", "list", "--host", host, login=self._login)]
            if agents:
                openstack("network", "agent", "delete", *agents, login=self._login)

    def _unregister(self, names: List[str]) -> None:
        """Out of ironic, once their disks are clean where undercloud.conf wants that."""
        self.allow(self._cleaning)
        self.until(lambda: self._uncleaned(names))
        there = registered()
        uuids = [there[name].uuid for name in names if name in there]
        if uuids:
            openstack("baremetal", "node", "delete", *uuids)

    def _uncleaned(self, names: List[str]) -> List[str]:
        there = registered()
        nodes = [there[name] for name in names if name in there]
        hold_up([words for node in nodes if node.state.endswith("failed") for words in stuck(node)])
        return [f"{node.name} is {node.state}" for node in nodes if node.state not in ("enroll", NEW, READY)]


def marked(roles: List[Dict[str, Any]], leaving: Dict[str, Dict[str, str]]) -> List[Dict[str, Any]]:
    """The node file with those who leave: TripleO deletes nobody else by it."""

    def gone(role: str) -> List[Dict[str, Any]]:
        hosts = {name: node["host"].partition(".")[0] for name, node in leaving.items() if node["role"] == role}
        return [{"name": name, "hostname": host, "provisioned": False} for name, host in hosts.items()]

    return [dict(role, instances=role["instances"] + gone(role["name"])) for role in roles]


def index(host: str) -> str:
    """overcloud-computesriov-ib-1.localdomain -> 1."""
    return host.partition(".")[0].rpartition("-")[2]


def stuck(node: Node) -> Iterator[str]:
    """Why a node that is not deployed cannot be, and the commands that mend it."""
    if node.state == DEPLOYED:
        return
    mends = ["openstack baremetal node maintenance unset {0}"] if node.maintenance else []
    if node.state.endswith("failed") or node.state in MENDS:
        mends.append(MENDS.get(node.state, "openstack baremetal node show {0}"))
    if mends:
        where = f"{node.state}, in maintenance" if node.maintenance else node.state
        yield f"{node.name} is {where}; {' && '.join(mends).format(node.name)}"


WORK: Dict[str, Callable[[Dict[str, Any]], Union[Introspection, Gate, Leave]]] = {
    "introspect": Introspection,
    "gate": Gate,
    "leave": Leave,
}


def main() -> int:
    try:
        WORK[sys.argv[1]](json.load(sys.stdin)).run()
    except Fault as fault:
        say(str(fault))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
