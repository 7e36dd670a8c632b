"""The life cycles of access token and admin password, and the places that must not contain their secrets."""

import json
import logging
import time
from typing import Any

import pytest
import requests

from providers.ufm import Client, UfmError, errors
from providers.ufm.admin import AdminPasswordHandler
from providers.ufm.handler import ResourceHandler
from providers.ufm.login import Login
from providers.ufm.provider import DEFAULT_PASSWORD, Settings
from providers.ufm.token import REQUESTED, AccessTokenHandler
from providers.ufm.trust import Trust
from tests.providers.conftest import LabUfm, Start, configuration
from tests.providers.engine import CheckFailedError, Lifecycle
from tests.providers.server import PASSWORD, Answer


def lifecycle_of(kind: type[ResourceHandler], ufm: LabUfm, **config: Any) -> Lifecycle:
    return Lifecycle(kind, configuration(ufm.port, ufm.ca_file, **config))


@pytest.fixture
def token(ufm: LabUfm) -> Lifecycle:
    return lifecycle_of(AccessTokenHandler, ufm)


def accepted(ufm: LabUfm, password: str) -> bool:
    client = Client("127.0.0.1", "admin", password, port=ufm.port, ca_file=str(ufm.ca_file))
    try:
        client.version()
    except errors.AuthenticationError:
        return False
    finally:
        client.close()
    return True


def valid(ufm: LabUfm) -> set[str]:
    return {t["access_token"] for t in ufm.client.tokens()}


# AccessToken


def test_a_token_is_created_kept_and_revoked(token: Lifecycle, ufm: LabUfm) -> None:
    assert token.up(generation=1) == "create"
    assert valid(ufm) == {token.outputs["token"]}
    assert token.up(generation=1) == "same"
    token.refresh()
    assert token.up(generation=1) == "same"
    token.destroy()
    assert valid(ufm) == set()


def test_the_inputs_of_a_create_have_the_time_of_the_request(token: Lifecycle) -> None:
    """The engine keeps them in the pending operation; UFM gives a token no name by which it could be found."""
    begin = int(time.time())
    token.up(generation=1)
    first = token.inputs[REQUESTED]
    assert begin <= first <= time.time()
    assert token.up(generation=1) == "same"
    assert token.inputs[REQUESTED] == first
    assert REQUESTED not in token.outputs


def test_a_token_of_an_earlier_version_gets_no_time(token: Lifecycle) -> None:
    token.up(generation=1)
    del token.inputs[REQUESTED]
    assert token.up(generation=1) == "same"
    assert REQUESTED not in token.inputs


def test_ufm_s_clock_is_read_from_its_answers(ufm: LabUfm) -> None:
    clock = ufm.client.clock()
    assert clock is not None
    assert abs(clock - time.time()) < 60


def test_ufm_accepts_the_token_in_neutron_s_header(token: Lifecycle, ufm: LabUfm) -> None:
    token.up(generation=1)
    url = f"https://127.0.0.1:{ufm.port}/ufmRestV3/app/ufm_version"
    headers = {"Authorization": f"Basic {token.outputs['token']}"}
    answer = requests.get(url, headers=headers, verify=str(ufm.ca_file), timeout=5)
    assert answer.status_code == 200


def test_a_new_generation_is_created_before_the_old_token_is_revoked(token: Lifecycle, ufm: LabUfm) -> None:
    token.up(generation=1)
    first = token.outputs["token"]
    assert ufm.calls
    assert token.up(generation=2) == "create, delete"
    assert ufm.calls == ["POST /app/tokens", "POST /app/tokens/revoke"]
    assert valid(ufm) == {token.outputs["token"]}
    assert token.outputs["token"] != first


def test_a_refresh_removes_a_token_that_was_revoked_elsewhere(token: Lifecycle, ufm: LabUfm) -> None:
    token.up(generation=1)
    ufm.client.revoke_token(token.outputs["token"])
    assert token.refresh() == {}
    assert token.id == ""
    assert token.up(generation=1) == "create"


def test_a_refresh_removes_a_token_that_is_listed_as_revoked(start: Start) -> None:
    listed = {"access_token": "canary_token", "revoked": False}
    _, server = start(lambda _request: Answer(body=[listed]))
    life = Lifecycle(AccessTokenHandler, configuration(server.port, server.ca_file))
    life.id, life.outputs = "admin@1", {"generation": 1, "token": "canary_token"}
    assert life.refresh() == {"generation": 1}
    listed["revoked"] = True
    assert life.refresh() == {}
    assert life.id == ""


def test_delete_succeeds_for_a_token_that_is_already_revoked(token: Lifecycle, ufm: LabUfm) -> None:
    token.up(generation=1)
    ufm.client.revoke_token(token.outputs["token"])
    token.destroy()


@pytest.mark.parametrize("generation", [0, -1, 1.5, "2", True, None])
@pytest.mark.parametrize("kind", [AccessTokenHandler, AdminPasswordHandler])
def test_a_generation_must_be_a_positive_integer(ufm: LabUfm, kind: type[ResourceHandler], generation: object) -> None:
    life = lifecycle_of(kind, ufm)
    if generation is None:
        assert life.checked(generation=None)["generation"] == 1
        return
    with pytest.raises(CheckFailedError) as caught:
        life.checked(generation=generation)
    assert set(caught.value.failures) == {"generation"}


# AdminPassword


@pytest.fixture
def fresh(ufm: LabUfm) -> LabUfm:
    """Return UFM with the default password, as after its installation."""
    ufm.core.accounts.set_password("admin", DEFAULT_PASSWORD)
    return ufm


def test_create_replaces_the_default_password(fresh: LabUfm) -> None:
    life = lifecycle_of(AdminPasswordHandler, fresh)
    life.up(generation=1)
    assert accepted(fresh, PASSWORD)
    assert not accepted(fresh, DEFAULT_PASSWORD)
    assert life.outputs == {"generation": 1, "user": "admin", "version": "6.19.3-1"}
    assert life.id == "admin"
    life.refresh()
    assert life.up(generation=1) == "same"


def test_a_password_that_is_already_set_is_adopted_without_a_write(ufm: LabUfm) -> None:
    life = lifecycle_of(AdminPasswordHandler, ufm)
    life.up(generation=1)
    assert not [call for call in ufm.calls if call.startswith("PUT")]


def test_an_unknown_password_is_an_error_with_advice(ufm: LabUfm) -> None:
    ufm.core.accounts.set_password("admin", "somebody_elses")
    life = lifecycle_of(AdminPasswordHandler, ufm)
    text = "user 'admin' is refused with the provider's password, UFM's default; .*previous_password"
    with pytest.raises(errors.AuthenticationError, match=text):
        life.up(generation=1)


def test_a_new_password_needs_the_previous_one(ufm: LabUfm) -> None:
    lifecycle_of(AdminPasswordHandler, ufm).up(generation=1)
    new = {"password": "canary_second"}
    life = lifecycle_of(AdminPasswordHandler, ufm, **new)
    life.id, life.inputs = "admin", {"generation": 1}
    life.outputs = {"generation": 1, "user": "admin", "version": "6"}
    with pytest.raises(errors.AuthenticationError, match="or set previous_password to the password that UFM acc"):
        life.up(generation=2)
    assert accepted(ufm, PASSWORD)
    life.configure(configuration(ufm.port, ufm.ca_file, **new, previousPassword=PASSWORD))
    assert life.up(generation=2) == "update"
    assert accepted(ufm, "canary_second")
    assert not accepted(ufm, PASSWORD)
    assert life.outputs["generation"] == 2
    assert life.outputs["version"] == "6.19.3-1"


def test_a_refresh_before_the_change_uses_the_previous_password(ufm: LabUfm) -> None:
    life = lifecycle_of(AdminPasswordHandler, ufm)
    life.up(generation=1)
    config = configuration(ufm.port, ufm.ca_file, password="canary_second", previousPassword=PASSWORD)
    life.configure(config)
    life.refresh()
    assert life.up(generation=2) == "update"
    assert accepted(ufm, "canary_second")


def test_a_refresh_removes_the_password_of_a_reinstalled_ufm(ufm: LabUfm) -> None:
    life = lifecycle_of(AdminPasswordHandler, ufm)
    life.up(generation=1)
    ufm.core.accounts.set_password("admin", DEFAULT_PASSWORD)
    assert life.refresh() == {}
    assert life.id == ""
    assert life.up(generation=1) == "create"
    assert accepted(ufm, PASSWORD)


def test_a_refresh_with_an_unknown_password_is_an_error(ufm: LabUfm) -> None:
    life = lifecycle_of(AdminPasswordHandler, ufm)
    life.up(generation=1)
    ufm.core.accounts.set_password("admin", "somebody_elses")
    with pytest.raises(errors.AuthenticationError):
        life.refresh()


def test_delete_keeps_the_password(ufm: LabUfm) -> None:
    life = lifecycle_of(AdminPasswordHandler, ufm)
    life.up(generation=1)
    assert ufm.calls
    life.destroy()
    assert ufm.calls == []
    assert accepted(ufm, PASSWORD)
    assert not accepted(ufm, DEFAULT_PASSWORD)


@pytest.mark.parametrize("password", ["abc", "with space", "ümlaut_pw", "a" * 31, "semi;colon"])
def test_check_refuses_a_password_that_ufm_would_refuse(ufm: LabUfm, password: str) -> None:
    life = lifecycle_of(AdminPasswordHandler, ufm, password=password)
    with pytest.raises(CheckFailedError) as caught:
        life.checked(generation=1)
    text = str(caught.value)
    assert "4 to 30 letters, digits or _" in text
    assert password not in text
    assert ufm.calls == []


# configure


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"address": None}, "the provider's input address is missing"),
        ({"address": ""}, "the provider's input address is missing"),
        ({"port": "x"}, "input port is 'x'"),
        ({"port": 0}, "input port is 0"),
        ({"port": 443.5}, "input port is 443.5"),
        ({"fingerprint": "12:34"}, "input fingerprint is '12:34'"),
        ({"password": None}, "input password is missing; set it to a new password, as a Pulumi secret"),
        ({"password": ""}, "input password is missing; set it to a new password, as a Pulumi secret"),
        ({"password": DEFAULT_PASSWORD}, "input password is UFM's default.*; set it to a new password"),
    ],
)
def test_missing_and_invalid_provider_inputs_are_reported(ufm: LabUfm, change: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=named) as caught:
        Settings.of({**configuration(ufm.port, ufm.ca_file), **change})
    assert PASSWORD not in str(caught.value)


def test_settings_have_defaults() -> None:
    settings = Settings.of({"address": "10.0.0.1", "password": PASSWORD})
    assert settings == Settings("10.0.0.1", 443, Login("admin", PASSWORD), Trust(), previous_password=None)
    assert settings.client().host == "10.0.0.1"


@pytest.mark.parametrize(("port", "valid"), [(1, True), (65535, True), (65536, False), (True, False)])
def test_a_port_is_a_number_from_1_to_65535(port: int, valid: bool) -> None:
    inputs = {"address": "10.0.0.1", "password": PASSWORD, "port": port}
    if valid:
        assert Settings.of(inputs).port == port
    else:
        with pytest.raises(errors.ConfigurationError, match=f"input port is {port}; set it to a number from 1"):
            Settings.of(inputs)


@pytest.mark.parametrize(
    ("value", "insecure"), [(True, True), (False, False), (None, False), (1, False), ("true", False), ("false", False)]
)
def test_only_true_disables_verification(value: object, insecure: bool) -> None:
    """The engine hands over strings and numbers as the program wrote them."""
    settings = Settings.of({"address": "10.0.0.1", "password": PASSWORD, "insecure": value})
    assert settings.trust.insecure is insecure


# Secrets


def test_secrets_are_in_no_output_no_error_and_no_log(
    fresh: LabUfm, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = lifecycle_of(AdminPasswordHandler, fresh, previousPassword="canary_previous")
    admin.up(generation=1)
    token = lifecycle_of(AccessTokenHandler, fresh)
    token.up(generation=1)
    secret = token.outputs["token"]
    seen = [repr(life.handler.settings) + repr(life.handler.client) for life in (admin, token)]
    seen += [json.dumps([admin.id, admin.inputs, admin.outputs, token.id, token.inputs])]
    seen += [json.dumps({key: value for key, value in token.outputs.items() if key != "token"})]
    fresh.core.accounts.set_password("admin", "somebody_elses")
    for step in (admin.refresh, token.refresh, token.destroy, lambda: token.up(generation=2)):
        with pytest.raises(UfmError) as caught:
            step()
        seen += [str(caught.value), repr(caught.value), json.dumps(vars(caught.value))]
    text = "".join(seen) + caplog.text + "".join(capfd.readouterr())
    for canary in (PASSWORD, "canary_previous", secret, "somebody_elses"):
        assert canary not in text


def test_a_refresh_keeps_the_token_of_an_unreachable_ufm(ufm: LabUfm) -> None:
    token = Lifecycle(AccessTokenHandler, configuration(1, ufm.ca_file), pauses=())
    token.id, token.outputs = "admin@1", {"generation": 1, "token": "canary_token"}
    with pytest.raises(errors.UnreachableError, match=r"127\.0\.0\.1:1 \(GET /ufmRest/app/tokens\).*systemctl status"):
        token.refresh()
    assert token.id
