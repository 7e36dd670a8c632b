"""The fabric's command line.

python -m lab.fabric nodes                       list every switch, host and VF, linked or not
python -m lab.fabric link|unlink HOST            power a host's port on or off
python -m lab.fabric run PROGRAM [ARGUMENT...]   run a program of infiniband-diags as on UFM's host
python -m lab.fabric on HOST PROGRAM [ARGUMENT...]   run it as on another host, e.g. saquery, which shows a port its own
python -m lab.fabric smpquery pkeys HOST         run smpquery with a host's name instead of its GUID
python -m lab.fabric serve FOLDER                run the controller (`make lab` starts it)
"""

import os
import sys
from pathlib import Path

from lab.addresses import STATE
from lab.fabric.client import FabricClient, FabricError
from lab.fabric.server import serve
from lab.fabric.tools import Diagnostics

FOLDER = STATE / "fabric"


def print_nodes(client: FabricClient) -> None:
    """Print one line per switch, host and VF."""
    for node in client.nodes():
        where = f"{node['switch']}[{node['switch_port']}]" if node["switch"] else "-"
        state = "linked" if node["linked"] else "down"
        print(f"{node['kind']:6} {node['name']:30} {node['port_guid']} {where:16} {state}")


def main(arguments: list[str]) -> int:
    """Run one command and return the exit status.

    Raises:
        FabricError: the controller does not answer or refuses.
    """
    client = FabricClient(FOLDER / "control.sock")
    match arguments:
        case ["serve", folder]:
            os.umask(0o077)
            return serve(Path(folder))
        case ["nodes"]:
            print_nodes(client)
        case ["link", host]:
            client.link(host)
        case ["unlink", host]:
            client.unlink(host)
        case [("run" | "on" | "smpquery") as command, *rest] if len(rest) >= (1 if command == "run" else 2):
            return _run_diagnostics(command, rest, client)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _run_diagnostics(command: str, words: list[str], client: FabricClient) -> int:
    if command == "run":
        return Diagnostics(FOLDER).replace_process(words[0], words[1:])
    if command == "on":
        host, program, *rest = words
        return Diagnostics(FOLDER, host).replace_process(program, rest)
    operation, host, *rest = words
    port = next((node["port_guid"] for node in client.nodes() if node["name"] == host), host)
    return Diagnostics(FOLDER).replace_process("smpquery", ["-G", operation, port, *(rest or ["1"])])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FabricError as error:
        sys.exit(str(error))
