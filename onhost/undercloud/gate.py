"""`nodes.py gate`: wait until every control PKey has every member (I4)."""

from typing import List

from onhost.undercloud.common import Wait, say
from onhost.undercloud.orders import GateOrder
from onhost.undercloud.ufm import Ufm

GATE_ADVICE = "\nTo add a missing member: pulumi refresh, pulumi up"


class Gate:
    """The gate before a deployment: UFM must list each node's port as a full member of each control PKey."""

    def __init__(self, order: GateOrder) -> None:
        """Prepare the check; nothing is sent."""
        self._ufm = Ufm(order.ufm)
        self._pkeys, self._members = order.pkeys, order.members
        self._wait = Wait(order.limit, order.pauses, GATE_ADVICE)

    def run(self) -> None:
        """Return when every PKey has every member.

        Raises:
            Fault: a member is missing at the time limit, or UFM refuses the token.
        """
        self._wait.until(self._missing)
        say(f"{', '.join(sorted(self._pkeys))}: {len(self._members)} members each")

    def _missing(self) -> List[str]:
        lines = []
        for pkey, network in self._pkeys.items():
            found = self._ufm.members(pkey)
            for member, guid in self._members.items():
                membership = found.get(guid, "no")
                if membership != "full":
                    lines.append(f"{member} ({guid}) is {membership} member of PKey {pkey} ({network})")
        return lines
