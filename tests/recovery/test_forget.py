"""`rack forget`: what is dropped, when it is refused, what happens at UFM."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cloud.client import CloudApi, CloudError, NoAnswerError, OutageError
from providers.ufm.errors import UnreachableError
from providers.ufm.owner import PKeyMark
from rack.__main__ import main
from recovery import forget, tokens
from recovery.pulumi import PulumiError
from recovery.state import State
from tests.recovery.build import FLAVOR, NETWORK, OWNER, STACK_ID, resource

COMMAND = "command:remote:Command"
GATE = "ufm:index:PKeyGate"
CLOUD = resource("pulumi:providers:openstack", "admin", "p1", inputs={"authUrl": "http://192.0.2.5:5000/v3"})
NETWORK_OF_TENANT = resource(NETWORK, "tenant-network", "n1")
ON_A_NODE = resource(
    COMMAND, "bandwidth", "b1", inputs={"create": "sudo -Hu stack sh -c 'exec python3 /home/stack/node.py create'"}
)
PKEY = resource(GATE, "tenant-pkey", "0x65", inputs={"pkey": "0x65"})
DEPLOY = resource(COMMAND, "overcloud-deploy", "d1", inputs={"create": "/opt/rack-job run overcloud-deploy"})
GUARD = resource(
    COMMAND,
    "owner-guard-undercloud",
    "g1",
    inputs={"create": "sh -s check"},
    dependencies=[NETWORK_OF_TENANT["urn"], DEPLOY["urn"]],
    propertyDependencies={"create": [PKEY["urn"]], "stdin": None},
)
COMPONENT = {"urn": "urn:pulumi:dev::rack::rack:tenant:Tenant::tenant", "type": "rack:tenant:Tenant", "custom": False}
RESOURCES = [OWNER, CLOUD, COMPONENT, DEPLOY, NETWORK_OF_TENANT, PKEY, ON_A_NODE, GUARD]


class Fake:
    """Pulumi with one state."""

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self.state = State({"version": 3, "deployment": {"resources": resources, "pending_operations": []}})
        self.calls: list[str] = []

    def __call__(self, _: str) -> "Fake":
        return self

    def export(self, *, show_secrets: bool = False) -> State:
        return self.state

    def claim(self, _: State) -> None:
        self.calls.append("claim")

    def store(self, state: State) -> None:
        self.calls.append("store")
        self.state = state


class Ufm:
    """UFM's client, with partitions and marks."""

    def __init__(self, *pkeys: str) -> None:
        self.pkeys, self.marks, self.closed = list(pkeys), dict[str, str](), False

    def groups(self) -> dict[str, str]:
        return self.marks

    def get_pkey(self, pkey: str) -> bool:
        return pkey in self.pkeys

    def delete_pkey(self, pkey: str) -> None:
        self.pkeys.remove(pkey)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pulumi(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake([json.loads(json.dumps(each)) for each in RESOURCES])
    monkeypatch.setattr(forget, "Pulumi", fake)
    return fake


@pytest.fixture
def ufm(monkeypatch: pytest.MonkeyPatch) -> Ufm:
    ufm = Ufm("0xb", "0x65")
    monkeypatch.setattr(tokens, "client_of", lambda _: ufm)
    return ufm


def cloud(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Let the login at the cloud raise `error`, or succeed."""

    def log_in(_: CloudApi) -> None:
        if error:
            raise error

    monkeypatch.setattr(CloudApi, "log_in", log_in)


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud(monkeypatch, NoAnswerError("keystone does not answer", "POST 192.0.2.5:5000/v3/auth/tokens"))


def names(fake: Fake) -> list[str]:
    return [each.name for each in fake.state.resources]


@pytest.mark.usefixtures("gone")
def test_what_existed_in_the_cloud_is_dropped_and_the_rest_is_kept(
    pulumi: Fake, ufm: Ufm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forget", "--stack", "dev", "--yes"]) == 0
    assert names(pulumi) == ["owner-id", "admin", "tenant", "overcloud-deploy", "owner-guard-undercloud"]
    assert ufm.pkeys == ["0xb"]
    assert ufm.closed
    assert pulumi.calls == ["claim", "store"], "the state is written last"
    assert capsys.readouterr().out.splitlines() == [
        "delete   PKey 0x65 at UFM, which Neutron would have deleted",
        f"forget   tenant-network ({NETWORK})",
        f"forget   tenant-pkey ({GATE})",
        f"forget   bandwidth ({COMMAND})",
        "done; run `pulumi destroy`",
    ]
    assert forget.run("dev", yes=True) == 0
    assert "nothing to forget" in capsys.readouterr().out


@pytest.mark.usefixtures("gone")
def test_no_kept_resource_depends_on_a_dropped_one(pulumi: Fake, ufm: Ufm) -> None:
    """The engine would refuse the state."""
    forget.run("dev", yes=True)
    guard = pulumi.state.resources[-1].raw
    assert guard["dependencies"] == [DEPLOY["urn"]]
    assert guard["propertyDependencies"] == {"create": [], "stdin": []}
    kept = {each.urn for each in pulumi.state.resources}
    assert all(urn in kept for each in pulumi.state.resources for urn in each.raw.get("dependencies", ()))


@pytest.mark.parametrize(
    "error",
    [None, CloudError("POST …: 401 wrong password"), OutageError("keystone answers with status 503")],
    ids=str,
)
def test_a_cloud_that_answers_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
    pulumi: Fake,
    ufm: Ufm,
    capsys: pytest.CaptureFixture[str],
    error: Exception | None,
) -> None:
    cloud(monkeypatch, error)
    assert forget.run("dev", yes=True) == 1
    assert pulumi.calls == []
    assert ufm.pkeys == ["0xb", "0x65"]
    assert "rack forget: the cloud at http://192.0.2.5:5000/v3 " in capsys.readouterr().err


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("answer", ["", "n", EOFError(), KeyboardInterrupt()], ids=repr)
def test_it_writes_only_after_a_yes(pulumi: Fake, ufm: Ufm, answer: str | BaseException) -> None:
    def ask(question: str) -> str:
        assert "Were its controllers erased?" in question
        if isinstance(answer, BaseException):
            raise answer
        return answer

    assert forget.run("dev", yes=False, ask=ask) == 1
    assert pulumi.calls == []
    assert ufm.pkeys == ["0xb", "0x65"]
    assert forget.run("dev", yes=False, ask=lambda _: "y") == 0


@pytest.mark.usefixtures("gone")
def test_a_pkey_of_another_stack_is_not_deleted(pulumi: Fake, ufm: Ufm, capsys: pytest.CaptureFixture[str]) -> None:
    ufm.marks["pulumi_pkey_0x65"] = str(PKeyMark("rack", "copy", "99999999", "2026-12-01T09:00:00Z"))
    assert forget.run("dev", yes=True) == 1
    assert pulumi.calls == []
    assert ufm.pkeys == ["0xb", "0x65"]
    assert "PKey 0x65 at UFM belongs to stack copy of project rack" in capsys.readouterr().err
    ufm.marks["pulumi_pkey_0x65"] = str(PKeyMark("rack", "dev", STACK_ID, "2026-12-01T09:00:00Z"))
    assert forget.run("dev", yes=True) == 0


@pytest.mark.usefixtures("gone")
def test_a_pkey_that_ufm_lacks_and_a_ufm_that_the_state_lacks_are_no_errors(
    pulumi: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "client_of", lambda _: Ufm())
    assert forget.run("dev", yes=True) == 0
    pulumi.state = State({"version": 3, "deployment": {"resources": [OWNER, resource(FLAVOR, "flavor", "f1")]}})
    monkeypatch.setattr(tokens, "client_of", lambda _: None)
    assert forget.run("dev", yes=True) == 0
    assert names(pulumi) == ["owner-id"]


def _unreachable(_: object) -> None:
    raise UnreachableError("no connection: refused", host="192.0.2.9")


def _unreadable(_: object) -> None:
    raise PulumiError("pulumi stack export: no stack named dev")


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("failure", [_unreachable, _unreadable])
def test_a_failure_of_pulumi_or_ufm_has_its_own_status(
    pulumi: Fake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Callable[[object], None],
) -> None:
    monkeypatch.setattr(tokens, "client_of", failure)
    assert forget.run("dev", yes=True) == 2
    assert pulumi.calls == []
    assert capsys.readouterr().err.startswith("rack forget: ")
