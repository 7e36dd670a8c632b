"""Which failures of OpenStack requests may be over soon."""

import pytest

from rack.outage import passing

POST = 'Error creating openstack_networking_network_v2: Post "http://10.0.0.5:9696/v2.0/networks": '
RETRIES = "OpenStack connection error, retries exhausted. Aborting. Last error was: "
ANSWER = "Expected HTTP response code [201 202] when accessing [POST http://10.0.0.5:9696/v2.0/networks], but got "


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
