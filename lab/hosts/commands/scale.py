"""Hosts leave the overcloud: `openstack overcloud node delete` and `unprovision`, after tripleoclient 16.5.0, its
playbook cli-overcloud-node-unprovision.yaml, and the scale tasks of TripleO's templates."""

import re
from typing import Any

import yaml

from lab.hosts.backends.interfaces import ComputeService, RefusedError
from lab.hosts.call import Call, Refusal, table
from lab.hosts.commands.deploy import CONFIG_DOWNLOAD, INVENTORY, existing, hostname, read_instances, undeploy
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.machine import Machine
from lab.hosts.step_faults import STAMP

PLAYBOOK = f"{CONFIG_DOWNLOAD}/scale_playbook.yaml"
ANSIBLE = "Ansible execution failed. playbook: {0}, Run Status: failed, Return Code: {1}"


@subcommand("overcloud node delete")
def node_delete(call: Call) -> None:
    """Stops the services of the hosts that the file says `provisioned: false` of, and takes them off their nodes; hosts
    that are named instead have their services stopped only.

    Nobody asks for the hosts' servers before: see `_scale_compute`.
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
    found = _leaving(call, given.baremetal_deployment, given.stack) if given.baremetal_deployment else []
    if given.baremetal_deployment:
        if not found:
            call.out("No nodes to unprovision")
            return
        call.out(_listed(call, found) + "\n")
    _confirmed(call, given.yes)
    _scale(call, given.stack, given.nodes or [hostname(call, node) for node in found])
    undeploy(call, found)


@subcommand("overcloud node unprovision")
def unprovision(call: Call) -> None:
    """Takes instances off their nodes and leaves their services' records as they are."""
    options = parser(call)
    options.add_argument("input", metavar="<baremetal_deployment.yaml>")
    options.add_argument("--stack", default=call.env.get("OVERCLOUD_STACK_NAME", "overcloud"))
    options.add_argument("--all", action="store_true")
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("--network-ports", action="store_true")
    given = options.parse()
    found = _leaving(call, given.input, given.stack, given.all)
    if not given.yes:
        if not found:
            call.out("Nothing to unprovision, exiting")
            return
        call.out("\n" + _listed(call, found))
    _confirmed(call, given.yes)
    undeploy(call, found)
    call.out("Unprovision complete")


def _leaving(call: Call, file: str, stack: str, everybody: bool = False) -> list[dict[str, Any]]:
    """The nodes of the file's instances that are `provisioned: false`, or of all of them."""
    return existing(call, [i for i in read_instances(call, file, stack) if everybody or not i.provisioned])


def _listed(call: Call, found: list[dict[str, Any]]) -> str:
    return table(["hostname", "name", "id"], [(hostname(call, n), n["name"], n["uuid"]) for n in found])


def _confirmed(call: Call, yes: bool) -> None:
    if not yes:  # no terminal here
        call.err("User interaction required, cannot confirm.")
        raise Refusal("Action not confirmed, exiting.")


def _scale(call: Call, stack: str, names: list[str]) -> None:
    """The last deployment's scale_playbook.yaml, limited to these hosts. Those that do not answer are left out, so that
    a dead one can go, too."""
    playbook, inventory = PLAYBOOK.format(stack), INVENTORY.format(stack)
    if not call.path(inventory).is_file():
        raise Refusal(f"No such playbook: {playbook}")
    known = {host for role in yaml.safe_load(call.text(inventory)).values() for host in role["hosts"]}
    if not known.intersection(names):
        call.out("ERROR! Specified hosts and/or --limit does not match any hosts")
        raise Refusal(_failed(stack, playbook, 1))
    call.out(f"PLAY [Scaling] {'*' * 60}")
    for name in names:
        hardware = call.rack.machine_of(name)
        if hardware is None or not hardware.up:
            call.out(f"fatal: [{name}]: UNREACHABLE! => ignored")
        elif hardware.kind == "compute":
            _scale_compute(call, stack, hardware)


def _failed(stack: str, playbook: str, code: int) -> str:
    script = f"{CONFIG_DOWNLOAD.format(stack)}/ansible-playbook-command.sh"
    return (
        f"{ANSIBLE.format(playbook, code)}, To rerun the failed command manually execute the following script: {script}"
    )


def _scale_compute(call: Call, stack: str, hardware: Machine) -> None:
    """The `scale_tasks` of deployment/nova/nova-compute-container-puppet.yaml, the only ones of this rack's services.

    nova refuses to delete a service whose host has servers: by then it is disabled and stopped, and the command fails
    with the node still deployed.
    """
    fqdn, cloud = hardware.state["hostname"], call.rack.backends.cloud
    found: list[ComputeService] = [s for s in cloud.computes() if re.match(f"{fqdn}.*", s.host)]
    if not found:
        return
    (service,) = found
    _task(call, "Disable nova-compute service", fqdn)
    cloud.set_compute(service.host, disabled=True)
    _task(call, "Stop nova-compute container", fqdn)
    cloud.stop_compute(service.host, print)
    with hardware.change() as state:
        state["nova"] = "stopped"
    try:
        cloud.delete_compute(str(service.id))
    except RefusedError as error:
        said = f"Failed to delete compute service with ID '{service.id}': {error.reason} (HTTP {error.status})"
        call.out(f"{STAMP} |      FATAL | Delete nova-compute service | {fqdn.partition('.')[0]} -> localhost | {said}")
        raise Refusal(_failed(stack, PLAYBOOK.format(stack), 2)) from None
    _task(call, "Delete nova-compute service", fqdn)


def _task(call: Call, name: str, fqdn: str) -> None:
    call.out(f"{STAMP} |    CHANGED | {name} | {fqdn.partition('.')[0]}")
