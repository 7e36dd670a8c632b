"""What `rack recover` does with each interrupted operation and each unrecorded object."""

import hashlib
from pathlib import Path

import pytest

from recovery.decide import decide
from recovery.state import Resource
from tests.recovery.build import (
    ASSOCIATION,
    FLAVOR,
    FLOATING,
    IMAGE,
    INTERFACE,
    KEYPAIR,
    NETWORK,
    PORT,
    ROUTER,
    SERVER,
    UNKNOWN,
    creating,
    found,
    resource,
    state,
    urn,
)


def texts(*args: object, **more: object) -> list[str]:
    return [str(action) for action in decide(*args, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize("type_", [FLAVOR, NETWORK, PORT, ROUTER, FLOATING])
def test_the_object_of_a_lost_answer_is_imported(type_: str) -> None:
    pending = state(operations=[creating(type_, "it")])
    (text,) = texts(pending, [found(type_, "id1", "it"), found(type_, "id2")])
    assert text.startswith("import   ")
    assert text.endswith("(id1) as it: the answer to its creation was lost")


def test_an_object_of_another_stack_or_resource_is_not_touched() -> None:
    pending = state(operations=[creating(NETWORK, "it")])
    others = [
        found(NETWORK, "id1", "it", "ffffffff"),
        found(NETWORK, "id2", "other", "ffffffff"),
        found(NETWORK, "id3"),
    ]
    assert texts(pending, others) == ["clear    it, interrupted while creating: it did not happen"]


def test_an_operation_on_a_host_is_cleared() -> None:
    pending = state(operations=[creating("command:remote:Command", "overcloud-deploy")])
    assert texts(pending, []) == ["clear    overcloud-deploy, interrupted while creating: the next `up` repeats it"]


def test_discard_deletes_instead() -> None:
    pending = state(operations=[creating(NETWORK, "it")])
    assert texts(pending, [found(NETWORK, "id1", "it")], discard=True) == ["delete   network (id1) of it: --discard"]


def test_an_unrecorded_object_of_a_recorded_resource_is_a_duplicate() -> None:
    """A second `up` has created another one, and the engine keeps the operation of the first."""
    recorded = resource(PORT, "it", "id2", outputs={})
    ports = [found(PORT, "id1", "it"), found(PORT, "id2", "it")]
    for operations in ([], [creating(PORT, "it")]):
        assert texts(state(recorded, operations=operations), ports) == [
            "delete   port (id1) of it: the state has another one"
        ]


def test_the_newest_of_several_is_imported() -> None:
    pending = state(operations=[creating(ROUTER, "it"), creating(ROUTER, "it")])
    routers = [
        found(ROUTER, "new", "it", created_at="2026-12-01T09:00:02Z"),
        found(ROUTER, "old", "it", created_at="2026-12-01T09:00:01Z"),
    ]
    assert texts(pending, routers) == [
        "delete   router (old) of it: a duplicate",
        "import   router (new) as it: the answer to its creation was lost",
    ]


def test_an_unmarked_object_of_the_name_is_left_if_the_create_had_no_mark() -> None:
    """An `up` of 0.1.0 was killed."""
    objects = [found(NETWORK, "n1", name="net"), found(NETWORK, "n2", name="other")]
    text, cleared = texts(state(operations=[creating(NETWORK, "it", name="net")]), objects)[::-1]
    assert text.startswith(
        "left     network net (n1) of it: an earlier version, which set no marks, may have created it"
    )
    assert cleared == "clear    it, interrupted while creating: it did not happen"
    marked = creating(NETWORK, "it", name="net", description="rack 1a2b3c4d it")
    assert len(texts(state(operations=[marked]), objects)) == 1


def test_a_resource_that_waits_for_its_deletion_does_not_count_as_recorded_anew() -> None:
    old = resource(NETWORK, "it", "old", delete=True)
    networks = [found(NETWORK, "old", "it"), found(NETWORK, "new", "it")]
    assert texts(state(old, operations=[creating(NETWORK, "it")]), networks) == [
        "import   network (new) as it: the answer to its creation was lost"
    ]


def test_a_marked_object_without_any_record_is_shown_and_deleted_on_request() -> None:
    networks = [found(NETWORK, "id1", "it"), found(NETWORK, "id2", "it", "ffffffff")]
    (text,) = texts(state(), networks)
    assert text == ("left     network (id1) of it: neither the state nor the program has it; --discard deletes it")
    assert texts(state(), networks, discard=True) == ["delete   network (id1) of it: --discard"]


PARENT = resource("rack:tenant:Tenant", "tenant")


def planned(type_: str, name: str, /, **inputs: object) -> Resource:
    """Return what a preview shows of a resource that an `up` would create."""
    return Resource(resource(type_, name, inputs=inputs, parent=PARENT["urn"]))


def test_an_object_that_an_older_state_lacks_is_imported_with_the_inputs_of_a_preview() -> None:
    objects = [found(NETWORK, "n1", "net"), found(PORT, "p1", "port")]
    plan = [planned(NETWORK, "net", name="net"), planned(PORT, "port", networkId=UNKNOWN)]
    assert texts(state(PARENT), objects, planned=plan) == [
        "import   network (n1) as net: the answer to its creation was lost",
        "later    port (p1) of port: after what it depends on",
    ]
    recorded = resource(NETWORK, "net", "n1")
    assert texts(state(PARENT, recorded), objects, planned=[planned(PORT, "port", networkId="n1")]) == [
        "import   port (p1) as port: the answer to its creation was lost"
    ]


def test_an_object_below_a_component_that_is_not_recorded_waits() -> None:
    (text,) = texts(state(), [found(NETWORK, "n1", "net")], planned=[planned(NETWORK, "net", name="net")])
    assert text.startswith("later")


def test_attachments_of_recorded_objects_are_imported_with_the_inputs_of_a_preview() -> None:
    port = found(
        INTERFACE, "p1", device_id="r", device_owner="network:router_interface", fixed_ips=[{"subnet_id": "s"}]
    )
    plan = [planned(INTERFACE, "it", routerId="r", subnetId="s"), planned(KEYPAIR, "pair", name="ops")]
    (text,) = texts(state(PARENT), [port, found(KEYPAIR, "", name="ops")], planned=plan)
    assert text.startswith("import   router interface (p1) as it")


def test_a_state_without_the_stack_s_id_claims_no_object() -> None:
    pending = state(operations=[creating(NETWORK, "it")])
    pending.exported["deployment"]["resources"].clear()
    assert texts(pending, [found(NETWORK, "id1", "it")]) == [
        "clear    it, interrupted while creating: it did not happen"
    ]


# Images and servers


def image_inputs(file: Path) -> dict[str, str]:
    return {"name": "centos", "localFilePath": str(file)}


def test_an_uploaded_image_is_imported_and_a_queued_one_deleted(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"image")
    pending = state(operations=[creating(IMAGE, "it", **image_inputs(tmp_path / "image"))])
    checksum = hashlib.md5(b"image").hexdigest()
    images = [
        found(IMAGE, "id1", "it", name="centos", status="active", checksum=checksum),
        found(IMAGE, "id2", "it", name="centos", status="queued"),
    ]
    assert texts(pending, images) == [
        "delete   image centos (id2) of it: its upload ended in status queued; the next `up` uploads it",
        "import   image centos (id1) as it: the answer to its creation was lost",
    ]


def test_an_image_with_another_content_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"image")
    pending = state(operations=[creating(IMAGE, "it", **image_inputs(tmp_path / "image"))])
    (text,) = texts(pending, [found(IMAGE, "id1", "it", status="active", checksum="0" * 32)])
    assert text.startswith("delete   image (id1) of it: its content is not that of ")


def test_a_server_in_error_is_deleted_with_nova_s_reason() -> None:
    pending = state(operations=[creating(SERVER, "it", name="vm")])
    server = found(SERVER, "id1", "it", name="vm", status="ERROR", fault={"message": "No valid host"})
    assert texts(pending, [server]) == ["delete   server vm (id1) of it: it is in status ERROR (No valid host)"]


# Types without a mark


def test_a_router_interface_is_matched_by_router_and_subnet() -> None:
    pending = state(operations=[creating(INTERFACE, "it", routerId="r", subnetId="s")])
    owner = "network:router_interface"
    ports = [
        found(INTERFACE, "p1", device_id="r", device_owner=owner, fixed_ips=[{"subnet_id": "other"}]),
        found(INTERFACE, "p2", device_id="r", device_owner=owner, fixed_ips=[{"subnet_id": "s"}]),
        found(INTERFACE, "p3", device_id="other", device_owner=owner, fixed_ips=[{"subnet_id": "s"}]),
    ]
    (text,) = texts(pending, ports)
    assert text.startswith("import   router interface (p2) as it")
    assert texts(pending, ports[:1]) == ["clear    it, interrupted while creating: it did not happen"]


def test_an_association_is_matched_by_address_and_port() -> None:
    pending = state(operations=[creating(ASSOCIATION, "it", floatingIp="10.0.0.151", portId="p")])
    addresses = [
        found(ASSOCIATION, "f1", floating_ip_address="10.0.0.150", port_id="p"),
        found(ASSOCIATION, "f2", floating_ip_address="10.0.0.151", port_id="p"),
        found(ASSOCIATION, "f3", floating_ip_address="10.0.0.151", port_id="other"),
    ]
    (text,) = texts(pending, addresses)
    assert text.startswith("import   association of floating IP 10.0.0.151 (f2) as it")


def test_a_key_pair_of_an_own_public_key_is_imported() -> None:
    pending = state(operations=[creating(KEYPAIR, "it", name="ops", publicKey="ssh-ed25519 AAAA")])
    (text,) = texts(pending, [found(KEYPAIR, "", name="ops"), found(KEYPAIR, "", name="other")])
    assert text.startswith("import   key pair (ops) as it")


def test_a_generated_key_pair_is_deleted_because_its_private_key_is_lost() -> None:
    pending = state(operations=[creating(KEYPAIR, "it", name="ops")])
    (text,) = texts(pending, [found(KEYPAIR, "", name="ops")])
    assert text.startswith("delete   key pair (ops) of it: its private key was in the lost answer")


def test_a_key_pair_that_a_foreign_server_uses_is_left() -> None:
    pending = state(operations=[creating(KEYPAIR, "it", name="ops")])
    (text,) = texts(pending, [found(KEYPAIR, "", name="ops"), found(SERVER, "id1", key_name="ops")])
    assert text.startswith("left     key pair (ops) of it: a server that this stack does not have uses it")


# Updates and deletions


@pytest.mark.parametrize("operation", ["updating", "deleting"])
def test_an_interrupted_update_or_deletion_is_read_again(operation: str) -> None:
    recorded = resource(PORT, "it", "id1")
    pending = state(recorded, operations=[{"type": operation, "resource": recorded}])
    assert texts(pending, [found(PORT, "id1", "it")]) == [f"refresh  it, interrupted while {operation}"]


def test_an_interrupted_deletion_of_what_is_not_recorded_is_cleared() -> None:
    old = resource(PORT, "it", "id1")
    (text,) = texts(state(operations=[{"type": "deleting", "resource": old}]), [])
    assert text == "clear    it, interrupted while deleting: the next `up` or `destroy` repeats it"


def test_deletions_come_first_and_what_uses_an_object_before_it() -> None:
    operations = [creating(kind, kind) for kind in (NETWORK, SERVER, PORT)]
    objects = [found(kind, "id", kind, status="ACTIVE") for kind in (NETWORK, SERVER, PORT)]
    actions = texts(state(operations=operations), objects, discard=True)
    assert [text.split()[1] for text in actions] == ["server", "port", "network"]


def test_urns_tell_resources_of_different_types_with_one_name_apart() -> None:
    """A floating IP and a port may have the same name within a stack."""
    recorded = resource(PORT, "same", "id1")
    assert recorded["urn"] == urn(PORT, "same")
    (text,) = texts(state(recorded, operations=[creating(FLOATING, "same")]), [found(FLOATING, "id2", "same")])
    assert text.startswith("import   floating IP (id2) as same")
