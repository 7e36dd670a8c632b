"""The stored record of a host: it survives the keeper, and another version's record is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.addresses import PROJECT
from lab.hosts import HostsPart, state
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.controller import Controller
from lab.hosts.kinds.guest import GuestHost
from lab.hosts.kinds.host import Host
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.state import (
    ComputeState,
    Container,
    HardwareFaults,
    IronicNode,
    PortFaults,
    UfmData,
    UfmState,
    UndercloudLogin,
    UndercloudState,
    Unit,
)
from lab.process import LabError
from rack.plan import Plan
from tests.lab.hosts.conftest import STACK, dev_site

EARLIER = {"power": "on", "hostname": "overcloud-controller-0.localdomain", "units": {}}
"""What the lab stored before records had a schema."""

UFM = UfmState(
    packages=["a"],
    units={"docker": Unit(active=True)},
    containers={"ufm": Container("1", "image", "2", 1.5, 2.5, True, {"/srv": "/opt"}, rm=False, starting=3)},
    ufm=UfmData("/var/ufm_files", None),
    broken_releases=["6.14.5-2"],
)
UNDERCLOUD = UndercloudState(
    login=UndercloudLogin("secret", "https://director:13000"),
    nodes=[IronicNode("compute-1", "uuid", "10.0.0.1", "admin", [{"address": "52:54:00:00:00:21"}], {"profile": "x"})],
    built={"image": ["vm", "cuda"]},
)
COMPUTE = ComputeState(
    powered=True,
    acs={"c1:00.0": 0x5D},
    nova="starting",
    faults=HardwareFaults(bios={"boot_mode": "uefi", "iommu": False}, hca=PortFaults(carrier=False)),
)


@pytest.mark.parametrize("record", [UFM, UNDERCLOUD, COMPUTE], ids=lambda record: type(record).__name__)
def test_a_record_is_read_as_it_was_written(tmp_path: Path, record: state.HostState) -> None:
    file = tmp_path / "new" / state.FILE
    state.save(file, record)
    assert state.load(file, type(record)) == record
    assert file.stat().st_mode & 0o777 == 0o600, "it holds passwords"


@pytest.mark.parametrize("kind", [UfmHost, Undercloud, Controller, Compute, GuestHost])
def test_a_host_without_record_is_in_its_factory_state(tmp_path: Path, kind: type[Host]) -> None:
    assert state.load(tmp_path / state.FILE, kind.state_type) == kind.state_type()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            json.dumps(EARLIER),
            f"another version of the lab wrote it (schema 1, needed: {state.SCHEMA}). Stop the lab",
        ),
        ("{", "it is damaged"),
        ("[]", "it is damaged"),
        (json.dumps({"schema": state.SCHEMA}), "it is not a valid UfmState"),
        (json.dumps({"schema": state.SCHEMA, "state": {"units": 7}}), "it is not a valid UfmState"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / state.FILE
    file.write_text(text)
    with pytest.raises(LabError) as refused:
        state.load(file, UfmState)
    assert str(refused.value).startswith(f"hosts: reading {file}: ")
    assert says in str(refused.value)
    assert "make lab-stop" in str(refused.value)


def earlier_lab(folder: Path) -> Path:
    """A host's folder as an earlier version left it."""
    file = folder / "controller-1" / state.FILE
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(EARLIER))
    return file


def test_the_part_refuses_an_earlier_lab_and_can_stop_it(tmp_path: Path) -> None:
    file = earlier_lab(tmp_path)
    part = HostsPart(Plan(dev_site()), STACK, tmp_path, "tests.lab.hosts.fakes:make")
    with pytest.raises(LabError, match="another version of the lab wrote it"):
        part.start(print)
    assert part.keeper.pid() is None
    part.stop(print)
    assert file.exists()


def test_the_keeper_refuses_an_earlier_lab_without_a_traceback(tmp_path: Path) -> None:
    earlier_lab(tmp_path)
    argv = [
        sys.executable, "-m", "lab.hosts", "--stack", str(STACK), "--folder", str(tmp_path), "--key", "x",
        "--socket", str(tmp_path / "keeper.sock"), "--backends", "tests.lab.hosts.fakes:make",
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"lab.hosts: hosts: reading {tmp_path}/controller-1/state.json: another version")
    assert "Traceback" not in done.stderr
