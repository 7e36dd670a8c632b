"""Finding members by host name."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from providers.ufm import errors, inventory
from providers.ufm.handler import Session
from providers.ufm.partition import Member, Partition
from providers.ufm.pkey import PKeyHandler
from tests.providers.conftest import Start
from tests.providers.server import Answer, Request

A, B, C, D = (f"b8599f0300b000{n}1" for n in range(1, 5))


def port(host: str, number: int, guid: str, state: str = "Active") -> dict[str, Any]:
    return {"system_name": host, "number": number, "guid": guid, "logical_state": state}


PORTS = [port("node-1", 1, A), port("node-1", 2, B), port("node-2", 1, C), port("node-3", 1, D, "Down")]


def ports(request: Request) -> Answer:
    return Answer(body=PORTS if request.path == "/ufmRest/resources/ports?sys_type=Computer" else [])


def test_find_members_returns_all_active_ports_of_the_hosts(start: Start) -> None:
    client, _ = start(ports)
    assert inventory.members(client, ["node-1", "node-2"]) == {"node-1/1": A, "node-1/2": B, "node-2/1": C}
    assert inventory.members(client, ["node-2"]) == {"node-2/1": C}
    assert inventory.members(client, []) == {}
    assert inventory.invoke(client, {"hosts": ["node-2"]}) == {"members": {"node-2/1": C}}


def test_a_host_without_an_active_port_is_an_error(start: Start) -> None:
    client, server = start(ports)
    with pytest.raises(errors.UnknownHostsError) as caught:
        inventory.members(client, ["node-9", "node-1", "node-3"])
    text = (
        f"UFM 127.0.0.1:{server.port}: no active port of node-3, node-9; hosts with active ports: node-1, node-2; use"
    )
    assert str(caught.value).startswith(text)


def test_a_fabric_without_active_ports_is_an_error(start: Start) -> None:
    client, _ = start(lambda _request: Answer(body=[{"system_name": "node-1", "number": 1, "guid": A}]))
    with pytest.raises(errors.UnknownHostsError, match="no active port of node-1; hosts with active ports: none; "):
        inventory.members(client, ["node-1"])


def described(number: int, guid: str, description: str) -> dict[str, Any]:
    return {**port("localhost", number, guid), "node_description": description}


def test_two_ports_of_one_name_are_refused_with_both_named(start: Start) -> None:
    body = [described(1, A, "localhost ibp12s0"), described(1, B, "localhost ibp202s0f0"), port("node-2", 1, C)]
    client, _ = start(lambda _request: Answer(body=body))
    both = rf"two ports are named localhost/1: {A} \(localhost ibp12s0\) and {B} \(localhost ibp202s0f0\); declare"
    with pytest.raises(errors.AmbiguousPortsError, match=both):
        inventory.members(client, ["localhost"])
    assert inventory.members(client, ["node-2"]) == {"node-2/1": C}, "ports of other hosts are accepted"


def test_a_port_that_is_listed_twice_is_one_member(start: Start) -> None:
    client, _ = start(lambda _request: Answer(body=[port("node-1", 1, A), port("node-1", 1, A)]))
    assert inventory.members(client, ["node-1"]) == {"node-1/1": A}


def test_an_import_refuses_two_members_of_one_name(start: Start) -> None:
    body = [port("localhost", 1, A), port("localhost", 1, B), port("localhost", 1, C)]
    client, _ = start(lambda _request: Answer(body=body))
    handler = PKeyHandler(cast(Session, SimpleNamespace(client=client)), lambda _severity, _text: None)
    one = Partition("0x65", {A: Member("full", False)})
    assert handler._imported(one)["members"] == {"localhost/1": A}
    two = Partition("0x65", {A: Member("full", False), C: Member("full", False)})
    with pytest.raises(errors.AmbiguousPortsError, match=f"named localhost/1: {A} and {C}; declare"):
        handler._imported(two)


@pytest.mark.parametrize("spelling", ["0x" + A, A.upper(), ":".join(re.findall("..", A)), "0X" + A.upper()])
def test_another_spelling_of_a_guid_is_the_same_port(start: Start, spelling: str) -> None:
    client, _ = start(lambda _request: Answer(body=[port("node-1", 1, spelling)]))
    assert inventory.members(client, ["node-1"]) == {"node-1/1": A}
    handler = PKeyHandler(cast(Session, SimpleNamespace(client=client)), lambda _severity, _text: None)
    assert handler._imported(Partition("0x65", {A: Member("full", False)}))["members"] == {"node-1/1": A}


@pytest.mark.parametrize(
    ("lacks", "name"),
    [("system_name", "node-1 mlx5_0/1"), ("number", "node-1/?"), ("node_description", "node-1/1")],
)
def test_a_port_may_lack_a_field(start: Start, lacks: str, name: str) -> None:
    """Seen in real inventories: `node_description` like `r-ufm77 mlx5_0`, or nothing but a GUID (real-rack.md, R15)."""
    whole = {**port("node-1", 1, A), "node_description": "node-1 mlx5_0"}
    records = [{key: value for key, value in whole.items() if key != lacks}, {"name": "no guid"}, {"guid": "N/A"}]
    client, _ = start(lambda _request: Answer(body=records))
    assert inventory.members(client, [name.rpartition("/")[0]]) == {name: A}


def test_a_port_without_any_name_is_imported_by_its_guid(start: Start) -> None:
    client, _ = start(lambda _request: Answer(body=[{"guid": A}, {"guid": B, "logical_state": None}]))
    handler = PKeyHandler(cast(Session, SimpleNamespace(client=client)), lambda _severity, _text: None)
    found = handler._imported(Partition("0x65", {A: Member("full", False), B: Member("full", False)}))
    assert sorted(found["members"].values()) == sorted([A, B])
