"""What to do with each pending operation, and with each object that exists and is not recorded. Pure decisions."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.kinds import BY_TYPE, KINDS, CloudObject
from recovery.state import Operation, Resource, State

KEYPAIR = "openstack:compute/keypair:Keypair"
IMAGE = "openstack:images/image:Image"
SERVER = "openstack:compute/instance:Instance"
ATTACHMENTS = (
    "openstack:networking/routerInterface:RouterInterface",
    "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
)
TOKEN = "ufm:index:AccessToken"  # noqa: S105 - a type
NAMESAKE = "an earlier version, which set no marks, may have created it; delete it unless another user did"
UNANSWERED = "the answer to its creation was lost"


@dataclass(frozen=True)
class Import:
    """Record an object in the state, as the one that a pending create has created."""

    resource: Resource
    found: CloudObject

    def __str__(self) -> str:
        return f"import   {self.found} as {self.resource.name}: {UNANSWERED}"


@dataclass(frozen=True)
class Delete:
    """Delete an object that the state does not need."""

    found: CloudObject
    resource: str
    why: str

    def __str__(self) -> str:
        return f"delete   {self.found} of {self.resource}: {self.why}"


@dataclass(frozen=True)
class Clear:
    """Remove an operation from the state: it has no effect that the next `up` would not find."""

    operation: Operation
    why: str

    def __str__(self) -> str:
        return f"clear    {self.operation.resource.name}, interrupted while {self.operation.type}: {self.why}"


@dataclass(frozen=True)
class Refresh:
    """Read a recorded resource again, whose update or deletion was interrupted."""

    operation: Operation

    def __str__(self) -> str:
        return f"refresh  {self.operation.resource.name}, interrupted while {self.operation.type}"


@dataclass(frozen=True)
class Leave:
    """An object about which the operator has to decide."""

    found: CloudObject
    resource: str
    why: str
    later: bool = False
    """Whether it can be imported once others are."""

    def __str__(self) -> str:
        return f"{'later' if self.later else 'left':8} {self.found} of {self.resource}: {self.why}"


Action = Import | Delete | Clear | Refresh | Leave


def decide(
    state: State, found: Sequence[CloudObject], *, discard: bool = False, planned: Sequence[Resource] = ()
) -> list[Action]:
    """Return the actions for all pending operations and unrecorded objects of the cloud.

    Args:
        state: the stack's state.
        found: all objects of the cloud.
        discard: delete objects instead of importing them.
        planned: what an `up` would create, for objects that no operation accounts for: the state is an older one.
    """
    recorded = {(r.type, r.id) for r in state.resources}
    unrecorded = [each for each in found if (each.kind.type, each.id) not in recorded]
    actions: list[Action] = []
    for urn in dict.fromkeys(op.resource.urn for op in state.operations if op.type == "creating"):
        operations = [op for op in state.operations if op.type == "creating" and op.resource.urn == urn]
        actions += _created(state, operations, unrecorded, discard)
    actions += [_interrupted(state, op) for op in state.operations if op.type != "creating"]
    taken = {id(action.found) for action in actions if isinstance(action, Import | Delete | Leave)}
    orphans = [each for each in unrecorded if id(each) not in taken]
    plan = {(resource.type, resource.name): resource for resource in planned}
    actions += _orphans(state, orphans, plan, discard)
    actions += _attachments(state, orphans, plan.values(), discard)
    return sorted(actions, key=_order)


def _order(action: Action) -> tuple[int, int]:
    """Return the place of an action: deletions in their order, then the others."""
    places = {kind.type: place for place, kind in enumerate(KINDS)}
    if isinstance(action, Delete):
        return (0, places[action.found.kind.type])
    return (1 + (Import, Refresh, Clear, Leave).index(type(action)), 0)


def _created(
    state: State, operations: Sequence[Operation], found: Sequence[CloudObject], discard: bool
) -> Iterator[Action]:
    """Yield the actions for the pending creates of one resource; each killed `up` leaves one."""
    last = operations[-1]
    resource = last.resource
    kind = BY_TYPE.get(resource.type)
    if resource.type == TOKEN:
        return  # `tokens` decides.
    if kind is None:
        yield from (Clear(op, "the next `up` repeats it") for op in operations)
        return
    mine = [each for each in found if each.kind is kind and _is_of(state, resource, each)]
    if not mine:
        yield from (Leave(each, resource.name, NAMESAKE) for each in _namesakes(resource, found))
        yield from (Clear(op, "it did not happen") for op in operations)
        return
    yield from _settle(state, resource, mine, found, discard)


def _namesakes(resource: Resource, found: Sequence[CloudObject]) -> Iterator[CloudObject]:
    """Yield the objects that a create without a mark may have created: those of its name that have no mark either."""
    name = resource.inputs.get("name")
    if any("rack " in str(resource.inputs.get(field)) for field in ("description", "metadata", "properties")):
        return
    for each in found:
        same = each.kind.type == resource.type and each.raw.get("name") == name
        if name and same and each.kind.marked and each.mark is None:
            yield each


def _is_of(state: State, resource: Resource, found: CloudObject) -> bool:
    """Tell whether a create of the resource has created the object."""
    if found.kind.marked:
        mark = found.mark
        return mark is not None and (mark.stack_id, mark.resource) == (state.owner_id, resource.name)
    return bool(found.kind.matches and found.kind.matches(resource.inputs, found.raw))


def _settle(
    state: State, resource: Resource, mine: Sequence[CloudObject], found: Sequence[CloudObject], discard: bool
) -> Iterator[Action]:
    """Yield what to do with the objects of one resource: import the best one, unless the state has one."""
    name = resource.name
    if resource.urn in state.live:
        yield from (Delete(each, name, "the state has another one") for each in mine)
        return
    if resource.type == KEYPAIR and any(_uses_key(state, each, mine[0].id) for each in found):
        yield Leave(mine[0], name, "a server that this stack does not have uses it; delete it or rename the key pair")
        return
    fit = sorted((each for each in mine if not _unfit(resource, each)), key=lambda each: each.created)
    kept = fit[-1] if fit and not discard else None
    if kept:
        yield Import(resource, kept)
    for each in mine:
        if each is not kept:
            yield Delete(each, name, "--discard" if discard else _unfit(resource, each) or "a duplicate")


def _uses_key(state: State, found: CloudObject, key: str) -> bool:
    """Tell whether a server of another owner uses the key pair."""
    ours = found.mark is not None and found.mark.stack_id == state.owner_id
    return found.kind.type == SERVER and found.raw.get("key_name") == key and not ours


def _unfit(resource: Resource, found: CloudObject) -> str:
    """Return why an object cannot be imported; empty if it can."""
    checks: Mapping[str, Callable[[Resource, CloudObject], str]] = {
        IMAGE: _bad_image,
        SERVER: _bad_server,
        KEYPAIR: _bad_key,
    }
    check = checks.get(found.kind.type)
    return check(resource, found) if check else ""


def _bad_image(resource: Resource, found: CloudObject) -> str:
    if found.status != "active":
        return f"its upload ended in status {found.status}; the next `up` uploads it"
    checksum, file = found.raw.get("checksum"), Path(str(resource.inputs.get("localFilePath") or ""))
    if checksum and file.is_file() and _md5(file) != checksum:
        return f"its content is not that of {file}; the next `up` uploads it"
    return ""


def _md5(file: Path) -> str:
    """Return glance's checksum of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _bad_server(_: Resource, found: CloudObject) -> str:
    if found.status != "error":
        return ""
    fault = (found.raw.get("fault") or {}).get("message", "")
    return f"it is in status ERROR ({fault})" if fault else "it is in status ERROR"


def _bad_key(resource: Resource, _: CloudObject) -> str:
    own = resource.inputs.get("publicKey")
    return "" if own else "its private key was in the lost answer; the next `up` creates another one"


def _interrupted(state: State, operation: Operation) -> Action:
    """Return the action for an update, a deletion or a read."""
    recorded = state.live.get(operation.resource.urn)
    if recorded is not None and recorded.type in BY_TYPE:
        return Refresh(operation)
    return Clear(operation, "the next `up` or `destroy` repeats it")


Planned = Mapping[tuple[str, str], Resource]


def _orphans(state: State, found: Sequence[CloudObject], plan: Planned, discard: bool) -> Iterator[Action]:
    """Yield what to do with marked objects that no operation accounts for."""
    groups: dict[tuple[str, str], list[CloudObject]] = {}
    for each in found:
        if each.mark and each.mark.stack_id == state.owner_id:
            groups.setdefault((each.kind.type, each.mark.resource), []).append(each)
    recorded = {(r.type, r.name): r for r in state.live.values()}
    for key, mine in groups.items():
        resource = recorded.get(key) or plan.get(key)
        if resource and (discard or key in recorded or _importable(state, resource)):
            yield from _settle(state, resource, mine, found, discard)
        elif discard:
            yield from (Delete(each, key[1], "--discard") for each in mine)
        elif resource:
            yield from (Leave(each, key[1], "after what it depends on", later=True) for each in mine)
        else:
            why = "neither the state nor the program has it; --discard deletes it"
            yield from (Leave(each, key[1], why) for each in mine)


def _attachments(
    state: State, found: Sequence[CloudObject], plan: Iterable[Resource], discard: bool
) -> Iterator[Action]:
    """Yield the same for router interfaces and associations, which have no mark: their ends are of this stack."""
    for resource in plan:
        if resource.type in ATTACHMENTS and _importable(state, resource):
            mine = [each for each in found if each.kind.type == resource.type and _is_of(state, resource, each)]
            yield from _settle(state, resource, mine, found, discard)


def _importable(state: State, resource: Resource) -> bool:
    """Tell whether a planned resource can be recorded now: its inputs are known and its parent is recorded."""
    return resource.complete and resource.raw.get("parent") in state.live
