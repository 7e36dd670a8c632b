"""Red Hat's 17.1 and a site without the Internet before the same tools as the guide's rack: the branch is the same.

The tools are upstream's; Red Hat's own are on its customers' disks alone.
"""

from pathlib import Path

import pytest

from rack.__main__ import write
from rack.tripleo.check import check
from rack.wallaby.checks import CHECKS, Review, Wallaby
from tests.rack import sites
from tests.rack.test_rules import OFFLINE, RHOSP

SITES = {
    "rhosp-17.1": RHOSP,
    "offline": {**OFFLINE, "undercloud.registry": {"user": "robot$rack", "insecure": True}},
}
REVIEWS: dict[str, Review] = {}


@pytest.fixture(scope="module", params=SITES)
def review(request: pytest.FixtureRequest, wallaby: Wallaby, tmp_path_factory: pytest.TempPathFactory) -> Review:
    name = str(request.param)
    if name not in REVIEWS:
        folder, plan = tmp_path_factory.mktemp("site"), sites.plan(SITES[name])
        write(plan, folder / "home")
        REVIEWS[name] = Review(wallaby, folder / "home", plan, folder)
    return REVIEWS[name]


@pytest.mark.parametrize("tool", CHECKS)
def test_the_tools_find_nothing(review: Review, tool: str) -> None:
    assert review.findings(tool) == []


def test_our_own_checks_find_nothing(review: Review) -> None:
    assert check(review.bundle) == []


def test_images_come_from_the_namespace_with_the_tag(review: Review) -> None:
    """Those of the first entry are what is rebuilt too, but for the end of their tag."""
    cloud = review.plan.site.undercloud
    images, tag = review.answers["containers"]["images"], cloud.software.container_tag
    host = f"{cloud.namespace.partition('/')[2]}/openstack-"
    assert images["ContainerNeutronMlnxImage"].endswith(f"/{host}neutron-mlnx-agent:{tag}")
    assert images["ContainerNovaComputeImage"].endswith(f"/{host}nova-compute:{tag}-updated")
    assert images["ContainerNeutronApiImage"].endswith(f"/{host}neutron-server:{tag}-updated")
    assert images["ContainerNovaApiImage"].endswith(f"/{host}nova-api:{tag}")
    needed = review.answers["templates"]["images"]
    assert len(needed) > 50 and set(needed) <= set(images)


def test_a_login_that_is_missing_is_found(wallaby: Wallaby, tmp_path: Path) -> None:
    plan = sites.plan(RHOSP)
    write(plan, tmp_path / "home")
    review = Review(wallaby, tmp_path / "home", plan, tmp_path)
    assert review.findings("rendering") == []
    (tmp_path / "home/templates/IB/VM/containers-registry-ib-vm.yaml").unlink()
    assert any("containers-registry-ib-vm.yaml" in str(finding) for finding in review.findings("commands"))
