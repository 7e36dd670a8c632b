"""The undercloud's resources per distribution, with the site's own registry, repositories and archives."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

import components as c
from components.undercloud import ANCHOR, INSPECTION, inventory
from onhost import repositories
from onhost.undercloud.orders import NodeOrder
from rack import tripleo
from rack.distribution import Release
from rack.plan import REGISTRY_FILE, Plan
from rack.site import Image, Registry, Repository
from tests.components.conftest import Recorder, deploy, record
from tests.components.test_rack import secret

PASSWORD = "REGISTRY-CANARY"
REPOSITORY = Repository(id="wallaby", baseurl="http://mirror.example/wallaby")
ARCHIVE = "/srv/overcloud-images.tar"


def changed(plan: Plan, **keys: Any) -> Plan:
    """Return the plan with changed keys of `undercloud`."""
    return Plan(plan.site.model_copy(update={"undercloud": plan.site.undercloud.model_copy(update=keys)}))


def undercloud(plan: Plan, password: str | None = None) -> Recorder:
    logins = (pulumi.Output.secret("ipmi"), pulumi.Output.secret(password) if password else None)
    return record(plan, lambda operator: c.Undercloud("undercloud", plan, operator, [], *logins) and None)


def create(rack: Recorder, name: str) -> str:
    return str(rack.resources[name].inputs["create"])


@pytest.fixture(scope="module")
def rhosp(plan: Plan) -> Recorder:
    red_hat = {"distribution": Release.RHOSP_17_1, "registry": Registry(user="1234|rack")}
    return undercloud(changed(plan, **red_hat), PASSWORD)


@pytest.fixture(scope="module")
def default(plan: Plan) -> Recorder:
    return undercloud(plan)


# -- C6


def test_a_node_s_own_ipmi_password_takes_precedence(plan: Plan) -> None:
    nodes = json.loads(inventory(plan, "common", {"compute-1": "own"}))["nodes"]
    passwords = {node["name"]: node["pm_password"] for node in nodes}
    assert (passwords.pop("compute-1"), set(passwords.values())) == ("own", {"common"})


def test_a_missing_ipmi_password_is_reported_with_the_nodes_that_need_it(plan: Plan) -> None:
    *others, last = (node.name for node in plan.site.nodes)
    assert json.loads(inventory(plan, None, dict.fromkeys([*others, last], "own")))
    with pytest.raises(pulumi.RunError, match=rf"rack:ipmiPassword: missing, for {last}; run `pulumi config set"):
        inventory(plan, None, dict.fromkeys(others, "own"))


def test_a_password_of_an_unknown_node_is_reported_without_its_value(plan: Plan) -> None:
    with pytest.raises(pulumi.RunError, match=r"rack:ipmiPasswords: found compute-9, which") as error:
        inventory(plan, "common", {"compute-9": "hunter2"})
    assert "hunter2" not in str(error.value)


# -- C1, C5 by distribution


def test_centos_is_prepared_with_the_guide_s_commands(default: Recorder) -> None:
    prepare = create(default, "undercloud-prepare")
    assert '"$ID-$VERSION_ID" = centos-8 ]' in prepare
    assert "install CentOS Stream 8 (C1)" in prepare
    assert "sudo -E tripleo-repos -b wallaby current\ndnf install -y python3-tripleoclient" in prepare
    images = shlex.split(create(default, "undercloud-images"))[-1]
    assert "openstack overcloud image build >&2" in images
    assert "export DIB_RELEASE=8-stream\n" in images
    assert "'/etc/yum.repos.d/*'" in images


def test_the_release_package_is_installed_by_url_before_the_repositories(default: Recorder, plan: Plan) -> None:
    step = create(default, "undercloud-release-package")
    assert step.index('[ "$fail" = 0 ]') < step.index("dnf"), "checks come first"
    assert step.splitlines()[-1] == (
        "rpm -q python3-tripleo-repos || dnf install -y "
        "--repofrompath=rack-release,https://trunk.rdoproject.org/centos8/component/tripleo/current "
        "--setopt=rack-release.gpgcheck=0 python3-tripleo-repos"
    )
    assert "undercloud-release-package" in default.needs["undercloud-prepare"]
    package = "http://mirror.example/python3-tripleo-repos-0.1.1-1.el8.noarch.rpm"
    own = create(undercloud(changed(plan, tripleo_repos_url=package)), "undercloud-release-package")
    assert own.endswith(f"|| dnf install -y {package}")


def test_red_hat_s_distribution_is_prepared_with_the_subscription(rhosp: Recorder) -> None:
    prepare = create(rhosp, "undercloud-prepare")
    assert '"$ID-$VERSION_ID" = rhel-9.2 ]' in prepare
    assert "tripleo-repos" not in prepare
    order = [prepare.index(text) for text in (
        "subscription-manager identity", '[ "$fail" = 0 ]', "useradd", "subscription-manager release --set=9.2",
        "--enable=openstack-17.1-for-rhel-9-x86_64-rpms", "dnf install -y python3-tripleoclient",
    )]  # fmt: skip
    assert order == sorted(order)
    assert "undercloud-release-package" not in rhosp.resources
    assert "yum.repos.d" not in rhosp.resources["undercloud-prepare"].inputs["delete"], "delete keeps the subscription"


def test_a_host_without_subscription_is_refused_before_anything_is_installed(rhosp: Recorder) -> None:
    """No machine that runs this test is registered at Red Hat."""
    checks = create(rhosp, "undercloud-prepare").partition("useradd")[0]
    done = subprocess.run(["sh", "-c", checks], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "undercloud: no subscription; subscription-manager register (C1)\n" in done.stderr


def test_red_hat_s_disk_images_are_installed_and_not_built(rhosp: Recorder) -> None:
    images = shlex.split(create(rhosp, "undercloud-images"))[-1]
    assert (
        "if [ ! -e overcloud-hardened-uefi-full.qcow2 ]; then\n  sudo dnf install -y rhosp-director-images-" in images
    )
    assert "tar -xf /usr/share/rhosp-director-images/ironic-python-agent-latest.tar >&2" in images
    assert "image build" not in images
    assert "DIB_" not in images
    assert "image upload --update-existing" in images


def test_the_scripts_have_valid_shell_syntax(default: Recorder, rhosp: Recorder) -> None:
    for rack in (default, rhosp):
        for name in ("undercloud-prepare", "undercloud-images", "undercloud-templates"):
            subprocess.run(["sh", "-n"], input=create(rack, name), text=True, check=True)


# -- inspection


def test_templates_and_client_are_inspected_before_the_installation(default: Recorder, plan: Plan) -> None:
    inspection = default.resources["undercloud-templates"].inputs
    assert inspection["create"].splitlines()[1] == INSPECTION
    assert default.needs["undercloud-templates"] >= {"undercloud-inspection"}
    assert default.needs["undercloud-inspection"] >= {"undercloud-prepare"}
    for file in ("undercloud-undercloud-conf", "undercloud-containers-prepare"):
        assert "undercloud-templates" in default.needs[file]
    assert '"MlnxSDNToken": "neutron-ml2-mlnx-sdn-vm.yaml"' in inspection["stdin"]
    assert inspection["stdin"] == undercloud(plan).resources["undercloud-templates"].inputs["stdin"]


# -- the registry


def test_the_registry_s_login_is_a_secret_file_before_the_installation(rhosp: Recorder) -> None:
    login = rhosp.resources["undercloud-registry-login"].inputs
    assert f"-o stack -g stack -m 0600 /dev/stdin {REGISTRY_FILE}" in login["create"]
    assert f"1234|rack: {PASSWORD}" in secret(login["stdin"])
    assert {name for name, r in rhosp.resources.items() if PASSWORD in str(r.inputs)} == {"undercloud-registry-login"}
    assert "undercloud-registry-login" in rhosp.needs["undercloud-undercloud-conf"]


def test_a_missing_registry_password_is_reported_with_the_command_that_sets_it(plan: Plan) -> None:
    with pytest.raises(pulumi.RunError, match=r"password of rack is missing: pulumi config set --secret registryPass"):
        undercloud(changed(plan, registry=Registry(user="rack")))


def test_the_registry_s_certificate_authority_is_installed(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("AUTHORITY\n")
    known = undercloud(changed(plan, registry=Registry(ca_file=tmp_path / "ca.pem"))).resources[
        "undercloud-registry-ca"
    ]
    assert known.inputs["stdin"] == "AUTHORITY\n"
    assert known.inputs["create"].endswith(f"install -m 0644 /dev/stdin {ANCHOR}\nupdate-ca-trust")
    assert known.inputs["delete"].endswith(f"rm -f {ANCHOR}\nupdate-ca-trust")
    with pytest.raises(pulumi.RunError, match=r"undercloud.registry.caFile: can't read .*none.pem"):
        undercloud(changed(plan, registry=Registry(ca_file=tmp_path / "none.pem")))


# -- the site's own repositories and archives


def test_the_site_s_repositories_replace_all_others(plan: Plan) -> None:
    own = changed(plan, repositories=(REPOSITORY,))
    rack = undercloud(own)
    file = rack.resources["undercloud-repositories"].inputs
    assert file["stdin"] == tripleo.repositories(own)
    assert "subscription-manager" not in file["create"]
    assert file["create"].index('[ "$fail" = 0 ]') < file["create"].index(repositories.FILE), "checks come first"
    assert "undercloud-repositories" in rack.needs["undercloud-prepare"]
    prepare = create(rack, "undercloud-prepare")
    assert "tripleo-repos" not in prepare
    assert "undercloud-release-package" not in rack.resources
    assert "dnf install -y python3-tripleoclient" in prepare
    assert f"export DIB_YUM_REPO_CONF={repositories.FILE}\n" in shlex.split(create(rack, "undercloud-images"))[-1]


def test_nodes_of_the_overcloud_get_the_site_s_repositories(plan: Plan) -> None:
    own = changed(plan, repositories=(REPOSITORY,))
    rack = record(own, lambda operator: deploy(own, operator) and None)
    shipped = {name: r for name, r in rack.resources.items() if name.startswith("overcloud-repositories-")}
    assert set(shipped) == {f"overcloud-repositories-{host.name}" for host in own.hosts}
    for name, step in shipped.items():
        assert NodeOrder.decode(step.inputs["stdin"]).given == tripleo.repositories(own)
        assert name in rack.needs["firmware-program"], "mstflint is installed from them"


def test_nodes_get_no_repositories_when_the_site_has_none(rack: Recorder) -> None:
    assert not [name for name in rack.resources if "repositories" in name or "registry" in name]


def test_the_overcloud_s_images_are_unpacked_from_the_archive(plan: Plan) -> None:
    images = shlex.split(create(undercloud(changed(plan, images_archive=ARCHIVE)), "undercloud-images"))[-1]
    assert f"\ntar -xf {ARCHIVE} >&2\n" in images
    assert "image upload --update-existing" in images
    assert "image build" not in images
    assert "DIB_" not in images


def test_a_guest_image_file_is_uploaded_unchanged(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "gdr.qcow2").touch()
    gdr = Image(name="centos8-stream-gdr", file=tmp_path / "gdr.qcow2")
    given = Plan(plan.site.model_copy(update={"images": (gdr,)}))
    rack = record(given, lambda operator: deploy(given, operator) and None)
    assert rack.resources["images-centos8-stream-gdr"].inputs["localFilePath"] == str(tmp_path / "gdr.qcow2")
    assert not [name for name in rack.resources if name.startswith(("images-build-", "images-fetch-"))]
    (tmp_path / "gdr.qcow2").unlink()
    with pytest.raises(pulumi.RunError, match=r"images: .*gdr.qcow2: no such file"):
        record(given, lambda operator: deploy(given, operator) and None)
