"""The hooks that continue after an outage of the cloud's APIs, without engine and cloud."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import pulumi
import pytest

from cloud import outages
from cloud.client import CloudApi, Login, OutageError, RefusedRequestError
from cloud.outages import ATTEMPTS, Outages
from rack.owner import Mark

LOGIN = Login("http://k:5000", "admin", "hunter2", "admin", "Default", "Default", "regionOne")
URN, MARK = "urn:pulumi:dev::rack::openstack:networking/network:Network::tenant-network", str(Mark("0a1b2c3d", "n"))
REFUSED = "Post http://n:9696/v2.0/networks: OpenStack connection error, retries exhausted. connect: connection refused"
CONFLICT = "Expected HTTP response code [201 202] when accessing [POST http://n], but got 409 instead: in use"
NETWORK = "openstack:networking/network:Network"


class Cloud(CloudApi):
    """A cloud with objects and silent services."""

    def __init__(self) -> None:
        super().__init__(LOGIN)
        self.networks: list[str] = []
        self.silence: list[list[str]] = []
        self.deleted: list[str] = []
        self.slow = 0
        """Number of lists in which a deleted object still is."""

    def silent(self) -> list[str]:
        return self.silence.pop(0) if self.silence else []

    def objects(self, service: str, path: str) -> Iterator[dict[str, Any]]:
        assert (service, path) == ("network", f"/networks?{urlencode({'description': MARK})}")
        found = list(self.networks)
        if self.deleted and self.slow:
            self.slow -= 1
            found += self.deleted
        return iter([{"id": id_, "description": MARK} for id_ in found])

    def call(self, verb: str, service: str, path: str, body: Any = None) -> dict[str, Any]:
        assert (verb, service, body) == ("DELETE", "network", None)
        id_ = path.removeprefix("/networks/")
        self.networks.remove(id_)
        self.deleted.append(id_)
        return {}


class Rig:
    """The hooks of one cloud, and what they said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud, self.said = Cloud(), list[str]()
        monkeypatch.setattr(outages, "LONGEST_PAUSE", 0.01)
        self.hooks = Outages(pulumi.Output.from_input(LOGIN), lambda login: self.cloud, self.said.append, pause=0.001)

    def before(self, **inputs: Any) -> Awaitable[None]:
        given = {"name": "ib", "description": MARK, **inputs}
        return self.hooks.before(pulumi.ResourceHookArgs(URN, "", "tenant-network", NETWORK, new_inputs=given))

    def after(self, *errors: str, operation: str = "create", **inputs: Any) -> Awaitable[bool]:
        given = {"name": "ib", "description": MARK, **inputs}
        args = pulumi.ErrorHookArgs(
            URN, "", "tenant-network", NETWORK, new_inputs=given, failed_operation=operation, errors=list(errors)
        )
        return self.hooks.after(args)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def run(*steps: Callable[[], Awaitable[Any]]) -> Sequence[Any]:
    async def all_() -> Sequence[Any]:
        return [await step() for step in steps]

    return asyncio.run(all_())


def test_a_create_waits_until_the_cloud_answers(rig: Rig) -> None:
    down = ["keystone does not answer (Connection refused)"]
    rig.cloud.silence = [down, down, ["nova answers with status 503"]]
    run(rig.before)
    assert rig.cloud.silence == []
    assert [line.partition("; waiting")[0] for line in rig.said] == [
        f"tenant-network: {down[0]}",
        "tenant-network: nova answers with status 503",
        "tenant-network: the cloud's APIs answer again",
    ], "each problem is reported once"


def test_an_answer_counts_for_the_creates_that_follow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def silent() -> list[str]:
        asked.append(1)
        return []

    monkeypatch.setattr(rig.cloud, "silent", silent)
    run(rig.before, rig.before)
    assert len(asked) == 1
    monkeypatch.setattr(outages, "FRESH", -1)
    run(rig.before)
    assert len(asked) == 2


def test_a_failed_create_is_repeated_once_the_cloud_answers(rig: Rig) -> None:
    rig.cloud.silence = [[], ["neutron does not answer (Connection refused)"]]
    assert run(rig.before, lambda: rig.after(REFUSED)) == [None, True]
    assert rig.cloud.silence == []
    assert rig.cloud.deleted == []


def test_what_a_failed_create_has_made_is_deleted_before_the_repetition(rig: Rig) -> None:
    async def create() -> None:
        rig.cloud.networks.append("new")

    rig.cloud.networks, rig.cloud.slow = ["of an earlier create"], 3
    assert run(rig.before, create, lambda: rig.after(REFUSED))[-1] is True
    assert rig.cloud.deleted == ["new"]
    assert rig.cloud.networks == ["of an earlier create"], "a replacement's old object stays"
    assert rig.cloud.slow == 0, "it waits until the object is gone"


def test_a_deletion_that_takes_longer_than_the_limit_is_reported(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def create() -> None:
        rig.cloud.networks.append("new")
        monkeypatch.setattr(outages, "LIMIT", 0)

    rig.cloud.slow = 10**6
    assert run(rig.before, create, lambda: rig.after(REFUSED))[-1] is False
    assert "new is still there after its deletion; delete it, then run `pulumi up` again" in rig.said[-1]


def test_an_object_that_cannot_be_told_from_others_is_not_created_again(rig: Rig) -> None:
    without_mark = {"description": ""}
    assert run(lambda: rig.after(REFUSED, **without_mark)) == [False]
    assert "may exist" in rig.said[0]
    assert run(lambda: rig.after(REFUSED)) == [False], "nobody looked before the create"


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_updates_and_deletes_are_repeated(rig: Rig, operation: str) -> None:
    assert run(lambda: rig.after(REFUSED, operation=operation)) == [True]


def test_a_refusal_is_not_repeated(rig: Rig) -> None:
    assert run(rig.before, lambda: rig.after(CONFLICT))[-1] is False
    assert rig.said == []


def test_a_create_that_an_object_of_an_interrupted_up_refuses_names_the_command(rig: Rig) -> None:
    rig.cloud.networks.append("n1")
    assert run(rig.before, lambda: rig.after(CONFLICT))[-1] is False
    found = "tenant-network: n1 is in the cloud already, perhaps of an interrupted `up`; "
    assert rig.said == [f"{found}run `python -m rack recover --stack stack`, then `pulumi up` again"]


def test_an_operation_is_given_up_if_it_fails_although_the_cloud_answers(rig: Rig) -> None:
    """The provider keeps the failure of its first login."""
    assert run(rig.before, lambda: rig.after(*[REFUSED] * (ATTEMPTS - 1)))[-1] is True
    assert run(lambda: rig.after(*[REFUSED] * ATTEMPTS)) == [False]
    said = f"failed {ATTEMPTS} times, although the cloud's APIs answer; run `python -m rack recover --stack stack`"
    assert f"{said}, then `pulumi up` again" in rig.said[-1]


def test_an_outage_longer_than_the_limit_ends_the_operation_with_advice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "LIMIT", 0.05)
    monkeypatch.setattr(rig.cloud, "silent", lambda: ["neutron does not answer (Connection refused)"])
    assert run(lambda: rig.after(REFUSED, operation="update")) == [False]
    assert "neutron does not answer" in rig.said[-1]
    assert rig.said[-1].endswith("; run `pulumi up` again")
    with pytest.raises(OutageError, match=r"neutron does not answer.*; run `pulumi up` again"):
        run(rig.before)


def test_a_refused_deletion_ends_the_operation(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RefusedRequestError("neutron answers with status 409: in use", "DELETE http://n", 409)

    async def create() -> None:
        rig.cloud.networks.append("new")

    monkeypatch.setattr(rig.cloud, "call", refuse)
    assert run(rig.before, create, lambda: rig.after(REFUSED))[-1] is False
    assert "DELETE http://n: neutron answers with status 409" in rig.said[-1]


def test_no_message_contains_the_password(rig: Rig) -> None:
    assert "hunter2" not in repr(LOGIN)
