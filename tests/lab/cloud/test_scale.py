"""Scaling computes on the real cloud. The tests run in this order, each on the state of the previous one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.cloud import configuration, deployment
from lab.cloud.client import CloudClient
from lab.cloud.service import CloudService
from lab.cloud.translation import ComputeHardware
from lab.hosts.backends.interfaces import ComputeService, NetworkAgent, ServiceRefusedError
from lab.hosts.backends.lab_cloud import LabCloud

from .support import COMPUTES, HARDWARE, FabricRecorder, UfmRecorder, sample_files
from .tenant import Tenant

pytestmark = pytest.mark.lab

THIRD = "overcloud-computesriov-ib-2.localdomain"
RACK = {**HARDWARE, THIRD: ComputeHardware(node="compute-3", vfs=8)}
MLNX = "Mellanox plugin agent"

Deploy = Callable[[int], list[str]]


@pytest.fixture(scope="module")
def deploy(
    cloud: CloudService, ufm: UfmRecorder, fabric: FabricRecorder, tmp_path_factory: pytest.TempPathFactory
) -> Deploy:
    """Return a function that deploys the samples with a number of computes and returns the printed lines."""

    def run(computes: int) -> list[str]:
        def scale(roles: Any) -> None:
            named = [
                {"hostname": f"overcloud-computesriov-ib-{i}", "name": f"compute-{i + 1}"} for i in range(computes)
            ]
            roles[1] |= {"count": computes, "instances": named}

        said: list[str] = []
        deployment.deploy(sample_files(tmp_path_factory.mktemp("files"), ufm.url, node=scale), RACK, said.append)
        return said

    return run


class World:
    """Objects that later tests use."""

    tenant: Tenant
    flavor: str
    image: str
    network: dict[str, Any]
    server: dict[str, Any]
    """On the first compute, all the time."""
    pids: dict[str, int | None]
    """With two computes."""

    @classmethod
    def boot(cls, name: str, host: str) -> dict[str, Any]:
        return cls.tenant.server(name, cls.flavor, cls.image, cls.tenant.direct_port(cls.network)["id"], host)


def pids(cloud: CloudService) -> dict[str, int | None]:
    return {process.name: process.pid() for process in cloud.processes()}


def undisturbed(cloud: CloudService) -> bool:
    """Return whether all processes of the first deployment and the first compute's server are unchanged."""
    now = World.tenant.show(World.server["id"])
    kept = ("status", "OS-EXT-STS:power_state", "OS-SRV-USG:launched_at", "updated", "OS-EXT-SRV-ATTR:host")
    assert {key: now[key] for key in kept} == {key: World.server[key] for key in kept}
    return {name: pid for name, pid in pids(cloud).items() if name in World.pids} == World.pids


def service(host: str) -> ComputeService | None:
    return next((s for s in LabCloud().computes() if s.host == host), None)


def agents(host: str) -> list[NetworkAgent]:
    return sorted(LabCloud().agents(host), key=lambda agent: agent.type)


def providers() -> list[str]:
    found = World.tenant.session.get(f"{configuration.PLACEMENT}/resource_providers")["resource_providers"]
    return sorted(provider["name"] for provider in found)


def test_an_added_compute_restarts_no_other_process(deploy: Deploy, cloud: CloudService) -> None:
    deploy(2)
    World.tenant = Tenant()
    World.flavor, World.image = World.tenant.flavor("m1.gpu", "a100"), World.tenant.image()
    World.network = World.tenant.ib_network(101)
    World.tenant.subnet(World.network, "11.11.11.0/24")
    World.server = World.boot("vm1_gpu", COMPUTES[0])
    assert World.server["status"] == "ACTIVE", World.server.get("fault")
    World.pids = pids(cloud)
    assert deploy(3)[-1:] == ["starting nova-compute-overcloud-computesriov-ib-2"]
    assert undisturbed(cloud)
    added = service(THIRD)
    assert added
    assert added.up
    assert not added.disabled
    assert isinstance(added.id, int)
    assert sorted(CloudClient().hypervisors()) == [*COMPUTES, THIRD] == providers()
    assert [agent.type for agent in agents(THIRD) if agent.alive] == [MLNX, "Open vSwitch agent"]


def test_nova_keeps_the_service_of_a_compute_with_servers(deploy: Deploy, cloud: CloudService) -> None:
    found = service(THIRD)
    assert found
    server = World.boot("vm3_gpu", THIRD)
    assert server["status"] == "ACTIVE", server.get("fault")
    LabCloud().set_compute(THIRD, disabled=True)
    LabCloud().stop_compute(THIRD, print)
    with pytest.raises(ServiceRefusedError, match=r"hosting instances\. Migrate or delete the instances") as refused:
        LabCloud().delete_compute(str(found.id))
    assert refused.value.status == 409
    stopped = service(THIRD)
    assert stopped
    assert stopped.disabled
    deploy(3)
    assert pids(cloud)["nova-compute-overcloud-computesriov-ib-2"], "a deployment starts the stopped compute again"
    World.tenant.delete_server(server["id"])
    assert undisturbed(cloud)


def test_a_deleted_compute_keeps_its_agents_in_neutron(deploy: Deploy, cloud: CloudService) -> None:
    found = service(THIRD)
    assert found
    LabCloud().stop_compute(THIRD, print)
    LabCloud().delete_compute(str(found.id))
    assert service(THIRD) is None
    assert providers() == COMPUTES, "the resource provider is deleted as well"
    deploy(3)
    found = service(THIRD)
    assert found
    assert found.up, "a deployment starts the stopped compute, which registers again"
    LabCloud().stop_compute(THIRD, print)
    LabCloud().delete_compute(str(found.id))
    with pytest.raises(ServiceRefusedError, match=r"Service \d+ not found"):
        LabCloud().delete_compute(str(found.id))
    LabCloud().lose(THIRD, print)
    assert [(agent.type, agent.alive) for agent in agents(THIRD)] == [(MLNX, False), ("Open vSwitch agent", False)]
    assert all(agent.alive for host in COMPUTES for agent in agents(host))
    assert undisturbed(cloud)
    deploy(2)
    assert [agent.alive for agent in agents(THIRD)] == [False, False], "a deployment deletes no agent"
    assert undisturbed(cloud)
    assert set(pids(cloud)) == set(World.pids)


def test_dead_agents_can_be_deleted(deploy: Deploy) -> None:
    dead = agents(THIRD)
    for agent in dead:
        LabCloud().delete_agent(agent.id)
    assert agents(THIRD) == []
    with pytest.raises(ServiceRefusedError, match=f"Agent {dead[0].id} could not be found") as refused:
        LabCloud().delete_agent(dead[0].id)
    assert refused.value.status == 404


def test_a_removed_compute_can_be_added_again(deploy: Deploy, cloud: CloudService) -> None:
    deploy(3)
    back = service(THIRD)
    assert back
    assert back.up
    assert not back.disabled
    assert [agent.alive for agent in agents(THIRD)] == [True, True]
    assert World.boot("vm3_gpu", THIRD)["status"] == "ACTIVE"
    assert undisturbed(cloud)


def test_a_compute_that_is_missing_in_the_files_keeps_running(deploy: Deploy, cloud: CloudService) -> None:
    """As on a rack: a deployment does not stop the services of hosts that it does not contain."""
    before = pids(cloud)
    deploy(2)
    assert pids(cloud) == before
    assert all(agent.alive for agent in agents(THIRD))
    cloud.stop(print)
    assert not any(pids(cloud).values())


def test_losing_a_host_without_an_overcloud_is_no_error(cloud: CloudService, tmp_path: Path) -> None:
    cloud.start(print)
    deployment.delete(print)
    LabCloud().lose(THIRD, print)
    assert agents(THIRD) == []
