"""Code that all programs share, without a host: progress, polling on a simulated clock, commands, records."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhost.undercloud import common
from onhost.undercloud.common import (
    Fault,
    Progress,
    Unavailable,
    Wait,
    execute,
    growing,
    poll,
    read_record,
    refuse,
    some,
    write_record,
)


class Clock:
    """A clock that advances only while the program sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(common, "time", clock := Clock())
    return clock


# -- texts


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, ""),
        (1, "0"),
        (6, "0; 1; 2; 3; 4; 5"),
        (7, "0; 1; 2; 3; 4; 5; and 1 more"),
        (9, "0; 1; 2; 3; 4; 5; and 3 more"),
    ],
)
def test_some_cuts_a_list_of_more_than_six(count: int, text: str) -> None:
    assert some([str(n) for n in range(count)]) == text


def test_refuse_raises_one_fault_with_all_lines() -> None:
    refuse("nothing is wrong", [])
    with pytest.raises(Fault, match=r"\Athese are wrong:\n  a\n  b\Z"):
        refuse("these are wrong:", ["a", "b"])


def test_progress_repeats_an_unchanged_line_after_its_interval(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(60)
    for after, text in ((0, "a"), (60, "a"), (0.5, "a"), (0, "b"), (0, "a"), (59, "a")):
        clock.now += after
        progress.tell(text)
    assert capsys.readouterr().err == "a\na\nb\na\n"


# -- polling


@given(first=st.floats(0.01, 10), factor=st.floats(1, 100))
def test_pauses_grow_by_a_quarter_up_to_the_longest(first: float, factor: float) -> None:
    longest = first * factor
    pauses = list(itertools.islice(growing([first, longest]), 40))
    assert pauses[0] == first
    for before, after in itertools.pairwise(pauses):
        assert after == min(before * 1.25, longest)


def test_a_poll_ends_once_nothing_is_missing(clock: Clock) -> None:
    answers, told = [["a", "b"], ["b"], []], list[list[str]]()
    assert poll(lambda: answers.pop(0), (1, 10), clock.now + 100, told.append) == []
    assert (told, clock.slept) == ([["a", "b"], ["b"]], [1, 1.25])


def test_a_poll_without_time_asks_once(clock: Clock) -> None:
    told = list[list[str]]()
    assert poll(lambda: ["a"], (1, 10), clock.now, told.append) == ["a"]
    assert (told, clock.slept) == ([], [])


def test_a_poll_never_sleeps_beyond_its_end(clock: Clock) -> None:
    assert poll(lambda: ["a"], (1, 10), clock.now + 2, lambda lines: None) == ["a"]
    assert clock.slept == [1, 1]


def test_a_poll_does_not_sleep_after_an_answer_beyond_its_end(clock: Clock) -> None:
    def told(lines: list[str]) -> None:
        clock.now += 5

    assert poll(lambda: ["a"], (1, 10), clock.now + 2, told) == ["a"]
    assert clock.slept == [0.0]


def test_a_wait_that_times_out_lists_what_is_missing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    wait = Wait(90, (1, 10), "\nlook there")
    with pytest.raises(Fault, match=r"\Atimed out after 1.5 minutes:\n  a\n  b\nlook there\Z"):
        wait.until(lambda: ["a", "b"])
    assert wait.expired()
    assert clock.now == 190
    assert capsys.readouterr().err.splitlines() == ["waiting: a; b"] * 2


def test_a_wait_retries_while_a_service_is_unavailable(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[Unavailable | list[str]] = [Unavailable("UFM answers 503"), []]

    def missing() -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    Wait(90, (1, 10), "").until(missing)
    assert capsys.readouterr().err == "waiting: UFM answers 503\n"


def test_a_wait_keeps_its_deadline_until_more_time_is_allowed(clock: Clock) -> None:
    wait = Wait(10, (1, 10), "")
    clock.now += 9.5
    assert not wait.expired()
    clock.now += 0.5
    assert wait.expired()
    wait.allow(5)
    assert not wait.expired()
    with pytest.raises(Fault, match=r"timed out after 0\.0833333 minutes"):
        wait.until(lambda: ["a"])


# -- commands


def test_a_command_gets_its_input_and_its_output_is_captured() -> None:
    done = execute(["sh", "-c", "cat; echo said >&2; exit 3"], "given")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"given", b"said\n")


def test_a_shown_command_prints_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    done = execute(["sh", "-c", "echo out; echo err >&2"], shown=True)
    assert not done.stdout
    assert not done.stderr
    out, err = capfd.readouterr()
    assert (out, sorted(err.split())) == ("", ["err", "out"])


# -- records


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "nodes.json"
    assert read_record(file) == {}
    for record in ({"compute-1": {"role": "Compute"}}, {}):
        write_record(file, record)
        assert read_record(file) == record
    assert [path.name for path in tmp_path.iterdir()] == ["nodes.json"]
