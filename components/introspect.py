"""Introspection and the gate before the overcloud (I1, I2, I4): run on the undercloud by stack, with stackrc's login.

Reads what to do from standard input (`introspection.py` says what), tells its progress on standard error and, at the
end, ironic's nodes on standard output. Shipped as it is: the standard library only, and Python 3.6, which is CentOS
Stream 8's own. UFM's token stands on standard input alone and never in a line that is printed.

It may be run again at any time. A node is introspected when it is new, and again when its port was not seen in the
fabric meanwhile (I2). A powered-off node's port vanishes from UFM, so what was seen once is written down.
"""

import http.client
import json
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set
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


ADVICE = """\
A port that was not seen: is its cable in, is its switch port up, does its node boot by PXE, is LINK_TYPE_P1 IB? Is the
GUID that of the configuration? Introspection has found: openstack baremetal introspection data save NODE
A deployed node must be on: openstack baremetal node power on NODE
A member that is missing: pulumi refresh, pulumi up"""


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


class Record:
    """What was done and seen, for the runs after this one. Nodes by ironic's UUID: a node that was deleted and is
    imported again is a new one."""

    def __init__(self, path: str) -> None:
        self._file = Path(path)
        known: Dict[str, List[str]] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.introspected = set(known.get("introspected", ()))
        self.seen = set(known.get("seen", ()))

    def save(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"introspected": sorted(self.introspected), "seen": sorted(self.seen)}, indent=1))
        fresh.replace(self._file)


class Node(NamedTuple):
    name: str
    uuid: str
    state: str
    maintenance: bool


def openstack(*words: str, to: Any = sys.stderr) -> str:
    """Runs the client. What it prints goes to our standard error, or is returned with `to` a pipe."""
    done = subprocess.run(("openstack", *words), stdin=subprocess.DEVNULL, stdout=to)
    if done.returncode:
        raise Fault(f"for the reason above this failed: openstack {' '.join(words)}")
    return (done.stdout or b"").decode()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def some(lines: List[str]) -> str:
    more = len(lines) - SHOWN
    return "; ".join(lines[:SHOWN] + ([f"and {more} more"] if more > 0 else []))


class Introspection:
    """One run. `order` is what stands on standard input."""

    def __init__(self, order: Dict[str, Any]) -> None:
        self._ufm = Ufm(order["ufm"])
        self._record = Record(order["record"])
        self._names: List[str] = order["nodes"]
        self._pkeys: List[Dict[str, Any]] = order["pkeys"]
        self._wanted = {bare(guid): member for pkey in self._pkeys for member, guid in pkey["members"].items()}
        self._boot_mode: str = order["boot_mode"]
        self._repeats: int = order["repeats"]
        self._first_pause, self._longest_pause = order["pauses"]
        self._limit: float = order["limit"]
        self._end: float = time.monotonic() + self._limit
        self._nodes: List[Node] = []
        self._others: Optional[Set[str]] = None
        """Ports that were active before anything was introspected."""
        self._strangers: Dict[str, str] = {}
        """Ports that came up since, and are no members: the right GUID of a wrong one is among them."""
        self._said = ("", 0.0)

    def run(self) -> None:
        self._until(self._lacking_members)
        self._introspect_all()
        self._until(self._unseen_ports)
        self._provide()
        self._until(self._lacking_members)

    # -- I3 and I4: what must be there

    def _lacking_members(self) -> List[str]:
        lines = []
        for pkey in self._pkeys:
            found = self._ufm.members(pkey["pkey"])
            for member, guid in pkey["members"].items():
                how = found.get(bare(guid), "no")
                if how != "full":
                    lines.append(f"{member} ({guid}) is {how} member of PKey {pkey['pkey']} ({pkey['network']})")
        return lines

    def _unseen_ports(self) -> List[str]:
        """I2: the members whose port UFM has not shown yet."""
        self._look()
        lines = [
            f"{member} ({guid}) was not seen in the fabric; PKeys {', '.join(self._pkeys_of(guid))} wait for it"
            for guid, member in self._wanted.items()
            if guid not in self._record.seen
        ]
        if lines:
            lines += [f"{guid} ({name}) came up and is no member" for guid, name in self._strangers.items()]
        return lines

    def _pkeys_of(self, guid: str) -> List[str]:
        return [p["pkey"] for p in self._pkeys if guid in map(bare, p["members"].values())]

    def _look(self) -> List[str]:
        """Writes down which ports are active. Missing after it: nothing."""
        active = self._ufm.active()
        self._others = set(active) if self._others is None else self._others
        new = [guid for guid in self._wanted if guid in active and guid not in self._record.seen]
        for guid in new:
            say(f"{self._wanted[guid]} ({guid}) is in the fabric")
        if new:
            self._record.seen.update(new)
            self._record.save()
        strangers = set(active) - self._others - set(self._wanted)
        self._strangers.update({guid: active[guid] for guid in strangers})
        return []

    # -- I1 and I2: introspection

    def _introspect_all(self) -> None:
        for attempt in range(1 + self._repeats):
            self._until(self._look)
            self._until(self._unsettled)
            due = self._due()
            if not due or self._expired():
                break
            self._introspect(due, attempt)
        self._until(self._unsettled)
        failed = [n.name for n in self._nodes if n.state == NEW and n.uuid not in self._record.introspected]
        if failed:
            raise Fault(
                f"not introspected: {', '.join(failed)}; see openstack baremetal introspection status {failed[0]}"
            )

    def _due(self) -> List[Node]:
        """New nodes, and those of an unseen port; what is deployed is never introspected."""
        unseen = {member.partition("/")[0] for guid, member in self._wanted.items() if guid not in self._record.seen}
        return [
            node
            for node in self._nodes
            if (node.state in (NEW, READY) and node.name in unseen)
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
        self._record.save()
        command = ("openstack", "overcloud", "node", "introspect", *uuids)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr) as child:
            self._watch(child)
        if child.returncode == 0:
            self._record.introspected.update(uuids)
            self._record.save()

    def _watch(self, child: "subprocess.Popen[bytes]") -> None:
        """Ports are there while the agent runs, and vanish with the power at its end."""
        pauses = self._pauses()
        while child.poll() is None:
            try:
                missing = self._unseen_ports()
                self._progress(f"introspection runs; {some(missing) or 'all ports were seen'}")
            except Busy as busy:
                self._progress(f"introspection runs; {busy}")
            try:
                child.wait(next(pauses))
            except subprocess.TimeoutExpired:
                continue

    def _provide(self) -> None:
        self._until(self._unsettled)
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
        columns = ("-c", "UUID", "-c", "Name", "-c", "Provisioning State", "-c", "Maintenance")
        rows = json.loads(openstack("baremetal", "node", "list", "-f", "json", *columns, to=subprocess.PIPE))
        known = {r["Name"]: Node(r["Name"], r["UUID"], r["Provisioning State"], bool(r["Maintenance"])) for r in rows}
        self._nodes = [known[name] for name in self._names if name in known]
        broken = [
            f"{name} is not registered; openstack overcloud node import" for name in self._names if name not in known
        ]
        broken += [words for node in self._nodes for words in stuck(node)]
        if broken:
            raise Fault("\n  ".join(["nodes that need a hand:", *broken]))
        return [f"{n.name} is {n.state}" for n in self._nodes if n.state not in (NEW, READY, DEPLOYED)]

    # -- waiting

    def _until(self, missing: Callable[[], List[str]]) -> None:
        """Returns when nothing is missing any more. UFM may restart meanwhile."""
        pauses = self._pauses()
        while True:
            try:
                lines = missing()
            except Busy as busy:
                lines = [str(busy)]
            if not lines:
                return
            if self._expired():
                raise Fault("\n  ".join([f"given up after {self._limit / 60:g} minutes:", *lines]) + f"\n{ADVICE}")
            self._progress(f"waiting: {some(lines)}")
            time.sleep(max(0.0, min(next(pauses), self._end - time.monotonic())))

    def _pauses(self) -> Iterator[float]:
        pause = self._first_pause
        while True:
            yield pause
            pause = min(pause * GROWTH, self._longest_pause)

    def _expired(self) -> bool:
        return time.monotonic() >= self._end

    def _progress(self, text: str) -> None:
        said, when = self._said
        if text != said or time.monotonic() - when > REMIND_SECONDS:
            self._said = (text, time.monotonic())
            say(text)


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


def main() -> int:
    try:
        Introspection(json.load(sys.stdin)).run()
    except Fault as fault:
        say(str(fault))
        return 1
    return subprocess.call(
        ("openstack", "baremetal", "node", "list", "-f", "json", "-c", "Name", "-c", "Provisioning State")
    )


if __name__ == "__main__":
    sys.exit(main())
