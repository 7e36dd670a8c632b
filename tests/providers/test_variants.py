"""The provider against each plausible behaviour of a UFM: where real ones are unknown or differ from each other."""

from collections.abc import Mapping
from typing import Any

import pytest

from lab.ufm.partitions import Member
from providers.ufm import errors
from providers.ufm.gate import PKeyGateHandler
from providers.ufm.inventory import members
from providers.ufm.pkey import PKeyHandler
from tests.providers.conftest import LabUfm, configuration
from tests.providers.engine import Lifecycle

A, B, C, X = (f"b8599f0300b000{n}1" for n in range(1, 5))
MODES = ("authoritative", "additive")
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "second index0 accepted": {"second_index0": True},
    "removal from an absent PKey is 200": {"absent_removal_ok": True},
    "reads follow writes": {"read_delay": 0.04},
    "an absent PKey is 404": {"unknown_pkey_404": True},
    "POST takes memberships": {"post_ignores_memberships": False},
    "the site is named": {"site_name": "hall-1"},
    "all at once": {
        "second_index0": True,
        "site_name": "hall-1",
        "absent_removal_ok": True,
        "read_delay": 0.04,
        "unknown_pkey_404": True,
    },
}
INVENTORIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "regular": {},
    "named after adapters": {"node-1": {"description": "node-1 mlx5_0"}, "node-2": {"description": "r-ufm77 mlx5_0"}},
    "one dual-port HCA": {"node-2": {"system": "node-1", "description": "node-1", "number": 2}},
    "six ports without names": {f"node-{n}": {"description": "localhost ibp202s0f0"} for n in range(1, 7)},
}
SETTLE = (0.02, 0.04, 0.1, 0.25, 0.5, 1)


@pytest.fixture(params=VARIANTS)
def ufm(served: LabUfm, request: pytest.FixtureRequest) -> LabUfm:
    served.reinstall()
    served.core.set_quirks(VARIANTS[request.param])
    return served


def life_of(kind: type[PKeyHandler | PKeyGateHandler], ufm: LabUfm) -> Lifecycle:
    return Lifecycle(kind, configuration(ufm.port, ufm.ca_file), settle=SETTLE)


def declared(mode: str, *guids: str, **changes: Any) -> dict[str, Any]:
    named = {f"host-{guid[-2]}/ib0": guid for guid in guids}
    return {"pkey": "0x65", "members": named, "ip_over_ib": True, "ownership": mode, **changes}


def table(ufm: LabUfm, number: int = 0x65) -> dict[str, tuple[str, bool]]:
    """Return what UFM has, shown or not."""
    partition = ufm.core.table.partitions.get(number)
    return {guid: (m.membership, m.index0) for guid, m in partition.members.items()} if partition else {}


@pytest.mark.parametrize("mode", MODES)
def test_the_life_of_a_partition(ufm: LabUfm, mode: str) -> None:
    life = life_of(PKeyHandler, ufm)
    assert life.up(**declared(mode, A, B)) == "create"
    assert table(ufm) == {A: ("full", False), B: ("full", False)}
    assert life.refresh()["members"] == {"host-1/ib0": A, "host-2/ib0": B}
    assert life.up(**declared(mode, A, B)) == "same"
    assert life.up(**declared(mode, B, C, membership="limited")) == "update"
    assert table(ufm) == {B: ("limited", False), C: ("limited", False)}
    life.destroy()
    assert table(ufm) == {}
    assert life.up(**declared(mode, A)) == "create", "the partition that was deleted is not seen any more"
    life.destroy()


@pytest.mark.parametrize("mode", MODES)
def test_members_keep_their_own_memberships(ufm: LabUfm, mode: str) -> None:
    life, limited = life_of(PKeyHandler, ufm), {"guid": B, "membership": "limited"}
    mixed = {"host-1/ib0": A, "host-2/ib0": limited, "host-3/ib0": {"guid": C, "index0": True}}
    life.up(**{**declared(mode), "members": {"host-1/ib0": A, "host-2/ib0": limited}})
    assert table(ufm) == {A: ("full", False), B: ("limited", False)}
    life.up(**{**declared(mode), "members": mixed})
    assert table(ufm) == {A: ("full", False), B: ("limited", False), C: ("full", True)}
    assert life.refresh()["members"] == {"host-1/ib0": A, "host-2/ib0": f"{B} (limited)", "host-3/ib0": f"{C} (index0)"}
    life.destroy()
    assert table(ufm) == {}


@pytest.mark.parametrize("mode", MODES)
def test_drift_is_repaired(ufm: LabUfm, mode: str) -> None:
    life = life_of(PKeyHandler, ufm)
    life.up(**declared(mode, A, B))
    ufm.client.remove_guids("0x65", [A])
    assert set(life.refresh()["members"].values()) == {B}
    assert life.up(**declared(mode, A, B)) == "update"
    ufm.client.delete_pkey("0x65")
    assert life.refresh() == {}
    assert life.up(**declared(mode, A, B)) == "create"
    assert set(table(ufm)) == {A, B}


@pytest.mark.parametrize("mode", MODES)
def test_a_partition_that_is_gone_is_destroyed(ufm: LabUfm, mode: str) -> None:
    life = life_of(PKeyHandler, ufm)
    life.up(**declared(mode, A))
    ufm.client.delete_pkey("0x65")
    life.destroy()


def test_index0_moves_to_another_partition(ufm: LabUfm) -> None:
    life = life_of(PKeyHandler, ufm)
    life.up(**declared("authoritative", A, index0=True))
    assert life.up(**declared("authoritative", A, index0=True, pkey="0x66")) == "delete, create"
    assert (table(ufm), table(ufm, 0x66)) == ({}, {A: ("full", True)})


def test_a_second_index0_is_an_error_or_done_as_declared(ufm: LabUfm) -> None:
    ufm.client.set_guids("0x66", [A], index0=True)
    life = life_of(PKeyHandler, ufm)
    if ufm.core.quirks.second_index0:
        life.up(**declared("authoritative", A, index0=True))
        assert table(ufm) == table(ufm, 0x66) == {A: ("full", True)}
    else:
        with pytest.raises(errors.RejectedError, match="0x65"):
            life.up(**declared("authoritative", A, index0=True))
        assert table(ufm) == {}


def test_foreign_members_stay_in_an_additive_partition(ufm: LabUfm) -> None:
    ufm.client.add_guids("0x65", [X], membership="limited")
    life = life_of(PKeyHandler, ufm)
    life.up(**declared("additive", A))
    assert life.outputs["foreign"] == [X]
    life.destroy()
    assert table(ufm) == {X: ("limited", False)}


def test_the_gate_opens_when_the_members_are_shown(ufm: LabUfm) -> None:
    gate = life_of(PKeyGateHandler, ufm)
    with ufm.core.changing() as partitions:
        partitions.add(0x65, {A: Member(), B: Member()})
    gate.up(pkey="0x65", members={"a": A, "b": B}, timeout=10)


# Inventories: UFM names ports as it learns them.


@pytest.fixture(params=INVENTORIES)
def inventory(served: LabUfm, request: pytest.FixtureRequest) -> str:
    served.reinstall()
    for number in range(1, 7):
        served.fabric.add(f"node-{number}", f"b8599f0300b000{number}1")
    served.core.show_hosts(INVENTORIES[request.param])
    return str(request.param)


def test_members_by_guid_need_no_names(served: LabUfm, inventory: str) -> None:
    life = life_of(PKeyHandler, served)
    life.up(**declared("authoritative", A, B))
    assert set(life.refresh()["members"].values()) == {A, B}
    life.destroy()
    assert table(served) == {}


def test_members_by_host_are_complete_or_refused(served: LabUfm, inventory: str) -> None:
    hosts = sorted({str(port["system_name"]) for port in served.client.ports("Computer")})
    if inventory == "six ports without names":
        with pytest.raises(errors.AmbiguousPortsError, match="localhost ibp202s0f0/1"):
            members(served.client, hosts)
    else:
        found = members(served.client, hosts)
        assert len(found) == len(set(found.values())) == 6
        assert ("node-1/2" in found) == (inventory == "one dual-port HCA")


def test_an_import_is_complete_or_refused(served: LabUfm, inventory: str) -> None:
    served.client.set_guids("0x65", [A, B, "fa163e0000aabbcc"])
    life = life_of(PKeyHandler, served)
    if inventory == "six ports without names":
        with pytest.raises(errors.AmbiguousPortsError, match=f"{A}.*{B}"):
            life.import_("0x65")
    else:
        assert set(life.import_("0x65")["members"].values()) == {A, B, "fa163e0000aabbcc"}


def test_a_port_that_is_not_in_the_fabric_is_accepted(served: LabUfm) -> None:
    """ib-kubernetes and Neutron's driver add GUIDs before their ports exist."""
    served.reinstall()
    life_of(PKeyHandler, served).up(**declared("authoritative", X))
    assert set(table(served)) == {X}
