"""The package's schema says of each resource what its class says."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from providers.ufm.plugin import HANDLERS, VERSION, Plugin
from providers.ufm.provider import Settings
from providers.ufm.schema import RESOURCES, _type, schema
from tests.providers.server import PASSWORD

SCHEMA = schema(VERSION)


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the schema."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def test_the_plugin_answers_with_the_schema_as_json() -> None:
    answer = Plugin(None).GetSchema(provider_pb2.GetSchemaRequest(), None)
    assert json.loads(answer.schema) == SCHEMA
    assert SCHEMA["version"] == VERSION


def test_the_schema_has_every_resource_of_the_plugin() -> None:
    assert set(SCHEMA["resources"]) == set(HANDLERS) == set(RESOURCES)
    assert set(SCHEMA["functions"]) == {"ufm:index:findMembers"}


@pytest.mark.parametrize("token", RESOURCES)
def test_a_resource_has_the_inputs_and_outputs_of_its_class(token: str) -> None:
    resource, spec = RESOURCES[token], SCHEMA["resources"][token]
    parameters = {k: p for k, p in inspect.signature(resource).parameters.items() if k not in ("name", "opts")}
    assert set(spec["inputProperties"]) == set(parameters)
    assert set(spec["requiredInputs"]) == {k for k, p in parameters.items() if p.default is inspect.Parameter.empty}
    assert set(spec["required"]) == set(inspect.get_annotations(resource))
    assert set(spec["properties"]) == {*parameters, *inspect.get_annotations(resource)}
    assert spec["description"] == resource.__doc__


def test_inputs_have_types_descriptions_and_defaults() -> None:
    inputs = SCHEMA["resources"]["ufm:index:PKey"]["inputProperties"]
    member = {"oneOf": [{"type": "string"}, {"$ref": "#/types/ufm:index:PKeyMember"}]}
    assert inputs["members"]["type"] == "object"
    assert inputs["members"]["additionalProperties"] == member
    assert inputs["pkey"] == {
        "type": "string",
        "description": "0x1 to 0x7ffe, as a string; a change replaces the partition.",
    }
    assert (inputs["index0"]["type"], inputs["index0"]["default"]) == ("boolean", False)
    assert "default" not in inputs["qos"]
    generation = SCHEMA["resources"]["ufm:index:AccessToken"]["inputProperties"]["generation"]
    assert generation["type"] == "integer"


def test_a_description_of_several_lines_is_one_text() -> None:
    described = SCHEMA["resources"]["ufm:index:PKey"]["inputProperties"]["ip_over_ib"]["description"]
    assert described.endswith("With additive ownership it counts only if this resource creates the partition.")
    assert all(" \n" not in part["description"] for part in parts(SCHEMA) if isinstance(part.get("description"), str))


def test_provider_inputs_have_the_names_of_the_wire_and_one_login_is_chosen_by_the_user() -> None:
    provider = SCHEMA["provider"]
    assert {"caFile", "certFile", "previousPassword"} <= set(provider["inputProperties"])
    assert provider["requiredInputs"] == ["address"]
    assert SCHEMA["config"]["variables"] == provider["inputProperties"]


def test_secrets_are_marked() -> None:
    marked = {key for key, spec in SCHEMA["provider"]["inputProperties"].items() if spec.get("secret")}
    assert marked == {"password", "previousPassword", "token"}
    assert SCHEMA["resources"]["ufm:index:AccessToken"]["properties"]["token"]["secret"] is True
    assert not any(part.get("secret") for part in parts(SCHEMA["resources"]["ufm:index:PKey"]))


def test_every_reference_exists_and_every_type_is_used() -> None:
    used = {part["$ref"] for part in parts(SCHEMA) if "$ref" in part}
    assert used == {f"#/types/{token}" for token in SCHEMA["types"]}
    assert SCHEMA["types"]["ufm:index:PKeyMember"]["required"] == ["guid"]
    assert SCHEMA["types"]["ufm:index:Qos"]["required"] == []


def test_a_type_that_the_schema_cannot_express_is_an_error() -> None:
    with pytest.raises(TypeError, match="<class 'bytes'> has no schema"):
        _type(bytes, {})


def test_provider_inputs_may_be_json_texts_as_generated_sdks_send_them() -> None:
    given = {"address": "ufm", "password": PASSWORD, "port": "8443", "session": "true"}
    settings = Settings.of(given)
    assert (settings.port, settings.login.session) == (8443, True)
