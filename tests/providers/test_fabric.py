"""The declared resources and the P_Key tables that the real OpenSM programs from them."""

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.fabric.service import FabricService
from lab.fabric.tools import Diagnostics
from lab.process import until
from lab.ufm import tls
from lab.ufm.service import UfmService
from providers.ufm import errors
from providers.ufm.admin import AdminPasswordHandler
from providers.ufm.handler import ResourceHandler
from providers.ufm.partition import guid
from providers.ufm.pkey import PKeyHandler
from tests.lab.fabric.rig import GUIDS, rack, silent
from tests.lab.ufm.conftest import free_port
from tests.providers.conftest import configuration
from tests.providers.engine import Lifecycle

pytestmark = [
    pytest.mark.lab,
]

ONE, TWO, OTHER = (guid(GUIDS[host]) for host in ("controller-1", "controller-2", "compute-1"))
MEMBERS = {"controller-1/ib0": ONE, "controller-2/ib0": TWO}


class Ufm:
    """A newly installed UFM with its fabric."""

    def __init__(self, folder: Path) -> None:
        self._fabric = FabricService(rack(), folder / "fabric")
        self.port = free_port()
        self._service = UfmService(
            "127.0.0.1", self.port, {}, folder / "ufm", free_port(), folder / "fabric/control.sock"
        )
        (folder / "ufm").mkdir()
        self._ca_file = tls.certify(folder / "ufm", "127.0.0.1")
        self._diagnostics = Diagnostics(folder / "fabric")

    def start(self) -> None:
        self._fabric.start(silent)
        self._service.start(silent)
        for host in ("controller-1", "controller-2", "compute-1"):
            self._fabric.client.link(host)

    def stop(self) -> None:
        self._service.stop(silent)
        self._fabric.stop(silent)

    def admin(self, verb: str, path: str) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(verb, f"{self._service.admin}{path}", timeout=30).json()

    def writes(self) -> int:
        return sum(asked["method"] != "GET" for asked in self.admin("GET", "/requests"))

    def life(self, kind: type[ResourceHandler]) -> Lifecycle:
        return Lifecycle(kind, configuration(self.port, self._ca_file))

    def table(self, port_guid: str) -> set[int]:
        """Return the port's P_Key table after OpenSM has read UFM's state, without the default partition."""
        assert until(lambda: bool(self.admin("GET", "/state")["programmed"]), 20)
        return self._diagnostics.pkeys(port_guid) - {0xFFFF}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ufm]:
    ufm = Ufm(tmp_path_factory.mktemp("lab"))
    try:
        ufm.start()
        yield ufm
    finally:
        ufm.stop()


@pytest.fixture
def installed(running: Ufm) -> Ufm:
    running.admin("POST", "/install")
    running.life(AdminPasswordHandler).up(generation=1)
    running.admin("DELETE", "/requests")
    return running


def test_a_pkey_s_life_cycle_appears_in_the_p_key_tables(installed: Ufm) -> None:
    ufm, life = installed, installed.life(PKeyHandler)
    inputs: dict[str, Any] = {"pkey": "0x65", "members": MEMBERS, "ip_over_ib": True}
    life.up(**inputs)
    assert (ufm.table(ONE), ufm.table(TWO), ufm.table(OTHER)) == ({0x8065}, {0x8065}, set())
    assert ufm.writes() == 1
    life.up(**{**inputs, "membership": "limited"})
    assert (ufm.table(ONE), ufm.table(TWO)) == ({0x0065}, {0x0065})
    life.handler.client.add_guids("0x65", [OTHER])
    assert ufm.table(OTHER) == {0x8065}
    life.refresh()
    life.up(**inputs)
    assert (ufm.table(ONE), ufm.table(OTHER)) == ({0x8065}, set())
    life.up(**{**inputs, "pkey": "0x66"})
    assert ufm.table(ONE) == {0x8066}
    life.destroy()
    assert (ufm.table(ONE), ufm.table(TWO)) == (set(), set())


def test_deleting_an_additive_pkey_keeps_other_members_in_the_p_key_tables(installed: Ufm) -> None:
    life = installed.life(PKeyHandler)
    life.handler.client.add_guids("0x65", [OTHER])
    life.up(pkey="0x65", members=MEMBERS, ownership="additive")
    assert (installed.table(ONE), installed.table(OTHER)) == ({0x8065}, {0x8065})
    life.destroy()
    assert (installed.table(ONE), installed.table(OTHER)) == (set(), {0x8065})


# A server that stops during a TLS handshake leaves a socket that neither ssl nor urllib3 closes.
@pytest.mark.filterwarnings(r"ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_restart_of_ufm_only_delays_a_change(installed: Ufm) -> None:
    life = installed.life(PKeyHandler)
    restarts = threading.Thread(target=lambda: [installed.admin("POST", "/restart") for _ in range(5)])
    restarts.start()
    for number in range(1, 21):
        life.up(pkey="0x65", members=dict(sorted(MEMBERS.items())[: 1 + number % 2]))
    restarts.join()
    assert life.up(pkey="0x65", members=MEMBERS) == "update"
    assert installed.table(TWO) == {0x8065}
    gc.collect()  # collects such a socket in this test and not in a later one


def test_a_removed_ufm_is_unreachable_and_a_new_one_has_the_default_password(installed: Ufm) -> None:
    password, pkey = installed.life(AdminPasswordHandler), installed.life(PKeyHandler)
    password.up(generation=1)
    pkey.up(pkey="0x65", members=MEMBERS)
    installed.admin("POST", "/remove")
    client = pkey.handler.client
    client._pauses = ()
    with pytest.raises(errors.UnreachableError, match="refused"):
        pkey.refresh()
    assert pkey.id == "0x65"
    installed.admin("POST", "/install")
    with pytest.raises(errors.AuthenticationError, match="status 401"):
        pkey.refresh()
    assert password.refresh() == {}
    assert password.up(generation=1) == "create"
    assert pkey.refresh() == {}
    assert pkey.up(pkey="0x65", members=MEMBERS) == "create"
    assert installed.table(ONE) == {0x8065}
