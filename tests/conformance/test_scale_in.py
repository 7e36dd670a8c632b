"""Scale-in: which nodes tripleo-ansible deletes for the file that `openstack overcloud node delete` is given."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud.leave import marked
from onhost.undercloud.orders import Placement
from rack import tripleo
from rack.__main__ import write_home
from rack.plan import Plan
from rack.site.load import parse
from rack.wallaby.checks import CheckRun, Workers
from tests.conformance.conftest import stack
from tests.rack import sites

EXPAND = """
import json, sys, yaml
from pathlib import Path
sys.path.insert(0, str(Path(sys.prefix) / "share/ansible/plugins/module_utils"))
import baremetal_deploy
present = sys.argv[2] == "present"
roles = yaml.safe_load(Path(sys.argv[1]).read_text())
image = {"href": "overcloud-full"}
found, environment, _, _ = baremetal_deploy.expand(roles, "overcloud", present, default_image=image)
print(json.dumps({"hosts": {i["name"]: i["hostname"] for i in found}, **environment}))
"""
"""Prints what tripleo-ansible makes of the file: `absent` as cli-overcloud-node-unprovision.yaml does, `present` as the
deployment does."""


def expanded(workers: Workers, file: Path, state: str) -> Any:
    done = subprocess.run(
        [workers.tools.python, "-c", EXPAND, str(file), state], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fewer(name: str) -> Plan:
    """Return the plan of the guide's rack without one compute. The other computes keep their indexes."""
    written = sites.document()
    for number, node in enumerate(n for n in written["nodes"] if n["role"] == "ComputeSriovIB"):
        node["index"] = number
    written["nodes"] = [node for node in written["nodes"] if node["name"] != name]
    written["tenant"]["instances"] = []
    for key in ("bandwidth", "externalAccess"):
        written.pop(key, None)
    return Plan(parse(written))


@pytest.mark.parametrize("name", ["compute-1", "compute-2"])
def test_only_the_removed_node_is_deleted(workers: Workers, tmp_path: Path, name: str) -> None:
    host = stack("reference").host(name)
    removed = {name: Placement(role=str(host.role), host=host.hostname)}
    file = tmp_path / "removed.yaml"
    file.write_text(json.dumps(marked(tripleo.node_groups(fewer(name)), removed)))
    assert expanded(workers, file, "absent")["hosts"] == {name: host.short_hostname}
    stay = {h.name: h.short_hostname for h in stack("reference").hosts if h.name != name}
    assert expanded(workers, file, "present")["hosts"] == stay


@pytest.mark.parametrize("name", ["compute-1", "compute-2"])
def test_remaining_nodes_keep_their_host_names(workers: Workers, tmp_path: Path, name: str) -> None:
    plan = fewer(name)
    write_home(plan, tmp_path / "home")
    assert CheckRun(workers, tmp_path / "home", plan, tmp_path).findings("networks") == []
    file = tmp_path / "home/templates/IB/VM/node-info-ib-vm.yaml"
    stay = {h.name: h.short_hostname for h in stack("reference").hosts if h.name != name}
    found = expanded(workers, file, "present")
    assert found["hosts"] == stay
    assert found["parameter_defaults"]["ComputeSriovIBCount"] == 1
    assert set(found["parameter_defaults"]["HostnameMap"].values()) >= set(stay.values())
