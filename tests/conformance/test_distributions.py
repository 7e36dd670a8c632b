"""Red Hat's RHOSP 17.1 and an offline site: the same tools report nothing, as both are based on stable/wallaby.

The tools are upstream's. Red Hat's own builds are available to its customers only.
"""

from pathlib import Path

import pytest

from rack.__main__ import write_home
from rack.tripleo.check import check
from rack.wallaby.checks import CHECKS, CheckRun, Workers
from tests.rack import sites
from tests.rack.rules.cases import OFFLINE, RHOSP

SITES = {
    "rhosp-17.1": RHOSP,
    "offline": {**OFFLINE, "undercloud.registry": {"user": "robot$rack", "insecure": True}},
}
RUNS: dict[str, CheckRun] = {}


@pytest.fixture(scope="module", params=SITES)
def run(request: pytest.FixtureRequest, workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> CheckRun:
    name = str(request.param)
    if name not in RUNS:
        folder, plan = tmp_path_factory.mktemp("site"), sites.plan(SITES[name])
        write_home(plan, folder / "home")
        RUNS[name] = CheckRun(workers, folder / "home", plan, folder)
    return RUNS[name]


@pytest.mark.parametrize("tool", CHECKS)
def test_the_tools_report_nothing(run: CheckRun, tool: str) -> None:
    assert run.findings(tool) == []


def test_rack_check_reports_nothing(run: CheckRun) -> None:
    assert check(run.home) == []


def test_images_come_from_the_namespace_with_the_tag(run: CheckRun) -> None:
    """Rebuilt images have the namespace of the first entry too, and a suffix of the tag."""
    cloud = run.plan.site.undercloud
    images, tag = run.results["containers"]["images"], cloud.software.container_tag
    host = f"{cloud.namespace.partition('/')[2]}/openstack-"
    assert images["ContainerNeutronMlnxImage"].endswith(f"/{host}neutron-mlnx-agent:{tag}")
    assert images["ContainerNovaComputeImage"].endswith(f"/{host}nova-compute:{tag}-updated")
    assert images["ContainerNeutronApiImage"].endswith(f"/{host}neutron-server:{tag}-updated")
    assert images["ContainerNovaApiImage"].endswith(f"/{host}nova-api:{tag}")
    needed = run.results["templates"]["images"]
    assert len(needed) > 50
    assert set(needed) <= set(images)


def test_a_missing_login_file_is_reported(workers: Workers, tmp_path: Path) -> None:
    plan = sites.plan(RHOSP)
    write_home(plan, tmp_path / "home")
    run = CheckRun(workers, tmp_path / "home", plan, tmp_path)
    assert run.findings("rendering") == []
    (tmp_path / "home/templates/IB/VM/containers-registry-ib-vm.yaml").unlink()
    assert any("containers-registry-ib-vm.yaml" in str(finding) for finding in run.findings("commands"))
