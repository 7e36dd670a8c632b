"""Which failures of OpenStack requests may be over soon, and how to find what a failed create has left."""

import pytest

from rack.outage import at, passing, search
from rack.owner import Mark

POST = 'Error creating openstack_networking_network_v2: Post "http://10.0.0.5:9696/v2.0/networks": '
RETRIES = "OpenStack connection error, retries exhausted. Aborting. Last error was: "
ANSWER = "Expected HTTP response code [201 202] when accessing [POST http://10.0.0.5:9696/v2.0/networks], but got "
MARK = str(Mark("0a1b2c3d", "tenant-network"))


@pytest.mark.parametrize(
    "error",
    [
        POST + RETRIES + "dial tcp 10.0.0.5:9696: connect: connection refused",
        POST + RETRIES + "read tcp 10.0.0.9:40722->10.0.0.5:9696: read: connection reset by peer",
        POST + RETRIES + "dial tcp 10.0.0.5:9696: i/o timeout",
        POST + RETRIES + "EOF",
        ANSWER + "503 instead: <html><body><h1>503 Service Unavailable</h1>",
        ANSWER + '500 instead: {"computeFault": {"code": 500, "message": "Unexpected API Error."}}',
    ],
)
def test_no_answer_and_a_failing_service_may_be_an_outage(error: str) -> None:
    assert passing(error)


@pytest.mark.parametrize(
    "error",
    [
        ANSWER + '409 instead: {"NeutronError": {"message": "Unable to create the network. The VLAN 503 is in use."}}',
        ANSWER + '400 instead: {"NeutronError": {"message": "Invalid input for cidr."}}',
        ANSWER + "401 instead: The request you have made requires authentication.",
        POST + RETRIES + "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        POST + RETRIES + "dial tcp: lookup overcloud.example: no such host",
    ],
)
def test_a_refusal_and_a_wrong_configuration_are_no_outage(error: str) -> None:
    assert not passing(error)


@pytest.mark.parametrize(
    "kind", ["network:Network", "subnet:Subnet", "port:Port", "router:Router", "floatingIp:FloatingIp"]
)
def test_neutron_objects_are_found_by_their_mark(kind: str) -> None:
    found = search(f"networking/{kind}", {"name": "n", "description": MARK})
    assert found
    assert found.query == {"description": MARK}
    assert found.path == f"/v2.0/{found.items}"
    assert search(f"networking/{kind}", {"name": "n", "description": "of another program"}) is None


def test_servers_and_images_are_found_by_their_mark() -> None:
    server = search("compute/instance:Instance", {"name": "vm1", "metadata": {"rack_owner": MARK}})
    image = search("images/image:Image", {"name": "centos", "properties": {"rack_owner": MARK}})
    assert server
    assert image
    assert server.matches({"id": "1", "metadata": {"rack_owner": MARK}})
    assert not server.matches({"id": "2", "metadata": {}})
    assert image.matches({"id": "1", "rack_owner": MARK})
    assert not image.matches({"id": "2", "rack_owner": "rack 00000000 tenant-network"})
    assert search("compute/instance:Instance", {"name": "vm1"}) is None
    assert search("images/image:Image", {"name": "centos"}) is None


def test_flavors_and_key_pairs_are_found_by_their_unique_names() -> None:
    flavor = search("compute/flavor:Flavor", {"name": "m1.gpu"})
    key = search("compute/keypair:Keypair", {"name": "gpu"})
    assert flavor
    assert key
    assert flavor.matches({"name": "m1.gpu"})
    assert not flavor.matches({"name": "m1.gpu2"})
    assert key.matches({"keypair": {"name": "gpu"}})
    assert at({"keypair": {"name": "gpu"}}, key.id) == "gpu"


def test_a_router_interface_is_a_port_of_the_router_on_the_subnet() -> None:
    found = search("networking/routerInterface:RouterInterface", {"routerId": "r", "subnetId": "s"})
    assert found
    assert found.query == {"device_id": "r", "fixed_ips": "subnet_id=s"}


def test_other_types_cannot_be_found() -> None:
    assert search("networking/secGroup:SecGroup", {"name": "s"}) is None
