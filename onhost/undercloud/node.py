"""Run a step of the program on one overcloud node, as root. User stack runs it; the order comes on standard input.

    node.py create    runs the order's script with the order's input
    node.py delete    undoes it, unless the node cannot be entered: the disk of a removed node is erased

TripleO authorises only the key of stack on the nodes (O5), so the operator's machine cannot enter them.
"""

import shlex
import sys
import tempfile
from pathlib import Path

from onhost.undercloud.common import Fault, say
from onhost.undercloud.orders import NodeOrder
from onhost.undercloud.shell import Shell, Unreachable


def run(order: NodeOrder, verb: str) -> str:
    """Run the script for `verb` on the node and return its standard output.

    Raises:
        Fault: the script failed.
        Unreachable: the node cannot be entered.
    """
    script, given = (order.create, order.given) if verb == "create" else (order.delete, "")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "known_hosts").write_text(order.host_key.strip() + "\n")
        shell = Shell(order.name, order.address, order.ssh, folder)
        try:
            return shell.run(f"printf %s {shlex.quote(given)} | sh -c {shlex.quote(script)}")
        finally:
            shell.close()


def main() -> int:
    """Run the verb of the command line and return the exit status."""
    order, verb = NodeOrder.decode(sys.stdin.read()), sys.argv[1]
    try:
        print(run(order, verb), end="")
    except (Fault, Unreachable) as error:
        gone = verb == "delete" and isinstance(error, Unreachable)
        say(f"{error}\nnothing was undone there; if the node still exists, undo it by hand" if gone else str(error))
        return 0 if gone else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
