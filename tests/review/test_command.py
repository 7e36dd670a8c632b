"""`python -m rack diff`."""

import io
import json
import sys
from pathlib import Path

import pytest
import yaml

from rack.__main__ import FORMATS, KINDS, main
from review.effects import EFFECTS
from review.preview import ask
from tests.review.record import PREVIEWS, STACK

pytestmark = pytest.mark.fast


def shown(capsys: pytest.CaptureFixture[str], name: str, *more: str, status: int = 0) -> str:
    """Return what `rack diff` prints of a recorded preview."""
    assert main(["diff", "--stack=dev", f"--preview={PREVIEWS / name}.json", *more]) == status
    return capsys.readouterr().out


def test_the_kinds_of_the_command_are_those_of_the_report() -> None:
    assert tuple(EFFECTS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_exit_status_tells_whether_a_named_kind_of_interruption_was_found(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    found = json.loads(shown(capsys, "image-recipe", "--format=json"))["effects"]
    kinds = {effect["kind"] for effect in found}
    assert "replace" in kinds
    shown(capsys, "image-recipe", f"--fail-on={kind}", status=1 if kind in kinds else 0)


def test_an_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--stack=dev", "--fail-on=evict,explode"]) == 2
    assert "found explode; write some of replace, delete, evict" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_names_the_interruption(capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert "VM vm1_gpu is rebuilt from another image" in shown(capsys, "image-recipe", f"--format={form}")


def test_the_preview_is_read_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO((PREVIEWS / "unchanged.json").read_text()))
    assert main(["diff", "--stack=dev", "--preview=-"]) == 0
    assert "no changes" in capsys.readouterr().out


def test_a_document_with_a_secret_is_compared_with_the_stack_file_before(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A property with a secret is wholly `[secret]` in the preview: only the two stack files show the rest."""
    stack = yaml.safe_load(STACK.read_text())
    (tmp_path / "before.yaml").write_text(yaml.safe_dump(stack))
    stack["config"]["rack:site"]["nodes"][0]["ipmi"]["user"] = "operator"
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump(stack))
    monkeypatch.chdir(tmp_path)
    text = shown(capsys, "bmc-user", "--base=before.yaml")
    assert "/home/stack/instackenv.json" in text
    assert '+      "pm_user": "operator",' in text
    assert "WRITE-HERE-ipmiPassword" in text
    hidden = shown(capsys, "bmc-user")
    assert "operator" not in hidden
    assert "it contains a secret; --base FILE" in hidden


def test_a_missing_pulumi_is_explained(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["diff", "--stack=dev"]) == 2
    assert 'found no `pulumi` on PATH; run: eval "$(make -s env)"' in capsys.readouterr().err


def test_pulumi_is_asked_for_a_preview_that_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "pulumi"
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ask("prod", refresh=False)[0].split() == [
        "preview", "--json", "--non-interactive", "--stack", "prod"
    ]  # fmt: skip
    assert ask("prod", refresh=True)[0].startswith("refresh --preview-only --json")


def test_a_failed_preview_shows_the_errors_of_its_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"steps": [], "diagnostics": [{"severity": "error", "message": "error: NODE001 (D1)"}]}
    tool = tmp_path / "pulumi"
    tool.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'; echo noise >&2; exit 255\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(["diff", "--stack=dev"]) == 2
    text = capsys.readouterr().out
    assert "dev: the preview failed" in text
    assert "NODE001 (D1)" in text
    assert "noise" not in text


def test_a_failure_without_json_shows_what_pulumi_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "pulumi"
    tool.write_text("#!/bin/sh\necho 'error: no stack named x' >&2; exit 255\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(["diff", "--stack=x"]) == 2
    assert "printed no preview: error: no stack named x" in capsys.readouterr().err
