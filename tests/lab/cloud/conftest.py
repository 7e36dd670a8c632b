"""The real cloud, one for all tests of a module, with a recording UFM and a recording fabric."""

from collections.abc import Iterator

import pytest

from lab import addresses
from lab.cloud import Cloud, overcloud

from .support import COMPUTES, CONTROLLERS, FabricRecorder, Ufm


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """The base, healthy, with no overcloud; left like that."""
    cloud = Cloud(CONTROLLERS, COMPUTES)
    cloud.install(print)
    cloud.start(print)
    overcloud.delete(print)
    yield cloud
    cloud.start(print)
    overcloud.delete(print)


@pytest.fixture(scope="module")
def ufm() -> Iterator[Ufm]:
    with Ufm().serving() as ufm:
        yield ufm


@pytest.fixture(scope="module")
def fabric() -> Iterator[FabricRecorder]:
    """In place of the fabric's controller: no lab may run beside these tests, which deploy a cloud of their own."""
    with FabricRecorder().serving(addresses.FABRIC_SOCKET) as fabric:
        yield fabric
