"""Repair: steps that run again although none of their inputs has changed.

An `up` without changes opens no connection, so it repairs nothing on a host. `rack drift --repair` counts up a number
per step in the configuration (`rack:repair`). The number is part of the step's command, so the engine runs the step
again. A stack without the option has the commands that it always had.
"""

from collections.abc import Mapping

import pulumi

SERVICE, MAINTENANCE, CONTAINERS = "repair-service-", "repair-maintenance-", "repair-containers-"
"""How the names of the steps begin that exist for repairs only; a node's name follows (`components.repair`)."""


class Repairs:
    """The counters of a stack."""

    def __init__(self, counters: Mapping[str, int] | None = None) -> None:
        """Take step → counter."""
        self._counters = dict(counters or {})
        self._unused = set(self._counters)

    def of(self, step: str) -> int:
        """Return the counter of a step; 0 if it has none."""
        self._unused.discard(step)
        return self._counters.get(step, 0)

    def line(self, step: str) -> str:
        """Return a shell line without effect that has the counter; empty if the step has none."""
        return f": repair {self.of(step)}\n" if self.of(step) else ""

    def words(self, step: str) -> str:
        """Return words before a job's command that have the counter: they are part of the job's key."""
        return f"env repair={self.of(step)} " if self.of(step) else ""

    def warn(self) -> None:
        """Warn about counters of steps that the program has not registered: removed nodes, mistyped names."""
        if self._unused:
            names = ", ".join(sorted(self._unused))
            pulumi.log.warn(f"rack:repair: found no step {names}; remove it: pulumi config rm --path 'repair.STEP'")
