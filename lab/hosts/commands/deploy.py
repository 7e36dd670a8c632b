"""The overcloud's deployment (O1 to O5) and its removal, after tripleoclient 16.5.0."""

import argparse
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from lab.cloud.translation import ComputeHardware, DeployFiles
from lab.hosts.call import Call, Refusal
from lab.hosts.commands import ironic, trouble
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.commands.undercloud import TEMPLATES
from rack.config import Role

ML2_CONF = "/var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2/ml2_conf.ini"

Instance = dict[str, Any]


@subcommand("overcloud deploy")
def deploy(call: Call) -> None:
    """Provisions the nodes, then makes the cloud from the files; a second run is a stack update."""
    given = _options(call)
    _validate(call, given)
    roles = _roles(call, given.baremetal_deployment)
    call.out("Deploying templates in the directory " + given.templates)
    if not call.host.state.get("images"):
        raise Refusal(
            "Exception: image file:///var/lib/ironic/images/overcloud-full.qcow2 not found: upload the images"
        )
    _provision(call, roles, _parameters(call, given.environment_files))
    call.progress(
        "PLAY [Overcloud Node Network Provision]", "PLAY [External deployment step 1]", "PLAY [Deploy step tasks for 5]"
    )
    trouble.meet(call, "overcloud-controller-0")
    files = DeployFiles(
        templates=call.path(given.templates),
        roles=call.path(given.roles_file),
        networks=call.path(given.networks_file),
        vips=call.path(given.vip_file),
        baremetal=call.path(given.baremetal_deployment),
        environments=[call.path(f) for f in given.environment_files],
    )
    call.rack.parts.cloud.deploy(files, _hardware(call), call.out)
    _configure_controllers(call)
    call.write(f"/home/stack/{given.stack}rc", call.rack.parts.cloud.overcloudrc(), 0o600)
    call.out(f"Overcloud rc file: /home/stack/{given.stack}rc\nOvercloud Deployed successfully")


def _options(call: Call) -> argparse.Namespace:
    options = parser(call)
    options.add_argument("--templates", nargs="?", const=TEMPLATES)
    options.add_argument("--stack", default="overcloud")
    options.add_argument("-t", "--timeout", type=int, default=240)
    options.add_argument("--networks-file", "-n")
    options.add_argument("--vip-file")
    options.add_argument("--baremetal-deployment")
    options.add_argument("--network-config", action="store_true")
    options.add_argument("--deployed-server", action="store_true")
    options.add_argument("-r", "--roles-file")
    options.add_argument("-e", "--environment-file", action="append", dest="environment_files", default=[])
    options.add_argument("--validation-warnings-fatal", action="store_true")
    options.add_argument("--ntp-server")
    options.add_argument("-y", "--yes", action="store_true")
    return options.parse()


def _validate(call: Call, given: argparse.Namespace) -> None:
    """tripleoclient's `_validate_args`, in its order and words, and what opening the files would say."""
    if given.templates is None:
        raise Refusal("You must specify either --templates or --answers-file")
    files = [*given.environment_files, *filter(None, (given.networks_file, given.vip_file))]
    missing = [f for f in files if not call.path(f).is_file()]
    if missing:
        raise Refusal(f"Error: The following files were not found: {', '.join(missing)}")
    if given.baremetal_deployment and not given.deployed_server:
        raise Refusal("Error: --deployed-server must be used when using --baremetal-deployment")
    if given.network_config and not given.baremetal_deployment:
        raise Refusal("Error: --baremetal-deployment must be used when using --network-config")
    for name in ("baremetal_deployment", "roles_file", "networks_file", "vip_file"):
        file = getattr(given, name)
        if file is None:
            raise Refusal(
                f"--{name.replace('_', '-')} is missing: this rack's networks and roles are not TripleO's default"
            )
        call.text(file)
    if not call.path(f"{given.templates}/overcloud.j2.yaml").is_file():
        raise Refusal(f"[Errno 2] No such file or directory: '{given.templates}/overcloud.yaml'")


# -- nodes


def _roles(call: Call, name: str) -> list[dict[str, Any]]:
    """The roles of node-info; NIC templates must exist.

    Raises:
        Refusal: as tripleo-ansible's `baremetal_deploy.expand` finds.
    """
    try:
        roles = yaml.safe_load(call.text(name))
    except yaml.YAMLError as error:
        raise Refusal(f"{name}: {error}") from None
    if not isinstance(roles, list) or not all(isinstance(r, dict) and "name" in r for r in roles):
        raise Refusal(f"{name}: a list of roles is expected")
    for role in roles:
        if len(role.get("instances", [])) > role.get("count", 1):
            raise Refusal(
                f"{role['name']}: number of instance entries {len(role['instances'])} "
                f"cannot be greater than count {role.get('count', 1)}"
            )
        template = role.get("defaults", {}).get("network_config", {}).get("template")
        if template:
            call.text(template)
    return roles


def _wanted(roles: list[dict[str, Any]]) -> list[Instance]:
    return [i for role in roles for i in role.get("instances", []) if i.get("provisioned", True)]


def _provision(call: Call, roles: list[dict[str, Any]], parameters: dict[str, Any]) -> None:
    """Matches instances to nodes and puts the overcloud's image on those that have none."""
    call.out("PLAY [Overcloud Node Provision]")
    wanted = _wanted(roles)
    matched = [(_match(call, i), i) for i in wanted]
    for role in roles:
        for instance in role.get("instances", []):
            if not instance.get("provisioned", True):
                _undeploy(call, [n for n in ironic.nodes(call) if n["name"] == instance.get("name")])
    fresh = [(node, _hostname(i)) for node, i in matched if node["state"] != "active"]
    _deploy_nodes(call, fresh, parameters)
    for node, instance in matched:
        call.out(f"Provisioned instance {_hostname(instance)} on node {node['name']}")


def _hostname(instance: Instance) -> str:
    # Without a hostname the instance is called as the node: the availability zone of T5 would not exist.
    return str(instance.get("hostname") or instance["name"])


def _match(call: Call, instance: Instance) -> dict[str, Any]:
    name = instance.get("name")
    if name is None:
        raise Refusal(f"instance {instance.get('hostname')}: name a node; choice by profile is not done in this lab")
    try:
        node = ironic.find(call, name)
    except Refusal as refusal:
        raise Refusal(f"Cannot provision {_hostname(instance)}: {refusal.text}") from None
    if node["state"] == "active" and node["instance"]:
        hardware = ironic.machine(call, node)
        known = hardware.state.get("hostname", "").partition(".")[0] if hardware else ""
        if known == _hostname(instance):
            return node
    if node["state"] != "available" or node["maintenance"]:
        state = "maintenance" if node["maintenance"] else node["state"]
        raise Refusal(
            f"Cannot provision {_hostname(instance)}: Node {name} "
            f"({node['uuid']}) is in state {state}, it must be available"
        )
    return node


def _deploy_nodes(call: Call, fresh: list[tuple[dict[str, Any], str]], parameters: dict[str, Any]) -> None:
    for node, _ in fresh:
        ironic.set_state(call, node, state="deploying")
    try:
        call.pause()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda pair: _deploy_node(call, pair[0], pair[1], parameters), fresh))
    finally:
        for node, _ in fresh:  # what failed, or was killed, can be deployed again
            if node["state"] == "deploying":
                ironic.set_state(call, node, state="available")


def _deploy_node(call: Call, node: dict[str, Any], hostname: str, parameters: dict[str, Any]) -> None:
    """TripleO's reboot for new kernel arguments has passed when the node is seen."""
    name = f"{hostname}.{parameters.get('CloudDomain', 'localdomain')}"
    hardware = ironic.machine(call, node)
    if hardware is None:
        raise Refusal(f"Failed to set power state of node {node['uuid']}: IPMI call failed")
    hardware.forget()
    with hardware.change() as state:
        state.pop("packages", None)
    hardware.install(name)
    call.rack.deliver_stack_key(hardware)
    if hardware.kind == "controller":
        call.rack.deliver_guest_key(hardware)
    with hardware.change() as state:
        state["hostname"] = name
        state["kernel_args"] = parameters.get(f"{Role.COMPUTE}Parameters", {}).get("KernelArgs", "")
    call.rack.power_on(hardware)
    ironic.set_state(call, node, state="active", instance=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)))


def _undeploy(call: Call, found: list[dict[str, Any]]) -> None:
    for node in found:
        if node["state"] not in ("active", "deploying"):
            continue
        hardware = ironic.machine(call, node)
        if hardware:
            call.rack.power_off(hardware)
            hardware.forget()
            with hardware.change() as state:
                state.pop("hostname", None)
        ironic.set_state(call, node, state="available", instance=None)


def _parameters(call: Call, environments: list[str]) -> dict[str, Any]:
    """parameter_defaults of the environment files, the last one's word."""
    parameters: dict[str, Any] = {}
    for name in environments:
        try:
            document = yaml.safe_load(call.text(name)) or {}
        except yaml.YAMLError as error:
            raise Refusal(f"{name}: {error}") from None
        parameters |= document.get("parameter_defaults") or {}
    return parameters


def _hardware(call: Call) -> dict[str, ComputeHardware]:
    rack = call.rack
    return {
        rack.nodes[h.name].state["hostname"]: rack.hardware(h)
        for h in rack.plan.role(Role.COMPUTE)
        if "hostname" in rack.nodes[h.name].state
    }


def _configure_controllers(call: Call) -> None:
    """Puppet's files on the controllers: a deployment overwrites what was changed by hand (O6)."""
    text = call.rack.parts.cloud.ml2_conf()
    for host in call.rack.plan.role(Role.CONTROLLER):
        machine = call.rack.nodes[host.name]
        if machine.installed:
            machine.root.write(ML2_CONF, text)
            (machine.root.tree / ML2_CONF.lstrip("/")).chmod(0o640)  # it holds UFM's token


# -- removal


@subcommand("overcloud delete")
def delete(call: Call) -> None:
    """Removes the stack. The nodes stay provisioned unless their file is given by -b, as tripleoclient has it."""
    options = parser(call)
    options.add_argument("stack", nargs="?", default="overcloud")
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("-s", "--skip-ipa-cleanup", action="store_true")
    options.add_argument("-b", "--baremetal-deployment")
    options.add_argument("--networks-file")
    options.add_argument("--network-ports", action="store_true")
    options.add_argument("--heat-type", choices=["pod", "container", "native", "installed"])
    given = options.parse()
    if not given.yes:
        raise Refusal("Action not confirmed, exiting.")
    roles = _roles(call, given.baremetal_deployment) if given.baremetal_deployment else []
    call.out(f"Undeploying stack {given.stack}...")
    call.rack.parts.cloud.delete(call.out)
    call.pause()
    if roles:
        _unprovision(call, roles)
    call.out("Success.")


@subcommand("overcloud node unprovision")
def unprovision(call: Call) -> None:
    """Takes the instances off their nodes."""
    options = parser(call)
    options.add_argument("input")
    options.add_argument("--stack", default="overcloud")
    options.add_argument("--all", action="store_true")
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("--network-ports", action="store_true")
    given = options.parse()
    if not given.yes:
        raise Refusal("Action not confirmed, exiting.")
    roles = _roles(call, given.input)
    if given.all:
        _unprovision(call, roles)
    else:
        _scale_down(call, roles)
    call.out("Unprovision complete")


@subcommand("overcloud node delete")
def node_delete(call: Call) -> None:
    """Takes the instances marked `provisioned: false` off their nodes."""
    options = parser(call)
    options.add_argument("-b", "--baremetal-deployment", required=True)
    options.add_argument("--stack", default="overcloud")
    options.add_argument("-y", "--yes", action="store_true")
    given = options.parse()
    if not given.yes:
        raise Refusal("Action not confirmed, exiting.")
    _scale_down(call, _roles(call, given.baremetal_deployment))


def _unprovision(call: Call, roles: list[dict[str, Any]]) -> None:
    names = {i.get("name") for role in roles for i in role.get("instances", [])}
    _undeploy(call, [n for n in ironic.nodes(call) if n["name"] in names])


def _scale_down(call: Call, roles: list[dict[str, Any]]) -> None:
    names = {i.get("name") for role in roles for i in role.get("instances", []) if not i.get("provisioned", True)}
    if not names:
        call.out("Nothing to unprovision, exiting")
    _undeploy(call, [n for n in ironic.nodes(call) if n["name"] in names])
