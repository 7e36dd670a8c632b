"""The REST client over real TLS: requests, every kind of answer, and the texts of its errors."""

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from providers.ufm import Client, errors
from providers.ufm.client import PKEYS, REQUEST_LINE, chunks
from providers.ufm.partition import Member, Partition
from providers.ufm.trust import reason
from tests.providers.conftest import Start
from tests.providers.server import HANG_UP, PASSWORD, Answer, Handler, Request, serving

GUIDS = [f"b8599f0300b0{n:04x}" for n in range(1, 1001)]
LOGIN_PAGE = "<!DOCTYPE html><form action='/dologin'>canary_body</form>"


def always(*answers: Answer) -> Handler:
    """Return a handler that gives the answers in turn, and repeats the last one."""
    turn = iter(answers[:-1])
    return lambda _request: next(turn, answers[-1])


def partition(*guids: str) -> dict[str, object]:
    members = [{"guid": g, "membership": "full", "index0": False} for g in guids]
    return {"guids": members, "ip_over_ib": True, "partition": "api_pkey_0x65"}


# Requests


def test_a_call_uses_basic_authentication_below_ufmrest(start: Start) -> None:
    client, server = start(always(Answer(body={"ufm_release_version": "6.14.5-2"})))
    assert client.version() == "6.14.5-2"
    (request,) = server.requests
    assert (request.verb, request.path) == ("GET", "/ufmRest/app/ufm_version")
    assert request.headers["authorization"].startswith("Basic ")


def test_set_guids_puts_and_add_guids_posts(start: Start) -> None:
    client, server = start(always(Answer(body=partition(*GUIDS[:2]))))
    client.set_guids("0x65", GUIDS[:2], membership="limited", index0=True, ip_over_ib=False)
    client.add_guids("0x65", GUIDS[:2])
    put, get, post, _get = server.requests
    assert (put.verb, put.path, post.verb, post.path) == ("PUT", "/ufmRest" + PKEYS, "POST", "/ufmRest" + PKEYS)
    common = {"pkey": "0x65", "guids": GUIDS[:2]}
    assert put.json == {**common, "membership": "limited", "index0": True, "ip_over_ib": False}
    assert post.json == {**common, "membership": "full", "index0": False}, "ip_over_ib None is not sent"
    assert get.path == f"/ufmRest{PKEYS}/0x65?guids_data=true&qos_conf=true", "every write is read back"


def test_800_members_are_set_with_one_write(start: Start) -> None:
    client, server = start(always(Answer(body=partition(*GUIDS[:800]))))
    after = client.set_guids("0x65", GUIDS[:800])
    assert after
    assert len(after.members) == 800
    assert server.verbs == ["PUT", "GET"]


def test_remove_guids_splits_requests_below_the_limit_of_the_request_line(start: Start) -> None:
    client, server = start(always(Answer()))
    assert client.remove_guids("0x7ffe", GUIDS) is None
    deletes = [r for r in server.requests if r.verb == "DELETE"]
    assert len(deletes) == 3
    assert max(r.line_bytes for r in deletes) <= REQUEST_LINE
    assert [g for r in deletes for g in r.path.rpartition("/")[2].split(",")] == GUIDS


@given(st.lists(st.integers(1, 2**64 - 1).map(lambda n: format(n, "016x")), max_size=1500), st.integers(1, 0x7FFE))
def test_chunks_keep_every_guid_and_fit_the_request_line(guids: list[str], number: int) -> None:
    path = f"{PKEYS}/{number:#x}/guids/"
    parts = list(chunks(path, guids))
    assert ",".join(parts) == ",".join(guids)
    assert all(len(f"DELETE /ufmRest{path}{part} HTTP/1.1\r\n") <= REQUEST_LINE for part in parts)
    assert len(parts) <= len(guids) // 470 + 1


def test_revoke_token_sends_the_token_as_a_multipart_field(start: Start) -> None:
    client, server = start(always(Answer()))
    client.revoke_token("canary_token")
    (request,) = server.requests
    assert request.path == "/ufmRest/app/tokens/revoke"
    assert request.headers["content-type"].startswith("multipart/form-data")
    assert b'name="token"\r\n\r\ncanary_token\r\n' in request.body


def test_a_password_beyond_latin_1_is_sent(start: Start) -> None:
    _, server = start(always(Answer(body={"ufm_release_version": "6"})))
    client = Client("127.0.0.1", "admin", "пароль", port=server.port, ca_file=str(server.ca_file))
    assert client.version() == "6"
    client.close()


# Shapes of answers


@pytest.mark.parametrize("absent", [Answer(body={}), Answer(404, "not found")])
def test_an_unknown_partition_is_returned_as_none(start: Start, absent: Answer) -> None:
    client, _ = start(always(absent))
    assert client.get_pkey("0x65") is None
    assert client.delete_pkey("0x65") is None
    assert client.remove_guids("0x65", GUIDS[:1]) is None


def test_list_pkeys_reads_an_object(start: Start) -> None:
    client, server = start(always(Answer(body={"0x65": partition(GUIDS[0]), "0x7fff": {"partition": "management"}})))
    found = client.list_pkeys()
    assert found["0x65"] == Partition("0x65", {GUIDS[0]: Member("full", False)}, True, "api_pkey_0x65")
    assert found["0x7fff"].name == "management"
    assert server.verbs == ["GET"]


@pytest.mark.parametrize("entries", [["0x0065", "0x66"], [{"pkey": "0x65"}, {"pkey": "0x66"}]])
def test_list_pkeys_reads_a_list(start: Start, entries: list[object]) -> None:
    def answer(request: Request) -> Answer:
        if request.path.startswith(f"/ufmRest{PKEYS}/0x65"):
            return Answer(body=partition(GUIDS[0]))
        return Answer(body={} if "0x66" in request.path else entries)

    client, _ = start(answer)
    assert client.list_pkeys() == {"0x65": Partition("0x65", {GUIDS[0]: Member("full", False)}, True, "api_pkey_0x65")}


def test_inventory_and_tokens_are_returned_as_lists_of_objects(start: Start) -> None:
    client, server = start(always(Answer(body=[{"guid": GUIDS[0]}])))
    assert client.ports("Computer") == client.systems() == client.tokens() == [{"guid": GUIDS[0]}]
    assert [r.path for r in server.requests] == [
        "/ufmRest/resources/ports?sys_type=Computer",
        "/ufmRest/resources/systems",
        "/ufmRest/app/tokens",
    ]


CALLS: list[Callable[[Client], object]] = [
    Client.version,
    Client.list_pkeys,
    lambda c: c.get_pkey("0x65"),
    lambda c: c.set_guids("0x65", GUIDS),
    lambda c: c.add_guids("0x65", GUIDS),
    lambda c: c.remove_guids("0x65", GUIDS),
    lambda c: c.delete_pkey("0x65"),
    Client.ports,
    Client.systems,
    Client.tokens,
    Client.create_token,
    lambda c: c.revoke_token("canary_token"),
    lambda c: c.set_password("canary_password"),
]
READS = [Client.version, Client.list_pkeys, CALLS[2], Client.ports, Client.systems, Client.tokens, Client.create_token]


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("body", ["canary_body", "null", '"canary_body"', "17", '["canary_body"]', '{"error": "busy"}'])
def test_an_answer_that_is_not_ufm_s_json_is_a_shape_error(
    start: Start, call: Callable[[Client], object], body: str
) -> None:
    client, _ = start(always(Answer(body=body)))
    if call is Client.version and body.startswith("{"):
        return  # an object without a release is a valid answer
    with pytest.raises(errors.ShapeError) as caught:
        call(client)
    assert "canary" not in str(caught.value)


# Refusals


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401, "canary_body"), errors.AuthenticationError),
        (Answer(200, LOGIN_PAGE), errors.AuthenticationError),
        (Answer(302, "", location="/ufm_web"), errors.AuthenticationError),
        (Answer(403, "canary_body"), errors.ForbiddenError),
        (Answer(400, "canary_body"), errors.RejectedError),
        (Answer(500, "canary_body"), errors.UnavailableError),
        (Answer(503, "canary_body"), errors.UnavailableError),
    ],
)
def test_every_call_raises_the_error_of_every_refusal(
    start: Start, call: Callable[[Client], object], answer: Answer, error: type[errors.AnswerError]
) -> None:
    client, server = start(always(answer))
    with pytest.raises(error) as caught:
        call(client)
    told = caught.value
    first = server.requests[0]
    assert type(told) is error
    assert told.host == f"127.0.0.1:{server.port}"
    assert told.call.startswith(f"{first.verb} /ufmRest/")
    assert told.status == answer.status
    assert told.pkey == ("0x65" if "0x65" in first.path or b"0x65" in first.body else None)
    text = f"{told} {told!r} {client!r}"
    assert told.host in text
    assert told.call in text
    assert told.remedy in text
    assert "canary" not in text
    assert PASSWORD not in text
    assert GUIDS[0] not in text
    assert len(str(told)) < 500


def test_a_call_that_the_release_lacks_is_reported(start: Start) -> None:
    client, _ = start(always(Answer(404, "canary_body")))
    with pytest.raises(errors.NotFoundError, match=r"GET /ufmRest/app/ufm_version.*404.*release"):
        client.version()


# Retries


@pytest.mark.parametrize("trouble", [HANG_UP, Answer(502), Answer(503), Answer(504)])
@pytest.mark.parametrize("verb", ["GET", "PUT", "POST", "DELETE"])
def test_idempotent_calls_are_retried(start: Start, trouble: Answer, verb: str) -> None:
    client, server = start(always(trouble, trouble, Answer(body=partition(GUIDS[0]))))
    calls = {
        "GET": lambda: client.get_pkey("0x65"),
        "PUT": lambda: client.set_guids("0x65", GUIDS[:1]),
        "POST": lambda: client.add_guids("0x65", GUIDS[:1]),
        "DELETE": lambda: client.remove_guids("0x65", GUIDS[1:2]),
    }
    found = calls[verb]()
    assert found
    assert set(found.members) == {GUIDS[0]}
    assert server.verbs[:3] == [verb] * 3


@pytest.mark.parametrize("trouble", [HANG_UP, Answer(503)])
def test_create_token_is_not_retried(start: Start, trouble: Answer) -> None:
    client, server = start(always(trouble, Answer(body={"access_token": "canary_token"})))
    with pytest.raises(errors.UfmError):
        client.create_token()
    assert server.verbs == ["POST"]


def test_a_lasting_failure_is_raised_after_the_last_try(start: Start) -> None:
    client, server = start(always(HANG_UP))
    with pytest.raises(errors.UnreachableError, match="no connection: "):
        client.version()
    assert len(server.requests) == 3


def test_retries_wait_for_the_configured_pauses(start: Start) -> None:
    _, server = start(always(Answer(503)))
    client = Client("127.0.0.1", "a", "b", port=server.port, ca_file=str(server.ca_file), pauses=(0.05, 0.2))
    began = time.monotonic()
    with pytest.raises(errors.UnavailableError):
        client.version()
    client.close()
    assert len(server.requests) == 3
    assert 0.25 <= time.monotonic() - began < 2


def test_a_silent_ufm_times_out_without_a_retry(start: Start) -> None:
    release = threading.Event()

    def silent(_request: Request) -> Answer:
        release.wait(10)
        return HANG_UP

    client, server = start(silent)
    with pytest.raises(errors.UnreachableError, match="no answer within 1 s"):
        client.set_guids("0x65", GUIDS)
    release.set()
    assert server.verbs == ["PUT"], "no retry: UFM may still process the request"


def test_a_closed_port_is_unreachable(start: Start) -> None:
    client = Client("127.0.0.1", "admin", PASSWORD, port=1, pauses=())
    text = r"UFM 127\.0\.0\.1:1 PKey 0x65 .*no connection: .*refused.*check that UFM runs.*inputs address and port"
    with pytest.raises(errors.UnreachableError, match=text):
        client.get_pkey("0x65")
    client.close()


# Certificates


@pytest.fixture
def stranger(ca: tuple[trustme.CA, Path]) -> Iterator[int]:
    """Yield the port of a server whose certificate another authority signed."""
    with serving(trustme.CA(), ca[1], always(Answer(body={"ufm_release_version": "6"}))) as server:
        yield server.port


def test_a_certificate_of_another_authority_is_not_trusted(ca: tuple[trustme.CA, Path], stranger: int) -> None:
    began = time.monotonic()
    for ca_file in (str(ca[1]), None):  # None: the system's store does not have the authority either
        client = Client("127.0.0.1", "admin", PASSWORD, port=stranger, ca_file=ca_file)
        with pytest.raises(errors.CertificateError, match=r"not trusted: .*input ca_file"):
            client.version()
        client.close()
    assert time.monotonic() - began < 5, "no retry"


def test_the_system_s_certificate_store_is_trusted(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    _, server = start(always(Answer(body={"ufm_release_version": "6"})))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    client = Client("127.0.0.1", "admin", PASSWORD, port=server.port)
    assert client.version() == "6"
    client.close()


def test_a_certificate_for_another_name_is_not_trusted(ca: tuple[trustme.CA, Path]) -> None:
    with serving(*ca, always(Answer()), name="ufm.example") as server:
        client = Client("127.0.0.1", "admin", PASSWORD, port=server.port, ca_file=str(ca[1]))
        with pytest.raises(errors.CertificateError, match="mismatch"):
            client.version()
        client.close()


def test_a_certificate_is_trusted_under_its_own_name(ca: tuple[trustme.CA, Path]) -> None:
    with serving(*ca, always(Answer(body={"ufm_release_version": "6"})), name="ufm.example") as server:
        for name, trusted in (("ufm.example", True), ("other.example", False)):
            client = Client("127.0.0.1", "admin", PASSWORD, port=server.port, ca_file=str(ca[1]), server_name=name)
            assert trusts(client) is trusted
        assert len(server.requests) == 1


def test_the_input_ca_replaces_all_other_authorities(
    ca: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trustme.CA()
    with serving(*ca, always(Answer(body={"ufm_release_version": "6"}))) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(ca[1]))
        for text, trusted in ((ca[1].read_text(), True), (other.cert_pem.bytes().decode(), False)):
            assert trusts(Client("127.0.0.1", "admin", PASSWORD, port=server.port, ca=text)) is trusted
    client = Client("127.0.0.1", "admin", PASSWORD, port=server.port, ca="no certificate", pauses=())
    with pytest.raises(errors.CertificateError, match="the input ca contains no certificate"):
        client.version()
    client.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "ufm.example"])
def test_only_the_pinned_certificate_is_trusted(ca: tuple[trustme.CA, Path], name: str) -> None:
    with serving(trustme.CA(), ca[1], always(Answer(body={"ufm_release_version": "6"})), name=name) as server:
        served = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))
        pin = hashlib.sha256(served).hexdigest()
        for fingerprint, trusted in ((pin, True), ("0" * 64, False)):
            client = Client("127.0.0.1", "admin", PASSWORD, port=server.port, fingerprint=fingerprint)
            assert trusts(client) is trusted
        assert len(server.requests) == 1, "no request is sent to another server"


def trusts(client: Client) -> bool:
    try:
        return client.version() == "6"
    except errors.CertificateError:
        return False
    finally:
        client.close()


def test_no_request_is_sent_to_an_untrusted_server(ca: tuple[trustme.CA, Path]) -> None:
    with serving(trustme.CA(), ca[1], always(Answer())) as server:
        client = Client("127.0.0.1", "admin", PASSWORD, port=server.port, ca_file=str(ca[1]))
        with pytest.raises(errors.CertificateError):
            client.version()
        client.close()
        assert server.requests == []


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_an_unusable_ca_file_is_reported(tmp_path: Path, stranger: int, content: str | None) -> None:
    ca_file = tmp_path / "nowhere.pem"
    if content is not None:
        ca_file.write_text(content)
    client = Client("127.0.0.1", "admin", PASSWORD, port=stranger, ca_file=str(ca_file), pauses=())
    with pytest.raises(errors.CertificateError, match=r"nowhere\.pem"):
        client.version()
    client.close()


def test_proxy_and_ca_variables_of_the_environment_are_ignored(
    start: Start, ca: tuple[trustme.CA, Path], stranger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere")
    client, _ = start(always(Answer(body={"ufm_release_version": "6"})))
    assert client.version() == "6"


def test_an_insecure_client_warns(stranger: int) -> None:
    client = Client("127.0.0.1", "admin", PASSWORD, port=stranger, insecure=True)
    with pytest.warns(Warning, match="Unverified HTTPS request"):
        assert client.version() == "6"
    client.close()


# Threads


def test_threads_can_share_a_client(start: Start) -> None:
    def own(request: Request) -> Answer:
        time.sleep(0.002)
        number = int(request.path.partition("0x")[2].partition("?")[0], 16)
        return Answer(body=partition(GUIDS[number]))

    client, server = start(own)
    wrong: list[object] = []

    def work(first: int) -> None:
        for number in range(first, first + 25):
            found = client.get_pkey(hex(number))
            if found is None or set(found.members) != {GUIDS[number]}:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n * 25 + 1,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(server.requests) == 100


# The tree of errors


def test_the_module_s_docstring_names_every_error() -> None:
    def below(kind: type[errors.UfmError]) -> Iterator[type[errors.UfmError]]:
        for child in kind.__subclasses__():
            if child.__module__ == errors.__name__:
                yield child
                yield from below(child)

    assert errors.__doc__
    for kind in below(errors.UfmError):
        assert kind.__name__ in errors.__doc__
        assert kind.remedy
        assert kind.__doc__


class WrappedError(Exception):
    """An error with its cause in `reason`, as urllib3's errors."""

    def __init__(self, text: str, reason: Exception | None = None) -> None:
        super().__init__(text)
        self.reason = reason


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("[Errno 111]: refused"), "refused"),
        (WrappedError("retries: exceeded", WrappedError("a pool", OSError("reset"))), "reset"),
        (Exception("outer", OSError("inner")), "inner"),
        (WrappedError("outer", Exception("middle", OSError("inner"))), "inner"),
        (WrappedError("alone"), "alone"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_reason_returns_the_innermost_cause(error: Exception, text: str) -> None:
    assert reason(error) == text
