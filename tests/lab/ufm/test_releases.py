"""Differences between UFM's releases, and upgrades."""

from typing import Any

import pytest

from tests.lab.fabric.rig import GUIDS
from tests.lab.ufm.conftest import Rig, Session

pytestmark = pytest.mark.lab

COMPUTE = GUIDS["compute-1"].removeprefix("0x")
OLD, USUAL, NAMES = "6.14.5-2", "6.19.3-1", "6.22.1-1"


def install(ufm: Rig, release: str) -> None:
    assert ufm.admin("POST", "/install", json={"release": release}).status_code == 200


def named(name: str | None, **fields: Any) -> dict[str, Any]:
    return {"pkey": "0x65", "guids": [COMPUTE], **({"partition_name": name} if name else {}), **fields}


def partition(rest: Session) -> str:
    return str(rest.get("/resources/pkeys/0x65").json()["partition"])


def test_answers_have_the_fields_of_their_release(ufm: Rig, rest: Session) -> None:
    install(ufm, OLD)
    assert rest.get("/app/ufm_version").json() == {"ufm_release_version": OLD}
    management = rest.get("/resources/pkeys?guids_data=true").json()["0x7fff"]
    assert management == {"guids": [], "ip_over_ib": True, "partition": "management"}
    install(ufm, "6.18.0-3")
    assert {"opensm", "sharp", "ibdiagnet", "telemetry", "mft", "ufm_webui", "plugins"} < rest.get(
        "/app/ufm_version"
    ).json().keys()
    assert "membership" not in rest.get("/resources/pkeys/0x7fff?guids_data=true").json()
    install(ufm, USUAL)
    assert rest.get("/resources/pkeys/0x7fff?guids_data=true").json()["membership"] == "full"
    assert ufm.state()["release"] == USUAL


@pytest.mark.parametrize("release", ["6.19", "latest", 6, "6.19.3-1 "])
def test_an_invalid_release_is_refused(ufm: Rig, rest: Session, release: object) -> None:
    for what in ("install", "upgrade"):
        answer = ufm.admin("POST", f"/{what}", json={"release": release})
        assert (answer.status_code, "write it as UFM does, e.g. 6.19.3-1" in answer.text) == (400, True)
    assert rest.get("/app/ufm_version").json()["ufm_release_version"] == USUAL


def test_an_upgrade_keeps_the_state(ufm: Rig, rest: Session) -> None:
    rest.post("/resources/pkeys", json=named("tenant_a"))
    token = rest.post("/app/tokens").json()["access_token"]
    ufm.admin("PUT", "/users/op", json={"role": "fabric_operator", "password": "op_1234"})
    before = rest.get("/resources/pkeys?guids_data=true").json()
    assert ufm.admin("POST", "/upgrade", json={"release": NAMES}).status_code == 200
    assert rest.get("/app/ufm_version").json()["ufm_release_version"] == NAMES
    assert rest.get("/resources/pkeys?guids_data=true").json() == before
    assert ufm.with_token(token).get("/app/ufm_version").status_code == 200
    assert ufm.session(login=("op", "op_1234")).get("/resources/pkeys").status_code == 200
    ufm.admin("POST", "/restart")
    assert ufm.state()["release"] == NAMES
    ufm.admin("POST", "/install")
    assert ufm.state()["release"] == USUAL, "an installation has the default release"


def test_a_stopped_ufm_is_upgraded_and_stays_stopped(ufm: Rig, rest: Session) -> None:
    ufm.admin("POST", "/stop")
    ufm.admin("POST", "/upgrade", json={"release": NAMES})
    assert ufm.state()["running"] is False
    ufm.admin("POST", "/start")
    assert rest.get("/app/ufm_version").json()["ufm_release_version"] == NAMES


def test_a_partition_name_is_ignored_before_6_22(rest: Session) -> None:
    for method, path in (("POST", "/resources/pkeys/add"), ("POST", "/resources/pkeys"), ("PUT", "/resources/pkeys")):
        assert rest.request(method, path, json=named("tenant_a")).status_code == 200
        assert partition(rest) == "api_pkey_0x65"


def test_partitions_have_names_from_6_22_on(ufm: Rig, rest: Session) -> None:
    install(ufm, NAMES)
    assert rest.post("/resources/pkeys/add", json={"pkey": "0x65", "partition_name": "tenant_a"}).status_code == 200
    assert partition(rest) == "tenant_a"
    for method, name in (("POST", "tenant_b"), ("PUT", "tenant_c")):
        assert rest.request(method, "/resources/pkeys", json=named(name)).status_code == 200
        assert partition(rest) == name
        assert rest.request(method, "/resources/pkeys", json=named(None)).status_code == 200
        assert partition(rest) == name, "a request without a name keeps the name"
    assert ufm.pkeys("compute-1") == {0xFFFF, 0x8065}
    assert "tenant_c=0x0065" in (ufm.folder / "fabric" / "partitions.conf").read_text()


@pytest.mark.parametrize("name", ["a,b", "tenant=0x66;x", "", 7])
def test_a_name_that_opensm_cannot_parse_is_refused(ufm: Rig, rest: Session, name: object) -> None:
    install(ufm, NAMES)
    for method in ("POST", "PUT"):
        body = {"pkey": "0x65", "guids": [COMPUTE], "partition_name": name}
        assert rest.request(method, "/resources/pkeys", json=body).status_code == 400
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]
