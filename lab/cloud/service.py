"""The cloud as a part of the lab."""

from collections.abc import Sequence

from lab.cloud import installation, overcloud, processes
from lab.process import Process, Say


class CloudService:
    """Keystone, placement and glance always; nova and neutron once `openstack overcloud deploy` has run.

    See `lab.process.Part` for the methods.
    """

    name = "cloud"
    packages = ("mariadb-server", "rabbitmq-server", "gcc", "libc6-dev", "python3-dev")
    """The compiler is for netifaces, which nova and oslo.utils import and which has no wheel for this Python."""

    def install(self, say: Say) -> None:
        """Virtual environment and databases."""
        with overcloud.exclusive():
            if installation.needed():
                self._stop()
            installation.install(say)

    def start(self, say: Say) -> None:
        """The base; nova and neutron as they were last deployed."""
        with overcloud.exclusive():
            overcloud.start_base()
            deployed = overcloud.deployed()
            if deployed is not None:
                overcloud.start(deployed, say)

    def processes(self) -> Sequence[Process]:
        """The base, and what is deployed."""
        return [*processes.base(), *overcloud.deployment_processes()]

    def stop(self, say: Say) -> None:
        """Ends them all; servers, networks and images stay for the next start."""
        with overcloud.exclusive():
            self._stop()

    def _stop(self) -> None:
        processes.stop_all(self.processes())
