"""A stack file of `rack new` passes the check with Wallaby's own tools."""

from pathlib import Path

import pytest

from rack.__main__ import main
from tests import yamls
from tests.draft.test_command import ANSWERS, NODES


def test_a_new_stack_passes_the_deep_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nodes.csv").write_text(NODES)
    (tmp_path / "answers.yaml").write_text(yamls.dump(ANSWERS))
    assert main(["new", "--stack", "mine", "--answers", "answers.yaml", "--nodes", "nodes.csv"]) == 0
    assert main(["check", "--stack", "mine", "--deep"]) == 0
    assert "mine: no problems (design rules, documents, Wallaby's tools)" in capsys.readouterr().out
