"""The OpenStack plugin serves every resource of the PyPI package, with every property, under the same names."""

from __future__ import annotations

import functools
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from engine import build

pytestmark = pytest.mark.engine

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # Pulumi's encoding of an unknown value, valid for any type
NOWHERE = "127.0.0.1:1"
UNKNOWN_KEY = "Invalid or unknown key"

USED = {
    "openstack:compute/flavor:Flavor",
    "openstack:compute/instance:Instance",
    "openstack:compute/keypair:Keypair",
    "openstack:images/image:Image",
    "openstack:networking/floatingIp:FloatingIp",
    "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
    "openstack:networking/network:Network",
    "openstack:networking/port:Port",
    "openstack:networking/router:Router",
    "openstack:networking/routerInterface:RouterInterface",
    "openstack:networking/subnet:Subnet",
}


@functools.cache
def sources() -> list[str]:
    spec = importlib.util.find_spec("pulumi_openstack")  # not imported, because an import takes seconds
    assert spec is not None
    assert spec.origin is not None
    return [file.read_text() for file in sorted(Path(spec.origin).parent.rglob("*.py"))]


@functools.cache
def resources() -> dict[str, list[str]]:
    """Return the input properties by type token, without deprecated resources."""
    found = {}
    for text in sources():
        token = re.search(r"super\(\w+, __self__\).__init__\(\s+'(openstack:[^']+)'", text)
        inputs = re.search(r"\nclass \w+Args:\n(.*?)\n@pulumi.input_type\nclass _", text, re.DOTALL)
        if token and inputs and "has been deprecated in favor of" not in text:
            getters = re.findall(r'@pulumi\.getter(?:\(name="(\w+)"\))?\s+def (\w+)\(', inputs[1])
            found[token[1]] = [renamed or name for renamed, name in getters]
    return found


def functions() -> list[str]:
    return sorted(
        {
            token
            for text in sources()
            if "has been deprecated in favor of" not in text
            for token in re.findall(r"invoke\('(openstack:[^']+)'", text)
        }
    )


@pytest.fixture(scope="module")
def provider(engine: dict[str, str]) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    program = next(program for program in build.PROGRAMS if program.plugin == "openstack")
    # The argument is the engine's address, which the plugin uses for its log only.
    with subprocess.Popen(
        [build.product_of(program, Path(engine["PULUMI_HOME"])), NOWHERE], stdout=subprocess.PIPE, text=True
    ) as plugin:
        assert plugin.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{plugin.stdout.readline().strip()}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            # A cloud that does not exist: enough to check inputs; a call to it fails.
            credentials = struct(
                authUrl=f"http://{NOWHERE}/v3", userName="u", userDomainName="d", password="p", tenantName="t"
            )
            stub.Configure(provider_pb2.ConfigureRequest(args=credentials))
            yield stub
        plugin.kill()


def check(provider: provider_pb2_grpc.ResourceProviderStub, token: str, *properties: str) -> provider_pb2.CheckResponse:
    news = struct(**dict.fromkeys(properties, UNKNOWN))
    urn = f"urn:pulumi:dev::proof::{token}::name"
    response: provider_pb2.CheckResponse = provider.Check(
        provider_pb2.CheckRequest(urn=urn, olds=Struct(), news=news, randomSeed=bytes(32))
    )
    return response


def invoke(provider: provider_pb2_grpc.ResourceProviderStub, token: str) -> tuple[str, bool]:
    """Call a function without arguments; return the error's text ("" if none) and whether inputs were rejected."""
    try:
        response = provider.Invoke(provider_pb2.InvokeRequest(tok=token, args=Struct()))
    except grpc.RpcError as error:
        return str(error.details()), False
    return "", bool(response.failures)


def struct(**fields: str) -> Struct:
    message = Struct()
    message.update(fields)
    return message


def test_resources_of_the_rack_are_in_the_package() -> None:
    assert set(resources()) >= USED


@pytest.mark.parametrize("token", resources())
def test_resource_accepts_every_property_of_the_package(
    provider: provider_pb2_grpc.ResourceProviderStub, token: str
) -> None:
    properties = resources()[token]
    reasons = [failure.reason for failure in check(provider, token, *properties).failures]
    assert not [reason for reason in reasons if UNKNOWN_KEY in reason]
    # The same check with an unknown property proves that the line above can fail.
    reasons = [failure.reason for failure in check(provider, token, *properties, "noSuchProperty").failures]
    assert [reason for reason in reasons if UNKNOWN_KEY in reason and "noSuchProperty" in reason]


@pytest.mark.parametrize("token", functions())
def test_function_is_served(provider: provider_pb2_grpc.ResourceProviderStub, token: str) -> None:
    error, failures = invoke(provider, token)
    # Either the cloud was called, or arguments are missing.
    assert NOWHERE in error if error else failures


def test_unknown_tokens_are_rejected(provider: provider_pb2_grpc.ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError, match="unrecognized"):
        provider.Invoke(provider_pb2.InvokeRequest(tok="openstack:compute/getNothing:getNothing", args=Struct()))
    with pytest.raises(grpc.RpcError, match="unrecognized"):
        check(provider, "openstack:compute/nothing:Nothing")


def test_default_names_are_those_of_upstream(provider: provider_pb2_grpc.ResourceProviderStub) -> None:
    name = check(provider, "openstack:networking/network:Network").inputs["name"]
    assert re.fullmatch(r"name-[0-9a-f]{7}", name)
