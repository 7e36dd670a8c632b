"""What an `up` would interrupt, in words, for the people who work on the rack.

Each effect has a kind, by which `rack diff --fail-on` decides. An effect is listed when the `up` would certainly cause
it, or can cause it and only a host knows: the text then says so.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from review.preview import Change, Preview, unknown
from review.steps import COMMAND, Step

VM = "openstack:compute/instance:Instance"
PKEY, CHECK = "ufm:index:PKey", "ufm:index:PKeyGate"
OPENSTACK = "openstack:"

EFFECTS = {
    "replace": "an object is deleted and created again, or a VM is rebuilt: its disk is lost",
    "delete": "a VM, a network, a PKey, a node or another object is deleted",
    "evict": "a port loses its membership in a PKey",
    "reboot": "nodes may reboot",
    "stop": "a VM is stopped, or stopped and started",
    "restart": "services restart: UFM, those of the overcloud, those of the undercloud",
    "drift": "a refresh finds something else than the state holds",
}
"""Kinds of effects, the worst first, with what each means."""

WAVES = ("firmware-controllers-", "firmware-computes-")
"""How the names of firmware waves begin."""
LEAVERS = "undercloud-leavers"
"""The step that scales in; its order lists all nodes."""
FIRMWARE = ("settings", "device", "tool", "minimum_release", "kernel_args", "read_request", "boot_mode", "gpu")
"""What of a wave's order decides about reboots."""


@dataclass(frozen=True)
class Effect:
    """One interruption."""

    kind: str
    """One of EFFECTS."""
    text: str
    """One line, with names."""


def effects(preview: Preview) -> tuple[Effect, ...]:
    """Return what the `up` would interrupt, the worst first; of a refresh, what has drifted."""
    if preview.refreshed:
        return tuple(Effect("drift", _drifted(change)) for change in preview.changes)
    new = new_nodes(preview)
    found = [effect for change in preview.changes if change.compared for effect in _of(change, new)]
    order = list(EFFECTS)
    return tuple(sorted(dict.fromkeys(found), key=lambda effect: order.index(effect.kind)))


def _drifted(change: Change) -> str:
    title = pkey_title(change) if change.type in (PKEY, CHECK) else titled(change)
    return f"{title} is gone" if change.kind == "delete" else f"{title} differs: {', '.join(sorted(change.differing))}"


def new_nodes(preview: Preview) -> frozenset[str]:
    """Return the nodes that the undercloud does not know yet. Nothing runs on them that a reboot interrupts."""
    change = preview.named(LEAVERS)
    if change is None:
        return frozenset()
    before, after = (order.get("nodes") or {} for order in Step(change).orders)
    return frozenset(after) - frozenset(before)


def _of(change: Change, new: Collection[str]) -> Iterator[Effect]:
    if change.type == COMMAND:
        yield from _of_step(Step(change), new)
    elif change.type == PKEY:
        yield from _of_pkey(change)
    elif change.type.startswith(OPENSTACK):
        yield from _of_object(change)
    elif change.kind in PAST and change.type.startswith("ufm:") and change.type != CHECK:
        yield Effect(change.kind, f"{titled(change)} is {PAST[change.kind]}{_because(change)}")


PAST = {"delete": "deleted", "replace": "replaced"}


def titled(change: Change) -> str:
    """Return a resource's kind and its name in the cloud, as a user calls them: `VM gpu-1`, `network ib_tenant`."""
    kind = change.type.rpartition(":")[2]
    name = change.old.get("name") or change.new.get("name")
    return f"{NOUNS.get(kind, kind)} {name if name and not unknown(name) else change.name}"


NOUNS = {
    "Instance": "VM",
    "Network": "network",
    "Subnet": "subnet",
    "Port": "port",
    "Router": "router",
    "RouterInterface": "router interface",
    "FloatingIp": "floating IP",
    "FloatingIpAssociate": "floating IP association",
    "Flavor": "flavor",
    "Image": "image",
    "Keypair": "key pair",
    "PKey": "PKey",
    "PKeyGate": "PKey check",
    "Command": "local step",
    "AccessToken": "UFM access token",
    "AdminPassword": "UFM password",
}


def _because(change: Change) -> str:
    return f": {', '.join(change.reasons)} changes" if change.reasons else ""


def _of_object(change: Change) -> Iterator[Effect]:
    """Yield the effects of a change in OpenStack."""
    lost = "; its disk is lost" if change.type == VM else ""
    if change.kind in PAST:
        yield Effect(change.kind, f"{titled(change)} is {PAST[change.kind]}{_because(change)}{lost}")
    elif change.kind == "update" and change.type == VM:
        if change.changed("imageId"):
            yield Effect("replace", f"{titled(change)} is rebuilt from another image; its disk is lost")
        if change.changed("flavorId"):
            yield Effect("stop", f"{titled(change)} is resized: it stops and starts")
        if change.changed("powerState"):
            yield Effect("stop", f"{titled(change)} changes its power state to {change.new.get('powerState')}")


def _of_pkey(change: Change) -> Iterator[Effect]:
    before, after = change.old.get("members") or {}, change.new.get("members") or {}
    title = pkey_title(change)
    if change.kind in PAST:
        yield Effect(change.kind, f"{title} is {PAST[change.kind]}, with {_count(before)}{_because(change)}")
    elif isinstance(after, Mapping):
        for name in sorted(before):
            if name not in after:
                yield Effect("evict", f"{title}: {name} ({before[name]}) loses its membership")
            elif after[name] != before[name] and not unknown(after[name]):
                yield Effect("evict", f"{title}: {name} is {after[name]} instead of {before[name]}, which is evicted")


def pkey_title(change: Change) -> str:
    """Return a PKey's number and the network that it carries: `PKey 0xc (InternalApi)`, `check of PKey 0x65`."""
    pkey = change.old.get("pkey") or change.new.get("pkey")
    return f"check of PKey {pkey}" if change.type == CHECK else f"PKey {pkey} ({change.name.partition('-')[2]})"


def _count(members: Mapping[str, Any]) -> str:
    return f"{len(members)} member{'' if len(members) == 1 else 's'}"


def _of_step(step: Step, new: Collection[str]) -> Iterator[Effect]:
    """Yield the effects of a step on a host, by the resource's name. `new`: see `new_nodes`."""
    name = step.change.name
    if name.startswith(WAVES):
        yield from _of_wave(step, new)
    elif name in _BY_STEP:
        yield from _BY_STEP[name](step)


def _of_wave(step: Step, new: Collection[str]) -> Iterator[Effect]:
    before, after = step.orders
    nodes = ", ".join(name for name in names_in(after) if name not in new)
    if not nodes or step.change.kind not in ("create", "update"):
        return
    differing = list(settings(before, after))
    if differing:
        yield Effect("reboot", f"{nodes}: reboot, unless the adapters are so already: {'; '.join(differing)}")
    elif names_in(before) != names_in(after):
        yield Effect("reboot", f"{nodes}: reboot if firmware or boot settings differ, which the wave reads first")


def settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an order changes of nodes, like `NUM_OF_VFS 8 → 16`."""
    for key in FIRMWARE:
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
            yield from (f"{name} {old.get(name)} → {new.get(name)}" for name in names)
        elif old != new and key in before:
            yield f"{key} {old} → {new}"


def names_in(order: Mapping[str, Any]) -> list[str]:
    """Return the names of the nodes in a wave's order."""
    return [node["name"] for node in order.get("nodes") or ()]


def interrupts(step: Step) -> bool:
    """Return whether the step is one whose repetition interrupts a service."""
    return step.change.name in _BY_STEP and any(_BY_STEP[step.change.name](step))


def _of_leavers(step: Step) -> Iterator[Effect]:
    before, after = step.orders
    gone = [name for name in before.get("nodes") or {} if name not in (after.get("nodes") or {})]
    if step.change.kind == "update" and gone:
        yield Effect("delete", f"{', '.join(gone)}: scaled in, cleaned, and deleted from the undercloud's inventory")


def _of_deployment(step: Step) -> Iterator[Effect]:
    if step.change.kind == "update" and not _reconnected(step):
        yield Effect("restart", "the overcloud is deployed again as a stack update: changed services restart")
    elif step.change.kind in PAST:
        yield Effect("delete", "the overcloud is deleted, with everything in it")


def _of_undercloud(step: Step) -> Iterator[Effect]:
    if step.change.kind == "update" and not step.repeated_only:
        yield Effect("restart", "`openstack undercloud install` runs again: the undercloud's services restart")


def _of_ufm_restart(step: Step) -> Iterator[Effect]:
    if step.change.kind == "update" and not _reconnected(step):
        yield Effect("restart", "UFM restarts: its REST API is away for a minute, the fabric keeps its routes")


def _of_ufm_installation(step: Step) -> Iterator[Effect]:
    if step.change.kind == "update" and not step.repeated_only:
        yield Effect("restart", "UFM's installer runs again: another release restarts UFM and its subnet manager")
    elif step.change.kind in PAST:
        yield Effect("delete", "UFM is removed from its host: the fabric loses its subnet manager")


def _reconnected(step: Step) -> bool:
    """Return whether the same command runs again, over another connection. A job then finds its result."""
    return not step.change.changed("create") and not step.change.changed("stdin")


_BY_STEP: Mapping[str, Callable[[Step], Iterator[Effect]]] = {
    LEAVERS: _of_leavers,
    "overcloud-deploy": _of_deployment,
    "undercloud-install": _of_undercloud,
    "overcloud-restart-ufm": _of_ufm_restart,
    "ufm-install": _of_ufm_installation,
}
"""A step's name → what it can interrupt."""
