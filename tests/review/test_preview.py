"""Reading the engine's JSON."""

import json
from typing import Any

import pytest

from review.preview import SECRET, UNKNOWNS, PreviewError, parse, unknown

pytestmark = pytest.mark.fast

URN = "urn:pulumi:dev::rack::rack:tenant:Tenant$openstack:compute/instance:Instance::tenant-vm1"


def step(op: str, urn: str = URN, **more: Any) -> dict[str, Any]:
    return {"op": op, "urn": urn, **more}


def digest(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"steps": steps, "changeSummary": {"same": 7}, **more})


@pytest.mark.parametrize("text", ["", "no JSON"])
def test_a_text_without_json_is_refused_with_the_command_to_run(text: str) -> None:
    with pytest.raises(PreviewError, match=r"found no JSON in the preview: .*; run `pulumi preview --json`"):
        parse(text)


@pytest.mark.parametrize("text", ["[]", "{}", '{"type": "diagnostic"}', "3"])
def test_the_json_of_another_command_is_refused_with_the_command_to_run(text: str) -> None:
    with pytest.raises(PreviewError, match="is not that of a preview; run `pulumi preview --json`"):
        parse(text)


def test_a_change_has_type_name_component_and_changed_properties() -> None:
    states: dict[str, Any] = {
        "oldState": {"inputs": {"flavorId": "1"}, "protect": True},
        "newState": {"inputs": {"flavorId": "2"}},
        "detailedDiff": {"flavorId": {"kind": "update"}, "networks[0].port": {"kind": "update"}},
    }
    (change,) = parse(digest(step("update", **states))).changes
    assert (change.type, change.name) == ("openstack:compute/instance:Instance", "tenant-vm1")
    assert change.component == "rack:tenant:Tenant"
    assert change.paths == {"flavorId", "networks"}
    assert change.changed("flavorId")
    assert change.protected


def test_the_steps_of_a_replacement_are_one_change() -> None:
    steps = (
        step("create-replacement", newState={"inputs": {"imageId": "b"}}),
        step("replace", oldState={"inputs": {"imageId": "a"}}, replaceReasons=["imageId"]),
        step("delete-replaced", oldState={"inputs": {"imageId": "a"}}),
    )
    (change,) = parse(digest(*steps)).changes
    assert (change.kind, change.old, change.new) == ("replace", {"imageId": "a"}, {"imageId": "b"})
    assert change.reasons == ("imageId",)


def test_resources_that_stay_and_providers_are_no_changes() -> None:
    provider = "urn:pulumi:dev::rack::pulumi:providers:openstack::admin"
    found = parse(digest(step("same"), step("update", provider), step("read")))
    assert found.changes == ()
    assert found.unchanged == 7


def test_a_refresh_compares_outputs() -> None:
    states: dict[str, Any] = {
        "oldState": {"inputs": {}, "outputs": {"name": "a"}},
        "newState": {"outputs": {"name": "b"}},
    }
    found = parse(digest(step("update", diffReasons=["name"], **states), step("refresh", "urn:pulumi:a::b::c:d:E::x")))
    assert found.refreshed
    assert (found.changes[0].old, found.changes[0].new) == ({"name": "a"}, {"name": "b"})


def test_messages_appear_once_and_by_severity() -> None:
    said = [
        {"severity": "warning", "message": "warning: twice\n"},
        {"severity": "warning", "message": "warning: twice\n"},
        {"severity": "info", "message": "adopts PKey 0xb"},
        {"severity": "error", "message": "error: once"},
        {"severity": "info#err", "message": "standard error of the program"},
    ]
    found = parse(digest(diagnostics=said))
    assert found.warnings == ("warning: twice",)
    assert found.errors == ("error: once",)
    assert found.notes == ("adopts PKey 0xb",)


def test_an_update_without_differences_was_not_compared() -> None:
    (change,) = parse(digest(step("update", oldState={"inputs": {}}, newState={"inputs": {}}))).changes
    assert not change.compared


@pytest.mark.parametrize("mark", sorted(UNKNOWNS))
def test_the_marks_of_unknown_values_are_recognised_inside_texts(mark: str) -> None:
    assert unknown(mark)
    assert unknown(f"prefix {mark}")
    assert not unknown(SECRET)
    assert not unknown([mark])
