"""Key pair and user data of the instances (T5), and the login of the bandwidth test (B4)."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from access.ssh import Operator
from components.bandwidth import judge
from onhost.undercloud.orders import NodeOrder
from rack.plan import Plan
from rack.site.tenant import KeyPair
from tests.components.conftest import BANDWIDTH, GUEST_KEY, Recorder, deploy, record
from tests.components.test_rack import secret

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f tenant"


def changed(plan: Plan, **tenant: object) -> Plan:
    site = plan.site
    return Plan(site.model_copy(update={"tenant": site.tenant.model_copy(update=tenant)}))


def made(plan: Plan, **tenant: object) -> Recorder:
    other = changed(plan, **tenant)
    return record(other, lambda operator: deploy(other, operator) and None)


def login(rack: Recorder) -> NodeOrder:
    return NodeOrder.decode(secret(rack.resources["bandwidth-ib-write-bw"].inputs["stdin"]))


def test_nova_generates_the_key_pair_of_the_instances(rack: Recorder) -> None:
    assert rack.resources["tenant-key-pair"].inputs == {"name": "rack"}
    assert rack.hidden["tenant-key-pair"] >= {"privateKey"}
    for vm in ("tenant-vm1_gpu", "tenant-vm2_gpu"):
        assert rack.resources[vm].inputs["keyPair"] == "rack"
        assert "userData" not in rack.resources[vm].inputs
    assert login(rack).given == GUEST_KEY


def test_the_bandwidth_test_logs_in_as_the_user_of_the_image_with_the_key_on_standard_input(plan: Plan) -> None:
    rack = made(plan, user="centos")
    script = login(rack).create
    assert "enter tenant-vm1_gpu-id centos@11.11.11.186 vm1_gpu\n" in script
    assert "HostKeyAlias=$id" in script
    assert GUEST_KEY not in script
    assert rack.hidden["bandwidth-ib-write-bw"] >= {"stdout", "stderr"}


def test_an_instance_keeps_its_key_pair_and_user_data_unless_it_may_be_replaced(plan: Plan, rack: Recorder) -> None:
    """Nova cannot change them, so the provider would replace the instance."""
    assert rack.kept["tenant-vm1_gpu"] == {"keyPair", "userData"}
    assert made(plan, replace_instances=True).kept["tenant-vm1_gpu"] == set()


def test_an_own_public_key_with_its_private_key(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("OWN KEY\n")
    rack = made(plan, key_pair=KeyPair(name="ops", public_key=PUBLIC, private_key_file=tmp_path / "key"))
    assert rack.resources["tenant-key-pair"].inputs == {"name": "ops", "publicKey": PUBLIC}
    assert login(rack).given == "OWN KEY\n"


def test_an_existing_key_pair_is_not_created(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("OWN KEY\n")
    rack = made(plan, key_pair=KeyPair(name="ops", existing=True, private_key_file=tmp_path / "key"))
    assert "tenant-key-pair" not in rack.resources
    assert rack.resources["tenant-vm1_gpu"].inputs["keyPair"] == "ops"
    assert login(rack).given == "OWN KEY\n"


@pytest.mark.parametrize(
    ("key", "message"),
    [(None, r"can't read .*key: No such file"), ("-----BEGIN RSA ENCRYPTED KEY-----", "has a passphrase")],
)
def test_a_private_key_that_cannot_be_used_is_reported(
    plan: Plan, tmp_path: Path, key: str | None, message: str
) -> None:
    if key:
        (tmp_path / "key").write_text(key)
    with pytest.raises(pulumi.RunError, match=rf"tenant.keyPair.privateKeyFile: .*{message}"):
        made(plan, key_pair=KeyPair(public_key=PUBLIC, private_key_file=tmp_path / "key"))


def test_user_data_from_the_configuration_or_a_file(plan: Plan, tmp_path: Path) -> None:
    def data(**tenant: Any) -> object:
        return made(plan, **tenant).resources["tenant-vm2_gpu"].inputs["userData"]

    (tmp_path / "user-data").write_text("#cloud-config\n")
    assert data(user_data="#!/bin/sh\n") == "#!/bin/sh\n"
    assert data(user_data_file=tmp_path / "user-data") == "#cloud-config\n"
    with pytest.raises(pulumi.RunError, match=r"tenant.userDataFile: can't read"):
        data(user_data_file=tmp_path / "none")


def test_the_generated_key_is_a_secret_output(plan: Plan) -> None:
    seen: list[Any] = []

    def program(operator: Operator) -> Any:
        key = deploy(plan, operator)["tenant"].login_key
        return pulumi.Output.all(key, pulumi.Output.from_input(key.is_secret())).apply(seen.append)

    record(plan, program)
    assert seen == [[GUEST_KEY, True]]


@pytest.mark.parametrize(("minimum", "warnings"), [(190, 0), (200, 1)])
def test_a_bandwidth_below_the_minimum_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, minimum: float, warnings: int
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    verdict = judge(BANDWIDTH, minimum)
    assert said == [f"GPUDirect RDMA bandwidth {verdict}; see docs/failures.md"] * warnings


def measured(plan: Plan, **printed: str) -> str:
    """The script of the bandwidth test. `printed`: what steps print, by name with _ for -."""
    outputs = {name.replace("_", "-"): text for name, text in printed.items()}
    return login(record(plan, lambda operator: deploy(plan, operator) and None, outputs)).create


def test_the_bandwidth_test_runs_again_for_other_firmware_and_only_then(plan: Plan) -> None:
    """The verdict belongs to certain instances, computes and firmware."""
    report = "compute-{}: firmware 20.{}.1010, SRIOV_EN=1\ncompute-{}: booted by bios, {} VFs\n"
    before = measured(
        plan, firmware_computes_1=report.format(1, 32, 1, 8), firmware_computes_2=report.format(2, 32, 2, 8)
    )
    same = measured(
        plan, firmware_computes_1=report.format(1, 32, 1, 9), firmware_computes_2=report.format(2, 32, 2, 8)
    )
    other = measured(
        plan, firmware_computes_1=report.format(1, 32, 1, 8), firmware_computes_2=report.format(2, 33, 2, 8)
    )
    assert before == same
    assert before != other


def test_the_bandwidth_test_runs_again_on_another_compute(plan: Plan, rack: Recorder) -> None:
    key = "[127.0.24.21]:22 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOther\n"
    assert login(rack).create != measured(plan, overcloud_host_key_compute_1=key)


def test_another_vlan_replaces_the_network_and_frees_its_floating_ips_first(plan: Plan) -> None:
    """Neutron ignores other segments of a network, and keeps a router interface that a floating IP uses."""
    rack, access = made(plan), plan.site.external_access
    assert access
    assert rack.replacing["tenant-network"] == {"segments"}
    assert {name for name, keys in rack.replacing.items() if keys == {"portId"}} == {
        f"external-{ip.instance}-associate" for ip in access.floating_ips
    }
