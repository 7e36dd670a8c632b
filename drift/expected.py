"""What the steps of a stack promise, by host.

A step that ships a file contains the `install` command that places its standard input, with owner and mode: that line
is the promise (`access.ssh.SshHost.file`). A wave's order names the adapters, settings and bridges of its nodes, the
deployment's documents the options of Neutron, a step of UFM's program its image and address.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import yaml

from access.nodes import KINDS, NODE_PROGRAM
from components.ufm_host import LICENSE_FILE
from components.ufm_host import PROGRAM as UFM_PROGRAM
from drift.state import State, Step
from onhost.undercloud.job_runs import key_of
from onhost.undercloud.orders import LeaveOrder, NodeOrder, WaveMember, WaveOrder
from onhost.undercloud.pcie import UNIT, pcie_files
from rack.site import Role
from rack.tripleo.deployment import ML2_CONFIG

DEPLOY, LEAVERS, INSTACKENV, UFM_INSTALL = (
    "overcloud-deploy",
    "undercloud-leavers",
    "undercloud-instackenv",
    "ufm-install",
)
IB_ENVIRONMENT, SDN_ENVIRONMENT = "overcloud-ib-env-vm", "overcloud-neutron-ml2-mlnx-sdn-vm"
UFM_ADDRESS, UFM_LICENSE = "ufm-fabric-address", "ufm-license"
WAVES = "firmware-{}s-"
HOST_KEY = "overcloud-host-key-"


@dataclass(frozen=True)
class File:
    """A file that a step has placed."""

    path: str
    content: str
    step: str
    owner: str = "root"
    group: str = "root"
    mode: str = "0755"
    secret: bool = False


@dataclass
class Expected:
    """What is promised of one host."""

    files: dict[str, File] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    """Unit that is enabled → step that enables it."""


@dataclass
class ExpectedNode(Expected):
    """An overcloud node."""

    wave: str = ""
    """The step that sets the adapter."""
    order: WaveOrder | None = None
    hostname: str = ""
    address: str = ""
    host_key: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of ml2_conf.ini, as SECTION/OPTION."""


@dataclass(frozen=True)
class Ufm:
    """UFM on its host."""

    image: str
    interface: str
    address: str
    """With prefix length."""


@dataclass
class Rack:
    """What is promised of the whole rack."""

    hosts: dict[str, Expected] = field(default_factory=dict)
    """By address."""
    nodes: dict[str, ExpectedNode] = field(default_factory=dict)
    """By name."""
    undercloud: str = ""
    """Its address; empty if it has no step yet."""
    stack: str = ""
    """Name of the overcloud's Heat stack; empty if no node is registered yet."""
    registered: dict[str, str] = field(default_factory=dict)
    """Node → address of its controller (BMC), in ironic."""
    deployment: str = ""
    """Key of the deployment's job; empty if nothing is deployed."""
    ufm_host: str = ""
    """Address of UFM's host; empty if this stack does not manage it."""
    ufm: Ufm | None = None


def expected(state: State) -> Rack:
    """Return what the state promises."""
    rack = Rack()
    for step in state.steps.values():
        rack.hosts.setdefault(step.address, Expected())
        if f"python3 {NODE_PROGRAM}" in step.script:
            _on_node(rack, step)
        else:
            files = rack.hosts[step.address].files
            files |= {file.path: file for file in placed(step.script, step.given, step.name, step.secret)}
        if step.script.startswith(UFM_PROGRAM):
            _of_ufm(rack, step)
    _of_undercloud(rack, state)
    _of_waves(rack, state)
    _of_controllers(rack, state)
    return rack


def placed(script: str, given: str, step: str, secret: bool) -> Iterator[File]:
    """Yield the file that a script places from its standard input."""
    for line in script.splitlines():
        if not line.startswith("install ") or "/dev/stdin" not in line:
            continue
        words = shlex.split(line)
        given_options = dict(pairwise(words))
        yield File(
            path=words[-1],
            content=given,
            step=step,
            owner=given_options.get("-o", "root"),
            group=given_options.get("-g", "root"),
            mode=given_options.get("-m", "0755").rjust(4, "0"),
            secret=secret,
        )


def _node(rack: Rack, name: str) -> ExpectedNode:
    return rack.nodes.setdefault(name, ExpectedNode())


def _on_node(rack: Rack, step: Step) -> None:
    order = NodeOrder.decode(step.given)
    node = _node(rack, order.name)
    node.files |= {file.path: file for file in placed(order.create, order.given, step.name, step.secret)}


def _of_ufm(rack: Rack, step: Step) -> None:
    """Read a step of UFM's program: its command contains the settings."""
    words = shlex.split(step.script)
    settings = dict(word.split("=", 1) for word in words[2:] if "=" in word)
    host = rack.hosts[step.address]
    if step.name == UFM_LICENSE:
        path = f"{settings['LICENSES']}/{LICENSE_FILE}"
        host.files[path] = File(path, step.given, step.name, mode="0600", secret=True)
    if step.name == UFM_INSTALL:
        rack.ufm_host = step.address
        rack.ufm = Ufm(settings["IMAGE"], settings["FABRIC"], rack.ufm.address if rack.ufm else "")
    if step.name == UFM_ADDRESS:
        known = rack.ufm or Ufm("", settings["FABRIC"], "")
        rack.ufm = Ufm(known.image, known.interface, settings["FABRIC_ADDRESS"])


def _of_undercloud(rack: Rack, state: State) -> None:
    leavers, inventory, deploy = (state.steps.get(name) for name in (LEAVERS, INSTACKENV, DEPLOY))
    if leavers is None:
        return
    order = LeaveOrder.decode(leavers.given)
    rack.undercloud, rack.stack = leavers.address, order.stack
    for name, placement in order.nodes.items():
        _node(rack, name).hostname = placement.host
    if inventory:
        rack.registered = {node["name"]: node["pm_addr"] for node in json.loads(inventory.given)["nodes"]}
    if deploy:
        rack.deployment = key_of(list(deploy.job), deploy.given.encode())


def _of_waves(rack: Rack, state: State) -> None:
    """Read the orders of the waves, and what a wave installs on computes."""
    for role in Role:
        for step in state.steps.values():
            if step.name.startswith(WAVES.format(KINDS[role])):
                order = WaveOrder.decode(step.given)
                for member in order.nodes:
                    _of_member(rack, state, step.name, order, member)


def _of_member(rack: Rack, state: State, wave: str, order: WaveOrder, member: WaveMember) -> None:
    node, key = _node(rack, member.name), state.steps.get(f"{HOST_KEY}{member.name}")
    node.wave, node.order, node.address, node.hostname = wave, order, member.address, member.hostname
    node.host_key = key.printed if key else ""
    if order.kind == KINDS[Role.COMPUTE]:
        contents = pcie_files(order.device, order.read_request)
        node.files |= {path: File(path, text, wave, mode="0644") for path, text in contents.items()}
        node.units[UNIT] = wave


def _of_controllers(rack: Rack, state: State) -> None:
    """Read the options of ml2_conf.ini from the documents of the deployment."""
    environment, sdn = (state.steps.get(name) for name in (IB_ENVIRONMENT, SDN_ENVIRONMENT))
    if not (rack.deployment and environment and sdn):
        return
    options = {name: str(option["value"]) for name, option in _parameters(environment)[ML2_CONFIG].items()}
    parameters = yaml.safe_load(sdn.given)["parameter_defaults"]
    options["sdn/url"] = str(parameters["MlnxSDNUrl"])
    options["ml2/mechanism_drivers"] = ",".join(parameters["NeutronMechanismDrivers"])
    for node in rack.nodes.values():
        if node.order and node.order.kind == KINDS[Role.CONTROLLER]:
            node.options = options


def _parameters(environment: Step) -> Mapping[str, Any]:
    found = yaml.safe_load(environment.given)["parameter_defaults"]["ControllerExtraConfig"]
    return {ML2_CONFIG: {}, **found}
