"""`docs/guide-coverage.md` has each step of the guide once, with its status, and refers to existing files and tests."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
STEPS = {"D": 7, "H": 4, "U": 8, "C": 7, "I": 4, "O": 6, "G": 2, "T": 7, "X": 4, "B": 6}
"""How many steps each chapter of the guide has."""

SHOWN_IN = ("engine", "lab", "onhost", "conformance", "providers")
"""Tests that use the lab's hosts, cloud or UFM, or Wallaby's tools."""

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (PROJECT / "docs/guide-coverage.md").read_text().splitlines()
    if re.match(r"\| [A-Z]\d", line)
]


def test_every_step_is_listed_once_in_order() -> None:
    assert [row[0] for row in ROWS] == [f"{chapter}{n}" for chapter, last in STEPS.items() for n in range(1, last + 1)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_has_a_status_and_existing_references(row: list[str]) -> None:
    _, step, by, state, shown = row
    assert step
    assert re.match(r"(done|partial)\b", state), "write `done`, or `partial` and the missing part"
    assert state.startswith("done") or "missing" in state or ":" in state
    paths = re.findall(r"`([\w/]+(?:\.\w+|/))`", by + shown)
    assert shown.startswith("`tests/"), "name the test that proves it"
    for path in paths:
        assert (PROJECT / path).exists(), path


@pytest.mark.parametrize("row", [row for row in ROWS if row[0][0] != "D"], ids=lambda row: row[0])
def test_a_step_is_done_only_where_the_lab_has_shown_it(row: list[str]) -> None:
    """Design data (D) are shown by the plan. No other step is done because mocks say so."""
    assert row[3].startswith("partial") or re.match(rf"`tests/({'|'.join(SHOWN_IN)})/", row[4])


def test_rules_in_the_table_exist() -> None:
    from rack.rules import RULES

    named = set(re.findall(r"\b[A-Z]{2,4}\d{3}\b", (PROJECT / "docs/guide-coverage.md").read_text()))
    assert named <= {rule.id for rule in RULES}
