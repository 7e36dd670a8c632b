"""The cloud as a service of the lab."""

from collections.abc import Sequence

from lab.cloud import deployment, installation, processes
from lab.process import Process, Say


class CloudService:
    """Keystone, placement and glance always; nova and neutron after `openstack overcloud deploy`."""

    name = "cloud"
    packages = ("mariadb-server", "rabbitmq-server", "gcc", "libc6-dev", "python3-dev")
    """The compiler is for netifaces, which nova and oslo.utils import and which has no wheel for this Python."""

    def install(self, say: Say) -> None:
        """Create the virtual environment and the databases. Idempotent."""
        with deployment.exclusive():
            if installation.needed():
                self._stop()
            installation.install(say)

    def start(self, say: Say) -> None:
        """Start the base, and nova and neutron as they were last deployed."""
        with deployment.exclusive():
            deployment.start_base()
            deployed = deployment.current()
            if deployed is not None:
                deployment.start(deployed, say)

    def processes(self) -> Sequence[Process]:
        """Return the processes of the base and of the deployment."""
        return [*processes.base(), *deployment.deployment_processes()]

    def stop(self, say: Say) -> None:
        """Stop all processes. Servers, networks and images stay for the next start."""
        with deployment.exclusive():
            self._stop()

    def _stop(self) -> None:
        processes.stop_all(self.processes())
