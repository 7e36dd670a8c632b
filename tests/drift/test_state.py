"""What is read from a state: steps, and secrets that are not shown."""

import json
from typing import Any

import pytest

from drift.state import COMMAND, MARK, SECRET, State, StateError, exported, parse
from tests.components.conftest import SDN_TOKEN, SECRETS


def sealed(value: Any) -> dict[str, str]:
    return {SECRET: MARK, "plaintext": json.dumps(value)}


def one(**inputs: Any) -> State:
    urn = f"urn:pulumi:dev::rack::{COMMAND}::step"
    return parse({"deployment": {"resources": [{"urn": urn, "type": COMMAND, "inputs": inputs}]}})


@pytest.mark.parametrize(
    "create",
    ["install x", ": repair 3\ninstall x", "sudo -n sh -c 'install x'", "sudo -n sh -c ': repair 3\ninstall x'"],
)
def test_a_script_is_read_without_what_makes_it_run_again_or_as_root(create: str) -> None:
    assert one(create=create).steps["step"].script == "install x"


def test_a_job_s_command_is_read() -> None:
    job = one(create="/opt/rack-job run deploy env repair=1 sudo -Hu stack sh -c 'a b'").steps["step"].job
    assert job == ["env", "repair=1", "sudo", "-Hu", "stack", "sh", "-c", "a b"]


def test_every_credential_of_the_rack_is_known_as_a_secret(state: State) -> None:
    for secret in (SDN_TOKEN, "s3cr3t-admin", SECRETS["ipmi"], SECRETS["ufm"], SECRETS["license"]):
        assert secret in state.secrets


def test_ordinary_words_are_no_secrets(state: State) -> None:
    """A connection is a secret as a whole, because it has a key."""
    assert not {"root", "127.0.24.1", "Default", "parameter_defaults:"} & state.secrets


def test_a_stack_without_steps_is_refused() -> None:
    with pytest.raises(StateError, match="the stack has deployed nothing; run `pulumi up` first"):
        parse({"version": 3, "deployment": {}})


def test_a_missing_pulumi_is_named() -> None:
    with pytest.raises(StateError, match="found no `pulumi` on PATH"):
        exported(["/nowhere/pulumi"])


def test_a_failed_export_has_pulumi_s_reason() -> None:
    with pytest.raises(StateError, match="`pulumi stack export` fails: no stack named 'x' found"):
        exported(["sh", "-c", "echo \"error\nno stack named 'x' found\" >&2; exit 1"])


def test_unfinished_operations_are_noticed() -> None:
    urn = f"urn:pulumi:dev::rack::{COMMAND}::step"
    resources = [{"urn": urn, "type": COMMAND, "inputs": {"create": "x"}}]
    assert parse({"deployment": {"resources": resources, "pending_operations": [{}]}}).running
