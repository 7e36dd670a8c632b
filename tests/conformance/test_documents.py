"""The nine checks with the Wallaby tools: the stacks in the repository and generated sites have no problems."""

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from rack.__main__ import main, write_home
from rack.plan import Plan
from rack.site.elements import STOCK, SYSTEMS
from rack.site.load import parse
from rack.tripleo.check import check
from rack.tripleo.loaded import NODES, ROLES, UNDERCLOUD
from rack.wallaby.checks import CHECKS, CheckRun, ToolError, Workers
from rack.wallaby.tools import FOLDER, ToolsError, install, templates
from tests.conformance.conftest import stack
from tests.rack.sites import GUIDES_COMMAND, ROOT, Document, documents

RUNS: dict[str, CheckRun] = {}


@pytest.fixture(scope="module", params=["dev", "reference"])
def run(request: pytest.FixtureRequest, workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> CheckRun:
    name = str(request.param)
    if name not in RUNS:
        folder = tmp_path_factory.mktemp(name)
        write_home(stack(name), folder / "home")
        RUNS[name] = CheckRun(workers, folder / "home", stack(name), folder)
    return RUNS[name]


@pytest.mark.parametrize("tool", CHECKS)
def test_the_tools_report_nothing(run: CheckRun, tool: str) -> None:
    assert run.findings(tool) == []


def test_rack_check_reports_nothing(run: CheckRun) -> None:
    assert check(run.home) == []


def test_heat_resolves_the_whole_overcloud(run: CheckRun) -> None:
    assert run.results["templates"]["declared"] > 900
    needed, prepared = run.results["templates"]["images"], run.results["containers"]["images"]
    assert len(needed) > 50
    assert set(needed) <= set(prepared)


def test_images_have_the_guides_registry_and_tag(run: CheckRun) -> None:
    images = run.results["containers"]["images"]
    assert images["ContainerNeutronMlnxImage"].endswith("/openstack-neutron-mlnx-agent:current-tripleo")
    rebuilt = {name for name, image in images.items() if str(image).endswith("-updated")}
    assert {"ContainerNeutronApiImage", "ContainerNeutronDHCPImage", "ContainerNeutronL3AgentImage"} <= rebuilt
    assert "ContainerNovaComputeImage" in rebuilt
    assert "ContainerNovaApiImage" not in rebuilt


def test_os_net_config_writes_pkey_children_of_the_guides_interface(run: CheckRun) -> None:
    interfaces = run.results["nics"]["interfaces"]
    child = interfaces["ComputeSriovIB"]["ifcfg-ib2.800c"]
    assert {"TYPE=Infiniband", "PKEY=yes", "PHYSDEV=ib2", "PKEY_ID=12"} <= set(child.splitlines())
    assert set(interfaces["Controller"]) > {"ifcfg-ib2", "ifcfg-ib2.800b", "ifcfg-ib2.800c", "ifcfg-ib2.800d"}
    assert "ifcfg-ib2.800d" not in interfaces["ComputeSriovIB"], "computes are not on StorageMgmt"


def test_the_list_of_elements_is_that_of_diskimage_builder() -> None:
    (folder,) = FOLDER.glob("diskimage-builder-*/diskimage_builder/elements")
    assert {found.name for found in folder.iterdir() if found.is_dir() and found.name != "__pycache__"} == STOCK
    providing = [
        found.parent.name for found in folder.glob("*/element-provides") if "operating-system" in found.read_text()
    ]
    assert {*providing} <= SYSTEMS


def test_only_the_vendors_elements_are_unknown_to_diskimage_builder(run: CheckRun) -> None:
    assert set(run.results["elements"]["own"]) == {
        "cloud-init-config", "cloud-init-net-conf-disabled", "cuda", "gpudirect-bench", "mofed", "rdma-core",
    }  # fmt: skip


def test_released_templates_lack_the_token(workers: Workers, reference: CheckRun, tmp_path: Path) -> None:
    """The reason for `backport`: the branch has the token since December 2021."""
    released = CheckRun(workers, reference.home, reference.plan, tmp_path, released_templates=True)
    assert released.findings("rendering") == []
    (finding,) = released.findings("templates")
    assert "MlnxSDNToken: no service of these roles declares it" in finding.text


COMMAND = re.compile(r"openstack (?:overcloud|undercloud) [a-z][^\"'`)>]*")


def test_tripleoclient_accepts_every_command_of_the_program(workers: Workers, tmp_path: Path) -> None:
    """Take each line of the components that calls the client, with a placeholder for values in braces."""
    (inventory := tmp_path / "instackenv.json").write_text("{}")
    callers = ("components/undercloud.py", "components/overcloud.py", "rack/distribution.py")
    texts = [(ROOT / name).read_text() for name in callers]
    lines = sorted({line.strip() for text in texts for line in COMMAND.findall(re.sub(r'"""[\s\S]*?"""', "", text))})
    assert len(lines) >= 5, lines
    known = {"~/instackenv.json": str(inventory)}
    words = [[known.get(word, word) for word in shlex.split(re.sub(r"\{.*?\}", "x", line))] for line in lines]
    assert workers.run("commands", {"commands": list(zip(lines, words, strict=True))})["findings"] == []


def test_tripleoclient_accepts_the_commands_that_provision(workers: Workers, reference: CheckRun) -> None:
    commands = [[" ".join(words), list(words)] for words in reference.plan.provision_commands]
    assert len(commands) == 2
    assert workers.run("commands", {"commands": commands})["findings"] == []


def test_tripleoclient_refuses_the_command_as_the_guide_prints_it(workers: Workers, reference: CheckRun) -> None:
    words = [reference.local_path(word) for word in GUIDES_COMMAND.split()]
    (finding,) = workers.run("commands", {"commands": [["the guide", words]]})["findings"]
    assert finding[1] == "Error: --deployed-server must be used when using --baremetal-deployment"


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(documents())
def test_the_tools_report_nothing_for_generated_sites(
    workers: Workers, tmp_path_factory: pytest.TempPathFactory, written: Document
) -> None:
    folder, plan = tmp_path_factory.mktemp("site"), Plan(parse(written), "site")
    write_home(plan, folder / "home")
    run = CheckRun(workers, folder / "home", plan, folder)
    quick = ("undercloud", "nodes", "networks", "nics")
    assert check(run.home) == []
    assert {tool: run.findings(tool) for tool in quick} == {tool: [] for tool in quick}


def test_a_crash_of_a_tool_is_an_error_with_its_traceback(workers: Workers) -> None:
    with pytest.raises(ToolError, match="nics: Traceback"):
        workers.run("nics", {})


def test_rack_check_deep_reports_all_problems(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    roles = home / ROLES
    roles.write_text(roles.read_text().replace("  networks:\n", "  netwrks:\n"))
    nodes = home / NODES
    nodes.write_text(nodes.read_text().replace("- name: ComputeSriovIB\n", "- name: Nobody\n"))
    undercloud = home / UNDERCLOUD
    undercloud.write_text(undercloud.read_text().replace("dhcp_start", "dhcp_strat"))
    assert main(["check", "--stack", "reference", "--dir", str(home), "--deep"]) == 1
    output = capsys.readouterr()
    assert "netwrks: unknown key; write networks" in output.out
    assert "dhcp_strat: unknown option; write dhcp_start" in output.out
    assert "os-net-config (O2): the tool crashed: StopIteration" in output.out
    assert "the Heat engine (O1, O3, O4)\n" in output.err


def test_a_failed_installation_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rack.wallaby.tools._uv", lambda: "/nowhere/uv")
    with pytest.raises(ToolsError, match="/nowhere/uv: No such file"):
        install(tmp_path, print)
    monkeypatch.setattr("rack.wallaby.tools._uv", lambda: "false")
    with pytest.raises(ToolsError, match=r"false venv.*exit 1"):
        install(tmp_path, print)
    monkeypatch.setattr("rack.wallaby.tools.TEMPLATES_SHA256", "0" * 64)
    with pytest.raises(ToolsError, match="HASHES"):
        templates(tmp_path, print)
    assert not (tmp_path / "installed").exists()
    assert not list(tmp_path.glob("tripleo*"))
