"""Small states and objects of the cloud."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cloud.kinds import BY_TYPE, CloudObject
from recovery.state import SECRET, State

STACK_ID = "1a2b3c4d"
FLAVOR = "openstack:compute/flavor:Flavor"
NETWORK = "openstack:networking/network:Network"
PORT = "openstack:networking/port:Port"
ROUTER = "openstack:networking/router:Router"
INTERFACE = "openstack:networking/routerInterface:RouterInterface"
FLOATING = "openstack:networking/floatingIp:FloatingIp"
ASSOCIATION = "openstack:networking/floatingIpAssociate:FloatingIpAssociate"
IMAGE = "openstack:images/image:Image"
SERVER = "openstack:compute/instance:Instance"
KEYPAIR = "openstack:compute/keypair:Keypair"
TOKEN = "ufm:index:AccessToken"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's mark of an unknown text."""


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:dev::rack::rack:tenant:Tenant${type_}::{name}"


def resource(type_: str, name: str, id_: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"urn": urn(type_, name), "type": type_, "custom": True, "inputs": {}, **more}
    return {**found, "id": id_} if id_ else found


def secret(value: Any) -> dict[str, str]:
    return {SECRET: "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}


OWNER = resource("command:local:Command", "owner-id", "owner-id1", outputs={"stdout": STACK_ID})


def mark(name: str, stack_id: str = STACK_ID) -> str:
    return f"rack {stack_id} {name}"


def creating(type_: str, name: str, /, **inputs: Any) -> dict[str, Any]:
    """Return a create that was interrupted; its inputs have the mark of a network unless they have another."""
    given = inputs or {"name": name, "description": mark(name)}
    return {"type": "creating", "resource": resource(type_, name, inputs=given)}


def state(*resources: Mapping[str, Any], operations: Sequence[Mapping[str, Any]] = ()) -> State:
    deployment = {"resources": [OWNER, *resources], "pending_operations": list(operations)}
    return State({"version": 3, "deployment": deployment})


def found(type_: str, id_: str, name: str = "", stack_id: str = STACK_ID, /, **raw: Any) -> CloudObject:
    """Return an object of the cloud with the mark of the resource `name`, if it is given."""
    text = mark(name, stack_id) if name else ""
    places: dict[str, dict[str, Any]] = {IMAGE: {"rack_owner": text}, SERVER: {"metadata": {"rack_owner": text}}}
    return CloudObject(BY_TYPE[type_], {"id": id_, **places.get(type_, {"description": text}), **raw})
