"""The unchanged networking-mlnx 21.0.0 from PyPI (mechanism driver, journal, REST client) with the lab's UFM.

It runs in a separate process, with the journal in SQLite. The tests read the P_Key tables of the fabric's ports.
"""

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.addresses import STATE
from lab.process import until
from tests.lab.ufm.conftest import Rig, Session
from tests.lab.ufm.test_neutron import CLIENT_IDS, NETWORK, VM_GUID, service_port, vm_port

pytestmark = pytest.mark.lab

PROGRAM = Path(__file__).with_name("neutron_process.py")
PYTHON = STATE / "cloud" / "venv" / "bin" / "python"

PORT = {**vm_port(CLIENT_IDS["9 bytes"]), "network_qos_policy": None}
ALONE, MEMBER = {0xFFFF}, {0xFFFF, 0x8065}

# Seconds between two runs of the journal; the default is 10.
CONFIGURATION = """\
[database]
connection = sqlite:///{folder}/neutron.sqlite
[sdn]
url = {url}/ufmRestV3
token = {token}
domain = cloudx
physical_networks = ibnet
cert_verify = true
cert_path = {ca}
sync_timeout = 1
"""


@dataclass
class Neutron:
    folder: Path
    process: subprocess.Popen[str]

    def event(self, hook: str, thing: dict[str, Any]) -> None:
        """Send an event of Neutron to the driver."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([hook, thing]) + "\n")
        self.process.stdin.flush()
        self.answers("done")

    def answers(self, word: str) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline().strip() == word, self.log()

    def journal(self) -> list[tuple[str, str, str]]:
        """Return operation, kind and state of each row."""
        with closing(sqlite3.connect(f"file:{self.folder}/neutron.sqlite?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT operation, object_type, state FROM sdn_journal ORDER BY created_at, rowid")
            return rows.fetchall()

    def done(self) -> None:
        """Wait until every row of the journal is completed."""
        assert until(lambda: {state for *_, state in self.journal()} == {"completed"}, 30), (self.journal(), self.log())

    def log(self) -> str:
        return (self.folder / "log").read_text()[-3000:]


@pytest.fixture
def neutron(ufm: Rig, rest: Session, tmp_path: Path) -> Iterator[Neutron]:
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is not there: `python -m lab install` brings networking-mlnx")
    token = rest.post("/app/tokens").json()["access_token"]
    ca = ufm.folder / "ufm" / "ca.pem"
    configuration = tmp_path / "neutron.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, url=ufm.url, token=token, ca=ca))
    ufm.admin("DELETE", "/requests")
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [PYTHON, PROGRAM, configuration], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            env={"PATH": os.environ["PATH"], "NO_PROXY": "*"},
        ) as process,
    ):  # fmt: skip
        neutron = Neutron(tmp_path, process)
        try:
            neutron.answers("ready")
            yield neutron
        finally:
            process.kill()  # The journal's threads are not daemons, so the process does not end by itself.
            ufm.admin("DELETE", "/faults")


def sent(ufm: Rig) -> list[tuple[str, str, int]]:
    """Return method, kind and status of the journal's requests, without those for jobs."""
    asked = ufm.admin("GET", "/requests").json()
    return [(e["method"], e["path"].split("/")[3], e["status"]) for e in asked if "/cloudx/" in e["path"]]


def test_a_vm_s_port_is_added_to_and_removed_from_the_p_key_tables(ufm: Rig, neutron: Neutron) -> None:
    ufm.fabric.plug("compute-1", 0, VM_GUID)
    neutron.event("create_network_precommit", NETWORK)
    neutron.event("bind_port", PORT)
    dhcp = service_port(1, "network:dhcp", "overcloud-controller-0.localdomain") | {"binding:vnic_type": "normal"}
    neutron.event("bind_port", dhcp)
    neutron.done()
    assert ufm.pkeys(VM_GUID) == ufm.pkeys("controller-1") == MEMBER
    neutron.event("delete_port_precommit", PORT)
    neutron.done()
    assert (ufm.pkeys(VM_GUID), ufm.pkeys("controller-1")) == (ALONE, MEMBER)
    neutron.event("delete_port_precommit", dhcp)
    neutron.event("delete_network_precommit", NETWORK)
    neutron.done()
    assert ufm.pkeys("controller-1") == ALONE
    assert list(ufm.state()["pkeys"]) == []
    assert {status for *_, status in sent(ufm)} == {202}
    assert len(sent(ufm)) == 6, "each row is sent once"


def test_an_update_is_completed_by_501(ufm: Rig, neutron: Neutron) -> None:
    neutron.event("update_network_precommit", NETWORK)
    neutron.done()
    assert sent(ufm) == [("PUT", "Network", 501)]


def test_a_job_with_errors_is_sent_again(ufm: Rig, neutron: Neutron) -> None:
    ufm.admin("PUT", "/faults", json=[{"path": "/cloudx/Port", "job": "Completed With Errors", "count": 2}])
    neutron.event("create_network_precommit", NETWORK)
    neutron.event("bind_port", service_port(1, "network:dhcp", "overcloud-controller-0"))
    neutron.done()
    assert sent(ufm) == [("POST", "Network", 202)] + 3 * [("POST", "Port", 202)]
    assert ufm.pkeys("controller-1") == MEMBER


def test_a_slow_job_is_waited_for(ufm: Rig, neutron: Neutron) -> None:
    ufm.admin("PUT", "/faults", json=[{"path": "/cloudx/Network", "job": "Completed", "polls": 2}])
    neutron.event("create_network_precommit", NETWORK)
    assert until(lambda: neutron.journal()[0][2] == "monitoring", 10), neutron.log()
    neutron.done()
    assert sent(ufm) == [("POST", "Network", 202)]


def test_rows_are_sent_after_ufm_has_started(ufm: Rig, neutron: Neutron) -> None:
    """Apache answers 503 meanwhile. A running job is polled again or sent again."""
    ufm.admin("PUT", "/faults", json=[{"path": "/cloudx/Network", "job": "Completed", "polls": 9}])
    neutron.event("create_network_precommit", NETWORK)
    assert until(lambda: neutron.journal()[0][2] == "monitoring", 10), neutron.log()
    ufm.admin("DELETE", "/faults")
    ufm.admin("POST", "/restart", json={"starting": 2})
    neutron.event("bind_port", service_port(1, "network:dhcp", "overcloud-controller-0"))
    neutron.done()
    statuses = [entry["status"] for entry in ufm.admin("GET", "/requests").json()]
    assert 503 in statuses
    assert ufm.pkeys("controller-1") == MEMBER


def test_a_refused_connection_orphans_the_row(ufm: Rig, neutron: Neutron) -> None:
    """networking-mlnx 21.0.0 does not catch the error: the row stays `processing` until an operator resets it.

    Additive PKeys of the program do not depend on Neutron's rows.
    """
    ufm.admin("POST", "/stop")
    neutron.event("create_network_precommit", NETWORK)
    assert until(lambda: neutron.journal() == [("POST", "Network", "processing")], 10), neutron.journal()
    ufm.admin("POST", "/start")
    neutron.event("update_network_precommit", {**NETWORK, "id": "another"})
    assert until(lambda: ("PUT", "Network", "completed") in neutron.journal(), 10)
    assert neutron.journal()[0] == ("POST", "Network", "processing"), "UFM answers again, but the row is not sent"
    with closing(sqlite3.connect(neutron.folder / "neutron.sqlite")) as database:
        database.execute("UPDATE sdn_journal SET state='pending' WHERE state='processing'")
        database.commit()
    neutron.done()
    assert "0x65" in ufm.state()["pkeys"]


MAINTENANCE = """\
import sys
from networking_mlnx.db.models.sdn_maintenance_db import SdnMaintenance
from networking_mlnx.journal import cleanup, maintenance
from neutron.db.migration.models import head
from neutron_lib import context
from neutron_lib.db import api
from oslo_config import cfg
cfg.CONF(["--config-file", sys.argv[1]], project="neutron")
head.get_metadata().create_all(api.get_writer_session().get_bind())
with api.CONTEXT_WRITER.using(context.get_admin_context()) as session:
    session.add(SdnMaintenance(state="pending"))  # the lock; Neutron's migration inserts it
thread = maintenance.MaintenanceThread()
thread.register_operation(cleanup.JournalCleanup().cleanup_processing_rows)
thread.execute_ops()
"""


def test_the_maintenance_of_21_0_0_crashes_before_it_resets_a_row(tmp_path: Path) -> None:
    """`_execute_op(self, operation, context)` is decorated, and the decorator takes the operation for a context."""
    configuration = tmp_path / "neutron.conf"
    configuration.write_text(f"[database]\nconnection = sqlite:///{tmp_path}/neutron.sqlite\n")
    command = [str(PYTHON), "-c", MAINTENANCE, str(configuration)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 1
    assert "'method' object has no attribute '_enginefacade_context'" in done.stderr.splitlines()[-1]
