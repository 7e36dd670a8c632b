"""The plugin over gRPC, in this process and as a separate process."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from lab.ufm.faults import Rule
from providers.ufm import inventory
from providers.ufm.plugin import CALLS, HANDLERS, Plugin, props, struct
from providers.ufm.provider import DEFAULT_PASSWORD
from tests.providers.conftest import LabUfm, configuration
from tests.providers.server import PASSWORD

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "providers/ufm/pulumi-resource-ufm"
GUIDS = [f"b8599f0300b0{n:04x}" for n in range(1, 9)]


def test_the_type_tokens_do_not_change() -> None:
    """Every stack's state contains the type tokens."""
    assert set(HANDLERS) == {
        f"ufm:index:{kind}"
        for kind in ("PKey", "PKeyGate", "PKeyOwner", "PKeyOwnerGuard", "AccessToken", "AdminPassword")
    }


class Engine(engine_pb2_grpc.EngineServicer):
    """An engine that records messages to the user: resource name and text."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.requests: list[engine_pb2.LogRequest] = []
        self.spoken = threading.Event()

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        self.messages.append((request.urn.rpartition("::")[2], request.message))
        self.spoken.set()
        return Empty()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file with the plugin's standard error."""
    return tmp_path / "plugin.log"


@pytest.fixture
def address(engine: Engine) -> Iterator[str]:
    """Return the engine's address."""
    server = grpc.server(ThreadPoolExecutor(2))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


@pytest.fixture
def stub(address: str) -> Iterator[Any]:
    """Yield a stub of the plugin in this process, without Configure."""
    with grpc.insecure_channel(address) as to_engine:
        plugin = Plugin(engine_pb2_grpc.EngineStub(to_engine))
        server = grpc.server(ThreadPoolExecutor(CALLS))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
        server.stop(0).wait()
        if plugin.session:
            plugin.session.close()


@pytest.fixture
def process(address: str, log: Path) -> Iterator[Any]:
    """Yield a stub of the plugin process, without Configure. Its working directory is another one."""
    with log.open("wb") as errors:
        # The engine's own options go before its address.
        plugin = subprocess.Popen(
            [PLUGIN, "-v=3", address], cwd="/", stdout=subprocess.PIPE, stderr=errors, env=ENVIRONMENT
        )
    assert plugin.stdout
    with grpc.insecure_channel(f"127.0.0.1:{int(plugin.stdout.readline())}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    plugin.kill()
    plugin.wait()
    plugin.stdout.close()


ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


class Remote:
    """One type of resource behind the plugin."""

    def __init__(self, stub: Any, kind: str, ufm: LabUfm) -> None:
        self._stub, self._urn = stub, f"urn:pulumi:test::rack::rack:fabric:Fabric$ufm:index:{kind}::name"
        stub.Configure(provider_pb2.ConfigureRequest(args=struct(configuration(ufm.port, ufm.ca_file))))

    def check(self, news: dict[str, Any]) -> Any:
        return self._stub.Check(provider_pb2.CheckRequest(urn=self._urn, news=struct(news)))

    def create(self, news: dict[str, Any], *, preview: bool = False) -> tuple[str, dict[str, Any]]:
        checked = self.check(news)
        assert not checked.failures
        request = provider_pb2.CreateRequest(urn=self._urn, properties=checked.inputs, preview=preview)
        made = self._stub.Create(request)
        return made.id, rpc.deserialize_properties(made.properties)

    def diff(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> Any:
        news = self.check(news).inputs
        return self._stub.Diff(provider_pb2.DiffRequest(urn=self._urn, id=id_, olds=struct(olds), news=news))

    def read(self, id_: str, olds: dict[str, Any]) -> Any:
        return self._stub.Read(provider_pb2.ReadRequest(urn=self._urn, id=id_, properties=struct(olds)))

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any], *, preview: bool = False) -> dict[str, Any]:
        news = self.check(news).inputs
        request = provider_pb2.UpdateRequest(urn=self._urn, id=id_, olds=struct(olds), news=news, preview=preview)
        outs: dict[str, Any] = rpc.deserialize_properties(self._stub.Update(request).properties)
        return outs

    def delete(self, id_: str, olds: dict[str, Any]) -> None:
        self._stub.Delete(provider_pb2.DeleteRequest(urn=self._urn, id=id_, properties=struct(olds)))


def test_a_pkey_s_life_cycle_over_grpc(process: Any, ufm: LabUfm) -> None:
    remote = Remote(process, "PKey", ufm)
    inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "ip_over_ib": True}
    id_, outs = remote.create(inputs)
    assert id_ == "0x65"
    assert outs["member_count"] == 1
    assert remote.diff(id_, outs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    ufm.client.add_guids("0x65", [GUIDS[1]])
    read = remote.read(id_, outs)
    assert rpc.deserialize_properties(read.inputs)["members"] == {"a/ib0": GUIDS[0], f"foreign/{GUIDS[1]}": GUIDS[1]}
    outs = rpc.deserialize_properties(read.properties)
    assert remote.diff(id_, outs, inputs).changes == provider_pb2.DiffResponse.DIFF_SOME
    outs = remote.update(id_, outs, inputs)
    assert outs["members"] == {"a/ib0": GUIDS[0]}
    assert list(remote.diff(id_, outs, {**inputs, "pkey": "0x66"}).replaces) == ["pkey"]
    remote.delete(id_, outs)
    assert remote.read(id_, outs).id == ""
    assert ufm.client.get_pkey("0x65") is None


def test_failures_and_unknowns_over_grpc(stub: Any, ufm: LabUfm) -> None:
    remote = Remote(stub, "PKey", ufm)
    failed = remote.check({"pkey": "0x0", "members": {"a/ib0": "b"}})
    assert {f.property for f in failed.failures} == {"pkey", 'members["a/ib0"]'}
    unknown = remote.check({"pkey": rpc.UNKNOWN, "members": {"a/ib0": rpc.UNKNOWN}})
    assert not unknown.failures
    assert unknown.inputs["pkey"] == rpc.UNKNOWN
    assert unknown.inputs["members"]["a/ib0"] == rpc.UNKNOWN


def test_credentials_over_grpc(stub: Any, ufm: LabUfm) -> None:
    admin, token = Remote(stub, "AdminPassword", ufm), Remote(stub, "AccessToken", ufm)
    assert admin.create({"generation": 1})[1]["version"] == "6.19.3-1"
    id_, outs = token.create({"generation": 1})
    assert outs["token"] not in id_
    assert token.read(id_, outs).id == id_
    token.delete(id_, outs)
    assert token.read(id_, outs).id == ""


def test_concurrent_calls_share_one_client(process: Any, ufm: LabUfm) -> None:
    """The plugin has eight threads and one client."""
    remote = Remote(process, "PKey", ufm)

    def live(number: int) -> None:
        id_, outs = remote.create({"pkey": hex(number), "members": {f"a/{i}": g for i, g in enumerate(GUIDS)}})
        assert remote.read(id_, outs).id == id_
        remote.delete(id_, outs)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(live, range(1, 33)))
    assert set(ufm.client.list_pkeys()) == {"0x7fff"}


def test_an_error_reaches_the_user_in_one_line_without_a_secret(process: Any, ufm: LabUfm, log: Path) -> None:
    ufm.client.set_guids("0x65", [GUIDS[1]])
    inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}}
    with pytest.raises(grpc.RpcError) as caught:
        Remote(process, "PKey", ufm).create(inputs)
    told = caught.value.details()
    assert f"PKey 0x65: it exists and differs: a/ib0: missing, {GUIDS[1]}: not declared; set adopt=True" in told
    ufm.core.accounts.set_password("admin", "somebody_elses")
    with pytest.raises(grpc.RpcError) as caught:
        Remote(process, "PKey", ufm).create(inputs)
    assert "401" in caught.value.details()
    shown = caught.value.details() + told + log.read_text()
    assert PASSWORD not in shown


def test_a_defect_is_reported_with_its_exception_type(stub: Any, ufm: LabUfm) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        Remote(stub, "Nothing", ufm).check({})
    assert caught.value.details() == "UFM provider: KeyError in Check: 'ufm:index:Nothing'"


def test_a_removal_of_foreign_members_is_a_warning_at_the_resource(stub: Any, ufm: LabUfm, engine: Engine) -> None:
    ufm.client.set_guids("0x65", [GUIDS[1]])
    Remote(stub, "PKey", ufm).create({"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "adopt": True})
    assert engine.messages == [("name", f"PKey 0x65: removing members that are not declared: {GUIDS[1]}")]
    (request,) = engine.requests
    assert (request.severity, request.ephemeral) == (engine_pb2.WARNING, False)
    ufm.client.delete_pkey("0x65")
    Remote(stub, "PKey", ufm).create({"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}})
    Remote(stub, "PKey", ufm).create({"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}}, preview=True)
    assert (engine.requests[1].severity, engine.requests[1].ephemeral) == (engine_pb2.INFO, False)


def test_a_preview_writes_nothing(stub: Any, ufm: LabUfm) -> None:
    remote = Remote(stub, "PKey", ufm)
    inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}}
    id_, outs = remote.create(inputs, preview=True)
    assert id_ == ""
    assert outs["members"] == inputs["members"]
    id_, outs = remote.create(inputs)
    ufm.calls  # noqa: B018
    changed = remote.update(id_, outs, {**inputs, "membership": "limited"}, preview=True)
    assert changed["membership"] == "limited"
    assert ufm.calls == []


def test_check_config_reports_a_wrong_provider_input(stub: Any) -> None:
    request = provider_pb2.CheckRequest(news=struct({"address": "127.0.0.1", "password": "123456"}))
    failures = stub.CheckConfig(request).failures
    assert len(failures) == 1
    assert "input password is UFM's default" in failures[0].reason
    request = provider_pb2.CheckRequest(news=struct({"address": "127.0.0.1", "password": rpc.UNKNOWN}))
    assert not stub.CheckConfig(request).failures


@pytest.mark.parametrize(
    ("at_ufm", "inputs", "refused"),
    [
        (PASSWORD, {}, False),
        (DEFAULT_PASSWORD, {}, False),  # a new UFM: AdminPassword changes it
        ("former_pw", {"previousPassword": "former_pw"}, False),
        ("somebody_elses", {}, True),
        ("somebody_elses", {"previousPassword": "former_pw"}, True),
        ("somebody_elses", {"port": 1}, False),  # nothing answers there
    ],
)
def test_check_config_reports_a_login_that_ufm_refuses(
    stub: Any, ufm: LabUfm, at_ufm: str, inputs: dict[str, Any], refused: bool
) -> None:
    ufm.core.accounts.set_password("admin", at_ufm)
    news = struct({**configuration(ufm.port, ufm.ca_file), **inputs})
    reasons = [failure.reason for failure in stub.CheckConfig(provider_pb2.CheckRequest(news=news)).failures]
    assert len(reasons) == refused
    if refused:
        assert "user 'admin' is refused with the provider's password, " in reasons[0]
        assert "; correct the provider's input password, or set previous_password" in reasons[0]
        assert PASSWORD not in reasons[0]
        assert "former_pw" not in reasons[0]


def test_check_config_does_not_wait_for_a_restarting_ufm(stub: Any, ufm: LabUfm) -> None:
    ufm.faults.set([Rule(status=503)])
    news = struct(configuration(ufm.port, ufm.ca_file))
    assert not stub.CheckConfig(provider_pb2.CheckRequest(news=news)).failures
    assert len(ufm.calls) == 1, "one attempt"


@pytest.mark.parametrize("kind", ["AccessToken", "PKeyGate"])
def test_a_type_without_import_reports_it(stub: Any, ufm: LabUfm, kind: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        Remote(stub, kind, ufm).read("x", {})
    text = f"ufm:index:{kind} cannot be imported: it has no ID at UFM; create it with `pulumi up`"
    assert text in caught.value.details()


def test_a_waiting_gate_reports_progress_and_is_cancelled(process: Any, ufm: LabUfm, engine: Engine) -> None:
    gate = Remote(process, "PKeyGate", ufm)
    with ThreadPoolExecutor(1) as pool:
        inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "timeout": 600}
        waiting = pool.submit(gate.create, inputs)
        assert engine.spoken.wait(30)
        process.Cancel(Empty())
        error = waiting.exception(timeout=30)
    assert isinstance(error, grpc.RpcError)
    assert "cancelled while waiting for members; run pulumi again" in error.details()
    assert engine.messages[0] == ("name", "PKey 0x65: waiting for 1 of 1 members, 0 of 600 s")
    assert (engine.requests[0].severity, engine.requests[0].ephemeral) == (engine_pb2.INFO, True)


def test_a_cancel_ends_the_waits_of_this_process(stub: Any, ufm: LabUfm) -> None:
    stub.Cancel(Empty())  # before Configure, when nothing waits
    gate = Remote(stub, "PKeyGate", ufm)
    stub.Cancel(Empty())
    with pytest.raises(grpc.RpcError) as caught:
        gate.create({"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "timeout": 600})
    assert "cancelled while waiting for members" in caught.value.details()
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_a_call_before_configure_is_an_error(stub: Any) -> None:
    urn = "urn:pulumi:test::rack::ufm:index:PKey::name"
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(provider_pb2.CheckRequest(urn=urn, news=struct({})))
    assert "the provider has not been configured" in caught.value.details()


def test_the_plugin_reports_its_version_and_its_abilities(stub: Any, ufm: LabUfm) -> None:
    assert stub.GetPluginInfo(Empty()).version == "0.1.0"
    answer = stub.Configure(provider_pb2.ConfigureRequest(args=struct(configuration(ufm.port, ufm.ca_file))))
    assert answer.supportsPreview
    assert not answer.acceptSecrets


def test_a_life_cycle_in_this_process(stub: Any, ufm: LabUfm) -> None:
    remote = Remote(stub, "PKey", ufm)
    inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "index0": True}
    id_, outs = remote.create(inputs)
    assert remote.diff(id_, outs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    diff = remote.diff(id_, outs, {**inputs, "pkey": "0x66"})
    assert diff.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(diff.replaces) == ["pkey"]
    assert diff.deleteBeforeReplace
    outs = remote.update(id_, outs, {**inputs, "membership": "limited"})
    assert outs["membership"] == "limited"
    imported = remote.read(id_, {})
    assert imported.id == id_
    assert rpc.deserialize_properties(imported.inputs)["members"] == {f"unknown/{GUIDS[0]}": GUIDS[0]}
    assert rpc.deserialize_properties(imported.properties)["member_count"] == 1
    remote.delete(id_, outs)
    assert remote.read(id_, outs).id == ""


def test_find_members_over_grpc(stub: Any, ufm: LabUfm) -> None:
    ufm.fabric.add("node-1", GUIDS[0])
    Remote(stub, "PKey", ufm)
    answer = stub.Invoke(provider_pb2.InvokeRequest(tok=inventory.FUNCTION, args=struct({"hosts": ["node-1"]})))
    assert rpc.deserialize_properties(getattr(answer, "return")) == {"members": {"node-1/1": GUIDS[0]}}


def test_secrets_reach_the_handler_in_plain_text() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "canary"}
    assert props(struct({"password": secret, "none": None})) == {"password": "canary"}


def test_an_unknown_function_is_an_error(stub: Any, ufm: LabUfm) -> None:
    Remote(stub, "PKey", ufm)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Invoke(provider_pb2.InvokeRequest(tok="ufm:index:getAll", args=struct({})))
    assert f"no function ufm:index:getAll; call {inventory.FUNCTION}" in caught.value.details()


def test_process_ends_with_its_engine(ufm: LabUfm, log: Path) -> None:
    """A killed engine sends no signal to its providers (issue 11, C3). A wait at UFM does not keep the process."""
    engine = grpc.server(ThreadPoolExecutor(2))
    messages = Engine()
    engine_pb2_grpc.add_EngineServicer_to_server(messages, engine)
    address = f"127.0.0.1:{engine.add_insecure_port('127.0.0.1:0')}"
    engine.start()
    with log.open("wb") as errors:
        plugin = subprocess.Popen([PLUGIN, address], stdout=subprocess.PIPE, stderr=errors, env=ENVIRONMENT)
    assert plugin.stdout
    with (
        plugin,
        ThreadPoolExecutor(1) as pool,
        grpc.insecure_channel(f"127.0.0.1:{int(plugin.stdout.readline())}") as channel,
    ):
        gate = Remote(provider_pb2_grpc.ResourceProviderStub(channel), "PKeyGate", ufm)
        inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "timeout": 600}
        waiting = pool.submit(gate.create, inputs)
        assert messages.spoken.wait(30)
        assert plugin.poll() is None
        engine.stop(0).wait()
        try:
            assert plugin.wait(30) == 0
        finally:
            plugin.kill()
        assert isinstance(waiting.exception(timeout=30), grpc.RpcError)
    assert "Traceback" not in log.read_text()
