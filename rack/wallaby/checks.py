"""The checks of rendered documents with the Wallaby tools, run by workers in the tools' virtual environment.

A worker is a process that runs one check (`inside/serve.py`). It is started at first use and answers any number of
requests, because importing the tools takes seconds.
"""

import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from rack.plan import DEPLOY_FOLDER, HEAT_TEMPLATES, Plan
from rack.tripleo.documents import DEPLOY_PATH, HOME
from rack.tripleo.loaded import Problem
from rack.wallaby.branch import backport
from rack.wallaby.tools import Log, Tools

INSIDE = Path(__file__).with_name("inside")

CHECKS: Mapping[str, str] = {
    "undercloud": "undercloud.conf by tripleoclient's options and preflight (C2)",
    "nodes": "instackenv.json by tripleo-common (C6)",
    "networks": "networks and nodes by tripleo-ansible's schemas (O1)",
    "nics": "NIC templates by Ansible's templar and os-net-config (O2)",
    "elements": "image elements by diskimage-builder (G1, G2)",
    "rendering": "TripleO's templates, rendered with roles and networks (O1)",
    "commands": "the deploy command by tripleoclient (O5)",
    "templates": "the whole overcloud by the Heat engine (O1, O3, O4)",
    "containers": "container preparation by tripleo-common (C3)",
}
"""Module in `inside/` → what it checks, in the order of execution."""

AFTER_RENDERING = ("commands", "templates", "containers")
"""The checks that read rendered templates. `containers` also reads the result of `templates`."""


class ToolError(Exception):
    """A tool crashed before it could judge the documents. The text ends with the traceback."""


Result = dict[str, Any]
"""The answer of a check: `findings`, a list of [file, text], and values of its own."""


@dataclass
class Workers:
    """The running workers, one per check. Leaving the context ends them."""

    tools: Tools
    _processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes.values():
            process.kill()
            process.communicate()

    def run(self, check: str, request: Mapping[str, Any]) -> Result:
        """Return the result of one check.

        Raises:
            ToolError: the tool crashed, or the worker did not start.
        """
        worker = self._processes.get(check) or self._processes.setdefault(check, self._start(check))
        assert worker.stdin
        assert worker.stdout
        with suppress(BrokenPipeError):
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
        line = worker.stdout.readline()
        result: Result = json.loads(line) if line else {"crashed": "the worker did not start"}
        if "crashed" in result:
            raise ToolError(f"{check}: {result['crashed']}")
        return result

    def _start(self, check: str) -> "subprocess.Popen[str]":
        command = [str(self.tools.python), str(INSIDE / "serve.py"), check]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )


@dataclass
class CheckRun:
    """The checks of the documents in one folder."""

    workers: Workers
    home: Path
    """The folder, laid out like the home directory of the user stack."""
    plan: Plan
    scratch: Path
    """Receives the rendered templates."""
    released_templates: bool = False
    """Whether to check against the templates of release 14.3.0, which lack MlnxSDNToken, not those of the branch."""
    results: dict[str, Result] = field(default_factory=dict)

    def findings(self, check: str) -> list[Problem]:
        """Return the problems that one check finds. Run `rendering` before the checks that need its result.

        Raises:
            ToolError: the tool crashed.
        """
        self.results[check] = self.workers.run(check, self._request(check))
        if check == "rendering" and not self.released_templates and not self.results[check]["findings"]:
            backport(self.rendered)
        return [Problem(file, text) for file, text in self.results[check]["findings"]]

    def findings_or_crash(self, check: str) -> list[Problem]:
        """Return the problems that one check finds. A crash, which an invalid document can cause, is a problem too."""
        try:
            return self.findings(check)
        except ToolError as error:
            return [Problem(CHECKS[check], f"the tool crashed: {str(error).strip().splitlines()[-1]}")]

    @property
    def rendered(self) -> Path:
        """The folder of the rendered templates."""
        return self.scratch / "templates"

    def _request(self, check: str) -> Mapping[str, Any]:
        names = list(self._environments()) if check in AFTER_RENDERING else []
        words = [self.local_path(word) for word in self._words()] if check in AFTER_RENDERING else []
        return {
            "home": str(self.home),
            "deployment_folder": DEPLOY_PATH,
            "templates": str(self.workers.tools.templates),
            "rendered": str(self.rendered),
            "stack": self.plan.site.cloud.name,
            "environments": [self.local_path(name) for name in names],
            "names": [name.removeprefix(f"{HOME}/") for name in names],
            "elements": {image.name: image.elements for image in self.plan.site.images if image.elements},
            "commands": [["deploy.sh", words]] if words else [],
            "needed_images": self.results.get("templates", {}).get("images", []),
        }

    def _words(self) -> list[str]:
        """Return the words of the deploy command in deploy.sh, which may have been edited."""
        text = (self.home / "deploy.sh").read_text()
        _, _, command = text.partition("\nexec ")
        return shlex.split(command.replace("\\\n", " "))

    def _environments(self) -> Iterator[str]:
        return (value for option, value in pairwise(self._words()) if option == "-e")

    def local_path(self, word: str) -> str:
        """Return the local path of a file that the word names on the undercloud, or the word if it is no such path."""
        if word == HEAT_TEMPLATES or word.startswith(f"{HEAT_TEMPLATES}/"):
            return str(self.rendered) + word.removeprefix(HEAT_TEMPLATES)
        if word.startswith(f"{DEPLOY_FOLDER}/"):
            return str(self.home / DEPLOY_PATH) + word.removeprefix(DEPLOY_FOLDER)
        return word


def run_checks(workers: Workers, home: Path, plan: Plan, log: Log) -> list[Problem]:
    """Run all checks on the documents in a folder, which must contain every document, and return the problems.

    Args:
        workers: the workers to use.
        home: the folder.
        plan: the plan that the documents were rendered from.
        log: receives the name of each check before it starts.
    """
    scratch = Path(tempfile.mkdtemp(prefix="rack-wallaby-"))
    try:
        run, found = CheckRun(workers, home, plan, scratch), list[Problem]()
        for check, description in CHECKS.items():
            if check in AFTER_RENDERING and run.results.get("rendering", {}).get("findings", True):
                log(f"{description}: skipped, the templates could not be rendered")
                continue
            log(description)
            found += run.findings_or_crash(check)
        return found
    finally:
        shutil.rmtree(scratch)
