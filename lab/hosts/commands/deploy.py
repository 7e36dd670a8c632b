"""The overcloud's deployment (O1 to O5), after tripleoclient 16.5.0; `scale` and this module's end take it back."""

import argparse
import secrets
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from lab.cloud.expansion import Instance, expand
from lab.cloud.translation import ComputeHardware, DeployFiles
from lab.hosts import step_faults
from lab.hosts.call import Call, Refusal
from lab.hosts.commands import ironic
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.machine import Machine
from lab.process import LabError
from rack.plan import HEAT_TEMPLATES
from rack.site import Role

ML2_CONF = "/var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2/ml2_conf.ini"
WORKING_DIR = "/home/stack/overcloud-deploy/{0}"
CONFIG_DOWNLOAD = f"{WORKING_DIR}/config-download/{{0}}"
"""Where a deployment leaves its playbooks; {0} is the stack."""
INVENTORY = f"{CONFIG_DOWNLOAD}/tripleo-ansible-inventory.yaml"


@subcommand("overcloud deploy")
def deploy(call: Call) -> None:
    """Provisions the nodes, then makes the cloud from the files; a second run is a stack update."""
    given = _options(call)
    _validate(call, given)
    instances = [i for i in read_instances(call, given.baremetal_deployment, given.stack) if i.provisioned]
    call.out("Deploying templates in the directory " + given.templates)
    if not call.host.state.get("images"):
        raise Refusal(
            "Exception: image file:///var/lib/ironic/images/overcloud-full.qcow2 not found: upload the images"
        )
    _provision(call, instances, _parameters(call, given.environment_files))
    call.progress(
        "PLAY [Overcloud Node Network Provision]", "PLAY [External deployment step 1]", "PLAY [Deploy step tasks for 5]"
    )
    step_faults.meet(call, "overcloud-controller-0")
    files = DeployFiles(
        templates=call.path(given.templates),
        roles=call.path(given.roles_file),
        networks=call.path(given.networks_file),
        vips=call.path(given.vip_file),
        baremetal=call.path(given.baremetal_deployment),
        environments=[call.path(f) for f in given.environment_files],
    )
    call.rack.backends.ufm.name_hosts({n.state["hostname"]: n.name for n in _deployed(call)})
    call.rack.backends.cloud.deploy(files, _hardware(call), call.out)
    _configure_controllers(call)
    _start_containers(call, instances)
    call.write(INVENTORY.format(given.stack), _inventory(instances))
    call.write(f"/home/stack/{given.stack}rc", call.rack.backends.cloud.overcloudrc(), 0o600)
    call.out(f"Overcloud rc file: /home/stack/{given.stack}rc\nOvercloud Deployed successfully")


def _options(call: Call) -> argparse.Namespace:
    options = parser(call)
    options.add_argument("--templates", nargs="?", const=HEAT_TEMPLATES)
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


def read_instances(call: Call, name: str, stack: str) -> list[Instance]:
    """The instances of node-info; NIC templates must exist.

    Raises:
        Refusal, LabError: as tripleo-ansible's `baremetal_deploy.expand` finds.
    """
    try:
        roles = yaml.safe_load(call.text(name))
    except yaml.YAMLError as error:
        raise Refusal(f"{name}: {error}") from None
    if not isinstance(roles, list) or not all(isinstance(r, dict) for r in roles):
        raise Refusal(f"{name}: a list of roles is expected")
    instances = expand(roles, stack)
    for role in roles:
        template = role.get("defaults", {}).get("network_config", {}).get("template")
        if template:
            call.text(template)
    return instances


def _provision(call: Call, instances: list[Instance], parameters: dict[str, Any]) -> None:
    """Matches instances to nodes and puts the overcloud's image on those that have none. Nobody is taken away: what
    the file says `provisioned: false` of, or nothing any more, stays as it is."""
    call.out("PLAY [Overcloud Node Provision]")
    matched = [(_match(call, i), i) for i in instances]
    fresh = [(node, i.hostname) for node, i in matched if node["state"] != "active"]
    _deploy_nodes(call, fresh, parameters)
    for node, instance in matched:
        call.out(f"Provisioned instance {instance.hostname} on node {node['name']}")


def _match(call: Call, instance: Instance) -> dict[str, Any]:
    if instance.node is None:
        raise Refusal(f"instance {instance.hostname}: name a node; choice by profile is not done in this lab")
    try:
        node = ironic.find(call, instance.node)
    except Refusal as refusal:
        raise Refusal(f"Cannot provision {instance.hostname}: {refusal.text}") from None
    if node["state"] == "active" and hostname(call, node) == instance.hostname:
        return node
    if node["state"] != "available" or node["maintenance"]:
        state = "maintenance" if node["maintenance"] else node["state"]
        raise Refusal(
            f"Cannot provision {instance.hostname}: Node {instance.node} "
            f"({node['uuid']}) is in state {state}, it must be available"
        )
    return node


def hostname(call: Call, node: dict[str, Any]) -> str:
    """The short name that a record's node was deployed under; empty where it is not."""
    hardware = ironic.machine(call, node)
    return str(hardware.state.get("hostname", "")).partition(".")[0] if hardware else ""


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


def undeploy(call: Call, found: list[dict[str, Any]]) -> None:
    """Power off, disk forgotten, host name free; then as `ironic.release` has it.

    Raises:
        LabError: a node cannot be switched off: it is in state error, and those after it are as they were.
    """
    erased: list[dict[str, Any]] = []
    try:
        for node in found:
            ironic.set_state(call, node, state="deleting")
            hardware = ironic.machine(call, node)
            if hardware:
                _erase(call, hardware)
            erased.append(node)
    except LabError:
        ironic.set_state(call, node, state="error")
        raise
    finally:
        ironic.release(call, erased)


def _erase(call: Call, hardware: Machine) -> None:
    call.rack.power_off(hardware)
    hardware.forget()
    name = hardware.state.get("hostname")
    with hardware.change() as state:
        for key in ("hostname", "kernel_args", "nova"):
            state.pop(key, None)
    if name:
        call.rack.backends.cloud.lose(name, print)


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


def _deployed(call: Call) -> list[Machine]:
    return [*call.rack.deployed("controller"), *call.rack.deployed("compute")]


def _hardware(call: Call) -> dict[str, ComputeHardware]:
    return {node.state["hostname"]: call.rack.hardware(node) for node in call.rack.deployed("compute")}


def _configure_controllers(call: Call) -> None:
    """Puppet's files on the controllers: a deployment overwrites what was changed by hand (O6)."""
    text = call.rack.backends.cloud.ml2_conf()
    for machine in call.rack.deployed("controller"):
        machine.root.write(ML2_CONF, text)
        (machine.root.tree / ML2_CONF.lstrip("/")).chmod(0o640)  # it holds UFM's token


def _start_containers(call: Call, instances: list[Instance]) -> None:
    """A nova_compute that was stopped runs again."""
    names = {instance.hostname for instance in instances}
    for machine in call.rack.deployed("compute"):
        if machine.state["hostname"].partition(".")[0] in names:
            with machine.change() as state:
                state["nova"] = "healthy"


def _inventory(instances: list[Instance]) -> str:
    """Ansible's: the hosts of each role, which scaling looks for."""
    hosts: dict[str, dict[str, dict[str, None]]] = {}
    for instance in instances:
        hosts.setdefault(instance.role, {"hosts": {}})["hosts"][instance.hostname] = None
    return yaml.safe_dump(hosts)


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
    instances = read_instances(call, given.baremetal_deployment, given.stack) if given.baremetal_deployment else []
    call.out(f"Undeploying stack {given.stack}...")
    call.rack.backends.cloud.delete(call.out)
    shutil.rmtree(call.path(WORKING_DIR.format(given.stack)), ignore_errors=True)
    call.pause()
    undeploy(call, existing(call, instances))
    call.out("Success.")


def existing(call: Call, instances: list[Instance]) -> list[dict[str, Any]]:
    """The nodes under these instances, as tripleo-ansible's `baremetal_deploy.check_existing` finds them.

    Raises:
        Refusal: a node is deployed, but under another host name.
    """
    deployed = [node for node in ironic.nodes(call) if node["instance"]]
    found = []
    for instance in instances:
        named = [node for node in deployed if hostname(call, node) == instance.hostname]
        same = [node for node in deployed if node["name"] == instance.node]
        if same and not named:
            raise Refusal(
                f"Requested hostname {instance.hostname} was not found, but the deployed node {same[0]['uuid']} has a "
                "matching name. Refusing to proceed to avoid confusing results. Please either rename the node or use a "
                "different hostname"
            )
        found += named
    return found
