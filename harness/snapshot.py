"""Reads the whole rack, and names the differences between two readings object by object.

A reading covers the hosts (records of the lab, files, links), UFM (users, tokens, PKeys, groups, Neutron's objects),
the fabric (P_Key tables, links), the cloud (keystone, glance, nova, neutron) and the stack's state. Random values are
replaced by the names of their objects: an ID of a network becomes `<network tenant-net>`, so clouds with other IDs
compare equal.
"""

import difflib
import hashlib
import json
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import openstack
from harness.names import Names
from lab import addresses
from lab.fabric.tools import Diagnostics
from lab.hosts import state as records

Snapshot = dict[str, dict[str, str]]
"""Object, e.g. `cloud network tenant-net` → attribute → value as text."""

IGNORED = (
    (r"host \S+ record\.(containers|images)\..*\.(id|image_id|created|since|pid)", "chosen by Docker"),
    (r"host \S+ record\.nodes\.\d+\.(uuid|instance)", "chosen by ironic"),
    (r"host undercloud record\.step_faults\b.*", "what a test has injected"),
    (r"host \S+ file /(run|tmp|proc|sys|dev)/.*", "emptied at each boot"),
    (r"host \S+ file /var/lib/rack-jobs/[\w.-]+/\d+(/.*)?", "logs of runs; an interrupted job has one run more"),
    (r"host \S+ file /etc/(\.pwd\.lock|(passwd|group|shadow|gshadow)-)", "backups of useradd and groupadd"),
    (r"host controller-\d+ file /root/\.ssh/known_hosts content", "keeps the keys of deleted instances, by their IDs"),
    (r"cloud .* (\S+_at|created|updated|last_seen_up|heartbeat_timestamp)", "time"),
    (r"cloud .* .*(revision_number|standard_attr_id|links\..*)", "counts writes, or repeats IDs"),
    (r"cloud server .* OS-EXT-SRV-ATTR:(instance_name|reservation_id)", "counted and drawn by nova"),
    (r"cloud keypair .* fingerprint", "of a generated key"),
    (r"stack .* inputs\.fingerprint", "of UFM's certificate, which its installation generates"),
    (r"stack .*[:$]ufm:index:AccessToken::\S+ inputs\.__requested", "when the token was requested"),
    (r"cloud port network:router_.* binding:host_id", "Neutron chooses a controller"),
    (r"ufm neutron port <port network:router_.*> guid", "that controller's"),
)
"""Regular expression for `OBJECT ATTRIBUTE`, with the reason why two equal racks may differ there."""

CONFIGURED = (
    r"cloud subnet .* (cidr|gateway_ip|(allocation_pools|host_routes|dns_nameservers)\b.*)",
    r"stack .*[:$]openstack:networking/subnet:Subnet::\S+ inputs\..*",
)
"""Regular expression for `OBJECT ATTRIBUTE` whose addresses the operator writes.

Neutron may give such an address to a port: the first one of a pool to a router, say. The port's name in its place
would make two equal racks differ.
"""

ORDINAL = ("id", "standard_attr_id", "created_at", "updated_at")
"""Attributes that do not take part in the order of a list."""
LARGEST = 256 * 1024
"""Bytes of a file up to which its text is kept; larger files are compared by digest."""

OWN_FOLDERS = ("etc", "home", "opt", "root", "srv", "mnt", "tmp", "var")
"""Folders of a host's root that are not the lab machine's."""


def take(stack: Mapping[str, Any] | None = None) -> Snapshot:
    """Read the rack, and the exported state of its stack if given.

    Raises:
        LabError: a part of the lab does not answer.
    """
    names, found = Names(), Snapshot()
    names.add(_owner(stack or {}), "owner")
    cloud = openstack.read(names)
    ufm = _stored(addresses.STATE / "ufm/state.json")
    for number, token in enumerate(ufm.get("tokens", {}), 1):
        names.add(token, f"token {number}")
    readings: Iterable[tuple[str, Mapping[str, Any]]] = (
        *((f"cloud {name}", value) for name, value in cloud),
        *_hosts(),
        *_ufm(ufm),
        *_fabric(),
        *read_stack(stack or {}),
    )
    for name, attributes in readings:
        title = names.apply(name)
        paths = ((renamed(names, key), value) for key, value in flat(attributes))
        kept = {key: named(names, title, key, value) for key, value in paths if not ignored(title, key)}
        found[_unused(title, found)] = kept
    return {name: value for name, value in found.items() if not ignored(name, "")}


def named(names: Names, title: str, attribute: str, value: str) -> str:
    """Return the value of an object's attribute with names in place of random values."""
    configured = any(re.fullmatch(pattern, f"{title} {attribute}") for pattern in CONFIGURED)
    return names.apply(value, addresses=not configured)


def renamed(names: Names, path: str) -> str:
    """Return the path of an attribute with names in place of random values: `members.<GUID of port direct1>`."""
    return ".".join(names.apply(part) for part in path.split("."))


def _owner(exported: Mapping[str, Any]) -> str:
    """Return the stack's random ID, with which it marks its objects; empty if the state has none."""
    resources = (exported.get("deployment") or {}).get("resources") or []
    found = (r for r in resources if r["urn"].endswith("command:local:Command::owner-id"))
    return str(next(found, {"outputs": {"stdout": ""}})["outputs"].get("stdout", ""))


def ignored(name: str, attribute: str) -> bool:
    """Return whether the attribute of an object is in `IGNORED`."""
    return any(re.fullmatch(pattern, name) or re.fullmatch(pattern, f"{name} {attribute}") for pattern, _ in IGNORED)


def difference(wanted: Snapshot, found: Snapshot) -> list[str]:
    """Return one line per object that is missing or surplus and per attribute that differs, with a diff of texts."""
    lines = [f"missing: {name}" for name in sorted(wanted.keys() - found.keys())]
    lines += [f"surplus: {name}" for name in sorted(found.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & found.keys()):
        before, after = wanted[name], found[name]
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                lines += _changed(f"{name} {key}", before.get(key, "(none)"), after.get(key, "(none)"))
    return lines


def _changed(name: str, before: str, after: str) -> list[str]:
    if "\n" not in before + after:
        return [f"differs: {name}: {before[:300]} -> {after[:300]}"]
    shown = difflib.unified_diff(before.splitlines(), after.splitlines(), "wanted", "found", n=0, lineterm="")
    return [f"differs: {name}:", *(f"    {line}" for line in list(shown)[2:40])]


def _unused(name: str, found: Mapping[str, Any]) -> str:
    """Return the name, with a number if an object of this name was read before: duplicates are seen as surplus."""
    number = 2
    while name in found:
        name, number = f"{name.partition(' #')[0]} #{number}", number + 1
    return name


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of a structure with their paths."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(sorted(value, key=_order)):
            yield from flat(item, f"{path}.{number}")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _order(item: Any) -> str:
    """Return a key that sorts equal objects equally: APIs list them in any order."""
    kept = {key: v for key, v in item.items() if key not in ORDINAL} if isinstance(item, Mapping) else item
    return json.dumps(kept, sort_keys=True, default=str)


def _stored(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


# ---------------------------------------------------------------------------------------------------------------- hosts


def _hosts() -> Iterator[tuple[str, Mapping[str, Any]]]:
    folder = addresses.STATE / "hosts"
    for host in sorted(file.parent for file in folder.glob(f"*/{records.FILE}")):
        yield f"host {host.name}", {"record": _stored(host / records.FILE)["state"]}
        for name in OWN_FOLDERS:
            for path in sorted((host / "root" / name).rglob("*")):
                yield from read_file(host, path)
        for folder in sorted((host / "root/usr/share").glob("*")):
            yield f"host {host.name} package files /usr/share/{folder.name}", {"content": _digest(folder)}


def read_file(host: Path, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a file of a host with its mode and content; nothing if it was removed meanwhile."""
    try:
        about = path.lstat()
        if path.is_symlink():
            content = f"-> {path.readlink()}"
        elif path.is_dir():
            content = "directory"
        elif not stat.S_ISREG(about.st_mode):
            content = "socket or pipe"
        else:
            content = _content(path, about.st_size)
    except FileNotFoundError:
        return  # removed while it was read
    mode = f"{stat.S_IMODE(about.st_mode):04o} {about.st_uid}:{about.st_gid}"
    yield f"host {host.name} file /{path.relative_to(host / 'root')}", {"mode": mode, "content": content}


def _digest(folder: Path) -> str:
    """Return a digest of what a package installed into a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.lstat().st_mode}\n".encode())
        digest.update(path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
    return digest.hexdigest()


def _content(path: Path, size: int) -> str:
    data = path.read_bytes()
    try:
        if size <= LARGEST:
            return data.decode()
    except UnicodeDecodeError:
        pass
    return f"{size} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}"


# ------------------------------------------------------------------------------------------------------- UFM and fabric


def _ufm(stored: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for user in stored.get("users", []):
        yield f"ufm user {user['name']}", {"role": user["role"]}
    for number, token in enumerate(stored.get("tokens", {}).values(), 1):
        yield f"ufm token {number}", {"username": token["username"], "revoked": token["revoked"]}
    for pkey, partition in stored.get("pkeys", {}).items():
        yield f"ufm pkey {pkey}", partition
    for name, group in stored.get("groups", {}).items():
        yield f"ufm group {name}", group
    neutron = stored.get("cloudx") or {"networks": {}, "ports": {}}
    for network, segment in neutron["networks"].items():
        yield f"ufm neutron network {network}", {"segment": segment}
    for port, binding in neutron["ports"].items():
        yield f"ufm neutron port {port}", binding


def _fabric() -> Iterator[tuple[str, Mapping[str, Any]]]:
    folder = addresses.STATE / "fabric"
    for guid, table in Diagnostics(folder).all_pkeys().items():
        yield f"fabric port {guid}", {"pkeys": sorted(f"{key:#06x}" for key in table)}
    stored = _stored(folder / "state.json")
    yield "fabric links", {key: sorted(str(item) for item in value) for key, value in stored.items()}


# ---------------------------------------------------------------------------------------------------------------- stack


def read_stack(exported: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the resources by URN. Inputs are compared; outputs repeat what the other readings contain."""
    deployment = exported.get("deployment") or {}
    for resource in deployment.get("resources") or []:
        kept = {key: resource.get(key) for key in ("parent", "protect", "provider", "external", "delete")}
        depends = sorted(resource.get("dependencies") or [])
        yield f"stack {resource['urn']}", {**kept, "dependencies": depends, "inputs": _open(resource.get("inputs"))}
    for operation in deployment.get("pending_operations") or []:
        yield f"stack pending {operation['type']} {operation['resource']['urn']}", {}


def _open(value: Any) -> Any:
    """Return inputs without ciphertexts, which differ at each encryption."""
    if isinstance(value, Mapping):
        return "[secret]" if "ciphertext" in value else {key: _open(item) for key, item in value.items()}
    return [_open(item) for item in value] if isinstance(value, list) else value
