"""`nodes.py` on the lab's undercloud: real SSH, ironic's states, and the lab's UFM over HTTPS.

The fabric is a double in this file. It shows UFM a node's port while the node is on, and delays a node's power-off
until UFM has polled the port.
"""

import json
import subprocess
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from access.ssh import as_stack
from components import gate, introspection, undercloud
from lab.hosts.state import FACTORY_BMC, UndercloudLogin
from lab.process import LabError
from lab.ufm import tls
from lab.ufm.app import create_app
from lab.ufm.faults import Faults, Rule
from lab.ufm.listener import Listener
from lab.ufm.partitions import Member
from lab.ufm.request_log import RequestLog
from lab.ufm.simulator import UfmSimulator
from onhost import shipping
from onhost.undercloud.orders import GateOrder, IntrospectOrder, encode
from rack import tripleo
from rack.plan import Plan
from tests.lab.hosts.conftest import MARKS, Lab
from tests.lab.hosts.fakes import FakeFabric
from tests.onhost.undercloud.progress import run_and

pytestmark = [*MARKS, pytest.mark.timeout(120)]

RUN = {verb: as_stack(". ~/stackrc", f"exec python3 {undercloud.PROGRAM} {verb}") for verb in ("introspect", "gate")}
LOGIN = {"OS_AUTH_URL": "https://undercloud:13000", "OS_USERNAME": "admin", "OS_PASSWORD": "stack-canary"}
LOOK_SECONDS = 20
"""The time limit for UFM's poll, after which the node goes off anyway."""


def port(name: str, guid: str, kind: str) -> dict[str, Any]:
    """Return a port as the fabric's controller lists it."""
    guids = {"node_guid": f"0x{guid}", "port_guid": f"0x{guid}"}
    return {"name": name, "kind": kind, **guids, "lid": 1, "ports": 40, "linked": True, "switch": "qm8700"}


SWITCH = port("qm8700", "b8599f0300a00000", "switch")


class Wire(FakeFabric):
    """The fabric. Hosts call `link` and `unlink`; UFM calls `nodes`."""

    def __init__(self) -> None:
        super().__init__()
        self._looked = threading.Condition()
        self.reset({})

    def reset(self, guids: Mapping[str, str]) -> None:
        """Switch every node off. `guids`: node → port GUID."""
        self.linked, self.events, self.guids = {"ufm"}, [], guids
        self.late: dict[str, int] = {}
        """Node → number of UFM's polls that do not show it after its link has come up."""
        self.broken: set[str] = set()
        """Nodes whose next link fails."""
        self._missed: dict[str, int] = {}
        self._shown: set[str] = set()

    def link(self, node: str) -> None:
        if node in self.broken:
            self.broken.remove(node)
            raise LabError("fabric: no answer")
        with self._looked:
            super().link(node)
            self._missed[node] = self.late.get(node, 0)

    def unlink(self, node: str) -> None:
        with self._looked:
            if node in self.linked and not self.broken:
                self._looked.wait_for(lambda: node in self._shown, LOOK_SECONDS)
            super().unlink(node)
            self._shown.discard(node)

    def nodes(self) -> list[dict[str, Any]]:
        with self._looked:
            visible = [name for name in self.linked if name in self.guids and not self._missed.get(name)]
            self._missed = {name: left - 1 for name, left in self._missed.items() if left}
            self._shown.update(visible)
            self._looked.notify_all()
            hosts = enumerate(sorted(visible), start=1)
            return [SWITCH, *({**port(name, self.guids[name], "host"), "switch_port": n} for n, name in hosts)]

    def trunks(self) -> list[dict[str, Any]]:
        return []


class Rig:
    """The undercloud and UFM; `fresh` resets them to the state before the guide's introspection."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(folder / "hosts")
        self.wire = Wire()
        self.lab.rack.backends.fabric = self.wire
        self.faults, self.asked = Faults(), deque[dict[str, Any]]()
        self.ufm = UfmSimulator(folder / "ufm.json", {})
        self.token = self.ufm.accounts.create_token(self.ufm.accounts.users["admin"])["access_token"]
        (folder / "ufm").mkdir()
        ca_file = tls.certify(folder / "ufm", "127.0.0.1")
        app = create_app(self.ufm, self.wire, {}, RequestLog(self.asked), self.faults)  # type: ignore[arg-type]
        self.listener = Listener("127.0.0.1", 0, app, tls.server_context(folder / "ufm"))
        self.plan = self._with_ufm(ca_file)
        self._install()

    def _with_ufm(self, ca_file: Path) -> Plan:
        site, port = self.lab.plan.site, self.listener.server_port
        where = {"address": IPv4Address("127.0.0.1"), "port": port, "ca_file": ca_file}
        return Plan(site.model_copy(update={"ufm": site.ufm.model_copy(update=where)}), ufm_ca=ca_file.read_text())

    def _install(self) -> None:
        machine = self.lab.rack.undercloud
        with machine.change():
            machine.state.packages = ["python3-tripleoclient"]
            machine.state.login = UndercloudLogin(LOGIN["OS_PASSWORD"], LOGIN["OS_AUTH_URL"])
        machine.refresh()
        self.lab.ok("undercloud", "useradd -m stack")
        self.place("stackrc", "".join(f"export {k}={v}\n" for k, v in LOGIN.items()))
        self.place("nodes.py", shipping.program("undercloud.nodes"))

    def place(self, name: str, text: str) -> None:
        self.lab.rack.undercloud.root.write(f"/home/stack/{name}", text)

    def fresh(self) -> None:
        """Import the nodes, create the control PKeys (I3), and forget every seen port."""
        self.faults.clear()
        self.asked.clear()
        self.lab.rack.undercloud.root.resolve(introspection.RECORD).unlink(missing_ok=True)
        with self.lab.rack.undercloud.change():
            self.lab.rack.undercloud.state.nodes = []
        for node in self.lab.rack.nodes.values():
            node.fail_links(0)
        self.wire.reset({host.name: host.guid for host in self.lab.plan.hosts})
        with self.ufm.changing() as table:
            table.partitions.clear()
            for pkey in self.plan.control_pkeys:
                table.add(int(pkey.pkey, 16), {guid: Member() for guid in self.plan.members.values()})
        self.import_all()

    def import_all(self, **others: str) -> None:
        """Import the plan's nodes and `others`, name → MAC."""
        inventory = json.loads(tripleo.instackenv(self.lab.plan, FACTORY_BMC))
        for number, (name, mac) in enumerate(others.items(), start=1):
            inventory["nodes"].append(
                {**inventory["nodes"][0], "name": name, "pm_addr": f"192.0.2.20{number}", "ports": [{"address": mac}]}
            )
        self.place("instackenv.json", json.dumps(inventory))
        self.admin("openstack overcloud node import ~/instackenv.json")

    def admin(self, command: str) -> str:
        return self.lab.ok("undercloud", as_stack(". ~/stackrc", command))

    def order(self, verb: str = "introspect", **changes: Any) -> IntrospectOrder | GateOrder:
        made: IntrospectOrder | GateOrder = introspection.introspect_order(self.plan, self.token)
        if verb == "gate":
            made = gate.gate_order(self.plan, dict(self.plan.members), self.token)
        return made._replace(**{"limit": 60, "pauses": (0.02, 0.2), **changes})

    def run(self, verb: str = "introspect", **changes: Any) -> subprocess.CompletedProcess[str]:
        """Run the program; fails if a line contains the token."""
        return self._checked(self.lab.run("undercloud", RUN[verb], encode(self.order(verb, **changes))))

    def run_and(
        self, at: str, act: Callable[[], object], verb: str = "introspect", **changes: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the program and call `act` at the first line of progress that contains `at`."""
        order = encode(self.order(verb, **changes))
        return self._checked(run_and(self.lab, RUN[verb], order, at, act))

    def _checked(self, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        assert self.token not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ok(self, verb: str = "introspect", **changes: Any) -> subprocess.CompletedProcess[str]:
        done = self.run(verb, **changes)
        assert done.returncode == 0, done.stderr
        return done

    def refused(self, verb: str = "introspect", **changes: Any) -> str:
        """Return standard error of a run that must fail and print no result."""
        done = self.run(verb, **changes)
        assert done.returncode == 1, done.stderr
        assert done.stdout == ""
        return done.stderr

    def states(self) -> dict[str, str]:
        return {n.name: n.state for n in self.lab.rack.undercloud.state.nodes}

    def set_nodes(self, **states: str) -> None:
        with self.lab.rack.undercloud.change():
            for node in self.lab.rack.undercloud.state.nodes:
                node.state = states.get(node.name.replace("-", "_"), node.state)

    def introspected(self) -> Counter[str]:
        """Count the introspections of each node: the node is switched off after each."""
        return Counter(e.partition(" ")[2] for e in self.wire.events if e.startswith("unlink"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"))
    yield rig
    rig.faults.clear()
    rig.listener.stop()
    rig.lab.stop()


@pytest.fixture
def rig(shared: Rig) -> Rig:
    shared.fresh()
    return shared


def all_once(rig: Rig) -> dict[str, int]:
    return {host.name: 1 for host in rig.plan.hosts}


def guid(rig: Rig, name: str) -> str:
    return rig.plan.host(name).guid


# -- without faults


def test_all_nodes_are_introspected_once_when_all_ports_are_seen(rig: Rig) -> None:
    done = rig.ok()
    assert rig.states() == {host.name: "available" for host in rig.plan.hosts}
    assert json.loads(done.stdout) == {host.name: {"interface": "ib2", "guid": host.guid} for host in rig.plan.hosts}
    for host in rig.plan.hosts:
        assert f"{host.name} ({host.guid}) is in the fabric" in done.stderr
    assert rig.introspected() == all_once(rig)
    for node in rig.lab.rack.undercloud.state.nodes:
        assert node.root_device == "/dev/nvme0n1"
        assert (node.capabilities["boot_mode"], node.capabilities["boot_option"]) == ("bios", "local")


def test_uefi_sets_no_boot_mode_capability(rig: Rig) -> None:
    rig.ok(boot_mode="uefi")
    assert all("boot_mode" not in n.capabilities for n in rig.lab.rack.undercloud.state.nodes)


def test_a_port_that_ufm_shows_late_is_not_introspected_again(rig: Rig) -> None:
    rig.wire.late = {"compute-2": 3}
    done = rig.ok()
    assert "introspection runs; compute-2/ib2" in done.stderr
    assert rig.introspected() == all_once(rig)


def test_a_second_run_does_nothing(rig: Rig) -> None:
    first = rig.ok()
    rig.wire.events.clear()
    rig.asked.clear()
    second = rig.ok()
    assert second.stdout == first.stdout
    assert second.stderr == ""
    assert rig.wire.events == []
    assert {r["method"] for r in rig.asked} == {"GET"}


def test_only_the_new_node_is_introspected(rig: Rig) -> None:
    rig.ok()
    rig.set_nodes(controller_1="active")
    undercloud = rig.lab.rack.undercloud
    with undercloud.change():
        undercloud.state.nodes = [n for n in undercloud.state.nodes if n.name != "compute-2"]
    record = rig.lab.rack.undercloud.root.resolve(introspection.RECORD)
    record.write_text(record.read_text().replace(guid(rig, "compute-2"), "0000000000000000"))
    rig.import_all(stranger="52:54:00:00:99:99")
    rig.set_nodes(stranger="manageable")
    rig.wire.events.clear()
    done = rig.ok()
    assert rig.introspected() == {"compute-2": 1}
    assert rig.states()["stranger"] == "manageable", "a node that is not in the order is not touched"
    assert "introspecting compute-2\n" in done.stderr


def test_deployed_nodes_without_a_record_count_by_their_active_port(rig: Rig) -> None:
    """A stack of an earlier release has no record. A node that is available and off is introspected once more."""
    rig.set_nodes(**{n.replace("-", "_"): "active" for n in rig.states()})
    rig.set_nodes(compute_2="available")
    rig.wire.linked |= {host.name for host in rig.plan.hosts} - {"compute-2"}
    rig.ok()
    assert rig.introspected() == {"compute-2": 1}
    assert rig.states() == {**{host.name: "active" for host in rig.plan.hosts}, "compute-2": "available"}


# -- I2: repeated introspection


def test_introspection_is_repeated_only_for_nodes_with_unseen_ports(rig: Rig) -> None:
    rig.lab.rack.nodes["compute-2"].fail_links(1)
    done = rig.ok()
    assert rig.introspected() == {**all_once(rig), "compute-2": 2}
    assert "introspecting compute-2, again (1 of 2)" in done.stderr
    assert set(rig.states().values()) == {"available"}


def test_a_failed_introspection_is_repeated(rig: Rig) -> None:
    rig.wire.broken = {"compute-2"}
    done = rig.ok()
    assert "no answer" in done.stderr
    assert set(rig.states().values()) == {"available"}


def test_introspection_that_keeps_failing_is_an_error(rig: Rig) -> None:
    rig.wire.broken = {"compute-2"}
    said = rig.refused(repeats=0)
    assert "not introspected: controller-1, " in said
    assert "openstack baremetal introspection status" in said
    assert set(rig.states().values()) == {"manageable"}, "nothing that can be deployed"


def test_ports_that_are_never_seen_are_reported_and_the_next_run_resumes(rig: Rig) -> None:
    rig.lab.rack.nodes["compute-2"].fail_links(99)
    said = rig.refused(repeats=1, limit=6)
    end = said[said.index("timed out after 0.1 minutes:") :]
    assert f"compute-2/ib2 ({guid(rig, 'compute-2')}) was not seen in the fabric" in end
    assert "controller-1" not in end
    assert "is its cable in" in end
    assert rig.introspected() == {**all_once(rig), "compute-2": 2}
    assert set(rig.states().values()) == {"manageable"}, "nothing that can be deployed"
    rig.lab.rack.nodes["compute-2"].fail_links(0)
    rig.wire.events.clear()
    rig.ok()
    assert rig.introspected() == {"compute-2": 1}, "nodes with a seen port are not introspected again"
    assert set(rig.states().values()) == {"available"}


# -- O2: ports from introspection and from the configuration


def test_ports_that_the_configuration_leaves_out_are_found(rig: Rig) -> None:
    done = rig.ok(nodes={host.name: None for host in rig.plan.hosts}, interface=None)
    assert json.loads(done.stdout) == {host.name: {"interface": "ib2", "guid": host.guid} for host in rig.plan.hosts}
    assert rig.introspected() == all_once(rig)
    again = rig.ok(nodes={host.name: None for host in rig.plan.hosts}, interface=None)
    assert again.stdout == done.stdout
    assert rig.introspected() == all_once(rig)


def test_a_node_without_a_configured_or_seen_port_is_introspected_again(rig: Rig) -> None:
    rig.lab.rack.nodes["compute-2"].fail_links(1)
    done = rig.ok(nodes={host.name: None for host in rig.plan.hosts})
    assert rig.introspected() == {**all_once(rig), "compute-2": 2}
    assert json.loads(done.stdout)["compute-2"]["guid"] == guid(rig, "compute-2")


def test_a_wrong_guid_is_reported_with_the_node_s_real_guids(rig: Rig) -> None:
    wrong = {host.name: host.guid for host in rig.plan.hosts} | {"compute-1": "b8599f03deadbeef"}
    said = rig.refused(nodes=wrong)
    found = f"`guid` is b8599f03deadbeef, found ib2 ({guid(rig, 'compute-1')}, in the fabric)"
    assert f"compute-1: {found}" in said
    assert "write the GUID of the wired port" in said
    assert "controller" not in said[-400:]
    assert rig.introspected() == all_once(rig), "no introspection is repeated"
    assert set(rig.states().values()) == {"manageable"}, "nothing that can be deployed"
    rig.ok()
    assert rig.introspected() == all_once(rig), "the data are kept for the next run"


def test_a_wrong_interface_name_is_reported_for_every_node(rig: Rig) -> None:
    said = rig.refused(interface="ib0")
    for host in rig.plan.hosts:
        assert f"{host.name}: `fabric.interface` is ib0, found {host.guid} as ib2" in said


def test_a_deployed_node_without_data_needs_a_configured_port(rig: Rig) -> None:
    rig.set_nodes(**{n.replace("-", "_"): "active" for n in rig.states()})
    rig.wire.linked |= {host.name for host in rig.plan.hosts}
    ports = json.loads(rig.ok().stdout)
    assert ports["compute-1"] == {"interface": "ib2", "guid": guid(rig, "compute-1")}
    said = rig.refused(nodes={host.name: None for host in rig.plan.hosts})
    assert "compute-1 is deployed and has no introspection data; write its `guid`, and `fabric.interface`" in said


# -- I4: the gate of the PKeys


def test_the_gate_opens_when_every_member_is_present(rig: Rig) -> None:
    assert "0xb, 0xc, 0xd: 5 members each" in rig.ok("gate").stderr
    assert rig.wire.events == []


def test_missing_and_limited_members_are_reported(rig: Rig) -> None:
    lacking = guid(rig, "compute-2")
    with rig.ufm.changing() as table:
        table.remove(0xC, [lacking])
        table.add(0xD, {lacking: Member("limited")})
        table.delete(0xB)
    said = rig.refused("gate", limit=0.2)
    assert f"compute-2/ib2 ({lacking}) is no member of PKey 0xc (InternalApi)" in said
    assert f"compute-2/ib2 ({lacking}) is limited member of PKey 0xd (StorageMgmt)" in said
    assert f"controller-1/ib2 ({guid(rig, 'controller-1')}) is no member of PKey 0xb (Storage)" in said
    assert said.endswith("pulumi refresh, pulumi up\n")


def test_the_gate_waits_for_a_missing_member(rig: Rig) -> None:
    lacking = guid(rig, "compute-2")
    rig.ufm.table.remove(0xC, [lacking])
    done = rig.run_and("waiting: compute-2/ib2", lambda: rig.ufm.table.add(0xC, {lacking: Member()}), "gate")
    assert done.returncode == 0, done.stderr


# -- UFM's answers


def test_a_restart_of_ufm_is_waited_for(rig: Rig) -> None:
    rig.faults.set(
        [
            Rule(path="/resources/ports", after=1, count=2, fault="reset"),
            Rule(path="/resources/ports", after=3, count=2, status=503),
            Rule(path="/resources/pkeys/.*", after=1, count=2, status=502),
        ]
    )
    done = rig.ok()
    assert "UFM answers 502" in rig.ok("gate").stderr
    assert "introspection runs; UFM answers 503" in done.stderr
    assert "UFM at 127.0.0.1 does not answer (" in done.stderr
    assert rig.introspected() == all_once(rig)


def test_an_unavailable_ufm_is_reported_after_the_time_limit(rig: Rig) -> None:
    rig.faults.set([Rule(status=503)])
    assert "timed out" in (said := rig.refused(limit=0.2))
    assert "UFM answers 503" in said
    assert rig.wire.events == []


def test_a_rejected_token_is_reported_at_once_without_its_value(rig: Rig) -> None:
    wrong = "wr0ng" * 6
    refusals = {wrong: "rejects the API token (status 401", f"{wrong}\n": "has characters that are not printable ASCII"}
    for token, says in refusals.items():
        said = rig.refused(ufm=rig.order().ufm._replace(token=token))
        assert says in said
        assert "ufm.tokenGeneration" in said
        assert "wr0ng" not in said
    assert rig.wire.events == []


@pytest.mark.parametrize("fault", ["login_page", "login_redirect"])
def test_a_login_page_is_a_rejected_token(rig: Rig, fault: str) -> None:
    rig.faults.set([Rule(fault=fault)])
    assert "rejects the API token" in rig.refused()


def test_a_certificate_of_another_authority_is_refused(rig: Rig, tmp_path: Path) -> None:
    where = rig.order().ufm._replace(ca=tls.certify(tmp_path, "127.0.0.1").read_text())
    said = rig.refused(ufm=where)
    assert "certificate cannot be verified" in said
    assert "ufm.caFile" in said
    assert not rig.asked, "the token was not sent"
    rig.ok(ufm=where._replace(insecure=True))


# -- stuck nodes


@pytest.mark.parametrize(
    ("state", "maintenance", "says"),
    [
        ("enroll", False, "check its IPMI address, user and password, then: openstack baremetal node manage compute-2"),
        ("clean failed", True, "node maintenance unset compute-2 && openstack baremetal node manage compute-2"),
        ("inspect failed", False, "compute-2 is inspect failed; openstack baremetal node manage compute-2"),
        ("available", True, "is available, in maintenance; openstack baremetal node maintenance unset compute-2"),
        ("rescue failed", False, "openstack baremetal node show compute-2"),
    ],
)
def test_a_stuck_node_is_reported_with_its_repair(rig: Rig, state: str, maintenance: bool, says: str) -> None:
    rig.set_nodes(compute_2=state)
    with rig.lab.rack.undercloud.change():
        rig.lab.rack.undercloud.state.nodes[-1].maintenance = maintenance
    assert says in rig.refused()
    assert rig.wire.events == []


def test_an_unregistered_node_is_reported(rig: Rig) -> None:
    rig.lab.rack.undercloud.state.nodes.pop()
    assert "compute-2 is not registered; openstack overcloud node import" in rig.refused()


def test_maintenance_of_a_deployed_node_is_ignored(rig: Rig) -> None:
    rig.ok()
    rig.set_nodes(compute_2="active")
    rig.admin("openstack baremetal node maintenance set compute-2")
    rig.ok()


def test_a_node_in_a_transient_state_is_waited_for(rig: Rig) -> None:
    rig.set_nodes(compute_2="cleaning")
    done = rig.run_and("compute-2 is cleaning", lambda: rig.set_nodes(compute_2="manageable"))
    assert done.returncode == 0, done.stderr
