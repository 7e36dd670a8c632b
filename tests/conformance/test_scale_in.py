"""Who leaves by `openstack overcloud node delete`, as tripleo-ansible reads the file that is made for it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud.nodes import marked
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
"""state=absent of cli-overcloud-node-unprovision.yaml's first task, and state=present of the deployment's."""


def expanded(workers: Workers, file: Path, state: str) -> Any:
    done = subprocess.run(
        [workers.tools.python, "-c", EXPAND, str(file), state], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fewer(name: str) -> Plan:
    """The guide's rack without a compute; those behind it keep their index."""
    written = sites.document()
    for number, node in enumerate(n for n in written["nodes"] if n["role"] == "ComputeSriovIB"):
        node["index"] = number
    written["nodes"] = [node for node in written["nodes"] if node["name"] != name]
    written["tenant"]["instances"] = []
    for key in ("bandwidth", "externalAccess"):
        written.pop(key, None)
    return Plan(parse(written))


@pytest.mark.parametrize("name", ["compute-1", "compute-2"])
def test_they_alone_are_deleted(workers: Workers, tmp_path: Path, name: str) -> None:
    host = stack("reference").host(name)
    leaving = {name: {"role": str(host.role), "host": host.hostname}}
    file = tmp_path / "leaving.yaml"
    file.write_text(json.dumps(marked(tripleo.node_groups(fewer(name)), leaving)))
    assert expanded(workers, file, "absent")["hosts"] == {name: host.short_hostname}
    stay = {h.name: h.short_hostname for h in stack("reference").hosts if h.name != name}
    assert expanded(workers, file, "present")["hosts"] == stay


@pytest.mark.parametrize("name", ["compute-1", "compute-2"])
def test_those_who_stay_keep_their_names(workers: Workers, tmp_path: Path, name: str) -> None:
    plan = fewer(name)
    write_home(plan, tmp_path / "home")
    assert CheckRun(workers, tmp_path / "home", plan, tmp_path).findings("networks") == []
    file = tmp_path / "home/templates/IB/VM/node-info-ib-vm.yaml"
    stay = {h.name: h.short_hostname for h in stack("reference").hosts if h.name != name}
    found = expanded(workers, file, "present")
    assert found["hosts"] == stay
    assert found["parameter_defaults"]["ComputeSriovIBCount"] == 1
    assert set(found["parameter_defaults"]["HostnameMap"].values()) >= set(stay.values())
