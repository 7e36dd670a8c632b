"""A PKey's life cycle at the lab's UFM over HTTPS, with a second writer."""

import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi.output import UNKNOWN, Unknown

from providers.ufm import errors
from providers.ufm.partition import Member
from providers.ufm.pkey import PKeyHandler
from tests.providers.conftest import LabUfm, Start, configuration
from tests.providers.engine import CheckFailedError, Lifecycle, wire
from tests.providers.server import PASSWORD, Answer, Request

A, B, C, X, Y = (f"b8599f0300b000{n}1" for n in range(1, 6))
MEMBERS = {"controller-1/ib0": A, "compute-1/ib0": B}
PUT, POST, GET = "PUT /resources/pkeys", "POST /resources/pkeys", "GET /resources/pkeys/0x65"


@pytest.fixture
def life(ufm: LabUfm) -> Lifecycle:
    return Lifecycle(PKeyHandler, configuration(ufm.port, ufm.ca_file))


def declared(**changes: Any) -> dict[str, Any]:
    return {"pkey": "0x65", "members": MEMBERS, "ip_over_ib": True, **changes}


def additive(**changes: Any) -> dict[str, Any]:
    return declared(ownership="additive", **changes)


def guids(ufm: LabUfm, pkey: str = "0x65") -> set[str] | None:
    found = ufm.client.get_pkey(pkey)
    return set(found.members) if found else None


def hows(ufm: LabUfm) -> dict[str, Member]:
    found = ufm.client.get_pkey("0x65")
    return dict(found.members) if found else {}


# check


def test_check_returns_inputs_in_ufm_s_form_with_defaults(life: Lifecycle) -> None:
    assert life.checked(pkey="0x8065", members={"c/ib0": "0xB859:9F03:00B0:0011"}) == {
        "pkey": "0x65",
        "members": {"c/ib0": A},
        "membership": "full",
        "index0": False,
        "ownership": "authoritative",
        "adopt": False,
    }


def test_check_reports_all_failures_together_without_a_request(life: Lifecycle, ufm: LabUfm) -> None:
    with pytest.raises(CheckFailedError) as caught:
        life.checked(
            pkey="0x7fff",
            members={"a/ib0": A, "b/ib0": A.upper(), "c/ib0": "0x12", "d/ib0": 17, f"foreign/{X}": X},
            membership="both",
            ownership="mine",
            index0="yes",
            ip_over_ib=1,
            adopt="no",
        )
    failures = caught.value.failures
    assert set(failures) == {
        "pkey",
        'members["b/ib0"]',
        'members["c/ib0"]',
        'members["d/ib0"]',
        f'members["foreign/{X}"]',
        "membership",
        "ownership",
        "index0",
        "ip_over_ib",
        "adopt",
    }
    assert failures['members["b/ib0"]'] == f"found '{A}' again; a/ib0 has it; write another GUID"
    assert "'full' or 'limited'" in failures["membership"]
    assert ufm.calls == []


@pytest.mark.parametrize("pkey", ["0x0", "0x8000", "0x7fff", "0xffff", "101", 101, None])
def test_check_refuses_an_invalid_or_reserved_pkey(life: Lifecycle, pkey: object) -> None:
    with pytest.raises(CheckFailedError) as caught:
        life.checked(**declared(pkey=pkey))
    assert set(caught.value.failures) == {"pkey"}


@pytest.mark.parametrize("members", [{}, None, "everybody", [A]])
def test_check_refuses_a_partition_without_members(life: Lifecycle, members: object) -> None:
    with pytest.raises(CheckFailedError) as caught:
        life.checked(**declared(members=members))
    assert set(caught.value.failures) == {"members"}


def test_check_returns_the_inputs_with_the_failures(life: Lifecycle) -> None:
    inputs, failures = life.handler.check(wire(declared(pkey="0x0")))
    assert failures
    assert inputs["members"] == MEMBERS


INPUTS = ("pkey", "members", "membership", "index0", "ip_over_ib", "ownership", "adopt", "qos", "partition_name")


@pytest.mark.parametrize("key", INPUTS)
def test_unknown_inputs_pass_check_and_count_as_changed(life: Lifecycle, key: str) -> None:
    life.up(**declared())
    news = {**life.inputs, key: UNKNOWN}
    inputs, failures = life.handler.check(news)
    assert not failures
    assert isinstance(inputs[key], Unknown)
    diff = life.handler.diff(life.outputs, inputs)
    assert diff.changes is (key != "adopt")
    assert diff.replaces == (["pkey"] if key == "pkey" else [])


def test_an_unknown_guid_passes_check_among_known_ones(life: Lifecycle) -> None:
    _, failures = life.handler.check(declared(members={"a/ib0": UNKNOWN, "b/ib0": A, "c/ib0": A}))
    assert [f.property for f in failures] == ['members["c/ib0"]']


# diff


def test_a_changed_adopt_is_no_change(life: Lifecycle) -> None:
    life.up(**declared())
    assert life.up(**declared(adopt=True)) == "same"


def test_diff_compares_every_property(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    for change in ({"membership": "limited"}, {"index0": True}, {"ip_over_ib": False}, {"members": {"c/ib0": C}}):
        assert life.up(**declared(**change)) == "update"
    assert life.up(**declared(ownership="additive")) == "update"
    assert life.up(**additive(ip_over_ib=False)) == "same", "additive mode does not change ip_over_ib"
    assert life.up(**additive(pkey="0x66")) == "create, delete"


# create


def test_800_members_are_created_and_updated_with_one_write(life: Lifecycle, ufm: LabUfm) -> None:
    members = {f"node-{n}/ib0": f"b8599f0300b0{n:04x}" for n in range(1, 801)}
    assert life.up(**declared(members=members)) == "create"
    assert ufm.calls == [GET, PUT, GET]
    assert life.outputs["member_count"] == 800
    assert life.outputs["foreign"] == []
    changed = {**members, "node-801/ib0": "b8599f0300b01001"}
    del changed["node-7/ib0"]
    assert life.up(**declared(members=changed)) == "update"
    assert ufm.calls == [GET, PUT, GET]
    assert guids(ufm) == set(changed.values())
    assert ufm.calls
    life.refresh()
    assert ufm.calls == [GET]
    assert life.up(**declared(members=changed)) == "same"


def test_an_identical_partition_is_adopted_without_a_write(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.set_guids("0x65", MEMBERS.values(), ip_over_ib=True)
    assert ufm.calls
    assert life.up(**declared()) == "create"
    assert ufm.calls == [GET]


def test_a_different_partition_is_refused_without_adopt(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.set_guids("0x65", [B, X], membership="limited", ip_over_ib=False)
    assert ufm.calls
    with pytest.raises(errors.TakeoverError) as caught:
        life.up(**declared())
    text = str(caught.value)
    for part in (
        "PKey 0x65",
        "it exists and differs",
        "controller-1/ib0: missing",
        "compute-1/ib0: limited",
        f"{X}: not declared",
        "ip_over_ib",
    ):
        assert part in text
    assert "adopt=True" in text
    assert ufm.calls == [GET]


def test_adopt_replaces_foreign_members_with_a_warning(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.set_guids("0x65", [B, X])
    life.up(**declared(adopt=True))
    assert guids(ufm) == {A, B}
    assert life.messages == [f"PKey 0x65: removing members that are not declared: {X}"]


def test_a_long_list_of_differences_is_cut(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.set_guids("0x65", [f"b8599f0300c0{n:04x}" for n in range(500)])
    with pytest.raises(errors.TakeoverError, match="and 492 more") as caught:
        life.up(**declared())
    assert len(str(caught.value)) < 1000


def test_additive_create_keeps_foreign_members_and_settings(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.set_guids("0x65", [X], membership="limited", ip_over_ib=False)
    assert ufm.calls
    life.up(**additive())
    assert ufm.calls == [GET, POST, GET]
    found = ufm.client.get_pkey("0x65")
    assert found
    assert found.ip_over_ib is False, "the setting is unchanged"
    assert found.members == {A: Member("full", False), B: Member("full", False), X: Member("limited", False)}
    assert life.outputs["foreign"] == [X]
    assert life.outputs["member_count"] == 2


def test_membership_and_index0_apply_to_every_member(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared(membership="limited", index0=True, ip_over_ib=False))
    found = ufm.client.get_pkey("0x65")
    assert found
    assert found.ip_over_ib is False
    assert set(found.members.values()) == {Member("limited", True)}


# preview


def test_a_preview_of_an_absent_partition_reports_nothing(life: Lifecycle, ufm: LabUfm) -> None:
    assert life.preview(**declared()) == []
    assert ufm.calls == [GET]


def test_a_preview_reports_what_the_create_will_do(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.set_guids("0x65", MEMBERS.values(), ip_over_ib=True)
    assert life.preview(**declared()) == ["PKey 0x65 exists as declared: it will be adopted without a write"]
    ufm.client.set_guids("0x65", [B, X], ip_over_ib=True)
    differences = f"controller-1/ib0: missing, {X}: not declared"
    with pytest.raises(errors.TakeoverError, match=f"PKey 0x65: it exists and differs: {differences}; set adopt=True"):
        life.preview(**declared())
    assert life.preview(**declared(adopt=True)) == [f"PKey 0x65 exists and will be changed: {differences}"]
    assert life.preview(**additive()) == ["PKey 0x65 exists and will be changed: controller-1/ib0: missing"]
    assert {call.split()[0] for call in ufm.calls} == {"PUT", "GET"}


@pytest.mark.parametrize("key", ["pkey", "members"])
def test_a_preview_with_unknown_inputs_sends_no_request(life: Lifecycle, ufm: LabUfm, key: str) -> None:
    inputs, _ = life.handler.check({**declared(), key: UNKNOWN})
    life.handler.preview(inputs)
    inputs, _ = life.handler.check(declared(members={"a/ib0": A, "b/ib0": UNKNOWN}))
    life.handler.preview(inputs)
    assert ufm.calls == []


@pytest.mark.parametrize("status", [401, 503])
def test_a_preview_without_an_answer_reports_it_once(start: Start, status: int) -> None:
    _, server = start(lambda _request: Answer(status))
    life = Lifecycle(PKeyHandler, configuration(server.port, server.ca_file))
    (message,) = life.preview(**declared())
    assert message.startswith(f"PKey 0x65: not compared with UFM: UFM 127.0.0.1:{server.port} PKey 0x65 (GET ")
    assert server.verbs == ["GET"], "no retry"


def test_a_preview_of_an_unreachable_ufm_reports_it(ufm: LabUfm) -> None:
    life = Lifecycle(PKeyHandler, configuration(1, ufm.ca_file))
    (message,) = life.preview(**declared())
    assert "no connection" in message


def test_a_preview_raises_any_other_refusal(start: Start) -> None:
    _, server = start(lambda _request: Answer(403))
    life = Lifecycle(PKeyHandler, configuration(server.port, server.ca_file))
    with pytest.raises(errors.ForbiddenError):
        life.preview(**declared())


# import


def test_an_import_declares_all_members_by_ufm_s_names(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.fabric.add("compute-1", B)
    ufm.client.set_guids("0x65", [B, X], ip_over_ib=True)
    assert life.import_("0x8065") == {
        "pkey": "0x65",
        "members": {"compute-1/1": B, f"unknown/{X}": X},
        "membership": "full",
        "index0": False,
        "ownership": "authoritative",
        "adopt": False,
    }
    assert life.id == "0x65"
    assert life.outputs["member_count"] == 2
    assert life.outputs["foreign"] == []
    assert life.outputs["partition"] == "api_pkey_0x65"


def test_an_import_of_an_absent_partition_returns_nothing(life: Lifecycle) -> None:
    assert life.import_("0x66") == {}


# read


def test_a_refresh_of_an_unchanged_partition_shows_no_drift(life: Lifecycle, ufm: LabUfm) -> None:
    for inputs in (declared(), additive(), declared(membership="limited", index0=True, ip_over_ib=False)):
        life.up(**inputs)
        before = dict(life.outputs)
        life.refresh()
        assert life.outputs == before
        assert life.up(**inputs) == "same"


def test_drift_is_shown_and_repaired(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    ufm.client.remove_guids("0x65", [A])
    ufm.client.add_guids("0x65", [X], ip_over_ib=True)
    ufm.client.add_guids("0x65", [B], membership="limited", ip_over_ib=False)
    ufm.client.add_guids("0x65", [A, C], ip_over_ib=False)
    ufm.client.remove_guids("0x65", [A])
    inputs = life.refresh()
    assert inputs["members"] == {"compute-1/ib0": B, f"foreign/{X}": X, f"foreign/{C}": C}
    assert inputs["membership"] == "limited", "all declared members are limited"
    assert inputs["ip_over_ib"] is False
    assert life.outputs["foreign"] == sorted([X, C])
    assert life.up(**declared()) == "update"
    assert hows(ufm) == {A: Member("full", False), B: Member("full", False)}
    assert life.refresh()
    assert life.up(**declared()) == "same"


def test_a_refresh_marks_a_single_limited_member(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    ufm.client.add_guids("0x65", [B], membership="limited", index0=True)
    inputs = life.refresh()
    assert inputs["members"] == {"controller-1/ib0": A, "compute-1/ib0": f"{B} (limited, index0)"}
    assert life.refresh() == inputs, "a second refresh changes nothing"
    assert life.up(**declared()) == "update"
    assert set(hows(ufm).values()) == {Member("full", False)}


def test_a_deleted_partition_is_created_again(life: Lifecycle, ufm: LabUfm) -> None:
    for inputs in (declared(), additive()):
        life.up(**inputs)
        ufm.client.delete_pkey("0x65")
        assert life.refresh() == {}
        assert life.id == ""
        assert life.up(**inputs) == "create"
        assert guids(ufm) == {A, B}


def test_delete_accepts_404_for_an_unknown_partition(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.core.set_quirks({"unknown_pkey_404": True})
    life.up(**declared())
    life.destroy()
    assert guids(ufm) is None


def test_foreign_members_are_no_drift_in_additive_mode(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**additive())
    ufm.client.add_guids("0x65", [X, Y], membership="limited")
    assert life.refresh()["members"] == MEMBERS
    assert life.outputs["foreign"] == [X, Y]
    assert life.up(**additive()) == "same"
    assert guids(ufm) == {A, B, X, Y}


def test_removed_additive_members_are_added_again(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**additive())
    ufm.client.add_guids("0x65", [X])
    ufm.client.remove_guids("0x65", [A, B])
    assert life.refresh()["members"] == {}
    assert life.up(**additive()) == "update"
    assert guids(ufm) == {A, B, X}


# update


def test_a_changed_membership_is_applied_to_unchanged_guids(life: Lifecycle, ufm: LabUfm) -> None:
    for mode, write in ((declared, PUT), (additive, POST)):
        life.up(**mode())
        assert ufm.calls
        assert life.up(**mode(membership="limited")) == "update"
        assert ufm.calls == [GET, write, GET]
        assert set(hows(ufm).values()) == {Member("limited", False)}
        life.destroy()


def test_an_undeclared_ip_over_ib_is_not_changed(life: Lifecycle, ufm: LabUfm) -> None:
    inputs = declared()
    del inputs["ip_over_ib"]
    life.up(**inputs)
    ufm.client.set_guids("0x65", MEMBERS.values(), ip_over_ib=False)
    assert "ip_over_ib" not in life.refresh()
    assert life.up(**inputs) == "same"
    life.up(**{**inputs, "members": {"c/ib0": C}})
    found = ufm.client.get_pkey("0x65")
    assert found
    assert found.ip_over_ib is False


def test_an_additive_update_changes_only_declared_members(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**additive())
    ufm.client.add_guids("0x65", [X], membership="limited")
    assert ufm.calls
    life.up(**additive(members={"compute-1/ib0": B, "compute-2/ib0": C}))
    assert ufm.calls == [GET, POST, GET, f"DELETE /resources/pkeys/0x65/guids/{A}", GET]
    assert hows(ufm) == {B: Member("full", False), C: Member("full", False), X: Member("limited", False)}


def test_an_additive_update_of_all_members_keeps_the_partition(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**additive())
    ufm.client.set_guids("0x65", MEMBERS.values(), ip_over_ib=False)
    life.up(**additive(members={"c/ib0": C}))
    found = ufm.client.get_pkey("0x65")
    assert found
    assert set(found.members) == {C}, "the same partition"
    assert found.ip_over_ib is False, "the same partition"


def test_authoritative_ownership_of_foreign_members_needs_adopt(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**additive())
    ufm.client.add_guids("0x65", [X])
    with pytest.raises(errors.TakeoverError, match=X):
        life.up(**declared())
    assert guids(ufm) == {A, B, X}
    assert life.up(**declared(adopt=True)) == "update"
    assert guids(ufm) == {A, B}
    assert life.up(**additive()) == "update"


def test_removing_an_undeclared_member_is_reported(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    ufm.client.add_guids("0x65", [X])
    life.up(**declared(members={**MEMBERS, "c/ib0": C}))
    assert guids(ufm) == {A, B, C}
    assert life.messages == [f"PKey 0x65: removing members that are not declared: {X}"]


# replace


def test_a_changed_pkey_replaces_the_partition(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    assert life.up(**declared(pkey="0x66")) == "create, delete"
    assert (guids(ufm), guids(ufm, "0x66")) == (None, {A, B})
    assert life.id == "0x66"


def test_a_replacement_with_index0_deletes_first(life: Lifecycle, ufm: LabUfm) -> None:
    """UFM refuses index 0 for one GUID in two partitions."""
    life.up(**declared(index0=True))
    assert life.up(**declared(pkey="0x66", index0=True)) == "delete, create"
    assert (guids(ufm), guids(ufm, "0x66")) == (None, {A, B})


# delete


def test_delete_removes_the_partition(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    assert ufm.calls
    life.destroy()
    assert ufm.calls == [GET, "DELETE /resources/pkeys/0x65", GET]
    assert guids(ufm) is None


def test_delete_keeps_foreign_members(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared())
    ufm.client.add_guids("0x65", [X])
    life.refresh()  # the state now holds foreign/X among the members
    life.destroy()
    assert guids(ufm) == {X}
    assert life.messages == [f"PKey 0x65: kept, because it has members that are not declared: {X}"]


def test_additive_delete_removes_declared_members_that_a_refresh_marked(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**additive())
    ufm.client.add_guids("0x65", [X])
    ufm.client.add_guids("0x65", [B], membership="limited")
    life.refresh()
    life.destroy()
    assert guids(ufm) == {X}


def test_additive_delete_of_the_last_member_deletes_the_partition(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**additive())
    life.destroy()
    assert guids(ufm) is None


def test_delete_succeeds_for_a_partition_that_is_already_gone(life: Lifecycle, ufm: LabUfm) -> None:
    for mode in (declared, additive):
        life.up(**mode())
        ufm.client.delete_pkey("0x65")
        life.destroy()
        life.up(**additive())
        ufm.client.set_guids("0x65", [X])
        assert ufm.calls
        life.destroy()
        assert ufm.calls == [GET], "no declared member is left, so nothing is written"
        ufm.client.delete_pkey("0x65")


# Writes that UFM does not apply


class Forgetful:
    """A UFM that accepts every write and drops some members."""

    def __init__(self, *forgotten: str) -> None:
        self.forgotten = set(forgotten)
        self.members: dict[str, str] = {}
        self.verbs: list[str] = []

    def __call__(self, request: Request) -> Answer:
        self.verbs.append(request.verb)
        if request.verb in ("PUT", "POST"):
            kept = [g for g in request.json["guids"] if g not in self.forgotten]
            before = self.members if request.verb == "POST" else {}
            self.members = {**before, **dict.fromkeys(kept, request.json["membership"])}
        elif request.verb == "DELETE":
            self.members = {}
        listed = [{"guid": g, "membership": m, "index0": False} for g, m in self.members.items()]
        return Answer(body={"guids": listed, "ip_over_ib": True, "partition": "p"} if listed else {})


@pytest.mark.parametrize("mode", [declared, additive])
def test_a_create_with_dropped_members_is_an_error_and_is_rolled_back(start: Start, mode: Any) -> None:
    ufm = Forgetful(B)
    _, server = start(ufm)
    life = Lifecycle(PKeyHandler, configuration(server.port, server.ca_file))
    text = "UFM accepted the write but did not apply .*compute-1/ib0: missing"
    with pytest.raises(errors.NotTakenError, match=text) as caught:
        life.up(**mode())
    assert "controller-1" not in str(caught.value)
    assert caught.value.pkey == "0x65"
    assert caught.value.host == f"127.0.0.1:{server.port}"
    assert ufm.members == {}, "the incomplete partition was deleted"
    ufm.forgotten = set()
    life.up(**mode())
    ufm.forgotten = {C}
    with pytest.raises(errors.NotTakenError, match="c/ib0: missing"):
        life.up(**mode(members={**MEMBERS, "c/ib0": C}))
    assert ufm.members, "a failed update deletes nothing"


def test_a_delete_that_ufm_does_not_apply_is_an_error(start: Start) -> None:
    ufm = Forgetful()
    _, server = start(lambda r: Answer() if r.verb == "DELETE" else ufm(r))
    life = Lifecycle(PKeyHandler, configuration(server.port, server.ca_file))
    for mode in (declared, additive):
        life.up(**mode(adopt=True))
        with pytest.raises(errors.NotTakenError, match="still has"):
            life.destroy()


def test_ports_that_ufm_refuses_are_an_error(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.set_guids("0x66", [A], index0=True)
    with pytest.raises(errors.RejectedError, match=r"PKey 0x65 .*status 400"):
        life.up(**declared(index0=True))
    assert guids(ufm) is None


# Properties


PORTS = st.sets(st.sampled_from([A, B, C, X, Y]))
HOW = st.sampled_from(["full", "limited"])


def named(ports: set[str]) -> dict[str, str]:
    return {f"host-{g[-2]}/ib0": g for g in ports}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PORTS.filter(bool), PORTS, PORTS.filter(bool), HOW, HOW)
def test_up_reaches_the_declared_state_and_destroy_keeps_foreign_members(
    life: Lifecycle, ufm: LabUfm, first: set[str], strangers: set[str], second: set[str], membership: str, other: str
) -> None:
    for mode in (declared, additive):
        life.up(**mode(members=named(first), membership=membership))
        if strangers:  # some may be declared as well, with another membership
            ufm.client.add_guids("0x65", strangers, membership="limited", ip_over_ib=True)
        life.refresh()
        life.up(**mode(members=named(second), membership=other))
        others = strangers - first - second if mode is additive else set()
        found = hows(ufm)
        assert set(found) == second | others
        assert {found[g].membership for g in second} == {other}
        life.refresh()
        assert life.up(**mode(members=named(second), membership=other)) == "same"
        life.destroy()
        assert (guids(ufm) or set()) == others
        ufm.client.delete_pkey("0x65")


def test_the_password_is_in_no_output_and_no_log(
    life: Lifecycle, ufm: LabUfm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    life.up(**declared())
    life.refresh()
    assert PASSWORD not in f"{life.outputs}{life.inputs}{caplog.text}{vars(life.handler)}{life.handler.client!r}"
