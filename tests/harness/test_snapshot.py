"""What the comparison of two racks sees, and what it leaves out."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import openstack, snapshot
from harness.names import Names


def test_equal_readings_have_no_difference() -> None:
    reading: snapshot.Snapshot = {"host ufm": {"a": "1"}}
    assert snapshot.difference(reading, {"host ufm": {"a": "1"}}) == []


def test_each_missing_surplus_and_changed_object_is_named() -> None:
    wanted: snapshot.Snapshot = {
        "ufm pkey 0xb": {"name": "a", "text": "one\ntwo"},
        "ufm token 1": {"username": "admin"},
    }
    found: snapshot.Snapshot = {"ufm pkey 0xb": {"name": "b", "text": "one\n2"}, "ufm token 2": {"username": "admin"}}
    assert snapshot.difference(wanted, found) == [
        "missing: ufm token 1",
        "surplus: ufm token 2",
        "differs: ufm pkey 0xb name: a -> b",
        "differs: ufm pkey 0xb text:",
        "    @@ -2 +2 @@",
        "    -two",
        "    +2",
    ]


def test_random_values_are_compared_by_the_name_of_their_object() -> None:
    names = Names()
    names.add("9a2c0f5e-0000-4000-8000-000000000001", "network tenant-net")
    names.add("11.11.11.2", "address 0 of port direct1")
    text = "on 9a2c0f5e-0000-4000-8000-000000000001 at 11.11.11.2, not 11.11.11.20, 2026-12-01T10:00:00Z"
    assert names.apply(text) == "on <network tenant-net> at <address 0 of port direct1>, not 11.11.11.20, <time>"


def test_an_unknown_id_is_not_compared() -> None:
    assert Names().apply("id 9a2c0f5e-0000-4000-8000-000000000001") == "id <id>"


def test_members_of_a_pkey_are_compared_by_port() -> None:
    names = Names()
    names.add("fa163e000024ba09", "GUID of port direct1")
    assert snapshot.renamed(names, "members.fa163e000024ba09.membership") == "members.<GUID of port direct1>.membership"


def test_a_duplicate_in_the_cloud_is_surplus(monkeypatch: pytest.MonkeyPatch) -> None:
    image = {"id": "1", "name": "centos", "status": "queued"}
    lists: dict[str, list[dict[str, str]]] = {"images": [image]}

    class Session:
        def get(self, url: str, **query: str) -> dict[str, list[dict[str, str]]]:
            kind = url.partition("?")[0].rpartition("/")[2]
            return {kind: lists.get(kind, [])}

    monkeypatch.setattr(openstack, "Session", Session)
    monkeypatch.setattr("lab.cloud.deployment.current", lambda: None)
    monkeypatch.setattr(snapshot, "_fabric", lambda: ())
    monkeypatch.setattr("lab.addresses.STATE", Path("/nonexistent"))
    once = snapshot.take()
    lists["images"] = [image, {**image, "id": "2"}]
    assert snapshot.difference(once, snapshot.take()) == ["surplus: cloud image centos #2"]


def test_a_file_is_compared_by_mode_owner_and_text(tmp_path: Path) -> None:
    host = tmp_path / "ufm"
    file = host / "root/opt/rack-ufm"
    file.parent.mkdir(parents=True)
    file.write_text("one")
    before = dict(snapshot.read_file(host, file))
    file.chmod(0o600)
    file.write_text("two")
    after = dict(snapshot.read_file(host, file))
    assert before.keys() == after.keys() == {"host ufm file /opt/rack-ufm"}
    assert {key for name in after for key in after[name] if after[name][key] != before[name][key]} == {
        "mode",
        "content",
    }


def test_a_pending_operation_and_a_changed_input_of_the_state_are_seen() -> None:
    urn = "urn:pulumi:dev::rack::ufm:index:PKey::fabric-Storage"
    resource = {"urn": urn, "inputs": {"pkey": "0xb", "token": {"ciphertext": "x1"}}}
    before = {"deployment": {"resources": [resource]}}
    changed = {**resource, "inputs": {"pkey": "0xc", "token": {"ciphertext": "x2"}}}
    pending = [{"type": "creating", "resource": {"urn": urn}}]
    after = {"deployment": {"resources": [changed], "pending_operations": pending}}
    assert snapshot.difference(_stack(before), _stack(after)) == [
        f"surplus: stack pending creating {urn}",
        f"differs: stack {urn} inputs.pkey: 0xb -> 0xc",
    ]


def _stack(exported: Mapping[str, object]) -> snapshot.Snapshot:
    return {name: dict(snapshot.flat(value)) for name, value in snapshot.read_stack(exported)}


@pytest.mark.parametrize(
    "value",
    [
        "host ufm record.containers.ufm.pid",
        "host undercloud record.step_faults.deploy.fails",
        "host undercloud file /var/lib/rack-jobs/overcloud-deploy/2/log content",
        "host controller-1 file /root/.ssh/known_hosts content",
        "cloud server vm1_gpu OS-SRV-USG:launched_at",
        "cloud port network:router_gateway <router public_router> <network public> binding:host_id",
        "stack urn:pulumi:dev::rack::rack:fabric:UfmHost$ufm:index:AccessToken::ufm-token inputs.__requested",
    ],
)
def test_what_equal_racks_may_differ_in_is_ignored(value: str) -> None:
    assert snapshot.ignored(*value.rsplit(" ", 1))


@pytest.mark.parametrize(("pattern", "reason"), snapshot.IGNORED)
def test_each_ignored_value_has_a_reason(pattern: str, reason: str) -> None:
    assert reason
    assert not snapshot.ignored("cloud server vm1_gpu", "status")


@pytest.mark.parametrize(
    ("title", "attribute"),
    [
        (
            "stack urn:pulumi:dev::rack::rack:tenant:ExternalAccess$"
            "openstack:networking/subnet:Subnet::external-subnet",
            "inputs.allocationPools.0.start",
        ),
        ("cloud subnet public_subnet", "allocation_pools.0.start"),
        ("cloud subnet public_subnet", "gateway_ip"),
    ],
)
def test_a_configured_address_keeps_its_value_when_neutron_gives_it_to_a_port(title: str, attribute: str) -> None:
    """In one of two equal racks the router has the first address of the pool, in the other it has not."""
    names = Names()
    names.add("10.0.0.150", "address 0 of port network:router_gateway")
    assert snapshot.named(names, title, attribute, "10.0.0.150") == "10.0.0.150"


@pytest.mark.parametrize(
    ("title", "attribute"),
    [
        ("cloud port network:router_gateway", "fixed_ips.0.ip_address"),
        (
            "stack urn:pulumi:dev::rack::rack:tenant:ExternalAccess$"
            "openstack:networking/floatingIpAssociate:FloatingIpAssociate::external-vm1_gpu-associate",
            "inputs.floatingIp",
        ),
    ],
)
def test_an_address_that_neutron_chose_is_compared_by_the_name_of_its_port(title: str, attribute: str) -> None:
    names = Names()
    names.add("10.0.0.150", "address 0 of port network:router_gateway")
    assert snapshot.named(names, title, attribute, "10.0.0.150") == "<address 0 of port network:router_gateway>"


def test_a_subnet_with_a_changed_pool_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    subnet = {"id": "1", "name": "public_subnet", "allocation_pools": [{"start": "10.0.0.150"}]}
    monkeypatch.setattr(openstack, "read", lambda names: [("subnet public_subnet", subnet)])
    monkeypatch.setattr(snapshot, "_fabric", lambda: ())
    monkeypatch.setattr("lab.addresses.STATE", Path("/nonexistent"))
    before = snapshot.take()
    subnet["allocation_pools"] = [{"start": "10.0.0.160"}]
    assert snapshot.difference(before, snapshot.take()) == [
        "differs: cloud subnet public_subnet allocation_pools.0.start: 10.0.0.150 -> 10.0.0.160"
    ]
