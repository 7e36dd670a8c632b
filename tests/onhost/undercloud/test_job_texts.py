"""The job runner's texts, character by character."""

import pytest

from onhost.undercloud.job_follow import duration
from onhost.undercloud.job_report import WIDTH, explained, failing_step, printable, shortened, text_lines
from onhost.undercloud.job_runs import valid_name, when


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119.4, "119 s"), (120, "2 min"), (3601, "60 min"), (7290, "122 min")]
)
def test_durations_are_seconds_or_minutes(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_is_cut_to_its_width() -> None:
    assert shortened("x" * WIDTH) == "x" * WIDTH
    assert shortened("x" * (WIDTH + 1)) == "x" * (WIDTH - 2) + " …"


def test_control_characters_are_removed() -> None:
    assert printable(b"\x1b[31mred\x1b[0m\a \xff  ") == "red \ufffd"
    assert text_lines(b"one  \n\n \t\n\x1b[0m two\n") == ["one", " two"]


def test_times_are_utc() -> None:
    assert when(0) == "1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("name", "valid"), [("a", True), ("a-1._B", True), ("-a", False), ("a/b", False), ("a\n", False)]
)
def test_a_job_name_must_be_a_folder_name(name: str, valid: bool) -> None:
    assert valid_name(name) == valid


def test_a_log_without_a_failure_is_shown_by_its_last_lines() -> None:
    lines = [f"line {number}" for number in range(30)]
    assert failing_step(lines) == lines[-24:]


def test_a_long_step_is_cut_in_its_middle() -> None:
    lines = ["TASK [a]", "fatal: [host]: FAILED!", *(f"  {number}" for number in range(40)), "end 1", "end 2"]
    shown = failing_step(lines)
    assert shown[:3] == ["TASK [a]", "fatal: [host]: FAILED!", "  0"]
    assert shown[16:] == ["  14", "… 25 lines more", "end 1", "end 2"]


def test_a_module_s_answer_is_shown_as_message_and_end_of_output() -> None:
    answer = '{"msg": "non-zero\\n return", "stderr": "1\\n2\\n3\\n4\\n\\n5", "stdout": "out"}'
    assert explained(f"fatal: [host]: FAILED! => {answer}") == [
        "fatal: [host]: FAILED!: non-zero return", "    3", "    4", "    5",
    ]  # fmt: skip
    assert explained('failed | error={"msg": "m", "stdout": "out"}') == ["failed: m", "    out"]
    assert explained("fatal: [host]: FAILED! => {broken}") == ["fatal: [host]: FAILED! => {broken}"]
    assert explained('fatal => {"rc": 1}') == ['fatal => {"rc": 1}']


def test_a_failure_in_the_first_line_needs_no_heading() -> None:
    lines = ["ERROR! no such playbook", "  at line 1", "end"]
    assert failing_step(lines) == lines
