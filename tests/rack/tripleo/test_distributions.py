"""What the distributions change in the documents, and what a site's own word does; the default changes nothing."""

import configparser
import re
from typing import Any

import pytest
import yaml
from hypothesis import given

from rack import tripleo
from rack.distribution import DISTRIBUTIONS, REFUSED, Release, registry_of
from rack.plan import REGISTRY_FILE, Plan
from rack.site.load import ConfigError, parse
from rack.tripleo.documents import LOGIN, REPOSITORIES, rendered
from rack.tripleo.header import HEADER
from rack.tripleo.readme import readme
from tests.rack import sites
from tests.rack.rules.cases import OFFLINE, OWN_NAMESPACE, RHOSP
from tests.rack.sites import documents

REPOSITORY = {"id": "wallaby", "baseurl": "http://mirror.example/wallaby/$basearch"}


def prepared(edits: dict[str, Any]) -> list[dict[str, Any]]:
    document = yaml.safe_load(tripleo.containers_prepare(sites.plan(edits)))
    return list(document["parameter_defaults"]["ContainerImagePrepare"])


def conf(edits: dict[str, Any]) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, default_section="none")
    parser.read_string(tripleo.undercloud_conf(sites.plan(edits)))
    return dict(parser["DEFAULT"])


def test_every_release_is_described_or_refused() -> None:
    assert set(DISTRIBUTIONS) | set(REFUSED) == set(Release) and not set(DISTRIBUTIONS) & set(REFUSED)


def test_what_differs_stands_in_one_place() -> None:
    """Documents and components name nothing of a distribution's own."""
    own = re.compile(
        "tripleo-repos|quay.io|redhat|rhosp|subscription-manager|overcloud-full|hardened|(heat|tripleo)-admin"
    )
    files = [file for room in ("components", "rack/tripleo") for file in (sites.ROOT / room).glob("**/*.py")]
    assert len(files) > 20 and not [file.name for file in files if own.search(file.read_text())]


@given(documents())
def test_the_default_written_out_changes_no_byte(written: dict[str, Any]) -> None:
    explicit = {**written, "undercloud": {**written["undercloud"], "distribution": "rdo-wallaby"}, "internet": True}
    explicit["undercloud"] |= {"registry": {}, "repositories": []}
    explicit["undercloud"] |= dict.fromkeys(("containerNamespace", "mlnxContainerNamespace"), "quay.io/tripleowallaby")
    assert rendered(Plan(parse(explicit))) == rendered(Plan(parse(written)))


def test_red_hats_containers_have_red_hats_names_and_tags() -> None:
    rest, rebuilt, agent = prepared(RHOSP)
    for entry in (rest, rebuilt, agent):
        assert entry["set"]["namespace"] == "registry.redhat.io/rhosp-rhel9"
        assert (entry["set"]["name_prefix"], entry["set"]["tag"]) == ("openstack-", "17.1")
    assert rest["tag_from_label"] == "{version}-{release}"
    assert [entry["push_destination"] for entry in (rest, rebuilt, agent)] == [True] * 3, "nodes ask the undercloud"


def test_only_the_containers_and_their_login_differ_between_the_distributions() -> None:
    rdo, rhosp = (
        rendered(sites.plan({"undercloud.registry": RHOSP["undercloud.registry"]})),
        rendered(sites.plan(RHOSP)),
    )
    assert {path.rpartition("/")[2] for path in rdo if rdo[path] != rhosp[path]} == {
        "containers-prepare-parameter-ib-vm.yaml", "containers-registry-ib-vm.yaml",
    }  # fmt: skip


def test_what_the_site_names_stands_above_the_distribution() -> None:
    rest, rebuilt, agent = prepared(
        {**RHOSP, "undercloud.containerNamespace": OWN_NAMESPACE, "undercloud.containerTag": "17.1.4"}
    )
    assert {e["set"]["namespace"] for e in (rest, rebuilt, agent)} == {OWN_NAMESPACE}
    assert {e["set"]["tag"] for e in (rest, rebuilt, agent)} == {"17.1.4"}
    assert "tag_from_label" not in rest, "a mirror may have this tag alone"
    (*_, agent) = prepared({"undercloud.mlnxContainerNamespace": "registry.example:5000/mlnx"})
    assert agent["set"]["namespace"] == "registry.example:5000/mlnx"


@pytest.mark.parametrize(
    ("edits", "user"),
    [({}, "heat-admin"), (RHOSP, "tripleo-admin"), ({**RHOSP, "ssh.overcloudUser": "operator"}, "operator")],
)
def test_the_nodes_account_is_the_one_that_the_deployment_makes(edits: dict[str, Any], user: str) -> None:
    assert parse(sites.document(edits)).overcloud_user == user


def test_16_2_is_refused_with_the_reason_and_what_to_write() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(sites.document({"undercloud.distribution": "rhosp-16.2"}))
    (line,) = refused.value.problems
    assert "Train" in line and "--vip-file" in line and "MlnxSDNToken" in line
    assert line.endswith("write rhosp-17.1, which is based on Wallaby (DIST001)")


# -- a registry and repositories of the site's own


def test_a_login_is_a_secret_file_of_its_own_which_undercloud_and_deployment_read() -> None:
    plan = sites.plan(RHOSP)
    login = yaml.safe_load(tripleo.registry_login(plan, "s3cr3t"))
    assert login == {"parameter_defaults": {
        "ContainerImageRegistryCredentials": {"registry.redhat.io": {"1234|rack": "s3cr3t"}}}}  # fmt: skip
    assert conf(RHOSP)["custom_env_files"] == REGISTRY_FILE
    words = list(plan.deploy_command)
    assert words[words.index(REGISTRY_FILE) - 1] == "-e"
    assert (
        "s3cr3t" not in "".join(rendered(plan).values()) and "WRITE-HERE-registryPassword" in rendered(plan)[LOGIN.path]
    )


def test_the_logins_header_does_not_tell_the_password() -> None:
    one, other = (tripleo.registry_login(sites.plan(RHOSP), password) for password in ("one", "other"))
    assert HEADER.match(one) and one.splitlines()[0] == other.splitlines()[0] and one != other


def test_a_registry_without_tls_is_named_to_the_undercloud() -> None:
    edits = {"undercloud.containerNamespace": OWN_NAMESPACE, "undercloud.registry": {"insecure": True}}
    assert conf(edits)["container_insecure_registries"] == "registry.example:5000"
    assert "custom_env_files" not in conf(edits)
    assert REGISTRY_FILE not in sites.plan(edits).deploy_command


def test_repositories_are_rendered_as_dnf_reads_them() -> None:
    signed = {"id": "baseos", "baseurl": "https://mirror.example/baseos", "gpgkey": "file:///etc/pki/rpm-gpg/KEY"}
    plan = sites.plan({"undercloud.repositories": [REPOSITORY, signed]})
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(tripleo.repositories(plan))
    assert parser.sections() == ["wallaby", "baseos"]
    assert dict(parser["wallaby"]) == {
        "name": "wallaby", "baseurl": REPOSITORY["baseurl"], "enabled": "1", "gpgcheck": "0",
    }  # fmt: skip
    assert (parser["baseos"]["gpgcheck"], parser["baseos"]["gpgkey"]) == ("1", signed["gpgkey"])
    assert rendered(plan)[REPOSITORIES.path] == tripleo.repositories(plan)


@pytest.mark.parametrize(
    "url", ["http://user:pw@mirror.example/x", "mirror.example/x", "http://m/x\n[evil]", "http://m/ x", "ftp://m/x"]
)
def test_a_url_is_one_without_a_login_or_a_second_line(url: str) -> None:
    with pytest.raises(ConfigError, match=r"undercloud.repositories\[0\].baseurl: found .*; write a URL like"):
        parse(sites.document({"undercloud.repositories": [{"id": "x", "baseurl": url}]}))


def test_the_bundles_readme_says_how_the_disk_images_come() -> None:
    assert "2. C5: `openstack overcloud image build`, `openstack overcloud image upload`." in readme(sites.plan())
    assert "`sudo dnf install -y rhosp-director-images-uefi-x86_64" in readme(sites.plan(RHOSP))
    assert "2. C5: `tar -xf /root/overcloud-images.tar`, `openstack" in readme(sites.plan(OFFLINE))
    assert "| `rack.repo` | C1 |" in readme(sites.plan(OFFLINE)) and "rack.repo" not in readme(sites.plan())


def test_a_site_without_internet_learns_all_that_is_missing_at_once() -> None:
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
def test_a_registry_is_known_by_its_dot_or_port(image: str, host: str) -> None:
    assert registry_of(image) == host
