"""The program that claims, checks and releases a host, run by the shell of this machine in a folder of its own."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from onhost import shipping

TEXT = shipping.shell_program("owner")
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]


@dataclass(frozen=True)
class Stack:
    """A stack that runs steps on a host."""

    folder: Path
    project: str = "rack"
    stack: str = "dev"
    id: str = "1a2b3c4d"
    shell: str = "sh"

    @property
    def mark(self) -> Path:
        return self.folder / "owner.json"

    def run(self, step: str, *more: str) -> "subprocess.CompletedProcess[str]":
        own = (f"PROJECT={self.project}", f"STACK={self.stack}", f"ID={self.id}")
        command = [self.shell, "-s", step, "HOST=undercloud (192.0.2.1)", *own, *more]
        text = TEXT.replace("/var/lib/rack", str(self.folder))
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    def ok(self, step: str, *more: str) -> str:
        done = self.run(step, *more)
        assert (done.returncode, done.stderr.count("\n")) == (0, done.stderr.count("taken from")), done.stderr
        return done.stdout

    def refused(self, step: str, *more: str) -> str:
        """Run a step that must fail, and return its one line of standard error."""
        done = self.run(step, *more)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        return done.stderr


@pytest.fixture(params=SHELLS)
def first(tmp_path: Path, request: pytest.FixtureRequest) -> Stack:
    return Stack(tmp_path / "rack", shell=request.param)


@pytest.fixture
def second(first: Stack) -> Stack:
    return replace(first, stack="copy", id="99999999")


def test_an_unmarked_host_is_claimed_once(first: Stack) -> None:
    said = first.ok("claim")
    mark = json.loads(first.mark.read_text())
    since = mark.pop("since")
    assert mark == {"project": "rack", "stack": "dev", "id": "1a2b3c4d"}
    assert said == f"undercloud (192.0.2.1): owned by rack/dev 1a2b3c4d since {since}\n"
    assert first.mark.stat().st_mode & 0o777 == 0o644
    before = first.mark.stat().st_mtime_ns
    assert first.ok("claim") == said
    assert first.mark.stat().st_mtime_ns == before, "not written again"
    assert [path.name for path in first.folder.iterdir()] == ["owner.json"]


REFUSAL = (
    "undercloud (192.0.2.1): it belongs to stack dev of project rack (ID 1a2b3c4d, since {since}), so {so}; "
    "use that stack, or take the rack over: pulumi config set takeFrom 1a2b3c4d\n"
)
STEPS = {"claim": "nothing was changed", "check": "nothing was deleted", "release": "the mark stays"}


@pytest.mark.parametrize(("step", "so"), STEPS.items(), ids=STEPS)
def test_another_stack_is_told_whose_host_it_is(first: Stack, second: Stack, step: str, so: str) -> None:
    first.ok("claim")
    text = first.mark.read_text()
    assert second.refused(step) == REFUSAL.format(since=json.loads(text)["since"], so=so)
    assert first.mark.read_text() == text


@pytest.mark.parametrize(
    "other",
    [
        lambda stack: replace(stack, id="99999999"),
        lambda stack: replace(stack, stack="copy"),
        lambda stack: replace(stack, project="other"),
    ],
    ids=["ID", "stack", "project"],
)
def test_a_stack_is_known_by_project_stack_and_id(first: Stack, other: Callable[[Stack], Stack]) -> None:
    first.ok("claim")
    for step in STEPS:
        other(first).refused(step)


def test_the_owner_passes_the_check_and_releases_the_host(first: Stack, second: Stack) -> None:
    first.ok("claim")
    first.ok("check")
    first.ok("release")
    assert not first.folder.exists()
    first.ok("release")
    second.ok("claim")


def test_a_host_without_a_mark_passes_the_check(first: Stack) -> None:
    """Its system was installed again, so nothing on it is another stack's."""
    first.ok("check")
    assert not first.folder.exists(), "a check writes nothing"


def test_releasing_keeps_files_of_others(first: Stack) -> None:
    first.ok("claim")
    (first.folder / "other").touch()
    first.ok("release")
    assert [path.name for path in first.folder.iterdir()] == ["other"]


def test_taking_over_needs_the_owner_s_id(first: Stack, second: Stack) -> None:
    first.ok("claim")
    second.refused("claim", "TAKE_FROM=00000000")
    second.refused("claim", "TAKE_FROM=")
    assert "owned by rack/copy 99999999" in second.ok("claim", "TAKE_FROM=1a2b3c4d")
    assert "taken from stack dev of project rack (1a2b3c4d)" in replace(first, stack="new").run(
        "claim", "TAKE_FROM=99999999"
    ).stderr.replace("copy", "dev").replace("99999999", "1a2b3c4d")
    second.refused("check")


def test_the_former_owner_deletes_nothing_any_more(first: Stack, second: Stack) -> None:
    first.ok("claim")
    second.ok("claim", "TAKE_FROM=1a2b3c4d")
    assert "it belongs to stack copy" in first.refused("check")
    first.refused("release")
    assert second.ok("check") == ""


def test_a_host_may_be_taken_over_before_it_is_claimed(first: Stack) -> None:
    """`takeFrom` is for all hosts; a new one among them has no mark."""
    assert "owned by rack/dev" in first.ok("claim", "TAKE_FROM=99999999")


@pytest.mark.parametrize("text", ["", "{}", '{"project": "rack", "stack": "dev", "id": "1a2b3c4d"}'])
def test_a_mark_that_cannot_be_read_is_not_replaced(first: Stack, text: str) -> None:
    first.folder.mkdir()
    first.mark.write_text(text)
    said = first.refused("claim", "TAKE_FROM=")
    assert f"{first.mark} names no owner, so nothing was changed" in said
    assert "delete the file" in said
    assert first.mark.read_text() == text


def test_an_interrupted_claim_leaves_no_half_mark(first: Stack) -> None:
    """The mark is renamed into place: a file from an earlier, interrupted claim is overwritten."""
    first.folder.mkdir()
    (first.folder / "owner.json.new").write_text("{")
    first.ok("claim")
    assert json.loads(first.mark.read_text())["stack"] == "dev"


def test_of_two_stacks_at_once_one_wins(first: Stack, second: Stack) -> None:
    text = TEXT.replace("/var/lib/rack", str(first.folder))
    processes = []
    for stack in (first, second):
        own = (f"PROJECT={stack.project}", f"STACK={stack.stack}", f"ID={stack.id}")
        process = subprocess.Popen(
            [stack.shell, "-s", "claim", "HOST=h", *own],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin
        process.stdin.write(text[:-1])
        process.stdin.flush()
        processes.append(process)
    for process in processes:
        process.communicate(text[-1])
    assert sorted(process.returncode for process in processes) == [0, 1]
    winner = first if processes[0].returncode == 0 else second
    assert json.loads(first.mark.read_text())["id"] == winner.id


@pytest.mark.parametrize("words", [("unknown", "A=1"), ("claim", "no setting")])
def test_wrong_words_are_refused(first: Stack, words: tuple[str, str]) -> None:
    assert first.run(*words).returncode in (1, 2)
    assert not first.folder.exists()
