"""Missing templates, parameters, services and client options, found in a folder of small templates."""

import io
import runpy
import sys
from pathlib import Path

import pytest

from onhost.undercloud import templates
from onhost.undercloud.orders import TemplateRequirements, encode
from onhost.undercloud.templates import REGISTRY, client, entries, look, main, there

UPDATE = "dnf update openstack-tripleo-heat-templates"
FRR, GONE, NONE = (f"OS::TripleO::Services::{name}" for name in ("Frr", "Gone", "None"))
FILES = {
    REGISTRY: f"""\
heat_template_version: wallaby
resource_registry:
  # The services
  {FRR}: deployment/frr.yaml  # routes
  {GONE}: deployment/gone.yaml
  {NONE}: OS::Heat::None
{{% for role in roles %}}
  OS::TripleO::Rendered: deployment/rendered.yaml
{{% endfor %}}
    Deeper: deployment/deeper.yaml
parameters:
  NoService: deployment/frr.yaml
""",
    "deployment/frr.yaml": "parameters:\n  KernelArgs:\n    type: string\n  Plain: {}\noutputs:\n  Value:\n",
    "deployment/rendered.j2.yaml": "",
    "environments/good.yaml": (
        "resource_registry:\n  A: ../deployment/frr.yaml\n  B: ../deployment/rendered.yaml\n  C: OS::X\n"
    ),
    "environments/bad.yaml": "resource_registry:\n  A: ../deployment/gone.yaml\nparameter_defaults:\n  B: gone.yaml\n",
}
NOTHING = TemplateRequirements("/usr/share/templates", [], [], {}, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_entries_reads_a_section_and_skips_jinja(folder: Path) -> None:
    assert list(entries(folder / REGISTRY, "resource_registry")) == [
        (FRR, "deployment/frr.yaml"),
        (GONE, "deployment/gone.yaml"),
        (NONE, "OS::Heat::None"),
        ("OS::TripleO::Rendered", "deployment/rendered.yaml"),
    ]
    assert list(entries(folder / "deployment/frr.yaml", "parameters")) == [("KernelArgs", ""), ("Plain", "{}")]
    assert list(entries(folder / "deployment/frr.yaml", "resource_registry")) == []


def test_a_template_exists_as_a_file_or_as_a_jinja_source(folder: Path) -> None:
    assert there(folder / "deployment/frr.yaml")
    assert there(folder / "deployment/rendered.yaml")
    assert not there(folder / "deployment/gone.yaml")


def test_another_folder_has_no_templates(tmp_path: Path) -> None:
    (fault,) = look(tmp_path, NOTHING._replace(environments=["environments/good.yaml"]))
    assert fault == f"{tmp_path}: no templates of TripleO; dnf install openstack-tripleo-heat-templates"


def test_present_templates_parameters_and_services_are_no_fault(folder: Path) -> None:
    required = NOTHING._replace(
        environments=["environments/good.yaml"],
        parameters={"KernelArgs": "ib.yaml", "Plain": "ib.yaml"},
        services={FRR: "roles.yaml", NONE: "roles.yaml", "OS::TripleO::Rendered": "roles.yaml"},
    )
    assert look(folder, required) == []


def test_every_fault_is_listed_with_advice(folder: Path) -> None:
    required = NOTHING._replace(
        environments=["environments/none.yaml", "environments/bad.yaml"],
        parameters={"Value": "ib.yaml", "MlnxSDNToken": "sdn.yaml"},
        services={GONE: "roles.yaml", "NoService": "roles.yaml"},
    )
    since = "in Wallaby's branch since 2021-12-12, not in release 14.3.0"
    assert look(folder, required) == [
        f"environments/none.yaml: missing, and the deploy command names it (O5); {UPDATE}",
        f"environments/bad.yaml: A is ../deployment/gone.yaml, which is missing; {UPDATE}",
        f"Value: no template declares it, ib.yaml sets it; {UPDATE}",
        f"MlnxSDNToken: no template declares it, sdn.yaml sets it ({since}); {UPDATE}",
        f"{GONE}: its template deployment/gone.yaml is missing; {UPDATE}",
        f"NoService: no service of these templates, roles.yaml names it; {UPDATE}",
    ]


# -- the client


class Done:
    """A completed `openstack overcloud deploy --help`."""

    def __init__(self, status: int, out: str) -> None:
        self.returncode, self.stdout = status, out.encode()


HELP = "usage: openstack overcloud deploy [-e <ENV>] [--networks-file FILE]\n  --vip-file=FILE  not--this\n"


def help_is(monkeypatch: pytest.MonkeyPatch, status: int, out: str) -> None:
    def execute(argv: list[str]) -> Done:
        assert argv == ["openstack", "overcloud", "deploy", "--help"]
        return Done(status, out)

    monkeypatch.setattr(templates, "execute", execute)


def test_an_option_is_missing_unless_it_is_a_word_of_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    help_is(monkeypatch, 0, HELP)
    required = NOTHING._replace(options=["-e", "--networks-file", "--vip-file", "--vip", "--this", "-n"])
    update = "no option of the installed client (O5); it must be Wallaby's: dnf update python3-tripleoclient"
    assert list(client(required)) == [f"openstack overcloud deploy {o}: {update}" for o in ("--vip", "--this", "-n")]


def no_program(argv: list[str]) -> Done:
    raise FileNotFoundError(argv[0])


@pytest.mark.parametrize("missing", ["client", "command"])
def test_a_missing_client_is_one_fault(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    help_is(monkeypatch, 2, HELP)
    if missing == "client":
        monkeypatch.setattr(templates, "execute", no_program)
    (fault,) = client(NOTHING._replace(options=["-e", "-n"]))
    assert fault == "openstack overcloud deploy: the client lacks the command; dnf install python3-tripleoclient"


# -- the command line


def inspect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], required: TemplateRequirements, *words: str
) -> tuple[int, list[str]]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(encode(required)))
    status = main(list(words))
    return status, capsys.readouterr().err.splitlines()


def test_main_checks_templates_and_client_of_the_undercloud(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    help_is(monkeypatch, 0, HELP)
    required = NOTHING._replace(templates=str(folder), options=["-n"], parameters={"Value": "ib.yaml"})
    status, lines = inspect(monkeypatch, capsys, required)
    assert status == 1
    assert lines == [
        f"undercloud: Value: no template declares it, ib.yaml sets it; {UPDATE}",
        "undercloud: openstack overcloud deploy -n: no option of the installed client (O5); it must be Wallaby's: dnf "
        "update python3-tripleoclient",
        "faults found: 2; nothing was installed",
    ]


def test_main_checks_only_templates_when_a_folder_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(templates, "execute", no_program)
    required = NOTHING._replace(options=["-n"], parameters={"Plain": "ib.yaml"})
    assert inspect(monkeypatch, capsys, required, str(folder)) == (0, [])


def test_the_program_takes_the_words_of_its_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["templates.py", str(folder)])
    monkeypatch.setattr(sys, "stdin", io.StringIO(encode(NOTHING._replace(parameters={"Plain": "ib.yaml"}))))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(templates.__file__, run_name="__main__")
    assert end.value.code == 0
