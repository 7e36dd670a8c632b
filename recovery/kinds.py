"""The types of objects that the program creates in the cloud: where they are listed, how they are recognised.

The order is that of deletion: what uses an object precedes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rack.owner import KEY, Mark, parse
from recovery.cloud import Cloud

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

    kind: "Kind"
    raw: Json

    @property
    def id(self) -> str:
        """Return the ID by which the provider knows it."""
        return self.kind.id_of(self.raw)

    @property
    def mark(self) -> Mark | None:
        """Return its owner mark."""
        return parse(self.kind.mark_of(self.raw))

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


def _description(raw: Json) -> str | None:
    return raw.get("description")


def _unmarked(_: Json) -> str | None:
    return None


def _id(raw: Json) -> str:
    return str(raw["id"])


def _never(_: Json, __: Json) -> bool:
    return False


@dataclass(frozen=True)
class Kind:
    """A type of objects."""

    type: str
    """Pulumi's type token."""
    word: str
    """What an operator calls it."""
    service: str
    path: str
    """Of the collection."""
    mark_of: Callable[[Json], str | None] = _description
    """Returns the text that may be an owner mark."""
    matches: Callable[[Json, Json], bool] = _never
    """Tells for a type without a mark whether the inputs of a create would have created this object."""
    id_of: Callable[[Json], str] = _id
    listed: Callable[[Json], bool] = lambda _: True
    """Tells whether an object of the collection is one of this type."""
    remove: Callable[[Cloud, CloudObject], None] | None = None
    """Deletes an object, where it is not DELETE of the object's path."""
    unwrap: str = ""
    """The key under which the collection wraps each object."""

    @property
    def marked(self) -> bool:
        """Return whether objects of this type carry a mark."""
        return self.mark_of is not _unmarked

    def list(self, cloud: Cloud) -> list[CloudObject]:
        """Return all objects of this type."""
        raw = (each[self.unwrap] if self.unwrap else each for each in cloud.list(self.service, self.path))
        return [CloudObject(self, each) for each in raw if self.listed(each)]

    def delete(self, cloud: Cloud, found: CloudObject) -> None:
        """Delete an object, and wait until it is gone if others would otherwise be refused."""
        if self.remove:
            self.remove(cloud, found)
        else:
            cloud.call("DELETE", self.service, f"{self.path.partition('?')[0].removesuffix('/detail')}/{found.id}")


def _delete_server(cloud: Cloud, found: CloudObject) -> None:
    cloud.call("DELETE", "compute", f"/servers/{found.id}")
    cloud.gone("compute", f"/servers/{found.id}")  # Its ports can be deleted only then.


def _disassociate(cloud: Cloud, found: CloudObject) -> None:
    cloud.call("PUT", "network", f"/floatingips/{found.id}", {"floatingip": {"port_id": None}})


def _remove_interface(cloud: Cloud, found: CloudObject) -> None:
    path = f"/routers/{found.raw['device_id']}/remove_router_interface"
    cloud.call("PUT", "network", path, {"port_id": found.id})


def _is_interface(raw: Json) -> bool:
    return raw.get("device_owner") in ROUTER_INTERFACES


def _same_interface(inputs: Json, raw: Json) -> bool:
    subnets = {ip.get("subnet_id") for ip in raw.get("fixed_ips") or ()}
    return raw.get("device_id") == inputs.get("routerId") and inputs.get("subnetId") in subnets


def _same_association(inputs: Json, raw: Json) -> bool:
    return raw.get("floating_ip_address") == inputs.get("floatingIp") and raw.get("port_id") == inputs.get("portId")


def _same_name(inputs: Json, raw: Json) -> bool:
    return bool(inputs.get("name")) and raw.get("name") == inputs.get("name")


KINDS: Sequence[Kind] = (
    Kind(
        "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
        "association of floating IP",
        "network",
        "/floatingips",
        mark_of=_unmarked,
        matches=_same_association,
        listed=lambda raw: bool(raw.get("port_id")),
        remove=_disassociate,
    ),
    Kind(
        "openstack:compute/instance:Instance",
        "server",
        "compute",
        "/servers/detail",
        mark_of=lambda raw: (raw.get("metadata") or {}).get(KEY),
        remove=_delete_server,
    ),
    Kind("openstack:networking/floatingIp:FloatingIp", "floating IP", "network", "/floatingips"),
    Kind(
        "openstack:networking/routerInterface:RouterInterface",
        "router interface",
        "network",
        "/ports",
        mark_of=_unmarked,
        matches=_same_interface,
        listed=_is_interface,
        remove=_remove_interface,
    ),
    Kind("openstack:networking/router:Router", "router", "network", "/routers"),
    Kind("openstack:networking/port:Port", "port", "network", "/ports"),
    Kind("openstack:networking/subnet:Subnet", "subnet", "network", "/subnets"),
    Kind("openstack:networking/network:Network", "network", "network", "/networks"),
    Kind(
        "openstack:images/image:Image",
        "image",
        "image",
        "/images",
        mark_of=lambda raw: raw.get(KEY),
    ),
    Kind("openstack:compute/flavor:Flavor", "flavor", "compute", "/flavors/detail?is_public=None"),
    Kind(
        "openstack:compute/keypair:Keypair",
        "key pair",
        "compute",
        "/os-keypairs",
        mark_of=_unmarked,
        matches=_same_name,
        id_of=lambda raw: str(raw["name"]),
        unwrap="keypair",
    ),
    Kind(
        "openstack:compute/serverGroup:ServerGroup",
        "server group",
        "compute",
        "/os-server-groups",
        mark_of=_unmarked,
        matches=_same_name,
    ),
)
"""All types, in the order of deletion."""

BY_TYPE: Mapping[str, Kind] = {kind.type: kind for kind in KINDS}
