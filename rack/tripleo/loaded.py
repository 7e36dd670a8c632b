"""The documents of a folder, read and validated against their models, for `rack.tripleo.check`."""

import configparser
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import to_json

from rack.site import problems
from rack.tripleo.documents import DEPLOY_PATH
from rack.tripleo.models import (
    DocumentModel,
    HeatEnvironment,
    ImageEntry,
    IpmiNode,
    NetworkData,
    NodeGroup,
    RoleData,
    VipData,
)

INVENTORY, UNDERCLOUD = "instackenv.json", "undercloud.conf"
NETWORKS, VIPS = f"{DEPLOY_PATH}/network_data_ib_vm.yaml", f"{DEPLOY_PATH}/vip-data-ib-vm.yaml"
ROLES, NODES = f"{DEPLOY_PATH}/roles_data_ib_vm.yaml", f"{DEPLOY_PATH}/node-info-ib-vm.yaml"
SDN, ENV = f"{DEPLOY_PATH}/neutron-ml2-mlnx-sdn-vm.yaml", f"{DEPLOY_PATH}/ib-env-vm.yaml"
CONTAINERS = f"{DEPLOY_PATH}/containers-prepare-parameter-ib-vm.yaml"

M = TypeVar("M", bound=DocumentModel)

UNREADABLE = ()
"""Returned instead of a document that cannot be read: the fault is already reported."""


@dataclass(frozen=True)
class Problem:
    """One fault of a document."""

    file: str
    """Path below the home directory, or the name of the check that could not run."""
    text: str
    """Path in the document, value found and what to write; or the message of a Wallaby tool."""

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


@dataclass
class LoadedDocuments:
    """The documents of a folder. Each is read once, at first use.

    A document that is missing, unreadable or invalid is empty here, so that a rule that compares it with another one
    reports nothing more. The reason is in `problems`.
    """

    home: Path
    """A folder like the home directory of the user stack."""
    problems: list[Problem] = field(default_factory=list)

    def report(self, file: str, text: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(file, text))

    def text(self, file: str) -> str | None:
        """Return the text of a file, or None if it cannot be read. `check` reports a missing file."""
        try:
            return (self.home / file).read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            self.report(file, f"cannot be read: {error}")
            return None

    def load(self, file: str) -> Any:
        """Return the parsed JSON or YAML file, or UNREADABLE."""
        text = self.text(file)
        try:
            if text is not None:
                return json.loads(text) if file.endswith(".json") else yaml.load(text, Loader=yaml.CSafeLoader)
        except (ValueError, yaml.YAMLError) as error:
            kind = "JSON" if file.endswith(".json") else "YAML"
            self.report(file, f"found no {kind}: {' '.join(str(error).split())}")
        return UNREADABLE

    def validated(self, model: type[M], file: str, path: str, value: object) -> M | None:
        """Return the value as a model, or None if it is invalid.

        Args:
            model: the model to validate against.
            file: the file that contains the value.
            path: where in the file the value is.
            value: the value as the file has it.
        """
        try:
            return model.model_validate_json(to_json(value, fallback=str))
        except ValidationError as error:
            for line in problems.lines(error.errors(), model, ""):
                self.report(file, f"{path}{'' if line.startswith(':') else '.'}{line}")
            return None

    def items(self, model: type[M], file: str, path: str, values: object) -> list[M]:
        """Return the items of a list as models; an empty list if one of them is invalid."""
        if values == UNREADABLE:
            return []
        if not isinstance(values, list) or not values:
            self.report(file, f"{path or 'the document'}: found {problems.shown(values)}; write a list of one or more")
            return []
        items = [self.validated(model, file, _item_path(path, i, value), value) for i, value in enumerate(values)]
        return [] if None in items else [item for item in items if item]

    @cached_property
    def inventory(self) -> list[IpmiNode]:
        """The nodes of instackenv.json (C6)."""
        document = self.load(INVENTORY)
        nodes = document.get("nodes") if isinstance(document, dict) else document
        return self.items(IpmiNode, INVENTORY, "nodes", nodes)

    @cached_property
    def networks(self) -> list[NetworkData]:
        """The networks (O1)."""
        return self.items(NetworkData, NETWORKS, "", self.load(NETWORKS))

    @cached_property
    def vips(self) -> list[VipData]:
        """The virtual addresses (O1)."""
        return self.items(VipData, VIPS, "", self.load(VIPS))

    @cached_property
    def roles(self) -> list[RoleData]:
        """The roles (O1)."""
        return self.items(RoleData, ROLES, "", self.load(ROLES))

    @cached_property
    def nodes(self) -> list[NodeGroup]:
        """The nodes by role (O1)."""
        return self.items(NodeGroup, NODES, "", self.load(NODES))

    @cached_property
    def containers(self) -> list[ImageEntry]:
        """The entries of ContainerImagePrepare (C3)."""
        parameters = self.parameters(CONTAINERS)
        given = parameters.get("ContainerImagePrepare") if parameters else UNREADABLE
        return self.items(ImageEntry, CONTAINERS, "parameter_defaults.ContainerImagePrepare", given)

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """The parameters of both environment files (O3, O4). The later file takes precedence, as in the deployment."""
        return {**self.parameters(SDN), **self.parameters(ENV)}

    def parameter_list(self, name: str) -> list[str]:
        """Return the items of a comma-delimited list (Heat's type), which a file may write as a list or as a text."""
        value = self.environment.get(name) or []
        return [str(item) for item in (value if isinstance(value, list) else str(value).split(","))]

    def parameters(self, file: str) -> Mapping[str, Any]:
        """Return the parameters of a Heat environment file."""
        document = self.load(file)
        if document == UNREADABLE:
            return {}
        found = self.validated(HeatEnvironment, file, "the document", document or {})
        if found and not found.parameter_defaults:
            self.report(file, "parameter_defaults: found nothing; write the file's parameters")
        return found.parameter_defaults if found else {}

    @cached_property
    def undercloud(self) -> Mapping[str, str]:
        """The options in [DEFAULT] of undercloud.conf (C2). The Wallaby tools report unknown options."""
        conf = configparser.ConfigParser(interpolation=None, default_section="none")
        try:
            conf.read_string(self.text(UNDERCLOUD) or "")
        except configparser.Error as error:
            self.report(UNDERCLOUD, f"found no INI file: {' '.join(str(error).split())}")
        return dict(conf["DEFAULT"]) if conf.has_section("DEFAULT") else {}


def _item_path(path: str, index: int, value: object) -> str:
    """Return the path of a list item, with its name if it has one: `[2] (Storage)`."""
    name = value.get("name", value.get("network")) if isinstance(value, dict) else None
    return f"{path}[{index}]" + (f" ({name})" if isinstance(name, str) else "")
