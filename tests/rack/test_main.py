"""`python -m rack render` and `check`: what they write, what they say, and their exit status."""

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from rack import tripleo
from rack.__main__ import main
from rack.plan import Plan
from rack.site.load import parse
from rack.tripleo.check import check
from rack.tripleo.documents import DOCUMENTS, rendered
from rack.tripleo.header import HEADER, body, digest
from rack.tripleo.loaded import ENV, VIPS
from rack.tripleo.readme import readme
from tests.rack import sites
from tests.rack.sites import ROOT, documents


def render(out: Path) -> Path:
    assert main(["render", "--stack", "reference", "--out", str(out)]) == 0
    return out


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_bundle_is_whole_and_holds_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = render(tmp_path / "new" / "out")
    written = {str(p.relative_to(out)): p for p in out.rglob("*") if p.is_file()}
    assert set(written) == {d.path for d in DOCUMENTS} | {"README.md"}
    secret = {path for path, p in written.items() if "WRITE-HERE" in p.read_text()} - {"README.md"}
    assert secret == {d.path for d in DOCUMENTS if d.secret}
    assert all(stat.S_IMODE(written[path].stat().st_mode) == 0o600 for path in secret)
    assert "secrets to write: WRITE-HERE-ipmiPassword, WRITE-HERE-ufmToken" in capsys.readouterr().out
    assert subprocess.run(["sh", "-n", out / "deploy.sh"], check=True).returncode == 0


def test_it_is_the_same_every_time_and_what_the_program_ships(tmp_path: Path) -> None:
    one, other = render(tmp_path / "one"), render(tmp_path / "other")
    for document in DOCUMENTS:
        assert (one / document.path).read_bytes() == (other / document.path).read_bytes()
    assert (one / "README.md").read_text() == (other / "README.md").read_text()


def test_files_are_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes").touch()
    assert main(["render", "--stack", "reference", "--out", str(tmp_path)]) == 2
    assert "with files in it; write another --out" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["notes"]


def test_the_readme_shows_the_pkey_plan() -> None:
    text = readme(sites.plan())
    assert "| InternalApi | 12 | `0xc` | every node, full |" in text
    assert "| tenants | 101-200 | `0x65`-`0xc8` |" in text
    assert '& compute-2 --- pkey0(["InternalApi 0xc"])' in text


@pytest.mark.parametrize("stack", ["dev", "reference"])
def test_check_is_content_with_the_stacks_that_come_along(stack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--stack", stack]) == 0
    assert capsys.readouterr().out == f"{stack}: no problems (design rules, documents)\n"


def test_check_tells_every_problem_of_an_edited_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = render(tmp_path / "out")
    (out / VIPS).unlink()
    (out / ENV).write_text((out / ENV).read_text().replace("devname", "devnam"))
    assert main(["check", "--stack", "reference", "--dir", str(out)]) == 1
    said = capsys.readouterr().out
    assert f"  - {VIPS}: missing; write it with `python -m rack render` (O1)\n" in said
    assert "NovaPCIPassthrough[0].devnam: unknown key; write devname\n" in said
    assert said.endswith("reference: 2 problems (design rules, documents)\n")


def test_a_broken_site_is_told_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    site = sites.document({"networks.control.Storage.vlan": 150})
    Path("Pulumi.mine.yaml").write_text(yaml.safe_dump({"config": {"rack:site": site}}))
    assert main(["check", "--stack", "mine"]) == 1
    assert (
        "networks.control.Storage.vlan: found 150 (PKey 0x96), which is in the tenants' range; "
        "write a VLAN outside 101-200 (PKEY002)" in capsys.readouterr().err
    )
    assert main(["check", "--stack", "none"]) == 2
    assert "Pulumi.none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.path)
@pytest.mark.parametrize("text", ["", "3", "[]", "[3]", "{}", "a: [", "parameter_defaults: 3", "- name: [x]", "\0"])
def test_whatever_a_document_holds_it_is_told_and_nothing_breaks(document: Any, text: str, tmp_path: Path) -> None:
    out = render(tmp_path / "out")
    (out / document.path).write_text(text)
    problems = check(out)
    judged_by_tools_alone = document.path.endswith((".j2", ".sh", ".conf")) or "/" not in document.path
    assert judged_by_tools_alone or problems


# -- headers


def test_every_document_but_the_inventory_says_where_it_comes_from() -> None:
    for path, text in rendered(Plan(sites.plan().site, "site")).items():
        lines = text.splitlines(keepends=True)
        head = next((line for line in lines[:2] if HEADER.fullmatch(line)), "")
        assert bool(head) != path.endswith(".json")
        assert not head or "stack site," in head


def test_a_header_changes_with_its_own_documents_content_alone() -> None:
    before, after = (rendered(sites.plan(edits)) for edits in ({}, {"compute.vfs": 16}))
    assert {path for path in before if before[path] != after[path]} == {"templates/IB/VM/compute-ib-vm-nics.j2"}


@given(documents())
def test_the_stacks_name_deploys_nothing(written: dict[str, Any]) -> None:
    site = parse(written)
    one, other = (tripleo.ib_env(Plan(site, name)) for name in ("one", "other"))
    assert one != other and body(one) == body(other) and digest(one) == digest(other)


def test_a_token_leaves_no_trace_in_the_header() -> None:
    one, other = (tripleo.ml2_sdn(sites.plan(), token) for token in ("one", "other"))
    assert one.splitlines()[0] == other.splitlines()[0]
