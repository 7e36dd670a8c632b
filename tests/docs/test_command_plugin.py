"""`docs/command-plugin.md` lists pulumi-command's behaviour; each row names an existing test."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (PROJECT / "docs/command-plugin.md").read_text().splitlines()
    if re.match(r"\| S\d", line)
]
TESTS = {
    name
    for file in (*(PROJECT / "engine/command").rglob("*_test.go"), *(PROJECT / "tests/engine_build").glob("test_*.py"))
    for name in re.findall(r"^(?:func|def) ([Tt]est\w+)", file.read_text(), re.MULTILINE)
}


def test_rows_are_numbered_in_order() -> None:
    assert [row[0] for row in ROWS] == [f"S{number}" for number in range(1, len(ROWS) + 1)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_a_source_and_an_existing_test(row: list[str]) -> None:
    _, behaviour, source, test, _ = row
    assert behaviour
    assert re.search(r"`[\w./]+`|seen", source)
    assert re.fullmatch(r"`(\w+)`", test)
    assert test.strip("`") in TESTS


def test_every_tested_difference_is_listed() -> None:
    pinned = re.findall(
        r"^func (Test\w+)", (PROJECT / "engine/command/remote/upstream_test.go").read_text(), re.MULTILINE
    )
    assert pinned
    assert set(pinned) <= {row[3].strip("`") for row in ROWS}
