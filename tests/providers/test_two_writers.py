"""Neutron, an operator and our resources write the same UFM, which restarts and fails meanwhile: random histories.

The promise that people rely on: no member leaves a partition by us but those that we declare or declared. The machine
keeps a list of whom others have brought in, and looks after every step whether they are all there.

A GUID that the program declares is ours from then on, whoever brought it in before, for as long as it stands in the
state. UFM's table does not tell who wrote an entry, so there is no other way to tell (`docs/lab-ufm.md`).
"""

from collections.abc import Iterator
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
"""What a program may declare: hosts and, by mistake or on purpose, a VM that Neutron knows as well."""
membership = st.sampled_from(["full", "limited"])
anybody = st.sampled_from([*HOSTS, *VMS])


def only(table: Table, guids: set[str]) -> Table:
    return {guid: member for guid, member in table.items() if guid in guids}


def without(table: Table, guids: set[str]) -> Table:
    return {guid: member for guid, member in table.items() if guid not in guids}


class Machine(RuleBasedStateMachine):
    """One PKey of ours, and a person at UFM's web interface."""

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
        """Every history ends with the end of ours."""
        if self.life.id:
            self.destroy("none")
        self.person.close()
        while sessions:
            sessions.pop().close()

    def up(self, guids: set[str], how: str, **more: Any) -> str:
        named = {f"host/{guid}": guid for guid in guids}
        return self.life.up(pkey=self.pkey, members=named, membership=how, **self.mode, **more)

    def table(self) -> Table:
        """What UFM has, asked behind its REST API."""
        partition = self.ufm.core.table.partitions.get(int(self.pkey, 16))
        return dict(partition.members) if partition else {}

    def held(self) -> set[str]:
        """What is ours by the state."""
        names = self.life.outputs.get("members", {}).items()
        return {str(text).split()[0] for name, text in names if not name.startswith(FOREIGN)}

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Our operation while that happens; it may fail then."""
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
        assert without(self.table(), held) == without(before, held), "whatever became of it"

    @rule()
    def ufm_restarts(self) -> None:
        self.ufm.restart()

    def adds(self, guid: str, how: str) -> None:
        self.person.post("/resources/pkeys", json={"pkey": self.pkey, "guids": [guid], "membership": how})

    def removes(self, guid: str) -> None:
        self.person.delete(f"/resources/pkeys/{self.pkey}/guids/{guid}")


class Tenant(Machine):
    """A PKey that Neutron writes too."""

    pkey = "0x65"
    mode = {"ownership": "additive"}

    def __init__(self) -> None:
        super().__init__()
        self.guests: set[str] = set()
        """Whom others have brought in and not taken out again, and whom we do not declare."""
        self.driver = Driver(Session(f"https://127.0.0.1:{self.ufm.port}/ufmRestV3", self.ufm.ca_file))
        self.driver.rest.headers["Authorization"] = f"Basic {self.ufm.client.create_token()['access_token']}"

    def teardown(self) -> None:
        self.driver.rest.close()
        super().teardown()

    @invariant()
    def nobody_is_evicted(self) -> None:
        assert self.guests <= self.table().keys()

    # We

    @rule(guids=members, how=membership, trouble=trouble)
    def we_refresh_and_declare(self, guids: set[str], how: str, trouble: str) -> None:
        if self.life.id:
            self.life.refresh()
        self.declare(guids, how, trouble, refreshed=True)

    @rule(guids=members, how=membership, trouble=trouble)
    def we_declare(self, guids: set[str], how: str, trouble: str) -> None:
        self.declare(guids, how, trouble, refreshed=False)

    def declare(self, guids: set[str], how: str, trouble: str, *, refreshed: bool) -> None:
        before, held = self.table(), self.held()
        self.guests -= guids
        with self.during(trouble):
            done = self.up(guids, how)
            if done != "same" or refreshed:
                assert only(self.table(), guids) == {guid: Member(how) for guid in guids}
                assert not self.table().keys() & (held - guids), "who is no longer declared has left"
            assert self.up(guids, how) == "same"
        assert without(self.table(), held | guids) == without(before, held | guids), "whatever became of it"

    # The others

    def comes(self, guid: str) -> None:
        assert guid in self.table()
        self.guests |= {guid} - self.held()

    def goes(self, guid: str) -> None:
        assert guid not in self.table()
        self.guests.discard(guid)

    @rule(guid=st.sampled_from(VMS))
    def neutron_boots_a_vm(self, guid: str) -> None:
        if not self.ufm.core.cloudx.networks:
            self.driver.send("POST", "Network", NETWORK)
        self.driver.send("POST", "Port", port(guid))
        self.comes(guid)

    @rule(guid=st.sampled_from(VMS) | st.none())
    def neutron_deletes_a_vm_or_the_network(self, guid: str | None) -> None:
        bound = {binding.guid for binding in self.ufm.core.cloudx.ports.values()}
        if guid:
            bound &= {guid}
            self.driver.delete("Port", port(guid))
        else:
            self.driver.delete("Network", NETWORK)
        for gone in bound:
            self.goes(gone)

    @initialize(guids=st.sets(anybody), how=membership)
    def somebody_was_there_before(self, guids: set[str], how: str) -> None:
        for guid in guids:
            self.an_operator_adds_or_flips(guid, how)

    @rule(guid=anybody, how=membership)
    def an_operator_adds_or_flips(self, guid: str, how: str) -> None:
        self.adds(guid, how)
        self.comes(guid)

    @rule(guid=anybody, legacy=st.booleans())
    def a_member_is_removed(self, guid: str, legacy: bool) -> None:
        """The old call is ib-kubernetes'."""
        if legacy:
            self.person.post("/actions/remove_guids_from_pkey", json={"pkey": "0x0065", "guids": [guid]})
        else:
            self.removes(guid)
        self.goes(guid)

    @precondition(lambda self: len(self.guests) < 2)  # or there would seldom be any
    @rule()
    def an_operator_deletes_the_partition(self) -> None:
        self.person.delete(f"/resources/pkeys/{self.pkey}")
        self.guests.clear()


def port(guid: str) -> dict[str, Any]:
    """Neutron's port of a VM with that GUID."""
    octets = [guid[n : n + 2] for n in range(0, 16, 2)]
    return vm_port(":".join(["20", *octets]), id=f"6f1c0a5e-0000-4000-8000-0000{guid[-8:]}")


class Control(Machine):
    """A PKey that is ours alone."""

    pkey = "0x66"
    mode = {"ownership": "authoritative"}

    @rule(guids=members, how=membership, refresh=st.booleans(), adopt=st.booleans(), trouble=trouble)
    def we_declare(self, guids: set[str], how: str, refresh: bool, adopt: bool, trouble: str) -> None:
        if refresh and self.life.id:
            self.life.refresh()
        before, wanted, free = self.table(), {guid: Member(how) for guid in guids}, bool(self.life.id) or adopt
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

    @initialize(guids=st.sets(anybody), how=membership)
    def somebody_was_there_before(self, guids: set[str], how: str) -> None:
        for guid in guids:
            self.adds(guid, how)

    @rule(guid=anybody, how=membership)
    def an_operator_meddles(self, guid: str, how: str) -> None:
        if guid in self.table():
            self.removes(guid)
        else:
            self.adds(guid, how)


def histories(number: int, steps: int) -> settings:
    """The same ones each time: what fails on one machine fails on all, and CI's length is known. A failing history is
    shown as it is; to shorten it takes minutes, and `Phase.shrink`."""
    return settings(
        max_examples=number,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )


@pytest.mark.slow
def test_no_history_evicts_anybody(served: LabUfm) -> None:
    class Here(Tenant):
        ufm = served

    run_state_machine_as_test(Here, settings=histories(50, 15))


@pytest.mark.slow
def test_no_history_leaves_another_partition_than_declared(served: LabUfm) -> None:
    class Here(Control):
        ufm = served

    run_state_machine_as_test(Here, settings=histories(40, 12))


def test_a_partition_that_neutron_makes_while_we_leave_is_no_leftover(start: Start) -> None:
    """Its network comes before its ports, so the partition is empty at first."""
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
