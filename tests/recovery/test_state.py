"""The edited state."""

import hashlib

import pytest

from recovery.state import Resource, State
from review.preview import UNKNOWNS
from tests.recovery.build import FLOATING, NETWORK, ROUTER, SERVER, creating, resource, state, urn


def imported(before: State, type_: str, **inputs: object) -> dict[str, object]:
    (operation,) = state(operations=[creating(type_, "it", **inputs)]).operations
    after = before.with_imported([(operation.resource, "id1")])
    assert not after.operations
    assert len(after.resources) == len(before.resources) + 1
    return dict(after.resources[-1].raw)


def test_a_created_resource_has_its_id_and_the_outputs_that_its_inputs_tell() -> None:
    inputs = {"name": "r", "valueSpecs": {"ha": "false", "__defaults": []}, "__defaults": ["x"]}
    raw = imported(state(operations=[creating(ROUTER, "it")]), ROUTER, **inputs)
    assert raw["id"] == "id1"
    assert raw["inputs"] == inputs
    assert raw["outputs"] == {"name": "r", "valueSpecs": {"ha": "false"}, "id": "id1"}


def test_user_data_is_recorded_as_the_provider_does() -> None:
    raw = imported(state(), SERVER, name="vm", userData="#!/bin/sh\n")
    outputs = raw["outputs"]
    assert isinstance(outputs, dict)
    assert outputs["userData"] == hashlib.sha1(b"#!/bin/sh\n").hexdigest()
    assert raw["inputs"] == {"name": "vm", "userData": "#!/bin/sh\n"}


def test_a_dependency_that_is_gone_is_left_out() -> None:
    there = resource(NETWORK, "net", "n")
    links = [there["urn"], urn(NETWORK, "gone")]
    pending = Resource(
        resource(ROUTER, "it", dependencies=links, propertyDependencies={"network": links, "name": None})
    )
    after = state(there).with_imported([(pending, "id1")])
    assert after.resources[-1].raw["dependencies"] == [there["urn"]]
    assert after.resources[-1].raw["propertyDependencies"] == {"network": [there["urn"]], "name": []}


def test_a_resource_comes_after_those_that_it_depends_on() -> None:
    """The engine refuses another order: "importing this file could be dangerous"."""
    network, router, floating = (urn(kind, "it") for kind in (NETWORK, ROUTER, FLOATING))
    pending = [
        resource(FLOATING, "it", dependencies=[router, network], propertyDependencies={"pool": [network]}),
        resource(ROUTER, "it", dependencies=[network]),
        resource(NETWORK, "it"),
    ]
    after = state().with_imported([(Resource(raw), f"id{number}") for number, raw in enumerate(pending)])
    assert [found.urn for found in after.resources[1:]] == [network, router, floating]


@pytest.mark.parametrize("mark", sorted(UNKNOWNS))
def test_a_planned_resource_with_an_unknown_value_of_any_type_is_not_complete(mark: str) -> None:
    assert Resource(resource(NETWORK, "net", inputs={"mtu": 4092})).complete
    assert not Resource(resource(NETWORK, "net", inputs={"mtu": mark})).complete
    assert not Resource(resource(NETWORK, "net", inputs={"name": "[secret]"})).complete


def test_the_state_before_is_not_changed() -> None:
    before = state(operations=[creating(ROUTER, "it")])
    before.with_imported([(before.operations[0].resource, "id1")])
    assert len(before.operations) == 1
    assert "id" not in before.operations[0].resource.raw
