"""Members of one partition with different memberships, and with and without index 0."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.output import UNKNOWN, Unknown

from lab.ufm.faults import Rule
from providers.ufm import errors, member
from providers.ufm.partition import Member
from providers.ufm.pkey import PKeyHandler
from tests.providers.conftest import LabUfm, configuration
from tests.providers.engine import CheckFailedError, Lifecycle

A, B, C, X = (f"b8599f0300b000{n}1" for n in range(1, 5))
PUT, POST, GET = "PUT /resources/pkeys", "POST /resources/pkeys", "GET /resources/pkeys/0x65"
DELETE = "DELETE /resources/pkeys/0x65/guids/"
STORAGE = {"store-1/ib0": A, "compute-1/ib0": {"guid": B, "membership": "limited"}}


@pytest.fixture
def life(ufm: LabUfm) -> Lifecycle:
    return Lifecycle(PKeyHandler, configuration(ufm.port, ufm.ca_file))


def declared(**changes: Any) -> dict[str, Any]:
    return {"pkey": "0x65", "members": STORAGE, "ip_over_ib": True, **changes}


def table(ufm: LabUfm) -> dict[str, Member]:
    """Return the members at UFM, read without its API."""
    partition = ufm.core.table.partitions.get(0x65)
    return {guid: Member(m.membership, m.index0) for guid, m in partition.members.items()} if partition else {}


def writes(ufm: LabUfm) -> list[str]:
    return [call for call in ufm.calls if not call.startswith("GET")]


# check


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (A, A),
        ({"guid": A.upper()}, A),
        ({"guid": A, "membership": "full", "index0": False}, A),
        ({"guid": A, "membership": "limited"}, f"{A} (limited)"),
        ({"guid": A, "index0": True}, f"{A} (index0)"),
        ({"guid": A, "membership": "limited", "index0": True}, f"{A} (limited, index0)"),
        (f"{A} (limited)", f"{A} (limited)"),
        (f"0x{A} (index0, limited)", f"{A} (limited, index0)"),
        (f"{A} (full)", A),
    ],
)
def test_a_member_has_one_spelling(life: Lifecycle, written: object, text: str) -> None:
    assert life.checked(**declared(members={"a/ib0": written}))["members"] == {"a/ib0": text}


@pytest.mark.parametrize(
    ("written", "text"), [({"guid": A, "membership": "full"}, f"{A} (full)"), (f"{A} (limited)", A)]
)
def test_only_what_differs_from_the_other_members_is_spelled(life: Lifecycle, written: object, text: str) -> None:
    inputs = life.checked(**declared(members={"a/ib0": written}, membership="limited", index0=True))
    assert inputs["members"] == {"a/ib0": text}


@pytest.mark.parametrize(
    ("written", "path", "problem"),
    [
        ({"guid": A, "membership": "both"}, ".membership", "found 'both'; write 'full' or 'limited'"),
        ({"guid": A, "index0": "yes"}, ".index0", "found 'yes'; write true or false"),
        ({"guid": A, "limited": True}, ".limited", "found 'limited'; write guid, membership or index0"),
        ({"membership": "full"}, ".guid", "it is missing; write the port's GUID of 16 hex digits"),
        ({"guid": 17}, ".guid", "found 17.0; write a string of hex digits"),
        (f"{A} (weak)", "", "found (weak); write some of full, limited, index0, not index0, each setting once"),
        (f"{A} (full, limited)", "", "found (full, limited); write some of"),
        (f"{A} (", "", "found "),
    ],
)
def test_an_invalid_member_is_named(life: Lifecycle, written: object, path: str, problem: str) -> None:
    with pytest.raises(CheckFailedError) as caught:
        life.checked(**declared(members={"a/ib0": written, "b/ib0": B}))
    assert list(caught.value.failures) == [f'members["a/ib0"]{path}']
    assert caught.value.failures[f'members["a/ib0"]{path}'].startswith(problem)


def test_a_guid_that_two_members_have_is_refused_however_it_is_written(life: Lifecycle) -> None:
    with pytest.raises(CheckFailedError) as caught:
        life.checked(**declared(members={"a/ib0": A, "b/ib0": {"guid": A, "membership": "limited"}}))
    assert caught.value.failures == {'members["b/ib0"]': f"found '{A}' again; a/ib0 has it; write another GUID"}


@pytest.mark.parametrize("key", ["guid", "membership", "index0"])
def test_an_unknown_part_makes_the_member_unknown(life: Lifecycle, key: str) -> None:
    inputs, failures = life.handler.check(declared(members={"a/ib0": {"guid": A, "membership": "full", key: UNKNOWN}}))
    assert not failures
    assert isinstance(inputs["members"]["a/ib0"], Unknown)
    life.handler.preview(inputs)


@given(
    st.fixed_dictionaries(
        {"guid": st.just(A)}, optional={"membership": st.sampled_from(("full", "limited")), "index0": st.booleans()}
    ),
    st.builds(Member, st.sampled_from(("full", "limited")), st.booleans()),
)
def test_the_text_of_a_member_means_the_same_member(written: dict[str, Any], common: Member) -> None:
    text = member.text(member.settings(written), {"membership": common.membership, "index0": common.index0})
    found = Member(written.get("membership", common.membership), written.get("index0", common.index0))
    assert member.parse(text, common) == (A, found)


# writes


def test_memberships_are_one_write(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    assert writes(ufm) == [PUT]
    assert table(ufm) == {A: Member("full", False), B: Member("limited", False)}
    assert life.up(**declared()) == "same"
    assert life.up(**declared(members={"store-1/ib0": A, "compute-1/ib0": B})) == "update"
    assert writes(ufm) == [PUT]
    assert table(ufm)[B] == Member("full", False)
    life.destroy()
    assert table(ufm) == {}


def test_an_additive_partition_takes_a_post_per_membership(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.add_guids("0x65", [X], membership="limited")
    assert writes(ufm) == [POST]
    life.up(**declared(ownership="additive"))
    assert writes(ufm) == [POST, POST]
    assert table(ufm) == {X: Member("limited", False), A: Member("full", False), B: Member("limited", False)}
    life.up(
        **declared(ownership="additive", members={**STORAGE, "compute-2/ib0": {"guid": C, "membership": "limited"}})
    )
    assert writes(ufm) == [POST]
    life.destroy()
    assert table(ufm) == {X: Member("limited", False)}


MIXED = {
    "store-1/ib0": {"guid": A, "index0": True},
    "compute-1/ib0": {"guid": B, "membership": "limited"},
    "compute-2/ib0": {"guid": C, "membership": "limited", "index0": True},
}
MIXED_TABLE = {A: Member("full", True), B: Member("limited", False), C: Member("limited", True)}


@pytest.mark.parametrize("ownership", ["authoritative", "additive"])
def test_members_with_and_without_index0_take_a_post_per_combination(
    life: Lifecycle, ufm: LabUfm, ownership: str
) -> None:
    life.up(**declared(members=MIXED, ownership=ownership))
    assert writes(ufm) == [POST, POST, POST]
    assert table(ufm) == MIXED_TABLE
    assert life.up(**declared(members=MIXED, ownership=ownership)) == "same"
    changed = {**MIXED, "compute-1/ib0": {"guid": B, "membership": "full"}}
    assert life.up(**declared(members=changed, ownership=ownership)) == "update"
    assert writes(ufm) == [POST]
    assert table(ufm) == {**MIXED_TABLE, B: Member("full", False)}


def test_foreign_members_of_a_mixed_partition_are_removed_last(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared(members=MIXED))
    ufm.client.add_guids("0x65", [X])
    assert writes(ufm)
    life.refresh()
    life.up(**declared(members={**MIXED, "store-1/ib0": {"guid": A, "membership": "limited", "index0": True}}))
    assert writes(ufm) == [POST, f"{DELETE}{X}"]
    assert table(ufm) == {**MIXED_TABLE, A: Member("limited", True)}


def test_the_settings_of_a_mixed_partition_are_written_without_a_change_of_members(
    life: Lifecycle, ufm: LabUfm
) -> None:
    life.up(**declared(members=MIXED))
    assert writes(ufm)
    life.up(**declared(members=MIXED, ip_over_ib=False))
    assert writes(ufm) == [POST]
    assert ufm.core.table.partitions[0x65].ip_over_ib is False
    life.up(**declared(members=MIXED, ip_over_ib=False, qos={"service_level": 3}))
    assert writes(ufm) == ["PUT /resources/pkeys/qos_conf"]
    assert table(ufm) == MIXED_TABLE


def test_a_failed_create_of_a_mixed_partition_leaves_nothing(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.faults.set([Rule(method="POST", status=400, after=1)])
    with pytest.raises(errors.RejectedError):
        life.up(**declared(members=MIXED))
    ufm.faults.clear()
    assert table(ufm) == {}
    assert life.up(**declared(members=MIXED)) == "create"


# read


def test_a_refresh_shows_the_member_whose_membership_changed(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    ufm.client.add_guids("0x65", [A], membership="limited")
    assert life.refresh()["members"] == {"store-1/ib0": f"{A} (limited)", "compute-1/ib0": f"{B} (limited)"}
    assert life.inputs["membership"] == "full"
    assert life.up(**declared()) == "update"
    assert life.refresh()["members"] == {"store-1/ib0": A, "compute-1/ib0": f"{B} (limited)"}


def test_an_import_of_a_mixed_partition_is_followed_by_no_write(life: Lifecycle, ufm: LabUfm) -> None:
    for name, guid in (("store-1", A), ("compute-1", B)):
        ufm.fabric.add(name, guid)
    ufm.client.set_guids("0x65", [A, B, X], membership={A: "full", B: "limited", X: "full"}, ip_over_ib=True)
    inputs = life.import_("0x65")
    assert inputs["members"] == {"store-1/1": A, "compute-1/1": f"{B} (limited)", f"unknown/{X}": X}
    assert writes(ufm) == [PUT]
    assert life.up(**inputs) == "same"


def test_800_members_with_two_memberships_take_one_write_and_one_read(life: Lifecycle, ufm: LabUfm) -> None:
    guids = [f"b8599f0300c0{n:04x}" for n in range(800)]
    members: dict[str, Any] = {f"compute-{n}/ib0": {"guid": g, "membership": "limited"} for n, g in enumerate(guids)}
    members["compute-0/ib0"] = guids[0]
    life.up(**declared(members=members))
    assert ufm.calls == [GET, PUT, GET]
    life.refresh()
    assert ufm.calls == [GET]
    life.up(**declared(members={**members, "compute-1/ib0": guids[1]}))
    assert ufm.calls == [GET, PUT, GET]
    assert table(ufm)[guids[1]] == Member("full", False)


def test_a_state_of_an_earlier_version_continues(life: Lifecycle, ufm: LabUfm) -> None:
    """Its refresh wrote `GUID (limited)` for drift, which the next `up` removes."""
    life.up(**declared(members={"store-1/ib0": A, "compute-1/ib0": B}))
    ufm.client.add_guids("0x65", [B], membership="limited")
    life.outputs["members"] = life.inputs["members"] = {"store-1/ib0": A, "compute-1/ib0": f"{B} (limited)"}
    assert life.up(**declared(members={"store-1/ib0": A, "compute-1/ib0": B})) == "update"
    assert table(ufm)[B] == Member("full", False)
