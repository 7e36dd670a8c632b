"""The provider with each way to identify itself to UFM."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from lab.ufm.faults import Rule
from providers.ufm import Client, errors
from providers.ufm.admin import AdminPasswordHandler, refusal
from providers.ufm.login import Login
from providers.ufm.pkey import PKeyHandler
from providers.ufm.provider import Settings
from tests.providers.conftest import LabUfm, Start, configuration, serving_lab_ufm
from tests.providers.engine import CheckFailedError, Lifecycle
from tests.providers.server import HANG_UP, PASSWORD, Answer, Request

A = "b8599f0300b00011"
LOGGED_IN = Answer(status=302, location="/ufm_web", cookie="session=s; Path=/")
PKEY = "/resources/pkeys/0x65"
SAN = "pulumi.example.net"
TOKEN = "t0ken_canary_1"


@pytest.fixture(scope="module")
def clients() -> trustme.CA:
    """Return the authority of client certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(clients: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("client") / "client.pem"
    clients.issue_cert(SAN).private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


@pytest.fixture(scope="module")
def strict(
    tmp_path_factory: pytest.TempPathFactory, ca: tuple[trustme.CA, Path], clients: trustme.CA
) -> Iterator[LabUfm]:
    """Serve a UFM that takes client certificates under /ufmRest, and no passwords."""
    with serving_lab_ufm(tmp_path_factory.mktemp("strict"), ca, clients) as ufm:
        ufm.core.accounts.set_client_sans({SAN: "admin"})
        yield ufm


def inputs(ufm: LabUfm, method: str) -> dict[str, Any]:
    """Return the provider's inputs for one of the methods."""
    base = configuration(ufm.port, ufm.ca_file)
    if method == "token":
        return {**base, "password": None, "token": ufm.client.create_token()["access_token"]}
    return {**base, "session": True} if method == "session" else base


@pytest.mark.parametrize("method", ["password", "token", "session"])
def test_each_login_manages_a_partition(ufm: LabUfm, method: str) -> None:
    life = Lifecycle(PKeyHandler, inputs(ufm, method))
    assert life.up(pkey="0x65", members={"host/ib0": A}) == "create"
    assert life.refresh()["members"] == {"host/ib0": A}
    life.destroy()
    assert ufm.core.table.partitions == {}


def test_a_client_certificate_manages_a_partition(strict: LabUfm, certificate: Path) -> None:
    config = {**configuration(strict.port, strict.ca_file), "password": None, "certFile": str(certificate)}
    life = Lifecycle(PKeyHandler, config)
    assert life.up(pkey="0x65", members={"host/ib0": A}) == "create"
    life.destroy()
    assert strict.core.table.partitions == {}


def test_a_ufm_with_client_certificates_refuses_a_password(strict: LabUfm, certificate: Path) -> None:
    with pytest.raises(errors.AuthenticationError, match="the answer to user 'admin' is status 401"):
        strict.client.version()


def test_a_certificate_without_a_user_is_named(strict: LabUfm, clients: trustme.CA, tmp_path: Path) -> None:
    clients.issue_cert("other.example.net").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "other.pem"))
    config = {**configuration(strict.port, strict.ca_file), "password": None, "certFile": str(tmp_path / "other.pem")}
    assert f"the answer to the client certificate {tmp_path}/other.pem is status 401" in refusal(Settings.of(config))


def test_key_and_certificate_may_be_two_files(strict: LabUfm, clients: trustme.CA, tmp_path: Path) -> None:
    issued = clients.issue_cert(SAN)
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    files = {"certFile": str(tmp_path / "client.pem"), "keyFile": str(tmp_path / "key.pem")}
    settings = Settings.of({**configuration(strict.port, strict.ca_file), "password": None, **files})
    with closing(settings.client()) as client:
        assert client.version()


def test_a_lost_session_is_opened_again(ufm: LabUfm) -> None:
    with closing(Settings.of(inputs(ufm, "session")).client()) as client:
        client.add_guids("0x65", [A])
        ufm.restart()
        assert ufm.calls[0] == "POST /dologin"
        assert client.get_pkey("0x65") is not None
        assert ufm.calls == [f"GET V2{PKEY}", "POST /dologin", f"GET V2{PKEY}"]
        client.get_pkey("0x65")
        assert ufm.calls == [f"GET V2{PKEY}"], "the second session is kept"


def test_a_connection_that_breaks_after_a_lost_session_is_retried(start: Start) -> None:
    answers = iter(
        [LOGGED_IN, Answer(status=401), LOGGED_IN, HANG_UP, Answer(body={"ufm_release_version": "6.19.3-1"})]
    )
    _, server = start(lambda _request: next(answers))
    settings: dict[str, Any] = {"ca_file": str(server.ca_file), "port": server.port, "session": True, "pauses": (0,)}
    with closing(Client("127.0.0.1", "admin", PASSWORD, **settings)) as client:
        assert client.version() == "6.19.3-1"


@pytest.mark.parametrize("page", [Answer(status=302, location="/ufm_web"), Answer(body="<html>login</html>")])
def test_a_session_that_ufm_keeps_refusing_is_an_error(start: Start, page: Answer) -> None:
    def answer(request: Request) -> Answer:
        return page

    _, server = start(answer)
    client = Client("127.0.0.1", "admin", PASSWORD, port=server.port, ca_file=str(server.ca_file), session=True)
    with (
        closing(client),
        pytest.raises(errors.AuthenticationError, match=r"\(POST /dologin\): user 'admin' is refused"),
    ):
        client.version()


def test_a_wrong_password_opens_no_session(ufm: LabUfm) -> None:
    config = {**inputs(ufm, "session"), "password": "wrong_canary_2"}
    with (
        closing(Settings.of(config).client()) as client,
        pytest.raises(errors.AuthenticationError, match="user 'admin' is refused") as caught,
    ):
        client.version()
    assert "canary" not in str(caught.value)


def test_a_call_in_a_session_is_repeated_while_ufm_starts(ufm: LabUfm) -> None:
    ufm.faults.set([Rule(status=503, count=2, method="GET")])
    with closing(Settings.of(inputs(ufm, "session")).client(pauses=(0, 0, 0))) as client:
        assert client.version()


def test_a_revoked_token_is_named_and_not_shown(ufm: LabUfm) -> None:
    settings = Settings.of({**configuration(ufm.port, ufm.ca_file), "password": None, "token": TOKEN})
    with closing(settings.client()) as client, pytest.raises(errors.AuthenticationError) as caught:
        client.version()
    assert "(GET /ufmRestV3/app/ufm_version): the answer to the access token is status 401" in str(caught.value)
    for text in (str(caught.value), repr(settings), repr(client)):
        assert TOKEN not in text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"password": None}, "the provider's input password is missing; set it to a new password"),
        ({"token": "a"}, "the provider has the inputs password and token; set one of them"),
        ({"certFile": "c.pem"}, "the provider has the inputs password and cert_file; set one of them"),
        ({"password": None, "token": 17}, "the provider's input token is no text"),
        (
            {"password": None, "token": "a", "session": True},
            "the provider has the inputs session and token; remove session",
        ),
        (
            {"password": None, "certFile": "absent.pem"},
            "cert_file, absent.pem, cannot be used with its key: No such file",
        ),
    ],
)
def test_the_inputs_name_one_login(changes: dict[str, Any], problem: str) -> None:
    given = {"address": "ufm", "password": PASSWORD, **changes}
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.of({key: value for key, value in given.items() if value is not None})
    assert problem in str(caught.value)


def test_an_encrypted_key_is_refused_without_a_question(clients: trustme.CA, tmp_path: Path) -> None:
    issued = clients.issue_cert(SAN)
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (tmp_path / "client.pem").write_bytes(issued.cert_chain_pems[0].bytes() + sealed)
    with pytest.raises(errors.ConfigurationError, match="a certificate and of its key without a passphrase"):
        Settings.of({"address": "ufm", "certFile": str(tmp_path / "client.pem")})


def test_the_admin_password_needs_a_password(ufm: LabUfm) -> None:
    life = Lifecycle(AdminPasswordHandler, inputs(ufm, "token"))
    with pytest.raises(CheckFailedError) as caught:
        life.checked(generation=1)
    assert caught.value.failures == {
        "generation": "the provider has no input password; set it, or remove this resource"
    }


def test_a_login_shows_no_secret() -> None:
    assert repr(Login("admin", PASSWORD)) == "Login(user='admin', cert_file=None, key_file=None, session=False)"
