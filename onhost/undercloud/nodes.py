"""Manage the nodes' life cycle. Run by stack on the undercloud with stackrc's login; reads an order as JSON.

    nodes.py introspect    introspects new nodes, checks their ports in the fabric, makes them available (I1, I2, O2);
                           prints node -> {"interface": ..., "guid": ...}
    nodes.py gate          waits until every control PKey has every member (I4)
    nodes.py leave         scales in the nodes that were removed from the configuration, and deletes them from ironic

Each is idempotent and may be run again at any time. Progress goes to standard error. UFM's token is only in the order
and is never printed.
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
