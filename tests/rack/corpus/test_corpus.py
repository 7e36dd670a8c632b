"""One invalid stack file per test: Pulumi.reference.yaml with one patch, through the shared loader."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rack.site import Site
from rack.site.load import ConfigError, load_stack_file, parse
from rack.site.schema import keys
from tests import yamls
from tests.rack.sites import DROP, ROOT, document

REFERENCE = (ROOT / "Pulumi.reference.yaml").read_text()
SECRET = "hunter2-hunter2"

TEXTS: dict[str, tuple[str, str, str]] = {
    # what is wrong: text of the reference, its replacement, part of the message
    "missing dash": ("      - name: controller-2\n", "        name: controller-2\n", "the key 'name' more than once"),
    "equal keys": ("vfs: 8\n", "vfs: 8\n      vfs: 9\n", "the key 'vfs' more than once"),
    "octal": ("vlan: 11\n", "vlan: 011\n", "leading zero, which is octal"),
    "no octal": ("vlan: 11\n", "vlan: 089\n", "leading zero, which is octal"),
    "no": ("protect: true", "protect: no", "protect: found 'no'; write true or false"),
    "off": ("protect: true", "protect: off", "protect: found 'off'; write true or false"),
    "yes": ("gpuBuilder: true", "gpuBuilder: yes", "found 'yes'; write true or false"),
    "sexagesimal": ("vfs: 8\n", "vfs: 1:30\n", "compute.vfs: found '1:30'"),
    "exponent": ("vfs: 8\n", "vfs: 8e-1\n", "compute.vfs: found 0.8"),
    "date": ("name: qm8700", "name: 2022-03-01", "found a date, which Pulumi rewrites"),
    "date as a key": ("vfs: 8\n", "2022-03-01: 8\n", "a key that is not a text"),
    "infinity": ("vfs: 8\n", "vfs: .inf\n", "found infinity or no number"),
    "not a number": ("vfs: 8\n", "vfs: .NaN\n", "found infinity or no number"),
    "overflow": ("vfs: 8\n", "vfs: 1e400\n", "compute.vfs: found '1e400'"),
    "word for null": ("vfs: 8\n", "vfs: !!null none\n", "does not fit its tag"),
    "long number": ("vfs: 8\n", f"vfs: {'9' * 5000}\n", "more than 40 characters"),
    "recursive list": ("images:\n", "images: &a [*a]\n    other:\n", "an anchor that contains itself"),
    "recursive mapping": ("compute:\n", "compute: &a {b: *a}\n    other:\n", "an anchor that contains itself"),
    "nesting": ("vfs: 8\n", f"vfs: {'[' * 60}{']' * 60}\n", "more than 40 levels"),
    "deep nesting": ("vfs: 8\n", f"vfs: {'[' * 5000}{']' * 5000}\n", "too many levels"),
    "unknown alias": ("vfs: 8\n", f"vfs: *{SECRET}\n", "undefined alias"),
    "tag": ("vfs: 8\n", f"vfs: !{SECRET} 8\n", "found a tag"),
    "Python tag": ("vfs: 8\n", "vfs: !!python/object:os.system x\n", "found a tag"),
    "binary": ("vfs: 8\n", "vfs: !!binary aGVsbG8=\n", "found a tag"),
    "tag that does not fit": ("vfs: 8\n", "vfs: !!int x\n", "does not fit its tag"),
    "truth that does not fit": ("vfs: 8\n", "vfs: !!bool x\n", "does not fit its tag"),
    "number as key": ("vfs: 8\n", "8: 8\n", "a key that is not a text"),
    "list as key": ("vfs: 8\n", "? [a]\n      : 8\n", "a key that is not a text"),
    "control character": ("name: qm8700", 'name: "qm\\e8700"', "found a control character"),
    "surrogate": ("name: qm8700", 'name: "qm\\ud800"', "invalid Unicode character escape code"),
    "control character in a key": ("vfs: 8\n", '"v\\x07s": 8\n', "found a control character"),
    "tabulator": ("      vfs: 8\n", "\tvfs: 8\n", "not YAML"),
    "second document": ("config:\n", "---\nconfig:\n", "not YAML"),
    "merge of a text": ("vfs: 8\n", "<<: text\n", "not YAML"),
    "quote without end": ("name: qm8700", 'name: "qm8700', "not YAML"),
    "text for the site": ("rack:site:\n", "rack:site: text\n  rack:other:\n", "found 'text'; write a mapping"),
    "no site": ("rack:site:", "rack:sites:", "found no key rack:site"),
    "misspelt secret": ("rack:ufmLicense:", "rack:ufmLicence:", "rack:ufmLicence: unknown key"),
    **{
        f"{key} in plain text": (
            "  rack:site:\n",
            f"  rack:{key}: {SECRET}\n  rack:site:\n",
            f"rack:{key}: found a secret",
        )
        for key in ("registryPassword", "ufmPreviousPassword")
    },
    "secret without the prefix": ("  rack:site:\n", f"  registryPassword: {SECRET}\n  rack:site:\n", "found a secret"),
    "site with and without the prefix": ("  rack:site:\n", "  site: {}\n  rack:site:\n", "the same key; remove one"),
    "secret as a list": ("  rack:site:\n", f"  rack:registryPassword: [{SECRET}]\n  rack:site:\n", "found a secret"),
}

ADDRESSES = (
    "ufm.address", "undercloud.address", "nodes[0].address", "nodes[4].ipmi.address", "networks.provisioning.gateway",
    "networks.external.gateway", "networks.provisioning.dhcp.start", "networks.external.pool.end",
    "networks.provisioning.dns[0]", "tenant.network.dns[0]", "externalAccess.network.gateway",
)  # fmt: skip
NETWORKS = (
    "networks.provisioning.cidr", "networks.external.cidr", "networks.control.Storage.cidr", "tenant.network.cidr",
)  # fmt: skip
NUMBERS = (
    "ufm.port", "ssh.port", "compute.vfs", "networks.control.Storage.vlan", "networks.external.vlan",
    "tenant.network.vlan", "fabric.switch.ports", "firmware.maxUnavailable", "bandwidth.size",
)  # fmt: skip
MAPPINGS = (
    "ssh", "networks", "ufm", "undercloud", "compute", "fabric", "tenant", "bandwidth", "externalAccess", "nodes[2]",
)  # fmt: skip
VALUES: list[tuple[str, Any, str]] = [
    *((path, value, "write") for path in ADDRESSES for value in ("192.168.24", "224.0.0.1", "fe80::1")),
    *((path, value, "write a") for path in NETWORKS for value in ("10.0.0.1/24", "10.0.0.0/31", "net")),
    *((path, value, "write a whole number from") for path in NUMBERS for value in (0, "8", 8.5)),
    *((f"{path}.colour", "red", "unknown key") for path in MAPPINGS),
    *((path, DROP, "missing") for path in ("ssh", "networks", "ufm", "undercloud", "nodes", "fabric", "nodes[1].mac")),
    *(("nodes[0].guid", guid, "GUID") for guid in ("0", "0" * 16, "b8599f03", "xyz", "-", 5)),
    *(("nodes[0].mac", mac, "Ethernet address") for mac in ("52-54-00-00-00-11", "52:54", "52:54:00:00:00:1g", 5)),
    *(("compute.dedicatedCpus", cpus, "CPU") for cpus in ("2..63", "63-2", 5, "a")),
    *(("ssh.privateKeyFile", path, "write") for path in ("~no-such-user/key", "k" * 300, "a\nb")),
    ("cloud.name", "stack", "(RES001)"),
    ("images[0].name", "overcloud-full", "(RES002)"),
    ("ufm.host.filesDir", "/var", "(RES003)"),
    ("ufm.host.filesDir", "/var/a/../..", "(RES003)"),
    ("tenant.network.name", "public", "(RES004)"),
    ("networks.external.interface", "eno1", "(RES005)"),
    ("nodes[0].ipmi.address", "192.168.24.60", "(RES006)"),
    ("nodes[0].ipmi.address", "192.168.24.11", "(RES006)"),
    ("fabric.switch.address", "192.168.24.60", "(NET004)"),
    ("fabric.interface", "eno1", "(RES005)"),
    *(("nodes[0].guid", guid, "GUID") for guid in ("f" * 16, "ff:ff:ff:ff:ff:ff:ff:ff")),
    *(
        ("nodes[0].mac", mac, "a multicast or null address")
        for mac in ("01:00:5e:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")
    ),
    *((path, "169.254.1.1", "the address of a host") for path in ("nodes[0].address", "networks.provisioning.dns[0]")),
    *(
        ("networks.provisioning.ntp[0]", server, "write a host name or an IPv4 address")
        for server in ("10.0.0", "192.168.24.300", "224.0.0.1")
    ),
    *(
        ("networks.provisioning.ntp[0]", server, "write a host name or an IPv4 address")
        for server in ("-ntp.example", "ntp..example", "a" * 64, "ntp_1.example")
    ),
    *(("networks.provisioning.ntp[0]", server, "(NET010)") for server in ("localhost", "127.0.0.1", "192.168.24.60")),
    *(("networks.provisioning.dns[0]", server, "(NET010)") for server in ("127.0.0.53", "192.168.24.100")),
    ("tenant.network.cidr", "11.11.11.0/30", "(NET011)"),
    *(
        ("undercloud.hostname", name, "a host name with its domain")
        for name in ("director", "10.0.0.1", "director.", f"{'d' * 60}.local", "Director.local")
    ),
    *(("cloud.domain", name, "a domain of") for name in ("local_domain", "example.42", ".example")),
    ("cloud.domain", f"{'d' * 40}.example", "(HOST001)"),
    ("cloud.timezone", "Europe/Berln", "no time zone; write Europe/Berlin"),
    *(("compute.kernelArgs", given, "(KERN001)") for given in ("", "iommu=pt", "intel_iommu=off")),
    *((f"undercloud.{key}", "/root/x", "(RES007)") for key in ("imagesDir", "elementsPath", "imagesArchive")),
    ("images[1].elements", ["vm", "cuda"], "(BW002)"),
    ("compute.hardware.gpus", 0, "write a whole number from 1 to 16"),
    ("compute.dedicatedCpus", "2-200", "(HW002)"),
    ("compute.sharedCpus", "200", "(HW002)"),
    ("compute.dedicatedCpus", "2-8", "(VM004)"),
    ("tenant.flavor.ramMib", 1000000, "(HW006)"),
    ("tenant.flavor.gpus", 8, "(HW005)"),
    ("fabric.switch.ports", 64, "(FAB002)"),
    *(
        ("ufm.host.image", image, "write a container image, with a digest of 64 hex digits if any")
        for image in (
            f"ufm@sha256:{'a' * 63}",
            f"ufm:1@sha256:{'a' * 65}",
            "ufm@sha256:",
            "ufm@md5:" + "a" * 64,
            "Mellanox/ufm:1",
            "mellanox//ufm:1",
            "mellanox/ufm-:1",
            f"ufm:{'1' * 129}",
            f"{'u' * 256}:1",
        )
    ),
    *(("ufm.host.image", image, "write a port from 1 to 65535") for image in ("r.example:99999/ufm:1", "r:0/ufm:1")),
    ("ufm.host.image", "10.0.0.256/ufm:1", "no address of a host"),
    *(
        ("undercloud.containerNamespace", name, "write a registry and namespace without tag")
        for name in ("r.example/ns:tag", "r.example/ns/", "r.example/ns@sha256:" + "a" * 64, "r.example/NS")
    ),
    ("undercloud.mlnxContainerNamespace", "r.example:70000/ns", "write a port from 1 to 65535"),
    *(("undercloud.tripleoReposUrl", f"https://m.example:{port}/a", "write a port") for port in (0, 65536, 99999)),
    *(
        ("undercloud.tripleoReposUrl", f"https://{host}/a", "no address of a host")
        for host in ("10.0.0.256", "224.0.0.1", "0.0.0.0", "255.255.255.255", "10.0.0")
    ),
    *(
        ("undercloud.tripleoReposUrl", url, "write a URL like")
        for url in (
            "https://m..example/a",
            "https://-/a",
            "https://m.example/%zz",
            "ftp://m.example/a",
            "https://m.example",
        )
    ),
    ("undercloud.tripleoReposUrl", "https://m.example/a/../b", "write it without .."),
    ("undercloud.tripleoReposUrl", "https://127.0.0.1/a", "(NET015)"),
    ("undercloud.tripleoReposUrl", "https://10.0.0.255/a", "(NET013)"),
    *(
        (path, f"{first}.0/24", "that no host may have; write another network")
        for path in ("tenant.network.cidr", "networks.external.cidr", "networks.provisioning.cidr")
        for first in ("0.0.0", "169.254.7", "224.1.1", "240.0.0", "255.255.255")
    ),
    ("tenant.network.cidr", "169.0.0.0/8", "with addresses of 169.254.0.0/16 that no host may have"),
    *(
        (path, "127.0.3.0/24", "whose addresses never leave a host; write another network")
        for path in ("tenant.network.cidr", "networks.external.cidr", "networks.control.Storage.cidr")
    ),
    *(
        (path, address, "write the address of a host")
        for path in ("nodes[0].ipmi.address", "networks.provisioning.dns[0]", "ufm.host.managementAddress")
        for address in ("0.0.0.0", "0.9.9.9", "255.255.255.255", "240.1.1.1")
    ),
    *(
        (path, address, "(NET013)")
        for path in ("nodes[0].ipmi.address", "networks.provisioning.dns[0]", "networks.provisioning.ntp[0]")
        for address in ("192.168.24.0", "192.168.24.255", "10.0.0.255")
    ),
    *(("nodes[0].ipmi.address", address, "(NET014)") for address in ("172.16.1.20", "172.16.3.254")),
    ("nodes[0].ipmi.address", "127.0.0.1", "(NET015)"),
    *(
        ("networks.provisioning.dns", addresses, says)
        for addresses, says in (
            (["10.1.0.1", "10.1.0.1"], "found 10.1.0.1 more than once; write it once"),
            ([f"10.1.0.{n}" for n in range(1, 7)], "found a list of 6; write a list of one to 5"),
        )
    ),
    *(
        (path, address, "write the PCI address of an adapter's first function, BUS:00.0")
        for path in ("compute.hca", "firmware.controllerHca")
        for address in (
            "c5:00.7",
            "c5:00.1",
            "c5:1f.0",
            "c5:1f.8",
            "c5:00",
            "C5:00.0",
            "c5.00.0",
            "00:00.0",
            "0000:00:00.0",
        )
    ),
    *(("compute.gpu.vendorId", number, "four hex digits") for number in ("ffff", "0000", "10DE", "0x10de")),
    *(("tenant.flavor.diskGib", size, "write a whole number from 1 to 65536") for size in (0, -40, 65537, 10**12)),
    ("compute.hardware.diskGib", 0, "write a whole number from 1"),
    ("tenant.flavor.vcpus", 10**6, "write a whole number from 1 to 8192"),
    ("compute.reservedMemoryMib", 10**12, "write a whole number from 512"),
    ("compute.dedicatedCpus", "2-9999", "found CPU 9999; write numbers up to 8191"),
    ("ufm.tokenGeneration", 2**60, "write a whole number from 1 to 1000000"),
    ("undercloud.rootGib", 10**9, "write a whole number from 100"),
    *(
        ("undercloud.hostname", name, "(HOST002)")
        for name in ("overcloud-controller-1.localdomain", "overcloud.localdomain", "localhost.localdomain")
    ),
    *(("cloud.domain", name, "a domain of") for name in ("localhost", "rack.localhost")),
    *(
        ("tenant.keyPair.publicKey", key, says)
        for key, says in (
            ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQ", "found an incomplete key of type ssh-rsa"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICBh me", "found an incomplete key of type ssh-ed25519"),
            ("ssh-ed25519 AAAAAAAA me", "found an incomplete key of type ssh-ed25519"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "write an OpenSSH public key"),
        )
    ),
    ("tenant.userData", "é" * 25000, "found 50000 bytes; write at most 49149, nova's limit"),
    *(("ssh.privateKeyFile", path, "write a path") for path in ("", ".", "/", "https://keys.example/key")),
    ("images[0].environment", {"DIB_IMAGE_SIZE": "41"}, "(IMG011)"),
    ("images[0].kernel", "4.18", "write a kernel release"),
    ("images[0].kernel", "0.0.0.0", "write a kernel release"),
    ("ufm.serverName", "10.0.0.300", "no address of a host"),
]

PLACES = (
    "nodes[0].ipmi.address", "nodes[0].ipmi.user", "ufm.address", "ufm.user", "ufm.serverName", "undercloud.hostname",
    "networks.provisioning.ntp[0]", "networks.provisioning.dns[0]", "networks.external.cidr", "cloud.domain",
    "undercloud.tripleoReposUrl", "ufm.host.fabricAddress",
)  # fmt: skip
"""Keys of addresses, hosts, URLs and users."""
CREDENTIALS = {
    "images[0].environment": {"DIB_CLOUD_IMAGES": f"https://user:{SECRET}@mirror.example/images"},
    "images[1].environment": {"DIB_DEV_USER_PASSWORD": SECRET},
    "undercloud.repositories": [{"id": "a", "baseurl": f"https://user:{SECRET}@mirror.example/a"}],
    "undercloud.containerNamespace": f"user:{SECRET}@registry.example/ns",
    "undercloud.registry.user": f"robot:{SECRET}",
    "images[1].environment.DIB_CUDA_PATH": {SECRET: SECRET},
    "images[1].environment.DIB_DHCP_TIMEOUT": SECRET + "x" * 5000,
    "tenant.userData": SECRET + "x" * 50000,
    **{
        f"{path}#{number}": text
        for path in PLACES
        for number, text in enumerate(
            (
                f"admin:{SECRET}",
                f"admin:{SECRET}@10.0.0.1",
                f"{SECRET}@10.0.0.1",
                f"ipmi://admin:{SECRET}@10.0.0.1/",
                f"https://{SECRET}@10.0.0.1/",
                f"//admin:{SECRET}@10.0.0.1",
                f"10.0.0.1 admin {SECRET}",
                f"https://10.0.0.1/?password={SECRET}",
                f"admin:{SECRET}@10.0.0.1:443/a",
            )
        )
    },
    "ufm.user": f"admin:{SECRET}",
    "nodes[0].ipmi.user": f"admin:{SECRET}",
    "ssh.user": f"root:{SECRET}",
}


def refused(folder: Path, text: str | bytes) -> str:
    file = folder / "Pulumi.x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as error:
        load_stack_file(file)
    return str(error.value)


def stack(edits: dict[str, Any]) -> str:
    return yamls.dump({"config": {"rack:site": document(edits)}})


@pytest.mark.parametrize(("old", "new", "says"), TEXTS.values(), ids=TEXTS)
def test_a_patched_text_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in REFERENCE
    message = refused(tmp_path, REFERENCE.replace(old, new, 1))
    assert says in message
    assert SECRET not in message
    assert message.isprintable() or "\n" in message


@pytest.mark.parametrize(("path", "value", "says"), VALUES, ids=lambda part: repr(part)[:40])
def test_a_wrong_value_is_refused(tmp_path: Path, path: str, value: object, says: str) -> None:
    message = refused(tmp_path, stack({path: value}))
    assert any(line.startswith(f"  - {path}: ") and says in line for line in message.splitlines())


SETS: list[tuple[dict[str, Any], str, str]] = [
    # several keys, the path of the finding, part of the message
    ({"undercloud.registry": {"insecure": True}}, "undercloud.containerNamespace", "(REG003)"),
    ({"undercloud.registry": {"user": "robot"}}, "undercloud.containerNamespace", "(REG003)"),
    ({"internet": False, "networks.provisioning.ntp": ["pool.ntp.org"]}, "networks.provisioning.ntp[0]", "(OFF006)"),
    ({"internet": False, "networks.provisioning.dns": ["8.8.8.8"]}, "networks.provisioning.dns[0]", "(OFF006)"),
    (
        {"internet": False, "undercloud.repositories": [{"id": "a", "baseurl": "https://vault.centos.org/8-stream"}]},
        "undercloud.repositories[0].baseurl",
        "(OFF007)",
    ),
    (
        {"externalAccess.network.pool": {"start": "10.0.0.151", "end": "10.0.0.151"}},
        "externalAccess.network.pool",
        "(NET011)",
    ),
    (
        {"undercloud.repositories": [{"id": "main", "baseurl": "http://m.example/a"}]},
        "undercloud.repositories[0].id",
        "other than main",
    ),
    ({"compute.hardware.hcaNuma": 1}, "compute.hardware.gpuNuma", "(HW003)"),
    ({"compute.hardware.hcaNuma": 1, "compute.hardware.gpuNuma": 1}, "compute.dedicatedCpus", "(HW004)"),
    ({"compute.hardware.numa": ["0-63", "63-127"]}, "compute.hardware.numa[0]", "(HW001)"),
]


@pytest.mark.parametrize(("edits", "path", "says"), SETS, ids=lambda part: repr(part)[:40])
def test_values_that_do_not_fit_each_other_are_refused(
    tmp_path: Path, edits: dict[str, Any], path: str, says: str
) -> None:
    message = refused(tmp_path, stack(edits))
    assert any(line.startswith(f"  - {path}: ") and says in line for line in message.splitlines())


@pytest.mark.parametrize(("path", "value"), CREDENTIALS.items(), ids=CREDENTIALS)
def test_credentials_are_refused_and_not_shown(tmp_path: Path, path: str, value: object) -> None:
    path = path.partition("#")[0]
    message = refused(tmp_path, stack({path: value}))
    assert path in message
    assert SECRET not in message


PATHS = sorted(
    {key.path.replace("[]", "[0]").replace("NAME", "Storage") for key in keys(Site)} - {"compute.kernelArgs"}
)
"""Every key; kernel arguments may contain colons, and KERN001 shows them."""


@given(
    st.sampled_from(PATHS),
    st.sampled_from(
        (
            f"admin:{SECRET}@10.0.0.1",
            f"https://admin:{SECRET}@h.example/x",
            f"{SECRET}@h",
            f"admin:{SECRET}",
            f"a\n{SECRET}",
        )
    ),
)
def test_no_key_s_message_shows_a_login(path: str, text: str) -> None:
    assert SECRET not in message_of({path: text})


def message_of(edits: dict[str, Any]) -> str:
    """Return the message for the reference with edits; empty if they are valid, or have no place in the reference."""
    try:
        parse(document(edits))
    except ConfigError as error:
        return str(error)
    except (KeyError, IndexError):
        return ""
    return ""


@pytest.mark.parametrize(
    "text",
    [
        REFERENCE.replace("vfs: 8\n", f"'admin:{SECRET}@10.0.0.1': 8\n", 1),
        REFERENCE.replace("vfs: 8\n", f"'admin/{SECRET}': 8\n", 1),
        REFERENCE.replace("vfs: 8\n", f"'admin:{SECRET}': 8\n      'admin:{SECRET}': 9\n", 1),
        REFERENCE.replace("  rack:site:\n", f"  'rack:admin:{SECRET}@host': 1\n  rack:site:\n", 1),
        REFERENCE.replace("  rack:site:\n", f"  rack:ipmiPasswords: {{'admin:{SECRET}@h': 1}}\n  rack:site:\n", 1),
        REFERENCE.replace("gpuBuilder: true", f"environment: {{'admin:{SECRET}@h': a}}", 1),
        REFERENCE.replace("  rack:site:\n", "  rack:site: 'user:hunter2-hunter2@host {'\n  rack:x:\n", 1),
    ],
    ids=[
        "a key",
        "a key with a slash",
        "equal keys",
        "a key of the project",
        "a node's key",
        "a variable",
        "a text for the site",
    ],
)
def test_credentials_in_a_key_are_not_shown(tmp_path: Path, text: str) -> None:
    assert SECRET in text
    assert SECRET not in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["controller 1", "10.0.0.1:443", "fe80::1", "ntp.example.com:123"])
@pytest.mark.parametrize("path", ["ufm.address", "nodes[0].name", "networks.provisioning.ntp[0]"])
def test_a_text_without_a_password_is_shown(tmp_path: Path, path: str, text: str) -> None:
    if path != "ufm.address" or " " not in text:
        assert f"{path}: found {text!r}; write" in refused(tmp_path, stack({path: text}))


def test_a_tabulator_between_a_value_and_a_comment_is_accepted_as_in_pulumi(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(REFERENCE.replace("vfs: 8\n", "vfs: 7 \t# per HCA\n", 1))
    assert load_stack_file(file).compute.vfs == 7


def test_a_key_without_the_prefix_is_the_project_s_as_in_pulumi(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(REFERENCE.replace("  rack:site:\n", "  site:\n", 1))
    assert load_stack_file(file).compute.vfs == 8


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le"])
def test_an_encoding_other_than_utf_8_is_refused(tmp_path: Path, encoding: str) -> None:
    assert "not UTF-8" in refused(tmp_path, REFERENCE.replace("qm8700", "qmä").encode(encoding))


def test_many_problems_are_cut_and_counted() -> None:
    lines = str(ConfigError(tuple(f"key{i}: missing" for i in range(35)))).splitlines()
    assert (lines[0].split(";")[0], len(lines), lines[-1]) == ("35 problems in rack:site", 32, "  … and 5 more")


def test_the_corpus_is_large_enough() -> None:
    assert len(TEXTS) + len(VALUES) + len(CREDENTIALS) >= 150


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(REFERENCE) - 1), st.integers(0, 12), st.text(max_size=8))
def test_no_mutation_ends_in_a_traceback(tmp_path: Path, start: int, length: int, text: str) -> None:
    file = tmp_path / "Pulumi.x.yaml"
    mutated = REFERENCE[:start] + text + REFERENCE[start + length :]
    file.write_bytes(mutated.encode(errors="surrogatepass"))
    with suppress(ConfigError):
        load_stack_file(file)
