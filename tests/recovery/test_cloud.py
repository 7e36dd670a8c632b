"""The login to the cloud, from the inputs of the stack's OpenStack provider."""

from typing import Any

import pytest

from cloud.client import CloudError, Login
from recovery.cloud import PROVIDER, api_of, login_of
from recovery.state import Resource
from tests.recovery.build import resource, secret, state

INPUTS = {
    "authUrl": "http://127.0.0.1:1/v3",
    "userName": secret("admin"),
    "password": secret("s3cr3t"),
    "tenantName": "admin",
    "region": secret("regionTwo"),
}


def login(**more: Any) -> Login:
    return login_of(Resource(resource(PROVIDER, "overcloud-admin", inputs={**INPUTS, **more})))


def test_the_login_uses_the_provider_s_inputs() -> None:
    assert login() == Login("http://127.0.0.1:1/v3", "admin", "s3cr3t", "admin", "Default", "Default", "regionTwo")


def test_the_login_verifies_certificates_as_the_provider_does() -> None:
    found = login(cacertFile="/etc/ca.pem", insecure="true")
    assert (found.ca_file, found.insecure) == ("/etc/ca.pem", True)


def test_a_state_without_the_provider_has_no_cloud() -> None:
    assert api_of(state()) is None


def test_a_cloud_that_does_not_answer_is_an_error() -> None:
    api = api_of(state(resource(PROVIDER, "overcloud-admin", inputs=INPUTS)))
    assert api
    problem = r"POST 127.0.0.1:1/v3/auth/tokens: keystone does not answer \(Connection refused\)"
    with pytest.raises(CloudError, match=problem) as failure:
        api.log_in()
    assert "s3cr3t" not in str(failure.value)
