"""A controller in a wave (H1)."""

from typing import List

from onhost.undercloud.common import Fault
from onhost.undercloud.shell import Unreachable
from onhost.undercloud.wave_node import WaveNode

REJOINED = """\
pcs status nodes | sed -n 's/^ *Online://p' | head -n 1 | grep -qw "$(hostname -s)" || echo 'pacemaker is not online'
for health in starting unhealthy; do
  podman ps --filter health=$health --format '{{.Names}}' | sed "s/$/ is $health/"
done
"""
"""Prints one line per service that is not healthy."""


class Controller(WaveNode):
    """A controller. Waves of controllers have one node; pcs refuses to stop a node that the quorum needs."""

    def _stop_services(self) -> None:
        self._shell.run(f"pcs cluster stop{' --force' if self._order.alone else ''} >&2")

    def _unhealthy(self) -> List[str]:
        try:
            return self._shell.run(REJOINED).splitlines()
        except (Fault, Unreachable) as error:
            return [str(error)]
