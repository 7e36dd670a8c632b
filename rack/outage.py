"""Failures of OpenStack requests: which ones may be over soon, and which objects a failed create may have left behind.

The texts are those of gophercloud and terraform-provider-openstack, whose errors the engine passes on as text only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rack.owner import KEY, parse

_NO_ANSWER = re.compile(r"OpenStack connection error|connection refused|connection reset|i/o timeout|unexpected EOF")
"""The provider's words for a request without an answer, whatever the reason."""
_LASTING = re.compile(r"x509:|certificate|no such host|unsupported protocol|HTTP response to HTTPS client")
"""Reasons for which a request never gets an answer."""
_STATUS = re.compile(r"but got (?:500|502|503|504) instead")
"""A service failed, or cannot reach another one, or the load balancer finds no service behind it."""


def passing(error: str) -> bool:
    """Return whether the failure may be an outage: no answer, or one that a service gives while others are down."""
    if _LASTING.search(error):
        return False
    return bool(_NO_ANSWER.search(error) or _STATUS.search(error))


@dataclass(frozen=True)
class Search:
    """How to find the objects that a create with certain inputs makes."""

    service: str
    """Its type in keystone's catalogue."""
    path: str
    """Of the list."""
    items: str
    """Key of the list in the answer."""
    query: Mapping[str, str]
    """Filters of the API."""
    equal: Mapping[str, str]
    """Path of keys in an item, joined by dots → its value; what the API cannot filter."""
    id: str = "id"
    """Path of an item's ID."""

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Return whether the create could have made this item."""
        return all(at(item, path) == value for path, value in self.equal.items())


def at(item: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path of keys, None if there is none."""
    found: Any = item
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


_MARKED = {
    "networking/network:Network": "networks",
    "networking/subnet:Subnet": "subnets",
    "networking/port:Port": "ports",
    "networking/router:Router": "routers",
    "networking/floatingIp:FloatingIp": "floatingips",
}
"""Type of a Neutron object, whose description is its mark, and its collection."""

REPEATABLE = frozenset({"networking/floatingIpAssociate:FloatingIpAssociate"})
"""Types whose create sets a value of an existing object: a repetition has no second effect."""


def search(type_: str, inputs: Mapping[str, Any]) -> Search | None:
    """Return how to find what a create may have left; None if no mark or name tells its objects from others'.

    Args:
        type_: the resource's type without the package: networking/network:Network.
        inputs: of the create.
    """
    name, description = str(inputs.get("name") or ""), inputs.get("description")
    if type_ in _MARKED and parse(description):
        items = _MARKED[type_]
        return Search("network", f"/v2.0/{items}", items, {"description": str(description)}, {})
    if type_ == "networking/routerInterface:RouterInterface":
        query = {"device_id": str(inputs["routerId"]), "fixed_ips": f"subnet_id={inputs['subnetId']}"}
        return Search("network", "/v2.0/ports", "ports", query, {})
    if type_ == "compute/instance:Instance" and (mark := at(inputs, f"metadata.{KEY}")):
        return Search("compute", "/servers/detail", "servers", {}, {f"metadata.{KEY}": mark})
    if type_ == "images/image:Image" and (mark := at(inputs, f"properties.{KEY}")):
        return Search("image", "/v2/images", "images", {"name": name}, {KEY: mark})
    if type_ == "compute/flavor:Flavor":
        return Search("compute", "/flavors", "flavors", {"is_public": "None"}, {"name": name})
    if type_ == "compute/keypair:Keypair":
        return Search("compute", "/os-keypairs", "keypairs", {}, {"keypair.name": name}, "keypair.name")
    return None
