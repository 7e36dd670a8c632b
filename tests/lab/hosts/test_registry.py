"""The handler of each command per kind of host."""

from pathlib import Path

import pytest

import lab.hosts.commands
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.controller import Controller
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.node import Node
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.registry import COMMANDS, Registry

KINDS = (UfmHost, Undercloud, Controller, Compute, GuestHost)


def test_a_kind_inherits_entries_and_may_override_them() -> None:
    registry = Registry()
    base = registry.register("reboot", Host)(lambda call: 0)
    nodes = registry.register("reboot", Node)(lambda call: 1)
    assert registry.find(UfmHost, "reboot") is base
    assert registry.find(Compute, "reboot") is nodes
    assert registry.find(Compute, "halt") is None
    assert registry.names(Compute) == ["reboot"]


def test_a_second_function_for_the_same_kind_and_name_is_refused() -> None:
    registry = Registry()
    registry.register("ip", UfmHost)(lambda call: 0)
    with pytest.raises(ValueError, match="'ip' is registered twice for UfmHost"):
        registry.register("ip", UfmHost)(lambda call: 1)


def test_every_module_of_commands_is_imported() -> None:
    assert lab.hosts.commands.__all__ == sorted(lab.hosts.commands.__all__)
    folder = lab.hosts.commands.__path__[0]
    modules = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
    assert modules == {*lab.hosts.commands.__all__}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind))
def test_every_kind_has_the_commands_of_every_host(kind: type[Host]) -> None:
    assert {"sudo", "hostnamectl", "reboot", "shutdown", "systemctl"} <= {*COMMANDS.names(kind)}


def test_commands_belong_to_kinds() -> None:
    assert [k.kind for k in KINDS if COMMANDS.find(k, "docker")] == ["ufm"]
    assert [k.kind for k in KINDS if COMMANDS.find(k, "openstack")] == ["undercloud"]
    assert [k.kind for k in KINDS if COMMANDS.find(k, "pcs")] == ["controller"]
    assert [k.kind for k in KINDS if COMMANDS.find(k, "setpci")] == ["compute"]
    assert [k.kind for k in KINDS if COMMANDS.find(k, "ib_write_bw")] == ["guest"]
    assert [k.kind for k in KINDS if COMMANDS.find(k, "mstconfig")] == ["controller", "compute"]
