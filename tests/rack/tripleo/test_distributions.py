"""Differences of the documents by distribution, registry and repositories of the site."""

import configparser
from typing import Any

from hypothesis import given

from rack import tripleo
from rack.plan import REGISTRY_FILE, Plan
from rack.site.load import parse
from rack.tripleo.documents import LOGIN, REPOSITORIES, rendered
from rack.tripleo.header import HEADER
from tests import yamls
from tests.rack import sites
from tests.rack.rules.cases import OWN_NAMESPACE, RHOSP
from tests.rack.sites import documents

REPOSITORY = {"id": "wallaby", "baseurl": "http://mirror.example/wallaby/$basearch"}


def prepared(edits: dict[str, Any]) -> list[dict[str, Any]]:
    document = yamls.load(tripleo.containers_prepare(sites.plan(edits)))
    return list(document["parameter_defaults"]["ContainerImagePrepare"])


def conf(edits: dict[str, Any]) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, default_section="none")
    parser.read_string(tripleo.undercloud_conf(sites.plan(edits)))
    return dict(parser["DEFAULT"])


@given(documents())
def test_explicit_defaults_change_no_byte(written: dict[str, Any]) -> None:
    explicit = {**written, "undercloud": {**written["undercloud"], "distribution": "rdo-wallaby"}, "internet": True}
    explicit["undercloud"] |= {"registry": {}, "repositories": []}
    explicit["undercloud"] |= dict.fromkeys(("containerNamespace", "mlnxContainerNamespace"), "quay.io/tripleowallaby")
    assert rendered(Plan(parse(explicit))) == rendered(Plan(parse(written)))


def test_rhosp_images_have_red_hats_namespace_and_tag() -> None:
    rest, rebuilt, agent = prepared(RHOSP)
    for entry in (rest, rebuilt, agent):
        assert entry["set"]["namespace"] == "registry.redhat.io/rhosp-rhel9"
        assert (entry["set"]["name_prefix"], entry["set"]["tag"]) == ("openstack-", "17.1")
    assert rest["tag_from_label"] == "{version}-{release}"
    assert [entry["push_destination"] for entry in (rest, rebuilt, agent)] == [True] * 3, (
        "nodes pull from the undercloud"
    )


def test_distributions_differ_only_in_container_documents() -> None:
    rdo, rhosp = (
        rendered(
            sites.plan(
                {
                    "undercloud.registry": RHOSP["undercloud.registry"],
                    "undercloud.containerNamespace": "quay.io/tripleowallaby",
                }
            )
        ),
        rendered(sites.plan(RHOSP)),
    )
    assert {path.rpartition("/")[2] for path in rdo if rdo[path] != rhosp[path]} == {
        "containers-prepare-parameter-ib-vm.yaml", "containers-registry-ib-vm.yaml",
    }  # fmt: skip


def test_the_sites_settings_override_the_distribution() -> None:
    rest, rebuilt, agent = prepared(
        {**RHOSP, "undercloud.containerNamespace": OWN_NAMESPACE, "undercloud.containerTag": "17.1.4"}
    )
    assert {e["set"]["namespace"] for e in (rest, rebuilt, agent)} == {OWN_NAMESPACE}
    assert {e["set"]["tag"] for e in (rest, rebuilt, agent)} == {"17.1.4"}
    assert "tag_from_label" not in rest, "a mirror may have no other tag"
    (*_, agent) = prepared({"undercloud.mlnxContainerNamespace": "registry.example:5000/mlnx"})
    assert agent["set"]["namespace"] == "registry.example:5000/mlnx"


# -- a registry and repositories of the site


def test_the_login_is_a_separate_file_for_undercloud_and_deployment() -> None:
    plan = sites.plan(RHOSP)
    login = yamls.load(tripleo.registry_login(plan, "s3cr3t"))
    assert login == {"parameter_defaults": {
        "ContainerImageRegistryCredentials": {"registry.redhat.io": {"1234|rack": "s3cr3t"}}}}  # fmt: skip
    assert conf(RHOSP)["custom_env_files"] == REGISTRY_FILE
    words = list(plan.deploy_command)
    assert words[words.index(REGISTRY_FILE) - 1] == "-e"
    assert "s3cr3t" not in "".join(rendered(plan).values())
    assert "WRITE-HERE-registryPassword" in rendered(plan)[LOGIN.path]


def test_the_header_of_the_login_does_not_depend_on_the_password() -> None:
    one, other = (tripleo.registry_login(sites.plan(RHOSP), password) for password in ("one", "other"))
    assert HEADER.match(one)
    assert one.splitlines()[0] == other.splitlines()[0]
    assert one != other


def test_a_registry_without_tls_is_an_insecure_registry_of_the_undercloud() -> None:
    edits = {"undercloud.containerNamespace": OWN_NAMESPACE, "undercloud.registry": {"insecure": True}}
    assert conf(edits)["container_insecure_registries"] == "registry.example:5000"
    assert "custom_env_files" not in conf(edits)
    assert REGISTRY_FILE not in sites.plan(edits).deploy_command


def test_repositories_are_an_ini_file_for_dnf() -> None:
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
