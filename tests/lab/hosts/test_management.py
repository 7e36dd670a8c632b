"""The servers of the management network.

They have other addresses than those of the dev stack, on which a lab of the other test process may run.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.hosts.management import Management
from lab.inventory import inventory_plan
from lab.process import LabError
from onhost import probe
from rack.site import Site
from tests.lab.hosts.conftest import MARKS, STACK

pytestmark = MARKS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    stack: Path = tmp_path_factory.mktemp("site") / STACK.name
    stack.write_text(re.sub(r"127\.0\.(2[45])\.", r"127.1.\1.", STACK.read_text()))
    return inventory_plan(stack).site


def login(node: str) -> tuple[str, str]:
    return "admin", f"of {node}"


@pytest.fixture
def management(site: Site) -> Iterator[Management]:
    servers = Management(site, login)
    servers.start()
    yield servers
    servers.stop()


def test_every_machine_has_a_bmc_with_its_own_password(management: Management, site: Site) -> None:
    for node in site.nodes:
        assert probe.bmc(str(node.ipmi.address), "admin", f"of {node.name}")[0]
        assert not probe.bmc(str(node.ipmi.address), "admin", "of another")[0]


def test_the_sites_servers_and_the_switch_answer(management: Management, site: Site) -> None:
    provisioning = site.networks.provisioning
    assert probe.dns(str(provisioning.dns[0]), "localhost")[0]
    assert probe.ntp(str(provisioning.ntp[0])) == (True, "stratum 2")
    assert probe.tcp(str(site.fabric.switch.address), [22, 443, 80]) == (True, "443")


def test_an_address_that_is_taken_is_named(management: Management, site: Site) -> None:
    with pytest.raises(LabError, match=r"BMC of controller-1: 127\.1\.25\.11:623: Address already in use"):
        Management(site, login).start()
    assert probe.ntp(str(site.networks.provisioning.ntp[0]))[0], "the first ones still answer"
