"""Sites for the tests: the guide's rack from Pulumi.reference.yaml, with edits, and any valid one (hypothesis)."""

import copy
import re
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from rack.plan import Plan
from rack.site import Site
from rack.site.load import parse
from tests import yamls

ROOT = Path(__file__).resolve().parents[2]
STACK_FILES = ("Pulumi.dev.yaml", "Pulumi.reference.yaml")

Document = dict[str, Any]
REFERENCE: Document = yamls.load((ROOT / "Pulumi.reference.yaml").read_text())["config"]["rack:site"]


CERTIFICATE = (ROOT / "tests/engine/states/0.1.0/ca.pem").read_text()
"""A certificate in PEM format."""


class Drop:
    """Leave the key out."""

    def __repr__(self) -> str:
        """Return the same text in every process: it is part of the tests' IDs, which pytest-xdist compares."""
        return "DROP"


DROP = Drop()

GUIDES_COMMAND = """
openstack overcloud deploy --templates /usr/share/openstack-tripleo-heat-templates
  --networks-file /home/stack/templates/IB/VM/network_data_ib_vm.yaml
  --vip-file /home/stack/templates/IB/VM/vip-data-ib-vm.yaml
  --baremetal-deployment /home/stack/templates/IB/VM/node-info-ib-vm.yaml
  --network-config
  -r /home/stack/templates/IB/VM/roles_data_ib_vm.yaml
  -e /home/stack/templates/IB/VM/containers-prepare-parameter-ib-vm.yaml
  -e /usr/share/openstack-tripleo-heat-templates/environments/podman.yaml
  -e /usr/share/openstack-tripleo-heat-templates/environments/services/neutron-ovs.yaml
  -e /usr/share/openstack-tripleo-heat-templates/environments/services/neutron-mlnx-agent.yaml
  -e /home/stack/templates/IB/VM/neutron-ml2-mlnx-sdn-vm.yaml
  -e /home/stack/templates/IB/VM/ib-env-vm.yaml
  --validation-warnings-fatal
  -e /usr/share/openstack-tripleo-heat-templates/environments/disable-telemetry.yaml
"""
"""The deploy command as the guide prints it (O5)."""


def steps(path: str) -> list[str | int]:
    """`nodes[0].ipmi.address` → ["nodes", 0, "ipmi", "address"]."""
    return [int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path)]


def document(edits: dict[str, Any] | None = None) -> Document:
    """Return the guide's rack with values replaced by path; a list may be extended by one item."""
    site = copy.deepcopy(REFERENCE)
    for path, value in (edits or {}).items():
        *above, last = steps(path)
        here: Any = site
        for step in above:
            here = here[step] if isinstance(step, int) else here.setdefault(step, {})
        if value is DROP:
            del here[last]
        elif isinstance(here, list) and last == len(here):
            here.append(value)
        else:
            here[last] = value
    return site


def unchecked(edits: dict[str, Any]) -> Site:
    """Return a site with valid types, which may break design rules."""
    return Site.model_validate(document(edits))


def plan(edits: dict[str, Any] | None = None) -> Plan:
    return Plan(parse(document(edits)))


def node(index: int, role: str, guid: str) -> Document:
    kind = "controller" if role == "Controller" else "compute"
    return {
        "name": f"{kind}-{index}",
        "role": role,
        "address": f"192.168.24.{10 + index}",
        "guid": guid,
        "mac": f"52:54:00:00:01:{index:02X}",
        "ipmi": {"address": f"192.168.23.{10 + index}"},
    }


def spellings(number: int) -> st.SearchStrategy[str]:
    """Return the customary spellings of a GUID."""
    plain = f"{number:016x}"
    pairs = re.findall("..", plain)
    return st.sampled_from(
        [plain, plain.upper(), f"0x{plain}", f"0X{plain}", ":".join(pairs), "-".join(pairs), f" {plain} "]
    )


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any valid site on the guide's addresses."""
    roles = ["Controller"] * draw(st.sampled_from([1, 3, 5])) + ["ComputeSriovIB"] * draw(st.integers(2, 9))
    numbers = draw(st.lists(st.integers(1, 2**64 - 2), min_size=len(roles) + 2, max_size=len(roles) + 2, unique=True))
    guids = [draw(spellings(n)) for n in numbers]
    nodes = [node(i, role, guids[i]) for i, role in enumerate(draw(st.permutations(roles)))]
    low = draw(st.integers(1, 4000))
    high = draw(st.integers(low, 4090))
    outside = st.integers(1, 4094).filter(lambda v: not low <= v <= high)
    vlans = draw(st.lists(outside, min_size=4, max_size=4, unique=True))
    computes = [n["name"] for n in nodes if n["role"] == "ComputeSriovIB"]
    return document(
        {
            "cloud": {"name": draw(st.from_regex(r"\A[a-z][a-z0-9]{0,20}\Z"))},
            "nodes": nodes,
            "fabric.switch.guid": guids[-1],
            "fabric.interface": draw(st.sampled_from(["ib0", "ib2", "ibp197s0f0"])),
            "ufm.host": draw(st.sampled_from([DROP, {"guid": guids[-2], "image": "mellanox/ufm-enterprise:6.14.5-2"}])),
            "networks.external.vlan": vlans[0],
            "networks.control.Storage.vlan": vlans[1],
            "networks.control.InternalApi.vlan": vlans[2],
            **draw(
                st.sampled_from(
                    [{"networks.control.StorageMgmt": DROP}, {"networks.control.StorageMgmt.vlan": vlans[3]}]
                )
            ),
            "networks.tenant.vlans": [low, high],
            "tenant.network.vlan": draw(st.integers(low, high)),
            "compute.vfs": draw(st.integers(1, 127)),
            "tenant.instances[0].compute": computes[0],
            "tenant.instances[1].compute": computes[1],
        }
    )


def reordered(value: Any) -> Any:
    """Return the same YAML with the keys of every mapping in reverse order."""
    if isinstance(value, dict):
        return {key: reordered(inner) for key, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value
