"""The resource classes: the registration that a program's arguments result in."""

from typing import Any, NamedTuple

import pulumi
import pytest

from providers import ufm


class Registered(NamedTuple):
    type: str
    name: str
    inputs: dict[str, Any]
    opts: pulumi.ResourceOptions


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[Registered]:
    """Yield the list of registered resources. Secrets appear as ("secret", value)."""
    resources: list[Registered] = []

    def register(_self: object, type_: str, name: str, props: dict[str, Any], opts: Any) -> None:
        resources.append(Registered(type_, name, props, opts))

    monkeypatch.setattr(pulumi.CustomResource, "__init__", register)
    monkeypatch.setattr(pulumi.ProviderResource, "__init__", register)
    monkeypatch.setattr(pulumi.Output, "secret", lambda value: ("secret", value))
    return resources


PROTECTED = pulumi.ResourceOptions(protect=True)


def aliases(resource: Registered) -> list[object]:
    assert resource.opts.aliases
    return [alias.type_ for alias in resource.opts.aliases if isinstance(alias, pulumi.Alias)]


def test_a_provider_with_defaults(registered: list[Registered]) -> None:
    ufm.Provider("api", address="ufm.example", password="canary_1")
    assert registered == [
        Registered(
            "ufm",
            "api",
            {
                "address": "ufm.example",
                "port": 443,
                "user": "admin",
                "password": ("secret", "canary_1"),
                "caFile": None,
                "insecure": False,
                "previousPassword": None,
            },
            None,  # type: ignore[arg-type]
        )
    ]


def test_a_provider_with_all_inputs(registered: list[Registered]) -> None:
    ufm.Provider(
        "api",
        address="ufm.example",
        password="canary_1",
        port=8443,
        user="pulumi",
        ca_file="ca.pem",
        insecure=True,
        previous_password="canary_2",
        opts=PROTECTED,
    )
    (provider,) = registered
    assert provider.inputs == {
        "address": "ufm.example",
        "port": 8443,
        "user": "pulumi",
        "password": ("secret", "canary_1"),
        "caFile": "ca.pem",
        "insecure": True,
        "previousPassword": ("secret", "canary_2"),
    }
    assert provider.opts is PROTECTED


def test_a_pkey_with_defaults(registered: list[Registered]) -> None:
    ufm.PKey("storage", pkey="0xb", members={"a/1": "b8599f0300b00011"}, opts=PROTECTED)
    (pkey,) = registered
    assert pkey.type == "ufm:index:PKey"
    assert pkey.name == "storage"
    assert pkey.inputs == {
        "pkey": "0xb",
        "members": {"a/1": "b8599f0300b00011"},
        "membership": "full",
        "index0": False,
        "ip_over_ib": True,
        "ownership": "authoritative",
        "adopt": False,
        "qos": None,
        "partition_name": None,
        "member_count": None,
        "foreign": None,
        "partition": None,
    }
    assert pkey.opts.protect is True
    assert aliases(pkey) == ["pulumi-python:dynamic/ufm:PKey"]


def test_a_pkey_with_all_inputs(registered: list[Registered]) -> None:
    inputs: dict[str, Any] = {
        "pkey": "0xb",
        "members": {},
        "membership": "limited",
        "index0": True,
        "ip_over_ib": False,
        "ownership": "additive",
        "adopt": True,
        "qos": {"mtu_limit": 4},
        "partition_name": "storage",
    }
    ufm.PKey("storage", **inputs)
    outputs = {"member_count": None, "foreign": None, "partition": None}
    assert registered[0].inputs == {**inputs, **outputs}


def test_a_gate(registered: list[Registered]) -> None:
    members = {"vm/1": "b8599f0300b00011"}
    ufm.PKeyGate("vms", pkey="0xb", members=members, opts=PROTECTED)
    ufm.PKeyGate("soon", pkey="0xb", members=members, timeout=5)
    gate, soon = registered
    assert gate.type == "ufm:index:PKeyGate"
    assert gate.inputs == {"pkey": "0xb", "members": members, "timeout": 600, "member_count": None}
    assert soon.inputs["timeout"] == 5
    assert gate.opts.protect is True
    assert aliases(gate) == ["pulumi-python:dynamic/ufm:PKeyGate"]


def test_a_token_is_a_secret_output(registered: list[Registered]) -> None:
    ufm.AccessToken("neutron", generation=2, opts=PROTECTED)
    (token,) = registered
    assert token.type == "ufm:index:AccessToken"
    assert token.inputs == {"generation": 2, "token": None}
    assert token.opts.additional_secret_outputs == ["token"]
    assert token.opts.protect is True
    assert aliases(token) == ["pulumi-python:dynamic/ufm:AccessToken"]


def test_a_password(registered: list[Registered]) -> None:
    ufm.AdminPassword("admin", opts=PROTECTED)
    ufm.AdminPassword("second", generation=2)
    admin, second = registered
    assert admin.type == "ufm:index:AdminPassword"
    assert admin.inputs == {"generation": 1, "user": None, "version": None}
    assert second.inputs["generation"] == 2
    assert admin.opts.protect is True
    assert aliases(admin) == ["pulumi-python:dynamic/ufm:AdminPassword"]


class Result:
    """A known output."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def apply(self, function: Any) -> Any:
        return function(self.value)


def test_find_members_calls_the_function(registered: list[Registered], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, object, pulumi.InvokeOutputOptions]] = []

    def invoke_output(token: str, arguments: object, options: pulumi.InvokeOutputOptions) -> Result:
        calls.append((token, arguments, options))
        return Result({"members": {"a/1": "b8599f0300b00011"}})

    monkeypatch.setattr(pulumi.runtime, "invoke_output", invoke_output)
    api = ufm.Provider("api", address="ufm.example", password="canary_1")
    admin = ufm.AdminPassword("admin")
    found: object = ufm.find_members(["a"], provider=api, depends_on=[admin])
    assert found == {"a/1": "b8599f0300b00011"}
    ((token, arguments, options),) = calls
    assert token == "ufm:index:findMembers"
    assert arguments == {"hosts": ["a"]}
    assert options.provider is api
    assert options.depends_on == [admin]
