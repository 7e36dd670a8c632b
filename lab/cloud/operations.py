"""Operations on a deployed overcloud: restart, stop and unprovision computes.

The lab has one neutron API and one nova API for all controllers; the rack has one on each.
"""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

from lab.cloud import agents, configuration, processes
from lab.cloud.client import CloudClient
from lab.cloud.deployment import (
    current,
    exclusive,
    record,
    required,
    wait_for_nova,
    write_compute_id,
    write_hardware,
)
from lab.cloud.folders import COMPUTES, passwords
from lab.cloud.translation import ComputeHardware
from lab.process import LabError, Say


def ml2_conf() -> str:
    """Return ml2_conf.ini as the last deployment wrote it on every controller. It contains UFM's token.

    Raises:
        LabError: no overcloud is deployed.
    """
    return required().ml2


def restart_compute(host: str, hardware: ComputeHardware, say: Say) -> None:
    """Restart nova-compute as a reboot does, possibly with other firmware settings.

    Raises:
        LabError: the host is not a compute of the overcloud, or nova-compute does not become healthy.
    """
    with exclusive():
        deployed = required()
        if host not in deployed.computes:
            computes = ", ".join(deployed.computes)
            raise LabError(f"cannot restart nova-compute on {host}: the computes of the overcloud are {computes}")
        compute = processes.nova_compute(host)
        say(f"restarting {compute.process.name}")
        processes.stop([compute.process])
        write_hardware(host, hardware)
        since = datetime.now(UTC)
        compute.start()
        wait_for_nova([compute.process], deployed, since)


def stop_compute(host: str, say: Say) -> None:
    """Stop nova-compute as `systemctl stop tripleo_nova_compute` does. A deployment or a boot starts it again.

    Raises:
        LabError: no overcloud is deployed.
    """
    with exclusive():
        required()
        process = processes.nova_compute(host).process
        say(f"stopping {process.name}")
        processes.stop([process])


def compute_deleted(host: str) -> None:
    """Give a compute a new ID after nova has deleted its service and node: a later start registers a new node."""
    with exclusive():
        write_compute_id(host)


def unprovision(host: str, say: Say) -> None:
    """Delete a host's processes and files. Nova and neutron keep their records of it; its agents become silent.

    Does nothing if no overcloud is deployed.
    """
    with exclusive():
        deployed = current()
        if deployed is None:
            return
        say(f"unprovisioning {host}")
        processes.stop([processes.nova_compute(host).process])
        shutil.rmtree(COMPUTES / host, ignore_errors=True)
        agents.silence(host)
        record(replace(deployed, computes=tuple(compute for compute in deployed.computes if compute != host)))


def running_on(host: str) -> list[str]:
    """Return the IDs of the servers on a compute, or none if no overcloud is deployed."""
    return [server.id for server in CloudClient().servers(host)] if current() else []


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
    """Return the rc file that a deployment writes to the stack user's home, as python-tripleoclient 16.5.0 does."""
    return OVERCLOUDRC.format(
        url=configuration.KEYSTONE.removesuffix("/v3"), password=passwords().admin, region=configuration.REGION
    )
