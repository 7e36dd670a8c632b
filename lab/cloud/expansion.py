"""Expands node-info to hosts as tripleo-ansible 6.0.0 does (`expand` in `module_utils/baremetal_deploy.py`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.process import LabError


@dataclass(frozen=True)
class Instance:
    """A host that TripleO provisions or unprovisions."""

    role: str
    hostname: str
    """Short host name."""
    node: str | None
    """The node's name in ironic; None if TripleO chooses the node."""
    provisioned: bool = True


def expand(roles: Sequence[Mapping[str, Any]], stack: str) -> list[Instance]:
    """Return every instance of every role. Instances that are counted but not listed get names from the format.

    Raises:
        LabError: node-info is invalid; as in tripleo-ansible, the text has only the first problem.
    """
    for role in roles:
        _validate(role)
    taken: set[str] = set()
    found = [instance for role in roles for instance in _expand(role, stack, taken)]
    for provisioned in (True, False):
        _require_unique((i.hostname, i.node) for i in found if i.provisioned == provisioned)
    return found


def _validate(role: Mapping[str, Any]) -> None:
    name, count = role.get("name"), role.get("count", 1)
    if not isinstance(name, str):
        raise LabError("'name' is a required property")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise LabError(f"{name}: count: {count!r} is not of type 'integer', or less than the minimum of 0")
    listed = [i for i in _listed(role) if i.get("provisioned", True)]
    if len(listed) > count:
        raise LabError(f"{name}: number of instance entries {len(listed)} cannot be greater than count {count}")
    for key in ("hostname", "name", "provisioned"):
        if key in (role.get("defaults") or {}):
            raise LabError(f"{name}: cannot specify {key} in defaults")
    _require_unique((i.get("hostname"), i.get("name")) for i in _listed(role))
    if "%index%" not in _format(role):  # tripleo-ansible would search for a free name forever
        raise LabError(f"{name}: hostname_format {_format(role)} must contain %index%")


def _listed(role: Mapping[str, Any]) -> list[dict[str, Any]]:
    instances = role.get("instances") or []
    if not isinstance(instances, list) or not all(isinstance(i, dict) for i in instances):
        raise LabError(f"{role['name']}: instances: {instances!r} is not of type 'array' of 'object'")
    return [{"hostname": i["name"], **i} if "name" in i else i for i in instances]


def _expand(role: Mapping[str, Any], stack: str, taken: set[str]) -> Iterator[Instance]:
    """Yield a role's instances; `taken` has the generated names of all roles so far, also those of listed instances."""
    listed, count = _listed(role), role.get("count", 1)
    numbered = {_numbered(role, stack, index) for index in range(count + len(listed))}
    taken |= {i["hostname"] for i in listed if i.get("hostname") in numbered}
    more = count - len([i for i in listed if i.get("provisioned", True)])
    index = 0
    for instance in (*listed, *({} for _ in range(more))):
        hostname = instance.get("hostname")
        if hostname not in taken:
            while (generated := _numbered(role, stack, index)) in taken:
                index += 1
            taken.add(generated)
            hostname = hostname or generated
        yield Instance(role["name"], str(hostname), instance.get("name"), instance.get("provisioned", True))


def _numbered(role: Mapping[str, Any], stack: str, index: int) -> str:
    return _format(role).replace("%index%", str(index)).replace("%stackname%", stack)


def _format(role: Mapping[str, Any]) -> str:
    customary = "novacompute" if role["name"] == "Compute" else role["name"].lower()
    return str(role.get("hostname_format") or f"%stackname%-{customary}-%index%")


def _require_unique(instances: Iterable[tuple[str | None, str | None]]) -> None:
    """Refuse host names and nodes that occur twice, with a message for the first one."""
    hostnames, nodes = set[str](), set[str]()
    for hostname, node in instances:
        for value, seen, message in (
            (hostname, hostnames, "Hostname %s is used more than once"),
            (node, nodes, "Node %s is requested more than once"),
        ):
            if value and value in seen:
                raise LabError(message % value)
            seen.add(value or "")
