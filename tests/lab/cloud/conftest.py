"""The real cloud, one for all tests of a module, with a recording UFM and a recording fabric."""

import socket
from collections.abc import Iterator

import pytest

from lab import addresses
from lab.cloud import deployment
from lab.cloud.service import CloudService

from .support import FabricRecorder, UfmRecorder


def lab_runs() -> bool:
    """Return whether the lab's fabric answers, so that its cloud is in use."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(addresses.FABRIC_SOCKET))
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudService]:
    """Yield the running base without an overcloud. Deletes a deployed overcloud before and after."""
    if lab_runs():
        pytest.fail("the lab runs, and these tests need its cloud for themselves: `make lab-stop` first")
    cloud = CloudService()
    cloud.install(print)
    cloud.start(print)
    deployment.delete(print)
    yield cloud
    cloud.start(print)
    deployment.delete(print)


@pytest.fixture(scope="module")
def ufm() -> Iterator[UfmRecorder]:
    with UfmRecorder().serving() as ufm:
        yield ufm


@pytest.fixture(scope="module")
def fabric(cloud: CloudService) -> Iterator[FabricRecorder]:
    """Yield a recorder in place of the fabric's controller."""
    with FabricRecorder().serving(addresses.FABRIC_SOCKET) as fabric:
        yield fabric
