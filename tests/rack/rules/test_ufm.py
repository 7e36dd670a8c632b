"""Design rules of the host that runs UFM."""

from tests.rack.rules.cases import (
    DIGEST,
    OWN_PUBLIC,
    Edits,
    broken,
    broken_test,
    findings,
    valid_test,
)
from tests.rack.sites import DROP

HOST = "ufm.host"
PIN = ":".join(["ab"] * 32)
ARCHIVE: Edits = {f"{HOST}.imageArchive": "/root/ufm.tar"}

BROKEN = [
    broken("UFM001", f"{HOST}.image", {f"{HOST}.image": "mellanox/ufm-enterprise"}),
    broken("UFM001", f"{HOST}.image", {f"{HOST}.image": "mellanox/ufm-enterprise:latest"}),
    broken("UFM001", f"{HOST}.installerImage", {f"{HOST}.installerImage": "registry:5000/ufm-enterprise-installer"}),
    broken("UFM002", f"{HOST}.fabricAddress", {f"{HOST}.fabricAddress": "11.11.11.253/24"}),
    broken("UFM002", f"{HOST}.fabricAddress", {f"{HOST}.fabricAddress": "172.16.2.1/30"}),
    broken("UFM002", f"{HOST}.fabricAddress", {**OWN_PUBLIC, f"{HOST}.fabricAddress": "10.9.0.253/30"}),
    *(
        broken("UFM002", f"{HOST}.fabricAddress", {f"{HOST}.fabricAddress": address})
        for address in ("172.31.255.0/30", "172.31.255.3/30", "224.0.0.1/24", "127.0.0.1/8", "169.254.0.1/16")
    ),
    broken("UFM003", f"{HOST}.image", {**ARCHIVE, f"{HOST}.image": DIGEST}),
    broken("UFM003", f"{HOST}.installerImage", {**ARCHIVE, f"{HOST}.installerImage": DIGEST}),
    broken("UFM004", f"{HOST}.licenseDir", {f"{HOST}.licenseDir": "/var/ufm_files/licenses"}),
    broken("UFM004", f"{HOST}.licenseDir", {f"{HOST}.licenseDir": "/var/ufm_files"}),
    broken("UFM004", f"{HOST}.licenseDir", {f"{HOST}.filesDir": "/opt/ufm/files", f"{HOST}.licenseDir": "/opt/ufm/"}),
    broken("UFM005", "ufm.fingerprint", {HOST: DROP, "ufm.fingerprint": PIN, "ufm.caFile": "ca.pem"}),
    broken("UFM005", "ufm.fingerprint", {"ufm.fingerprint": PIN}),
    broken("UFM005", "ufm.serverName", {"ufm.insecure": True, "ufm.serverName": "ufm"}),
    broken("UFM006", f"{HOST}.install.docker.keyFile", {f"{HOST}.install.docker": {"keyFile": "docker.asc"}}),
    broken(
        "UFM006",
        f"{HOST}.install.docker.keyFile",
        {f"{HOST}.install.docker": {"repository": "https://download.docker.com/linux/ubuntu"}},
    ),
    *(
        broken("UFM002", f"{HOST}.fabricAddress", {f"{HOST}.fabricAddress": address})
        for address in ("192.168.23.13/32", "192.168.23.1/28", "0.0.0.1/30")
    ),
]

DOCKER = f"{HOST}.install.docker"

VALID: list[Edits] = [
    {DOCKER: {}},
    {DOCKER: {"packages": ["docker-ce=5:24.0.2-1~ubuntu.18.04~bionic", "docker-ce-cli", "containerd.io"]}},
    {DOCKER: {"repository": "https://download.docker.com/linux/ubuntu", "keyFile": "docker.asc"}},
    {HOST: DROP, "ufm.fingerprint": PIN},
    {"ufm.serverName": "ufm.example.com"},
    {HOST: DROP},
    {HOST: DROP, "externalAccess": DROP},
    {"externalAccess": DROP},
    {f"{HOST}.image": DIGEST},
    {f"{HOST}.image": "registry:5000/ufm:6.19.3-1@sha256:" + "0123456789abcdef" * 4},
    {**ARCHIVE, f"{HOST}.installerImage": "mellanox/ufm-enterprise-installer:1"},
    {f"{HOST}.licenseDir": "/var/ufm_files_lic"},
]


def test_a_dummy_address_in_use_names_the_network() -> None:
    assert findings({**OWN_PUBLIC, f"{HOST}.fabricAddress": "10.9.0.253/30"}) == [
        "ufm.host.fabricAddress: found 10.9.0.253/30, which overlaps externalAccess.network.cidr 10.9.0.0/24; "
        "remove it to take the default, or write an address of a network that is not in use (UFM002)"
    ]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
