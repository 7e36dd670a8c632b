"""UFM's REST API over HTTPS, as its clients use it, with the real OpenSM."""

import http.client
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab.process import until
from tests.lab.fabric.rig import GUIDS
from tests.lab.ufm.conftest import Rig, Session

pytestmark = [
    pytest.mark.lab,
    # Processes of the lab keep running after the Python object that started them is deleted.
]

BARE = {host: guid.removeprefix("0x") for host, guid in GUIDS.items()}
STRANGER = "fa163e0000aabbcc"


def members(rest: Session, key: str = "0x65") -> dict[str, tuple[str, bool]]:
    answer = rest.get(f"/resources/pkeys/{key}", params={"guids_data": "true"}).json()
    return {m["guid"]: (m["membership"], m["index0"]) for m in answer.get("guids", [])}


def put(rest: Session, guids: list[str], key: str = "0x65", **fields: Any) -> int:
    return rest.put("/resources/pkeys", json={"pkey": key, "guids": guids, **fields}).status_code


def post(rest: Session, guids: list[str], key: str = "0x65", **fields: Any) -> int:
    return rest.post("/resources/pkeys", json={"pkey": key, "guids": guids, **fields}).status_code


# --- effect of a PKey -----------------------------------------------------------------------------------------------


def test_members_appear_in_the_p_key_tables_of_the_fabric(ufm: Rig, rest: Session) -> None:
    assert put(rest, [BARE["controller-1"], GUIDS["compute-1"]], memberships=["full", "limited"]) == 200
    assert ufm.pkeys("controller-1") == {0xFFFF, 0x8065}
    assert ufm.pkeys("compute-1") == {0xFFFF, 0x0065}
    assert ufm.pkeys("controller-2") == {0xFFFF}
    assert rest.delete("/resources/pkeys/0x65").status_code == 200
    assert ufm.pkeys("controller-1") == ufm.pkeys("compute-1") == {0xFFFF}


def test_index0_is_the_first_entry_of_the_p_key_table(ufm: Rig, rest: Session) -> None:
    assert post(rest, [BARE["compute-1"]], index0=True) == 200
    ufm.programmed()
    table = ufm.diagnostics.run("smpquery", "-G", "pkeys", GUIDS["compute-1"], "1").splitlines()
    assert table[0].split()[:2] == ["0:", "0x8065"]


def test_a_vf_that_starts_later_has_its_pkey(ufm: Rig, rest: Session) -> None:
    """ib-kubernetes and networking-mlnx add GUIDs before their VFs exist."""
    assert post(rest, [STRANGER]) == 200
    ufm.programmed()
    ufm.fabric.plug("compute-1", 0, STRANGER)
    assert ufm.pkeys(STRANGER) == {0xFFFF, 0x8065}
    (vport,) = rest.get("/resources/vports").json()
    assert vport["virtual_port_guid"] == STRANGER
    assert (vport["system_name"], vport["port_guid"]) == ("compute-1", BARE["compute-1"])
    assert rest.get("/resources/vports", params={"system": "controller-1"}).json() == []


def test_eight_hundred_members_are_set_at_once(ufm: Rig, rest: Session) -> None:
    guids = [f"{n:016x}" for n in range(0x1000, 0x1000 + 799)] + [BARE["compute-1"]]
    begin = time.monotonic()
    assert put(rest, guids) == 200
    assert time.monotonic() - begin < 1
    assert len(members(rest)) == 800
    assert ufm.pkeys("compute-1") == {0xFFFF, 0x8065}


def test_concurrent_writes_are_all_applied(ufm: Rig, rest: Session) -> None:
    def write(number: int) -> int:
        return post(ufm.session(), [f"{number:016x}"])

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(write, range(1, 65))) == {200}
    assert len(members(rest)) == 64


# --- the PKey calls one by one --------------------------------------------------------------------------------------


def test_the_list_of_pkeys_has_three_shapes(rest: Session) -> None:
    post(rest, [BARE["compute-1"]])
    assert rest.get("/resources/pkeys").json() == ["0x7fff", "0x65"]
    everything = rest.get("/resources/pkeys", params={"guids_data": "True"}).json()
    member = {"guid": BARE["compute-1"], "index0": False, "membership": "full"}
    assert everything["0x65"] == {"guids": [member], "ip_over_ib": True, "partition": "api_pkey_0x65"}
    assert everything["0x7fff"]["partition"] == "management"
    assert everything["0x7fff"]["guids"] == []
    assert {"index0", "membership"} <= everything["0x7fff"].keys(), "these fields exist since 6.19"
    qos = {"mtu_limit": 2, "service_level": 0, "rate_limit": 2.5}
    by_qos = rest.get("/resources/pkeys", params={"qos_conf": "true"}).json()
    assert by_qos["0x65"] == {"ip_over_ib": True, "partition": "api_pkey_0x65", "qos_conf": qos}
    assert rest.get("/resources/pkeys?guids_data=true&qos_conf=true").status_code == 400
    both = rest.get("/resources/pkeys/0x65?guids_data=true&qos_conf=true").json()
    assert both == {"guids": [member], "ip_over_ib": True, "partition": "api_pkey_0x65", "qos_conf": qos}
    assert rest.get("/resources/pkeys/0x0065").json() == {"ip_over_ib": True, "partition": "api_pkey_0x65"}


def test_an_unknown_pkey_is_an_empty_object(ufm: Rig, rest: Session) -> None:
    answer = rest.get("/resources/pkeys/0x66")
    assert (answer.status_code, answer.json()) == (200, {})
    ufm.admin("PUT", "/quirks", json={"unknown_pkey_404": True})
    assert rest.get("/resources/pkeys/0x66").status_code == 404


def test_the_site_s_name_is_added_to_every_answer(ufm: Rig, rest: Session) -> None:
    ufm.admin("PUT", "/quirks", json={"site_name": "hall-1"})
    assert rest.get("/resources/pkeys/0x66").json() == {"site_name": "hall-1"}
    assert rest.get("/resources/pkeys?guids_data=true").json()["site_name"] == "hall-1"
    assert {port["site_name"] for port in rest.get("/resources/ports").json()} == {"hall-1"}


def test_post_adds_full_members_and_ignores_memberships(ufm: Rig, rest: Session) -> None:
    one, two = BARE["controller-1"], BARE["controller-2"]
    assert post(rest, [one], membership="limited", ip_over_ib=False) == 200
    assert post(rest, [two], memberships=["limited"]) == 200
    assert members(rest) == {one: ("limited", False), two: ("full", False)}
    assert rest.get("/resources/pkeys/0x65").json()["ip_over_ib"] is True, "the last POST sets ip_over_ib"
    ufm.admin("PUT", "/quirks", json={"post_ignores_memberships": False})
    assert post(rest, [two], memberships=["limited"]) == 200
    assert members(rest)[two] == ("limited", False)


def test_put_replaces_all_members(rest: Session) -> None:
    one, two, three = BARE["controller-1"], BARE["controller-2"], BARE["compute-1"]
    put(rest, [one, two], "0x65", index0=True)
    assert put(rest, [f"0x{two.upper()}", three], "0x0065", memberships=["full", "limited"], mtu_limit=4) == 200
    assert members(rest) == {two: ("full", False), three: ("limited", False)}
    assert rest.get("/resources/pkeys/0x65?qos_conf=true").json()["qos_conf"]["mtu_limit"] == 4
    assert put(rest, []) == 200
    assert rest.get("/resources/pkeys/0x65").json() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"pkey": "101"},
        {"pkey": "0x8065"},
        {"pkey": None},
        {"guids": "b8599f0300b00011"},
        {"guids": ["b8599f0300b0001"]},
        {"membership": "both"},
        {"membership": "full", "memberships": ["full"]},
        {"memberships": ["full", "full"]},
        {"index0": "true"},
        {"ip_over_ib": 1},
    ],
)
def test_a_bad_request_changes_nothing(rest: Session, fields: dict[str, Any]) -> None:
    body = {"pkey": "0x65", "guids": [BARE["compute-1"]], **fields}
    for method in ("POST", "PUT"):
        assert rest.request(method, "/resources/pkeys", json=body).status_code == 400
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]


def test_the_body_must_be_an_object(rest: Session) -> None:
    for content in (b"", b"[]", b"{"):
        assert rest.post("/resources/pkeys", data=content).status_code == 400


def test_the_management_pkey_cannot_be_changed(rest: Session) -> None:
    assert post(rest, [STRANGER], "0x7fff") == put(rest, [STRANGER], "0x7FFF") == 403
    assert rest.delete("/resources/pkeys/0x7fff").status_code == 403
    assert rest.delete(f"/resources/pkeys/0x7fff/guids/{STRANGER}").status_code == 403


def test_a_second_index0_of_a_guid_is_refused(rest: Session) -> None:
    assert post(rest, [STRANGER], index0=True) == 200
    assert post(rest, [STRANGER], "0x66", index0=True) == 400
    assert post(rest, [STRANGER], "0x66") == 200


def test_a_second_index0_is_accepted_with_the_quirk(ufm: Rig, rest: Session) -> None:
    ufm.admin("PUT", "/quirks", json={"second_index0": True})
    assert post(rest, [BARE["compute-1"]], index0=True) == post(rest, [BARE["compute-1"]], "0x66", index0=True) == 200
    assert ufm.pkeys("compute-1") >= {0x8065, 0x8066}


def test_removal_from_an_absent_pkey_is_404_without_the_quirk(ufm: Rig, rest: Session) -> None:
    assert rest.delete(f"/resources/pkeys/0x65/guids/{STRANGER}").status_code == 404
    ufm.admin("PUT", "/quirks", json={"absent_removal_ok": True})
    assert rest.delete(f"/resources/pkeys/0x65/guids/{STRANGER}").status_code == 200
    remove = {"pkey": "0x65", "guids": [STRANGER]}
    assert rest.post("/actions/remove_guids_from_pkey", json=remove).status_code == 200
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]


def test_a_write_is_visible_later_with_the_quirk(ufm: Rig, rest: Session) -> None:
    ufm.admin("PUT", "/quirks", json={"read_delay": 0.4})
    assert post(rest, [STRANGER]) == post(rest, [BARE["compute-1"]]) == 200
    assert rest.get("/resources/pkeys/0x65").json() == {}
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]
    assert until(lambda: set(members(rest)) == {STRANGER, BARE["compute-1"]}, 5)


def test_an_empty_pkey_exists_until_its_last_member_is_removed(ufm: Rig, rest: Session) -> None:
    body = {"pkey": "0x65", "rate_limit": 200, "ip_over_ib": False}
    assert rest.post("/resources/pkeys/add", json=body).status_code == 200
    assert rest.post("/resources/pkeys/add", json=body).status_code == 400
    answer = rest.get("/resources/pkeys/0x65?guids_data=true&qos_conf=true").json()
    assert (answer["guids"], answer["ip_over_ib"]) == ([], False)
    assert answer["qos_conf"]["rate_limit"] == 200
    assert ufm.pkeys("compute-1") == {0xFFFF}, "OpenSM accepts the empty partition"
    post(rest, [STRANGER, BARE["compute-1"]])
    assert rest.delete(f"/resources/pkeys/0x65/guids/{STRANGER},{BARE['controller-1']}").status_code == 200
    assert set(members(rest)) == {BARE["compute-1"]}
    assert rest.delete(f"/resources/pkeys/0x65/guids/{GUIDS['compute-1']}").status_code == 200
    assert rest.get("/resources/pkeys/0x65").json() == {}
    assert rest.delete("/resources/pkeys/0x65").status_code == 404
    ufm.admin("PUT", "/quirks", json={"add_status": 201})
    assert rest.post("/resources/pkeys/add", json=body).status_code == 201


def test_hosts_are_added_and_removed_by_name(rest: Session) -> None:
    body = {"pkey": "0x65", "hosts_names": "controller-1,compute-1", "membership": "limited"}
    assert rest.post("/resources/pkeys/hosts", json=body).status_code == 200
    assert members(rest) == {BARE["controller-1"]: ("limited", False), BARE["compute-1"]: ("limited", False)}
    assert rest.delete("/resources/pkeys/0x65/hosts/controller-1").status_code == 200
    assert set(members(rest)) == {BARE["compute-1"]}
    assert rest.post("/resources/pkeys/hosts", json={**body, "hosts_names": "compute-2"}).status_code == 404


def test_hosts_are_accepted_as_a_slurm_node_list(rest: Session) -> None:
    """NVIDIA's SLURM plugin sends SLURM_JOB_NODELIST, and booleans as text from a configuration file."""
    body = {"pkey": "0x65", "hosts_names": "controller-[1-2],compute-1", "ip_over_ib": "False", "index0": "True"}
    assert rest.post("/resources/pkeys/hosts", json=body).status_code == 200
    assert members(rest) == {BARE[name]: ("full", True) for name in ("controller-1", "controller-2", "compute-1")}
    assert rest.get("/resources/pkeys/0x65").json()["ip_over_ib"] is False
    assert rest.post("/resources/pkeys/hosts", json={**body, "index0": "often"}).status_code == 400
    assert rest.delete("/resources/pkeys/0x65/hosts/controller-[1-2]").status_code == 200
    assert set(members(rest)) == {BARE["compute-1"]}
    for wrong in ("controller-[2-1]", "controller-[", "a,,b"):
        assert rest.post("/resources/pkeys/hosts", json={**body, "hosts_names": wrong}).status_code == 400


IRREGULAR = {
    "controller-1": {"description": "localhost ibp202s0f0"},
    "controller-2": {"description": "localhost ibp202s0f0", "system": "controller-1", "number": 2},
    "compute-1": {"description": "r-ufm77 mlx5_0"},
}
"""A dual-port HCA, and two hosts that are named after their adapters."""


def test_an_irregular_inventory_is_served(ufm: Rig, rest: Session) -> None:
    assert ufm.admin("PUT", "/inventory", json=IRREGULAR).status_code == 200
    ports = {port["guid"]: port for port in rest.get("/resources/ports?sys_type=Computer").json()}
    first, second = ports[BARE["controller-1"]], ports[BARE["controller-2"]]
    assert first["system_name"] == second["system_name"] == second["node_description"] == "localhost ibp202s0f0"
    assert first["systemID"] == second["systemID"]
    assert (second["name"], second["number"]) == (f"{BARE['controller-2']}_2", 2)
    assert ports[BARE["compute-1"]]["system_name"] == "r-ufm77 mlx5_0"
    systems = {system["guid"]: system for system in rest.get("/resources/systems?type=host").json()}
    assert len(systems) == 3
    assert systems[first["systemID"]]["ports"] == [first["name"], second["name"]]
    body = {"pkey": "0x65", "hosts_names": "localhost ibp202s0f0"}
    assert rest.post("/resources/pkeys/hosts", json=body).status_code == 200
    assert set(members(rest)) == {BARE["controller-1"], BARE["controller-2"]}, "all ports of the host are added"
    ufm.admin("POST", "/restart")
    assert rest.get("/resources/ports?system_name=r-ufm77 mlx5_0").json()[0]["guid"] == BARE["compute-1"]
    assert ufm.admin("PUT", "/inventory", json={"compute-1": {"colour": "red"}}).status_code == 400


def test_qos_conf_sets_quality_of_service(rest: Session) -> None:
    post(rest, [STRANGER])
    body = {"pkey": "0x65", "mtu_limit": 4, "service_level": 3, "rate_limit": 100}
    assert rest.put("/resources/pkeys/qos_conf", json=body).status_code == 200
    shown = rest.get("/resources/pkeys/0x65?qos_conf=true").json()["qos_conf"]
    assert shown == {"mtu_limit": 4, "service_level": 3, "rate_limit": 100}
    assert rest.put("/resources/pkeys/qos_conf", json={**body, "mtu_limit": 3}).status_code == 400
    assert rest.put("/resources/pkeys/qos_conf", json={**body, "pkey": "0x66"}).status_code == 404


def test_last_updated_is_the_time_of_the_last_write(rest: Session) -> None:
    assert rest.get("/resources/pkeys/last_updated").json() == {"last_updated": None}
    post(rest, [STRANGER])
    when = rest.get("/resources/pkeys/last_updated").json()["last_updated"]
    assert abs(time.time() - (time.mktime(time.strptime(when, "%a %b %d %H:%M:%S UTC %Y")) - time.timezone)) < 60


def test_legacy_calls_are_supported(rest: Session) -> None:
    one, two = BARE["controller-1"], BARE["controller-2"]
    body = {"pkey": "0x65", "guids": [one], "default_membership": "limited"}
    assert rest.post("/actions/add_guids_to_pkey", json=body).status_code == 200
    assert members(rest) == {one: ("limited", False)}
    assert rest.post("/actions/set_guids_for_pkey", json={"pkey": "0x65", "guids": [one, two]}).status_code == 200
    assert rest.get("/actions/get_all_pkeys?guids_data=true").json()["0x65"]["guids"][1]["guid"] == two
    remove = {"pkey": "0x65", "guids": [one]}
    assert rest.post("/actions/remove_guids_from_pkey", json=remove).status_code == 200
    assert set(members(rest)) == {two}
    assert rest.post("/actions/set_guids_for_pkey", json={"pkey": "0x65", "guids": []}).status_code == 200
    assert rest.get("/resources/pkeys/0x65").json() == {}


def test_unknown_guids_are_refused_with_the_quirk(ufm: Rig, rest: Session) -> None:
    ufm.admin("PUT", "/quirks", json={"strict_guids": True})
    assert put(rest, [BARE["compute-1"], STRANGER]) == post(rest, [STRANGER]) == 404
    assert rest.get("/resources/pkeys/0x65").json() == {}
    assert put(rest, [BARE["compute-1"]]) == 200


def test_a_url_beyond_the_limit_is_refused(rest: Session) -> None:
    """Apache in front of the real UFM accepts 8190 characters, which are about 450 GUIDs."""
    guids = [f"{n:016x}" for n in range(1, 801)]
    put(rest, guids)
    assert rest.delete(f"/resources/pkeys/0x65/guids/{','.join(guids[:500])}").status_code == 414
    assert rest.delete(f"/resources/pkeys/0x65/guids/{','.join(guids[:450])}").status_code == 200
    assert len(members(rest)) == 350


# --- inventory ------------------------------------------------------------------------------------------------------


def test_ports_are_listed_while_their_host_is_linked(ufm: Rig, rest: Session) -> None:
    found = {port["system_name"]: port for port in rest.get("/resources/ports?sys_type=Computer").json()}
    assert set(found) == {"ufm", "controller-1", "controller-2", "compute-1"}
    port = found["controller-1"]
    lids = {p.name: p.lid for p in ufm.diagnostics.ports()}
    assert (port["name"], port["guid"], port["lid"]) == (
        f"{BARE['controller-1']}_1",
        BARE["controller-1"],
        lids["controller-1"],
    )
    assert (port["physical_state"], port["logical_state"], port["active_speed"]) == ("Link Up", "Active", "HDR")
    assert (port["peer"], port["dname"]) == ("b8599f0300a00000_2", "HCA-1/1")
    (same,) = rest.get("/resources/ports", params={"system": port["systemID"]}).json()
    assert same == port
    assert rest.get(f"/resources/ports/{port['name']}").json() == [port]
    ufm.fabric.unlink("controller-1")
    assert rest.get("/resources/ports", params={"system": port["systemID"]}).json() == []
    assert rest.get(f"/resources/ports/{port['name']}").status_code == 404


def test_ports_of_switches_are_listed(rest: Session) -> None:
    every = rest.get("/resources/ports?sys_type=Switch").json()
    assert [port["number"] for port in every] == list(range(1, 42))
    active = rest.get("/resources/ports?sys_type=Switch&active=true").json()
    assert [(port["number"], port["peer_node_name"]) for port in active] == [
        (1, "ufm"), (2, "controller-1"), (3, "controller-2"), (4, "compute-1"),
    ]  # fmt: skip


def test_systems_are_listed_and_filtered(rest: Session) -> None:
    names = {system["system_name"]: system for system in rest.get("/resources/systems").json()}
    assert set(names) == {"qm8700", "ufm", "controller-1", "controller-2", "compute-1"}
    assert [s["system_name"] for s in rest.get("/resources/systems?type=switch").json()] == ["qm8700"]
    assert names["controller-1"]["ip"] == "192.0.2.11"
    one = rest.get(f"/resources/systems/{names['qm8700']['guid']}").json()
    assert (one["system_name"], one["type"], len(one["ports"])) == ("qm8700", "switch", 41)
    assert rest.get("/resources/systems/nobody").status_code == 404
    assert rest.delete(f"/resources/systems/{one['guid']}").status_code == 405


def test_links_are_listed_and_paged(rest: Session) -> None:
    links = rest.get("/resources/links?system=compute-1").json()
    assert [(link["source_port"], link["destination_port_name"]) for link in links] == [("4", f"{BARE['compute-1']}_1")]
    everything = rest.get("/resources/links").json()
    assert len(everything) == 4
    assert rest.get("/resources/links?page_number=2&rpp=3").json() == {"data": everything[3:]}


# --- authentication and roles ----------------------------------------------------------------------------------------


def test_each_prefix_accepts_only_its_kind_of_credential(ufm: Rig, rest: Session) -> None:
    token = rest.post("/app/tokens").json()["access_token"]
    login = ufm.session("", None)
    answer = login.post("/dologin", data={"httpd_username": "admin", "httpd_password": "123456"}, allow_redirects=False)
    assert answer.status_code == 302
    cookie = ufm.session("/ufmRestV2", None)
    cookie.cookies.update(answer.cookies)
    good = [rest, cookie, ufm.with_token(token)]
    assert [s.get("/resources/pkeys").status_code for s in good] == [200, 200, 200]

    wrong = ufm.session(login=("admin", "1234567"))
    nobody = [ufm.session(prefix, None) for prefix in ("/ufmRest", "/ufmRestV2", "/ufmRestV3")]
    crossed = [ufm.session("/ufmRestV3"), ufm.session("/ufmRestV2"), ufm.with_token(token)]
    crossed[2].base = rest.base
    encoded = ufm.session("/ufmRestV3", (token, ""))
    for session in [wrong, *nobody, *crossed, encoded, ufm.with_token("x" * 30)]:
        assert session.get("/resources/pkeys").status_code == 401
    bad = login.post("/dologin", data={"httpd_username": "admin", "httpd_password": "x"}, allow_redirects=False)
    assert (bad.status_code, len(bad.cookies)) == (401, 0)


def test_tokens_are_created_listed_and_revoked(ufm: Rig, rest: Session) -> None:
    token = rest.post("/app/tokens").json()
    assert token["access_token"].isalnum()
    assert (len(token["access_token"]), token["expires_in"], token["revoked"]) == (30, 315360000, False)
    assert rest.get("/app/tokens").json() == [token]
    other = rest.post("/app/tokens").json()["access_token"]
    by_token = ufm.with_token(token["access_token"])
    assert by_token.get("/app/ufm_version").status_code == 200
    assert rest.post("/app/tokens/revoke", files={"token": (None, token["access_token"])}).status_code == 200
    assert by_token.get("/app/ufm_version").status_code == 401
    assert ufm.with_token(other).get("/app/ufm_version").status_code == 200
    assert rest.post("/app/tokens/revoke", files={"token": (None, token["access_token"])}).status_code == 404


def test_only_system_administrators_may_create_tokens(ufm: Rig, rest: Session) -> None:
    token = rest.post("/app/tokens").json()["access_token"]
    assert ufm.admin("PUT", "/users/op", json={"role": "fabric_operator", "password": "op_1234"}).status_code == 200
    operator = ufm.session(login=("op", "op_1234"))
    assert operator.get("/resources/pkeys").status_code == 200
    assert operator.post("/app/tokens").status_code == 403
    assert operator.get("/app/tokens").json() == []
    assert operator.post("/app/tokens/revoke", files={"token": (None, token)}).status_code == 404
    assert operator.put("/app/users/admin", json={"password": "stolen1"}).status_code == 403
    ufm.admin("PUT", "/users/watcher", json={"role": "monitoring_only", "password": "watch_1"})
    watcher = ufm.session(login=("watcher", "watch_1"))
    assert watcher.get("/resources/pkeys").status_code == 200
    assert post(watcher, [STRANGER]) == 403


def test_the_default_password_can_be_replaced(ufm: Rig, rest: Session) -> None:
    for bad in ("abc", "a" * 31, "with-dash", "", "sp ace"):
        assert rest.put("/app/users/admin", json={"password": bad}).status_code == 400
    answer = rest.put("/app/users/admin", json={"password": "New_Pass1"})
    assert (answer.status_code, answer.json()) == (200, {"name": "admin"})
    assert rest.get("/app/ufm_version").status_code == 401
    assert ufm.session(login=("admin", "New_Pass1")).get("/app/ufm_version").status_code == 200
    admin = ufm.session(login=("admin", "New_Pass1"))
    assert admin.put("/app/users/nobody", json={"password": "1234"}).status_code == 404


def test_users_are_listed(ufm: Rig, rest: Session) -> None:
    ufm.admin("PUT", "/users/op", json={"role": "fabric_operator", "password": "op_1234"})
    admin, op = {"name": "admin", "group": "system_admin"}, {"name": "op", "group": "fabric_operator"}
    assert rest.get("/app/users").json() == [admin, op]
    assert rest.get("/app/users/op").json() == op
    operator = ufm.session(login=("op", "op_1234"))
    assert operator.get("/app/users").json() == [op]
    assert operator.get("/app/users/admin").status_code == rest.get("/app/users/nobody").status_code == 404


# --- HTTP -------------------------------------------------------------------------------------------------------------


def test_a_body_contains_only_json(rest: Session) -> None:
    assert rest.get("/resources/pkeys/0x65").content == b"{}"


def test_a_connection_serves_several_requests(ufm: Rig, rest: Session) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", urlsplit(ufm.url).port, context=trusting(ufm), timeout=20)
    for _ in range(2):
        connection.request("POST", "/ufmRest/resources/pkeys", b"{}" * 5000)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="UFM"')
        assert b"Error 401" in answer.read()
        assert connection.sock is not None, "the connection stays open, and the unread body is not parsed as a request"
    assert rest.get("/app/ufm_version").status_code == 200
    ufm.admin("POST", "/stop")
    assert connection.sock.recv(1) == b"", "a stopped UFM closes idle connections"
    connection.close()


def trusting(ufm: Rig) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ufm.folder / "ufm" / "ca.pem")


def test_ufm_version_and_headers_identify_the_application(rest: Session) -> None:
    answer = rest.get("/app/ufm_version")
    assert answer.json()["ufm_release_version"].startswith("6.19")
    assert answer.json()["plugins"] == {}
    assert answer.headers["Server"].startswith("TwistedWeb/")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Rest-Version"] == "1.6.0"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert rest.get("/app/smconf").json()["subnet_prefix"] == "0xfe80000000000000"


def test_double_and_trailing_slashes_are_ignored(rest: Session) -> None:
    assert rest.post("//resources//pkeys/", json={"pkey": "0x65", "guids": [STRANGER]}).status_code == 200
    assert "0x65" in rest.get("/resources/pkeys/?guids_data=true").json()


def test_unknown_paths_and_methods_are_refused(rest: Session) -> None:
    assert rest.get("/resources/nothing").status_code == 404
    assert rest.patch("/resources/pkeys").status_code == 405


def test_a_silent_client_does_not_block_others(ufm: Rig, rest: Session) -> None:
    host, port = ufm.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))):
        assert rest.get("/app/ufm_version").status_code == 200


def test_a_client_without_the_authority_refuses_the_certificate(ufm: Rig) -> None:
    host, port = ufm.url.removeprefix("https://").split(":")
    connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=None))
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/ufmRest/app/ufm_version")
    connection.close()
