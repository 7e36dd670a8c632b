"""Addresses, networks and paths in any model."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rack.site.model import Address, Cidr, File, TcpPort, Vlan


def accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("address", ["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "0.0.0.0"])
def test_an_address_that_no_host_can_have_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=f"found {address}; write the address of a host"):
        TypeAdapter(Address).validate_python(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.24.1", "223.255.255.254", "192.0.2.1"])
def test_an_address_of_a_host(address: str) -> None:
    assert accepts(Address, address)


@pytest.mark.parametrize(
    ("network", "valid"),
    [
        ("10.0.0.0/7", False),
        ("10.0.0.0/8", True),
        ("10.0.0.0/30", True),
        ("10.0.0.0/31", False),
        ("10.0.0.1/24", False),
    ],
)
def test_a_network_has_a_prefix_from_8_to_30_and_no_host_bits(network: str, valid: bool) -> None:
    assert accepts(Cidr, network) == valid


@pytest.mark.parametrize(("number", "valid"), [(0, False), (1, True), (4094, True), (4095, False)])
def test_a_vlan_is_a_number_from_1_to_4094(number: int, valid: bool) -> None:
    assert accepts(Vlan, number) == valid


@pytest.mark.parametrize(("number", "valid"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_a_tcp_port_is_a_number_from_1_to_65535(number: int, valid: bool) -> None:
    assert accepts(TcpPort, number) == valid


def test_a_file_is_a_path_and_not_its_content() -> None:
    assert TypeAdapter(File).validate_python("~/.ssh/id_ed25519") == Path("~/.ssh/id_ed25519")
    with pytest.raises(ValidationError, match="the path of a file, not its content"):
        TypeAdapter(File).validate_python("line\nline")
