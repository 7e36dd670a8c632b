"""What an editor shows in a stack file: completion, explanation and problems, by yaml-language-server."""

import json
from collections.abc import Iterator

import pytest

from tests.editor.server import Editor, editor
from tests.rack.sites import ROOT, STACK_FILES

REFERENCE = (ROOT / "Pulumi.reference.yaml").read_text()
SETTINGS = json.loads((ROOT / ".vscode/settings.json").read_text())
MODELINE_ONLY = {"yaml.schemaStore.enable": False}
NAME = "Pulumi.*.yaml"
SECRET = "v1:M59lTNlfgrBKaorR:P4e3cA+8dLd57VqhIW/LDEWvbiS6D+XCW24="


@pytest.fixture(scope="module")
def shown() -> Iterator[Editor]:
    """The editor without settings of the project: the file's first line names the schema."""
    with editor(MODELINE_ONLY) as running:
        yield running


def at(text: str) -> tuple[str, int, int]:
    """Return the text without its mark ‸, and the line and character of the mark."""
    before, _, after = text.partition("‸")
    return before + after, before.count("\n"), len(before.rpartition("\n")[2])


def changed(old: str, new: str) -> str:
    assert old in REFERENCE
    return REFERENCE.replace(old, new, 1)


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_has_no_problem(shown: Editor, name: str) -> None:
    assert shown.problems(NAME, (ROOT / name).read_text()) == []


COMPLETIONS = {
    # old text, new text with a mark, suggestions that are there, one that is not
    "key of the site": ("    bandwidth:\n", "    ‸\n    bandwidth:\n", ["builder", "internet", "firmware"], "nodes"),
    "key of the configuration": (
        "  rack:site:\n", "  ‸\n  rack:site:\n", ["rack:registryPassword"], "rack:ufmPassword",
    ),
    "key of a list's item": (
        "        mac: \"3c:ec:ef:00:00:11\"\n", "        ‸\n", ["mac", "index"], "role",
    ),
    "key of an optional mapping": ("      vfs: 8\n", "      vfs: 8\n      ‸\n", ["maxReadRequest"], "vfs"),
    "value of an enumeration": ("bootMode: bios", "bootMode: ‸", ["bios", "uefi"], "grub"),
    "role": ("role: Controller", "role: ‸", ["Controller", "ComputeSriovIB"], "Compute"),
    "truth": ("gpuBuilder: true", "gpuBuilder: ‸", ["true", "false"], "yes"),
    "image element": (
        "        elements: [vm, dhcp-all-interfaces, cloud-init-datasources, cloud-init-config, "
        "cloud-init-net-conf-disabled,\n                   rdma-core",
        "        elements:\n          - ‸\n        other: [a",
        ["growroot", "gpudirect-bench"],
        "growrot",
    ),
    "network": ("        StorageMgmt:\n", "        ‸\n        Other:\n", ["StorageMgmt"], "Tenant"),
    "secret": (f"    secure: {SECRET}\n", "    ‸\n", ["secure"], "secret"),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPLETIONS.values(), ids=COMPLETIONS)
def test_completion(shown: Editor, case: tuple[str, str, list[str], str]) -> None:
    old, new, there, absent = case
    suggestions = shown.completions(NAME, *at(changed(old, new)))
    assert set(there) <= suggestions.keys()
    assert absent not in suggestions


HOVERS = {
    # old text, new text with a mark, what is explained
    "site": ("rack:site", "rack:sit‸e", "Configuration of a rack and of the cloud on it"),
    "secret": ("rack:ipmiPassword:", "rack:ipmi‸Password:", "Password of the nodes' IPMI controllers"),
    "salt": ("encryptionsalt:", "encryption‸salt:", "Salt of the stack's passphrase"),
    "mapping": ("    ufm:\n", "    u‸fm:\n", "UFM's REST API, and the host that runs UFM"),
    "number": ("      vfs: 8", "      v‸fs: 8", "Number of virtual functions"),
    "address": ("address: 192.168.24.200", "addr‸ess: 192.168.24.200", "outside its ranges"),
    "list": ("    nodes:", "    no‸des:", "Bare-metal node of the overcloud"),
    "list's item": ("        role: Controller", "        ro‸le: Controller", "Role in the overcloud"),
    "enumeration": ("bootMode: bios", "boot‸Mode: bios", "Allowed Values"),
    "free key": ("StorageMgmt:\n          cidr", "StorageMgmt:\n          ci‸dr", "Address range"),
}


@pytest.mark.parametrize("case", HOVERS.values(), ids=HOVERS)
def test_hover(shown: Editor, case: tuple[str, str, str]) -> None:
    old, new, explained = case
    assert explained in shown.hover(NAME, *at(changed(old, new))).replace("\\", "")


PROBLEMS = {
    # old text, new text with a mark on the line of the problem, message
    "unknown key": ("protect: true", "‸protct: true", "Property protct is not allowed."),
    "missing key": ("        mac: \"3c:ec:ef:00:00:11\"\n", "", 'Missing property "mac".'),
    "unknown key beside the site": (
        "rack:ufmLicense:", "‸rack:ufmLicence:", "Property rack:ufmLicence is not allowed.",
    ),
    "secret in plain text": (
        f"    secure: {SECRET}",
        "    ‸secure: hunter2",
        "Not encrypted. Change the secret, and run `pulumi config set --secret KEY`.",
    ),
    "bound": ("vfs: 8", "‸vfs: 800", "Value is above the maximum of 127."),
    "GUID": ('guid: "b8599f0300b00011"', 'guid: "‸b8599f0300b0"', "Write a port GUID like 'b8599f0300b00011'."),
    "number as text": ("port: 443", 'port: ‸"443"', 'Incorrect type. Expected "integer".'),
    "network with host bits": (
        "cidr: 172.16.1.0/24", "cidr: ‸172.16.1.1/24", "Write a network like 192.168.24.0/24.",
    ),
    "enumeration": ("bootMode: bios", "bootMode: ‸efi", 'Value is not accepted. Valid values: "bios", "uefi".'),
    "multicast address": (
        'mac: "3c:ec:ef:00:00:11"', 'mac: ‸"01:00:5e:00:00:01"',
        "Write an Ethernet address like '52:54:00:00:00:01'.",
    ),
    "equal keys": ("      vfs: 8\n", "      vfs: 8\n      ‸vfs: 9\n", "Map keys must be unique"),
    "key with and without the prefix": (
        "  rack:site:\n", "  site: {}\n  ‸rack:site:\n", "Property rack:site is not allowed.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PROBLEMS.values(), ids=PROBLEMS)
def test_problem(shown: Editor, case: tuple[str, str, str]) -> None:
    old, new, message = case
    text, line, _ = at(changed(old, new))
    found = shown.problems(NAME, text)
    assert any(one.endswith(message) for one in found), found
    assert "‸" not in new or any(one.startswith(f"{line + 1}: ") for one in found), found


def test_visual_studio_code_finds_the_schema_of_a_file_without_the_first_line() -> None:
    with editor(SETTINGS) as running:
        text = REFERENCE.partition("\n")[2].replace("vfs: 8", "vfs: 800")
        assert [one.partition(": ")[2] for one in running.problems(NAME, text)] == [
            "Value is above the maximum of 127."
        ]
        assert running.problems("docs-*.yaml", text) == []
