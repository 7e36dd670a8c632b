"""`python -m rack render` and `python -m rack check`: files, output and exit status."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rack import __main__ as command
from rack.__main__ import main
from rack.plan import Plan
from rack.tripleo.documents import DOCUMENTS, rendered
from rack.tripleo.loaded import ENV, VIPS, Problem
from rack.tripleo.readme import readme
from rack.tripleo.requirements import template_requirements
from rack.wallaby.tools import FOLDER, ToolsError
from tests import yamls
from tests.rack import sites
from tests.rack.rules.cases import RHOSP
from tests.rack.sites import ROOT


def render(out: Path) -> Path:
    assert main(["render", "--stack", "reference", "--out", str(out)]) == 0
    return out


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def stack_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Writes Pulumi.mine.yaml, with edits of the guide's rack, to the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(edits: dict[str, Any]) -> None:
        content = {"config": {"rack:site": sites.document(edits)}}
        Path("Pulumi.mine.yaml").write_text(yamls.dump(content))

    return write


# -- render


def make_folder() -> None:
    Path("ufm-ca").mkdir()


@pytest.mark.parametrize("name", ["render", "check"])
@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: Path("ufm-ca").write_bytes(bytes.fromhex("308201f0a003020102")), "no text; write a file in PEM"),
        (lambda: Path("ufm-ca").write_text("the certificate\n"), "contains no certificate; write a file in PEM format"),
        (make_folder, "no file on this machine; write the path of the file"),
        (lambda: Path("ufm-ca").write_text("-----BEGIN EC PRIVATE KEY-----\n"), "contains a private key; write a file"),
    ],
    ids=["not a text", "not PEM", "a folder", "a private key"],
)
def test_an_authority_that_is_no_certificate_is_reported(
    name: str,
    write: Callable[[], object],
    says: str,
    stack_file: Callable[[dict[str, Any]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack_file({"ufm.caFile": "ufm-ca"})
    write()
    assert main([name, "--stack", "mine", *(["--out", "out"] if name == "render" else [])]) == 1
    error = capsys.readouterr().err
    assert "ufm.caFile: found 'ufm-ca', which" in error
    assert says in error
    assert "Traceback" not in error


def test_every_document_is_rendered_without_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = render(tmp_path / "new" / "out")
    written = {str(p.relative_to(out)): p for p in out.rglob("*") if p.is_file()}
    assert set(written) == {d.path for d in DOCUMENTS} | {"README.md"}
    placeholders = {path for path, p in written.items() if "WRITE-HERE" in p.read_text()} - {"README.md"}
    secret = {d.path for d in DOCUMENTS if d.secret}
    assert placeholders == {*secret, ENV}
    assert all(stat.S_IMODE(written[path].stat().st_mode) == 0o600 for path in secret)
    assert capsys.readouterr().out == (
        f"{out}: 14 files; README.md lists where each file goes\n"
        "secrets to write: WRITE-HERE-ipmiPassword, WRITE-HERE-ufmToken\n"
        "certificate to write: WRITE-HERE-ufmCaFile; UFM's own, which `pulumi up` reads from UFM\n"
    )
    assert subprocess.run(["sh", "-n", out / "deploy.sh"], check=True).returncode == 0


def test_scripts_can_be_run_and_other_files_can_be_read(tmp_path: Path) -> None:
    out = render(tmp_path / "out")
    others = [d.path for d in DOCUMENTS if not d.secret and not d.path.endswith(".sh")]
    assert len(others) == len(DOCUMENTS) - 3
    assert stat.S_IMODE((out / "deploy.sh").stat().st_mode) == 0o755
    assert {stat.S_IMODE((out / path).stat().st_mode) for path in others} == {0o644}


def test_rendering_is_repeatable_and_writes_the_files_that_the_program_ships(tmp_path: Path) -> None:
    one, other = render(tmp_path / "one"), render(tmp_path / "other")
    plan = Plan(sites.plan().site, "reference", command.NO_CA)
    for document in DOCUMENTS:
        assert (one / document.path).read_bytes() == (other / document.path).read_bytes()
        assert (one / document.path).read_text() == rendered(plan)[document.path]
    assert (one / "README.md").read_text() == (other / "README.md").read_text() == readme(plan)


def test_the_certificate_authority_of_ufm_is_rendered_if_its_file_is_there(
    stack_file: Callable[[dict[str, Any]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack_file({"ufm.caFile": "ufm-ca.pem"})
    assert main(["render", "--stack", "mine", "--out", str(tmp_path / "before")]) == 0
    assert "WRITE-HERE-ufmCaFile; ufm-ca.pem (ufm.caFile) is not there\n" in capsys.readouterr().out
    Path("ufm-ca.pem").write_text(sites.CERTIFICATE)
    assert main(["render", "--stack", "mine", "--out", str(tmp_path / "out")]) == 0
    assert "content: |\n        -----BEGIN CERTIFICATE-----\n" in (tmp_path / "out" / ENV).read_text()
    assert "certificate to write" not in capsys.readouterr().out


def test_a_certificate_authority_that_is_not_there_is_not_checked(
    stack_file: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stack_file({"ufm.caFile": "ufm-ca.pem"})
    assert main(["check", "--stack", "mine"]) == 0
    assert (
        "not checked: ufm-ca.pem (ufm.caFile) is not there; --files reports missing files\n" in capsys.readouterr().out
    )
    assert main(["check", "--stack", "mine", "--files"]) == 1
    assert "ufm.caFile: found 'ufm-ca.pem', which is no file on this machine" in capsys.readouterr().out


def test_a_site_that_trusts_the_system_needs_no_certificate_authority(
    stack_file: Callable[[dict[str, Any]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack_file({"ufm.host": sites.DROP})
    assert main(["render", "--stack", "mine", "--out", str(tmp_path / "out")]) == 0
    assert "CAMap" not in (tmp_path / "out" / ENV).read_text()
    assert "certificate to write" not in capsys.readouterr().out


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    assert (render(tmp_path) / "README.md").is_file()


def test_files_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes").touch()
    assert main(["render", "--stack", "reference", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"rack render: found {tmp_path} with files in it; write another --out, or empty it\n"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["notes"]


def test_an_unknown_port_is_an_error_of_the_stack(
    stack_file: Callable[[dict[str, Any]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack_file({"fabric.interface": sites.DROP})
    assert main(["render", "--stack", "mine", "--out", str(tmp_path / "out")]) == 1
    assert "fabric.interface" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["render"], ["render", "--stack", "dev"], ["check"], ["check", "--sta", "dev"], ["other"]]
)
def test_wrong_arguments_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(words)
    assert refused.value.code == 2
    assert "usage: python -m rack" in capsys.readouterr().err


# -- check


@pytest.mark.parametrize("stack", ["dev", "reference"])
def test_the_stacks_in_the_repository_have_no_problems(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--stack", stack]) == 0
    assert capsys.readouterr().out == f"{stack}: no problems (design rules, documents)\n"


def test_check_reports_every_problem_of_an_edited_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = render(tmp_path / "out")
    (out / VIPS).unlink()
    (out / ENV).write_text((out / ENV).read_text().replace("devname", "devnam"))
    assert main(["check", "--stack", "reference", "--dir", str(out)]) == 1
    output = capsys.readouterr().out
    assert f"  - {VIPS}: missing; write it with `python -m rack render` (O1)\n" in output
    assert "NovaPCIPassthrough[0].devnam: unknown key; write devname\n" in output
    assert output.endswith("reference: 2 problems (design rules, documents)\n")


def test_one_problem_is_counted_in_the_singular(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = render(tmp_path / "out")
    (out / VIPS).unlink()
    assert main(["check", "--stack", "reference", "--dir", str(out)]) == 1
    assert capsys.readouterr().out.endswith("reference: 1 problem (design rules, documents)\n")


def test_documents_that_the_site_needs_are_checked(
    stack_file: Callable[[dict[str, Any]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack_file(RHOSP)
    assert main(["render", "--stack", "mine", "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "out/templates/IB/VM/containers-registry-ib-vm.yaml").unlink()
    capsys.readouterr()
    assert main(["check", "--stack", "mine", "--dir", str(tmp_path / "out")]) == 1
    assert "containers-registry-ib-vm.yaml: missing" in capsys.readouterr().out


def test_a_broken_design_rule_is_reported_before_anything_is_rendered(
    stack_file: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stack_file({"networks.control.Storage.vlan": 150})
    assert main(["check", "--stack", "mine"]) == 1
    found = "networks.control.Storage.vlan: found 150 (PKey 0x96), which is in the tenants' range"
    assert f"{found}; write a VLAN outside 101-200 (PKEY002)" in capsys.readouterr().err
    assert main(["check", "--stack", "none"]) == 2
    assert "Pulumi.none.yaml" in capsys.readouterr().err


def test_templates_are_checked_against_the_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--stack", "reference", "--templates", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert f"  - {tmp_path}: no templates of TripleO" in output
    assert output.endswith("reference: 1 problem (design rules, documents, templates)\n")
    assert template_requirements(sites.plan())["parameters"], "what they are checked for"


class FakeWorkers:
    """Stands for the Wallaby tools."""

    def __init__(self, tools: object) -> None:
        self.tools = tools
        self.ended = False

    def __enter__(self) -> "FakeWorkers":
        return self

    def __exit__(self, *error: object) -> None:
        self.ended = True


@pytest.fixture
def deep(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of each run of the Wallaby tools, which find the same problem twice."""
    runs: list[tuple[Any, ...]] = []

    def run_checks(workers: FakeWorkers, home: Path, plan: Plan, log: Callable[[str], None]) -> list[Problem]:
        runs.append((workers, home, plan, (home / "deploy.sh").is_file()))
        log("a check")
        return [Problem("deploy.sh", "unknown option"), Problem("deploy.sh", "unknown option")]

    monkeypatch.setattr(command, "Workers", FakeWorkers)
    monkeypatch.setattr(command, "install", lambda folder, log: folder)
    monkeypatch.setattr(command, "run_checks", run_checks)
    return runs


def test_deep_runs_the_wallaby_tools(deep: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--stack", "reference", "--deep"]) == 1
    ((workers, home, plan, rendered_before),) = deep
    assert (workers.tools, workers.ended, plan.stack, rendered_before) == (FOLDER, True, "reference", True)
    assert not home.exists(), "a scratch folder"
    captured = capsys.readouterr()
    assert captured.err == "a check\n"
    assert captured.out == (
        "  - deploy.sh: unknown option\nreference: 1 problem (design rules, documents, Wallaby's tools)\n"
    )


def test_deep_checks_the_given_folder_and_keeps_it(deep: list[tuple[Any, ...]], tmp_path: Path) -> None:
    out = render(tmp_path / "out")
    assert main(["check", "--stack", "reference", "--dir", str(out), "--deep"]) == 1
    assert [home for _, home, _, _ in deep] == [out]
    assert (out / "README.md").is_file()


def test_the_wallaby_tools_are_not_run_without_all_documents(deep: list[tuple[Any, ...]], tmp_path: Path) -> None:
    out = render(tmp_path / "out")
    (out / VIPS).unlink()
    assert main(["check", "--stack", "reference", "--dir", str(out), "--deep"]) == 1
    assert not deep


def test_the_wallaby_tools_are_run_only_with_deep(deep: list[tuple[Any, ...]]) -> None:
    assert main(["check", "--stack", "reference"]) == 0
    assert not deep


def test_tools_that_cannot_be_installed_are_an_error_of_the_command(
    deep: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(folder: Path, log: Callable[[str], None]) -> None:
        raise ToolsError("uv venv: exit 1")

    monkeypatch.setattr(command, "install", install)
    assert main(["check", "--stack", "reference", "--deep"]) == 2
    assert capsys.readouterr().err == "rack check: uv venv: exit 1\n"


def test_the_module_is_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "rack", "check", "--stack", "dev"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "dev: no problems (design rules, documents)\n"
