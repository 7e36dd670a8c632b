"""`nodes.py introspect` from a new node to an available one, with UFM, ironic and the agent in memory."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud import common, introspect
from onhost.undercloud.baremetal import DEPLOYED, NEW, READY, Node
from onhost.undercloud.common import Fault, Unavailable, read_record
from onhost.undercloud.introspect import Introspection
from onhost.undercloud.orders import IntrospectOrder, UfmApi
from tests.onhost.undercloud.clock import Clock

GUID, OTHER = "b8599f0300000001", "b8599f0300000009"
PORTS = {"ib0": GUID}


class Rack:
    """One node, its port and the commands run on it. The port is up while the agent runs, from try `up_at` on."""

    def __init__(self, state: str = NEW, up_at: int = 1, status: int = 0) -> None:
        self.node = Node("n1", "uuid-1", state, False)
        self.up_at, self.status, self.tries, self.looks = up_at, status, 0, 3
        self.agent_runs = False
        self.always: dict[str, str] = {}
        self.fails = False
        self.ports: dict[str, str] | None = PORTS
        self.did: list[str] = []

    def active(self) -> dict[str, str]:
        if self.fails and self.agent_runs:
            raise Unavailable("UFM answers 503")
        up = {GUID: "agent"} if self.agent_runs and self.tries >= self.up_at else {}
        return {**self.always, **up}

    def registered(self) -> dict[str, Node]:
        return {"n1": self.node}

    def openstack(self, *words: str, shown: bool = False) -> str:
        assert shown, "the output of a command that changes something is shown"
        self.did.append(" ".join(words))
        state = {"manage": NEW, "provide": READY}.get(words[2], self.node.state)
        self.node = self.node._replace(state=state)
        return ""

    def popen(self, command: tuple[str, ...], **_: Any) -> "Agent":
        assert command[:4] == ("openstack", "overcloud", "node", "introspect")
        self.did.append(" ".join(command[2:]))
        self.tries += 1
        return Agent(self)


class Agent:
    """`openstack overcloud node introspect`, which ends at the fourth poll."""

    def __init__(self, rack: Rack) -> None:
        self.rack, self.left, self.returncode = rack, rack.looks, rack.status
        self.waits: list[float] = []

    def __enter__(self) -> "Agent":
        self.rack.agent_runs = True
        return self

    def __exit__(self, *_: object) -> None:
        self.rack.agent_runs = False

    def poll(self) -> int | None:
        return None if self.left else self.returncode

    def wait(self, seconds: float) -> int:
        self.left -= 1
        self.waits.append(seconds)
        if self.left:
            raise subprocess.TimeoutExpired("introspect", seconds)
        return self.returncode


def order(tmp_path: Path, **changes: Any) -> IntrospectOrder:
    known = IntrospectOrder(
        ufm=UfmApi("https://192.0.2.1", None, False, "t0k3n"), nodes={"n1": GUID}, interface="ib0", boot_mode="bios",
        repeats=2, limit=600, pauses=[1.0, 4.0], record=str(tmp_path / "record.json"),
    )  # fmt: skip
    return known._replace(**changes)


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that connects the program to a given rack."""

    def puts(rack: Rack) -> Rack:
        monkeypatch.setattr(common, "time", Clock())
        monkeypatch.setattr(introspect, "Ufm", lambda api: rack)
        monkeypatch.setattr(introspect, "registered", rack.registered)
        monkeypatch.setattr(introspect, "openstack", rack.openstack)
        monkeypatch.setattr(introspect, "infiniband", lambda node: rack.ports)
        monkeypatch.setattr(introspect.subprocess, "Popen", rack.popen)  # type: ignore[attr-defined]
        return rack

    return puts


INTROSPECT = "node introspect uuid-1"
CONFIGURE = "overcloud node configure --instance-boot-option local --root-device largest"
PROVIDE = "overcloud node provide uuid-1"


def test_a_new_node_is_introspected_once_and_made_available(
    put: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rack = put(Rack())
    Introspection(order(tmp_path)).run()
    assert rack.did == [INTROSPECT, f"{CONFIGURE} --boot-mode bios uuid-1", PROVIDE]
    out, err = capsys.readouterr()
    assert json.loads(out) == {"n1": {"interface": "ib0", "guid": GUID}}
    assert err.splitlines() == [
        "introspecting n1",
        f"n1 ({GUID}) is in the fabric",
        "introspection runs; all ports were seen",
    ]
    assert read_record(tmp_path / "record.json") == {
        "introspected": ["uuid-1"], "seen": [GUID], "ports": {"uuid-1": PORTS},
    }  # fmt: skip


def test_uefi_adds_no_boot_mode_option(put: Any, tmp_path: Path) -> None:
    rack = put(Rack())
    Introspection(order(tmp_path, boot_mode="uefi")).run()
    assert rack.did[1] == f"{CONFIGURE} uuid-1"


def test_a_second_run_does_nothing(put: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rack = put(Rack())
    Introspection(order(tmp_path)).run()
    rack.did.clear()
    capsys.readouterr()
    Introspection(order(tmp_path)).run()
    assert rack.did == []
    out, err = capsys.readouterr()
    assert json.loads(out) == {"n1": {"interface": "ib0", "guid": GUID}}
    assert err == ""


def test_a_node_whose_port_was_not_seen_is_introspected_again(
    put: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rack = put(Rack(up_at=3))
    Introspection(order(tmp_path)).run()
    assert rack.did[:4] == [INTROSPECT] * 3 + [f"{CONFIGURE} --boot-mode bios uuid-1"]
    lines = capsys.readouterr().err.splitlines()
    again = "because UFM has not shown all their ports"
    assert [line for line in lines if line.startswith("introspecting")] == [
        "introspecting n1", f"introspecting n1, again (1 of 2), {again}", f"introspecting n1, again (2 of 2), {again}",
    ]  # fmt: skip
    assert f"introspection runs; n1/its port ({GUID}) was not seen in the fabric" in [
        line.replace("n1/ib0", "n1/its port") for line in lines
    ]


def test_an_available_node_with_an_unseen_port_is_made_manageable_first(put: Any, tmp_path: Path) -> None:
    rack = put(Rack(READY))
    Introspection(order(tmp_path)).run()
    assert rack.did == ["baremetal node manage uuid-1", INTROSPECT, f"{CONFIGURE} --boot-mode bios uuid-1", PROVIDE]


def test_a_deployed_node_is_never_introspected(put: Any, tmp_path: Path) -> None:
    rack = put(Rack(DEPLOYED))
    rack.always = {GUID: "compute-1"}
    Introspection(order(tmp_path)).run()
    assert rack.did == []


def test_a_port_that_is_never_seen_is_a_fault_at_the_limit(put: Any, tmp_path: Path) -> None:
    rack = put(Rack(up_at=9))
    with pytest.raises(Fault) as fault:
        Introspection(order(tmp_path)).run()
    assert rack.did == [INTROSPECT] * 3, "no more than `repeats` times again"
    first, second, *advice = str(fault.value).splitlines()
    assert (first, second) == ("timed out after 10 minutes:", f"  n1/ib0 ({GUID}) was not seen in the fabric")
    assert len(advice) == 2


def test_nothing_is_introspected_after_the_time_limit(put: Any, tmp_path: Path) -> None:
    rack = put(Rack(up_at=9))
    with pytest.raises(Fault, match="not introspected: n1"):
        Introspection(order(tmp_path, limit=0)).run()
    assert rack.did == []


def test_a_node_whose_introspection_fails_is_reported(put: Any, tmp_path: Path) -> None:
    rack = put(Rack(status=1))
    with pytest.raises(Fault) as fault:
        Introspection(order(tmp_path)).run()
    assert str(fault.value) == "not introspected: n1; see openstack baremetal introspection status n1"
    assert rack.did == [INTROSPECT] * 3
    assert read_record(tmp_path / "record.json")["introspected"] == []


def test_an_available_node_with_a_seen_port_is_not_introspected(put: Any, tmp_path: Path) -> None:
    rack = put(Rack(READY))
    rack.always = {GUID: "compute-1"}
    Introspection(order(tmp_path)).run()
    assert rack.did == []


def test_ufm_s_503_does_not_stop_the_introspection(
    put: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rack = put(Rack())
    rack.fails = True
    with pytest.raises(Fault, match="was not seen in the fabric"):
        Introspection(order(tmp_path, repeats=0)).run()
    assert rack.did == [INTROSPECT]
    assert "introspection runs; UFM answers 503" in capsys.readouterr().err


def test_a_port_other_than_the_configured_one_is_a_fault(put: Any, tmp_path: Path) -> None:
    rack = put(Rack())
    rack.ports = {"ib0": OTHER}
    with pytest.raises(Fault) as fault:
        Introspection(order(tmp_path)).run()
    assert str(fault.value) == (
        "ports of the configuration and of introspection differ:\n"
        f"  n1: `guid` is {GUID}, found ib0 ({OTHER}); write the GUID of the wired port"
    )
    assert rack.did == [INTROSPECT]


def test_missing_introspection_data_are_read_by_the_next_run(put: Any, tmp_path: Path) -> None:
    rack = put(Rack())
    rack.ports = None
    Introspection(order(tmp_path)).run()
    assert read_record(tmp_path / "record.json")["ports"] == {}
    rack.ports = PORTS
    Introspection(order(tmp_path)).run()
    assert read_record(tmp_path / "record.json")["ports"] == {"uuid-1": PORTS}
