"""Distributions: the supported ones, their values, and the values of a site that they refuse."""

import re

import pytest

from rack.distribution import DISTRIBUTIONS, REFUSED, Release, registry_of
from rack.site.load import ConfigError, parse
from tests.rack import sites


def test_every_release_is_described_or_refused() -> None:
    assert set(DISTRIBUTIONS) | set(REFUSED) == set(Release)
    assert not set(DISTRIBUTIONS) & set(REFUSED)


def test_only_rack_distribution_names_distributions() -> None:
    """Documents and components must not contain names of one distribution."""
    names = re.compile(
        "tripleo-repos|quay.io|redhat|rhosp|subscription-manager|overcloud-full|hardened|(heat|tripleo)-admin"
    )
    files = [file for room in ("access", "components", "rack/tripleo") for file in (sites.ROOT / room).glob("**/*.py")]
    assert len(files) > 20
    assert not [file.name for file in files if names.search(file.read_text())]


def test_16_2_is_refused_with_the_reason_and_a_replacement() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(sites.document({"undercloud.distribution": "rhosp-16.2"}))
    (line,) = refused.value.problems
    assert "Train" in line
    assert "--vip-file" in line
    assert "MlnxSDNToken" in line
    assert line.endswith("write rhosp-17.1, which is based on Wallaby (DIST001)")


@pytest.mark.parametrize(
    "url", ["http://user:pw@mirror.example/x", "mirror.example/x", "http://m/x\n[evil]", "http://m/ x", "ftp://m/x"]
)
def test_a_repository_url_without_scheme_or_with_login_or_space_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"undercloud.repositories\[0\].baseurl: found .*; write a URL like"):
        parse(sites.document({"undercloud.repositories": [{"id": "x", "baseurl": url}]}))


def test_all_missing_settings_of_an_offline_site_are_reported() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(sites.document({"internet": False}))
    rules = [line.rpartition("(")[2].rstrip(")") for line in refused.value.problems]
    assert rules == ["OFF001", "OFF002", "OFF003", "OFF004", "OFF004", "OFF005"]


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("quay.io/tripleowallaby", "quay.io"),
        ("registry:5000/ufm:1", "registry:5000"),
        ("localhost/ufm", "localhost"),
        ("mellanox/ufm-enterprise:6.14.5-2", ""),
        ("tripleowallaby", ""),
        ("ufm:6.14", ""),
    ],
)
def test_a_registry_has_a_dot_or_a_port(image: str, host: str) -> None:
    assert registry_of(image) == host
