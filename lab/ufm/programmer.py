"""Writes UFM's PKey table to OpenSM.

UFM answers a request before its fabric is programmed: the table changes at once, and a thread writes the newest table
to the fabric's controller as long as the table is newer than OpenSM's.
"""

import threading

from lab.fabric.client import FabricClient, FabricError
from lab.ufm.partitions import render
from lab.ufm.simulator import UfmSimulator


class Programmer:
    """The thread that writes one UFM's table to OpenSM."""

    RETRY_SECONDS = 1.0

    def __init__(self, ufm: UfmSimulator, fabric: FabricClient) -> None:
        """Start the thread.

        The first write restarts OpenSM, which starts with UFM. An empty table does not need the restart: it would only
        cost time.
        """
        self._ufm = ufm
        self._fabric = fabric
        self._starting = bool(ufm.table.partitions)
        self._programmed = -1
        self._stopped = False
        self.error: str | None = None
        """Why OpenSM does not have the newest table."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="programmer")
        self._thread.start()

    @property
    def up_to_date(self) -> bool:
        """Return whether OpenSM has the newest table."""
        return self._programmed == self._ufm.version

    def stop(self) -> None:
        """End the thread. Nothing is written afterwards."""
        with self._ufm.changed:
            self._stopped = True
            self._ufm.changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            version, text = work
            try:
                self._fabric.partitions(text, restart=self._starting)
                self._programmed, self._starting, self.error = version, False, None
            except FabricError as error:
                if self.error != str(error):
                    print(f"writing the partitions to OpenSM failed, retrying: {error}", flush=True)
                self.error = str(error)

    def _next(self) -> tuple[int, str] | None:
        """Wait for a table that is newer than OpenSM's and return it, or None when stopped. Pause after an error."""
        with self._ufm.changed:
            if self.error is not None:
                self._ufm.changed.wait_for(lambda: self._stopped, self.RETRY_SECONDS)
            self._ufm.changed.wait_for(lambda: self._stopped or not self.up_to_date)
            return None if self._stopped else (self._ufm.version, render(self._ufm.table))
