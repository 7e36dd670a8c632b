"""The gate waits for members that another writer adds to a partition, and writes nothing."""

import inspect
import threading
import time
from typing import Any

import pytest

from lab.ufm.faults import Rule
from providers.ufm import gate as gate_module
from providers.ufm.errors import RESET_JOURNAL, MissingMembersError, UfmError, UnavailableError, UnreachableError
from providers.ufm.gate import PKeyGate, PKeyGateHandler
from tests.providers.conftest import LabUfm, configuration
from tests.providers.engine import CheckFailedError, Lifecycle

A, B, X = (f"b8599f0300b000{n}1" for n in range(1, 4))
MEMBERS = {"vm1/direct1": A, "vm2/direct2": B}


def declared(**changes: Any) -> dict[str, Any]:
    return {"pkey": "0x65", "members": MEMBERS, "timeout": 20, **changes}


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll more often than with a real UFM: the pauses still double."""
    monkeypatch.setattr(gate_module, "FIRST_PAUSE", 0.05)


@pytest.fixture
def gate(ufm: LabUfm) -> Lifecycle:
    return Lifecycle(PKeyGateHandler, configuration(ufm.port, ufm.ca_file))


def writes(ufm: LabUfm) -> list[str]:
    return [call for call in ufm.calls if not call.startswith("GET")]


def test_the_gate_opens_when_the_last_member_is_added(gate: Lifecycle, ufm: LabUfm) -> None:
    def neutron() -> None:
        for member in (A, B, X):
            time.sleep(0.1)
            ufm.client.add_guids("0x65", [member])

    driver = threading.Thread(target=neutron)
    driver.start()
    began = time.monotonic()
    assert gate.up(**declared()) == "create"
    assert time.monotonic() - began > 0.2
    driver.join()
    assert gate.outputs["member_count"] == 2
    assert gate.up(**declared()) == "same"
    assert ufm.calls
    gate.destroy()
    assert ufm.calls == [], "there is nothing to delete"


def test_missing_members_are_reported_at_the_time_limit(gate: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.add_guids("0x65", [A])
    assert ufm.calls
    text = rf"still not members after 1 s: vm2/direct2 \({B}\); .*MlnxSDNToken"
    with pytest.raises(MissingMembersError, match=text) as caught:
        gate.up(**declared(timeout=1))
    assert "vm1" not in str(caught.value)
    assert caught.value.pkey == "0x65"
    assert writes(ufm) == []


def test_the_default_limit_covers_the_journal_s_maintenance() -> None:
    """networking-mlnx 18.0.0 resets a row at most 100 + 300 s after it got stuck."""
    default = inspect.signature(PKeyGate.__init__).parameters["timeout"].default
    assert default >= 100 + 300 + 60, "the rest is for UFM's start, and for the rows that precede a port's"


def test_a_late_member_is_explained_once(gate: Lifecycle, ufm: LabUfm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "LATE", 0.2)
    ufm.client.add_guids("0x65", [A])
    with pytest.raises(MissingMembersError):
        gate.up(**declared(timeout=0.8))
    explained = [text for text in gate.messages if "; if UFM did not answer Neutron for a while, " in text]
    assert explained == [f"PKey 0x65: still waiting for vm2/direct2 ({B}); {gate_module.EXPLANATION}"]
    assert any(text.startswith("PKey 0x65: waiting for 1 of 2 members, ") for text in gate.messages)


@pytest.mark.parametrize("fault", [{"fault": "reset"}, {"status": 503}])
def test_the_gate_waits_while_ufm_does_not_answer(gate: Lifecycle, ufm: LabUfm, fault: dict[str, Any]) -> None:
    gate = Lifecycle(PKeyGateHandler, configuration(ufm.port, ufm.ca_file), pauses=())
    ufm.client.add_guids("0x65", [A, B])
    ufm.faults.set([Rule(method="GET", count=3, **fault)])
    assert gate.up(**declared()) == "create"
    assert any("waiting for UFM to answer" in text for text in gate.messages)


@pytest.mark.parametrize(
    ("fault", "error"), [({"fault": "reset"}, UnreachableError), ({"status": 503}, UnavailableError)]
)
def test_a_ufm_that_never_answers_is_the_error(ufm: LabUfm, fault: dict[str, Any], error: type[UfmError]) -> None:
    gate = Lifecycle(PKeyGateHandler, configuration(ufm.port, ufm.ca_file), pauses=())
    ufm.faults.set([Rule(method="GET", **fault)])
    with pytest.raises(error):
        gate.up(**declared(timeout=0.5))
    ufm.faults.clear()


def test_the_error_names_the_command_that_resets_neutron_s_rows(gate: Lifecycle, ufm: LabUfm) -> None:
    """`tests/outages/test_outages.py` runs it."""
    with pytest.raises(MissingMembersError) as error:
        gate.up(**declared(timeout=0.3))
    assert RESET_JOURNAL in str(error.value)
    assert "\n" not in str(error.value)


def test_the_gate_waits_again_for_a_removed_member(gate: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.add_guids("0x65", [A, B])
    gate.up(**declared())
    ufm.client.remove_guids("0x65", [B])
    assert gate.refresh()["members"] == {"vm1/direct1": A}
    with pytest.raises(MissingMembersError, match="vm2"):
        gate.up(**declared(timeout=0.3))
    ufm.client.add_guids("0x65", [B])
    assert gate.up(**declared()) == "update"
    ufm.client.delete_pkey("0x65")
    assert gate.refresh() == {}
    assert gate.id == ""


def test_a_changed_time_limit_is_no_change(gate: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.add_guids("0x65", [A, B])
    gate.up(**declared())
    assert gate.up(**declared(timeout=1)) == "same"


def test_check_normalises_inputs_and_reports_invalid_ones(gate: Lifecycle) -> None:
    assert gate.checked(**declared(members={"vm/p": A.upper()}))["members"] == {"vm/p": A}
    with pytest.raises(CheckFailedError) as caught:
        gate.checked(**declared(pkey="0x7fff", members={"vm/p": "x"}))
    assert set(caught.value.failures) == {"pkey", "members"}
