"""UFM's life cycle on its host: installation, restart, removal and crash, and the state that remains."""

import os
import signal
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from cryptography import x509

from lab.process import until
from lab.ufm.service import UfmService
from lab.ufm.settings import Settings
from tests.lab.fabric.rig import GUIDS, silent
from tests.lab.ufm.conftest import Rig, Session

pytestmark = [
    pytest.mark.lab,
    # Processes of the lab keep running after the Python object that started them is deleted.
]

COMPUTE = GUIDS["compute-1"].removeprefix("0x")


def refuses(rig: Rig) -> bool:
    try:
        rig.session().get("/app/ufm_version")
    except requests.ConnectionError as error:
        return "refused" in str(error)
    return False


def fill(rest: Session) -> str:
    """Create PKeys and a token; return the token."""
    rest.post("/resources/pkeys", json={"pkey": "0x65", "guids": [COMPUTE]})
    rest.post("/cloudx/Network", json={"id": "n", "provider:segmentation_id": 102})
    return str(rest.post("/app/tokens").json()["access_token"])


def test_connections_are_refused_before_the_installation(ufm: Rig) -> None:
    ufm.admin("POST", "/remove")
    assert refuses(ufm)
    assert ufm.state()["installed"] is False
    assert ufm.admin("PUT", "/quirks", json={}).status_code == 409
    ufm.service.start(silent)
    assert refuses(ufm), "a start of the lab does not install UFM"


def test_a_removal_deletes_partitions_and_tokens(ufm: Rig, rest: Session) -> None:
    fill(rest)
    assert ufm.pkeys("compute-1") == {0xFFFF, 0x8065}
    assert ufm.admin("POST", "/remove").status_code == 200
    assert refuses(ufm)
    assert ufm.diagnostics.pkeys(GUIDS["compute-1"]) == {0xFFFF}
    assert ufm.admin("POST", "/remove").status_code == 200
    ufm.admin("POST", "/install")
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]
    assert rest.get("/app/tokens").json() == []


def test_an_installation_resets_partitions_tokens_and_password(ufm: Rig, rest: Session) -> None:
    token = fill(rest)
    rest.put("/app/users/admin", json={"password": "changed1"})
    ufm.admin("POST", "/install")
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]
    assert ufm.with_token(token).get("/app/ufm_version").status_code == 401
    assert ufm.pkeys("compute-1") == {0xFFFF}


def test_everything_but_sessions_survives_a_restart(ufm: Rig, rest: Session) -> None:
    token = fill(rest)
    rest.put("/app/users/admin", json={"password": "changed1"})
    rest = ufm.session(login=("admin", "changed1"))
    before = rest.get("/resources/pkeys?guids_data=true").json(), rest.get("/jobs").json()

    def unchanged() -> None:
        assert (rest.get("/resources/pkeys?guids_data=true").json(), rest.get("/jobs").json()) == before
        assert ufm.with_token(token).get("/app/ufm_version").status_code == 200
        assert rest.get("/resources/pkeys/last_updated").json() == {"last_updated": None}

    ufm.admin("POST", "/restart")
    unchanged()
    ufm.service.stop(silent)
    ufm.service.start(silent)
    unchanged()
    assert ufm.pkeys("compute-1") == {0xFFFF, 0x8065}
    rest.delete("/cloudx/Network/n")
    assert rest.get("/resources/pkeys").json() == ["0x7fff", "0x65"], "Neutron's networks are kept"


def test_a_stopped_ufm_refuses_connections_and_keeps_its_state(ufm: Rig, rest: Session) -> None:
    token = fill(rest)
    assert ufm.admin("POST", "/stop").status_code == 200
    assert refuses(ufm)
    state = ufm.state()
    assert (state["installed"], state["running"]) == (True, False)
    assert ufm.diagnostics.pkeys(GUIDS["compute-1"]) == {0xFFFF, 0x8065}, "the fabric keeps its P_Key tables"
    assert ufm.admin("PUT", "/quirks", json={}).status_code == 409
    ufm.service.stop(silent)
    ufm.service.start(silent)
    assert refuses(ufm), "UFM stays stopped after a restart of the lab"
    assert ufm.admin("POST", "/stop").status_code == 200
    assert ufm.admin("POST", "/start").status_code == 200
    assert ufm.admin("POST", "/start").status_code == 200
    assert rest.get("/resources/pkeys").json() == ["0x7fff", "0x65", "0x66"]
    assert ufm.with_token(token).get("/app/ufm_version").status_code == 200


def test_a_stopped_ufm_is_started_by_a_restart_and_by_an_installation(ufm: Rig, rest: Session) -> None:
    for what in ("restart", "install"):
        ufm.admin("POST", "/stop")
        ufm.admin("POST", f"/{what}")
        assert rest.get("/app/ufm_version").status_code == 200
        ufm.service.stop(silent)
        ufm.service.start(silent)
        assert rest.get("/app/ufm_version").status_code == 200, what


def test_a_removed_ufm_cannot_be_stopped_started_or_upgraded(ufm: Rig) -> None:
    ufm.admin("POST", "/stop")
    ufm.admin("POST", "/remove")
    for what in ("stop", "start", "upgrade"):
        assert ufm.admin("POST", f"/{what}", json={"release": "6.22.1-1"}).status_code == 409
    assert ufm.admin("POST", "/restart").status_code == 200
    assert refuses(ufm)


def test_apache_answers_503_while_ufm_starts(ufm: Rig, rest: Session) -> None:
    ufm.admin("DELETE", "/requests")
    ufm.admin("POST", "/restart", json={"starting": 1})
    answer = rest.get("/app/ufm_version")
    assert (answer.status_code, "503 service temporarily unavailable" in answer.text) == (503, True)
    assert "Rest-Version" not in answer.headers, "the answer is not UFM's"
    assert until(lambda: rest.get("/app/ufm_version").status_code == 200, 10)
    statuses = [entry["status"] for entry in ufm.admin("GET", "/requests").json()]
    assert (statuses[0], statuses[-1]) == (503, 200)
    for bad in (-1, "5", True, None):
        assert ufm.admin("POST", "/restart", json={"starting": bad}).status_code == 400


def test_state_summarises_pkeys_users_and_networks(ufm: Rig, rest: Session) -> None:
    fill(rest)
    ufm.programmed()
    state = ufm.state()
    assert state["pkeys"]["0x65"] == {"partition": "api_pkey_0x65", "members": 1, "full": 1, "limited": 0}
    assert (state["tokens"], state["users"], state["neutron"]["networks"]) == (1, ["admin"], 1)
    assert ufm.admin("PUT", "/quirks", json={"no_such": True}).status_code == 400


def test_requests_are_logged_without_secrets(ufm: Rig, rest: Session) -> None:
    ufm.admin("DELETE", "/requests")
    token = fill(rest)
    ufm.with_token(token).get("/resources/pkeys?guids_data=true", headers={"User-Agent": "pulumi-ufm/1"})
    rest.post("/app/tokens/revoke", files={"token": (None, token)})
    rest.put("/app/users/admin", json={"password": "s3cret_pass"})
    entries = ufm.admin("GET", "/requests").json()
    assert [(e["method"], e["path"], e["status"]) for e in entries] == [
        ("POST", "/ufmRest/resources/pkeys", 200),
        ("POST", "/ufmRest/cloudx/Network", 202),
        ("POST", "/ufmRest/app/tokens", 200),
        ("GET", "/ufmRestV3/resources/pkeys?guids_data=true", 200),
        ("POST", "/ufmRest/app/tokens/revoke", 200),
        ("PUT", "/ufmRest/app/users/admin", 200),
    ]
    assert entries[3]["user_agent"] == "pulumi-ufm/1"
    (process,) = ufm.service.processes()
    said = str(entries) + process.log.read_text() + str(ufm.state())
    assert token not in said
    assert "s3cret_pass" not in said
    assert "123456" not in said
    state = ufm.folder / "ufm" / "state.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert "s3cret_pass" not in state.read_text()


def test_a_crash_is_reported_and_repaired(ufm: Rig, rest: Session) -> None:
    fill(rest)
    (process,) = ufm.service.processes()
    os.kill(process.pid() or 0, signal.SIGKILL)
    assert until(process.crashed, 5)
    ufm.service.start(silent)
    assert rest.get("/resources/pkeys").json() == ["0x7fff", "0x65", "0x66"]


def test_ufm_keeps_running_without_its_fabric(ufm: Rig, rest: Session) -> None:
    ufm.fabric_service.stop(silent)
    try:
        assert rest.post("/resources/pkeys", json={"pkey": "0x65", "guids": [COMPUTE]}).status_code == 200
        assert rest.get("/resources/ports").status_code == 503
        assert until(lambda: "does not answer" in (ufm.state()["error"] or ""), 10)
        assert not ufm.state()["programmed"]
    finally:
        ufm.fabric_service.start(silent)
    assert ufm.pkeys("compute-1") == {0xFFFF, 0x8065}, "the fabric is programmed after its restart"


def test_a_second_start_restarts_ufm_only_if_settings_changed(ufm: Rig, rest: Session) -> None:
    fill(rest)
    (process,) = ufm.service.processes()
    pid = process.pid()
    ufm.service.start(silent)
    assert process.pid() == pid
    settings = Settings.load((ufm.folder / "ufm" / "settings.json").read_text())
    facts = {name: replace(host, address="192.0.2.99") for name, host in settings.hosts.items()}
    other = UfmService(
        settings.address, settings.port, facts, ufm.folder / "ufm", settings.admin_port, Path(settings.fabric_socket)
    )
    other.start(silent)
    assert process.pid() != pid
    hosts = {system["system_name"]: system["ip"] for system in rest.get("/resources/systems").json()}
    assert hosts["controller-1"] == "192.0.2.99"
    assert "0x65" in rest.get("/resources/pkeys").json()
    ufm.service.start(silent)


def test_stop_leaves_no_process(ufm: Rig) -> None:
    (process,) = ufm.service.processes()
    ufm.service.stop(silent)
    assert process.pid() is None
    assert not process.crashed()
    assert refuses(ufm)
    ufm.service.start(silent)
    assert ufm.state()["installed"] is True


def served(ufm: Rig) -> str:
    return ssl.get_server_certificate(("127.0.0.1", int(ufm.url.rpartition(":")[2])))


def test_ufm_makes_its_own_certificate_which_names_no_address(ufm: Rig) -> None:
    given = (ufm.folder / "ufm" / "server.pem").read_text()
    try:
        assert ufm.admin("PUT", "/certificate", json={"pem": ""}).status_code == 200
        assert served(ufm) in given, "until UFM starts again"
        ufm.admin("POST", "/restart")
        own = served(ufm)
        ufm.admin("POST", "/restart")
        assert served(ufm) == own
        found = x509.load_pem_x509_certificate(own.encode())
        assert found.subject == found.issuer
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(name.value) for name in names] == ["ufm"]
        assert stat.S_IMODE((ufm.folder / "ufm" / "own.pem").stat().st_mode) == 0o600
        ufm.admin("POST", "/install")
        assert served(ufm) != own, "each installation makes another one"
    finally:
        ufm.admin("PUT", "/certificate", json={"pem": given})
        ufm.admin("POST", "/restart")
    assert served(ufm) in given
