"""Look at a host and change nothing: files, units, jobs, containers, adapter; on the undercloud, at the cloud too.

`rack drift` runs it as root over SSH; the program and its order (`onhost/drift/orders.py`) come on standard input, and
nothing is stored. On the undercloud it starts itself once more as user stack, which enters the overcloud nodes and runs
it there. The answer is JSON on standard output; a part that fails has its reason.
"""

import json
import subprocess
import sys
from typing import Any, Callable, Dict, List

from onhost.drift.adapters import adapter_facts
from onhost.drift.cloud import LOADER, PYTHON, cloud_facts, with_program
from onhost.drift.containers import tripleo_containers, ufm_facts
from onhost.drift.files import file_facts, ini_options
from onhost.drift.orders import CloudLook, LookOrder
from onhost.drift.units import LookError, job_facts, unit_facts
from onhost.undercloud.orders import encode

AS_STACK = 'cd; [ ! -e stackrc ] || . ./stackrc; exec {python} -c "$1" as-stack'
"""Runs LOADER in the home of user stack, with the undercloud's login."""


def facts(order: LookOrder, source: str) -> Dict[str, Any]:
    """Return what the order asks for. `source`: the text of this program."""
    found: Dict[str, Any] = {
        "files": {path: _safely(file_facts, path, digest) for path, digest in order.files.items()},
        "units": {name: _safely(unit_facts, name) for name in order.units},
        "jobs": {name: _safely(job_facts, name) for name in order.jobs},
        "options": {path: _safely(ini_options, path, names) for path, names in order.options.items()},
    }
    if order.deployed:
        found["containers"] = _safely(tripleo_containers)
    if order.adapter:
        found["adapter"] = _safely(adapter_facts, order.adapter)
    if order.ufm:
        found["ufm"] = _safely(ufm_facts, order.ufm)
    if order.cloud:
        found["cloud"] = _safely(_as_stack, order.cloud, source)
    return found


def _safely(ask: Callable[..., Any], *given: Any) -> Dict[str, Any]:
    """Return the answer, or why there is none."""
    try:
        return {"answer": ask(*given)}
    except (LookError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return {"fault": str(error)[:300]}


def _as_stack(cloud: CloudLook, source: str) -> Any:
    """Return what user stack sees.

    Raises:
        LookError: there is no such user, or the program did not end well.
    """
    command = ["sudo", "-Hu", "stack", "sh", "-c", AS_STACK.format(python=PYTHON), "sh", LOADER]
    empty = LookOrder(files={}, units=[], jobs=[], options={}, deployed=False, cloud=cloud)
    done = subprocess.run(  # noqa: UP022 - Python 3.6 has no capture_output
        command,
        input=with_program(source, encode(empty)).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if done.returncode:
        said: List[str] = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise LookError(f"as user stack: {said[-1]}")
    return json.loads(done.stdout.decode())


def main() -> int:
    """Answer the order on standard input."""
    source = globals().get("SOURCE", "")
    order = LookOrder.decode(sys.stdin.buffer.read().decode())
    if sys.argv[1:] == ["as-stack"]:
        assert order.cloud, "an order for user stack is about the cloud"
        found = cloud_facts(order.cloud, source)
    else:
        found = facts(order, source)
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
