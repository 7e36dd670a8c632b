"""The SDK's own server of dynamic providers, as the engine starts it.

It is a process of its own, which gets a pickled class and the stack's configuration and answers over gRPC.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from providers.ufm import AccessToken, AdminPassword, PKey
from providers.ufm.admin import AdminPasswordProvider
from providers.ufm.pkey import PKeyProvider
from providers.ufm.provider import UfmProvider
from providers.ufm.token import AccessTokenProvider
from tests.providers.conftest import LabUfm, configuration
from tests.providers.engine import configured
from tests.providers.server import PASSWORD

ROOT = Path(__file__).parents[2]
GUIDS = [f"b8599f0300b0{n:04x}" for n in range(1, 9)]
PROVIDERS = [PKeyProvider, AccessTokenProvider, AdminPasswordProvider]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_the_state_holds_a_name_and_nothing_else(kind: type[UfmProvider], ufm: LabUfm) -> None:
    blob = serialize_provider(kind())
    assert len(blob) < 200
    assert blob == serialize_provider(kind())
    assert kind.serialize_as_secret_always is False
    assert vars(kind()) == {}
    fresh = subprocess.run([sys.executable, "-c", CODE, kind.__module__, kind.__name__], capture_output=True, cwd=ROOT)
    assert fresh.stdout.decode() == blob, "the same in every process"
    assert PASSWORD not in repr(configured(kind(), configuration(ufm.port, ufm.ca_file)).settings)


CODE = """
import importlib, sys
from pulumi.dynamic.dynamic import serialize_provider
print(serialize_provider(getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()), end="")
"""


def test_the_type_tokens_stay() -> None:
    types = {kind: f"pulumi-python:{kind._resource_type_name}" for kind in (PKey, AccessToken, AdminPassword)}
    assert types == {
        PKey: "pulumi-python:dynamic/ufm:PKey",
        AccessToken: "pulumi-python:dynamic/ufm:AccessToken",
        AdminPassword: "pulumi-python:dynamic/ufm:AdminPassword",
    }


class Remote:
    """One provider behind the server."""

    def __init__(self, stub: Any, kind: type[UfmProvider]) -> None:
        self._stub, self._blob = stub, serialize_provider(kind())

    def _struct(self, props: dict[str, Any]) -> Any:
        return asyncio.run(rpc.serialize_properties({**props, "__provider": self._blob}, {}))

    def check(self, news: dict[str, Any]) -> Any:
        return self._stub.Check(provider_pb2.CheckRequest(olds=self._struct({}), news=self._struct(news)))

    def create(self, news: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        checked = self.check(news)
        assert not checked.failures
        made = self._stub.Create(provider_pb2.CreateRequest(properties=checked.inputs))
        return made.id, rpc.deserialize_properties(made.properties)

    def diff(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> Any:
        news = self.check(news).inputs
        return self._stub.Diff(provider_pb2.DiffRequest(id=id_, olds=self._struct(olds), news=news))

    def read(self, id_: str, olds: dict[str, Any]) -> Any:
        return self._stub.Read(provider_pb2.ReadRequest(id=id_, properties=self._struct(olds)))

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
        news = self.check(news).inputs
        done = self._stub.Update(provider_pb2.UpdateRequest(id=id_, olds=self._struct(olds), news=news))
        outs: dict[str, Any] = rpc.deserialize_properties(done.properties)
        return outs

    def delete(self, id_: str, olds: dict[str, Any]) -> None:
        self._stub.Delete(provider_pb2.DeleteRequest(id=id_, properties=self._struct(olds)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the server wrote: the engine shows it to the user."""
    return tmp_path / "server.log"


@pytest.fixture
def stub(ufm: LabUfm, log: Path) -> Iterator[Any]:
    env = {**os.environ, "PULUMI_PROJECT": "rack"}
    with log.open("wb") as errors:
        server = subprocess.Popen(
            [sys.executable, "-u", "-m", "pulumi.dynamic"], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors
        )
    assert server.stdout
    port = int(server.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        config = {f"rack:{key}": value for key, value in configuration(ufm.port, ufm.ca_file).items()}
        args = asyncio.run(rpc.serialize_properties(config, {}))
        stub.Configure(provider_pb2.ConfigureRequest(args=args))
        yield stub
    server.kill()
    server.wait()
    server.stdout.close()


def test_a_pkeys_life_over_the_wire(stub: Any, ufm: LabUfm) -> None:
    remote = Remote(stub, PKeyProvider)
    inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "ip_over_ib": True}
    id_, outs = remote.create(inputs)
    assert id_ == "0x65" and outs["member_count"] == 1
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


def test_failures_and_unknowns_over_the_wire(stub: Any) -> None:
    remote = Remote(stub, PKeyProvider)
    failed = remote.check({"pkey": "0x0", "members": {"a/ib0": "b"}})
    assert {f.property for f in failed.failures} == {"pkey", 'members["a/ib0"]'}
    unknown = remote.check({"pkey": rpc.UNKNOWN, "members": {"a/ib0": rpc.UNKNOWN}})
    assert not unknown.failures
    assert unknown.inputs["pkey"] == rpc.UNKNOWN and unknown.inputs["members"]["a/ib0"] == rpc.UNKNOWN


def test_credentials_over_the_wire(stub: Any, ufm: LabUfm) -> None:
    admin, token = Remote(stub, AdminPasswordProvider), Remote(stub, AccessTokenProvider)
    assert admin.create({"generation": 1})[1]["version"] == "6.19.3-1"
    id_, outs = token.create({"generation": 1})
    assert outs["token"] not in id_
    assert token.read(id_, outs).id == id_
    token.delete(id_, outs)
    assert token.read(id_, outs).id == ""


def test_many_at_once(stub: Any, ufm: LabUfm) -> None:
    """The server has four threads, one provider and one client."""
    remote = Remote(stub, PKeyProvider)

    def live(number: int) -> None:
        id_, outs = remote.create({"pkey": hex(number), "members": {f"a/{i}": g for i, g in enumerate(GUIDS)}})
        assert remote.read(id_, outs).id == id_
        remote.delete(id_, outs)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(live, range(1, 33)))
    assert set(ufm.client.list_pkeys()) == {"0x7fff"}


def test_an_error_reaches_the_user_in_one_line_without_a_secret(stub: Any, ufm: LabUfm, log: Path) -> None:
    ufm.client.set_guids("0x65", [GUIDS[1]])
    inputs = {"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}}
    with pytest.raises(grpc.RpcError) as caught:
        Remote(stub, PKeyProvider).create(inputs)
    told = caught.value.details()
    assert f"PKey 0x65: it exists and differs: a/ib0: missing, {GUIDS[1]}: not declared; set adopt=True" in told
    ufm.core.set_password("admin", "somebody_elses")
    with pytest.raises(grpc.RpcError) as caught:
        Remote(stub, PKeyProvider).create(inputs)
    assert "401" in caught.value.details()
    shown = caught.value.details() + told + log.read_text()
    assert PASSWORD not in shown


def test_who_loses_a_partition_is_told_the_user(stub: Any, ufm: LabUfm, log: Path) -> None:
    ufm.client.set_guids("0x65", [GUIDS[1]])
    Remote(stub, PKeyProvider).create({"pkey": "0x65", "members": {"a/ib0": GUIDS[0]}, "adopt": True})
    assert f"PKey 0x65: removing members that are not declared: {GUIDS[1]}" in log.read_text()
