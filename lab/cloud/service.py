"""The cloud as a service of the lab."""

from collections.abc import Sequence

from lab import addresses
from lab.cloud import deployment, installation, processes
from lab.endpoints import Endpoint
from lab.process import Process, Say


class CloudService:
    """Keystone, placement and glance always; nova and neutron after `openstack overcloud deploy`."""

    name = "cloud"
    packages = ("mariadb-server", "rabbitmq-server", "gcc", "libc6-dev", "python3-dev")
    """The compiler is for netifaces, which nova and oslo.utils import and which has no wheel for this Python."""

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the addresses of all servers, including the servers that a deployment starts."""
        ports = {
            "MariaDB": addresses.MYSQL_PORT,
            "RabbitMQ": addresses.RABBIT_PORT,
            "RabbitMQ's distribution": addresses.RABBIT_DIST_PORT,
            "Erlang's port mapper": addresses.EPMD_PORT,
            "keystone": addresses.KEYSTONE_PORT,
            "glance": addresses.GLANCE_PORT,
            "placement": addresses.PLACEMENT_PORT,
            "nova": addresses.NOVA_PORT,
            "neutron": addresses.NEUTRON_PORT,
        }
        return [Endpoint(user, addresses.LOOPBACK, port) for user, port in ports.items()]

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
