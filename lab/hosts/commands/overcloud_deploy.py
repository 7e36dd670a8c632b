"""`openstack overcloud deploy` and `delete` (O1 to O5), after tripleoclient 16.5.0."""

import argparse
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml

from lab.cloud import puppet
from lab.cloud.expansion import Instance
from lab.cloud.translation import DeployFiles
from lab.hosts.call import Call
from lab.hosts.commands import tripleo_containers
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.commands.provisioning import (
    configure_networks,
    existing,
    provision,
    provision_networks,
    read_instances,
    undeploy,
)
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.controller import Controller
from lab.hosts.kinds.node import Node
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.step_faults import reach_step
from rack.plan import HEAT_TEMPLATES

ML2_CONF = "/var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2/ml2_conf.ini"
WORKING_DIR = "/home/stack/overcloud-deploy/{0}"
STATUS = f"{WORKING_DIR}/{{0}}-deployment_status.yaml"
"""Source: tripleoclient 16.5.0, `utils.update_deployment_status`."""
CONFIG_DOWNLOAD = f"{WORKING_DIR}/config-download/{{0}}"
"""Folder of a deployment's playbooks; {0} is the stack."""
INVENTORY = f"{CONFIG_DOWNLOAD}/tripleo-ansible-inventory.yaml"


@subcommand("overcloud deploy")
def deploy(call: Call[Undercloud]) -> None:
    """Provision the nodes, then create the cloud from the files; a second run is a stack update (O5)."""
    given = _options(call)
    _validate(call, given)
    instances = [i for i in read_instances(call, given.baremetal_deployment, given.stack) if i.provisioned]
    call.out("Deploying templates in the directory " + given.templates)
    provision_networks(call, given.networks_file)
    provision(call, given.baremetal_deployment, instances, given.overcloud_ssh_user)
    if given.network_config:
        configure_networks(call, given.baremetal_deployment, instances)
    parameters = _parameters(call, given.environment_files)
    _prepare_nodes(call, instances, parameters)
    call.progress("PLAY [External deployment step 1]", "PLAY [Deploy step tasks for 5]")
    reach_step(call, "overcloud-controller-0")
    files = DeployFiles(
        templates=call.path(given.templates),
        roles=call.path(given.roles_file),
        networks=call.path(given.networks_file),
        vips=call.path(given.vip_file),
        baremetal=call.path(given.baremetal_deployment),
        environments=[call.path(f) for f in given.environment_files],
    )
    _name_hosts(call)
    hardware = {compute.state.hostname: compute.hardware() for compute in call.rack.deployed(Compute)}
    call.rack.backends.cloud.deploy(files, hardware, call.out)
    _configure_controllers(call)
    _trust(call, parameters)
    _start_containers(call, instances, parameters)
    call.write(INVENTORY.format(given.stack), _inventory(instances))
    call.write(f"/home/stack/{given.stack}rc", call.rack.backends.cloud.overcloudrc(), 0o600)
    call.write(STATUS.format(given.stack), "deployment_status: DEPLOY_SUCCESS\n")
    call.out(f"Overcloud rc file: /home/stack/{given.stack}rc\nOvercloud Deployed successfully")


def _options(call: Call[Undercloud]) -> argparse.Namespace:
    options = parser(call)
    options.add_argument("--templates", nargs="?", const=HEAT_TEMPLATES)
    options.add_argument("--stack", default="overcloud")
    options.add_argument("-t", "--timeout", type=int, default=240)
    options.add_argument("--networks-file", "-n")
    options.add_argument("--vip-file")
    options.add_argument("--baremetal-deployment")
    options.add_argument("--network-config", action="store_true")
    options.add_argument("--deployed-server", action="store_true")
    options.add_argument("--overcloud-ssh-user", default="heat-admin")
    options.add_argument("-r", "--roles-file")
    options.add_argument("-e", "--environment-file", action="append", dest="environment_files", default=[])
    options.add_argument("--validation-warnings-fatal", action="store_true")
    options.add_argument("--ntp-server")
    options.add_argument("-y", "--yes", action="store_true")
    return options.parse()


def _validate(call: Call[Undercloud], given: argparse.Namespace) -> None:
    """Check the options as tripleoclient's `_validate_args`, in its order and with its messages, and the files."""
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


def _parameters(call: Call[Undercloud], environments: list[str]) -> dict[str, Any]:
    """Return parameter_defaults of the environment files; later files override earlier ones."""
    parameters: dict[str, Any] = {}
    for name in environments:
        try:
            document = yaml.safe_load(call.text(name)) or {}
        except yaml.YAMLError as error:
            raise Refusal(f"{name}: {error}") from None
        parameters |= document.get("parameter_defaults") or {}
    return parameters


def _prepare_nodes(call: Call[Undercloud], instances: list[Instance], parameters: dict[str, Any]) -> None:
    """Give new nodes their domain and kernel arguments, which takes a reboot (`TripleOKernelArgs`)."""
    domain = parameters.get("CloudDomain", "localdomain")
    fresh = [(i, node) for i in instances if (node := call.rack.node_named(i.hostname)) and not node.deployed]
    for instance, node in fresh:
        node.rename(f"{instance.hostname}.{domain}")

    def deploy_node(pair: tuple[Instance, Node]) -> None:
        instance, node = pair
        node.deploy(parameters.get(f"{instance.role}Parameters", {}).get("KernelArgs", ""))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deploy_node, fresh))


def _name_hosts(call: Call[Undercloud]) -> None:
    """Tell UFM the host names: on a rack, it reads them from the nodes' descriptions in the fabric."""
    call.rack.backends.ufm.name_hosts({n.state.hostname: n.name for n in call.rack.deployed(Node)})


def _configure_controllers(call: Call[Undercloud]) -> None:
    """Write Puppet's files to the controllers: a deployment overwrites changes made by hand."""
    text = call.rack.backends.cloud.ml2_conf()
    for controller in call.rack.deployed(Controller):
        controller.root.write(ML2_CONF, text)
        (controller.root.tree / ML2_CONF.lstrip("/")).chmod(0o640)  # contains UFM's token


def _trust(call: Call[Undercloud], parameters: dict[str, Any]) -> None:
    """Write the additional certificate authorities to every node."""
    for path, content in puppet.anchor_files(puppet.authorities(parameters.get("CAMap") or {})):
        for node in call.rack.deployed(Node):
            node.root.write(path, content)


def _start_containers(call: Call[Undercloud], instances: list[Instance], parameters: dict[str, Any]) -> None:
    """Start the containers that do not run."""
    names = {instance.hostname for instance in instances}
    for node in call.rack.deployed(Node):
        if node.short_name in names:
            tripleo_containers.start_all(node, parameters)
    for compute in call.rack.deployed(Compute):
        if compute.short_name in names:
            compute.set_nova("healthy")


def _inventory(instances: list[Instance]) -> str:
    """Return Ansible's inventory: the hosts of each role, which the scale playbook looks up."""
    hosts: dict[str, dict[str, dict[str, None]]] = {}
    for instance in instances:
        hosts.setdefault(instance.role, {"hosts": {}})["hosts"][instance.hostname] = None
    return yaml.safe_dump(hosts)


@subcommand("overcloud delete")
def delete(call: Call[Undercloud]) -> None:
    """Delete the stack. As with tripleoclient, nodes stay provisioned unless -b names their file."""
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
