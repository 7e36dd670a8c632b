"""The interface between `make lab` and the four services of the lab."""

from collections.abc import Sequence
from typing import Protocol

from lab.endpoints import Endpoint
from lab.process import Process, Say


class Service(Protocol):
    """One service of the lab, as `make lab`, `make lab-status` and `make lab-stop` use it."""

    @property
    def name(self) -> str:
        """Return the name that prefixes every line of the service's progress."""

    @property
    def packages(self) -> Sequence[str]:
        """Return the Debian packages that the service needs.

        The lab installs the packages of all services at once and does not let Debian start their daemons.
        """

    def endpoints(self) -> Sequence[Endpoint]:
        """Return every TCP address that the service listens on."""

    def install(self, say: Say) -> None:
        """Install what is not in a Debian package: virtual environments, databases, keys.

        Idempotent.
        """

    def start(self, say: Say) -> None:
        """Start the processes that do not run and return when all are healthy.

        Idempotent.

        Raises:
            LabError: a process ended or did not become healthy.
        """

    def processes(self) -> Sequence[Process]:
        """Return every process that should run now."""

    def stop(self, say: Say) -> None:
        """Stop all processes and remove their sockets. The state on disk stays for the next start."""
