"""Addresses of the undercloud and the source of its containers."""

import pytest

from rack.site.load import parse
from tests.rack.rules.cases import OWN_NAMESPACE, RHOSP, Edits
from tests.rack.sites import document, unchecked


def test_the_two_virtual_addresses_follow_its_own() -> None:
    undercloud = parse(document({"undercloud.address": "192.168.24.5"})).undercloud
    assert str(undercloud.public_address) == "192.168.24.6"
    assert str(undercloud.admin_address) == "192.168.24.7"


@pytest.mark.parametrize(
    ("edits", "namespace", "host"),
    [
        ({}, "quay.io/tripleowallaby", "quay.io"),
        (RHOSP, "registry.redhat.io/rhosp-rhel9", "registry.redhat.io"),
        ({"undercloud.containerNamespace": OWN_NAMESPACE}, OWN_NAMESPACE, "registry.example:5000"),
        ({"undercloud.containerNamespace": "tripleowallaby"}, "tripleowallaby", ""),
    ],
)
def test_containers_come_from_the_distributions_registry_or_the_configured_one(
    edits: Edits, namespace: str, host: str
) -> None:
    undercloud = unchecked(edits).undercloud
    assert (undercloud.namespace, undercloud.registry_host) == (namespace, host)


def test_a_refused_distribution_has_no_software() -> None:
    undercloud = unchecked({"undercloud.distribution": "rhosp-16.2"}).undercloud
    with pytest.raises(KeyError):
        _ = undercloud.software
