"""The error messages that `docs/operations.md` quotes exist in the code."""

import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = ("components", "onhost", "providers", "rack")
ERRORS = (PROJECT / "docs/operations.md").read_text().partition("\n## Errors\n")[2].partition("\n## ")[0]
MESSAGES = [
    message
    for row in ERRORS.splitlines()
    if row.startswith("| `")
    for message in re.findall(r"`([^`]*…[^`]*|[^`]*;[^`]*)`", row.split(" | ")[0])
    if not message.startswith("400 ")  # a message of nova
]
VARIABLE = r"…|\d+|\S*-\d\S*|\S+_gpu\S*|overcloud-deploy|\b(?:no|fail|ACTIVE)\b|[(),:;]"
"""Text that differs from case to case, and punctuation."""


@cache
def code() -> str:
    """Return the text of the programs, with adjacent string literals joined."""
    files = (file for folder in SOURCES for file in sorted((PROJECT / folder).rglob("*")))
    texts = (file.read_text() for file in files if file.suffix in (".py", ".sh"))
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))


def test_the_page_quotes_messages() -> None:
    assert len(MESSAGES) > 15


@pytest.mark.parametrize("message", MESSAGES)
def test_the_longest_literal_part_of_each_message_is_in_the_code(message: str) -> None:
    parts = [part.strip() for part in re.split(VARIABLE, message)]
    assert max(parts, key=len) in code()
