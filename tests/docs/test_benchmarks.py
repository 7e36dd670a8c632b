"""Each table of benchmarks/results.md says what was measured: date, commit and machine."""

import re
import subprocess

import pytest

from benchmarks.__main__ import RESULTS, machine

MEASURED = re.compile(r"\d{4}-\d\d-\d\d, commit `[0-9a-f]{7,}`, \d+ cores \w+, Python 3\.[\d.]+")
SECTIONS = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", RESULTS.read_text(), re.DOTALL)


@pytest.mark.parametrize(("name", "text"), SECTIONS, ids=[name for name, _ in SECTIONS])
def test_a_table_names_date_commit_and_machine(name: str, text: str) -> None:
    assert MEASURED.search(" ".join(text.split()))


def test_every_table_is_in_a_section() -> None:
    outside = re.sub(r"<!-- (\w+) -->\n.*?<!-- /\1 -->", "", RESULTS.read_text(), flags=re.DOTALL)
    assert SECTIONS
    assert "|" not in outside


def test_a_new_table_names_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git is not asked: a copy of the tree may have no repository."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "3ae922a\n"))
    assert MEASURED.fullmatch(machine())
