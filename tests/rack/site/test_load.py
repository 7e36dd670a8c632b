"""Sites that `parse` accepts and refuses, and its messages."""

import errno
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rack.site import Site, files
from rack.site.load import ConfigError, load, load_stack_file, parse, repairs
from rack.site.schema import keys
from tests import yamls
from tests.rack.sites import CERTIFICATE, DROP, document

WHOLE = "write a whole number from 1 to 65535"
UNKNOWN = "unknown key; "

REFUSED: dict[str, tuple[str, Any, str]] = {
    # what is wrong: path, what is written there, what is said about it
    "number as text": ("ufm.port", "8443", f"found '8443'; {WHOLE}"),
    "truth as number": ("ufm.port", True, f"found true; {WHOLE}"),
    "fraction as number": ("ufm.port", 443.0, f"found 443.0; {WHOLE}"),
    "beyond the bound": ("ufm.port", 70000, f"found 70000; {WHOLE}"),
    "number as truth": ("bandwidth.cuda", 1, "found 1; write true or false"),
    "text as truth": ("bandwidth.cuda", "yes", "found 'yes'; write true or false"),
    "not finite": ("bandwidth.minimumGbps", float("inf"), "write a number above 0 to 400"),
    "number as text field": ("images[0].release", 8, "found 8; write a name"),
    "number as address": ("ufm.address", 3232241864, "found 3232241864; write an IPv4 address like 192.168.24.1"),
    "no address": ("ufm.address", "192.168.24", "found '192.168.24'; write an IPv4 address"),
    "an address of no host": ("ufm.address", "224.0.0.1", "found 224.0.0.1; write the address of a host"),
    "address for network": ("networks.external.cidr", "10.0.0.1/24", "write a network like 192.168.24.0/24"),
    "network without prefix": (
        "tenant.network.cidr",
        "11.11.11.0",
        "found 11.11.11.0/32; write a network with a prefix",
    ),
    "nothing": ("undercloud.address", None, "found nothing; write an IPv4 address"),
    "text as mapping": ("ssh", "root", "found 'root'; write a mapping with the keys user, overcloudUser"),
    "mapping as list": ("nodes", {}, "found a mapping; write a list of one or more, each a mapping"),
    "empty list": ("nodes", [], "found a list of 0; write a list of one or more"),
    "too many": (
        "networks.tenant.vlans",
        [1, 2, 3],
        "found a list of 3; write a list of 2, each a whole number from 1",
    ),
    "unknown role": ("nodes[0].role", "controller", "found 'controller'; write one of Controller, ComputeSriovIB"),
    "GUID as number": ("nodes[0].guid", 1122334455667788, "found the number 1122334455667788; put the GUID in quotes"),
    "GUID as list": ("nodes[0].guid", ["b8599f0300b00011"], "found a list of 1; write a port GUID"),
    "GUID too short": ("nodes[0].guid", "b8599f03", "found 'b8599f03'; write a port GUID of 16 hex digits"),
    "no MAC": ("nodes[0].mac", "52-54-00-00-00-11", "write an Ethernet address like '52:54:00:00:00:01'"),
    "host name": ("undercloud.hostname", "director_1", "found 'director_1'; write a host name with its domain"),
    "interface too long for PKey children": (
        "fabric.interface",
        "ibp197s0f0n",
        "of up to 10 lower-case letters, digits and _ -",
    ),
    "shell in a path": ("undercloud.imagesDir", "/images; rm -rf /", "write an absolute path"),
    "second line in an argument": ("compute.kernelArgs", "iommu=pt\nx = y", "found a text of 2 lines"),
    "CPU list": ("compute.dedicatedCpus", "2..63", "found '2..63'; write a list of CPUs in quotes"),
    "CPU range backwards": ("compute.dedicatedCpus", "2-9,63-10", "found '63-10'; write the lower CPU first"),
    "PCI address": ("compute.hca", "c5:00.9", "write the PCI address of an adapter's first function"),
    "VLAN 0": ("networks.control.Storage.vlan", 0, "found 0; write a whole number from 1 to 4094"),
    "root too small": ("undercloud.rootGib", 50, "found 50; write a whole number from 100"),
    "other bridge": ("externalAccess.network.physnet", "physnet1", "found 'physnet1'; write datacentre"),
    "unknown key, misspelt": ("nodes[0].gid", "b8599f0300b00011", UNKNOWN + "write guid"),
    "unknown network": ("networks.control.InternalAPI", {}, UNKNOWN + "write InternalApi"),
    "unknown key, elsewhere": ("tenant.vfs", 8, UNKNOWN + "write it as compute.vfs"),
    "missing": ("undercloud.address", DROP, "missing; write an IPv4 address like 192.168.24.1"),
}


def problems(written: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(written)
    return refused.value.problems


@pytest.mark.parametrize(("path", "value", "says"), REFUSED.values(), ids=REFUSED)
def test_one_fault_is_one_line_with_path_finding_and_fix(path: str, value: object, says: str) -> None:
    (line,) = problems(document({path: value}))
    assert line.startswith(f"{path}: ")
    assert says in line


def test_the_guides_rack_is_valid() -> None:
    assert isinstance(parse(document()), Site)


def test_a_key_has_one_spelling() -> None:
    (line,) = problems(document({"ssh.overcloud_user": "root"}))
    assert line == "ssh.overcloud_user: unknown key; write overcloudUser"


def test_all_problems_are_reported_together() -> None:
    found = problems(
        document(
            {"ufm.port": "443", "nodes[3].guid": 1, "fabric.switch": DROP, "tenant.network.vlam": 5, "ssh.port": 0}
        )
    )
    assert [line.partition(": ")[0] for line in found] == [
        "ssh.port",
        "ufm.port",
        "nodes[3].guid",
        "fabric.switch",
        "tenant.network.vlam",
    ]


def test_values_below_an_unknown_network_are_not_reported_but_others_are() -> None:
    found = problems(document({"networks.control.InternalAPI": {"vlan": 0}, "ufm.port": 0}))
    assert [line.partition(": ")[0] for line in found] == ["networks.control.InternalAPI", "ufm.port"]


def test_the_error_lists_every_problem_and_states_that_nothing_was_changed() -> None:
    error = ConfigError(("a: found 1", "b: found 2"))
    assert str(error) == "2 problems in rack:site; no resource was changed:\n  - a: found 1\n  - b: found 2"
    assert str(ConfigError(("a: found 1",))).startswith("1 problem in rack:site;")


def test_broken_items_do_not_make_their_list_too_short() -> None:
    (line,) = problems(document({"networks.provisioning.ntp": ["a b"]}))
    assert line.startswith("networks.provisioning.ntp[0]: ")


@pytest.mark.parametrize("written", [None, "site", [], 3])
def test_a_document_that_is_no_mapping_is_refused(written: object) -> None:
    (line,) = problems(written)
    assert line.startswith("rack:site: found ")


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "edits",
    [
        {"ufm.password": SECRET},
        {"ufm.user": {"name": "admin", "password": SECRET}},
        {"ufm.user": [SECRET]},
        {"nodes[0].ipmi.password": SECRET},
        {"ssh.privateKeyFile": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"},
        {"ufm.host.licenseDir": f"LICENSE\n{SECRET}"},
    ],
    ids=lambda edits: next(iter(edits)),
)
def test_a_secret_in_the_wrong_place_is_not_repeated(edits: dict[str, Any]) -> None:
    (line,) = problems(document(edits))
    assert SECRET not in line


def test_a_secret_in_the_site_is_refused_with_the_command_that_sets_it() -> None:
    (line,) = problems(document({"ufm.password": SECRET}))
    assert "pulumi config set --secret" in line


def test_a_long_value_is_cut() -> None:
    (line,) = problems(document({"nodes[0].role": "x" * 5000}))
    assert len(line) < 200


@pytest.mark.parametrize(
    "written", ["b8599f0300b00099", "0xB8599F0300B00099", "b8:59:9f:03:00:b0:00:99", "b859-9f03-00b0-0099"]
)
def test_guids_have_one_spelling_in_the_site(written: str) -> None:
    assert parse(document({"nodes[0].guid": written})).nodes[0].guid == "b8599f0300b00099"


def test_the_site_is_frozen() -> None:
    site = parse(document())
    with pytest.raises(ValidationError, match="frozen"):
        site.compute.vfs = 9  # type: ignore[misc]
    with pytest.raises(TypeError):
        site.networks.control["Storage"] = site.networks.control["InternalApi"]  # type: ignore[index]
    assert isinstance(site.nodes, tuple)


@pytest.mark.parametrize("text", ["", "- a\n", "config:\n", "config: [1]\n", "config:\n  rack:other: 1\n"])
def test_a_stack_file_without_a_site_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"Pulumi\.x\.yaml: config: found no key rack:site; copy it"):
        load_stack_file(file)


def test_a_stack_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text("config: {rack:site: [}")
    with pytest.raises(ConfigError, match="found text that is not YAML; correct the file"):
        load_stack_file(file)


SEALED = {"secure": "v1:AAAA:BBBB"}


def beside(tmp_path: Path, **keys: Any) -> str:
    """The problems of the guide's rack with other keys beside `rack:site`; empty if there are none."""
    file = tmp_path / "Pulumi.x.yaml"
    config = {"rack:site": document(), **{f"rack:{key}": value for key, value in keys.items()}}
    file.write_text(yamls.dump({"config": config}))
    try:
        load_stack_file(file)
    except ConfigError as error:
        return "\n".join(error.problems)
    return ""


def test_the_id_of_a_former_owner_is_no_secret(tmp_path: Path) -> None:
    assert beside(tmp_path, takeFrom="1a2b3c4d") == ""


def test_counters_of_repairs_are_accepted_beside_the_site(tmp_path: Path) -> None:
    assert beside(tmp_path, repair={"overcloud-deploy": 1, "ufm-license": "12"}) == ""
    assert repairs({"overcloud-deploy": 1, "ufm-license": "12"}) == {"overcloud-deploy": 1, "ufm-license": 12}
    assert repairs(None) == {}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("overcloud-deploy", "rack:repair: found str; write a mapping of steps to positive numbers"),
        ({"overcloud-deploy": 0}, "rack:repair.overcloud-deploy: found '0'; write"),
        ({"overcloud-deploy": True}, "rack:repair.overcloud-deploy: found 'True'; write"),
    ],
)
def test_a_repair_that_is_no_counter_is_refused(tmp_path: Path, value: object, says: str) -> None:
    assert says in beside(tmp_path, repair=value)
    with pytest.raises(ConfigError, match=re.escape(says)):
        repairs(value)


@pytest.mark.parametrize("passwords", [{"controller-1": SEALED, "compute-2": SEALED}, SEALED, {}])
def test_each_node_may_have_its_own_ipmi_password(tmp_path: Path, passwords: object) -> None:
    assert beside(tmp_path, ipmiPasswords=passwords) == ""


@pytest.mark.parametrize(
    ("passwords", "says"),
    [
        ({"compute-1": SECRET}, "rack:ipmiPasswords.compute-1: found a secret in plain text; change it, and run `pulumi"
         " config set --secret --path 'ipmiPasswords.compute-1'`"),
        ({"compute-11": SEALED}, "rack:ipmiPasswords.compute-11: found no such node; write compute-1"),
        (SECRET, "rack:ipmiPasswords: found a secret in plain text"),
        ([SECRET], "rack:ipmiPasswords: found a secret in plain text"),
    ],
)  # fmt: skip
def test_ipmi_passwords_of_nodes_are_sealed_and_belong_to_a_node(tmp_path: Path, passwords: Any, says: str) -> None:
    message = beside(tmp_path, ipmiPasswords=passwords)
    assert message.startswith(says)
    assert SECRET not in message


@pytest.mark.parametrize("written", [SECRET, "", 5, ["x"], {"a": "b"}, f"v1:{SECRET}"])
def test_a_text_under_secure_is_no_encrypted_one(tmp_path: Path, written: object) -> None:
    message = beside(tmp_path, ufmPassword={"secure": written})
    assert message.startswith("rack:ufmPassword: found a secret in plain text")
    assert SECRET not in message


@pytest.mark.parametrize("written", ["v1:zxPuIB0E9Hhn1cS+:3Ku74wg9KZjaBLjhC5Xh", "AAABAK6vXbWkfDXnQbVtGFRWzQ=="])
def test_what_pulumi_encrypts_is_accepted(tmp_path: Path, written: str) -> None:
    assert beside(tmp_path, ufmPassword={"secure": written}) == ""


def test_an_error_shows_control_characters_as_escapes_and_each_problem_once() -> None:
    error = ConfigError(("a: found \x1b[31mé\n", "b", "b"))
    assert error.problems == ("a: found \\x1b[31mé\\n", "b")
    assert str(error).splitlines() == [
        "2 problems in rack:site; no resource was changed:", "  - a: found \\x1b[31mé\\n", "  - b",
    ]  # fmt: skip
    assert str(ConfigError(("a",))).startswith("1 problem in rack:site;")


def test_problems_of_the_site_and_of_other_keys_are_reported_together(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(yamls.dump({"config": {"rack:site": document({"ufm.port": 0}), "rack:ufmPassword": SECRET}}))
    with pytest.raises(ConfigError) as refused:
        load_stack_file(file)
    assert [line.partition(": ")[0] for line in refused.value.problems] == ["rack:ufmPassword", "ufm.port"]


# -- the program's loader, with the file beside it and the files that the site names


def loaded(folder: Path, written: object, text: str | None = None) -> tuple[str, ...]:
    """The problems of a site that the engine has read; `text`: the stack's file, if it is there."""
    if text is not None:
        (folder / "Pulumi.x.yaml").write_text(text)
    try:
        load(written, "x", folder)
    except ConfigError as error:
        return error.problems
    return ()


def local(folder: Path) -> dict[str, Any]:
    """Edits that name existing files."""
    (folder / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (folder / "known").write_text("192.168.24.1 ssh-ed25519 AAAA\n")
    (folder / "ca.pem").write_text(CERTIFICATE)
    return {"ssh.privateKeyFile": "key", "ssh.knownHostsFile": str(folder / "known"), "ufm.caFile": "ca.pem"}


def test_the_program_reads_the_text_of_the_stacks_file_too(tmp_path: Path) -> None:
    site = document(local(tmp_path))
    assert loaded(tmp_path, site) == (), "the stack may have its file elsewhere"
    assert loaded(tmp_path, site, yamls.dump({"config": {"rack:site": site}})) == ()
    (line,) = loaded(tmp_path, site, "config:\n  rack:site:\n    protect: 011\n")
    assert line.startswith("Pulumi.x.yaml: found text that is not YAML; correct the file: line 3: found a number with")
    (line,) = loaded(tmp_path, site, f"config:\n  rack:site: {{}}\n  rack:ufmPassword: {SECRET}\n")
    assert line.startswith("rack:ufmPassword: found a secret in plain text")


def test_problems_of_text_and_types_are_reported_together(tmp_path: Path) -> None:
    found = loaded(tmp_path, document({"ufm.port": 0}), f"config:\n  rack:site: {{}}\n  rack:ufmPassword: {SECRET}\n")
    assert [line.partition(": ")[0] for line in found] == ["rack:ufmPassword", "ufm.port"]


def test_every_local_file_must_exist(tmp_path: Path) -> None:
    edits = local(tmp_path)
    site = document({**edits, "ssh.privateKeyFile": "none", "images[0].elements": [], "images[0].file": "~/none.qcow2"})
    assert loaded(tmp_path, site) == (
        "ssh.privateKeyFile: found 'none', which is no file on this machine; write the path of the file",
        "images[0].file: found '~/none.qcow2', which is no file on this machine; write the path of the file",
    )


@pytest.mark.parametrize("key", ["ufm.caFile", "undercloud.registry.caFile", "ufm.host.install.docker.keyFile"])
def test_a_private_key_in_a_file_that_is_shipped_in_plain_text_is_refused(tmp_path: Path, key: str) -> None:
    begin = "-----BEGIN PRIVATE KEY-----"
    (tmp_path / "both.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{begin}\n{SECRET}\n")
    (tmp_path / "docker.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    edits = {
        **local(tmp_path),
        "undercloud.containerNamespace": "registry.example/ns",
        "ufm.host.install": {"docker": {"repository": "https://mirror.example/ubuntu", "keyFile": "docker.asc"}},
        key: "both.pem",
    }
    (line,) = loaded(tmp_path, document(edits))
    assert line == f"{key}: found 'both.pem', which contains a private key; write a file without one"


def test_an_unreadable_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = document(local(tmp_path))
    really = Path.open

    def refuse(path: Path, *arguments: Any) -> Any:
        if path.name == "key":
            raise PermissionError(errno.EACCES, "Permission denied")
        return really(path, *arguments)

    monkeypatch.setattr(Path, "open", refuse)
    (line,) = loaded(tmp_path, site)
    found = "ssh.privateKeyFile: found 'key', which cannot be read (Permission denied)"
    assert line == f"{found}; run: chmod u+r key"


WRONG_FILES: dict[str, tuple[str, bytes, str]] = {
    "certificate that is cut": ("ufm.caFile", CERTIFICATE.encode()[:200], "no certificate; write a file in PEM format"),
    "certificate that is empty": ("ufm.caFile", b"", "no certificate; write a file in PEM format"),
    "certificate in DER": ("ufm.caFile", bytes.fromhex("308201f0a003020102"), "no text; write a file in PEM format"),
    "registry's certificate": ("undercloud.registry.caFile", b"ca", "contains no certificate"),
    "public key of Docker": ("ufm.host.install.docker.keyFile", b"<html>", "no PGP public key; write the file that"),
    "public SSH key": ("ssh.privateKeyFile", b"ssh-ed25519 AAAA me", "a public key; write the file with the private"),
    "key of PuTTY": ("ssh.privateKeyFile", b"PuTTY-User-Key-File-3: ssh-ed25519", "a key of PuTTY; run: puttygen"),
    "known hosts without a key": ("ssh.knownHostsFile", b"# hosts\n\n", "no host key; run: ssh-keyscan -H ADDRESS"),
    "guests' key": ("tenant.keyPair.privateKeyFile", b"\n", "no private key of OpenSSH"),
    "certificate for a key": ("ssh.privateKeyFile", CERTIFICATE.encode(), "no private key of OpenSSH"),
    "long user data": ("tenant.userDataFile", b"#" * 49150, "of 49150 bytes; write at most 49149, nova's limit"),
    "endless file": ("tenant.userDataFile", b"#" * (2**20 + 1), "of more than 1 MiB; write the path of another file"),
    "raw image": ("images[0].file", b"\0" * 512, "no qcow2 image; run: qemu-img convert -O qcow2 FROM TO"),
}


def test_the_content_of_every_file_is_checked() -> None:
    assert {key.path for key in keys(Site) if key.type.bare is Path} == set(files.CONTENTS)


@pytest.mark.parametrize(("key", "content", "says"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_file_with_the_wrong_content_is_refused(tmp_path: Path, key: str, content: bytes, says: str) -> None:
    edits = {**local(tmp_path), key: "wrong"}
    (tmp_path / "wrong").write_bytes(content)
    (tmp_path / "docker.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    edits |= {"images[0].elements": []} if key.startswith("images") else {}
    edits |= {"undercloud.containerNamespace": "registry.example/ns"} if "registry" in key else {}
    edits |= {"tenant.keyPair.existing": True} if "keyPair" in key else {}
    if "docker" in key:
        edits["ufm.host.install.docker.repository"] = "https://mirror.example/ubuntu"
    (line,) = loaded(tmp_path, document(edits))
    assert line.startswith(f"{key}: found 'wrong'")
    assert says in line


def test_an_image_with_a_larger_disk_than_the_flavor_is_refused(tmp_path: Path) -> None:
    header = b"QFI\xfb" + bytes.fromhex("00000003" + "00" * 12 + "00000010") + (40 * 2**30 + 1).to_bytes(8, "big")
    (tmp_path / "large.qcow2").write_bytes(header)
    edits = {**local(tmp_path), "images[0].elements": [], "images[0].file": "large.qcow2"}
    (line,) = loaded(tmp_path, document(edits))
    assert line == (
        "images[0].file: found 'large.qcow2' with a disk of 41 GiB; write at least that as tenant.flavor.diskGib, "
        "which is 40"
    )
    assert loaded(tmp_path, document({**edits, "tenant.flavor.diskGib": 41})) == ()


def test_a_path_that_may_be_a_login_is_not_shown(tmp_path: Path) -> None:
    (line,) = loaded(tmp_path, document({**local(tmp_path), "ssh.privateKeyFile": f"admin:{SECRET}@10.0.0.1"}))
    assert line.startswith("ssh.privateKeyFile: found a text that is not shown, since it may contain a password, which")
    assert SECRET not in line
