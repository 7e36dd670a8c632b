"""Random histories: Neutron, an operator and our resources write to one UFM, which restarts and fails.

Invariant: our resources remove only members that they declare or declared. The state machine records the members that
others added, and checks after every step that all of them still exist.

A GUID that the program declares is ours while it is in the state, even if another writer added it before: UFM's table
does not record the writer of an entry (`docs/lab-ufm.md`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lab.ufm.faults import Rule
from lab.ufm.partitions import Member
from providers.ufm import UfmError, errors
from providers.ufm.declared import FOREIGN
from providers.ufm.pkey import PKeyHandler
from tests.lab.ufm.conftest import Session
from tests.lab.ufm.test_neutron import NETWORK, Driver, vm_port
from tests.providers.conftest import LabUfm, Start, configuration
from tests.providers.engine import Lifecycle, sessions
from tests.providers.server import PASSWORD, Answer, Request

HOSTS = [f"b8599f0300b000{n}1" for n in range(1, 4)]
VMS = [f"fa163e00000000{n}1" for n in range(1, 4)]

Table = dict[str, Member]

TROUBLES: dict[str, list[Rule]] = {
    "none": [],
    "UFM restarts": [Rule(status=502, count=2)],
    "answers are lost": [Rule(fault="reset", applied=True, count=2)],
    "answers are cut": [Rule(fault="cut", count=1)],
    "UFM starts for long": [Rule(status=503)],
    "writes are done, but not answered": [Rule(method=m, status=500, applied=True) for m in ("PUT", "POST", "DELETE")],
    "the read-back fails": [Rule(method="GET", status=500, after=1)],
}

trouble = st.just("none") | st.sampled_from(sorted(TROUBLES))
members = st.sets(st.sampled_from([*HOSTS, VMS[0]]), min_size=1)
"""Members that a program may declare: hosts, and a VM that Neutron adds as well."""
membership = st.sampled_from(["full", "limited"])
memberships = st.fixed_dictionaries(dict.fromkeys([*HOSTS, VMS[0]], membership))
"""Of the members that a program declares, by GUID."""
any_guid = st.sampled_from([*HOSTS, *VMS])


def only(table: Table, guids: set[str]) -> Table:
    return {guid: member for guid, member in table.items() if guid in guids}


def without(table: Table, guids: set[str]) -> Table:
    return {guid: member for guid, member in table.items() if guid not in guids}


class Machine(RuleBasedStateMachine):
    """One PKey of ours, and an operator at UFM's web interface."""

    ufm: ClassVar[LabUfm]
    pkey: ClassVar[str]
    mode: ClassVar[dict[str, Any]]

    def __init__(self) -> None:
        super().__init__()
        self.ufm.reinstall()
        self.life = Lifecycle(PKeyHandler, configuration(self.ufm.port, self.ufm.ca_file), pauses=(0, 0))
        self.person = Session(f"https://127.0.0.1:{self.ufm.port}/ufmRest", self.ufm.ca_file)
        self.person.auth = ("admin", PASSWORD)

    def teardown(self) -> None:
        """Destroy our resource at the end of every history."""
        if self.life.id:
            self.destroy("none")
        self.person.close()
        while sessions:
            sessions.pop().close()

    def up(self, guids: set[str], how: Mapping[str, str], **more: Any) -> str:
        named = {f"host/{guid}": {"guid": guid, "membership": how[guid]} for guid in guids}
        return self.life.up(pkey=self.pkey, members=named, **self.mode, **more)

    def table(self) -> Table:
        """Return UFM's members, read without its REST API."""
        partition = self.ufm.core.table.partitions.get(int(self.pkey, 16))
        return dict(partition.members) if partition else {}

    def held(self) -> set[str]:
        """Return the GUIDs that are ours by the state."""
        names = self.life.outputs.get("members", {}).items()
        return {str(text).split()[0] for name, text in names if not name.startswith(FOREIGN)}

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Inject a fault during our operation, which may then fail."""
        self.ufm.faults.set(TROUBLES[name])
        try:
            yield
        except UfmError as error:
            failure = str(error)
        else:
            failure = ""
        finally:
            self.ufm.faults.clear()
        assert not failure or name != "none", failure
        assert PASSWORD not in failure

    @precondition(lambda self: self.life.id)
    @rule()
    def refresh(self) -> None:
        before, held = self.table(), self.held()
        self.life.refresh()
        assert self.table() == before
        assert self.held() == held & before.keys()
        if self.life.id:
            foreign = sorted(before.keys() - held)
            assert self.life.outputs["foreign"] == foreign
            drift = [name for name in self.life.inputs["members"] if name.startswith(FOREIGN)]
            assert len(drift) == (len(foreign) if self.mode["ownership"] == "authoritative" else 0)

    @precondition(lambda self: self.life.id)
    @rule(trouble=trouble)
    def we_destroy(self, trouble: str) -> None:
        self.destroy(trouble)

    def destroy(self, trouble: str) -> None:
        before, held = self.table(), self.held()
        with self.during(trouble):
            self.life.destroy()
            assert not self.table().keys() & held
        assert without(self.table(), held) == without(before, held), (
            "other members are unchanged even if the operation failed"
        )

    @rule()
    def ufm_restarts(self) -> None:
        self.ufm.restart()

    def adds(self, guid: str, how: str) -> None:
        self.person.post("/resources/pkeys", json={"pkey": self.pkey, "guids": [guid], "membership": how})

    def removes(self, guid: str) -> None:
        self.person.delete(f"/resources/pkeys/{self.pkey}/guids/{guid}")


class Tenant(Machine):
    """A PKey that Neutron writes as well."""

    pkey = "0x65"
    mode = {"ownership": "additive"}

    def __init__(self) -> None:
        super().__init__()
        self.guests: set[str] = set()
        """Members that others added and did not remove, and that we do not declare."""
        self.driver = Driver(Session(f"https://127.0.0.1:{self.ufm.port}/ufmRestV3", self.ufm.ca_file))
        self.driver.rest.headers["Authorization"] = f"Basic {self.ufm.client.create_token()['access_token']}"

    def teardown(self) -> None:
        self.driver.rest.close()
        super().teardown()

    @invariant()
    def foreign_members_are_kept(self) -> None:
        assert self.guests <= self.table().keys()

    # Our resources

    @rule(guids=members, how=memberships, trouble=trouble)
    def we_refresh_and_declare(self, guids: set[str], how: Mapping[str, str], trouble: str) -> None:
        if self.life.id:
            self.life.refresh()
        self.declare(guids, how, trouble, refreshed=True)

    @rule(guids=members, how=memberships, trouble=trouble)
    def we_declare(self, guids: set[str], how: Mapping[str, str], trouble: str) -> None:
        self.declare(guids, how, trouble, refreshed=False)

    def declare(self, guids: set[str], how: Mapping[str, str], trouble: str, *, refreshed: bool) -> None:
        before, held = self.table(), self.held()
        self.guests -= guids
        with self.during(trouble):
            done = self.up(guids, how)
            if done != "same" or refreshed:
                assert only(self.table(), guids) == {guid: Member(how[guid]) for guid in guids}
                assert not self.table().keys() & (held - guids), "members that are no longer declared are removed"
            assert self.up(guids, how) == "same"
        assert without(self.table(), held | guids) == without(before, held | guids), (
            "other members are unchanged even if the operation failed"
        )

    # Other writers

    def assert_added(self, guid: str) -> None:
        assert guid in self.table()
        self.guests |= {guid} - self.held()

    def assert_removed(self, guid: str) -> None:
        assert guid not in self.table()
        self.guests.discard(guid)

    @rule(guid=st.sampled_from(VMS))
    def neutron_boots_a_vm(self, guid: str) -> None:
        if not self.ufm.core.cloudx.networks:
            self.driver.send("POST", "Network", NETWORK)
        self.driver.send("POST", "Port", port(guid))
        self.assert_added(guid)

    @rule(guid=st.sampled_from(VMS) | st.none())
    def neutron_deletes_a_vm_or_the_network(self, guid: str | None) -> None:
        bound = {binding.guid for binding in self.ufm.core.cloudx.ports.values()}
        if guid:
            bound &= {guid}
            self.driver.delete("Port", port(guid))
        else:
            self.driver.delete("Network", NETWORK)
        for gone in bound:
            self.assert_removed(gone)

    @initialize(guids=st.sets(any_guid), how=membership)
    def the_partition_exists_before(self, guids: set[str], how: str) -> None:
        for guid in guids:
            self.an_operator_adds_or_flips(guid, how)

    @rule(guid=any_guid, how=membership)
    def an_operator_adds_or_flips(self, guid: str, how: str) -> None:
        self.adds(guid, how)
        self.assert_added(guid)

    @rule(guid=any_guid, legacy=st.booleans())
    def a_member_is_removed(self, guid: str, legacy: bool) -> None:
        """ib-kubernetes uses the legacy call."""
        if legacy:
            self.person.post("/actions/remove_guids_from_pkey", json={"pkey": "0x0065", "guids": [guid]})
        else:
            self.removes(guid)
        self.assert_removed(guid)

    @precondition(lambda self: len(self.guests) < 2)  # otherwise histories would rarely have foreign members
    @rule()
    def an_operator_deletes_the_partition(self) -> None:
        self.person.delete(f"/resources/pkeys/{self.pkey}")
        self.guests.clear()


def port(guid: str) -> dict[str, Any]:
    """Return Neutron's port of a VM with that GUID."""
    octets = [guid[n : n + 2] for n in range(0, 16, 2)]
    return vm_port(":".join(["20", *octets]), id=f"6f1c0a5e-0000-4000-8000-0000{guid[-8:]}")


class Control(Machine):
    """A PKey that only our resources write."""

    pkey = "0x66"
    mode = {"ownership": "authoritative"}

    @rule(guids=members, how=memberships, refresh=st.booleans(), adopt=st.booleans(), trouble=trouble)
    def we_declare(self, guids: set[str], how: Mapping[str, str], refresh: bool, adopt: bool, trouble: str) -> None:
        if refresh and self.life.id:
            self.life.refresh()
        before, wanted, free = self.table(), {guid: Member(how[guid]) for guid in guids}, bool(self.life.id) or adopt
        with self.during(trouble):
            try:
                done = self.up(guids, how, adopt=adopt)
            except errors.TakeoverError:
                assert not free
                assert self.table() == before != wanted
                return
            assert free or before in ({}, wanted)
            assert self.table() == wanted or (done == "same" and not refresh and self.table() == before)
            assert self.up(guids, how) == "same"

    @initialize(guids=st.sets(any_guid), how=membership)
    def the_partition_exists_before(self, guids: set[str], how: str) -> None:
        for guid in guids:
            self.adds(guid, how)

    @rule(guid=any_guid, how=membership)
    def an_operator_adds_or_removes_a_member(self, guid: str, how: str) -> None:
        if guid in self.table():
            self.removes(guid)
        else:
            self.adds(guid, how)


def histories(number: int, steps: int) -> settings:
    """Return Hypothesis settings for the same histories in each run.

    A failing history is not shortened: that takes minutes, and needs `Phase.shrink`.
    """
    return settings(
        max_examples=number,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )


@pytest.mark.slow
def test_no_history_removes_foreign_members(served: LabUfm) -> None:
    class Here(Tenant):
        ufm = served

    run_state_machine_as_test(Here, settings=histories(50, 15))


@pytest.mark.slow
def test_every_history_ends_with_the_declared_partition(served: LabUfm) -> None:
    class Here(Control):
        ufm = served

    run_state_machine_as_test(Here, settings=histories(40, 12))


def test_an_empty_partition_after_an_additive_delete_is_no_error(start: Start) -> None:
    """Neutron creates a network before its ports, so its partition is empty at first."""
    ours = {"guids": [{"guid": HOSTS[0], "membership": "full"}], "partition": "ours", "ip_over_ib": True}
    there = [ours]

    def answer(request: Request) -> Answer:
        if request.verb == "DELETE":
            there[0] = {**ours, "guids": []}
        return Answer(body=there[0])

    _, server = start(answer)
    life = Lifecycle(PKeyHandler, configuration(server.port, server.ca_file))
    life.up(pkey="0x65", members={"host/ib0": HOSTS[0]}, ownership="additive")
    life.destroy()
    assert server.verbs[-2:] == ["DELETE", "GET"]
