"""The nodes' life on the undercloud, run by stack with stackrc's login. Orders come as JSON on standard input.

    nodes.py introspect    introspects new nodes, checks their ports in the fabric, makes them available (I1, I2, O2);
                           prints node -> {"interface": ..., "guid": ...}
    nodes.py gate          waits until every control PKey has every member (I4)
    nodes.py leave         removes nodes from the cloud and from ironic that were removed from the configuration

Each is idempotent and may be run again at any time. Progress goes to standard error. UFM's token is in the order alone
and never in a line that is printed.
"""

import sys

from onhost.undercloud.common import Fault, say
from onhost.undercloud.gate import Gate
from onhost.undercloud.introspect import Introspection
from onhost.undercloud.leave import Leave
from onhost.undercloud.orders import GateOrder, IntrospectOrder, LeaveOrder


def main() -> int:
    """Run what the command line names and return the exit status."""
    runs = {
        "introspect": lambda text: Introspection(IntrospectOrder.decode(text)).run(),
        "gate": lambda text: Gate(GateOrder.decode(text)).run(),
        "leave": lambda text: Leave(LeaveOrder.decode(text)).run(),
    }
    try:
        runs[sys.argv[1]](sys.stdin.read())
    except Fault as fault:
        say(str(fault))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
