"""The scripts that the workflows call, with a `pulumi` that records its calls."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.review.record import PREVIEWS, PROJECT

PULUMI = """\
#!/bin/sh
echo "$@" >> {folder}/calls
[ -z "${{PULUMI_SKIP_CONFIRMATIONS-}}" ] || echo "confirmed in advance" >> {folder}/calls
case "$*" in
  *"stack export"*) cat {folder}/state.json ;;
  *) cat {folder}/preview.json 2>/dev/null ;;
esac
exit $(cat {folder}/status)
"""


class Site:
    """A folder for the scripts' output, and the `pulumi` that they call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        tool = folder / "bin/pulumi"
        tool.write_text(PULUMI.format(folder=folder))
        tool.chmod(0o755)
        self.answers("unchanged")

    def answers(self, preview: str, status: int = 0) -> None:
        (self.folder / "preview.json").write_text((PREVIEWS / f"{preview}.json").read_text())
        (self.folder / "status").write_text(str(status))

    def run(self, script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        out = self.folder / "out"
        out.mkdir(exist_ok=True)
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "RACK_OUT": str(out), "PULUMI_SKIP_CONFIRMATIONS": "", **more}
        command = [str(PROJECT / "ci" / script), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    def out(self, name: str) -> str:
        return (self.folder / "out" / name).read_text()

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def committed(folder: Path, name: str, text: str) -> str:
    """Commit a file to a new repository; return the repository's GIT_DIR."""
    folder.mkdir()
    (folder / name).write_text(text)
    author = ["-c", "user.name=site", "-c", "user.email=site@example.org"]
    for words in (["init", "-q"], ["add", name], [*author, "commit", "-q", "-m", "Before the change"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return str(folder / ".git")


def test_a_preview_writes_the_review_in_both_formats(site: Site) -> None:
    site.answers("compute-removed")
    done = site.run("preview.sh", "dev")
    assert done.returncode == 0, done.stderr
    assert site.calls == ["preview --stack dev --json --non-interactive"]
    assert site.out("report.md").startswith("<!-- rack diff: dev -->\n")
    assert json.loads(site.out("report.json"))["counts"]["delete"] == 6


def test_a_preview_fails_for_the_kinds_that_the_site_names(site: Site) -> None:
    site.answers("compute-removed")
    assert site.run("preview.sh", "dev", RACK_FAIL_ON="evict").returncode == 1
    assert "**evict**" in site.out("report.md")
    assert site.run("preview.sh", "dev", RACK_FAIL_ON="reboot").returncode == 0


def test_a_failed_preview_fails_and_its_errors_are_the_review(site: Site) -> None:
    said = {"steps": [], "diagnostics": [{"severity": "error", "message": "error: rack:site: NODE001"}]}
    site.answers("unchanged", status=255)
    (site.folder / "preview.json").write_text(json.dumps(said))
    assert site.run("preview.sh", "dev").returncode == 255
    assert "the preview failed" in site.out("report.md")
    assert "NODE001" in site.out("report.md")


def test_the_commit_before_gives_the_documents_with_secrets(site: Site) -> None:
    before = (PROJECT / "Pulumi.dev.yaml").read_text()
    site.answers("bmc-user")
    git = committed(site.folder / "site", "Pulumi.dev.yaml", before)
    assert site.run("preview.sh", "dev", "HEAD", GIT_DIR=git).returncode == 0
    assert "instackenv.json" in site.out("report.md")
    assert site.out("base.yaml") == before


def test_an_update_plan_goes_from_the_preview_to_the_deployment(site: Site) -> None:
    site.run("preview.sh", "dev", RACK_UPDATE_PLAN="plan.json")
    site.run("deploy.sh", "dev", RACK_UPDATE_PLAN="plan.json")
    assert site.calls == [
        "preview --stack dev --json --non-interactive --save-plan plan.json",
        "up --stack dev --yes --skip-preview --non-interactive --plan plan.json",
    ]


def test_a_deployment_fails_as_pulumi_does(site: Site) -> None:
    site.answers("unchanged", status=3)
    assert site.run("deploy.sh", "dev").returncode == 3


# -- drift. No host answers here, so that something is never looked at; tests/engine has a rack that answers

STATE = {"deployment": {"resources": [{
    "urn": "urn:pulumi:dev::rack::command:remote:Command::step", "type": "command:remote:Command",
    "inputs": {"create": "true", "connection": {"host": "127.0.0.1"}},
}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("preview", "more", "status"),
    [
        ("drift", {}, 1),
        ("drift", {"RACK_DRIFT_FAIL_ON": "broken"}, 1),
        ("unchanged", {}, 3),
    ],
)
def test_drift_fails_the_job_and_is_reported(site: Site, preview: str, more: dict[str, str], status: int) -> None:
    site.answers(preview)
    (site.folder / "state.json").write_text(json.dumps(STATE))
    done = site.run("drift.sh", "dev", PULUMI_SKIP_CONFIRMATIONS="true", **more)
    assert done.returncode == status, done.stderr
    assert done.stdout == site.out("drift.md")
    assert done.stdout.startswith("<!-- rack drift: dev -->\n**dev: ")
    assert "**unknown** SSH as root fails" in done.stdout
    assert ("**broken** PKey" in done.stdout) == (preview == "drift")
    assert json.loads(site.out("drift.json"))["stack"] == "dev"
    (refresh,) = (call for call in site.calls if "refresh" in call)
    assert refresh == "refresh --preview-only --json --non-interactive --stack dev", "and not confirmed in advance"


def test_a_report_that_cannot_be_made_fails_with_its_reason(site: Site) -> None:
    (site.folder / "state.json").write_text('{"deployment": {}}')
    done = site.run("drift.sh", "dev")
    assert done.returncode == 2
    assert "the stack has deployed nothing" in done.stderr
    assert done.stdout == ""
