"""The types of objects that the program creates in the cloud: where they are listed, how they are recognised.

The order is that of deletion: what uses an object precedes it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cloud.client import CloudApi
from rack.owner import KEY, Mark, parse

Json = Mapping[str, Any]
ROUTER_INTERFACES = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)
"""`device_owner` of a router's port in a subnet, for each kind of router."""


@dataclass(frozen=True)
class CloudObject:
    """An object of the cloud."""

    kind: "ObjectKind"
    raw: Json

    @property
    def id(self) -> str:
        """Return the ID by which the provider knows it."""
        return str(self.raw[self.kind.id])

    @property
    def mark(self) -> Mark | None:
        """Return its owner mark."""
        return parse(at(self.raw, self.kind.mark)) if self.kind.marked else None

    @property
    def status(self) -> str:
        """Return its status in lower case: active, queued, error."""
        return str(self.raw.get("status") or "").lower()

    @property
    def created(self) -> str:
        """Return when it was created, as the cloud writes it; texts of one service compare like times."""
        return str(self.raw.get("created_at") or self.raw.get("created") or "")

    def __str__(self) -> str:
        name = self.raw.get("name") or self.raw.get("floating_ip_address") or ""
        label = f" {name}" if name and name != self.id else ""
        return f"{self.kind.word}{label} ({self.id})"


def at(item: Json, path: str) -> Any:
    """Return the value at a path of keys, which are joined by dots; None if there is none."""
    found: Any = item
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _same_interface(inputs: Json, raw: Json) -> bool:
    subnets = {ip.get("subnet_id") for ip in raw.get("fixed_ips") or ()}
    return raw.get("device_id") == inputs.get("routerId") and inputs.get("subnetId") in subnets


def _same_association(inputs: Json, raw: Json) -> bool:
    return raw.get("floating_ip_address") == inputs.get("floatingIp") and raw.get("port_id") == inputs.get("portId")


def _same_name(inputs: Json, raw: Json) -> bool:
    return bool(inputs.get("name")) and raw.get("name") == inputs.get("name")


@dataclass(frozen=True)
class ObjectKind:
    """A type of objects."""

    type: str
    """Pulumi's type token."""
    word: str
    """What an operator calls it."""
    service: str
    path: str
    """Of the collection."""
    mark: str = "description"
    """Path of the owner mark in an object of the API; empty for a type without a mark."""
    mark_input: str = "description"
    """Path of the owner mark in the inputs of a resource."""
    matches: Callable[[Json, Json], bool] | None = None
    """Tells whether the inputs of a create would have created this object, where the API allows only one such."""
    filters: Callable[[Json], Mapping[str, str]] = lambda _: {}
    """Returns the API's filters for what a create with certain inputs makes."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Filters of each list."""
    id: str = "id"
    """Key of the ID by which the provider knows an object."""
    listed: Callable[[Json], bool] = lambda _: True
    """Tells whether an object of the collection is one of this type."""
    removal: Callable[[Json], tuple[str, Json]] | None = None
    """Returns path and body of the PUT that removes an object, where it is not DELETE of the object's path."""
    lingers: bool = False
    """Whether an object exists for a while after its deletion, and what it uses cannot be deleted before."""
    repeatable: bool = False
    """Whether a create sets a value of an existing object, so that a repetition has no second effect."""
    unwrap: str = ""
    """The key under which the collection wraps each object."""

    @property
    def marked(self) -> bool:
        """Return whether objects of this type carry a mark."""
        return bool(self.mark)

    def objects(self, api: CloudApi, filters: Mapping[str, str] | None = None) -> list[CloudObject]:
        """Return all objects of this type that the API's filters select."""
        query = {**self.query, **(filters or {})}
        raw = api.objects(self.service, f"{self.path}?{urlencode(query)}" if query else self.path)
        unwrapped: Iterator[Json] = (each[self.unwrap] if self.unwrap else each for each in raw)
        return [CloudObject(self, each) for each in unwrapped if self.listed(each)]

    def delete(self, api: CloudApi, found: CloudObject, *, wait: bool = True) -> None:
        """Delete an object. `wait`: until it is gone, if others would otherwise be refused."""
        path = f"{self.path.removesuffix('/detail')}/{found.id}"
        if self.removal:
            api.call("PUT", self.service, *self.removal(found.raw))
        else:
            api.call("DELETE", self.service, path)
        if wait and self.lingers:
            api.gone(self.service, path)


def _mark_of(inputs: Json) -> Json:
    return {"description": str(inputs.get("description"))}


KINDS: Sequence[ObjectKind] = (
    ObjectKind(
        "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
        "association of floating IP",
        "network",
        "/floatingips",
        mark="",
        matches=_same_association,
        listed=lambda raw: bool(raw.get("port_id")),
        removal=lambda raw: (f"/floatingips/{raw['id']}", {"floatingip": {"port_id": None}}),
        repeatable=True,
    ),
    ObjectKind(
        "openstack:compute/instance:Instance",
        "server",
        "compute",
        "/servers/detail",
        mark=f"metadata.{KEY}",
        mark_input=f"metadata.{KEY}",
        lingers=True,
    ),
    ObjectKind(
        "openstack:networking/floatingIp:FloatingIp", "floating IP", "network", "/floatingips", filters=_mark_of
    ),
    ObjectKind(
        "openstack:networking/routerInterface:RouterInterface",
        "router interface",
        "network",
        "/ports",
        mark="",
        matches=_same_interface,
        filters=lambda inputs: {"device_id": inputs["routerId"], "fixed_ips": f"subnet_id={inputs['subnetId']}"},
        listed=lambda raw: raw.get("device_owner") in ROUTER_INTERFACES,
        removal=lambda raw: (f"/routers/{raw['device_id']}/remove_router_interface", {"port_id": raw["id"]}),
    ),
    ObjectKind("openstack:networking/router:Router", "router", "network", "/routers", filters=_mark_of),
    ObjectKind("openstack:networking/port:Port", "port", "network", "/ports", filters=_mark_of),
    ObjectKind("openstack:networking/subnet:Subnet", "subnet", "network", "/subnets", filters=_mark_of),
    ObjectKind("openstack:networking/network:Network", "network", "network", "/networks", filters=_mark_of),
    ObjectKind(
        "openstack:images/image:Image",
        "image",
        "image",
        "/images",
        mark=KEY,
        mark_input=f"properties.{KEY}",
        filters=lambda inputs: {"name": str(inputs.get("name") or "")},
    ),
    ObjectKind(
        "openstack:compute/flavor:Flavor",
        "flavor",
        "compute",
        "/flavors/detail",
        query={"is_public": "None"},
        matches=_same_name,
    ),
    ObjectKind(
        "openstack:compute/keypair:Keypair",
        "key pair",
        "compute",
        "/os-keypairs",
        mark="",
        matches=_same_name,
        id="name",
        unwrap="keypair",
    ),
)
"""All types, in the order of deletion."""

BY_TYPE: Mapping[str, ObjectKind] = {kind.type: kind for kind in KINDS}


@dataclass(frozen=True)
class Search:
    """How to find the objects that a create with certain inputs makes."""

    kind: ObjectKind
    inputs: Json

    def find(self, api: CloudApi) -> list[CloudObject]:
        """Return the objects that the create may have made."""
        return [found for found in self.kind.objects(api, self.kind.filters(self.inputs)) if self._made(found)]

    def _made(self, found: CloudObject) -> bool:
        if self.kind.matches:
            return self.kind.matches(self.inputs, found.raw)
        return found.mark == parse(at(self.inputs, self.kind.mark_input))


def search(type_: str, inputs: Json) -> Search | None:
    """Return how to find what a create may have left; None if no mark or name tells its objects from others'.

    Args:
        type_: the resource's type token.
        inputs: of the create.
    """
    kind = BY_TYPE.get(type_)
    if kind is None or kind.repeatable:
        return None
    return Search(kind, inputs) if kind.matches or parse(at(inputs, kind.mark_input)) else None
