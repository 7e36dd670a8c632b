"""The factory step on nodes that keep adapter and boot in memory."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud import common, factory, wave_node, wave_run
from onhost.undercloud.common import Fault
from onhost.undercloud.factory import CONTAINERS, NewNode
from onhost.undercloud.orders import encode
from tests.onhost.undercloud.clock import Clock
from tests.onhost.undercloud.test_wave_steps import MEMBER, Machine, Rig

SETTINGS = {"SRIOV_EN": 1, "NUM_OF_VFS": 8}


class FactoryMachine(Machine):
    """A node with an adapter in factory state, with or without the containers of a deployment."""

    def __init__(self) -> None:
        super().__init__("compute")
        self.current = {"SRIOV_EN": "False(0)", "NUM_OF_VFS": "0"}
        self.following = dict(self.current)
        self.containers = ""

    def change(self, script: str) -> str:
        return self.containers if script == CONTAINERS else super().change(script)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> FactoryMachine:
    machine, clock = FactoryMachine(), Clock()
    monkeypatch.setattr(common, "time", clock)
    monkeypatch.setattr(wave_node, "time", clock)
    monkeypatch.setattr(wave_node, "Shell", lambda *_: machine)
    return machine


def node(folder: Path, **changes: Any) -> NewNode:
    order = Rig(folder).order._replace(settings=SETTINGS)
    return NewNode(order._replace(**changes), MEMBER, str(folder))


def test_a_new_node_gets_its_vfs_and_reboots(machine: FactoryMachine, tmp_path: Path) -> None:
    new = node(tmp_path)
    new.inspect()
    assert machine.boots == 0
    new.settle()
    assert (machine.sets, machine.boots) == (["SRIOV_EN=1 NUM_OF_VFS=8"], 1)
    assert list(new.report()) == ["compute-1: firmware 20.32.1010, SRIOV_EN=1 NUM_OF_VFS=8"]


def test_a_deployed_node_is_only_checked(machine: FactoryMachine, tmp_path: Path) -> None:
    machine.current.update(SRIOV_EN="True(1)", NUM_OF_VFS="8")
    machine.containers = "0123abcd\n"
    machine.facts["boot_mode"] = "uefi"
    deployed = node(tmp_path, settings={**SETTINGS, "ATS_ENABLED": 1})
    deployed.inspect()
    deployed.settle()
    assert (machine.sets, machine.boots) == ([], 0)
    assert list(deployed.report()) == ["compute-1: is deployed, unchanged"]


def test_a_deployed_node_with_other_vfs_is_refused(machine: FactoryMachine, tmp_path: Path) -> None:
    machine.containers = "0123abcd\n"
    with pytest.raises(Fault, match="NUM_OF_VFS is 0 and not 8, and a deployed node keeps its VFs"):
        node(tmp_path).inspect()


@pytest.mark.parametrize(
    ("facts", "kind", "text"),
    [
        ({"virtualization": "none"}, "compute", "no hardware virtualization"),
        ({"kvm": "none"}, "compute", "no hardware virtualization"),
        ({"virtualization": "none"}, "controller", None),
        ({"boot_mode": "uefi"}, "controller", "it has booted by uefi"),
    ],
)
def test_the_bios_of_a_new_node_is_checked(
    machine: FactoryMachine, tmp_path: Path, facts: dict[str, str], kind: str, text: str | None
) -> None:
    machine.facts.update(facts)
    new = node(tmp_path, kind=kind)
    if text is None:
        new.inspect()
        return
    with pytest.raises(Fault, match=text):
        new.inspect()


def test_vfs_that_the_kernel_does_not_see_are_a_fault(machine: FactoryMachine, tmp_path: Path) -> None:
    machine.facts["vfs"] = "none"
    new = node(tmp_path)
    new.inspect()
    with pytest.raises(Fault, match="the adapter offers 0 VFs of 8; enable SR-IOV in the BIOS"):
        new.settle()


def test_the_program_prints_the_settings_of_the_nodes(
    machine: FactoryMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = Rig(tmp_path).order._replace(settings=SETTINGS)
    monkeypatch.setattr(sys, "stdin", io.StringIO(encode(order)))
    monkeypatch.setattr(wave_run, "lock", lambda: None)  # held until the process ends
    assert factory.main() == 0
    assert capsys.readouterr().out == "compute-1: firmware 20.32.1010, SRIOV_EN=1 NUM_OF_VFS=8\n"
    assert machine.scripts[-1] == "close"
