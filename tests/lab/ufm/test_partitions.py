"""The PKey table and Neutron's part in it, compared with simple models."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lab.ufm.cloudx import CloudX
from lab.ufm.errors import BadRequestError, ForbiddenError, NotFoundError
from lab.ufm.partitions import MANAGEMENT, Member, Qos, Table, guid, pkey, render, spell

KEYS = st.sampled_from([1, 0x65, 0x7FFE])
GUIDS = st.sampled_from([f"{n:016x}" for n in range(0xB1, 0xB6)])
MEMBERS = st.dictionaries(GUIDS, st.builds(Member, st.sampled_from(["full", "limited"]), st.booleans()), max_size=4)


@pytest.mark.parametrize("spelling", ["0x65", "0x0065", "0X65"])
def test_every_spelling_of_a_pkey_has_one_form(spelling: str) -> None:
    assert spell(pkey(spelling)) == "0x65"


@pytest.mark.parametrize("value", ["65", "0x", "0x0", "0x8065", "0xffff", "0x10065", "", 101, None, "0x65 "])
def test_an_invalid_pkey_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError):
        pkey(value)


def test_the_management_pkey_is_refused() -> None:
    with pytest.raises(ForbiddenError):
        pkey("0x7FFF")


@settings(deadline=None)  # no deadline, because the machine may be busy
@given(st.integers(1, MANAGEMENT - 1))
def test_every_other_pkey_is_parsed(number: int) -> None:
    assert pkey(spell(number)) == number
    assert pkey(f"0x{number:04X}") == number


@pytest.mark.parametrize("spelling", ["0xFA163E0000AABBCC", "fa163e0000aabbcc", "0Xfa163e0000aabbcc"])
def test_every_spelling_of_a_guid_has_one_form(spelling: str) -> None:
    assert guid(spelling) == "fa163e0000aabbcc"


@pytest.mark.parametrize("value", ["fa163e0000aabbc", "0xfa163e0000aabbccd", "fa:16:3e:00:00:aa:bb:cc", "0" * 16, 7])
def test_an_invalid_guid_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError):
        guid(value)


@pytest.mark.parametrize(
    "values", [{"mtu_limit": 3}, {"service_level": 16}, {"rate_limit": 99}, {"mtu_limit": True}, {"rate_limit": "2.5"}]
)
def test_invalid_qos_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(BadRequestError):
        Qos().changed(values)


def test_changed_qos_keeps_other_values() -> None:
    assert Qos().changed({"mtu_limit": 4, "pkey": "0x65"}) == Qos(4, 0, 2.5)


class Tables(RuleBasedStateMachine):
    """The table, compared with a dictionary PKey → GUID → Member."""

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.model: dict[int, dict[str, Member]] = {}

    def conflict(self, key: int, members: dict[str, Member]) -> bool:
        return any(
            how.index0 and other != key and member in theirs and theirs[member].index0
            for member, how in members.items()
            for other, theirs in self.model.items()
        )

    @rule(key=KEYS, members=MEMBERS)
    def add(self, key: int, members: dict[str, Member]) -> None:
        if self.conflict(key, members):
            with pytest.raises(BadRequestError, match="index0"):
                self.table.add(key, members)
        else:
            self.table.add(key, members)
            self.model.setdefault(key, {}).update(members)

    @rule(key=KEYS, members=MEMBERS)
    def set(self, key: int, members: dict[str, Member]) -> None:
        def call() -> None:
            self.table.set(key, members, ip_over_ib=True, name=None, qos={})

        if self.conflict(key, members):
            with pytest.raises(BadRequestError, match="index0"):
                call()
            return
        call()
        self.model.pop(key, None)
        if members:
            self.model[key] = dict(members)

    @rule(key=KEYS)
    def create(self, key: int) -> None:
        def call() -> None:
            self.table.create(key, ip_over_ib=False, name=None, qos=Qos())

        if key in self.model:
            with pytest.raises(BadRequestError, match="exists"):
                call()
        else:
            call()
            self.model[key] = {}

    @rule(key=KEYS, guids=st.lists(GUIDS, max_size=4))
    def remove(self, key: int, guids: list[str]) -> None:
        if key not in self.model:
            with pytest.raises(NotFoundError):
                self.table.remove(key, guids)
            return
        self.table.remove(key, guids)
        before = self.model[key]
        after = {member: how for member, how in before.items() if member not in guids}
        self.model[key] = after
        if before and not after:
            del self.model[key]

    @rule(key=KEYS)
    def delete(self, key: int) -> None:
        if key in self.model:
            self.table.delete(key)
            del self.model[key]
        else:
            with pytest.raises(NotFoundError):
                self.table.delete(key)

    @invariant()
    def the_table_is_the_model(self) -> None:
        assert {key: partition.members for key, partition in self.table.partitions.items()} == self.model

    @invariant()
    def state_survives_dump_and_load(self) -> None:
        assert Table(self.table.dump()).partitions == self.table.partitions

    @invariant()
    def opensm_reads_the_same(self) -> None:
        assert parse(render(self.table)) == {key: members for key, members in self.model.items() if members}


def parse(text: str) -> dict[int, dict[str, Member]]:
    """Return the partitions of OpenSM's file, by its grammar: NAME=PKEY[,FLAG...]:MEMBER[,MEMBER...];"""
    first, *definitions = [part.strip() for part in text.split(";") if part.strip()]
    assert first == "management=0x7fff,ipoib:ALL=full"
    found: dict[int, dict[str, Member]] = {}
    for definition in definitions:
        head, _, body = definition.partition(":")
        name, *flags = head.split(",")
        members = found.setdefault(int(name.partition("=")[2], 16), {})
        for line in body.split(","):
            match = re.fullmatch(r"\s*0x([0-9a-f]{16})=(full|limited)", line)
            assert match, f"OpenSM would refuse {line!r}"
            assert match[1] not in members
            members[match[1]] = Member(match[2], "indx0" in flags)
    return found


class Neutron(RuleBasedStateMachine):
    """Neutron and a REST client write to one table.

    A GUID that Neutron added is a member until its last port is deleted. Any other GUID is one until the REST
    client removes it.
    """

    HOSTS = {"ctl-0": "00000000000000b1", "ctl-1": "00000000000000b2"}
    SEGMENT = {"net-a": 0x65, "net-b": 0x66}
    PORTS = st.sampled_from(["port-1", "port-2", "port-3", "port-4"])

    def __init__(self) -> None:
        super().__init__()
        self.table = Table()
        self.cloud = CloudX(self.HOSTS)
        self.networks: set[str] = set()
        self.ports: dict[str, tuple[str, str]] = {}
        self.members: dict[str, set[str]] = {"net-a": set(), "net-b": set()}

    def gone(self, port: str) -> None:
        network, member = self.ports.pop(port, ("", ""))
        if network and (network, member) not in self.ports.values():
            self.members[network].discard(member)

    @rule(network=st.sampled_from(sorted(SEGMENT)))
    def create_network(self, network: str) -> None:
        self.cloud.add_network(self.table, {"id": network, "provider:segmentation_id": self.SEGMENT[network]})
        self.networks.add(network)

    @rule(network=st.sampled_from(sorted(SEGMENT)))
    def delete_network(self, network: str) -> None:
        self.cloud.remove_network(self.table, network)
        self.networks.discard(network)
        for port in [port for port, (of, _) in self.ports.items() if of == network]:
            self.gone(port)

    @rule(port=PORTS, network=st.sampled_from(sorted(SEGMENT)), host=st.sampled_from(sorted(HOSTS)))
    def bind_dhcp(self, port: str, network: str, host: str) -> None:
        self.bind(port, network, {"device_owner": "network:dhcp", "binding:host_id": host}, self.HOSTS[host])

    @rule(port=PORTS, network=st.sampled_from(sorted(SEGMENT)), vf=st.integers(1, 2))
    def bind_vf(self, port: str, network: str, vf: int) -> None:
        option = {"opt_name": "client-id", "opt_value": f"20:fa:16:3e:00:00:00:00:0{vf}"}
        self.bind(port, network, {"device_owner": "compute:nova", "extra_dhcp_opts": [option]}, f"fa163e000000000{vf}")

    def bind(self, port: str, network: str, fields: dict[str, Any], member: str) -> None:
        self.cloud.add_port(self.table, {"id": port, "network_id": network, **fields})
        if network not in self.networks:
            self.gone(port)
        elif self.ports.get(port) != (network, member):
            self.gone(port)
            self.ports[port] = (network, member)
        if network in self.networks:
            self.members[network].add(member)

    @rule(port=PORTS)
    def delete_port(self, port: str) -> None:
        self.cloud.remove_port(self.table, port)
        self.gone(port)

    @rule(network=st.sampled_from(sorted(SEGMENT)), member=st.sampled_from(["00000000000000b1", "00000000000000c1"]))
    def rest_adds(self, network: str, member: str) -> None:
        self.table.add(self.SEGMENT[network], {member: Member()})
        self.members[network].add(member)

    @precondition(lambda self: self.members["net-a"])
    @rule(member=st.sampled_from(["00000000000000b1", "00000000000000c1"]))
    def rest_removes(self, member: str) -> None:
        self.table.remove(self.SEGMENT["net-a"], [member])
        self.members["net-a"].discard(member)

    @invariant()
    def members_equal_the_model(self) -> None:
        for network, segment in self.SEGMENT.items():
            partition = self.table.partitions.get(segment)
            assert (set(partition.members) if partition else set()) == self.members[network]

    @invariant()
    def state_survives_dump_and_load(self) -> None:
        again = CloudX(self.HOSTS, self.cloud.dump())
        assert (again.networks, again.ports) == (self.cloud.networks, self.cloud.ports)


TestTables = Tables.TestCase
TestNeutron = Neutron.TestCase
