"""`node.py` without a node: what it ships to the shell, and how it ends."""

import io
import sys
from pathlib import Path

import pytest

from onhost.undercloud import node
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import NodeOrder, SshAccess, encode
from onhost.undercloud.shell import Unreachable

ORDER = NodeOrder(
    name="compute-1", address="192.0.2.21", host_key=" 192.0.2.21 ssh-ed25519 AAAA\n\n",
    ssh=SshAccess("tripleo-admin", 22, "cloud"), create="cat >made", delete="rm made", given="it's",
)  # fmt: skip


class Shell:
    """A node's shell whose scripts end with `error`, if there is one."""

    error: Exception | None = None
    calls: list[str]

    def __init__(self, name: str, address: str, access: SshAccess, folder: str) -> None:
        assert (name, address, access) == (*ORDER[:2], ORDER.ssh)
        assert Path(folder, "known_hosts").read_text() == "192.0.2.21 ssh-ed25519 AAAA\n"

    def run(self, script: str) -> str:
        self.calls.append(script)
        if self.error:
            raise self.error
        return "done\n"

    def close(self) -> None:
        self.calls.append("close")


def main(monkeypatch: pytest.MonkeyPatch, verb: str, error: Exception | None = None) -> tuple[int, list[str]]:
    calls = list[str]()
    monkeypatch.setattr(Shell, "error", error)
    monkeypatch.setattr(Shell, "calls", calls, raising=False)
    monkeypatch.setattr(node, "Shell", Shell)
    monkeypatch.setattr(sys, "argv", ["node.py", verb])
    monkeypatch.setattr(sys, "stdin", io.StringIO(encode(ORDER)))
    return node.main(), calls


@pytest.mark.parametrize(
    ("verb", "script"),
    [("create", """printf %s 'it'"'"'s' | sh -c 'cat >made'"""), ("delete", "printf %s '' | sh -c 'rm made'")],
)
def test_each_verb_runs_its_script_and_prints_its_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, script: str
) -> None:
    assert main(monkeypatch, verb) == (0, [script, "close"])
    assert capsys.readouterr() == ("done\n", "")


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_a_failed_script_prints_the_reason_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    status, calls = main(monkeypatch, verb, Fault("compute-1: no such disk"))
    assert (status, calls[-1]) == (1, "close")
    assert capsys.readouterr() == ("", "compute-1: no such disk\n")


@pytest.mark.parametrize(
    ("verb", "status", "advice"),
    [("create", 1, ""), ("delete", 0, "nothing was undone there; if the node still exists, undo it by hand\n")],
)
def test_an_unreachable_node_fails_only_create(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, status: int, advice: str
) -> None:
    assert main(monkeypatch, verb, Unreachable("compute-1 cannot be reached by SSH: refused"))[0] == status
    assert capsys.readouterr() == ("", f"compute-1 cannot be reached by SSH: refused\n{advice}")
