"""The decisions which port of a node is wired and whether it was seen, without UFM and ironic."""

from pathlib import Path

import pytest

from onhost.undercloud.baremetal import DEPLOYED, NEW, READY, Node
from onhost.undercloud.ports import Port, PortRecord, Ports

A, B, OTHER = "b8599f030000000a", "b8599f030000000b", "b8599f03000000ff"
NODE = Node("compute-1", "uuid-1", NEW, False)


def ports(
    folder: Path, guid: str | None = None, interface: str | None = None, found: dict[str, str] | None = None,
    seen: tuple[str, ...] = (),
) -> Ports:  # fmt: skip
    record = PortRecord(str(folder / "record.json"))
    if found is not None:
        record.ports[NODE.uuid] = found
    record.seen.update(seen)
    return Ports(record, {"compute-1": guid}, interface)


# -- the record


def test_a_record_is_read_by_the_next_run(tmp_path: Path) -> None:
    first = PortRecord(str(tmp_path / "record.json"))
    assert (first.introspected, first.seen, first.ports) == (set(), set(), {})
    first.introspected, first.seen, first.ports = {"u1", "u2"}, {A}, {"u1": {"ib0": A}, "u2": {}}
    first.save()
    second = PortRecord(str(tmp_path / "record.json"))
    assert (second.introspected, second.seen, second.ports) == (first.introspected, first.seen, first.ports)
    second.forget(["u1", "u3"])
    third = PortRecord(str(tmp_path / "record.json"))
    assert (third.introspected, third.seen, third.ports) == ({"u2"}, {A}, {"u2": {}})


# -- the wired port


@pytest.mark.parametrize(
    ("guid", "interface", "found", "seen", "port"),
    [
        (None, None, None, (), None),
        (None, None, {"ib0": A, "ib1": B}, (), None),
        (None, None, {"ib0": A, "ib1": B}, (B,), Port("ib1", B)),
        (None, None, {"ib1": B, "ib0": A}, (A, B), Port("ib0", A)),
        (A, None, None, (), Port("its port", A)),
        (A, "ib2", None, (), Port("ib2", A)),
        (A, "ib2", {"ib0": A}, (), Port("ib0", A)),
        (A, "ib2", {"ib1": B}, (B,), Port("ib2", A)),
    ],
)
def test_wired_prefers_the_configured_port_and_then_a_seen_one(
    tmp_path: Path, guid: str | None, interface: str | None, found: dict[str, str] | None, seen: tuple[str, ...],
    port: Port | None,
) -> None:  # fmt: skip
    assert ports(tmp_path, guid, interface, found, seen).wired(NODE) == port


def test_an_unseen_port_is_reported(tmp_path: Path) -> None:
    assert list(ports(tmp_path).unseen([NODE])) == [(NODE, "compute-1: none of its ports was seen in the fabric")]
    known = ports(tmp_path, A, "ib2")
    assert list(known.unseen([NODE])) == [(NODE, f"compute-1/ib2 ({A}) was not seen in the fabric")]
    assert list(ports(tmp_path, A, seen=(A,)).unseen([NODE])) == []


def test_a_seen_port_of_the_same_node_is_reported_as_the_probable_cable(tmp_path: Path) -> None:
    found = {"ib0": A, "ib1": B, "ib2": OTHER}
    ((_, text),) = ports(tmp_path, A, found=found, seen=(B,)).unseen([NODE])
    assert text.endswith(f"was not seen in the fabric, but its ib1 ({B}) was: is the cable in the other port?")


# -- what UFM shows


def test_a_configured_port_is_recorded_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = ports(tmp_path, A)
    for _ in range(2):
        known.look({A: "as UFM calls it", OTHER: "foreign"})
    assert known.record.seen == {A}
    assert PortRecord(str(tmp_path / "record.json")).seen == {A}
    assert capsys.readouterr().err == f"compute-1 ({A}) is in the fabric\n"


def test_a_port_that_comes_up_later_is_recorded_with_ufm_s_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ports(tmp_path)
    known.look({OTHER: "foreign"})
    assert known.record.seen == set()
    known.look({OTHER: "foreign", A: "host-7"})
    assert known.record.seen == {A}
    assert capsys.readouterr().err == f"host-7 ({A}) is in the fabric\n"


def test_a_port_that_introspection_found_counts_even_if_it_was_up_before(tmp_path: Path) -> None:
    known = ports(tmp_path, found={"ib0": A, "ib1": B})
    known.look({A: "host-7", OTHER: "foreign"})
    assert known.record.seen == {A}


def test_the_record_is_not_written_without_a_new_port(tmp_path: Path) -> None:
    ports(tmp_path, A).look({})
    assert list(tmp_path.iterdir()) == []


# -- introspection's data


@pytest.mark.parametrize(
    ("state", "introspected", "read", "unread"),
    [
        (NEW, False, False, False), (NEW, True, False, True), (READY, False, False, True),
        (DEPLOYED, False, False, True), (DEPLOYED, True, True, False),
    ],
)  # fmt: skip
def test_introspection_data_are_read_only_once_and_only_if_they_exist(
    tmp_path: Path, state: str, introspected: bool, read: bool, unread: bool
) -> None:
    known = ports(tmp_path, found={} if read else None)
    known.record.introspected.update([NODE.uuid] if introspected else [])
    node = NODE._replace(state=state)
    assert known.unread([node]) == ([node] if unread else [])


LISTED = f"found ib0 ({A}, in the fabric), ib1 ({B})"


@pytest.mark.parametrize(
    ("guid", "interface", "found", "seen", "text"),
    [
        (None, None, None, (), None),
        (A, "ib0", {"ib0": A}, (A,), None),
        (A, None, {"ib0": A, "ib1": B}, (A, B), None),
        (None, None, {"ib0": A, "ib1": B}, (A,), None),
        (None, "ib0", {"ib0": A, "ib1": B}, (), None),
        (OTHER, None, {"ib0": A, "ib1": B}, (A,),
         f"compute-1: `guid` is {OTHER}, {LISTED}; write the GUID of the wired port"),
        (None, None, {}, (), "compute-1: found no InfiniBand interface (LINK_TYPE_P1 must be IB); write the GUID"),
        (None, None, {"ib0": A, "ib1": B}, (A, B), f"compute-1: found ib0 ({A}, in the fabric), ib1 ({B}, in the "
         "fabric); write `guid`, because more than one is wired"),
        (A, "ib1", {"ib0": A}, (), f"compute-1: `fabric.interface` is ib1, found {A} as ib0; write ib0"),
    ],
)  # fmt: skip
def test_configuration_and_introspection_are_compared(
    tmp_path: Path, guid: str | None, interface: str | None, found: dict[str, str] | None, seen: tuple[str, ...],
    text: str | None,
) -> None:  # fmt: skip
    texts = list(ports(tmp_path, guid, interface, found, seen).differences(NODE))
    assert len(texts) == (text is not None)
    assert all(found_text.startswith(str(text)) for found_text in texts)


@pytest.mark.parametrize(
    ("guid", "interface", "wrong"), [(A, "ib0", False), (A, None, True), (None, "ib0", True), (None, None, True)]
)
def test_a_deployed_node_without_data_needs_its_port(
    tmp_path: Path, guid: str | None, interface: str | None, wrong: bool
) -> None:
    texts = list(ports(tmp_path, guid, interface).differences(NODE._replace(state=DEPLOYED)))
    assert len(texts) == wrong
    assert all("is deployed and has no introspection data; write its `guid`" in text for text in texts)


@pytest.mark.parametrize(
    ("state", "interface", "active", "accepted"),
    [
        (DEPLOYED, "ib0", {OTHER}, True),
        (DEPLOYED, "ib0", {OTHER, A}, False),
        (DEPLOYED, "ib0", set(), False),
        (DEPLOYED, None, {OTHER}, False),
        (READY, "ib0", {OTHER}, False),
    ],
)
def test_a_replaced_adapter_of_a_deployed_node_is_accepted(
    tmp_path: Path, state: str, interface: str | None, active: set[str], accepted: bool
) -> None:
    """Its port is in the fabric, and the ports of the old adapter are not."""
    known = ports(tmp_path, OTHER, interface, {"ib0": A, "ib1": B})
    known.look(dict.fromkeys(active, "compute-1"))
    node = NODE._replace(state=state)
    assert (list(known.differences(node)) == []) is accepted
    assert known.wired(node) == Port(interface or "its port", OTHER)
