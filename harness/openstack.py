"""Reads every object of the lab's cloud through its public APIs."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.names import Names
from lab.cloud import deployment
from lab.cloud.client import Session
from lab.cloud.configuration import GLANCE, KEYSTONE, NEUTRON, NOVA

Thing = Mapping[str, Any]
Reading = list[tuple[str, Thing]]

_COMPUTE = f"{NOVA}/"
_NETWORK = f"{NEUTRON}/v2.0/"

BASE: Mapping[str, tuple[str, str]] = {
    "domain": (f"{KEYSTONE}/domains", "domains"),
    "project": (f"{KEYSTONE}/projects", "projects"),
    "user": (f"{KEYSTONE}/users", "users"),
    "role": (f"{KEYSTONE}/roles", "roles"),
    "service": (f"{KEYSTONE}/services", "services"),
    "endpoint": (f"{KEYSTONE}/endpoints", "endpoints"),
    "image": (f"{GLANCE}/v2/images?limit=500", "images"),
}
"""Kind → URL and key of its list. These services run without an overcloud, too."""

DEPLOYED: Mapping[str, tuple[str, str]] = {
    "flavor": (f"{_COMPUTE}flavors/detail?is_public=None", "flavors"),
    "keypair": (f"{_COMPUTE}os-keypairs", "keypairs"),
    "server-group": (f"{_COMPUTE}os-server-groups", "server_groups"),
    "aggregate": (f"{_COMPUTE}os-aggregates", "aggregates"),
    "compute-service": (f"{_COMPUTE}os-services", "services"),
    "network": (f"{_NETWORK}networks", "networks"),
    "subnet": (f"{_NETWORK}subnets", "subnets"),
    "router": (f"{_NETWORK}routers", "routers"),
    "security-group": (f"{_NETWORK}security-groups", "security_groups"),
    "agent": (f"{_NETWORK}agents", "agents"),
    "server": (f"{_COMPUTE}servers/detail?all_tenants=1", "servers"),
    "floatingip": (f"{_NETWORK}floatingips", "floatingips"),
    "port": (f"{_NETWORK}ports", "ports"),
}
"""The lists of nova and neutron. A kind comes after the kinds that its names contain."""

TITLES: Mapping[str, Callable[[Thing], str]] = {
    "endpoint": lambda thing: f"{thing['service_id']} {thing['interface']}",
    "compute-service": lambda thing: f"{thing['binary']} {thing['host']}",
    "agent": lambda thing: f"{thing['agent_type']} {thing['host']}",
    "floatingip": lambda thing: thing["floating_ip_address"],
    "security-group": lambda thing: f"{thing['name']} of {thing['project_id']}",
    "port": lambda thing: thing["name"] or f"{thing['device_owner']} {thing['device_id']} {thing['network_id']}",
}
"""Kind → its object's title; by default the name."""


def read(names: Names) -> Reading:
    """Return every object of the cloud under `KIND TITLE`, and teach `names` its random values.

    Raises:
        LabError: an API does not answer.
    """
    session, found = Session(), Reading()
    for kind, (url, key) in {**BASE, **(DEPLOYED if deployment.current() else {})}.items():
        things = [thing.get("keypair", thing) for thing in session.get(url)[key]]
        for thing in sorted(things, key=lambda thing: names.apply(_title(kind, thing))):
            name = f"{kind} {names.apply(_title(kind, thing))}"
            found.append((name, thing))
            _learn(names, name, thing)
    return found


def _title(kind: str, thing: Thing) -> str:
    title = TITLES.get(kind)
    return title(thing) if title else str(thing["name"])


def _learn(names: Names, name: str, thing: Thing) -> None:
    """Teach the ID, and what Neutron chooses for a port: MAC address, VF GUID, addresses."""
    names.add(str(thing.get("id") or ""), name)
    mac = str(thing.get("mac_address") or "")
    digits = mac.replace(":", "")
    names.add(mac, f"MAC of {name}")
    names.add(f"{digits[:6]}0000{digits[6:]}" if digits else "", f"GUID of {name}")
    names.add(f"0x{digits[:6]}0000{digits[6:]}" if digits else "", f"GUID of {name}")
    names.add(f"20:{mac[:8]}:00:00:{mac[9:]}" if digits else "", f"client ID of {name}")
    for number, fixed in enumerate(_fixed(thing)):
        names.add(fixed, f"address {number} of {name}")


def _fixed(thing: Thing) -> Iterator[str]:
    for address in thing.get("fixed_ips") or ():
        yield address["ip_address"]
