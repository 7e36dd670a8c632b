"""The running fabric: ibsim, OpenSM and their controller, inspected with infiniband-diags."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lab.addresses import PROJECT
from lab.fabric.client import FabricClient, FabricError
from lab.fabric.service import FabricService
from lab.fabric.tools import Diagnostics
from lab.process import LabError, Process, until
from tests.lab.fabric.rig import GUIDS, fat_tree, rack, silent, started

pytestmark = pytest.mark.lab

DEFAULT = "management=0x7fff,ipoib:ALL=full;\n"
VF_GUID = "0xfa163e0000aabbcc"


def names(diagnostics: Diagnostics) -> set[str]:
    return {port.name for port in diagnostics.ports()}


def by_name(service: FabricService, name: str) -> Process:
    return next(process for process in service.processes() if process.name == name)


def test_only_the_manager_is_linked_at_first(service: FabricService, diagnostics: Diagnostics) -> None:
    assert [(p.name, p.guid) for p in diagnostics.ports()] == [("ufm", GUIDS["ufm"])]
    assert [n["name"] for n in service.client.nodes() if n["linked"]] == ["qm8700", "ufm"]
    assert diagnostics.pkeys(GUIDS["ufm"]) == {0xFFFF}


def test_a_linked_host_is_found_with_its_guid_at_full_speed(service: FabricService, diagnostics: Diagnostics) -> None:
    service.client.link("compute-1")
    found = {port.name: port for port in diagnostics.ports()}
    assert found["compute-1"].guid == GUIDS["compute-1"]
    line = next(line for line in diagnostics.ibnetdiscover().splitlines() if '# "compute-1" lid' in line)
    assert re.match(r"\[4\]", line), "the switch port is the plan's"
    assert line.endswith("4xHDR")
    node = next(n for n in service.client.nodes() if n["name"] == "compute-1")
    assert (node["linked"], node["lid"]) == (True, found["compute-1"].lid)


def test_an_unlinked_host_disappears_and_keeps_its_lid(service: FabricService, diagnostics: Diagnostics) -> None:
    service.client.link("compute-1")
    before = {port.name: port.lid for port in diagnostics.ports()}
    service.client.unlink("compute-1")
    assert names(diagnostics) == {"ufm"}
    service.client.unlink("compute-1")
    service.client.link("compute-1")
    service.client.link("compute-1")
    assert {port.name: port.lid for port in diagnostics.ports()} == before


def test_partitions_are_programmed_when_the_call_returns(service: FabricService, diagnostics: Diagnostics) -> None:
    service.client.link("controller-1")
    service.client.link("compute-1")
    service.client.partitions(
        f"{DEFAULT}tenant=0x65,ipoib:\n{GUIDS['controller-1']}=full,\n{GUIDS['compute-1']}=limited;\n"
        f"first=0x66,indx0:\n{GUIDS['compute-1']}=full;\n"
    )
    assert diagnostics.pkeys(GUIDS["controller-1"]) == {0xFFFF, 0x8065}
    assert diagnostics.pkeys(GUIDS["compute-1"]) == {0xFFFF, 0x0065, 0x8066}
    assert "0: 0x8066" in diagnostics.run("smpquery", "-G", "pkeys", GUIDS["compute-1"], "1").splitlines()[0]


def test_partitions_are_programmed_for_a_host_linked_later(service: FabricService, diagnostics: Diagnostics) -> None:
    service.client.partitions(f"{DEFAULT}tenant=0x65:\n{GUIDS['compute-2']}=full;\n")
    service.client.link("compute-2")
    assert diagnostics.pkeys(GUIDS["compute-2"]) == {0xFFFF, 0x8065}


def test_a_file_that_opensm_refuses_keeps_the_previous_one(service: FabricService, diagnostics: Diagnostics) -> None:
    good = f"{DEFAULT}tenant=0x65:\n{GUIDS['ufm']}=full;\n"
    service.client.partitions(good)
    with pytest.raises(FabricError, match="PARSE ERROR"):
        service.client.partitions(f"{good}tenant=0x66:;\n0xb8599f0300b00011=full;\n")
    assert diagnostics.pkeys(GUIDS["ufm"]) == {0xFFFF, 0x8065}


def group(folder: Path, host: str, pkey: int) -> dict[str, int]:
    """Return the partition's IPoIB broadcast group as the subnet administrator shows it to a member."""
    mgid = f"ff12:401b:{pkey | 0x8000:x}::ffff:ffff"
    record = Diagnostics(folder, host).run("saquery", "MCMR", "--mgid", mgid)
    fields = {name.lower(): int(value, 16) for name, value in re.findall(r"(mtu|rate|SL)\.+(0x\w+)", record)}
    return {name: value & 0x3F for name, value in fields.items()}  # The upper two bits are the selector "exactly".


def test_group_settings_apply_when_the_group_is_created_and_when_opensm_starts(
    service: FabricService, folder: Path, diagnostics: Diagnostics
) -> None:
    service.client.link("compute-1")
    pids = [service.client.ping()["opensm"]]

    def partitions(flags: str, **options: bool) -> dict[str, int]:
        service.client.partitions(f"{DEFAULT}tenant=0x65,ipoib,{flags}:\n{GUIDS['compute-1']}=full;\n", **options)
        assert diagnostics.pkeys(GUIDS["compute-1"]) == {0xFFFF, 0x8065}
        pids.append(service.client.ping()["opensm"])
        return group(folder, "compute-1", 0x65)

    lids = {port.name: port.lid for port in diagnostics.ports()}
    assert partitions("rate=17,mtu=5,sl=3") == {"rate": 17, "mtu": 5, "sl": 3}
    assert partitions("rate=16,mtu=4,sl=4") == {"rate": 17, "mtu": 5, "sl": 3}
    assert partitions("rate=16,mtu=4,sl=4", restart=True) == {"rate": 16, "mtu": 4, "sl": 4}
    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert [process.pid() for process in service.processes() if process.name == "opensm"] == [pids[3]]
    assert {port.name: port.lid for port in diagnostics.ports()} == lids


def test_hosts_come_up_while_opensm_restarts(service: FabricService, diagnostics: Diagnostics) -> None:
    hosts = ("controller-1", "controller-2", "compute-1", "compute-2")
    text = f"{DEFAULT}tenant=0x65:\n" + ",\n".join(f"{GUIDS[host]}=full" for host in hosts) + ";\n"
    with ThreadPoolExecutor() as pool:
        restarts = [pool.submit(service.client.partitions, text, restart=True) for _ in range(4)]
        links = [pool.submit(service.client.link, host) for host in hosts]
        for future in links + restarts:
            future.result()
    assert {port for host in hosts for port in diagnostics.pkeys(GUIDS[host])} == {0xFFFF, 0x8065}


def test_a_vf_gets_the_guid_of_its_vm(service: FabricService, diagnostics: Diagnostics) -> None:
    service.client.partitions(f"{DEFAULT}tenant=0x65:\n{VF_GUID}=full;\n")
    service.client.link("compute-1")
    service.client.plug("compute-1", 1, VF_GUID)
    service.client.plug("compute-1", 1, VF_GUID)
    assert {(p.name, p.guid) for p in diagnostics.ports()} >= {("compute-1-vf-1", VF_GUID)}
    assert diagnostics.pkeys(VF_GUID) == {0xFFFF, 0x8065}
    vf = next(n for n in service.client.nodes() if n["port_guid"] == VF_GUID)
    assert (vf["kind"], vf["vf_of"], vf["vf_index"], vf["linked"]) == ("vf", "compute-1", 1, True)

    service.client.plug("compute-1", 1, "fa163e0000aabbdd")
    assert diagnostics.pkeys("fa163e0000aabbdd") == {0xFFFF}
    service.client.plug("compute-2", 0, VF_GUID)
    assert diagnostics.pkeys(VF_GUID) == {0xFFFF, 0x8065}, "the VM has moved to another host"

    service.client.unplug("compute-1", 1)
    service.client.unplug("compute-1", 1)
    assert "compute-1-vf-1" not in names(diagnostics)


def test_a_vf_is_linked_only_with_its_host(service: FabricService, diagnostics: Diagnostics) -> None:
    service.client.plug("compute-1", 0, VF_GUID)
    assert names(diagnostics) == {"ufm", "compute-1", "compute-1-vf-0"}, "plugging a VF also links its host"
    service.client.unlink("compute-1")
    assert names(diagnostics) == {"ufm"}, "unlinking a host also unlinks its VFs"


def test_invalid_requests_are_refused(service: FabricService) -> None:
    client = service.client
    client.plug("compute-1", 0, VF_GUID)
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: client.link("nobody"), "no host"),
        (lambda: client.link("compute-1-vf-0"), "no host"),
        (lambda: client.unlink("ufm"), "cannot unlink ufm: OpenSM runs there"),
        (lambda: client.plug("compute-1", 9, VF_GUID), "no VF 9"),
        (lambda: client.plug("controller-1", 0, VF_GUID), "no VF 0"),
        (lambda: client.plug("compute-1", 1, "ib0"), "is not a GUID"),
        (lambda: client.plug("compute-2", 1, VF_GUID), "compute-1-vf-0 already has GUID"),
        (lambda: client._call("explode"), "unknown operation"),
        (lambda: client._call("link"), "missing a required argument"),
    ]
    for call, complaint in refusals:
        with pytest.raises(FabricError, match=complaint):
            call()


def test_invalid_json_on_the_socket_is_answered(service: FabricService, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(folder / "control.sock"))
        connection.sendall(b"link compute-1\n")
        assert b"error" in connection.makefile("rb").readline()
    service.client.ping()


def test_all_pkeys_equals_the_tables_that_smpquery_reads(service: FabricService, diagnostics: Diagnostics) -> None:
    for host in ("controller-1", "compute-1"):
        service.client.link(host)
    service.client.partitions(f"{DEFAULT}tenant=0x65:\n{GUIDS['controller-1']}=limited;\n")
    tables = diagnostics.all_pkeys()
    assert tables == {GUIDS[host]: diagnostics.pkeys(GUIDS[host]) for host in ("ufm", "controller-1", "compute-1")}
    assert 0x0065 in tables[GUIDS["controller-1"]]
    assert diagnostics.all_pkeys([GUIDS["ufm"]]) == {GUIDS["ufm"]: {0xFFFF}}


def test_programs_wait_for_a_free_connection_and_killed_programs_release_theirs(
    service: FabricService, diagnostics: Diagnostics, folder: Path
) -> None:
    """saquery waits for a stopped OpenSM and is killed after 0.2 s. ibsim does not notice killed programs itself."""
    opensm = service.client.ping()["opensm"]
    os.kill(opensm, signal.SIGSTOP)
    try:
        for _ in range(12):
            with pytest.raises(LabError, match=r"did not end within|connect failed"):
                diagnostics.run("saquery", "-t", "60000", "NR", seconds=0.2)
    finally:
        os.kill(opensm, signal.SIGCONT)
    with ThreadPoolExecutor(12) as pool:
        tables = list(pool.map(lambda _: diagnostics.pkeys(GUIDS["ufm"]), range(16)))
    assert tables == [{0xFFFF}] * 16


def test_a_second_start_changes_nothing(service: FabricService) -> None:
    before = service.client.ping()
    service.start(silent)
    assert service.client.ping() == before


def test_state_survives_a_restart(service: FabricService, diagnostics: Diagnostics) -> None:
    service.client.partitions(f"{DEFAULT}tenant=0x65:\n{VF_GUID}=full;\n")
    service.client.link("controller-2")
    service.client.plug("compute-1", 0, VF_GUID)
    lids = {port.name: port.lid for port in diagnostics.ports()}
    service.stop(silent)
    service.start(silent)
    assert {port.name: port.lid for port in diagnostics.ports()} == lids
    assert diagnostics.pkeys(VF_GUID) == {0xFFFF, 0x8065}


def test_another_topology_keeps_common_hosts_linked(
    service: FabricService, diagnostics: Diagnostics, folder: Path
) -> None:
    service.client.link("compute-1")
    service.client.link("compute-2")
    smaller = rack()
    smaller = replace(smaller, hcas=tuple(h for h in smaller.hcas if "compute-2" not in (h.name, h.vf_of)))
    other = FabricService(smaller, folder)
    before = service.client.ping()["ibsim"]
    other.start(silent)
    assert names(diagnostics) == {"ufm", "compute-1"}
    assert other.client.ping()["ibsim"] != before


@pytest.mark.parametrize("victim", ["ibsim", "opensm"])
def test_a_crash_is_reported_and_repaired(service: FabricService, diagnostics: Diagnostics, victim: str) -> None:
    service.client.link("compute-1")
    pid = by_name(service, victim).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: by_name(service, "fabric").crashed(), 10)
    assert {p.name for p in service.processes() if p.crashed()} == {"fabric", victim}, (
        "the controller stops the other process"
    )
    assert f"{victim} ended with status -9" in by_name(service, "fabric").tail()
    assert by_name(service, victim).tail()
    with pytest.raises(FabricError, match="does not answer"):
        service.client.nodes()
    service.start(silent)
    assert names(diagnostics) == {"ufm", "compute-1"}
    assert not [p.name for p in service.processes() if p.crashed()]


def test_children_end_with_a_killed_controller(service: FabricService) -> None:
    pids = [process.pid() for process in service.processes()]
    assert None not in pids
    os.kill(pids[0] or 0, signal.SIGKILL)
    assert until(lambda: not [p for p in service.processes() if p.pid() is not None], 10)


def test_stop_leaves_no_process_and_no_file(service: FabricService, folder: Path) -> None:
    service.stop(silent)
    assert [p.name for p in service.processes() if p.pid() is not None or p.crashed()] == []
    assert not list(folder.glob("*.sock")) + list(folder.glob("sys-*")) + list(folder.glob("*.pid"))
    service.stop(silent)


def test_a_failed_start_reports_the_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = folder.parent / "bin"
    programs.mkdir()
    (programs / "ibsim").write_text("#!/bin/sh\necho no fabric today >&2\nexit 3\n")
    (programs / "ibsim").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    service = FabricService(rack(), folder)
    with pytest.raises(LabError, match="ibsim has ended"):
        service.start(silent)
    assert "no fabric today" in by_name(service, "ibsim").tail()
    service.stop(silent)


def test_two_fabrics_are_independent(service: FabricService, diagnostics: Diagnostics, tmp_path: Path) -> None:
    other = started(tmp_path / "other")
    try:
        other.client.link("compute-1")
        assert names(Diagnostics(tmp_path / "other")) == {"ufm", "compute-1"}
        assert names(diagnostics) == {"ufm"}
    finally:
        other.stop(silent)


def test_the_command_line_lists_nodes_and_runs_diagnostics(service: FabricService, tmp_path: Path) -> None:
    def fabric(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "lab.fabric", *arguments],
            env={**os.environ, "RACK_LAB_DIR": str(tmp_path)},
            cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    fabric("link", "compute-1")
    assert re.search(r"host +compute-1 +0xb8599f0300b00031 qm8700\[4\] +linked", fabric("nodes"))
    assert '# "compute-1" lid' in fabric("run", "ibnetdiscover")
    assert "0xffff" in fabric("smpquery", "pkeys", "compute-1")
    fabric("unlink", "compute-1")
    assert [n["name"] for n in service.client.nodes() if n["linked"]] == ["qm8700", "ufm"]


def test_the_client_imports_nothing_of_the_project(service: FabricService, folder: Path, tmp_path: Path) -> None:
    """nova's virt driver loads the client by its path in another virtual environment."""
    source = PROJECT / "lab" / "fabric" / "client.py"
    program = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('client', {str(source)!r})\n"
        "client = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(client)\n"
        f"client.FabricClient({str(folder / 'control.sock')!r}).plug('compute-1', 0, {VF_GUID!r})\n"
        "assert not [name for name in sys.modules if name.startswith(('lab', 'requests', 'pydantic'))]\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, check=True, timeout=60)
    assert VF_GUID in [node["port_guid"] for node in service.client.nodes()]


def test_eight_hundred_hosts_are_linked_and_programmed(tmp_path: Path) -> None:
    """The scaled design (guide step D2): all hosts linked, one partition with all of them, all tables read back."""
    fabric = fat_tree(40, 20, 20)
    service = started(tmp_path / "fabric", fabric)
    try:
        with ThreadPoolExecutor(100) as pool:
            list(pool.map(service.client.link, [hca.name for hca in fabric.hcas]))
        members = ",\n".join(f"{hca.port_guid}=full" for hca in fabric.hcas)
        service.client.partitions(f"{DEFAULT}all=0x65,ipoib:\n{members};\n")
        tables = Diagnostics(tmp_path / "fabric").all_pkeys()
        assert len(tables) == 800
        assert {frozenset(table) for table in tables.values()} == {frozenset({0xFFFF, 0x8065})}
        assert len(FabricClient(tmp_path / "fabric" / "control.sock").trunks()) == 800
    finally:
        service.stop(silent)
