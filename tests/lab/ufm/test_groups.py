"""UFM's groups, which carry marks; without the fabric."""

from collections import deque
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lab.fabric.client import FabricClient
from lab.ufm.accounts import DEFAULT_PASSWORD
from lab.ufm.app import create_app
from lab.ufm.request_log import RequestLog
from lab.ufm.simulator import UfmSimulator

GROUP = {"name": "rack_1", "type": "General", "description": "first"}
SHOWN = {**GROUP, "severity": "Info"}
PATH = "/ufmRest/resources/groups"
LOGIN: Any = {"auth": ("admin", DEFAULT_PASSWORD)}


@pytest.fixture
def ufm(tmp_path: Path) -> UfmSimulator:
    return UfmSimulator(tmp_path / "ufm.json", {})


@pytest.fixture
def rest(ufm: UfmSimulator, tmp_path: Path) -> FlaskClient:
    return create_app(ufm, FabricClient(tmp_path / "no.sock"), {}, RequestLog(deque())).test_client()


def test_a_group_is_created_described_and_deleted(rest: FlaskClient, tmp_path: Path) -> None:
    assert rest.post(PATH, json={**GROUP, "members": ["0002c90300a7ccf0"]}, **LOGIN).status_code == 200
    assert rest.get(PATH, **LOGIN).json == [SHOWN]
    assert rest.get(f"{PATH}?members=true&type=General", **LOGIN).json == [{**SHOWN, "members": ["0002c90300a7ccf0"]}]
    assert rest.get(f"{PATH}?type=Rack", **LOGIN).json == []
    assert rest.get(f"{PATH}/rack_1", **LOGIN).json == [SHOWN]
    assert [group["name"] for group in UfmSimulator(tmp_path / "ufm.json", {}).groups.all()] == ["rack_1"], "restarted"
    assert rest.delete(f"{PATH}/rack_1", **LOGIN).status_code == 200
    assert rest.get(PATH, **LOGIN).json == []


def test_an_update_changes_the_description_only(rest: FlaskClient) -> None:
    rest.post(PATH, json=GROUP, **LOGIN)
    assert rest.put(f"{PATH}/rack_1", json={"description": "second"}, **LOGIN).status_code == 200
    for body in ({"description": "third", "type": "Rack"}, {"description": 3}, {}):
        assert rest.put(f"{PATH}/rack_1", json=body, **LOGIN).status_code == 400
    assert rest.get(PATH, **LOGIN).json == [{**SHOWN, "description": "second"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": None},
        {"type": "Host"},
        {"type": None},
        {"members": "x"},
        {"description": 1},
    ],
    ids=str,
)
def test_a_wrong_group_is_refused(rest: FlaskClient, wrong: dict[str, Any]) -> None:
    assert rest.post(PATH, json={**GROUP, **wrong}, **LOGIN).status_code == 400
    assert rest.get(PATH, **LOGIN).json == []


def test_a_second_group_of_a_name_is_refused(rest: FlaskClient) -> None:
    rest.post(PATH, json=GROUP, **LOGIN)
    assert rest.post(PATH, json={**GROUP, "description": "other"}, **LOGIN).status_code == 400
    assert rest.get(PATH, **LOGIN).json == [SHOWN]


def test_the_status_of_a_create_is_a_switch(rest: FlaskClient, ufm: UfmSimulator) -> None:
    ufm.set_quirks({"group_status": 201})
    assert rest.post(PATH, json=GROUP, **LOGIN).status_code == 201


def test_an_absent_group_is_404(rest: FlaskClient) -> None:
    assert rest.get(f"{PATH}/rack_1", **LOGIN).status_code == 404
    assert rest.put(f"{PATH}/rack_1", json={"description": "x"}, **LOGIN).status_code == 404
    assert rest.delete(f"{PATH}/rack_1", **LOGIN).status_code == 404


def test_groups_need_a_login(rest: FlaskClient) -> None:
    assert rest.get(PATH).status_code == 401
