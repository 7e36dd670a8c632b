"""What Pulumi's debug log contains: the warning in `docs/operations.md` (Debug logs)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Project

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

CANARY = "debug-log-canary"
PROGRAM = """
import pulumi
from pulumi_command import local

secret = pulumi.Config().require_secret("word")
local.Command("step", create="cat > /dev/null", stdin=secret)
"""


def test_only_the_debug_log_contains_secrets(project: Callable[..., Project]) -> None:
    made = project(__main__=PROGRAM)
    made.run("config", "set", "--secret", "word", CANARY)
    quiet = made.run("up", "--yes", "--skip-preview", "--diff").text
    assert CANARY not in quiet
    assert CANARY not in made.state()
    assert CANARY in made.run("preview", "-v=9", "--logtostderr").text, (
        "if not, Pulumi has changed: correct the warning"
    )


def test_the_warning_names_the_options() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()
    section = page.partition("### Debug logs\n")[2].partition("\n#")[0]
    assert "`-v=9`" in section
    assert "`--logtostderr`" in section
    assert "every secret in plain text" in section
