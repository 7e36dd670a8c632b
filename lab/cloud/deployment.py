"""Deploys the overcloud from the files of `openstack overcloud deploy`, starts it and deletes it.

The record of the deployment is `DATA/overcloud.json`; it is deleted with all other data when the overcloud is deleted.
"""

import fcntl
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from lab.cloud import agents, configuration, installation, maintenance, processes, puppet
from lab.cloud.client import CloudClient, Session
from lab.cloud.folders import CLOUD, COMPUTES, CONTROLLER, DATA, ETC, passwords, write
from lab.cloud.processes import ConfiguredProcess
from lab.cloud.translation import ComputeHardware, DeployFiles, Overcloud, translate
from lab.process import LabError, Process, Say

RECORD = DATA / "overcloud.json"


@dataclass(frozen=True)
class Deployment:
    """The record of the last deployment."""

    controllers: tuple[str, ...]
    computes: tuple[str, ...]
    """All computes that were deployed and not unprovisioned since."""
    neutron: str
    """neutron.conf as deployed."""
    ml2: str
    """ml2_conf.ini."""


def current() -> Deployment | None:
    """Return the deployment, or None if no overcloud is deployed."""
    if not RECORD.exists():
        return None
    record = json.loads(RECORD.read_text())
    return Deployment(tuple(record["controllers"]), tuple(record["computes"]), record["neutron"], record["ml2"])


def required() -> Deployment:
    """Return the deployment.

    Raises:
        LabError: no overcloud is deployed.
    """
    found = current()
    if found is None:
        raise LabError("no overcloud is deployed: run `openstack overcloud deploy` first")
    return found


def record(deployed: Deployment) -> None:
    """Write the record."""
    write(RECORD, json.dumps(asdict(deployed)))


@contextmanager
def exclusive() -> Iterator[None]:
    """Serialise changes of the cloud across processes."""
    CLOUD.mkdir(parents=True, exist_ok=True)
    with (CLOUD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ------------------------------------------------------------------------------------------------------------- deploy


def deploy(files: DeployFiles, hardware: Mapping[str, ComputeHardware], say: Say) -> None:
    """Deploy or update the overcloud, and restart only the processes whose configuration changes.

    A first deployment takes 20 to 30 s on two cores. As on a rack, a compute that is no longer in the files keeps
    running until it is unprovisioned (`operations.unprovision`).

    Args:
        files: the files that the command line names.
        hardware: fully qualified host name → hardware.
        say: receives the progress.

    Raises:
        LabError: the files are invalid, or a process does not become healthy; the text ends with the end of its log.
    """
    with exclusive():
        if processes.keystone().pid() is None:
            raise LabError("keystone does not run: start the lab with `make lab`")
        overcloud = translate(files, hardware)
        for note in overcloud.notes:
            say(note)
        deployed = _write_configuration(overcloud, current())
        for compute in overcloud.computes:
            write_hardware(compute.host, hardware[compute.host])
        agents.seed(overcloud)
        record(deployed)
        start(deployed, say)


def _write_configuration(overcloud: Overcloud, before: Deployment | None) -> Deployment:
    """Write all configuration files."""
    render = configuration.render
    write(ETC / "nova" / "controller.conf", render(configuration.nova_controller(overcloud)))
    for compute in overcloud.computes:
        write(COMPUTES / compute.host / "compute.conf", render(configuration.nova_compute(compute)))
    named = tuple(compute.host for compute in overcloud.computes)
    not_named = tuple(host for host in before.computes if host not in named) if before else ()
    deployed = Deployment(
        overcloud.controllers,
        (*named, *not_named),
        render(configuration.neutron(overcloud)),
        render(overcloud.ml2),
    )
    _write_authorities(overcloud.authorities)
    write(ETC / "neutron" / "neutron.conf", deployed.neutron)
    write(ETC / "neutron" / "before.ini", render(configuration.neutron_before()))
    write(ETC / "neutron" / "ml2_conf.ini", deployed.ml2)
    write(ETC / "neutron" / "after.ini", render(configuration.neutron_after(deployed.ml2)))
    return deployed


def reconfigure_neutron(say: Say) -> None:
    """Restart neutron if another maintenance of its journal has been chosen. Does nothing without an overcloud.

    Raises:
        LabError: neutron does not become healthy.
    """
    with exclusive():
        deployed = current()
        if deployed is None:
            return
        write(ETC / "neutron" / "before.ini", configuration.render(configuration.neutron_before()))
        if processes.neutron().process.pid() is not None:
            start(deployed, say)


def _write_authorities(trusted: Mapping[str, str]) -> None:
    """Write a file per authority, and all of them as update-ca-trust does. Files of an earlier deployment stay."""
    for path, content in puppet.anchor_files(trusted):
        write(CONTROLLER / path.lstrip("/"), content)
    files = sorted(CONTROLLER.glob(f"{puppet.ANCHORS.lstrip('/')}/*.pem"))
    texts = [file.read_text() for file in (installation.SITE / "certifi" / "cacert.pem", *files)]
    write(CONTROLLER / puppet.BUNDLE.lstrip("/"), "\n".join(texts))


def write_hardware(host: str, hardware: ComputeHardware) -> None:
    """Write the hardware that a compute's virt driver reports, and the compute's ID if it has none."""
    folder = COMPUTES / host
    (folder / "instances").mkdir(parents=True, exist_ok=True)
    write(folder / "hardware.json", json.dumps(asdict(hardware), sort_keys=True))
    if not (folder / "compute_id").exists():
        write_compute_id(host)


def write_compute_id(host: str) -> None:
    """Give a compute a new ID. nova refuses a second start without an ID, and maps no node that it has deleted."""
    write(COMPUTES / host / "compute_id", str(uuid.uuid4()))


# ------------------------------------------------------------------------------------------------------ start and stop


def deployment_processes() -> list[Process]:
    """Return the processes of nova and neutron, or none if no overcloud is deployed."""
    found = current()
    return [configured.process for configured in _configured_processes(found)] if found else []


def _configured_processes(deployed: Deployment) -> list[ConfiguredProcess]:
    computes = [processes.nova_compute(host) for host in deployed.computes]
    return [processes.neutron(), *processes.nova_controllers(), *computes]


def start(deployed: Deployment, say: Say) -> None:
    """Start the processes that do not run, restart those with older files, and return when all are healthy.

    Raises:
        LabError: a process ends or does not become healthy.
    """
    changed = [configured for configured in _configured_processes(deployed) if configured.outdated()]
    if not changed:
        return
    say("starting " + ", ".join(configured.process.name for configured in changed))
    since = datetime.now(UTC)
    restart(changed)
    processes.wait_for_http(processes.neutron().process, configuration.NEUTRON)
    api = processes.nova_controllers()[-1].process
    processes.wait_for_http(api, configuration.NOVA.removesuffix("/v2.1"))
    wait_for_nova([configured.process for configured in changed], deployed, since)


def restart(changed: Sequence[ConfiguredProcess]) -> None:
    """Stop and start processes."""
    processes.stop([configured.process for configured in changed])
    if any(configured.process.name == processes.neutron().process.name for configured in changed):
        _requeue_journal()
    for configured in changed:
        configured.start()


def _requeue_journal() -> None:
    """Set orphaned rows of networking-mlnx's journal to pending, unless Wallaby's maintenance does so.

    A row is orphaned if neutron stopped or UFM refused the connection while the row was being sent. The maintenance of
    networking-mlnx 21.0.0 never resets it, so after a stop of the lab it and all later rows of the same object would
    never be sent.
    """
    if maintenance.chosen().variant == "wallaby":
        return
    processes.sql("UPDATE sdn_journal SET state='pending' WHERE state='processing';", "neutron")


def wait_for_nova(changed: Iterable[Process], deployed: Deployment, since: datetime) -> None:
    """Wait until each changed nova service has sent a heartbeat after `since` and the computes are mapped to the cell.

    Raises:
        LabError: a process ends, or this takes more than 120 s.
    """
    client = CloudClient()
    hosts = {processes.nova_compute(host).process.name: host for host in deployed.computes}

    def healthy(process: Process) -> bool:
        host = hosts.get(process.name, "")
        binary = "nova-compute" if host else process.name
        beats = any(
            s["binary"] == binary and (not host or s["host"] == host) and _alive(s, since)
            for s in client.compute_services()
        )
        return beats and (not host or host in client.hypervisors())

    for process in changed:
        if process.name.startswith("nova-") and process.name != "nova-api":
            process.wait(lambda process=process: _tolerant(lambda: healthy(process)), 120)  # type: ignore[misc]


def _tolerant(check: Any) -> bool:
    """Treat an API that is still starting as "not healthy yet"."""
    try:
        return bool(check())
    except LabError:
        return False


def _alive(service: Mapping[str, Any], since: datetime) -> bool:
    beat = service["updated_at"]
    return bool(service["state"] == "up" and beat and datetime.fromisoformat(beat).replace(tzinfo=UTC) > since)


def start_base() -> None:
    """Start keystone, placement and glance, and the servers that they need.

    Sends one request before any other client does: keystone answers 403 if several threads load its policy at once.

    Raises:
        LabError: a process ends or does not become healthy.
    """
    installation.write_base_configuration()
    processes.start_base()
    session = Session("svc", passwords().service, "service")
    session.get(f"{configuration.PLACEMENT}/resource_providers")


def delete(say: Say) -> None:
    """Delete the overcloud: stop nova and neutron, reset all data to the fresh installation, restart the base.

    Keystone keeps user admin and its password. Idempotent.

    Raises:
        LabError: the cloud is not installed, or the base does not become healthy.
    """
    with exclusive():
        if current() is None:
            return
        say("deleting the overcloud")
        processes.stop_all([*processes.base(), *deployment_processes()])
        shutil.rmtree(CONTROLLER, ignore_errors=True)
        installation.reset()
        start_base()
