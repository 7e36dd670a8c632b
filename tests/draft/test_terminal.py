"""`rack new` on a terminal: questions, proposals, answers that are asked again, secrets, an interruption."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rack.__main__ import main
from rack.site.load import load_stack_file
from tests.rack.sites import ROOT

pytestmark = pytest.mark.slow  # The command starts in a second, and has forty questions.

SECONDS = 60
"""Limit for the next output on a busy machine."""
KNOWN: dict[str, str] = {
    # part of a question → answer; other questions get an empty line, which takes the proposal
    "networks.provisioning.dns": "192.168.24.250",
    "networks.provisioning.ntp": "192.168.24.251",
    "networks.external.cidr": "10.0.0.0/24",
    "networks.external.vlan": "10",
    "ufm.host.guid": "b8599f0300b00001",
    "fabric.switch.name": "qm8700",
    "fabric.switch.guid": "b8599f0300a00000",
    "fabric.interface": "ib2",
    "Number of controllers": "1",
    "nodes[0].mac": "3c:ec:ef:00:00:11",
    "nodes[1].mac": "3c:ec:ef:00:00:21",
    "nodes[2].mac": "3c:ec:ef:00:00:22",
    "nodes[0].ipmi.address": "192.168.23.11",
    "nodes[1].ipmi.address": "192.168.23.21",
    "nodes[2].ipmi.address": "192.168.23.22",
    "nodes[0].guid": "b8599f0300b00011",
    "nodes[1].guid": "b8599f0300b00041",
    "nodes[2].guid": "b8599f0300b00051",
}


class Terminal:
    """The other end of the terminal on which `rack new` runs."""

    def __init__(self, end: int, process: "subprocess.Popen[bytes]") -> None:
        self._end = end
        self.process = process
        self.said = ""

    def until(self, *endings: str) -> str:
        """Return what the program says until it ends with one of these, or has ended."""
        begin, deadline = len(self.said), time.monotonic() + SECONDS
        while not self.said[begin:].endswith(endings):
            if not select.select([self._end], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no answer within {SECONDS} s: {self.said[begin:]!r}")
            try:
                self.said += os.read(self._end, 4096).decode().replace("\r\n", "\n")
            except OSError:  # The program has ended.
                break
        return self.said[begin:]

    def type(self, text: str) -> None:
        os.write(self._end, f"{text}\n".encode())

    def answer(self, answers: dict[str, list[str]]) -> None:
        """Answer every question: with the next of `answers`, with what is `KNOWN`, or with an empty line."""
        for _ in range(120):
            question = self.until(": ")
            if not question.endswith(": "):
                return
            last = question.rpartition("\n")[2]
            own = next((given for part, given in answers.items() if part in last and given), None)
            self.type(own.pop(0) if own else next((text for part, text in KNOWN.items() if part in last), ""))
        raise AssertionError(f"asks without an end: {self.said[-600:]}")

    def key(self, byte: bytes) -> None:
        os.write(self._end, byte)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "rack", "new", "--stack", "mine", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # A test run in the background has SIGINT ignored, which its children would inherit.
    shell = ["/usr/bin/env", "--default-signal=INT", "setsid", "--ctty", "--wait", *command]
    with subprocess.Popen(shell, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            process.kill()
            os.close(ours)


@pytest.fixture
def without_pulumi(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    (programs / "setsid").symlink_to("/usr/bin/setsid")
    monkeypatch.setenv("PATH", str(programs))


@pytest.mark.usefixtures("without_pulumi")
def test_questions_make_a_valid_file(folder: Path) -> None:
    with terminal() as shown:
        shown.answer({})
        assert shown.process.wait(SECONDS) == 0
    assert "Address range of the provisioning network (networks.provisioning.cidr) [192.168.24.0/24]: " in shown.said
    assert (
        "Addresses for provisioning, START-END (networks.provisioning.dhcp) [192.168.24.50-192.168.24.99]: "
        in shown.said
    )
    assert "Pulumi.mine.yaml: written; 3 nodes" in shown.said
    assert main(["check", "--stack", "mine"]) == 0
    assert [node.name for node in load_stack_file(folder / "Pulumi.mine.yaml").nodes] == [
        "controller-1", "compute-1", "compute-2",
    ]  # fmt: skip


@pytest.mark.usefixtures("without_pulumi")
def test_a_wrong_answer_is_explained_and_asked_again(folder: Path) -> None:
    with terminal() as shown:
        shown.answer(
            {
                "networks.external.vlan": ["5000", "10"],
                "networks.control.InternalApi.vlan": ["11", "12"],
                "networks.provisioning.dns": ["", "192.168.24.250"],
                "nodes[1].mac": ["3c:ec:ef:00:00:11", "3c:ec:ef:00:00:21"],
                "Number of controllers": ["2", "1"],
                "Does this program install": ["maybe", "yes"],
            }
        )
        assert shown.process.wait(SECONDS) == 0
    for explanation in (
        "  networks.external.vlan: found 5000; write a whole number from 1 to 4094\n",
        "(PKEY001)\n",
        "  write a value\n",
        "  found '2'; write a number\n",
        "  found 'maybe'; write yes or no\n",
        "nodes[1].mac: ",
    ):
        assert explanation in shown.said, explanation
    assert load_stack_file(folder / "Pulumi.mine.yaml").networks.external.vlan == 10


@pytest.mark.usefixtures("without_pulumi")
def test_an_interruption_keeps_the_answers(folder: Path) -> None:
    with terminal() as shown:
        shown.until("[root]: ")
        shown.type("operator")
        shown.until("[~/.ssh/id_ed25519]: ")
        shown.key(b"\x03")
        shown.until("never ends with this")
        assert shown.process.wait(SECONDS) == 1
    assert "rack new: interrupted; no file was written\nthe answers so far are in answers.mine.yaml" in shown.said
    assert not (folder / "Pulumi.mine.yaml").exists()
    with terminal("--ask", "--answers", "answers.mine.yaml") as shown:
        shown.answer({})
        assert shown.process.wait(SECONDS) == 0
    assert "[root]" not in shown.said
    assert load_stack_file(folder / "Pulumi.mine.yaml").ssh.user == "operator"


PULUMI = """\
#!/bin/sh
echo "pulumi $*" >> calls
case "$*" in config*) cat >> values; echo >> values;; esac
"""


def test_secrets_go_to_pulumi_on_its_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bin").mkdir()
    (folder / "bin/pulumi").write_text(PULUMI)
    (folder / "bin/pulumi").chmod(0o755)
    (folder / "licence").write_text("canary-licence")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    with terminal() as shown:
        shown.answer(
            {
                "Set them now": ["yes"],
                "ufmPassword": ["canary_one"],
                "File of UFM's licence": ["missing", "licence"],
                "ipmiPassword": ["canary_two"],
            }
        )
        assert shown.process.wait(SECONDS) == 0
    calls = (folder / "calls").read_text()
    assert calls.splitlines() == [
        "pulumi stack select --create mine",
        "pulumi config set --stack mine --secret ufmPassword",
        "pulumi config set --stack mine --secret ufmLicense",
        "pulumi config set --stack mine --secret ipmiPassword",
    ]
    assert (folder / "values").read_text().split() == ["canary_one", "canary-licence", "canary_two"]
    assert "canary" not in shown.said + calls + (folder / "Pulumi.mine.yaml").read_text()
