"""A sample of `make chaos` on one deployed rack whose secrets are canaries. The seed is fixed."""

import re

import pytest
import yaml

from harness.runs import PROJECT, Operation
from lab.hosts.part import HostsPart
from lab.service import Service
from tests.chaos import canaries, cases, outages
from tests.chaos.canaries import Search
from tests.chaos.conftest import Canary

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(1800)]

OPENSTACK = "openstack:"


def created(canary: Canary, prefix: str) -> list[Operation]:
    """Return the creations of the tenant's layer whose type starts with `prefix`, before the provider's call."""
    return [
        found
        for found in canary.rack.operations
        if found.phase == "pre" and found.name.startswith(("tenant", "external")) and found.type.startswith(prefix)
    ]


def test_an_up_killed_at_an_operation_ends_as_an_undisturbed_one(canary: Canary) -> None:
    """While the `up` that resumes runs, a second `up` and a `destroy` are refused."""
    rack = canary.rack
    rack.remove_tenant()
    last = next(found for found in created(canary, OPENSTACK) if found.name.endswith("-associate"))
    others = [found for found in created(canary, OPENSTACK) if found != last]
    ended = rack.project.up(at=cases.killed_at(cases.sample(others, 1)[0]), each=canary.sampler)
    assert ended.status == -9
    rack.unlock()
    cases.second_engine(rack, last)
    rack.check()


def test_an_up_killed_before_it_sees_an_answer_ends_as_an_undisturbed_one(canary: Canary) -> None:
    canary.rack.remove_tenant()
    assert cases.lost_answer(lambda at: canary.rack.project.up(at=at), "POST", "/ports")
    canary.rack.resume()


def test_an_up_survives_outages_of_all_apis_of_the_cloud(canary: Canary) -> None:
    """One after the other; each lasts until the run has reported it."""
    canary.rack.remove_tenant()
    names = ("tenant-flavor", "tenant-network", "tenant-direct1", "tenant-vm1_gpu")
    outages.survived(canary.rack, dict(zip(names, ("keystone", "neutron", "glance", "nova"), strict=True)), seconds=0)


def test_a_failing_job_shows_no_secret(canary: Canary, lab: tuple[Service, ...]) -> None:
    """The searches below read what it printed. The changed time zone runs the deployment once more."""
    project, before = canary.rack.project, canary.rack.project.file.read_text()
    document = yaml.safe_load(before)
    document["config"]["rack:site"].setdefault("cloud", {})["timezone"] = "Europe/Berlin"
    project.file.write_text(yaml.safe_dump(document))
    (hosts,) = (part for part in lab if isinstance(part, HostsPart))
    hosts.request(op="step_fault", command="overcloud deploy", hold=False, fails=1)
    failed = project.up(each=canary.sampler)
    project.file.write_text(before)
    assert failed.status != 0
    assert "overcloud-deploy failed with status 1" in failed.output
    assert "port 9696 is in use" in failed.output
    canary.rack.resume()


def test_a_wrong_password_fails_and_shows_no_secret(canary: Canary) -> None:
    project, right = canary.rack.project, canary.secrets["ufmPassword"]
    project.configure("ufmPassword", f"{right}wrong")
    refused = project.run("preview", each=canary.sampler)
    project.configure("ufmPassword", right)
    assert refused.status != 0


def test_the_debug_log_of_pulumi_shows_secrets_as_documented(canary: Canary) -> None:
    """It is Pulumi's SDK that prints them; the documentation warns. Nothing of it is kept in `project.log`."""
    run = canary.rack.project.start("preview", "-v=9", "--logtostderr")
    for _ in run.events():
        pass
    run.wait()
    assert Search(canary.secrets).within(run.output.encode())
    assert re.search(r"do not use\s+`-v=9`", (PROJECT / "docs/operations.md").read_text())


def test_no_secret_is_in_a_stream(canary: Canary) -> None:
    log = canary.rack.project.log
    assert "vm1_gpu" in log
    assert Search(canary.secrets).within(log.encode()) == set()


def test_the_events_of_the_engine_show_no_secret_but_the_documented_one(canary: Canary) -> None:
    """Debug messages have nova's answers: docs/operations.md, Debug logs, and tests/engine/test_provider_log.py."""
    events = canary.rack.project.events
    assert b"tenant-key-pair" in events
    assert canaries.leaked_events(events, Search(canary.secrets)) == ["diagnosticEvent debug message: guestKey"]


def test_no_secret_is_in_a_state_file_a_backup_or_the_history(canary: Canary) -> None:
    assert list(canary.rack.project.backend.rglob("*.json"))
    assert canaries.leaked_state(canary.rack.project, Search(canary.secrets)) == []


def test_each_file_of_the_rack_with_a_secret_is_listed_and_closed(canary: Canary) -> None:
    search = Search(canary.secrets)
    assert canaries.leaked_files(search) == []
    assert canaries.unused_places(search) == []


def test_no_secret_is_in_a_command_line_or_environment(canary: Canary) -> None:
    assert canary.sampler.samples > 100
    assert canaries.unlisted(canary.sampler.leaks) == []


def test_a_destroy_killed_at_an_operation_leaves_nothing(canary: Canary) -> None:
    project = canary.rack.project
    deleted = Operation("pre", "delete", cases.sample(created(canary, OPENSTACK), 1, seed=5)[0].name, "")
    ended = project.destroy(at=cases.killed_at(deleted))
    assert ended.status == -9
    canary.rack.unlock()
    assert project.destroy().status == 0
    assert "resources" not in project.state()["deployment"]


def test_a_key_that_ssh_cannot_use_fails_in_the_preview_of_an_empty_rack(canary: Canary) -> None:
    """The last step of a build fetches the image with the program `ssh`, an hour later."""
    agent = canary.rack.project.env.pop("SSH_AUTH_SOCK")
    refused = canary.rack.project.run("preview")
    canary.rack.project.env["SSH_AUTH_SOCK"] = agent
    assert refused.status != 0
    assert "id_canary has a passphrase, and SSH_AUTH_SOCK names no SSH agent" in refused.output
