"""What `rack new` reads from a UFM with a real OpenSM on the simulated fabric."""

from urllib.parse import urlsplit

from draft import fabric
from tests.lab.fabric.rig import GUIDS
from tests.lab.ufm.conftest import Rig


def test_the_ports_of_the_linked_hosts_and_the_switch_are_read(ufm: Rig) -> None:
    client = fabric.client(
        {"address": "127.0.0.1", "port": urlsplit(ufm.url).port, "caFile": str(ufm.folder / "ufm/ca.pem")},
        "123456",
        None,
    )
    try:
        found = fabric.read(client)
    finally:
        client.close()
    assert found.switches == {"qm8700": "b8599f0300a00000"}
    linked = {host: guid.removeprefix("0x") for host, guid in GUIDS.items() if host != "compute-2"}
    assert {port.host: port.guid for port in found.ports} == linked
    assert all(port.active for port in found.ports)
    assert [port.guid for port in found.of_host("COMPUTE-1", "other")] == [GUIDS["compute-1"].removeprefix("0x")]
