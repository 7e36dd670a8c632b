"""What TripleO's tools pass over in silence: unknown keys, and documents that do not agree with each other.

For a folder as `python -m rack render` writes it, edited by hand perhaps. First each document's shape; then, for those
whose shape holds, what they say of each other. Everything wrong is told at once: file, path, what was found, what to
write.
"""

import configparser
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import to_json

from rack.site import problems
from rack.tripleo.bundle import DOCUMENTS, HOME, TEMPLATES, Document
from rack.tripleo.shapes import (
    Alias,
    Environment,
    ImageEntry,
    IpmiNode,
    Network,
    NodeGroup,
    OnNetwork,
    Passthrough,
    Role,
    Shape,
    Vip,
)

INVENTORY, UNDERCLOUD = "instackenv.json", "undercloud.conf"
NETWORKS, VIPS = f"{TEMPLATES}/network_data_ib_vm.yaml", f"{TEMPLATES}/vip-data-ib-vm.yaml"
ROLES, NODES = f"{TEMPLATES}/roles_data_ib_vm.yaml", f"{TEMPLATES}/node-info-ib-vm.yaml"
SDN, ENV = f"{TEMPLATES}/neutron-ml2-mlnx-sdn-vm.yaml", f"{TEMPLATES}/ib-env-vm.yaml"
CONTAINERS = f"{TEMPLATES}/containers-prepare-parameter-ib-vm.yaml"

HIERADATA = ("nova::pci::aliases",)
"""Puppet's keys that this rack sets; the puppet modules that know the others are on no undercloud's path."""

S = TypeVar("S", bound=Shape)

BROKEN = ()
"""Stands for what has been told already."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    file: str
    """Below stack's home; or the deploy command, or a check that could not judge."""
    text: str
    """Path, what was found, what to write; or a tool's own words."""

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


@dataclass
class Bundle:
    """The documents of a folder, read once; whoever reads a broken one learns nothing, and it is told once."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)

    def say(self, file: str, text: str) -> None:
        self.problems.append(Problem(file, text))

    def text(self, file: str) -> str | None:
        """None where it cannot be read; that it is missing, `check` tells."""
        try:
            return (self.folder / file).read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            self.say(file, f"cannot be read: {error}")
            return None

    def load(self, file: str) -> Any:
        """The document; BROKEN where it cannot be read, so that it is told once."""
        text = self.text(file)
        try:
            if text is not None:
                return json.loads(text) if file.endswith(".json") else yaml.load(text, Loader=yaml.CSafeLoader)
        except ValueError as error:
            self.say(file, f"found no JSON: {error}")
        except yaml.YAMLError as error:
            self.say(file, f"found no YAML: {' '.join(str(error).split())}")
        return BROKEN

    def shaped(self, model: type[S], file: str, path: str, value: object) -> S | None:
        try:
            return model.model_validate_json(to_json(value, fallback=str))
        except ValidationError as error:
            for line in problems.lines(error.errors(), model, ""):
                self.say(file, f"{path}{'' if line.startswith(':') else '.'}{line}")
            return None

    def items(self, model: type[S], file: str, path: str, values: object) -> list[S]:
        """The items of a list, or none of them if one is broken."""
        if values == BROKEN:
            return []
        if not isinstance(values, list) or not values:
            self.say(file, f"{path or 'the document'}: found {problems.shown(values)}; write a list of one or more")
            return []
        shaped = [self.shaped(model, file, _entry(path, i, value), value) for i, value in enumerate(values)]
        return [] if None in shaped else [item for item in shaped if item]

    # ------------------------------------------------------------------------------------------------ the documents

    @cached_property
    def inventory(self) -> list[IpmiNode]:
        document = self.load(INVENTORY)
        nodes = document.get("nodes") if isinstance(document, dict) else document
        return self.items(IpmiNode, INVENTORY, "nodes", nodes)

    @cached_property
    def networks(self) -> list[Network]:
        return self.items(Network, NETWORKS, "", self.load(NETWORKS))

    @cached_property
    def vips(self) -> list[Vip]:
        return self.items(Vip, VIPS, "", self.load(VIPS))

    @cached_property
    def roles(self) -> list[Role]:
        return self.items(Role, ROLES, "", self.load(ROLES))

    @cached_property
    def nodes(self) -> list[NodeGroup]:
        return self.items(NodeGroup, NODES, "", self.load(NODES))

    @cached_property
    def containers(self) -> list[ImageEntry]:
        parameters = self.parameters(CONTAINERS)
        given = parameters.get("ContainerImagePrepare") if parameters else BROKEN
        return self.items(ImageEntry, CONTAINERS, "parameter_defaults.ContainerImagePrepare", given)

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Both environment files' parameters, the later file's last word."""
        return {**self.parameters(SDN), **self.parameters(ENV)}

    def parameters(self, file: str) -> Mapping[str, Any]:
        document = self.load(file)
        if document == BROKEN:
            return {}
        found = self.shaped(Environment, file, "the document", document or {})
        if found and not found.parameter_defaults:
            self.say(file, "parameter_defaults: found nothing; write the file's parameters")
        return found.parameter_defaults if found else {}

    @cached_property
    def undercloud(self) -> Mapping[str, str]:
        """The settings of [DEFAULT]; which keys there are is known to the real tools."""
        conf = configparser.ConfigParser(interpolation=None, default_section="none")
        try:
            conf.read_string(self.text(UNDERCLOUD) or "")
        except configparser.Error as error:
            self.say(UNDERCLOUD, f"found no INI file: {' '.join(str(error).split())}")
        return dict(conf["DEFAULT"]) if conf.has_section("DEFAULT") else {}


def _entry(path: str, index: int, value: object) -> str:
    """`[2] (Storage)`: a list's item by its number, and by its name where it has one."""
    name = value.get("name", value.get("network")) if isinstance(value, dict) else None
    return f"{path}[{index}]" + (f" ({name})" if isinstance(name, str) else "")


def check(folder: Path, wanted: Iterable[Document] = DOCUMENTS) -> list[Problem]:
    """Everything wrong with the documents of a folder, those missing that a site wants among it."""
    bundle = Bundle(folder)
    for document in wanted:
        if not (folder / document.path).is_file():
            bundle.say(document.path, f"missing; write it by `python -m rack render` ({document.step})")
    for rule in RULES:
        for file, text in rule(bundle):
            bundle.say(file, text)
    return list(dict.fromkeys(bundle.problems))


# --------------------------------------------------------------------------------------------------------------- rules

Found = Iterator[tuple[str, str]]
RULES: list[Callable[[Bundle], Found]] = []


def rule(function: Callable[[Bundle], Found]) -> Callable[[Bundle], Found]:
    RULES.append(function)
    return function


def _write(found: object, known: Iterable[str]) -> str:
    listed = sorted(known)
    close = get_close_matches(str(found), listed, n=1)
    known_as = close or listed
    return f"found {found!r}; write {'one of ' if len(known_as) > 1 else ''}{', '.join(known_as)}"


def _twice(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


@rule
def networks_apart(bundle: Bundle) -> Found:
    """A VLAN is a PKey: two networks on one would be one partition."""
    vlans = [(net.name, subnet.vlan) for net in bundle.networks for subnet in net.subnets.values()]
    for vlan in _twice(vlan for _, vlan in vlans):
        names = ", ".join(name for name, v in vlans if v == vlan)
        yield NETWORKS, f"vlan: found {vlan} on {names}; give each network a VLAN of its own"
    for name in _twice(net.name_lower for net in bundle.networks):
        yield NETWORKS, f"name_lower: found {name!r} twice; give each network a name of its own"


@rule
def pkeys_apart(bundle: Bundle) -> Found:
    """Neutron would hand a control PKey to a tenant (D4)."""
    ranges = bundle.environment.get("NeutronNetworkVLANRanges") or []
    for text in ranges if isinstance(ranges, list) else str(ranges).split(","):
        physnet, _, bounds = str(text).partition(":")
        found = re.fullmatch(r"(\d+):(\d+)", bounds)
        if not found:
            yield ENV, f"parameter_defaults.NeutronNetworkVLANRanges: found {text!r}; write PHYSNET:FIRST:LAST"
        elif physnet != "datacentre":
            yield from _inside(bundle, str(text), range(int(found[1]), int(found[2]) + 1))


def _inside(bundle: Bundle, text: str, tenants: range) -> Found:
    for net in bundle.networks:
        for name, subnet in net.subnets.items():
            if net.name != "External" and subnet.vlan in tenants:
                yield (
                    NETWORKS,
                    f"{net.name}.subnets.{name}.vlan: found {subnet.vlan} (PKey {subnet.vlan:#x}), inside the tenants' "
                    f"{text}; write one outside, here and in UFM, or move NeutronNetworkVLANRanges in {ENV}",
                )


@rule
def vips_on_networks(bundle: Bundle) -> Found:
    known = {net.name_lower: net for net in bundle.networks if net.vip}
    for i, vip in enumerate(bundle.vips):
        if vip.network not in known and vip.network != "ctlplane" and known:
            yield VIPS, f"[{i}].network: {_write(vip.network, [*known, 'ctlplane'])}"
        elif vip.subnet and vip.network in known and vip.subnet not in known[vip.network].subnets:
            yield VIPS, f"[{i}].subnet: {_write(vip.subnet, known[vip.network].subnets)}"
    for name in _twice(vip.network for vip in bundle.vips):
        yield VIPS, f"network: found {name!r} twice; a network has one virtual address"


@rule
def roles_on_networks(bundle: Bundle) -> Found:
    """Rendering is silent: the role just loses its network."""
    known = {net.name: net for net in bundle.networks}
    for role in bundle.roles if known else []:
        for name, on in role.networks.items():
            if name not in known:
                yield ROLES, f"{role.name}.networks.{name}: no network of {NETWORKS}; {_write(name, known)}"
            elif on.subnet not in known[name].subnets:
                yield ROLES, f"{role.name}.networks.{name}.subnet: {_write(on.subnet, known[name].subnets)}"


@rule
def groups_are_roles(bundle: Bundle) -> Found:
    roles = {role.name: role for role in bundle.roles}
    lower = {net.name: net.name_lower for net in bundle.networks}
    for group in bundle.nodes if roles and lower else []:
        if group.name not in roles:
            yield NODES, f"name: no role of {ROLES}; {_write(group.name, roles)}"
            continue
        wanted = {lower[name] for name in roles[group.name].networks if name in lower}
        for path, networks in _networks_of(group):
            got = {on.network for on in networks} - {"ctlplane"}
            if got != wanted:
                yield NODES, f"{path}: found {', '.join(sorted(got)) or 'none'}; write {', '.join(sorted(wanted))}"


def _networks_of(group: NodeGroup) -> Iterator[tuple[str, tuple[OnNetwork, ...]]]:
    yield f"{group.name}.defaults.networks", group.defaults.networks
    for instance in group.instances:
        if instance.networks:
            yield f"{group.name}.instances.{instance.name}.networks", instance.networks


@rule
def nodes_on_subnets(bundle: Bundle) -> Found:
    known = {net.name_lower: net for net in bundle.networks}
    for group in bundle.nodes if known else []:
        for path, networks in _networks_of(group):
            for on in networks:
                if on.subnet and on.network in known and on.subnet not in known[on.network].subnets:
                    yield NODES, f"{path}.{on.network}.subnet: {_write(on.subnet, known[on.network].subnets)}"


@rule
def nodes_of_the_inventory(bundle: Bundle) -> Found:
    known = {node.name: node for node in bundle.inventory}
    for group in bundle.nodes if known else []:
        if group.count != len(group.instances):
            yield (
                NODES,
                f"{group.name}.count: found {group.count}; write {len(group.instances)}, as instances are named",
            )
        for instance in group.instances:
            if instance.name not in known:
                path = f"{group.name}.instances.{instance.hostname}.name"
                yield NODES, f"{path}: no node of {INVENTORY}; {_write(instance.name, known)}"
                continue
            profile = known[instance.name].capability.get("profile")
            if group.defaults.profile and profile != group.defaults.profile:
                yield (
                    INVENTORY,
                    f"{instance.name}.capabilities: found {known[instance.name].capabilities!r}; "
                    + (f"write profile:{group.defaults.profile} in it, as {NODES} asks for"),
                )
    for name in _twice(instance.hostname for group in bundle.nodes for instance in group.instances):
        yield NODES, f"hostname: found {name!r} twice; each host has its own"


@rule
def files_named(bundle: Bundle) -> Found:
    """Paths of the undercloud that documents name must be in the bundle."""
    named = [(NODES, f"{g.name}.defaults.network_config.template", g.defaults.network_config.template)
             for g in bundle.nodes]  # fmt: skip
    if "container_images_file" in bundle.undercloud:
        named.append((UNDERCLOUD, "container_images_file", bundle.undercloud["container_images_file"]))
    for file, path, name in named:
        here = bundle.folder / name.removeprefix(f"{HOME}/")
        if not name.startswith(f"{HOME}/") or not here.is_file():
            yield file, f"{path}: {_write(name, (f'{HOME}/{d.path}' for d in DOCUMENTS))}"


@rule
def containers_once(bundle: Bundle) -> Found:
    """A later entry's images must be left out by the first, which takes all: or they are prepared twice, unchanged."""
    everything = [entry for entry in bundle.containers if not entry.includes]
    if bundle.containers and len(everything) != 1:
        yield CONTAINERS, f"ContainerImagePrepare: found {len(everything)} entries without includes; write one"
        return
    for image in (image for entry in bundle.containers for image in entry.includes):
        if not any(re.search(pattern, image) for pattern in everything[0].excludes):
            yield (
                CONTAINERS,
                f"ContainerImagePrepare: {image} is prepared twice; write it in excludes of the first entry",
            )


@rule
def devices(bundle: Bundle) -> Found:
    """`NovaPCIPassthrough`: its keys, and that Neutron's mapping names the same interface."""
    mine = bundle.environment.get("ComputeSriovIBParameters")
    given = mine.get("NovaPCIPassthrough", BROKEN) if isinstance(mine, dict) else BROKEN
    path = "parameter_defaults.ComputeSriovIBParameters.NovaPCIPassthrough"
    mapped = dict(str(pair).partition(":")[::2] for pair in bundle.environment.get("NeutronPhysicalDevMappings") or [])
    for i, device in enumerate(bundle.items(Passthrough, ENV, path, given)):
        if device.physical_network and mapped.get(device.physical_network) != device.devname:
            known = [f"{name} on {dev}" for name, dev in mapped.items()]
            yield ENV, f"{path}[{i}]: {_write(f'{device.physical_network} on {device.devname}', known)}"


@rule
def aliases(bundle: Bundle) -> Found:
    """nova's API and its computes must know the GPU by one name, with one description."""
    seen = {}
    for role in (role.name for role in bundle.roles):
        extra, path = bundle.environment.get(f"{role}ExtraConfig"), f"parameter_defaults.{role}ExtraConfig"
        if not isinstance(extra, dict):
            continue
        for key in set(extra) - set(HIERADATA):
            if get_close_matches(key, HIERADATA, cutoff=0.8):
                yield ENV, f"{path}.{key}: unknown key; write {HIERADATA[0]}"
        seen[role] = bundle.items(Alias, ENV, f"{path}.{HIERADATA[0]}", extra.get(HIERADATA[0], BROKEN))
    if len({tuple(listed) for listed in seen.values()}) > 1:
        yield ENV, f"nova::pci::aliases: found other ones for {' and '.join(sorted(seen))}; write the same for both"


@rule
def sdn_url(bundle: Bundle) -> Found:
    """networking-mlnx joins the URL with a slash of its own."""
    url = str(bundle.environment.get("MlnxSDNUrl", ""))
    if url.endswith("/"):
        yield SDN, f"parameter_defaults.MlnxSDNUrl: found {url!r}; write it without the slash at its end"


@rule
def physnets(bundle: Bundle) -> Found:
    """One physical network under one name in all of O3 and O4."""
    ranges = {str(text).partition(":")[0] for text in bundle.environment.get("NeutronNetworkVLANRanges") or []}
    named = [(SDN, "BindNormalPortsPhysnet", bundle.environment.get("BindNormalPortsPhysnet"))]
    for key in ("NeutronPhysicalDevMappings", "MultiInterfaceDriverMappings", "NeutronBridgeMappings"):
        pairs = bundle.environment.get(key) or []
        named += [(ENV, key, str(pair).partition(":")[0]) for pair in pairs]
    for file, key, physnet in named:
        if physnet is not None and ranges and physnet not in ranges:
            yield file, f"parameter_defaults.{key}: {_write(physnet, ranges)}, as NeutronNetworkVLANRanges has it"
