"""The workers and the requests of the checks, with a worker that needs no Wallaby tools."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rack.__main__ import write_home
from rack.plan import HEAT_TEMPLATES, Plan
from rack.site.load import load_stack_file
from rack.wallaby import checks
from rack.wallaby.branch import SDN
from rack.wallaby.checks import AFTER_RENDERING, CHECKS, CheckRun, ToolError, Workers, run_checks
from rack.wallaby.tools import Tools
from tests.rack.sites import ROOT
from tests.rack.wallaby.test_branch import RELEASED

WORKER = """
import json, os, sys
from pathlib import Path
check = sys.argv[1]
if check == "elements" and Path("{folder}/no-start").exists():
    sys.exit(3)
for line in sys.stdin:
    request = json.loads(line)
    with open("{folder}/requests", "a") as log:
        print(json.dumps([check, os.getpid(), request]), file=log)
    answers = json.loads(Path("{folder}/answers").read_text())
    print(json.dumps(answers.get(check, {{"findings": []}})), flush=True)
"""


class Scene:
    """A worker that logs its requests and gives prepared answers."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        self.folder = folder
        self.workers = workers
        self.answer({})

    def answer(self, answers: dict[str, Any]) -> None:
        (self.folder / "answers").write_text(json.dumps(answers))

    @property
    def requests(self) -> list[tuple[str, int, dict[str, Any]]]:
        log = self.folder / "requests"
        return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []

    def last(self, check: str) -> dict[str, Any]:
        return [request for name, _, request in self.requests if name == check][-1]

    @property
    def plan(self) -> Plan:
        return Plan(load_stack_file(ROOT / "Pulumi.dev.yaml"), "dev")

    def check_run(self, **options: Any) -> CheckRun:
        """A run on the documents of the dev stack, with templates as `rendering` leaves them."""
        home, scratch = self.folder / "home", self.folder / "scratch"
        write_home(self.plan, home)
        (scratch / "templates" / SDN).parent.mkdir(parents=True)
        (scratch / "templates" / SDN).write_text(RELEASED)
        return CheckRun(self.workers, home, self.plan, scratch, **options)

    def backported(self) -> bool:
        return "MlnxSDNToken" in (self.folder / "scratch" / "templates" / SDN).read_text()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    (tmp_path / "serve.py").write_text(WORKER.format(folder=tmp_path))
    monkeypatch.setattr(checks, "INSIDE", tmp_path)
    with Workers(Tools(Path(sys.executable), Path("/released"))) as workers:
        yield Scene(tmp_path, workers)


def test_each_check_has_a_program() -> None:
    inside = Path(checks.__file__).with_name("inside")
    assert len(CHECKS) == 9
    assert all((inside / f"{check}.py").is_file() for check in CHECKS)
    order = list(CHECKS)
    assert order.index("rendering") < min(order.index(check) for check in AFTER_RENDERING)
    assert order.index("templates") < order.index("containers"), "it reports the images that are needed"


def test_a_worker_is_started_once_and_ends_with_the_context(scene: Scene) -> None:
    scene.answer({"nodes": {"findings": [["a", "b"]], "more": 1}})
    assert scene.workers.run("nodes", {"x": 1}) == {"findings": [["a", "b"]], "more": 1}
    scene.workers.run("nodes", {"x": 2})
    scene.workers.run("nics", {"x": 3})
    (first, second, third) = scene.requests
    assert first[1] == second[1] != third[1]
    assert [request[2]["x"] for request in scene.requests] == [1, 2, 3]
    processes = list(scene.workers._processes.values())
    with scene.workers:
        pass
    assert all(process.poll() is not None for process in processes)


def test_a_crash_is_an_error(scene: Scene) -> None:
    scene.answer({"nics": {"crashed": "Traceback\nKeyError: 'x'\n"}})
    with pytest.raises(ToolError, match=r"^nics: Traceback\nKeyError"):
        scene.workers.run("nics", {})
    (problem,) = scene.check_run().findings_or_crash("nics")
    assert str(problem) == f"{CHECKS['nics']}: the tool crashed: KeyError: 'x'"


def test_a_worker_that_does_not_start_is_an_error(scene: Scene) -> None:
    (scene.folder / "no-start").touch()
    with pytest.raises(ToolError, match="elements: the worker did not start"):
        scene.workers.run("elements", {})
    with pytest.raises(ToolError, match="elements: the worker did not start"):
        scene.workers.run("elements", {"text": "x" * 1000000})


def test_findings_are_problems(scene: Scene) -> None:
    scene.answer({"nodes": {"findings": [["instackenv.json", "no address"]]}})
    run = scene.check_run()
    for findings in (run.findings, run.findings_or_crash):
        assert [str(problem) for problem in findings("nodes")] == ["instackenv.json: no address"]


def test_the_request_has_the_files_to_check(scene: Scene) -> None:
    run = scene.check_run()
    run.findings("nodes")
    elements = {image.name: list(image.elements) for image in run.plan.site.images if image.elements}
    assert elements
    assert scene.last("nodes") == {
        "home": str(run.home), "deployment_folder": "templates/IB/VM", "templates": "/released",
        "rendered": str(run.scratch / "templates"), "stack": run.plan.site.cloud.name, "environments": [], "names": [],
        "elements": elements, "commands": [], "needed_images": [],
    }  # fmt: skip


@pytest.mark.parametrize("check", AFTER_RENDERING)
def test_later_checks_get_the_deploy_command_with_local_paths(scene: Scene, check: str) -> None:
    run = scene.check_run()
    run.results["templates"] = {"images": ["ContainerX"]}
    run.findings(check)
    request = scene.last(check)
    rendered = str(run.scratch / "templates")
    assert request["names"][0] == "templates/IB/VM/containers-prepare-parameter-ib-vm.yaml"
    assert request["environments"][0] == f"{run.home}/templates/IB/VM/containers-prepare-parameter-ib-vm.yaml"
    assert request["names"][-1] == f"{HEAT_TEMPLATES}/environments/disable-telemetry.yaml"
    assert request["environments"][-1] == f"{rendered}/environments/disable-telemetry.yaml"
    assert request["needed_images"] == ["ContainerX"]
    ((name, words),) = request["commands"]
    assert (name, words[:5]) == ("deploy.sh", ["openstack", "overcloud", "deploy", "--templates", rendered])
    assert words.count("-e") == len(request["environments"])


def test_an_edited_deploy_command_is_checked(scene: Scene) -> None:
    run = scene.check_run()
    script = run.home / "deploy.sh"
    script.write_text(script.read_text().replace("--network-config", "--other 'two words'"))
    run.findings("commands")
    words = scene.last("commands")["commands"][0][1]
    assert words[words.index("--other") + 1] == "two words"


def test_paths_of_the_undercloud_are_local_ones(scene: Scene) -> None:
    run = scene.check_run()
    assert run.local_path(HEAT_TEMPLATES) == str(run.rendered)
    assert run.local_path(f"{HEAT_TEMPLATES}/x.yaml") == f"{run.rendered}/x.yaml"
    assert run.local_path(f"{HEAT_TEMPLATES}-old/x.yaml") == f"{HEAT_TEMPLATES}-old/x.yaml"
    assert run.local_path("/home/stack/templates/IB/VM/x.yaml") == f"{run.home}/templates/IB/VM/x.yaml"
    assert run.local_path("/home/stack/templates/IB/VMs/x.yaml") == "/home/stack/templates/IB/VMs/x.yaml"


def test_rendered_templates_are_those_of_the_branch(scene: Scene) -> None:
    run = scene.check_run()
    run.findings("nodes")
    assert not scene.backported()
    run.findings("rendering")
    assert scene.backported()


def test_released_templates_stay_as_they_are(scene: Scene) -> None:
    scene.check_run(released_templates=True).findings("rendering")
    assert not scene.backported()


def test_templates_that_were_not_rendered_are_not_changed(scene: Scene) -> None:
    scene.answer({"rendering": {"findings": [["x", "fault"]]}})
    scene.check_run().findings("rendering")
    assert not scene.backported()


def all_checks(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str], Path]:
    """The problems and the log of all checks, and their scratch folder."""
    scratch, log = scene.check_run().scratch, list[str]()
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(scratch))
    problems = run_checks(scene.workers, scene.folder / "home", scene.plan, log.append)
    return [str(problem) for problem in problems], log, scratch


def test_all_checks_run_in_order(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.answer({"nodes": {"findings": [["a", "1"]]}, "containers": {"findings": [["b", "2"]]}})
    problems, log, scratch = all_checks(scene, monkeypatch)
    assert problems == ["a: 1", "b: 2"]
    assert [name for name, _, _ in scene.requests] == list(CHECKS)
    assert log == list(CHECKS.values())
    assert not scratch.exists()


@pytest.mark.parametrize("answer", [{"findings": [["x", "fault"]]}, {"crashed": "died"}])
def test_checks_of_rendered_templates_are_skipped_without_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
) -> None:
    scene.answer({"rendering": answer})
    problems, log, _ = all_checks(scene, monkeypatch)
    assert len(problems) == 1
    assert [name for name, _, _ in scene.requests] == [name for name in CHECKS if name not in AFTER_RENDERING]
    skipped = [f"{CHECKS[name]}: skipped, the templates could not be rendered" for name in AFTER_RENDERING]
    assert log[-3:] == skipped


def test_the_scratch_folder_is_removed_after_an_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(scene.folder / "home", ignore_errors=True)
    monkeypatch.setattr(CheckRun, "findings_or_crash", lambda self, check: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        all_checks(scene, monkeypatch)
    assert not (scene.folder / "scratch").exists()
