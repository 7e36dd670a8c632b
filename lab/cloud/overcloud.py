"""What the hosts' emulated commands do to the cloud: `openstack overcloud deploy`, `delete`, `podman restart`, reboots.

The cloud has one neutron and one nova API for all controllers, where the rack has one on each: a restart on one
controller restarts it for all of them, and the text of the last one counts.

State: `DATA/overcloud.json`, gone with everything else when the data are reset.
"""

import fcntl
import json
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lab.cloud import configuration, installation, processes
from lab.cloud.client import CloudClient, Session
from lab.cloud.folders import CLOUD, COMPUTES, DATA, ETC, passwords, write
from lab.cloud.processes import ConfiguredProcess
from lab.cloud.translation import Agent, ComputeHardware, DeployFiles, Overcloud, translate
from lab.process import LabError, Process, Say

__all__ = [
    "ComputeHardware",
    "DeployFiles",
    "delete",
    "deploy",
    "forgotten",
    "lose",
    "ml2_conf",
    "overcloudrc",
    "restart_compute",
    "restart_neutron",
    "running_on",
    "stop_compute",
]

STATE = DATA / "overcloud.json"
ML2_CONF = ETC / "neutron" / "ml2_conf.ini"
"""What neutron-server runs with; `ml2_conf()` is what the last deployment wrote."""


@dataclass(frozen=True)
class Deployed:
    """The deployment that the state file remembers."""

    controllers: tuple[str, ...]
    computes: tuple[str, ...]
    """All that were deployed and not unprovisioned since."""
    neutron: str
    """neutron.conf as deployed."""
    ml2: str
    """ml2_conf.ini as deployed: an operator's edits are not in it."""


def deployed() -> Deployed | None:
    """The deployed overcloud, None where there is none."""
    if not STATE.exists():
        return None
    state = json.loads(STATE.read_text())
    return Deployed(tuple(state["controllers"]), tuple(state["computes"]), state["neutron"], state["ml2"])


@contextmanager
def exclusive() -> Iterator[None]:
    """One change of the cloud at a time, whichever process makes it."""
    CLOUD.mkdir(parents=True, exist_ok=True)
    with (CLOUD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ------------------------------------------------------------------------------------------------------------- deploy


def deploy(files: DeployFiles, hardware: Mapping[str, ComputeHardware], say: Say) -> None:
    """Deploys, or updates, the cloud from the files. Restarts what the change concerns and nothing else.

    `hardware` by fully qualified host name. A first deployment takes 20 to 30 s on two cores. A compute that the files
    do not name any more runs on, as on a rack, until it is unprovisioned (`lose`).

    Raises:
        LabError: the files are wrong, or a service does not come up with what they say; with the end of its log.
    """
    with exclusive():
        if processes.keystone().pid() is None:
            raise LabError("the lab's cloud does not run")
        overcloud = translate(files, hardware)
        for note in overcloud.notes:
            say(note)
        before = deployed()
        after = _write(overcloud, before)
        for compute in overcloud.computes:
            _write_hardware(compute.host, hardware[compute.host])
        _seed_agents(overcloud)
        write(STATE, json.dumps(asdict(after)))
        start(after, say)


def _write(overcloud: Overcloud, before: Deployed | None) -> Deployed:
    """Writes all configuration files. Puppet's run leaves an operator's edits alone only where nothing has changed."""
    render = configuration.render
    write(ETC / "nova" / "controller.conf", render(configuration.nova_controller(overcloud)))
    for compute in overcloud.computes:
        write(COMPUTES / compute.host / "compute.conf", render(configuration.nova_compute(compute)))
    named = tuple(compute.host for compute in overcloud.computes)
    forgotten = tuple(host for host in before.computes if host not in named) if before else ()
    after = Deployed(
        overcloud.controllers,
        (*named, *forgotten),
        render(configuration.neutron(overcloud)),
        render(overcloud.ml2),
    )
    write(ETC / "neutron" / "neutron.conf", after.neutron)
    if before is None or (before.neutron, before.ml2) != (after.neutron, after.ml2):
        _write_ml2(after.ml2)
    return after


def _write_ml2(text: str) -> None:
    write(ETC / "neutron" / "before.ini", configuration.render(configuration.neutron_before()))
    write(ML2_CONF, text)
    write(ETC / "neutron" / "after.ini", configuration.render(configuration.neutron_after(text)))


def _write_hardware(host: str, hardware: ComputeHardware) -> None:
    folder = COMPUTES / host
    (folder / "instances").mkdir(parents=True, exist_ok=True)
    write(folder / "hardware.json", json.dumps(asdict(hardware), sort_keys=True))
    if not (folder / "compute_id").exists():
        _identify(host)


def _identify(host: str) -> None:
    """A new node's identity: nova refuses a second start without, and maps no node that it has deleted before."""
    write(COMPUTES / host / "compute_id", str(uuid.uuid4()))


HEARTBEAT = "2037-01-01 00:00:00"
"""No agent runs: their rows are alive because their last heartbeat lies in the future."""
SILENCE = "UPDATE agents SET heartbeat_timestamp = UTC_TIMESTAMP() - INTERVAL 1 HOUR WHERE"


def _seed_agents(overcloud: Overcloud) -> None:
    """Makes neutron's table of agents hold these. Of the same hosts, others are silent: neutron never forgets one."""
    ids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{agent.binary}.{agent.host}")) for agent in overcloud.agents]
    hosts = (*overcloud.controllers, *(compute.host for compute in overcloud.computes))
    rows = [_agent_row(i, agent) for i, agent in zip(ids, overcloud.agents, strict=True)]
    silent = f"{SILENCE} host IN ({_literals(hosts)}) AND id NOT IN ({_literals(ids)});"
    processes.sql("\n".join([silent, *rows]), "neutron")


def _literals(values: Iterable[str]) -> str:
    return ",".join(f"x'{value.encode().hex()}'" for value in values) or "''"


def _agent_row(identity: str, agent: Agent) -> str:
    zone = "nova" if agent.topic != "N/A" else None  # only DHCP and L3 agents have an availability zone
    values: dict[str, str | None] = {
        "id": identity,
        "agent_type": agent.type,
        "binary": agent.binary,
        "topic": agent.topic,
        "host": agent.host,
        "heartbeat_timestamp": HEARTBEAT,
        "configurations": json.dumps(agent.configurations),
        "resource_versions": "",
        "availability_zone": zone,
    }
    columns = ",".join(f"`{name}`" for name in values)
    literals = ",".join("NULL" if v is None else f"x'{v.encode().hex()}'" if v else "''" for v in values.values())
    return (
        f"INSERT INTO agents ({columns},admin_state_up,`load`,created_at,started_at) "  # noqa: S608
        f"VALUES ({literals},1,0,NOW(),NOW()) ON DUPLICATE KEY UPDATE configurations=VALUES(configurations),"
        "heartbeat_timestamp=VALUES(heartbeat_timestamp);"
    )


# ------------------------------------------------------------------------------------------------------ start and stop


def deployment_processes() -> list[Process]:
    """Those of nova and neutron, where an overcloud is deployed."""
    found = deployed()
    return [service.process for service in _services(found)] if found else []


def _services(cloud: Deployed) -> list[ConfiguredProcess]:
    computes = [processes.nova_compute(host) for host in cloud.computes]
    return [processes.neutron(), *processes.nova_controllers(), *computes]


def start(cloud: Deployed, say: Say) -> None:
    """Starts what does not run, restarts what runs with older files, and returns when all of it works.

    Raises:
        LabError: a service ends, or does not report itself up.
    """
    changed = [service for service in _services(cloud) if service.outdated()]
    if not changed:
        return
    say("starting " + ", ".join(service.process.name for service in changed))
    since = datetime.now(UTC)
    _restart(changed)
    processes.wait_for_http(processes.neutron().process, configuration.NEUTRON)
    api = processes.nova_controllers()[-1].process
    processes.wait_for_http(api, configuration.NOVA.removesuffix("/v2.1"))
    _wait_for_nova([service.process for service in changed], cloud, since)


def _restart(changed: Sequence[ConfiguredProcess]) -> None:
    processes.stop([service.process for service in changed])
    if any(service.process.name == processes.neutron().process.name for service in changed):
        _requeue_journal()
    for service in changed:
        service.start()


def _requeue_journal() -> None:
    """Gives orphaned rows of networking-mlnx's journal another chance.

    A row is orphaned where neutron was stopped, or UFM refused the connection, while the row was being sent. Wallaby's
    maintenance thread puts such rows back after 100 s; that of 21.0.0 crashes at every run, and they, and all later
    rows of the same object, would wait for ever.
    """
    processes.sql("UPDATE sdn_journal SET state='pending' WHERE state='processing';", "neutron")


def _wait_for_nova(changed: Iterable[Process], cloud: Deployed, since: datetime) -> None:
    """Waits for a heartbeat of each changed service later than its start, and for its computes to be mapped."""
    client = CloudClient()
    hosts = {processes.nova_compute(host).process.name: host for host in cloud.computes}

    def beats(process: Process) -> bool:
        binary, host = ("nova-compute", hosts[process.name]) if process.name in hosts else (process.name, "")
        return any(
            s["binary"] == binary and (not host or s["host"] == host) and _alive(s, since)
            for s in client.compute_services()
        ) and (not host or host in client.hypervisors())

    for process in changed:
        if process.name.startswith("nova-") and process.name != "nova-api":
            process.wait(lambda process=process: _tolerant(lambda: beats(process)), 120)  # type: ignore[misc]


def _tolerant(check: Any) -> bool:
    """An API that is still starting is no failure yet."""
    try:
        return bool(check())
    except LabError:
        return False


def _alive(service: Mapping[str, Any], since: datetime) -> bool:
    beat = service["updated_at"]
    return bool(service["state"] == "up" and beat and datetime.fromisoformat(beat).replace(tzinfo=UTC) > since)


# ------------------------------------------------------------------------------------------------ after the deployment


def _require() -> Deployed:
    found = deployed()
    if found is None:
        raise LabError("no overcloud is deployed")
    return found


def ml2_conf() -> str:
    """ml2_conf.ini as the last deployment wrote it, for every controller. It holds the token.

    Raises:
        LabError: no overcloud is deployed.
    """
    return _require().ml2


def restart_neutron(ml2_conf: str, say: Say) -> None:
    """`podman restart neutron_api` on a controller whose ml2_conf.ini is this text.

    Restarts even with an unchanged text. Only where another controller asked for the same text meanwhile, so that
    neutron has started after this call began, its restart serves both.

    Raises:
        LabError: no overcloud is deployed, or neutron does not come up; with the end of its log.
    """
    asked = time.time()
    with exclusive():
        _require()
        neutron = processes.neutron()
        served = neutron.process.pid() is not None and neutron.process.pid_file.stat().st_mtime > asked
        if served and ML2_CONF.read_text() == ml2_conf:
            return
        say("restarting neutron-server")
        _write_ml2(ml2_conf)
        _restart([neutron])
        processes.wait_for_http(neutron.process, configuration.NEUTRON)


def restart_compute(host: str, hardware: ComputeHardware, say: Say) -> None:
    """A reboot of a compute, which may have come up with other firmware settings.

    Raises:
        LabError: the host is no compute of the overcloud, or nova-compute does not come up.
    """
    with exclusive():
        cloud = _require()
        if host not in cloud.computes:
            raise LabError(f"{host} is no compute of the deployed overcloud")
        compute = processes.nova_compute(host)
        say(f"restarting {compute.process.name}")
        processes.stop([compute.process])
        _write_hardware(host, hardware)
        since = datetime.now(UTC)
        compute.start()
        _wait_for_nova([compute.process], cloud, since)


def stop_compute(host: str, say: Say) -> None:
    """`systemctl stop tripleo_nova_compute` on a compute; a deployment, or a boot, starts it again.

    Raises:
        LabError: no overcloud is deployed.
    """
    with exclusive():
        _require()
        process = processes.nova_compute(host).process
        say(f"stopping {process.name}")
        processes.stop([process])


def forgotten(host: str) -> None:
    """nova has deleted the compute's service, and its node with it: whoever starts there again is another one."""
    with exclusive():
        _identify(host)


def lose(host: str, say: Say) -> None:
    """A host is unprovisioned: power off, disk gone. What nova and neutron know of it stays: its agents fall silent."""
    with exclusive():
        cloud = deployed()
        if cloud is None:
            return
        say(f"{host} is gone")
        processes.stop([processes.nova_compute(host).process])
        shutil.rmtree(COMPUTES / host, ignore_errors=True)
        processes.sql(f"{SILENCE} host = {_literals([host])};", "neutron")
        left = tuple(compute for compute in cloud.computes if compute != host)
        write(STATE, json.dumps(asdict(replace(cloud, computes=left))))


def running_on(host: str) -> list[str]:
    """Ids of the servers on a compute host; none where no overcloud is deployed."""
    return [server.id for server in CloudClient().servers(host)] if deployed() else []


def delete(say: Say) -> None:
    """Deletes the overcloud: nova and neutron stop, all data go back to the fresh installation's, the base runs on.

    Keystone keeps its admin and the password. A second call does nothing.
    """
    with exclusive():
        if deployed() is None:
            return
        say("deleting the overcloud")
        processes.stop_all([*processes.base(), *deployment_processes()])
        installation.reset()
        start_base()


def start_base() -> None:
    """Starts keystone, placement and glance with what they need.

    One request goes before any other: keystone answers 403 where several threads load its policy at once.

    Raises:
        LabError: one of them does not come up.
    """
    installation.write_base_configuration()
    processes.start_base()
    session = Session("svc", passwords().service, "service")
    session.get(f"{configuration.PLACEMENT}/resource_providers")


OVERCLOUDRC = """\
# Clear any old environment that may conflict.
for key in $( set | awk -F= '/^OS_/ {{print $1}}' ); do unset "${{key}}" ; done
export COMPUTE_API_VERSION=1.1
export NOVA_VERSION=1.1
export OS_AUTH_TYPE=password
export OS_AUTH_URL={url}
export OS_CLOUDNAME=overcloud
export OS_IDENTITY_API_VERSION=3
export OS_IMAGE_API_VERSION=2
export OS_NO_CACHE=True
export OS_PASSWORD={password}
export OS_PROJECT_DOMAIN_NAME=Default
export OS_PROJECT_NAME=admin
export OS_REGION_NAME={region}
export OS_USERNAME=admin
export OS_USER_DOMAIN_NAME=Default
export no_proxy=127.0.0.1,localhost
"""


def overcloudrc() -> str:
    """The rc file that the deployment leaves in the stack user's home, as python-tripleoclient 16.5.0 writes it."""
    return OVERCLOUDRC.format(
        url=configuration.KEYSTONE.removesuffix("/v3"), password=passwords().admin, region=configuration.REGION
    )
