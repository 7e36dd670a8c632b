"""Record the previews that `test_report.py` reads, on the embedded lab, whose rack must be empty.

    python -m lab start; python -m tests.review.record      about three minutes

Writes `tests/review/previews/NAME.json`: what `pulumi preview --json` prints for one change of the dev stack, without
the configuration and without properties that the report does not read. Record them again when the program's resources
or the engine's format change; `test_report.py` then shows what changes for a reviewer.
"""

import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.build import environment
from lab.cloud.client import Session
from lab.cloud.configuration import NOVA
from lab.inventory import inventory_plan
from providers.ufm import Client

PROJECT = Path(__file__).resolve().parents[2]
PREVIEWS = Path(__file__).with_name("previews")
STACK = PROJECT / "Pulumi.dev.yaml"

Site = dict[str, Any]


def _without_compute(site: Site) -> None:
    """compute-2 goes, with its VM and what needs two VMs."""
    site["nodes"] = [node for node in site["nodes"] if node["name"] != "compute-2"]
    del site["tenant"]["instances"][1], site["bandwidth"]


def _with_compute(site: Site) -> None:
    spares = yaml.safe_load(STACK.read_text())["config"]["lab:spares"]
    site["nodes"] += spares


def _with_other_image(site: Site) -> None:
    site["images"][1]["elements"].remove("epel")


CHANGES: Mapping[str, Callable[[Site], object]] = {
    "compute-added": _with_compute,
    "compute-removed": _without_compute,
    "firmware-setting": lambda site: site["compute"].update(maxAccOutRead=32),
    "image-recipe": _with_other_image,
    "flavor-resized": lambda site: site["tenant"].update(flavor={"vcpus": 12}),
    "ufm-upgrade": lambda site: site["ufm"]["host"].update(image="mellanox/ufm-enterprise:6.15.2-4"),
    "deployment-parameter": lambda site: site["compute"].update(reservedMemoryMib=8192),
    "tenant-vlan": lambda site: site["tenant"]["network"].update(vlan=102),
    "access-removed": lambda site: site.pop("externalAccess"),
    "bmc-user": lambda site: site["nodes"][0]["ipmi"].update(user="operator"),
    "unchanged": lambda site: None,
}
"""Name of the preview → the change of `rack:site`."""


def pulumi(*arguments: str) -> str:
    """Run `pulumi ARGUMENTS` on the dev stack and return its standard output."""
    env = {**os.environ, **environment(), "PULUMI_CONFIG_PASSPHRASE": "lab"}
    return subprocess.run(
        ["pulumi", "--non-interactive", *arguments], cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def reduced(text: str) -> str:
    """Return the JSON of a preview without what `review.preview` does not read."""
    digest = json.loads(text)
    refreshed = any(step["op"] == "refresh" for step in digest["steps"])
    kept = [_step(step, "outputs" if refreshed else "inputs") for step in digest["steps"]]
    said = [{key: message[key] for key in ("severity", "message")} for message in digest.get("diagnostics") or ()]
    whole = {"steps": kept, "diagnostics": said, "changeSummary": digest.get("changeSummary")}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _step(step: Mapping[str, Any], properties: str) -> Mapping[str, Any]:
    kept = {key: step[key] for key in ("op", "urn", "detailedDiff", "diffReasons", "replaceReasons") if step.get(key)}
    for state in ("oldState", "newState"):
        if step.get(state) and step["op"] != "same":
            found = step[state].get(properties) or {}
            kept[state] = {"protect": step[state].get("protect", False), properties: _properties(found)}
    return kept


def _properties(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in found.items() if key not in ("update", "__defaults", "__meta")}


def record(name: str, *command: str) -> None:
    """Write the preview that a command prints."""
    (PREVIEWS / f"{name}.json").write_text(reduced(pulumi(*command, "--json")))
    print(name)


def changed(folder: Path, change: Callable[[Site], object]) -> str:
    """Return the path of a stack file with the change."""
    stack = yaml.safe_load(STACK.read_text())
    change(stack["config"]["rack:site"])
    file = folder / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump(stack, sort_keys=False))
    return str(file)


def drift() -> None:
    """Make what a refresh finds: a member that UFM lost, a foreign one, a deleted VM."""
    site = inventory_plan(STACK).site
    where = str(site.ufm.address), site.ufm.port
    password = json.loads(pulumi("config", "--show-secrets", "--json"))["rack:ufmPassword"]["value"]
    ufm = Client(where[0], "admin", password, port=where[1], ca=ssl.get_server_certificate(where))
    ufm.remove_guids("0xb", [str(site.nodes[1].guid)])
    ufm.add_guids("0xb", ["b8599f0300b00061"])
    cloud = Session()
    for server in cloud.get(f"{NOVA}/servers", all_tenants="1")["servers"]:
        if server["name"] == "vm2_gpu":
            cloud.send("DELETE", f"{NOVA}/servers/{server['id']}")


def main() -> None:
    """Record all previews, or with the argument `drift` that of a refresh alone, on a deployed rack."""
    if sys.argv[1:] == ["drift"]:
        drift()
        return record("drift", "refresh", "--preview-only")
    PREVIEWS.mkdir(exist_ok=True)
    record("first", "preview")
    pulumi("up", "--yes", "--skip-preview")
    with tempfile.TemporaryDirectory() as folder:
        for name, change in CHANGES.items():
            record(name, "preview", "--config-file", changed(Path(folder), change))
    drift()
    return record("drift", "refresh", "--preview-only")


if __name__ == "__main__":
    main()
