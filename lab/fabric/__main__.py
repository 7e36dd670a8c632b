"""The fabric from a shell.

python -m lab.fabric nodes                       every switch, host and VF, linked or not
python -m lab.fabric link|unlink HOST            power a host's port on or off
python -m lab.fabric run PROGRAM [ARGUMENT...]   any program of infiniband-diags, as on UFM's host
python -m lab.fabric on HOST PROGRAM [ARGUMENT...]   the same as on that host, e.g. saquery, which shows a port its own
python -m lab.fabric smpquery pkeys HOST         the same, with a host's name in place of its GUID
python -m lab.fabric serve FOLDER                the controller itself (started by `make lab`)
"""

import os
import sys
from pathlib import Path

from lab.addresses import STATE
from lab.fabric.client import FabricClient, FabricError
from lab.fabric.controller import serve
from lab.fabric.tools import Diagnostics

FOLDER = STATE / "fabric"


def nodes(client: FabricClient) -> None:
    for node in client.nodes():
        where = f"{node['switch']}[{node['switch_port']}]" if node["switch"] else "-"
        state = "linked" if node["linked"] else "down"
        print(f"{node['kind']:6} {node['name']:30} {node['port_guid']} {where:16} {state}")


def main(arguments: list[str]) -> int:
    client = FabricClient(FOLDER / "control.sock")
    match arguments:
        case ["serve", folder]:
            os.umask(0o077)
            return serve(Path(folder))
        case ["nodes"]:
            nodes(client)
        case ["link", host]:
            client.link(host)
        case ["unlink", host]:
            client.unlink(host)
        case ["run", program, *rest]:
            return Diagnostics(FOLDER).replace_process(program, rest)
        case ["on", host, program, *rest]:
            return Diagnostics(FOLDER, host).replace_process(program, rest)
        case ["smpquery", operation, host, *rest]:
            port = next((node["port_guid"] for node in client.nodes() if node["name"] == host), host)
            return Diagnostics(FOLDER).replace_process("smpquery", ["-G", operation, port, *(rest or ["1"])])
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except FabricError as error:
        sys.exit(str(error))
