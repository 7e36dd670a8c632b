"""`docs/real-rack.md` has each place where the lab was kinder than a rack, with existing tests that show it."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (PROJECT / "docs/real-rack.md").read_text().splitlines()
    if re.match(r"\| [RP]\d", line)
]
REFERENCE = re.compile(r"`([\w./]+)(?:::(\w+))?`")


def test_every_place_is_listed_once_in_order() -> None:
    assert [row[0] for row in ROWS] == [*(f"R{n}" for n in range(1, 22)), *(f"P{n}" for n in range(1, 12))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_existing_tests(row: list[str]) -> None:
    _, there, does, tests = row
    assert there
    assert does
    references = REFERENCE.findall(tests)
    assert references
    assert re.sub(REFERENCE, "", tests).strip(" ,") == "", "write `path::name`, …"
    for path, name in references:
        text = (PROJECT / path).read_text()
        tested = re.findall(r"^(?:def|func) ([Tt]est\w+)|^(test_\w+) =", text, re.MULTILINE)
        names = {one or other for one, other in tested}
        assert name in names if name else names, f"{path} has no test {name}"
