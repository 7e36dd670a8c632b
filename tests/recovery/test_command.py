"""The command: what it shows, when it writes, what it leaves."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cloud.client import CloudApi, CloudError
from cloud.kinds import CloudObject
from rack.__main__ import main
from recovery import command
from recovery.pulumi import PulumiError
from recovery.state import Resource, State
from tests.recovery.build import NETWORK, PORT, UNKNOWN, creating, found, mark, resource, state

TENANT = resource("rack:tenant:Tenant", "tenant")
PROVIDER = {"urn": "p", "type": "pulumi:providers:openstack", "inputs": {}}
PROJECT = Path(__file__).resolve().parents[2]


class Fake:
    """Pulumi with one state; remembers what it was asked to do."""

    def __init__(self, given: State) -> None:
        self.state = given
        self.calls: list[str] = []
        self.dead: list[int] = []
        self.fails = ""

    def __call__(self, _: str) -> "Fake":
        return self

    def export(self, *, show_secrets: bool = False) -> State:
        if self.fails:
            raise PulumiError(self.fails)
        return self.state

    def planned(self) -> Sequence[Resource]:
        self.calls.append("preview")
        known = {r.name for r in self.state.resources}
        port = {"name": "port", "networkId": "n1" if "net" in known else UNKNOWN}
        plan = (resource(NETWORK, "net", inputs={"name": "net"}), resource(PORT, "port", inputs=port))
        return [Resource({**each, "parent": TENANT["urn"]}) for each in plan]

    def dead_holders(self) -> list[int]:
        return self.dead

    def claim(self, _: State) -> None:
        self.calls.append("claim")
        self.dead = []

    def store(self, state: State) -> None:
        self.calls.append("store")
        self.state = state

    def refresh(self, urns: Sequence[str]) -> None:
        self.calls.append("refresh " + " ".join(urn.rpartition("::")[2] for urn in urns))


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> list[CloudObject]:
    """Return the objects of the cloud; those that are deleted leave it."""
    present: list[CloudObject] = []
    monkeypatch.setattr(command, "_objects", lambda _: list(present))

    def delete(gone: Sequence[CloudObject], _: State) -> None:
        present[:] = [each for each in present if each.id not in {other.id for other in gone}]

    monkeypatch.setattr(command, "_delete", delete)
    return present


def pulumi(monkeypatch: pytest.MonkeyPatch, given: State) -> Fake:
    fake = Fake(given)
    monkeypatch.setattr(command, "Pulumi", fake)
    return fake


def pending() -> State:
    return state(PROVIDER, operations=[creating(NETWORK, "net"), creating(PORT, "port")])


def test_the_state_is_written_once_after_all_deletions(
    monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject], capsys: pytest.CaptureFixture[str]
) -> None:
    fake = pulumi(monkeypatch, pending())
    objects += [found(NETWORK, "n1", "net", created_at="1"), found(NETWORK, "n2", "net", created_at="2")]
    assert command.run("dev", yes=True, discard=False) == 0
    assert fake.calls == ["claim", "store", "refresh net"]
    assert [each.id for each in objects] == ["n2"]
    assert [(r.name, r.id) for r in fake.state.resources][2:] == [("net", "n2")]
    assert capsys.readouterr().out.splitlines() == [
        "delete   network (n1) of net: a duplicate",
        "import   network (n2) as net: the answer to its creation was lost",
        "clear    port, interrupted while creating: it did not happen",
        "done; run `pulumi up`",
    ]
    assert command.run("dev", yes=True, discard=False) == 0
    assert "nothing to recover" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "n", "no"])
def test_it_writes_only_after_a_yes(monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject], answer: str) -> None:
    fake = pulumi(monkeypatch, pending())
    assert command.run("dev", yes=False, discard=False, ask=lambda _: answer) == 1
    assert fake.calls == []
    assert command.run("dev", yes=False, discard=False, ask=lambda _: "y") == 0
    assert "store" in fake.calls


def test_without_a_terminal_it_says_how_to_confirm(
    monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject], capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(_: str) -> str:
        raise EOFError

    pulumi(monkeypatch, pending())
    assert command.run("dev", yes=False, discard=False, ask=ask) == 1
    assert "not confirmed; run the command in a terminal, or with --yes" in capsys.readouterr().err


def test_a_change_between_the_question_and_the_answer_stops_it(
    monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject], capsys: pytest.CaptureFixture[str]
) -> None:
    fake = pulumi(monkeypatch, pending())

    def ask(_: str) -> str:
        objects.append(found(NETWORK, "n1", "net"))
        return "yes"

    assert command.run("dev", yes=False, discard=False, ask=ask) == 1
    assert fake.calls == ["claim"]
    assert "state or cloud have changed meanwhile; run the command again" in capsys.readouterr().err


def test_what_is_left_to_the_operator_gives_status_1(
    monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject], capsys: pytest.CaptureFixture[str]
) -> None:
    fake = pulumi(monkeypatch, state(PROVIDER))
    objects.append(found(NETWORK, "n1", "gone"))
    assert command.run("dev", yes=True, discard=False) == 1
    assert fake.calls == ["preview"]
    assert command.run("dev", yes=True, discard=True) == 0
    assert objects == []


def test_objects_that_an_older_state_lacks_are_imported_one_level_after_another(
    monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject]
) -> None:
    fake = pulumi(monkeypatch, state(PROVIDER, TENANT))
    objects += [found(NETWORK, "n1", "net"), found(PORT, "p1", "port")]
    assert command.run("dev", yes=True, discard=False) == 0
    assert [(r.name, r.id) for r in fake.state.resources][3:] == [("net", "n1"), ("port", "p1")]
    assert [call for call in fake.calls if call.startswith("refresh")] == ["refresh net", "refresh port"]


def test_the_lock_of_a_dead_process_is_removed_even_if_nothing_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject], capsys: pytest.CaptureFixture[str]
) -> None:
    fake = pulumi(monkeypatch, state(PROVIDER))
    fake.dead = [123]
    assert command.run("dev", yes=True, discard=False) == 0
    assert fake.calls == ["claim"]
    assert capsys.readouterr().out.startswith("unlock   the stack: process 123 of this machine")


def test_a_failure_is_one_line_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = pulumi(monkeypatch, pending())
    fake.fails = "pulumi stack export: error: no stack named 'dev' found"
    assert main(["recover", "--stack", "dev", "--yes"]) == 2
    assert capsys.readouterr().err == "rack recover: pulumi stack export: error: no stack named 'dev' found\n"
    fake.fails = ""

    def unreachable(_: State) -> list[CloudObject]:
        raise CloudError("GET cloud/networks: no answer")

    monkeypatch.setattr(command, "_objects", unreachable)
    assert main(["recover", "--stack", "dev", "--yes"]) == 2
    assert capsys.readouterr().err == "rack recover: GET cloud/networks: no answer\n"


def test_operations_on_hosts_are_cleared_without_a_cloud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An `up` was killed while it deployed the cloud."""

    def unreachable(_: State) -> list[CloudObject]:
        raise CloudError("POST cloud/v3/auth/tokens: no answer")

    monkeypatch.setattr(command, "_objects", unreachable)
    fake = pulumi(monkeypatch, state(operations=[creating("command:remote:Command", "overcloud-deploy")]))
    assert command.run("dev", yes=True, discard=False) == 0
    assert fake.calls == ["claim", "store"]
    assert "unrecorded objects were not looked for: POST cloud/v3/auth/tokens: no answer" in capsys.readouterr().err


def test_an_object_that_stays_unfinished_is_reported_and_decided_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An image whose upload was killed stays queued forever."""
    queued = {"id": "i", "status": "saving", "rack_owner": mark("image")}

    def listed(_: CloudApi, service: str, path: str) -> Iterator[dict[str, Any]]:
        return iter([queued] if (service, path) == ("image", "/images") else [])

    monkeypatch.setattr(CloudApi, "objects", listed)
    monkeypatch.setattr(command, "BUSY_SECONDS", 0.0)
    inputs = {"authUrl": "http://127.0.0.1:1"}
    pulumi(monkeypatch, state(resource("pulumi:providers:openstack", "admin", inputs=inputs)))
    assert command.run("dev", yes=True, discard=False) == 1
    shown = capsys.readouterr()
    assert "objects are still being created after 0 s" in shown.err
    assert "image (i) of image" in shown.out


def test_a_hint_names_the_command_and_asks_no_api(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = pulumi(monkeypatch, pending())
    assert main(["recover", "--stack", "dev", "--hint"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "dev: an `up` was interrupted while it worked on net, port;",
        "before you run it again: python -m rack recover --stack dev",
    ]
    fake.state = state(operations=[creating("command:remote:Command", "overcloud-deploy")])
    assert main(["recover", "--stack", "dev", "--hint"]) == 0
    fake.fails = "no state"
    assert main(["recover", "--stack", "dev", "--hint"]) == 0
    assert capsys.readouterr().err == ""


def test_make_up_ends_with_the_hint_and_still_fails() -> None:
    done = subprocess.run(["make", "-n", "up"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "|| { .venv/bin/python -m rack recover --stack dev --hint; false; }" in done.stdout


def test_a_recorded_resource_is_read_again(monkeypatch: pytest.MonkeyPatch, objects: list[CloudObject]) -> None:
    recorded = resource(PORT, "port", "p1")
    fake = pulumi(monkeypatch, state(PROVIDER, recorded, operations=[{"type": "deleting", "resource": recorded}]))
    assert command.run("dev", yes=True, discard=False) == 0
    assert fake.calls == ["claim", "store", "refresh port"]
