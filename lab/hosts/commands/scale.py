"""`openstack overcloud node delete` and `unprovision`: hosts are removed from the overcloud.

After tripleoclient 16.5.0, its playbook cli-overcloud-node-unprovision.yaml and the scale tasks of TripleO.
"""

import re

import yaml

from lab.hosts.backends.interfaces import ComputeService, ServiceRefusedError
from lab.hosts.call import Call
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.commands.overcloud_deploy import CONFIG_DOWNLOAD, INVENTORY
from lab.hosts.commands.provisioning import ANSIBLE, existing, hostname, read_instances, undeploy
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import table
from lab.hosts.state import IronicNode
from lab.hosts.step_faults import STAMP

PLAYBOOK = f"{CONFIG_DOWNLOAD}/scale_playbook.yaml"


@subcommand("overcloud node delete")
def node_delete(call: Call[Undercloud]) -> None:
    """Scale in the hosts that the file marks `provisioned: false`: stop their services, then undeploy their nodes.

    Hosts that are named instead have only their services stopped. As with the real tool, nothing checks for servers on
    the hosts first: see `_scale_compute`.
    """
    options = parser(call)
    options.add_argument("nodes", nargs="*", metavar="<node>")
    options.add_argument("-b", "--baremetal-deployment", metavar="<BAREMETAL DEPLOYMENT FILE>")
    options.add_argument("--stack", default=call.env.get("OVERCLOUD_STACK_NAME", "overcloud"))
    options.add_argument("--timeout", type=int, default=240, metavar="<TIMEOUT>")
    options.add_argument("--overcloud-ssh-port-timeout", type=int, default=600)
    options.add_argument("-y", "--yes", action="store_true")
    given = options.parse()
    if given.nodes and given.baremetal_deployment:
        options.error("argument -b/--baremetal-deployment: not allowed with argument <node>")
    if not given.nodes and not given.baremetal_deployment:
        options.error("one of the arguments <node> -b/--baremetal-deployment is required")
    found = _to_undeploy(call, given.baremetal_deployment, given.stack) if given.baremetal_deployment else []
    if given.baremetal_deployment:
        if not found:
            call.out("No nodes to unprovision")
            return
        call.out(_listed(call, found) + "\n")
    _confirmed(call, given.yes)
    _scale(call, given.stack, given.nodes or [hostname(call, node) for node in found])
    undeploy(call, found)


@subcommand("overcloud node unprovision")
def unprovision(call: Call[Undercloud]) -> None:
    """Undeploy nodes; the records of their services stay."""
    options = parser(call)
    options.add_argument("input", metavar="<baremetal_deployment.yaml>")
    options.add_argument("--stack", default=call.env.get("OVERCLOUD_STACK_NAME", "overcloud"))
    options.add_argument("--all", action="store_true")
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("--network-ports", action="store_true")
    given = options.parse()
    found = _to_undeploy(call, given.input, given.stack, given.all)
    if not given.yes:
        if not found:
            call.out("Nothing to unprovision, exiting")
            return
        call.out("\n" + _listed(call, found))
    _confirmed(call, given.yes)
    undeploy(call, found)
    call.out("Unprovision complete")


def _to_undeploy(call: Call[Undercloud], file: str, stack: str, everything: bool = False) -> list[IronicNode]:
    """Return the nodes of the file's instances that are `provisioned: false`, or of all its instances."""
    return existing(call, [i for i in read_instances(call, file, stack) if everything or not i.provisioned])


def _listed(call: Call[Undercloud], found: list[IronicNode]) -> str:
    return table(["hostname", "name", "id"], [(hostname(call, n), n.name, n.uuid) for n in found])


def _confirmed(call: Call[Undercloud], yes: bool) -> None:
    if not yes:  # the lab has no terminal to ask on
        call.err("User interaction required, cannot confirm.")
        raise Refusal("Action not confirmed, exiting.")


def _scale(call: Call[Undercloud], stack: str, names: list[str]) -> None:
    """Run the last deployment's scale_playbook.yaml on these hosts.

    Ansible ignores hosts that it cannot reach, so that a dead host can be removed too.
    """
    playbook, inventory = PLAYBOOK.format(stack), INVENTORY.format(stack)
    if not call.path(inventory).is_file():
        raise Refusal(f"No such playbook: {playbook}")
    in_inventory = {host for role in yaml.safe_load(call.text(inventory)).values() for host in role["hosts"]}
    if not in_inventory.intersection(names):
        call.out("ERROR! Specified hosts and/or --limit does not match any hosts")
        raise Refusal(_failed(stack, playbook, 1))
    call.out(f"PLAY [Scaling] {'*' * 60}")
    for name in names:
        hardware = call.rack.node_named(name)
        if hardware is None or not hardware.up:
            call.out(f"fatal: [{name}]: UNREACHABLE! => ignored")
        elif isinstance(hardware, Compute):
            _scale_compute(call, stack, hardware)


def _failed(stack: str, playbook: str, code: int) -> str:
    script = f"{CONFIG_DOWNLOAD.format(stack)}/ansible-playbook-command.sh"
    return (
        f"{ANSIBLE.format(playbook, code)}, To rerun the failed command manually execute the following script: {script}"
    )


def _scale_compute(call: Call[Undercloud], stack: str, hardware: Compute) -> None:
    """Run the `scale_tasks` of deployment/nova/nova-compute-container-puppet.yaml. No other service here has any.

    nova refuses to delete a service whose host has servers. By then the service is disabled and stopped, and the
    command fails with the node still deployed.
    """
    fqdn, cloud = hardware.state.hostname, call.rack.backends.cloud
    found: list[ComputeService] = [s for s in cloud.computes() if re.match(f"{fqdn}.*", s.host)]
    if not found:
        return
    (service,) = found
    _task(call, "Disable nova-compute service", fqdn)
    cloud.set_compute(service.host, disabled=True)
    _task(call, "Stop nova-compute container", fqdn)
    cloud.stop_compute(service.host, print)
    hardware.set_nova("stopped")
    try:
        cloud.delete_compute(str(service.id))
    except ServiceRefusedError as error:
        said = f"Failed to delete compute service with ID '{service.id}': {error.reason} (HTTP {error.status})"
        call.out(f"{STAMP} |      FATAL | Delete nova-compute service | {fqdn.partition('.')[0]} -> localhost | {said}")
        raise Refusal(_failed(stack, PLAYBOOK.format(stack), 2)) from None
    _task(call, "Delete nova-compute service", fqdn)


def _task(call: Call[Undercloud], name: str, fqdn: str) -> None:
    call.out(f"{STAMP} |    CHANGED | {name} | {fqdn.partition('.')[0]}")
