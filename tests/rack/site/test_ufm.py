"""UFM's URL and the images on its host."""

import pytest

from rack.site.load import parse
from tests.rack.sites import DROP, document


@pytest.mark.parametrize(("port", "suffix"), [(443, ""), (80, ":80"), (442, ":442"), (444, ":444"), (8443, ":8443")])
def test_the_url_names_the_port_unless_it_is_443(port: int, suffix: str) -> None:
    assert parse(document({"ufm.port": port})).ufm.url == f"https://192.168.24.200{suffix}"


def test_ssh_connects_to_the_management_address_if_there_is_one() -> None:
    assert str(parse(document()).ufm.ssh_address) == "192.168.24.200"
    managed = parse(document({"ufm.host.managementAddress": "10.7.208.200"})).ufm
    assert str(managed.ssh_address) == "10.7.208.200"
    existing = parse(document({"ufm.host": DROP})).ufm
    assert str(existing.ssh_address) == "192.168.24.200"


def test_the_host_needs_the_installers_image_only_if_it_is_separate() -> None:
    one = parse(document()).ufm.host
    two = parse(document({"ufm.host.installerImage": "mellanox/ufm-installer:1"})).ufm.host
    assert one is not None
    assert two is not None
    assert one.images == ("mellanox/ufm-enterprise:6.14.5-2",)
    assert two.images == ("mellanox/ufm-enterprise:6.14.5-2", "mellanox/ufm-installer:1")
