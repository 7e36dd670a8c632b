"""Types of the models' keys, in words and by path."""

from typing import Any

import pytest

from rack.site import Instance, Range, Site
from rack.site.schema import dotted, keys, type_at


@pytest.mark.parametrize(
    ("path", "description"),
    [
        (("ufm", "port"), "a whole number from 1 to 65535"),
        (("firmware", "maxUnavailable"), "a whole number from 1 to 1000"),
        (("bandwidth", "minimumGbps"), "a number above 0 to 400"),
        (("bandwidth", "cuda"), "true or false"),
        (("externalAccess", "network", "physnet"), "datacentre"),
        (("firmware", "tool"), "one of auto, mstconfig, mlxconfig"),
        (("nodes", 0, "role"), "one of Controller, ComputeSriovIB"),
        (("networks", "tenant", "vlans"), "a list of 2, each a whole number from 1 to 4094"),
        (("networks", "provisioning", "dns"), "a list of one to 5, each an IPv4 address like 192.168.24.1"),
        (("tenant", "network", "dns"), "a list of up to 5, each an IPv4 address like 192.168.24.1"),
        (
            ("networks", "provisioning", "ntp"),
            "a list of one or more, each a host name or an IPv4 address like 'ntp.example.com'",
        ),
        (("networks", "provisioning", "dhcp"), "a mapping with the keys start, end"),
        (("networks", "control", "Storage", "mtu"), "a whole number from 576 to 4092"),
    ],
)
def test_a_type_is_described_in_words(path: tuple[str | int, ...], description: str) -> None:
    found = type_at(Site, path)
    assert found is not None
    assert found.describe() == description


@pytest.mark.parametrize("path", [("nothing",), ("ufm", "port", "deeper"), ("nothing", "deeper"), ("ufm", "a", "b")])
def test_a_path_that_does_not_exist_has_no_type(path: tuple[str, ...]) -> None:
    assert type_at(Site, path) is None


@pytest.mark.parametrize(("path", "model"), [((), Site), (("tenant", "instances", 3), Instance)])
def test_a_path_to_a_model(path: tuple[str | int, ...], model: type[Any]) -> None:
    found = type_at(Site, path)
    assert found is not None
    assert found.model is model
    assert found.allowed_keys == tuple(found.fields)


def test_allowed_keys_of_a_mapping_and_of_a_plain_value() -> None:
    control, port = type_at(Site, ("networks", "control")), type_at(Site, ("ufm", "port"))
    assert control is not None
    assert port is not None
    assert control.allowed_keys == ("InternalApi", "Storage", "StorageMgmt")
    assert port.allowed_keys == ()


def test_keys_are_listed_parents_first() -> None:
    assert [key.path for key in keys(Range, "pool.")] == ["pool.start", "pool.end"]
    paths = [key.path for key in keys(Site)]
    assert paths.index("nodes") < paths.index("nodes[].ipmi") < paths.index("nodes[].ipmi.address")
    assert "networks.control.NAME.vlan" in paths


def test_a_path_is_written_with_dots_and_brackets() -> None:
    assert dotted(("nodes", 3, "ipmi", "address")) == "nodes[3].ipmi.address"
    assert dotted(()) == ""
