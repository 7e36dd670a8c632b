"""Every known fault between client and UFM, at each call of each resource.

A short fault is retried, with at most one write per try, until the declared state is reached. A lasting fault is
reported with host, call, partition and advice, without a secret, and the next `up` reaches the declared state.

Jobs that end with `Completed With Errors` are tested in `tests/lab/ufm/test_journal.py`: only Neutron's driver starts
jobs, no call of the provider does.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
PATIENT, IMPATIENT = (2.0, 60.0), (2.0, 0.2)
"""Seconds to connect and to the answer."""

Fault = dict[str, Any]

PASSING: dict[str, Fault] = {
    "502": {"status": 502, "count": 2},
    "503": {"status": 503, "count": 2},
    "503 after it was done": {"status": 503, "count": 1, "applied": True},
    "reset": {"fault": "reset", "count": 2},
    "reset after it was done": {"fault": "reset", "count": 2, "applied": True},
    "cut": {"fault": "cut", "count": 2},
}
"""Faults as during UFM's restart, which end before the last try."""

LASTING: dict[str, tuple[Fault, type[errors.UfmError], str]] = {
    "401": ({"status": 401}, errors.AuthenticationError, "inputs user and password"),
    "403": ({"status": 403}, errors.ForbiddenError, "system_admin"),
    "500": ({"status": 500}, errors.UnavailableError, "docker logs ufm"),
    "500 after it was done": ({"status": 500, "applied": True}, errors.UnavailableError, "docker logs ufm"),
    "502": ({"status": 502}, errors.UnavailableError, "docker logs ufm"),
    "503": ({"status": 503}, errors.UnavailableError, "docker logs ufm"),
    "login page": ({"fault": "login_page"}, errors.AuthenticationError, "inputs user and password"),
    "redirect": ({"fault": "login_redirect"}, errors.AuthenticationError, "inputs user and password"),
    "silence": ({"fault": "silence", "applied": True}, errors.UnreachableError, "no answer within 0.2 s"),
    "reset": ({"fault": "reset"}, errors.UnreachableError, "systemctl status"),
    "reset after it was done": ({"fault": "reset", "applied": True}, errors.UnreachableError, "systemctl status"),
    "cut": ({"fault": "cut"}, errors.UnreachableError, "systemctl status"),
}
"""Fault → the error and a part of its text."""

RETRIED = ("502", "503", "reset", "reset after it was done", "cut")

Operation = Callable[[Lifecycle], object]


def inject(ufm: LabUfm, fault: Fault, methods: tuple[str, ...], after: int = 0) -> None:
    ufm.faults.set([Rule(method=method, after=after, **fault) for method in methods])


def lifecycle_of(kind: type[ResourceHandler], ufm: LabUfm, **config: Any) -> Lifecycle:
    """Return a resource's life cycle whose retries have no pauses."""
    inputs, pauses = configuration(ufm.port, ufm.ca_file, **config), (0,) * (TRIES - 1)
    return Lifecycle(kind, inputs, timeout=PATIENT, pauses=pauses)


@contextmanager
def patience_with(fault: str, life: Lifecycle) -> Iterator[None]:
    """Let a resource wait for an answer for a short time where none comes. A busy machine is slow to answer."""
    if fault == "silence":
        life.wait_for_answers(IMPATIENT)
    yield
    life.wait_for_answers(PATIENT)


def writes(ufm: LabUfm) -> Counter[str]:
    return Counter(call for call in ufm.calls if not call.startswith("GET"))


def assert_report(error: errors.UfmError, ufm: LabUfm, *secrets: str) -> None:
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
    """A PKey's life cycle in one mode. The additive partition has a foreign member."""

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
        """Return UFM's members, read without its REST API."""
        found = self.ufm.core.table.partitions.get(0x65)
        return dict(found.members) if found else {}

    def assert_done(self, operation: str) -> None:
        ours = {} if operation == "delete" else {guid: Member("full", False) for guid in WANTED.values()}
        assert self.there() == {**self.others, **ours}
        assert (self.life.id == "") is (operation == "delete")

    def assert_next_up_succeeds(self) -> None:
        self.up(WANTED)
        self.assert_done("create")
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
"""Mode, operation, and the request with the fault. Reads are the same in both modes."""

LASTING_HITS = [
    (*hit, fault)
    for hit in HITS
    for fault in LASTING
    if hit[2] == "write" or (hit[2] == "read" and "done" not in fault)
]
"""Faults "after it was done" do not apply to reads, which change nothing."""


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize(("mode", "operation", "hit"), HITS)
def test_a_short_fault_is_retried(ufm: LabUfm, mode: str, operation: str, hit: str, fault: str) -> None:
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    inject(ufm, PASSING[fault], WRITES if hit == "write" else ("GET",), after=int(hit == "read-back"))
    partition.perform(operation)
    ufm.faults.clear()
    assert all(number <= TRIES for number in writes(ufm).values())
    partition.assert_done(operation)


@pytest.mark.parametrize(("mode", "operation", "hit", "fault"), LASTING_HITS)
def test_a_lasting_fault_is_reported_and_the_next_up_succeeds(
    ufm: LabUfm, mode: str, operation: str, hit: str, fault: str
) -> None:
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    rule, kind, said = LASTING[fault]
    inject(ufm, rule, WRITES if hit == "write" else ("GET",))
    with patience_with(fault, partition.life), pytest.raises(kind) as caught:
        partition.perform(operation)
    ufm.faults.clear()
    assert caught.value.pkey == "0x65"
    assert "PKey 0x65" in str(caught.value)
    assert said in str(caught.value)
    assert_report(caught.value, ufm)
    assert all(number <= (TRIES if fault in RETRIED else 1) for number in writes(ufm).values())
    if operation == "delete":
        partition.life.destroy()
        partition.assert_done("delete")
    partition.assert_next_up_succeeds()


Nonsense = tuple[str, Fault, tuple[str, ...], type[errors.UfmError], str]
"""Operation, fault, methods with the fault, error, and a part of its text."""

NONSENSE: list[Nonsense] = [
    *((change, {"status": 404}, WRITES, errors.NotFoundError, "ibstat") for change in ("create", "update")),
    *((operation, {"fault": "invalid_json"}, ("GET",), errors.ShapeError, "not a proxy") for operation in OPERATIONS),
]
"""404 to a write, as from a UFM that requires its ports in the fabric, and truncated JSON."""


@MODE
@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda nonsense: f"{nonsense[0]}-{nonsense[-1]}")
def test_unexpected_answers_are_reported(ufm: LabUfm, mode: str, nonsense: Nonsense) -> None:
    operation, fault, methods, kind, said = nonsense
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    inject(ufm, fault, methods)
    with pytest.raises(kind, match=f"PKey 0x65 .*{said}") as caught:
        partition.perform(operation)
    ufm.faults.clear()
    assert_report(caught.value, ufm)
    partition.assert_next_up_succeeds()


@MODE
def test_the_answer_to_a_write_is_ignored(ufm: LabUfm, mode: str) -> None:
    """UFM's answers to writes have no content; the provider reads the partition back."""
    partition = Partition(ufm, mode)
    inject(ufm, {"fault": "invalid_json", "applied": True}, WRITES)
    partition.assert_next_up_succeeds()


@MODE
def test_a_refresh_with_404_removes_the_partition_from_the_state(ufm: LabUfm, mode: str) -> None:
    """If the partition exists after all, the next `up` adopts it."""
    partition = Partition(ufm, mode)
    partition.prepare("read")
    inject(ufm, {"status": 404}, ("GET",))
    assert partition.life.refresh() == {}
    ufm.faults.clear()
    partition.assert_next_up_succeeds()


@MODE
@OPERATION
def test_a_password_that_was_changed_elsewhere_is_reported(ufm: LabUfm, mode: str, operation: str) -> None:
    partition = Partition(ufm, mode)
    partition.prepare(operation)
    ufm.core.accounts.set_password("admin", "somebody_elses")
    with pytest.raises(
        errors.AuthenticationError, match=r"PKey 0x65 .*check the provider's inputs user and password"
    ) as caught:
        partition.perform(operation)
    assert_report(caught.value, ufm, "somebody_elses")
    assert not writes(ufm)
    ufm.core.accounts.set_password("admin", PASSWORD)
    partition.assert_next_up_succeeds()


# PKeyGate


def gate_of(ufm: LabUfm) -> Lifecycle:
    ufm.client.add_guids("0x65", WANTED.values())
    ufm.asked.clear()
    return lifecycle_of(PKeyGateHandler, ufm)


def wait(gate: Lifecycle) -> str:
    """Look at least once, and again for a moment if UFM does not answer."""
    return gate.up(pkey="0x65", members=WANTED, timeout=0.3)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("operation", [wait, Lifecycle.refresh])
def test_the_gate_retries_a_short_fault(ufm: LabUfm, fault: str, operation: Operation) -> None:
    gate = gate_of(ufm)
    if operation is Lifecycle.refresh:
        wait(gate)
    inject(ufm, PASSING[fault], ("GET",))
    operation(gate)
    assert gate.id
    assert not writes(ufm)


@pytest.mark.parametrize("fault", [name for name in LASTING if "done" not in name])
@pytest.mark.parametrize("operation", [wait, Lifecycle.refresh])
def test_the_gate_reports_a_lasting_fault(ufm: LabUfm, fault: str, operation: Operation) -> None:
    gate = gate_of(ufm)
    if operation is Lifecycle.refresh:
        wait(gate)
    rule, kind, said = LASTING[fault]
    inject(ufm, rule, ("GET",))
    with patience_with(fault, gate), pytest.raises(kind, match=f"PKey 0x65 .*{said}") as caught:
        operation(gate)
    ufm.faults.clear()
    assert_report(caught.value, ufm)
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
def test_the_token_retries_a_short_fault(ufm: LabUfm, fault: str, operation: str) -> None:
    token = lifecycle_of(AccessTokenHandler, ufm)
    make(token)
    inject(ufm, PASSING[fault], ("GET", "POST"))
    TOKEN_OPERATIONS[operation](token)
    ufm.faults.clear()
    assert len(valid(ufm)) == (operation == "read") == bool(token.id)


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("operation", TOKEN_OPERATIONS)
def test_the_token_reports_a_lasting_fault(ufm: LabUfm, fault: str, operation: str) -> None:
    token = lifecycle_of(AccessTokenHandler, ufm)
    if operation != "create":
        make(token)
    ufm.asked.clear()
    rule, kind, said = LASTING[fault]
    inject(ufm, rule, ("GET", "POST"))
    with patience_with(fault, token), pytest.raises(kind, match=said) as caught:
        TOKEN_OPERATIONS[operation](token)
    ufm.faults.clear()
    assert_report(caught.value, ufm, *valid(ufm), token.outputs.get("token", PASSWORD))
    if operation == "create":
        assert sum(writes(ufm).values()) == 1, "no retry, because each try may create a token"
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
    """Return the resource with a configured password that differs from UFM's."""
    return lifecycle_of(AdminPasswordHandler, ufm, password=NEW, previousPassword=PASSWORD)


def accepted(ufm: LabUfm) -> list[str]:
    return [word for word in (PASSWORD, NEW, DEFAULT_PASSWORD) if ufm.core.accounts.users["admin"].accepts(word)]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("methods", [("GET",), ("PUT",)])
def test_the_password_is_changed_despite_a_short_fault(ufm: LabUfm, fault: str, methods: tuple[str, ...]) -> None:
    admin = admin_of(ufm)
    inject(ufm, PASSING[fault], methods)
    assert make(admin) == "create"
    assert accepted(ufm) == [NEW]
    assert make(admin) == "same"


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("methods", [("GET",), ("PUT",)])
def test_the_password_reports_a_lasting_fault(ufm: LabUfm, fault: str, methods: tuple[str, ...]) -> None:
    admin = admin_of(ufm)
    rule, kind, said = LASTING[fault]
    inject(ufm, rule, methods)
    with patience_with(fault, admin), pytest.raises(kind) as caught:
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
