"""Each thing that is known to go wrong between a client and UFM, at each call of each resource.

Either it passes, and a retry makes the declared state with as many writes as tries; or the user is told host, call,
partition and what to do, without a secret, and the next `up` ends well.

Not here: a job that ends `Completed With Errors` concerns Neutron's driver (`tests/lab/ufm/test_journal.py`), as none
of our calls has a job.
"""

import base64
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from lab.ufm.faults import Rule
from lab.ufm.partitions import Member
from providers.ufm import errors
from providers.ufm.admin import AdminPasswordHandler
from providers.ufm.gate import PKeyGateHandler
from providers.ufm.handler import ResourceHandler
from providers.ufm.pkey import PKeyHandler
from providers.ufm.provider import DEFAULT_PASSWORD
from providers.ufm.token import AccessTokenHandler
from tests.providers.conftest import LabUfm, configuration
from tests.providers.engine import Lifecycle
from tests.providers.server import PASSWORD

A, B, C, X = (f"b8599f0300b000{n}1" for n in range(1, 5))
BEFORE, WANTED = {"a/ib0": A, "b/ib0": B}, {"b/ib0": B, "c/ib0": C}
TRIES = 3
WRITES = ("PUT", "POST", "DELETE")

Fault = dict[str, Any]

PASSING: dict[str, Fault] = {
    "502": {"status": 502, "count": 2},
    "503": {"status": 503, "count": 2},
    "503 after it was done": {"status": 503, "count": 1, "applied": True},
    "reset": {"fault": "reset", "count": 2},
    "reset after it was done": {"fault": "reset", "count": 2, "applied": True},
    "cut": {"fault": "cut", "count": 2},
}
"""What UFM's restart looks like from here: over before the last try."""

LASTING: dict[str, tuple[Fault, type[errors.UfmError], str]] = {
    "401": ({"status": 401}, errors.AuthenticationError, "inputs user and password"),
    "403": ({"status": 403}, errors.ForbiddenError, "system_admin"),
    "500": ({"status": 500}, errors.UnavailableError, "docker logs ufm"),
    "500 after it was done": ({"status": 500, "applied": True}, errors.UnavailableError, "docker logs ufm"),
    "502": ({"status": 502}, errors.UnavailableError, "docker logs ufm"),
    "503": ({"status": 503}, errors.UnavailableError, "docker logs ufm"),
    "login page": ({"fault": "login_page"}, errors.AuthenticationError, "inputs user and password"),
    "redirect": ({"fault": "login_redirect"}, errors.AuthenticationError, "inputs user and password"),
    "silence": ({"fault": "silence", "applied": True}, errors.UnreachableError, "no answer within 1 s"),
    "reset": ({"fault": "reset"}, errors.UnreachableError, "systemctl status"),
    "reset after it was done": ({"fault": "reset", "applied": True}, errors.UnreachableError, "systemctl status"),
    "cut": ({"fault": "cut"}, errors.UnreachableError, "systemctl status"),
}
"""Fault → the error and what its text says."""

RETRIED = ("502", "503", "reset", "reset after it was done", "cut")

Operation = Callable[[Lifecycle], object]


def happens(ufm: LabUfm, fault: Fault, methods: tuple[str, ...], after: int = 0) -> None:
    ufm.faults.set([Rule(method=method, after=after, **fault) for method in methods])


@pytest.fixture(autouse=True)
def answer_seconds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait one second for an answer only where none comes: a busy machine is slow to answer."""
    silent = "silence" in request.node.name
    monkeypatch.setattr(sys.modules[__name__], "ANSWER_SECONDS", 1 if silent else 60)


ANSWER_SECONDS = 60


def lifecycle_of(kind: type[ResourceHandler], ufm: LabUfm, **config: Any) -> Lifecycle:
    """Return a resource's life whose tries follow at once."""
    inputs, pauses = configuration(ufm.port, ufm.ca_file, **config), (0,) * (TRIES - 1)
    return Lifecycle(kind, inputs, timeout=(2, ANSWER_SECONDS), pauses=pauses)


def writes(ufm: LabUfm) -> Counter[str]:
    return Counter(call for call in ufm.calls if not call.startswith("GET"))


def told_well(error: errors.UfmError, ufm: LabUfm, *secrets: str) -> None:
    text = f"{error} {error!r} {vars(error)}"
    assert f"UFM 127.0.0.1:{ufm.port}" in text
    assert error.call.split()[0] in ("GET", *WRITES)
    assert f"({error.call})" in str(error)
    assert str(error).endswith(error.remedy)
    for secret in (PASSWORD, base64.b64encode(f"admin:{PASSWORD}".encode()).decode(), *secrets):
        assert secret not in text


# PKey


MODES: dict[str, dict[str, Any]] = {"authoritative": {}, "additive": {"ownership": "additive"}}

MODE = pytest.mark.parametrize("mode", MODES)
OPERATIONS = ("create", "update", "delete", "read")
OPERATION = pytest.mark.parametrize("operation", OPERATIONS)


class Partition:
    """A PKey's life in one mode. The additive one has a neighbour that is not ours."""

    def __init__(self, ufm: LabUfm, mode: str) -> None:
        self.ufm, self.mode = ufm, MODES[mode]
        self.others = {X: Member("full", False)} if mode == "additive" else {}
        if self.others:
            with ufm.core.changing() as table:
                table.add(0x65, self.others)
        self.life = lifecycle_of(PKeyHandler, ufm)

    def up(self, members: dict[str, str]) -> str:
        return self.life.up(pkey="0x65", members=members, ip_over_ib=True, **self.mode)

    def prepare(self, operation: str) -> None:
        if operation != "create":
            self.up(WANTED if operation == "read" else BEFORE)
        self.ufm.asked.clear()

    def perform(self, operation: str) -> None:
        {"create": self._up, "update": self._up, "delete": self.life.destroy, "read": self.life.refresh}[operation]()

    def _up(self) -> None:
        self.up(WANTED)

    def there(self) -> dict[str, Member]:
        """What UFM has, asked behind its REST API."""
        found = self.ufm.core.table.partitions.get(0x65)
        return dict(found.members) if found else {}

    def ended_well(self, operation: str) -> None:
        ours = {} if operation == "delete" else {guid: Member("full", False) for guid in WANTED.values()}
        assert self.there() == {**self.others, **ours}
        assert (self.life.id == "") is (operation == "delete")

    def next_up_ends_well(self) -> None:
        self.up(WANTED)
        self.ended_well("create")
        assert self.life.refresh()["members"] == WANTED
        assert self.up(WANTED) == "same"
        self.life.destroy()
        assert self.there() == self.others


CHANGES = ("create", "update", "delete")
HITS = [
    *(("authoritative", change, hit) for change in CHANGES for hit in ("read", "write", "read-back")),
    ("authoritative", "read", "read"),
    *(("additive", change, "write") for change in CHANGES),
]
"""Mode, operation, and which of its requests is hit. Reads are the same in both modes."""

LASTING_HITS = [
    (*hit, fault)
    for hit in HITS
    for fault in LASTING
    if hit[2] == "write" or (hit[2] == "read" and "done" not in fault)
]
"""A read does nothing whose answer could be lost."""


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize(("mode", "operation", "hit"), HITS)
def test_what_passes_is_outlasted(ufm: LabUfm, mode: str, operation: str, hit: str, fault: str) -> None:
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    happens(ufm, PASSING[fault], WRITES if hit == "write" else ("GET",), after=int(hit == "read-back"))
    partition.perform(operation)
    ufm.faults.clear()
    assert all(number <= TRIES for number in writes(ufm).values())
    partition.ended_well(operation)


@pytest.mark.parametrize(("mode", "operation", "hit", "fault"), LASTING_HITS)
def test_what_lasts_is_told_and_mended_by_the_next_up(
    ufm: LabUfm, mode: str, operation: str, hit: str, fault: str
) -> None:
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    rule, kind, said = LASTING[fault]
    happens(ufm, rule, WRITES if hit == "write" else ("GET",))
    with pytest.raises(kind) as caught:
        partition.perform(operation)
    ufm.faults.clear()
    assert caught.value.pkey == "0x65"
    assert "PKey 0x65" in str(caught.value)
    assert said in str(caught.value)
    told_well(caught.value, ufm)
    assert all(number <= (TRIES if fault in RETRIED else 1) for number in writes(ufm).values())
    if operation == "delete":
        partition.life.destroy()
        partition.ended_well("delete")
    partition.next_up_ends_well()


Nonsense = tuple[str, Fault, tuple[str, ...], type[errors.UfmError], str]
"""Operation, what answers to which methods, and what is told."""

NONSENSE: list[Nonsense] = [
    *((change, {"status": 404}, WRITES, errors.NotFoundError, "ibstat") for change in ("create", "update")),
    *((operation, {"fault": "invalid_json"}, ("GET",), errors.ShapeError, "not a proxy") for operation in OPERATIONS),
]
"""404 to a write: as of a UFM that wants its ports on the fabric. And JSON that breaks off."""


@MODE
@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda nonsense: f"{nonsense[0]}-{nonsense[-1]}")
def test_answers_that_fit_no_question_are_told(ufm: LabUfm, mode: str, nonsense: Nonsense) -> None:
    operation, fault, methods, kind, said = nonsense
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    happens(ufm, fault, methods)
    with pytest.raises(kind, match=f"PKey 0x65 .*{said}") as caught:
        partition.perform(operation)
    ufm.faults.clear()
    told_well(caught.value, ufm)
    partition.next_up_ends_well()


@MODE
def test_the_answer_to_a_write_may_be_anything(ufm: LabUfm, mode: str) -> None:
    """UFM's say nothing; the read-back tells."""
    partition = Partition(ufm, mode)
    happens(ufm, {"fault": "invalid_json", "applied": True}, WRITES)
    partition.next_up_ends_well()


@MODE
def test_404_to_a_refresh_is_a_partition_that_has_vanished(ufm: LabUfm, mode: str) -> None:
    """Which is what it means; where it was not so, the next `up` adopts what is there."""
    partition = Partition(ufm, mode)
    partition.prepare("read")
    happens(ufm, {"status": 404}, ("GET",))
    assert partition.life.refresh() == {}
    ufm.faults.clear()
    partition.next_up_ends_well()


@MODE
@OPERATION
def test_a_password_that_counts_no_more(ufm: LabUfm, mode: str, operation: str) -> None:
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    ufm.core.accounts.set_password("admin", "somebody_elses")
    with pytest.raises(
        errors.AuthenticationError, match=r"PKey 0x65 .*check the provider's inputs user and password"
    ) as caught:
        partition.perform(operation)
    told_well(caught.value, ufm, "somebody_elses")
    assert not writes(ufm)
    ufm.core.accounts.set_password("admin", PASSWORD)
    partition.next_up_ends_well()


# PKeyGate


def gate_of(ufm: LabUfm) -> Lifecycle:
    ufm.client.add_guids("0x65", WANTED.values())
    ufm.asked.clear()
    return lifecycle_of(PKeyGateHandler, ufm)


def wait(gate: Lifecycle) -> str:
    return gate.up(pkey="0x65", members=WANTED, timeout=5)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("operation", [wait, Lifecycle.refresh])
def test_the_gate_outlasts_what_passes(ufm: LabUfm, fault: str, operation: Operation) -> None:
    gate = gate_of(ufm)
    if operation is Lifecycle.refresh:
        wait(gate)
    happens(ufm, PASSING[fault], ("GET",))
    operation(gate)
    assert gate.id
    assert not writes(ufm)


@pytest.mark.parametrize("fault", [name for name in LASTING if "done" not in name])
@pytest.mark.parametrize("operation", [wait, Lifecycle.refresh])
def test_the_gate_tells_what_lasts(ufm: LabUfm, fault: str, operation: Operation) -> None:
    gate = gate_of(ufm)
    if operation is Lifecycle.refresh:
        wait(gate)
    rule, kind, said = LASTING[fault]
    happens(ufm, rule, ("GET",))
    with pytest.raises(kind, match=f"PKey 0x65 .*{said}") as caught:
        operation(gate)
    ufm.faults.clear()
    told_well(caught.value, ufm)
    wait(gate)
    assert wait(gate) == "same"
    assert not writes(ufm)


# AccessToken


def make(token: Lifecycle) -> str:
    return token.up(generation=1)


def valid(ufm: LabUfm) -> set[str]:
    return set(ufm.core.accounts.tokens)


TOKEN_OPERATIONS: dict[str, Operation] = {"create": make, "read": Lifecycle.refresh, "delete": Lifecycle.destroy}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("operation", ["read", "delete"])
def test_the_token_outlasts_what_passes(ufm: LabUfm, fault: str, operation: str) -> None:
    token = lifecycle_of(AccessTokenHandler, ufm)
    make(token)
    happens(ufm, PASSING[fault], ("GET", "POST"))
    TOKEN_OPERATIONS[operation](token)
    ufm.faults.clear()
    assert len(valid(ufm)) == (operation == "read") == bool(token.id)


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("operation", TOKEN_OPERATIONS)
def test_the_token_tells_what_lasts(ufm: LabUfm, fault: str, operation: str) -> None:
    token = lifecycle_of(AccessTokenHandler, ufm)
    if operation != "create":
        make(token)
    ufm.asked.clear()
    rule, kind, said = LASTING[fault]
    happens(ufm, rule, ("GET", "POST"))
    with pytest.raises(kind, match=said) as caught:
        TOKEN_OPERATIONS[operation](token)
    ufm.faults.clear()
    told_well(caught.value, ufm, *valid(ufm), token.outputs.get("token", PASSWORD))
    if operation == "create":
        assert sum(writes(ufm).values()) == 1, "one that nobody knows is enough"
        unsure = issubclass(kind, errors.UnreachableError | errors.UnavailableError)
        assert ("if UFM has created a token anyway, revoke it there" in str(caught.value)) is unsure
    if operation == "delete":
        token.destroy()
        assert valid(ufm) == set()
    make(token)
    assert make(token) == "same"
    assert token.outputs["token"] in valid(ufm)


# AdminPassword


NEW = "canary_second"


def admin_of(ufm: LabUfm) -> Lifecycle:
    """The password that counts is another one than the configured."""
    return lifecycle_of(AdminPasswordHandler, ufm, password=NEW, previousPassword=PASSWORD)


def accepted(ufm: LabUfm) -> list[str]:
    return [word for word in (PASSWORD, NEW, DEFAULT_PASSWORD) if ufm.core.accounts.users["admin"].accepts(word)]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("methods", [("GET",), ("PUT",)])
def test_the_password_is_changed_once_whatever_passes(ufm: LabUfm, fault: str, methods: tuple[str, ...]) -> None:
    admin = admin_of(ufm)
    happens(ufm, PASSING[fault], methods)
    assert make(admin) == "create"
    assert accepted(ufm) == [NEW]
    assert make(admin) == "same"


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("methods", [("GET",), ("PUT",)])
def test_the_password_tells_what_lasts(ufm: LabUfm, fault: str, methods: tuple[str, ...]) -> None:
    admin = admin_of(ufm)
    rule, kind, said = LASTING[fault]
    happens(ufm, rule, methods)
    with pytest.raises(kind) as caught:
        make(admin)
    ufm.faults.clear()
    assert said in str(caught.value) or "previous_password" in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.call
    assert NEW not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert make(admin) == "create"
    assert accepted(ufm) == [NEW]
    admin.refresh()
    assert make(admin) == "same"
