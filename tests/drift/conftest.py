"""The state of the guide's rack, made from the resources that the program registers under Pulumi's mocks."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest

from drift.compare import sha256
from drift.expected import File, Rack, expected
from drift.state import COMMAND, MARK, SECRET, State, parse
from tests.components.conftest import Recorder, loops, no_callbacks, no_stack_traces, plan, rack

__all__ = ["loops", "no_callbacks", "no_stack_traces", "plan", "rack"]

QUERY = """\
Device #1:
----------

Configurations:                             Default         Current         Next Boot
"""
BRIDGE = """\
c2:04.0 PCI bridge: Broadcom / LSI PEX880xx PCIe Gen 4 Switch
\tCapabilities: [148 v1] Access Control Services
\t\tACSCap: SrcValid+ TransBlk+ ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl+ DirectTrans+
\t\tACSCtl: SrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans+

"""


def as_state(value: Any) -> Any:
    """Return a value of the mocks as a state has it: with its secrets as JSON texts."""
    if isinstance(value, Mapping):
        if value.get(SECRET) == MARK:
            return {SECRET: MARK, "plaintext": json.dumps(as_state(value["value"]))}
        return {key: as_state(inner) for key, inner in value.items()}
    return [as_state(inner) for inner in value] if isinstance(value, list) else value


def document(recorder: Recorder) -> dict[str, Any]:
    """Return what `pulumi stack export --show-secrets` would print."""
    resources = [
        {
            "urn": f"urn:pulumi:dev::rack::{r.token}::{name}",
            "type": r.token,
            "inputs": as_state(r.inputs),
            "outputs": {"stdout": recorder._stdout(name)} if r.token == COMMAND else {},
        }
        for name, r in recorder.resources.items()
    ]
    return {"version": 3, "deployment": {"resources": resources}}


@pytest.fixture(scope="session")
def state(rack: Recorder) -> State:
    return parse(document(rack))


@pytest.fixture(scope="session")
def promised(state: State) -> Rack:
    """Return what the state promises. Tests must not change it."""
    return expected(state)


@pytest.fixture
def node_facts(promised: Rack) -> dict[str, Any]:
    """Return what the program sees on compute-1 when nothing has drifted."""
    node = promised.nodes["compute-1"]
    assert node.order
    settings = node.order.settings
    rows = "".join(f"         {name:<35} 0               {value:<16}{value}\n" for name, value in settings.items())
    gpu = "c0:01.0/c2:04.0/cc:00.0 3D controller: NVIDIA\n"
    return copy.deepcopy(
        {
            "files": {path: {"answer": as_promised(file)} for path, file in node.files.items()},
            "units": {unit: {"answer": {"enabled": "enabled", "active": "inactive"}} for unit in node.units},
            "options": {},
            "containers": {
                "answer": {
                    "expected": {"nova_compute": "registry/nova:1"},
                    "found": {"nova_compute": ["registry/nova:1", "Up 5 minutes ago (healthy)"]},
                }
            },
            "adapter": {
                "answer": {
                    "release": "20.32.1010",
                    "settings": QUERY + rows,
                    "bridges": f"c0:01.0/c2:04.0/c5:00.0 Infiniband\n--\n{gpu}--\n{BRIDGE}",
                }
            },
        }
    )


def as_promised(file: File) -> dict[str, Any]:
    """Return the facts of a file that is as its step has placed it."""
    owner = {"mode": file.mode, "owner": file.owner, "group": file.group}
    return {**owner, "kind": "file", "sha256": sha256(file.content)}
