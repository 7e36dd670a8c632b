"""The backends of `make lab`."""

from lab import addresses
from lab.hosts.backends.interfaces import Backends
from lab.hosts.backends.lab_cloud import LabCloud
from lab.hosts.backends.lab_fabric import SimulatedFabric
from lab.hosts.backends.lab_ufm import UfmAdmin


def backends() -> Backends:
    """Return the lab's own fabric, UFM and cloud."""
    return Backends(SimulatedFabric(addresses.FABRIC_SOCKET.parent), UfmAdmin(), LabCloud())
