"""The gate's pauses and messages on a simulated clock, without a UFM."""

from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.output import Unknown

from providers.ufm import gate
from providers.ufm.errors import CancelledError, MissingMembersError
from providers.ufm.gate import PKeyGateHandler

A, B = "b8599f0300b00011", "b8599f0300b00021"
INPUTS = {"pkey": "0x65", "members": {"vm1/a": A, "vm2/b": B}, "timeout": 60.0}


class Wait:
    """A clock that advances in the gate's pauses; a member joins after as many seconds as `joins` says."""

    def __init__(self, joins: dict[str, float], cancelled_after: int = 1000) -> None:
        self.now, self.joins, self.cancelled_after = 50.0, joins, cancelled_after
        self.pauses: list[float] = []
        self.log: list[tuple[str, str]] = []
        client = SimpleNamespace(host="ufm", get_pkey=self.get_pkey)
        session: Any = SimpleNamespace(client=client, cancelled=SimpleNamespace(wait=self.wait))
        self.handler = PKeyGateHandler(session, lambda kind, text: self.log.append((kind, text)), "urn")

    def get_pkey(self, pkey: str) -> Any:
        assert pkey == "0x65"
        return SimpleNamespace(members=[guid for guid, after in self.joins.items() if self.now - 50 >= after])

    def wait(self, pause: float) -> bool:
        self.pauses.append(pause)
        self.now += pause
        return len(self.pauses) >= self.cancelled_after

    def create(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(gate, "time", SimpleNamespace(monotonic=lambda: self.now))
        return self.handler.create(INPUTS)


def test_pauses_grow_by_half_from_a_quarter_of_a_second_to_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Wait({A: 0, B: 45})
    assert wait.create(monkeypatch).outputs == {**INPUTS, "member_count": 2}
    assert wait.pauses[:4] == [0.25, 0.375, 0.5625, 0.84375]
    assert all(later == min(pause * 1.5, 10) for pause, later in zip(wait.pauses, wait.pauses[1:], strict=False))
    assert wait.pauses[-1] == 10
    told = [text for kind, text in wait.log if kind == "progress"]
    assert told[0] == "PKey 0x65: waiting for 1 of 2 members, 0 of 60 s"
    assert told[-1] == f"PKey 0x65: waiting for 1 of 2 members, {sum(wait.pauses[:-1]):.0f} of 60 s"
    (explained,) = (text for kind, text in wait.log if kind == "info")
    assert explained == f"PKey 0x65: still waiting for vm2/b ({B}); {gate.EXPLANATION}"
    at = wait.log.index(("info", explained))
    assert sum(wait.pauses[: at - 1]) > gate.LATE > sum(wait.pauses[: at - 2]), "at the first look after 30 s"


def test_the_gate_ends_before_a_pause_that_would_pass_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Wait({A: 0})
    with pytest.raises(MissingMembersError, match=rf"still not members after 60 s: vm2/b \({B}\)"):
        wait.create(monkeypatch)
    assert 50 < sum(wait.pauses) <= 60


def test_an_interrupt_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Wait({}, cancelled_after=2)
    with pytest.raises(CancelledError, match="cancelled while waiting for members"):
        wait.create(monkeypatch)
    assert len(wait.pauses) == 2


def test_members_are_checked_while_the_pkey_is_unknown() -> None:
    unknown = Unknown()  # type: ignore[no-untyped-call]
    checked = Wait({}).handler.check({"pkey": unknown, "members": {"vm1/a": "no GUID"}})
    assert [failure.property for failure in checked.failures] == ["members"]
