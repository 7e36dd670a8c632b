"""UFM's access tokens, which have no name."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from providers.ufm.client import Client
from providers.ufm.token import REQUESTED
from recovery import tokens
from recovery.state import State
from tests.recovery.build import TOKEN, creating, resource, secret, state

NOW = int(time.time())


class Ufm:
    """A UFM with tokens; its clock is `ahead` seconds ahead."""

    user = "admin"

    def __init__(self, *listed: Mapping[str, Any], ahead: float | None = 0) -> None:
        self._listed, self._ahead = list(listed), ahead

    def clock(self) -> float | None:
        return None if self._ahead is None else time.time() + self._ahead

    def tokens(self) -> Sequence[Mapping[str, Any]]:
        return self._listed


def token(name: str, issued: int, **more: Any) -> dict[str, Any]:
    return {"access_token": name, "issued_at": issued, "revoked": False, **more}


def pending(*requested: int | None) -> State:
    recorded = resource(TOKEN, "ufm-token", "admin@1", outputs={"token": secret("recorded")})
    inputs = ({"generation": 1} if at is None else {"generation": 1, REQUESTED: at} for at in requested)
    return state(recorded, operations=[creating(TOKEN, "ufm-token", **each) for each in inputs])


def decided(before: State, ufm: Ufm) -> list[str]:
    return [str(action) for action in tokens.decide(before, cast(Client, ufm))]


def test_the_token_of_an_unanswered_request_is_revoked_and_not_shown() -> None:
    (action,) = tokens.decide(pending(NOW), cast(Client, Ufm(token("lost", NOW + 1), token("recorded", NOW + 1))))
    assert isinstance(action, tokens.Revoke)
    assert action.token == "lost"
    assert "lost" not in repr(action)
    assert str(action).startswith("revoke   access token of admin at UFM, issued 20")
    assert str(action).endswith("Z, of ufm-token: the answer to its creation was lost")


@pytest.mark.parametrize(
    "other",
    [
        token("earlier", NOW - 60),
        token("much later", NOW + 3600),
        token("revoked", NOW, revoked=True),
        token("recorded", NOW),
    ],
)
def test_no_other_token_is_touched(other: Mapping[str, Any]) -> None:
    assert decided(pending(NOW), Ufm(other)) == [
        "clear    ufm-token, interrupted while creating: UFM has no such token"
    ]


def test_times_are_compared_on_ufm_s_clock() -> None:
    assert decided(pending(NOW), Ufm(token("lost", NOW + 3600), ahead=3600))[0].startswith("revoke")
    assert decided(pending(NOW), Ufm(token("lost", NOW + 3600), ahead=None))[0].startswith("clear")


def test_more_tokens_than_requests_are_left_to_the_operator() -> None:
    ufm = Ufm(token("one", NOW), token("two", NOW))
    (text,) = decided(pending(NOW), ufm)
    assert text.startswith(
        "left     2 access tokens of admin at UFM, one of them may be of ufm-token: revoke them in UFM"
    )
    assert [text.split()[0] for text in decided(pending(NOW, NOW), ufm)] == ["revoke", "revoke"]


def test_a_request_of_an_earlier_version_has_no_time() -> None:
    assert decided(pending(None), Ufm(token("lost", NOW)))[0].startswith("clear")


def test_the_client_has_the_settings_of_the_provider() -> None:
    inputs = {
        "address": "127.0.24.200",
        "port": "8443",
        "user": "ops",
        "password": secret("s3cr3t"),
        "insecure": "true",
    }
    provider = {"urn": "x", "type": "pulumi:providers:ufm", "inputs": inputs}
    client = tokens.client_of(state(provider))
    assert client
    assert (client.host, client.user) == ("127.0.24.200:8443", "ops")
    client.close()
    assert tokens.client_of(state()) is None
