"""Which mutants are made, in which order, which tests run on them, and what the list of survivors has to contain."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from onhost import shipping
from tests.mutation.__main__ import TIMEOUT, Selection, judge, killer, listed_survivors, summary
from tests.mutation.children import lines_of
from tests.mutation.mutants import Mutant, candidates, mutant_of

SOURCE = """
LIMIT = 3


def within(value: int | None, factor: int = 2) -> bool | None:
    if value is None:
        return None
    return value < LIMIT * factor and not value == 0
"""


def mutants(text: str) -> list[Mutant]:
    found = [mutant_of(candidate, text) for candidate in sorted(candidates("rack/a.py", text))]
    return [mutant for mutant in found if mutant]


def test_every_place_gets_one_change() -> None:
    found = mutants(SOURCE)
    assert {mutant.before for mutant in found} == {
        "LIMIT = 3",
        "def within(value: int | None, factor: int = 2) -> bool | None:",
        "if value is None:",
        "return value < LIMIT * factor and not value == 0",
    }
    assert all(mutant.source != SOURCE for mutant in found)


def test_annotations_stay() -> None:
    assert all("value: int | None" in mutant.source and "-> bool | None" in mutant.source for mutant in mutants(SOURCE))


def test_the_order_does_not_depend_on_other_lines() -> None:
    moved = SOURCE.replace("LIMIT = 3", "OTHER = 4\nLIMIT = 3").replace("\n\n\ndef", "\n\n\n\n\ndef")
    known = [mutant.key for mutant in mutants(SOURCE)]
    assert [mutant.key for mutant in mutants(moved) if mutant.key in known] == known


def test_a_mutant_is_python() -> None:
    for mutant in mutants(SOURCE):
        compile(mutant.source, "mutant", "exec")


MUTANT = Mutant("rack/a.py", 5, "return a < b", "return a <= b", "")


def test_a_new_survivor_is_a_problem() -> None:
    (problem,) = judge({MUTANT: True}, {})
    assert problem.startswith("rack/a.py:5: no fast test notices this change")
    assert judge({MUTANT: True}, {MUTANT.key: "equivalent: a is never b"}) == []
    assert judge({MUTANT: False}, {}) == []


def test_a_listed_mutant_that_is_killed_is_a_problem() -> None:
    (problem,) = judge({MUTANT: False}, {MUTANT.key: "equivalent: a is never b"})
    assert "listed in survivors.toml, but killed" in problem


def test_a_listed_mutant_that_was_not_tried_is_none() -> None:
    """The time may end before it, and another part of the code may be asked for."""
    assert judge({}, {MUTANT.key: "equivalent: a is never b"}) == []


def test_equivalent_mutants_do_not_count() -> None:
    other = Mutant("rack/a.py", 6, "return 1", "return 2", "")
    results = {MUTANT: True, other: False}
    assert "all        2 mutants, 1 equivalent, 1 of 1 killed: 100.0 %" in summary(
        results, {MUTANT.key: "equivalent: …"}
    )
    assert "all        2 mutants, 0 equivalent, 1 of 2 killed: 50.0 %" in summary(results, {MUTANT.key: "a log line"})


def test_a_mutant_gets_the_tests_of_its_line() -> None:
    slow, fast = "tests/rack/test_a.py::test_slow", "tests/rack/test_a.py::test_fast"
    lines = {
        ("rack/a.py", 1): frozenset({"", slow}),
        ("rack/a.py", 2): frozenset({slow, fast}),
        ("rack/a.py", 3): frozenset({slow}),
        ("rack/program.py", 1): frozenset({""}),
    }
    beside, other = "tests/rack/test_b.py::test", "tests/lab/test_b.py::test"
    tests = Selection(lines, {slow: 2.0, fast: 0.1, beside: 0.2, other: 0.1})
    assert tests.of("rack/a.py", 3) == [slow]
    assert tests.of("rack/a.py", 2) == [fast, slow]
    assert tests.of("rack/a.py", 1) == [fast, beside, slow], "an import executes the line"
    assert tests.of("rack/program.py", 1) == [fast, beside, slow]
    assert tests.of("rack/a.py", 4) == [fast, beside, slow], "it may run in a process that is not measured"
    assert tests.of("rack/inner/b.py", 1) == [fast, beside, slow], "tests/rack/inner does not exist"


def test_the_tests_of_the_file_run_first_and_then_those_of_its_directory() -> None:
    slow, fast, more = (f"tests/rack/{name}" for name in ("test_a.py::slow", "test_a.py::fast", "test_a_more.py::more"))
    beside, other = "tests/rack/test_ab.py::beside", "tests/lab/test_b.py::other"
    lines = {("rack/a.py", 2): frozenset({slow, other, fast, beside, more})}
    tests = Selection(lines, {slow: 2.0, fast: 0.1, more: 3.0, beside: 0.01, other: 0.01})
    assert tests.stages("rack/a.py", 2) == [[fast, slow, more], [beside], [other]]


class Machine:
    """Runs the test of a file `a.py`: it fails on BROKEN and takes as long as `seconds` says."""

    def __init__(self, tree: Path, seconds: Callable[[str], float]) -> None:
        self.tree, self.seconds = tree, seconds
        self.limits: list[float] = []

    def run(self, tests: Sequence[str], seconds: float) -> int:
        self.limits.append(seconds)
        text = (self.tree / "a.py").read_text()
        return TIMEOUT if self.seconds(text) > seconds else int(text == "BROKEN")

    def failed(self) -> str:
        return "FAILED test"


ONE_TEST = Selection({("a.py", 1): frozenset({"tests/test_a.py::test"})}, {"tests/test_a.py::test": 1.0})


@pytest.mark.parametrize(
    ("text", "seconds", "killed_by", "limits"),
    [
        ("BROKEN", lambda _: 1, "FAILED test", [20.0]),
        ("SAME", lambda _: 1, None, [20.0]),
        ("HANGS", lambda text: math.inf if text == "HANGS" else 1, "the limit of 20 s", [20.0, 10.0]),
        ("SAME", lambda _: 30, None, [20.0, 10.0, 40.0]),  # a busy machine: the unchanged code takes as long
        ("BROKEN", lambda _: 70, "FAILED test", [20.0, 10.0, 40.0, 20.0, 80.0]),
        ("HANGS", lambda text: math.inf if text == "HANGS" else 15, "the limit of 40 s", [20.0, 10.0, 40.0, 20.0]),
    ],
)
def test_a_mutant_is_killed_by_time_only_where_the_unchanged_code_takes_less(
    tmp_path: Path, text: str, seconds: Callable[[str], float], killed_by: str | None, limits: list[float]
) -> None:
    (tmp_path / "a.py").write_text("SAME AS EVER")
    machine = Machine(tmp_path, seconds)
    assert killer(Mutant("a.py", 1, "", "", text), tmp_path, ONE_TEST, machine) == killed_by
    assert machine.limits == limits
    assert (tmp_path / "a.py").read_text() == "SAME AS EVER"


def test_another_seed_takes_other_mutants() -> None:
    assert {(c.line, c.operator, c.occurrence) for c in candidates("rack/a.py", SOURCE, "one")} != {
        (c.line, c.operator, c.occurrence) for c in candidates("rack/a.py", SOURCE, "two")
    }


def test_every_listed_survivor_has_a_reason() -> None:
    assert all(len(reason) > len("equivalent: ") for reason in listed_survivors().values())


def test_a_shipped_program_s_lines_are_those_of_its_modules(tmp_path: Path) -> None:
    program = tmp_path / "rack-job"
    program.write_text(shipping.program("undercloud.job"))
    folder = Path(shipping.__file__).with_name("undercloud")
    shipped = program.read_text().splitlines()
    found = list(lines_of(program, folder))
    for number, module, place in found:
        assert (folder / module).read_text().splitlines()[place - 1] == shipped[number - 1]
    lines = {(module, place) for _, module, place in found}
    for module in ("job.py", "job_runs.py", "job_start.py", "job_follow.py", "job_report.py", "common.py"):
        source = (folder / module).read_text().splitlines()
        assert (module, 1 + next(i for i, line in enumerate(source) if line.startswith("def "))) in lines
