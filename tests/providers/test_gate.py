"""The gate waits for members that another writer adds to a partition, and writes nothing."""

import threading
import time
from typing import Any

import pytest

from providers.ufm.errors import MissingMembersError
from providers.ufm.gate import PKeyGateHandler
from tests.providers.conftest import LabUfm, configuration
from tests.providers.engine import CheckFailedError, Lifecycle

A, B, X = (f"b8599f0300b000{n}1" for n in range(1, 4))
MEMBERS = {"vm1/direct1": A, "vm2/direct2": B}


def declared(**changes: Any) -> dict[str, Any]:
    return {"pkey": "0x65", "members": MEMBERS, "timeout": 20, **changes}


@pytest.fixture
def gate(ufm: LabUfm) -> Lifecycle:
    return Lifecycle(PKeyGateHandler, configuration(ufm.port, ufm.ca_file))


def writes(ufm: LabUfm) -> list[str]:
    return [call for call in ufm.calls if not call.startswith("GET")]


def test_the_gate_opens_when_the_last_member_is_added(gate: Lifecycle, ufm: LabUfm) -> None:
    def neutron() -> None:
        for member in (A, B, X):
            time.sleep(0.4)
            ufm.client.add_guids("0x65", [member])

    driver = threading.Thread(target=neutron)
    driver.start()
    began = time.monotonic()
    assert gate.up(**declared()) == "create"
    assert time.monotonic() - began > 0.8
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
