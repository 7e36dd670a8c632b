"""The dev stack's rack under Pulumi's mocks: record every resource that the program registers, with its inputs.

The program runs once. Assertions are made on the finished record, because those inside `apply` can get lost
(pulumi #6666).
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, test
from pulumi.runtime.proto import resource_pb2, source_pb2

import components as c
from access.local import ufm_ca
from access.ssh import Operator
from rack.plan import Plan
from rack.site.load import load_stack_file

PROJECT = Path(__file__).resolve().parents[2]

RC = """\
export OS_AUTH_URL=http://127.0.0.1:15000/v3
export OS_USERNAME=admin
export OS_PASSWORD='s3cr3t-admin'
export OS_PROJECT_NAME=admin
"""
UFM_LOG = "waiting for UFM (0 s): its REST API does not answer\n6.14.5-2\n"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICBh"
STACK_ID = "1a2b3c4d"
BANDWIDTH = " 32768      5000             194.32             194.23             0.740946\n"
GUEST_KEY = "GUEST-KEY-CANARY"
SDN_TOKEN = "t0k3n" * 6
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
"""Of UFM; its content is the text ABC."""
AUTHORITY = "-----BEGIN CERTIFICATE-----\n"
SECRETS = {"license": "LICENSE-CANARY", "ipmi": "IPMI-CANARY", "ufm": "UFM-CANARY"}


@dataclass
class Recorded:
    """A resource as the engine would have received it."""

    token: str
    name: str
    inputs: dict[str, Any]
    provider: str
    """URN and ID; empty for the default provider."""


class Monitor(mocks.MockMonitor):
    """Pulumi's mock monitor, extended to record dependencies, protection and options. It has no hooks."""

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        info = super().GetDeploymentInfo(request)  # type: ignore[no-untyped-call]
        info.supportedFeatures.remove(resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS)
        return info

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        recorder: Recorder = self.mocks  # type: ignore[assignment]
        recorder.needs[request.name] = {urn.rpartition("::")[2] for urn in request.dependencies}
        recorder.hidden[request.name] = set(request.additionalSecretOutputs)
        by_input = [urn for found in request.propertyDependencies.values() for urn in found.urns]
        recorder.links[request.name] = [urn.rpartition("::")[2] for urn in (*request.dependencies, *by_input)]
        if request.provider:
            recorder.links[request.name].append(request.provider.rpartition("::")[0].rpartition("::")[2])
        recorder.kept[request.name] = set(request.ignoreChanges)
        recorder.replacing[request.name] = set(request.replaceOnChanges)
        if request.protect:
            recorder.protected.add(request.name)
        if request.customTimeouts.ListFields():
            recorder.limited.add(request.name)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


@dataclass
class Recorder(mocks.Mocks):
    plan: Plan
    resources: dict[str, Recorded] = field(default_factory=dict)
    """By name."""
    needs: dict[str, set[str]] = field(default_factory=dict)
    """Resource → the resources that it depends on directly, all by name."""
    hidden: dict[str, set[str]] = field(default_factory=dict)
    """The outputs that are secret because the program says so, by resource."""
    links: dict[str, list[str]] = field(default_factory=dict)
    """Resource to those that the engine walks to from it: of its dependencies, of each input, and its provider."""
    kept: dict[str, set[str]] = field(default_factory=dict)
    replacing: dict[str, set[str]] = field(default_factory=dict)
    """The properties whose change replaces a resource, besides those that its provider names."""
    """The inputs whose change is ignored, by resource."""
    limited: set[str] = field(default_factory=set)
    """The resources with custom timeouts."""
    protected: set[str] = field(default_factory=set)
    """The protected resources."""
    printed: Mapping[str, str] = field(default_factory=dict)
    """Standard output of steps, by name, in addition to the defaults."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[args.name] = Recorded(args.typ, args.name, args.inputs, args.provider or "")
        return f"{args.name}-id", {**args.inputs, **self._outputs(args)}

    def _outputs(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        if args.typ.startswith("command:"):
            return {"stdout": self._stdout(args.name), "stderr": ""}
        computed: dict[str, dict[str, Any]] = {
            "ufm:index:AdminPassword": {"version": "6.19.1-5", "user": "admin"},
            "ufm:index:AccessToken": {"token": SDN_TOKEN},
            "ufm:index:PKey": {"member_count": len(args.inputs.get("members") or {}), "foreign": []},
            "openstack:networking/port:Port": {
                "allFixedIps": ["11.11.11.186"],
                "macAddress": "fa:16:3e:aa:bb:cc",
            },
            "openstack:compute/instance:Instance": {"powerState": "active"},
            "openstack:compute/keypair:Keypair": {"privateKey": GUEST_KEY},
        }
        return computed.get(args.typ, {})

    def _stdout(self, name: str) -> str:
        if "-host-key-" in name and name not in self.printed:
            host = self.plan.host(name.partition("-host-key-")[2])
            return f"[{host.address}]:{self.plan.site.ssh.node_port} {HOST_KEY}\n"
        return {
            "owner-id": STACK_ID,
            "ufm-install": UFM_LOG,
            "ufm-certificate": f"waiting for UFM (0 s): its REST API does not answer\n{CERTIFICATE}",
            "overcloud-credentials": RC,
            "bandwidth-ib-write-bw": BANDWIDTH,
            **self.printed,
        }.get(name, "")

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(f"the program calls no function, found {args.token}")

    def below(self, name: str) -> set[str]:
        """Return all direct and indirect dependencies of a resource, including providers."""
        found: set[str] = set()
        ahead = {name}
        while ahead:
            ahead = set().union(*map(self._directly, ahead)) - found
            found |= ahead
        return found

    def _directly(self, name: str) -> set[str]:
        provider = self.resources[name].provider if name in self.resources else ""
        return self.needs.get(name, set()) | ({provider.split("::")[-2]} if provider else set())

    def of(self, token: str) -> dict[str, Recorded]:
        """Return the resources of a type, by name."""
        return {name: r for name, r in self.resources.items() if r.token == token}


class RecordedLoops(asyncio.DefaultEventLoopPolicy):
    """Remember every event loop: Pulumi's mocks create one per worker thread and close none."""

    def __init__(self) -> None:
        super().__init__()
        self.loops: list[asyncio.AbstractEventLoop] = []

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        self.loops.append(loop := super().new_event_loop())
        return loop

    def set_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Set the first loop instead of None, which `asyncio.run` sets at its end."""
        super().set_event_loop(loop or self.loops[0])


@pytest.fixture(scope="session", autouse=True)
def no_stack_traces() -> Iterator[None]:
    """Leave out the source lines that Pulumi sends with each resource: a fifth of the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.runtime.resource, "_get_stack_trace", source_pb2.StackTrace)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_callbacks() -> Iterator[None]:
    """Register no hook: Pulumi's mocks have no server that would call it."""

    def register(_: Any) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_event_loop().create_future()
        done.set_result(None)
        return done

    with pytest.MonkeyPatch.context() as patch:
        for name in ("register_resource_hook", "register_error_hook"):
            patch.setattr(pulumi.resource_hooks, name, register)
        yield


@pytest.fixture(scope="session", autouse=True)
def loops() -> Iterator[None]:
    asyncio.set_event_loop_policy(policy := RecordedLoops())
    asyncio.set_event_loop(asyncio.new_event_loop())
    yield
    for loop in policy.loops:
        loop.close()
    asyncio.set_event_loop_policy(None)


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Return the dev stack's plan, with a certificate authority that exists without the lab."""
    site = load_stack_file(PROJECT / "Pulumi.dev.yaml")
    authority = tmp_path_factory.mktemp("ufm") / "ca.pem"
    authority.write_text(AUTHORITY)
    ufm = site.ufm.model_copy(update={"ca_file": authority})
    return Plan(site.model_copy(update={"ufm": ufm}), ufm_ca=ufm_ca(ufm))


def operator(plan: Plan) -> Operator:
    port = plan.site.ssh.port
    known = "".join(f"[{a}]:{port} {HOST_KEY}\n" for a in (plan.site.ufm.address, plan.site.undercloud.address))
    return Operator(plan.site.ssh, pulumi.Output.secret("PRIVATE KEY"), known)


def ownership(plan: Plan, operator: Operator) -> c.Ownership:
    """Return the marks of a stack."""
    return c.Ownership(plan, operator, c.Owner("owner"), None)


def record(
    plan: Plan, program: Callable[[Operator], Any], printed: Mapping[str, str] = MappingProxyType({})
) -> Recorder:
    """Runs `program` under the mocks and waits for every output, those inside apply among them."""
    recorder = Recorder(plan, printed=printed)
    mocks.set_mocks(recorder, preview=False, monitor=Monitor(recorder))
    test(lambda: program(operator(plan)))()  # type: ignore[no-untyped-call]  # pulumi's decorator has no types
    return recorder


def deploy(plan: Plan, operator: Operator) -> dict[str, Any]:
    """Register the same components as `__main__.py`, with the stack's secrets."""
    pulumi.runtime.set_all_config({"rack:ufmPassword": SECRETS["ufm"]}, ["rack:ufmPassword"])
    password = pulumi.Config("rack").require_secret("ufmPassword")
    marks = ownership(plan, operator)
    ufm = c.UfmHost("ufm", plan, operator, marks, pulumi.Output.secret(SECRETS["license"]), password)
    at_ufm = pulumi.ResourceOptions(providers=[ufm.api])
    undercloud = c.Undercloud("undercloud", plan, operator, marks.claims, pulumi.Output.secret(SECRETS["ipmi"]))
    introspection = c.Introspection("introspection", plan, undercloud, ufm.token, ufm.ca)
    fabric = c.Fabric("fabric", plan, introspection, at_ufm)
    gate = c.Gate("gate", plan, undercloud, introspection, fabric, ufm.token)
    overcloud = c.Overcloud("overcloud", plan, operator, undercloud, introspection, gate, ufm.token)
    firmware = c.Firmware("firmware", plan, undercloud, overcloud)
    images = c.GuestImages("images", plan, undercloud, overcloud, operator, marks.owner, marks.claims)
    tenant = c.Tenant("tenant", plan, overcloud, images, firmware, marks.owner, at_ufm)
    assert plan.site.external_access
    assert plan.site.bandwidth
    external = c.ExternalAccess("external", plan.site.external_access, overcloud, tenant, marks.owner)
    bandwidth = c.Bandwidth("bandwidth", plan.site.bandwidth, plan, overcloud, firmware, tenant, external)
    c.Protection("protection", plan.site.protect, [marks.guard(ufm.api, [bandwidth, images])])
    return {
        "fabric": fabric,
        "tenant": tenant,
        "external": external,
        "bandwidth": bandwidth,
        "undercloud": undercloud,
        "overcloud": overcloud,
    }


@pytest.fixture(scope="session")
def rack(plan: Plan) -> Recorder:
    """Return the deployed dev stack. Tests must not change it."""
    return record(plan, lambda operator: deploy(plan, operator) and None)
