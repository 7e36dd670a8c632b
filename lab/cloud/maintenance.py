"""Which maintenance of networking-mlnx's journal the lab's neutron runs.

A request to UFM that gets no answer leaves its row of the table sdn_journal in state `processing`. The maintenance sets
such rows to `pending`, and the driver sends them again.

    wallaby   the thread of networking-mlnx 18.0.0, unchanged up to 20.0.0: when neutron starts and then every
              `maintenance_interval` it resets the rows that are `processing` for `processing_timeout`
    21.0.0    the thread crashes before it resets a row, because the decorator of `_execute_op` takes the operation for
              a context: rows stay until an operator resets them

`python -m lab.cloud.journal` chooses one. The default is 21.0.0, which is the stricter one.
"""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from lab.cloud.folders import CLOUD, write

Variant = Literal["21.0.0", "wallaby"]

WALLABY = CLOUD / "wallaby"
"""Contains the package networking_mlnx 18.0.0."""

_CHOICE = CLOUD / "maintenance.json"


@dataclass(frozen=True)
class Maintenance:
    """The maintenance of the journal; the numbers are networking-mlnx's defaults."""

    variant: Variant = "21.0.0"
    interval: int = 300
    """Seconds between two runs: `[sdn] maintenance_interval`."""
    timeout: int = 100
    """Age in seconds of a row that is reset: `[sdn] processing_timeout`."""


def chosen() -> Maintenance:
    """Return the maintenance of neutron's next start."""
    return Maintenance(**json.loads(_CHOICE.read_text())) if _CHOICE.exists() else Maintenance()


def choose(maintenance: Maintenance) -> None:
    """Record the maintenance of neutron's next start."""
    write(_CHOICE, json.dumps(asdict(maintenance)))
