"""`nodes.py leave` from its record to the deleted node, on a cloud that keeps its state in lists."""

import json
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud import common, leave
from onhost.undercloud.baremetal import DEPLOYED, NEW, READY, Node
from onhost.undercloud.common import Fault, read_record
from onhost.undercloud.leave import LEAVING, Leave
from onhost.undercloud.orders import LeaveOrder, Placement
from tests.onhost.undercloud.clock import Clock

KEPT, GONE = "cloud-compute-0.local", "cloud-compute-1.local"
PLACES = {"kept": Placement("Compute", KEPT), "gone": Placement("Compute", GONE)}
ROLES: list[dict[str, Any]] = [{"name": "Compute", "count": 1, "instances": [{"name": "kept"}]}]


class Cloud:
    """Ironic, nova and neutron. `did` lists the commands that change something, without the node file's path."""

    def __init__(self) -> None:
        self.nodes = {name: Node(name, f"uuid-{name}", DEPLOYED, False) for name in PLACES}
        self.services = [
            {"ID": number, "Host": place.host, "Status": "enabled", "Disabled Reason": None}
            for number, place in enumerate(PLACES.values(), 1)
        ]
        self.servers: list[str] = []
        self.agents = {GONE: ["agent-1", "agent-2"]}
        self.did: list[str] = []
        self.file: Any = None

    def registered(self) -> dict[str, Node]:
        return dict(self.nodes)

    def openstack(self, *words: str, login: str = "", shown: bool = False) -> str:
        assert shown, "the output of a command that changes something is shown"
        assert bool(login) == (words[0] in ("compute", "network")), (
            "compute and network commands use the overcloud's login, all others the undercloud's"
        )
        if words[:3] == ("overcloud", "node", "delete"):
            self.file = json.loads(Path(words[-1]).read_text())
            self.nodes["gone"] = self.nodes["gone"]._replace(state="cleaning")
            words = words[:-1]
        if words[:3] == ("baremetal", "node", "delete"):
            self.nodes = {name: node for name, node in self.nodes.items() if node.uuid not in words}
        if words[:3] == ("compute", "service", "set"):
            (service,) = (s for s in self.services if s["Host"] == words[-2])
            service["Status"] = "disabled" if "--disable" in words else "enabled"
            service["Disabled Reason"] = words[words.index("--disable-reason") + 1] if "--disable" in words else None
        self.did.append(" ".join(words))
        return ""

    def openstack_json(self, *words: str, login: str = "") -> Any:
        assert login.endswith("/cloudrc")
        host = words[words.index("--host") + 1] if "--host" in words else None
        if words[0] == "compute":
            return [dict(service) for service in self.services if host in (None, service["Host"])]
        if words[0] == "network":
            return [{"ID": agent} for agent in self.agents.get(str(host), ())]
        assert words[:3] == ("server", "list", "--all-projects")
        return [{"ID": f"id-{name}", "Name": name, "Status": "ACTIVE"} for name in self.servers if host == GONE]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(common, "time", clock)
    return clock


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: Clock) -> Cloud:
    cloud = Cloud()
    for name in ("openstack", "openstack_json", "registered"):
        monkeypatch.setattr(leave, name, getattr(cloud, name))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / "cloudrc").write_text("")
    (tmp_path / "record.json").write_text(json.dumps({n: dict(p._asdict()) for n, p in PLACES.items()}))

    def clean() -> None:
        cloud.nodes = {
            n: node._replace(state=READY) if node.state == "cleaning" else node for n, node in cloud.nodes.items()
        }

    clock.each.append(clean)
    return cloud


def order(tmp_path: Path, *names: str, instances: str = "refuse", limit: float = 60) -> LeaveOrder:
    nodes = {name: PLACES[name] for name in names}
    return LeaveOrder("cloud", nodes, ROLES, instances, limit, 3600, [1.0, 8.0], str(tmp_path / "record.json"))


DISABLE = f"compute service set --disable --disable-reason {LEAVING} {GONE} nova-compute"
ENABLE = f"compute service set --enable {GONE} nova-compute"
REMOVAL = [
    "overcloud node delete -y --stack cloud -b",
    "compute service delete 2",
    "network agent delete agent-1 agent-2",
    "baremetal node delete uuid-gone",
]


def test_a_removed_compute_is_scaled_in_and_deleted(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Leave(order(tmp_path, "kept")).run()
    assert cloud.did == [DISABLE, *REMOVAL]
    assert cloud.file == [
        {"name": "Compute", "count": 1,
         "instances": [{"name": "kept"}, {"name": "gone", "hostname": "cloud-compute-1", "provisioned": False}]},
    ]  # fmt: skip
    assert list(cloud.nodes) == ["kept"]
    assert list(read_record(tmp_path / "record.json")) == ["kept"]
    assert capsys.readouterr().err.splitlines() == ["removing from the cloud: gone", "waiting: gone is cleaning"]


def test_nothing_is_changed_while_every_node_is_configured(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Leave(order(tmp_path, "kept", "gone")).run()
    assert cloud.did == []
    assert capsys.readouterr().err == ""


def test_the_first_run_records_the_nodes(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "record.json").unlink()
    Leave(order(tmp_path, "kept", "gone")).run()
    assert cloud.did == []
    assert read_record(tmp_path / "record.json") == {n: dict(p._asdict()) for n, p in PLACES.items()}


def test_instances_are_refused_and_nothing_is_changed(cloud: Cloud, tmp_path: Path) -> None:
    cloud.servers = ["vm1"]
    with pytest.raises(Fault) as fault:
        Leave(order(tmp_path, "kept")).run()
    assert str(fault.value) == (
        "nodes to be removed have instances, so nothing was changed. Delete or migrate them:\n"
        f"  vm1 (id-vm1) on {GONE} is ACTIVE"
    )
    assert cloud.did == [DISABLE, ENABLE]
    assert list(read_record(tmp_path / "record.json")) == ["kept", "gone"]


def test_a_drain_waits_until_the_instances_are_gone(cloud: Cloud, clock: Clock, tmp_path: Path) -> None:
    cloud.servers = ["vm1", "vm2"]
    clock.each.append(lambda: cloud.servers.clear() if clock.now > 2 else None)
    Leave(order(tmp_path, "kept", instances="drain")).run()
    assert cloud.did == [DISABLE, *REMOVAL]


def test_a_drain_that_times_out_is_continued_by_the_next_run(cloud: Cloud, tmp_path: Path) -> None:
    cloud.servers = ["vm1"]
    with pytest.raises(Fault) as fault:
        Leave(order(tmp_path, "kept", instances="drain")).run()
    assert str(fault.value) == (
        f"timed out after 1 minutes:\n  vm1 (id-vm1) on {GONE} is ACTIVE\nThe next `up` continues from here"
    )
    assert cloud.did == [DISABLE], "the service stays disabled"
    cloud.servers, cloud.did = [], []
    Leave(order(tmp_path, "kept", instances="drain")).run()
    assert cloud.did == REMOVAL


def test_a_node_that_is_put_back_is_enabled(cloud: Cloud, tmp_path: Path) -> None:
    cloud.services[1].update({"Status": "disabled", "Disabled Reason": LEAVING})
    Leave(order(tmp_path, "kept", "gone")).run()
    assert cloud.did == [ENABLE]


def test_services_that_others_disabled_stay_disabled(cloud: Cloud, tmp_path: Path) -> None:
    cloud.services[0].update({"Status": "disabled", "Disabled Reason": "broken fan"})
    cloud.services[1].update({"Status": "disabled", "Disabled Reason": "broken fan"})
    cloud.services.append({"ID": 3, "Host": "other.local", "Status": "disabled", "Disabled Reason": LEAVING})
    cloud.servers = ["vm1"]
    with pytest.raises(Fault):
        Leave(order(tmp_path, "kept")).run()
    assert cloud.did == []


def test_a_node_is_only_deleted_from_ironic_without_an_overcloud(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "cloudrc").unlink()
    cloud.nodes["gone"] = cloud.nodes["gone"]._replace(state=NEW)
    Leave(order(tmp_path, "kept")).run()
    assert cloud.did == ["baremetal node delete uuid-gone"]


def test_a_node_that_ironic_does_not_have_is_removed_from_cloud_and_record(cloud: Cloud, tmp_path: Path) -> None:
    del cloud.nodes["gone"]
    cloud.agents = {}
    Leave(order(tmp_path, "kept")).run()
    assert cloud.did == ["compute service delete 2"]
    assert list(read_record(tmp_path / "record.json")) == ["kept"]


def test_cleaning_that_does_not_end_times_out(cloud: Cloud, clock: Clock, tmp_path: Path) -> None:
    clock.each.pop()
    with pytest.raises(Fault, match="timed out after 60 minutes:\n  gone is cleaning"):
        Leave(order(tmp_path, "kept")).run()
    assert "baremetal node delete uuid-gone" not in cloud.did
