"""The keeper as a process: `python -m lab.hosts --stack FILE --folder DIR …`. `HostsPart` starts it."""

import argparse
import importlib
import signal
import sys
import threading
from pathlib import Path

from lab.hosts.backends.interfaces import Backends
from lab.hosts.keeper import Keeper
from lab.hosts.management import Management
from lab.hosts.rack import Rack
from lab.inventory import inventory_plan
from lab.process import LabError


def load_backends(spec: str) -> Backends:
    """Return the result of `MODULE:FUNCTION`."""
    module, _, function = spec.partition(":")
    backends: Backends = getattr(importlib.import_module(module), function)()
    return backends


def main(arguments: list[str]) -> int:
    """Run the keeper until SIGTERM; return its exit status."""
    parser = argparse.ArgumentParser(prog="lab.hosts", description=__doc__, allow_abbrev=False)
    parser.add_argument("--stack", type=Path, required=True, help="the stack's Pulumi.<stack>.yaml")
    parser.add_argument("--folder", type=Path, required=True, help="holds the hosts' roots and state")
    parser.add_argument("--key", type=Path, required=True, help="the operator's private key")
    parser.add_argument("--socket", type=Path, required=True, help="for requests of the lab")
    parser.add_argument("--backends", default="lab.hosts.backends.lab:backends", help="MODULE:FUNCTION")
    parser.add_argument("--pace", type=float, default=0.2, help="seconds for a step of a long job")
    parser.add_argument("--management", action="store_true", help="serve the management network")
    options = parser.parse_args(arguments)
    try:
        backends = load_backends(options.backends)
        rack = Rack(inventory_plan(options.stack), backends, options.folder, options.key, options.pace)
        keeper = Keeper(rack, options.socket)
        management = Management(rack.plan.site, lambda node: rack.nodes[node].bmc_login)
        if options.management:
            management.start()
        keeper.start()
    except LabError as error:
        print(f"lab.hosts: {error}", file=sys.stderr)
        return 1
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    signal.signal(signal.SIGINT, lambda *_: done.set())
    done.wait()
    # The hosts stay up: only `HostsPart.stop` powers them down, so a crash of the keeper takes no host with it.
    management.stop()
    keeper.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
