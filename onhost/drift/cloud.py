"""What user stack sees on the undercloud: nova's services, ironic's nodes, the last deployment, the overcloud nodes."""

import json
import re
import shlex
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from onhost.drift.orders import CloudLook, NodeLook
from onhost.undercloud.client import openstack_json
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import encode
from onhost.undercloud.shell import Shell, Unreachable

AT_ONCE = 32
"""Nodes that are looked at in parallel."""
PYTHON = "$(command -v python3 || echo /usr/libexec/platform-python)"
LOADER = (
    "import sys;i=sys.stdin.buffer;SOURCE=i.read(int(i.readline())).decode();exec(compile(SOURCE,'rack-drift','exec'))"
)
"""Reads a program, whose length in bytes is the first line of standard input, and runs it; the rest is its input."""
END = "RACK-DRIFT-END"
STATUS = "overcloud-deploy/{0}/{0}-deployment_status.yaml"
"""Where tripleoclient 16.5.0 notes the status of the last deployment (`utils.update_deployment_status`)."""
FIELDS = ("name", "provision_state", "power_state", "maintenance", "driver_info")


def with_program(source: str, order: str) -> str:
    """Return standard input for LOADER: the program and its order."""
    return f"{len(source.encode())}\n{source}{order}\n"


def cloud_facts(look: CloudLook, source: str) -> Dict[str, Any]:
    """Return everything that user stack can see. `source`: this program, which runs on the nodes too."""
    rc = str(Path.home() / f"{look.stack}rc")
    asked: Dict[str, Callable[[], Any]] = {"ironic": baremetal}
    if look.services:
        asked["services"] = lambda: openstack_json("compute", "service", "list", "--long", login=rc)
        asked["deployment"] = lambda: deployment(Path.home() / STATUS.format(look.stack))
    if look.computes:
        asked["servers"] = lambda: {host: servers(host, rc) for host in look.computes}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        nodes = {node.name: pool.submit(answered, node_facts, node, source, folder) for node in look.nodes}
        facts = {name: pool.submit(answered, ask) for name, ask in asked.items()}
        found = {name: future.result() for name, future in facts.items()}
        return dict(found, nodes={name: future.result() for name, future in nodes.items()})


def answered(ask: Callable[..., Any], *given: Any) -> Dict[str, Any]:
    """Return the answer, or why there is none."""
    try:
        return {"answer": ask(*given)}
    except (Fault, Unreachable, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return {"fault": " ".join(str(error).split())[:300]}


def baremetal() -> List[Dict[str, Any]]:
    """Return ironic's nodes without the passwords of their controllers, which ironic masks."""
    rows = openstack_json("baremetal", "node", "list", "--fields", *FIELDS)
    return [
        {
            "name": row["Name"],
            "state": row["Provisioning State"],
            "maintenance": row["Maintenance"],
            "address": (row["Driver Info"] or {}).get("ipmi_address"),
        }
        for row in rows
    ]


def servers(host: str, rc: str) -> List[Dict[str, str]]:
    """Return name and status of a compute's instances, those of all projects. `rc`: the overcloud's login."""
    which = ("--all-projects", "--host", host, "--no-name-lookup")
    rows = openstack_json("server", "list", *which, "-c", "ID", "-c", "Name", "-c", "Status", login=rc)
    return [{"name": row["Name"], "status": row["Status"]} for row in rows]


def deployment(file: Path) -> Optional[Dict[str, Any]]:
    """Return status and time of the overcloud's last deployment, also one by hand; None if there was none."""
    if not file.exists():
        return None
    found = re.search(r"^deployment_status: *(\S+)", file.read_text(), re.MULTILINE)
    return {"status": found.group(1) if found else "unknown", "at": file.stat().st_mtime}


def node_facts(node: NodeLook, source: str, folder: str) -> Any:
    """Run this program on a node, over one connection whose host key is pinned, and return its answer."""
    own = Path(folder, node.name)
    own.mkdir()
    (own / "known_hosts").write_text(node.host_key.strip() + "\n")
    shell = Shell(node.name, node.address, node.ssh, str(own))
    given = with_program(source, encode(node.order))
    try:
        return json.loads(shell.run(f"exec {PYTHON} -c {shlex.quote(LOADER)} <<'{END}'\n{given}{END}\n"))
    finally:
        shell.close()
