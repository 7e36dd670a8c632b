"""The servers of the management network, at the addresses of the dev stack."""

from collections.abc import Iterator

import pytest

from lab.hosts.management import Management
from lab.inventory import inventory_plan
from lab.process import LabError
from onhost import probe
from tests.lab.hosts.conftest import MARKS, STACK

pytestmark = MARKS

SITE = inventory_plan(STACK).site


def login(node: str) -> tuple[str, str]:
    return "admin", f"of {node}"


@pytest.fixture
def management() -> Iterator[Management]:
    servers = Management(SITE, login)
    servers.start()
    yield servers
    servers.stop()


def test_every_machine_has_a_bmc_with_its_own_password(management: Management) -> None:
    for node in SITE.nodes:
        assert probe.bmc(str(node.ipmi.address), "admin", f"of {node.name}")[0]
        assert not probe.bmc(str(node.ipmi.address), "admin", "of another")[0]


def test_the_sites_servers_and_the_switch_answer(management: Management) -> None:
    provisioning = SITE.networks.provisioning
    assert probe.dns(str(provisioning.dns[0]), "localhost")[0]
    assert probe.ntp(str(provisioning.ntp[0])) == (True, "stratum 2")
    assert probe.tcp(str(SITE.fabric.switch.address), [22, 443, 80]) == (True, "443")


def test_an_address_that_is_taken_is_named(management: Management) -> None:
    with pytest.raises(LabError, match=r"BMC of controller-1: 127\.0\.25\.11:623: Address already in use"):
        Management(SITE, login).start()
    assert probe.ntp(str(SITE.networks.provisioning.ntp[0]))[0], "the first ones still answer"
