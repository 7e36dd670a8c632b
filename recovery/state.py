"""The state of a stack as `pulumi stack export` prints it: resources, pending operations, and edited copies."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from review.preview import SECRET as HIDDEN
from review.preview import unknown

SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105 - public
"""The key by which the engine marks a secret in an exported state."""
OWNER_ID = "owner-id"
"""Name of the resource that holds the stack's ID."""
INSTANCE = "openstack:compute/instance:Instance"

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """A resource of the state, or of a pending operation."""

    raw: Json

    @property
    def urn(self) -> str:
        """Return the URN."""
        return str(self.raw["urn"])

    @property
    def name(self) -> str:
        """Return the name within the stack: tenant-network."""
        return self.urn.rpartition("::")[2]

    @property
    def type(self) -> str:
        """Return the type token."""
        return str(self.raw["type"])

    @property
    def id(self) -> str:
        """Return the provider's ID; empty before the creation."""
        return str(self.raw.get("id", ""))

    @property
    def inputs(self) -> Json:
        """Return the inputs; encrypted secrets stay encrypted."""
        return self.raw.get("inputs") or {}

    @property
    def complete(self) -> bool:
        """Return whether a preview knows all inputs, and shows them."""
        text = json.dumps(self.inputs)
        return HIDDEN not in text and not unknown(text)

    @property
    def outputs(self) -> Json:
        """Return the outputs; encrypted secrets stay encrypted."""
        return self.raw.get("outputs") or {}


@dataclass(frozen=True)
class Operation:
    """A pending operation: the engine began it and did not record its end."""

    type: str
    """creating, updating, deleting, reading or importing."""
    resource: Resource


class State:
    """An exported state."""

    def __init__(self, exported: Json) -> None:
        self.exported = exported
        self._deployment: Json = exported.get("deployment") or {}

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Return all resources, those that wait for their deletion included."""
        return tuple(Resource(raw) for raw in self._deployment.get("resources") or ())

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Return the pending operations, in the order in which they began."""
        found = self._deployment.get("pending_operations") or ()
        return tuple(Operation(str(each["type"]), Resource(each["resource"])) for each in found)

    @property
    def owner_id(self) -> str:
        """Return the stack's ID; empty if the stack has none yet."""
        return next((str(r.outputs.get("stdout", "")) for r in self.resources if r.name == OWNER_ID), "")

    @property
    def live(self) -> Mapping[str, Resource]:
        """Return the resources by URN, without those that are only left to be deleted."""
        return {r.urn: r for r in self.resources if not r.raw.get("delete")}

    def of(self, *types: str) -> Iterator[Resource]:
        """Yield the resources of some types."""
        return (r for r in self.resources if r.type in types)

    def with_imported(self, created: Sequence[tuple[Resource, str]]) -> "State":
        """Return a state that has the resources of pending creates as created, each with its provider's ID.

        The engine refuses a state in which a resource comes before one that it depends on.
        """
        known = {r.urn for r in self.resources} | {r.urn for r, _ in created}
        more = _sorted([_created(resource, id_, known) for resource, id_ in created])
        deployment = {**self._deployment, "resources": [*(self._deployment.get("resources") or ()), *more]}
        deployment.pop("pending_operations", None)
        return State({**self.exported, "deployment": deployment})


def _created(resource: Resource, id_: str, known: set[str]) -> Json:
    """Return the resource as the engine records it after a create, with the outputs that follow from its inputs.

    `pulumi refresh` then reads the others. It would not read what OpenStack does not return, like the local path of an
    image: `pulumi import` leaves such an input out, and the next `up` would replace the object.
    """
    raw = {key: value for key, value in resource.raw.items() if key not in ("external", "initErrors")}
    outputs = {**_plain(resource.inputs), "id": id_}
    if resource.type == INSTANCE and isinstance(outputs.get("userData"), str):
        # The provider keeps the SHA-1 of user data; compared with the text itself, the instance would be replaced.
        outputs["userData"] = hashlib.sha1(outputs["userData"].encode(), usedforsecurity=False).hexdigest()
    dependencies = [urn for urn in raw.get("dependencies") or () if urn in known]
    by_input = {key: [urn for urn in urns if urn in known] for key, urns in _by_input(raw).items()}
    links = {"dependencies": dependencies, "propertyDependencies": by_input}
    return {**raw, "id": id_, "outputs": outputs, **links}


def _sorted(resources: Sequence[Json]) -> list[Json]:
    """Return resources with each after those of them that it depends on."""
    by_urn = {raw["urn"]: raw for raw in resources}
    needs = {urn: [need for need in _needs(raw) if need in by_urn] for urn, raw in by_urn.items()}
    return [by_urn[urn] for urn in TopologicalSorter(needs).static_order()]


def _needs(raw: Json) -> Iterator[str]:
    yield from raw["dependencies"]
    yield from (urn for urns in raw["propertyDependencies"].values() for urn in urns)


def _by_input(raw: Json) -> Mapping[str, Sequence[str]]:
    """Return the resources on which each input depends; the engine refuses a state that names a missing one."""
    return {key: urns or () for key, urns in (raw.get("propertyDependencies") or {}).items()}


def _plain(value: Any) -> Any:
    """Return inputs without the bridge's notes on defaults, which outputs do not have."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if key not in ("__defaults", "__internal")}
    return value


def decrypted(value: Any) -> Any:
    """Return a property of a state that was exported with `--show-secrets`, without the wrapper of a secret."""
    if isinstance(value, Mapping) and SECRET in value and "plaintext" in value:
        return json.loads(value["plaintext"])
    return value
