"""The command line of `nodes.py`: which step gets the order, and the exit status."""

import io
import sys
from typing import Any

import pytest

from onhost.undercloud import nodes
from onhost.undercloud.common import Fault

STEPS = {
    "introspect": ("IntrospectOrder", "Introspection"),
    "gate": ("GateOrder", "Gate"),
    "leave": ("LeaveOrder", "Leave"),
}


@pytest.mark.parametrize("verb", STEPS)
def test_a_step_runs_on_the_order_of_standard_input(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Any] = []

    class Step:
        def __init__(self, order: object) -> None:
            self.order = order

        def run(self) -> None:
            ran.append(self.order)
            if len(ran) == 2:
                raise Fault("the reason")

    order, step = STEPS[verb]
    monkeypatch.setattr(getattr(nodes, order), "decode", lambda text: ("decoded", text))
    monkeypatch.setattr(nodes, step, Step)
    monkeypatch.setattr(sys, "argv", ["nodes.py", verb])
    for status, said in ((0, ""), (1, "the reason\n")):
        monkeypatch.setattr(sys, "stdin", io.StringIO("{}"))
        assert nodes.main() == status
        assert capsys.readouterr() == ("", said)
    assert ran == [("decoded", "{}")] * 2
