"""The decisions which nodes are stuck, removed, introspected or waited for, without ironic and nova."""

from typing import Any

import pytest

from onhost.undercloud import baremetal, gate, introspect, wave, wave_run
from onhost.undercloud.baremetal import DEPLOYED, NEW, READY, Node, infiniband, registered, stuck
from onhost.undercloud.common import Fault
from onhost.undercloud.introspect import Introspection
from onhost.undercloud.leave import controllers, index, marked, renamed, uncleaned
from onhost.undercloud.orders import Placement
from onhost.undercloud.shell import Unreachable
from tests.onhost.undercloud.test_orders import ORDERS

NODE = Node("n1", "uuid-1", NEW, False)

# -- ironic's nodes


@pytest.mark.parametrize(
    ("state", "maintenance", "text"),
    [
        (NEW, False, None), (READY, False, None), ("cleaning", False, None),
        (DEPLOYED, True, None),
        (READY, True, "n1 is available, in maintenance; openstack baremetal node maintenance unset n1"),
        ("enroll", False, "n1 is enroll; check its IPMI address, user and password, then: openstack baremetal node "
         "manage n1"),
        ("deploy failed", False, "n1 is deploy failed; openstack baremetal node undeploy n1"),
        ("error", False, "n1 is error; openstack baremetal node undeploy n1"),
        ("rescue failed", False, "n1 is rescue failed; openstack baremetal node show n1"),
        ("clean failed", True, "n1 is clean failed, in maintenance; openstack baremetal node maintenance unset n1 && "
         "openstack baremetal node manage n1"),
    ],
)  # fmt: skip
def test_a_stuck_node_is_reported_with_its_repair(state: str, maintenance: bool, text: str | None) -> None:
    assert list(stuck(NODE._replace(state=state, maintenance=maintenance))) == ([text] if text else [])


def test_nodes_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"UUID": "u", "Name": "n", "Provisioning State": "active", "Maintenance": "True"}
    monkeypatch.setattr(baremetal, "openstack_json", lambda *words: [row])
    assert registered() == {"n": Node("n", "u", "active", True)}


class Done:
    """A completed command."""

    def __init__(self, status: int = 0, out: str = "", err: str = "") -> None:
        self.returncode, self.stdout, self.stderr = status, out.encode(), err.encode()


def test_infiniband_interfaces_are_recognised_by_their_client_id(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (
        '{"inventory": {"interfaces": [{"name": "eno1", "client_id": null}, {"name": "ib0", "client_id": '
        '"FF:00:00:00:00:00:02:00:00:02:c9:00:b8:59:9f:03:00:00:00:0A"}, {"name": "ib1"}]}}'
    )
    monkeypatch.setattr(baremetal, "execute", lambda argv: Done(out=data))
    assert infiniband(NODE) == {"ib0": "b8599f030000000a"}


def test_a_node_without_introspection_data_is_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baremetal, "execute", lambda argv: Done(1, err="not found\n"))
    assert infiniband(NODE) is None
    assert capsys.readouterr().err == "n1 has no introspection data: not found\n"


# -- scale-in

FIRST, SECOND = Placement("Compute", "cloud-compute-0.local"), Placement("Compute", "cloud-compute-1.local")
CONTROLLER = Placement("Controller", "cloud-controller-0.local")


@pytest.mark.parametrize(
    ("after", "deployed", "count"),
    [({"n": FIRST}, {"n"}, 1), ({"n": SECOND}, {"n"}, 0), ({"n": FIRST}, set(), 0), ({"m": FIRST}, {"n"}, 0)],
)
def test_a_deployed_host_keeps_its_name(after: dict[str, Placement], deployed: set[str], count: int) -> None:
    texts = renamed({"n": SECOND}, after, deployed)
    assert len(texts) == count
    expected = "n is deployed as cloud-compute-1.local and would become cloud-compute-0.local; write `index: 1` in"
    assert all(text.startswith(expected) for text in texts)


@pytest.mark.parametrize(("deployed", "count"), [({"c", "n"}, 1), ({"n"}, 0)])
def test_a_deployed_controller_is_not_removed(deployed: set[str], count: int) -> None:
    texts = controllers({"c": CONTROLLER, "n": FIRST}, deployed)
    assert len(texts) == count
    assert all(text.startswith("c is a deployed controller") for text in texts)


def test_only_removed_nodes_are_marked_in_their_role() -> None:
    roles: list[dict[str, Any]] = [
        {"name": "Controller", "instances": [{"name": "c"}]},
        {"name": "Compute", "count": 1, "instances": []},
    ]
    assert marked(roles, {"n": SECOND}) == [
        roles[0],
        {"name": "Compute", "count": 1,
         "instances": [{"name": "n", "hostname": "cloud-compute-1", "provisioned": False}]},
    ]  # fmt: skip
    assert roles[1]["instances"] == [], "`marked` does not change its argument"


@pytest.mark.parametrize(("host", "number"), [("cloud-compute-12.local.domain", "12"), ("compute-0", "0")])
def test_a_host_name_ends_with_its_index(host: str, number: str) -> None:
    assert index(host) == number


def test_uncleaned_waits_for_cleaning_and_raises_after_its_failure() -> None:
    states = ("enroll", NEW, READY, "cleaning", "clean wait")
    nodes = [NODE._replace(name=state, state=state) for state in states]
    assert uncleaned(nodes) == ["cleaning is cleaning", "clean wait is clean wait"]
    with pytest.raises(Fault, match="nodes that need an operator:\n  n1 is clean failed; openstack baremetal node man"):
        uncleaned([NODE._replace(state="clean failed")])


# -- the gate


def test_missing_and_limited_members_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    order = ORDERS[1]._replace(pkeys={"0xc": "InternalApi"}, members={"a": "1", "b": "2", "c": "3"})
    monkeypatch.setattr(
        gate, "Ufm", lambda api: type("Reader", (), {"members": lambda _, pkey: {"1": "full", "2": "limited"}})()
    )
    assert gate.Gate(order)._missing() == [
        "b (2) is limited member of PKey 0xc (InternalApi)",
        "c (3) is no member of PKey 0xc (InternalApi)",
    ]


# -- introspection


@pytest.mark.parametrize(
    ("state", "introspected", "seen", "due"),
    [
        (NEW, False, False, True), (NEW, True, False, True), (NEW, False, True, True), (NEW, True, True, False),
        (READY, True, False, True), (READY, False, True, False),
        (DEPLOYED, False, False, False), ("cleaning", True, False, False),
    ],
)  # fmt: skip
def test_new_and_unseen_nodes_are_introspected(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, state: str, introspected: bool, seen: bool, due: bool
) -> None:
    monkeypatch.setattr(introspect, "Ufm", lambda api: None)
    run = Introspection(ORDERS[0]._replace(nodes={"n1": "guid"}, record=str(tmp_path / "record.json")))
    run._record.introspected.update(["uuid-1"] if introspected else [])
    run._record.seen.update(["guid"] if seen else [])
    run._nodes = [NODE._replace(state=state)]
    assert bool(run._due()) == due


@pytest.mark.parametrize(
    ("state", "unsettled"), [(NEW, False), (READY, False), (DEPLOYED, False), ("inspecting", True), ("deploying", True)]
)
def test_nodes_in_transient_states_are_waited_for(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, state: str, unsettled: bool
) -> None:
    monkeypatch.setattr(introspect, "Ufm", lambda api: None)
    monkeypatch.setattr(introspect, "registered", lambda: {"n1": NODE._replace(state=state), "other": NODE})
    run = Introspection(ORDERS[0]._replace(nodes={"n1": "guid"}, record=str(tmp_path / "record.json")))
    assert run._unsettled() == ([f"n1 is {state}"] if unsettled else [])
    assert [node.name for node in run._nodes] == ["n1"]


def test_an_unregistered_node_is_reported(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspect, "Ufm", lambda api: None)
    monkeypatch.setattr(introspect, "registered", dict)
    run = Introspection(ORDERS[0]._replace(nodes={"n1": "guid"}, record=str(tmp_path / "record.json")))
    with pytest.raises(Fault, match="n1 is not registered; openstack overcloud node import"):
        run._unsettled()


# -- waves


class Member:
    """A node of a wave that records its steps and optionally fails at one."""

    def __init__(self, fails: str = "", error: type[Exception] = Fault) -> None:
        self.fails, self.error, self.steps = fails, error, list[str]()

    def __getattr__(self, step: str) -> Any:
        def done() -> None:
            self.steps.append(step)
            if step == self.fails:
                raise self.error("it failed")

        return done


@pytest.mark.parametrize("error", [Fault, Unreachable])
def test_a_step_runs_on_every_node_even_if_one_fails(error: type[Exception]) -> None:
    nodes = [Member("drain", error), Member(), Member("drain", error)]
    with pytest.raises(Fault, match=r"\Athis wave has stopped; .*:\n  it failed\n  it failed\Z"):
        wave_run.each(nodes, "drain")
    assert [node.steps for node in nodes] == [["drain"]] * 3


@pytest.mark.parametrize(("waits", "steps"), [(False, ["drain", "release"]), (True, ["drain"])])
def test_a_refused_node_releases_its_wave_unless_the_wave_drains(waits: bool, steps: list[str]) -> None:
    nodes = [Member("drain"), Member()]
    with pytest.raises(Fault):
        wave.drain(nodes, waits)
    assert [node.steps for node in nodes] == [steps, steps]


def test_a_successful_drain_releases_no_node() -> None:
    nodes = [Member(), Member()]
    wave.drain(nodes, False)
    assert [node.steps for node in nodes] == [["drain"]] * 2
