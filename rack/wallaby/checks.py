"""The twelve checks' runner: which tool judges what, and the workers in the tools' own virtual environment."""

import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from rack.plan import BUNDLE, Plan
from rack.plan import HEAT_TEMPLATES as STOCK
from rack.tripleo.bundle import HOME
from rack.tripleo.bundle import TEMPLATES as DEPLOYED
from rack.tripleo.check import Problem
from rack.wallaby.branch import backport
from rack.wallaby.tools import Tools

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
"""In the order of work: the last three read what rendering leaves."""

RENDERED = ("commands", "templates", "containers")
"""Pointless without rendered templates."""


class ToolError(Exception):
    """A tool died instead of judging: its traceback."""


Answer = dict[str, Any]


@dataclass
class Wallaby:
    """The tools at work; leaving the context ends their processes and removes what they rendered."""

    tools: Tools
    _workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __enter__(self) -> "Wallaby":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers.values():
            worker.kill()
            worker.communicate()

    def ask(self, check: str, request: Mapping[str, Any]) -> Answer:
        """One check's answer, with its findings under `findings`.

        Raises:
            ToolError: the tool died.
        """
        worker = self._workers.get(check) or self._workers.setdefault(check, self._start(check))
        assert worker.stdin and worker.stdout
        with suppress(BrokenPipeError):
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
        line = worker.stdout.readline()
        answer: Answer = json.loads(line) if line else {"broken": "it could not be started"}
        if "broken" in answer:
            raise ToolError(f"{check}: {answer['broken']}")
        return answer

    def _start(self, check: str) -> "subprocess.Popen[str]":
        command = [str(self.tools.python), str(INSIDE / "serve.py"), check]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )


@dataclass
class Review:
    """One bundle before the tools."""

    wallaby: Wallaby
    bundle: Path
    plan: Plan
    scratch: Path
    released: bool = False
    """The templates as 14.3.0 has them, without MlnxSDNToken, not as the branch has them since."""
    answers: dict[str, Answer] = field(default_factory=dict)

    def findings(self, check: str) -> list[Problem]:
        """What one check finds; `rendering` comes before those that read its work."""
        self.answers[check] = self.wallaby.ask(check, self._request(check))
        if check == "rendering" and not self.released and not self.answers[check]["findings"]:
            backport(self.rendered)
        return [Problem(file, text) for file, text in self.answers[check]["findings"]]

    def judged(self, check: str) -> list[Problem]:
        """As `findings`; a tool that dies of a broken document has found it broken."""
        try:
            return self.findings(check)
        except ToolError as error:
            return [Problem(CHECKS[check], f"could not judge: {str(error).strip().splitlines()[-1]}")]

    @property
    def rendered(self) -> Path:
        return self.scratch / "templates"

    def _request(self, check: str) -> Mapping[str, Any]:
        names = list(self._environments()) if check in RENDERED else []
        return {
            "bundle": str(self.bundle),
            "deployed": DEPLOYED,
            "templates": str(self.wallaby.tools.templates),
            "rendered": str(self.rendered),
            "stack": self.plan.site.cloud.name,
            "environments": [self.here(name) for name in names],
            "names": [name.removeprefix(f"{HOME}/") for name in names],
            "elements": {image.name: image.elements for image in self.plan.site.images if image.elements},
            "lines": [["deploy.sh", [self.here(word) for word in self._words()]]] if check in RENDERED else [],
            "needed": self.answers.get("templates", {}).get("images", []),
        }

    def _words(self) -> list[str]:
        """The deploy command as deploy.sh has it: an edited one is judged as it stands."""
        text = (self.bundle / "deploy.sh").read_text()
        _, _, command = text.partition("\nexec ")
        return shlex.split(command.replace("\\\n", " "))

    def _environments(self) -> Iterator[str]:
        words = self._words()
        return (value for option, value in pairwise(words) if option == "-e")

    def here(self, word: str) -> str:
        """A path of the undercloud as it lies here."""
        if word == STOCK or word.startswith(f"{STOCK}/"):
            return str(self.rendered) + word.removeprefix(STOCK)
        return word.replace(BUNDLE, str(self.bundle / DEPLOYED)) if word.startswith(f"{BUNDLE}/") else word


def review(wallaby: Wallaby, bundle: Path, plan: Plan, say: Callable[[str], None]) -> list[Problem]:
    """Every check on the bundle in a folder, which must be whole; each is told as it begins."""
    scratch = Path(tempfile.mkdtemp(prefix="rack-wallaby-"))
    try:
        work, found = Review(wallaby, bundle, plan, scratch), list[Problem]()
        for check, says in CHECKS.items():
            if check in RENDERED and work.answers.get("rendering", {}).get("findings", True):
                say(f"{says}: not asked, the templates are not rendered")
                continue
            say(says)
            found += work.judged(check)
        return found
    finally:
        shutil.rmtree(scratch)
