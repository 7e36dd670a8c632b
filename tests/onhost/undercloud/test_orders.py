"""Orders are encoded and decoded with the same types; their text is stable, because job keys are computed from it."""

import json
from typing import Any

import pytest

from onhost.undercloud.orders import (
    GateOrder,
    IntrospectOrder,
    LeaveOrder,
    NodeOrder,
    Placement,
    SshAccess,
    TemplateRequirements,
    UfmApi,
    WaveMember,
    WaveOrder,
    encode,
)

UFM = UfmApi(url="https://192.0.2.1:443", ca=None, insecure=False, token="t0k3n")
ORDERS = (
    IntrospectOrder(
        ufm=UFM, nodes={"compute-1": "b8599f0300000001", "compute-2": None}, interface=None, boot_mode="uefi",
        repeats=2, limit=5400, pauses=[0.5, 10.0], record="/home/stack/introspection.json",
    ),
    GateOrder(
        ufm=UFM._replace(ca="PEM", insecure=True), pkeys={"0xc": "InternalApi"},
        members={"compute-1/ib2": "b8599f0300000001"}, limit=900, pauses=[0.5, 10.0],
    ),
    LeaveOrder(
        stack="overcloud", nodes={"compute-1": Placement(role="ComputeSriovIB", host="overcloud-0.localdomain")},
        roles=[{"name": "Controller", "instances": [{"name": "controller-1"}]}], instances="drain", limit=60,
        cleaning=3600, pauses=[0.5, 10.0], record="/home/stack/nodes.json",
    ),
    NodeOrder(
        name="compute-1", address="192.0.2.21", host_key="192.0.2.21 ssh-ed25519 AAAA",
        ssh=SshAccess("tripleo-admin", 22, "overcloud"), create="set -eu\ncat > /etc/x", delete=":", given="a 'b'\n",
    ),
    WaveOrder(
        kind="compute", nodes=[WaveMember(name="compute-1", address="192.0.2.21", hostname="overcloud-0.localdomain")],
        host_keys=["192.0.2.21 ssh-ed25519 AAAA"], ssh=SshAccess("heat-admin", 22, "overcloud"), tool="auto",
        device="c5:00.0", settings={"NUM_OF_VFS": 8}, minimum_release=None, instances="refuse", alone=False,
        boot_mode="bios", kernel_args="iommu=pt", gpu="10de:20b5", read_request=4096, drain_limit=1800,
        reboot_limit=1200, pauses=[1.0, 15.0], check_list=True,
    ),
    TemplateRequirements(
        templates="/usr/share/templates", environments=["environments/podman.yaml"], options=["-e"],
        parameters={"KernelArgs": "ib-env-vm.yaml"}, services={"OS::TripleO::Services::Frr": "roles_data_ib_vm.yaml"},
    ),
)  # fmt: skip


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_an_encoded_order_decodes_to_itself(order: Any) -> None:
    assert type(order).decode(encode(order)) == order
    assert type(order).decode(encode(order, indent=1)) == order


def test_encode_keeps_the_fields_in_order() -> None:
    introspect, _, leave, _, _, needs = map(encode, ORDERS)
    assert introspect == (
        '{"ufm": {"url": "https://192.0.2.1:443", "ca": null, "insecure": false, "token": "t0k3n", "name": null}, '
        '"nodes": {"compute-1": "b8599f0300000001", "compute-2": null}, "interface": null, "boot_mode": "uefi", '
        '"repeats": 2, "limit": 5400, "pauses": [0.5, 10.0], "record": "/home/stack/introspection.json"}'
    )
    assert '"nodes": {"compute-1": {"role": "ComputeSriovIB", "host": "overcloud-0.localdomain"}}' in leave
    assert '"roles": [{"name": "Controller", "instances": [{"name": "controller-1"}]}]' in leave
    assert list(json.loads(needs)) == ["templates", "environments", "options", "parameters", "services"]


def test_encode_with_indent_writes_one_field_per_line() -> None:
    assert encode(UFM, indent=1).splitlines()[1] == ' "url": "https://192.0.2.1:443",'


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_missing_and_unknown_fields_are_errors(change: str) -> None:
    fields = json.loads(encode(ORDERS[1]))
    fields.update({"other": 1}) if change == "unknown" else fields.pop("limit")
    with pytest.raises(TypeError):
        GateOrder.decode(json.dumps(fields))
