"""Design rules of a site without Internet access."""

from tests.rack.rules.cases import (
    OFFLINE,
    RHOSP,
    Edits,
    broken,
    broken_test,
    findings,
    valid_test,
)
from tests.rack.sites import DROP

NO_ARCHIVE: Edits = {**OFFLINE, "ufm.host.imageArchive": None}
PACKAGE = "/ofed/MLNX_OFED_LINUX-5.8-4.1.5.0-ubuntu18.04-x86_64.tgz"
OWN: Edits = {"siteDomains": ["corp.eu"]}
OWN_UFM = "registry.example:5000/ufm:1"

BROKEN = [
    broken("OFF001", "undercloud.repositories", {**OFFLINE, "undercloud.repositories": []}),
    broken("OFF002", "undercloud.containerNamespace", {**OFFLINE, "undercloud.containerNamespace": None}),
    broken("OFF002", "undercloud.containerNamespace", {**OFFLINE, "undercloud.containerNamespace": "tripleowallaby"}),
    broken(
        "OFF002", "undercloud.mlnxContainerNamespace", {**OFFLINE, "undercloud.mlnxContainerNamespace": "quay.io/m"}
    ),
    broken("OFF003", "undercloud.imagesArchive", {**OFFLINE, "undercloud.imagesArchive": None}),
    broken(
        "OFF004",
        "images[1].file",
        {**OFFLINE, "images[1].file": None, "images[1].elements": ["mofed", "cuda", "gpudirect-bench", "centos"]},
    ),
    *(
        broken("OFF006", f"networks.provisioning.ntp[{i}]", {**OFFLINE, "networks.provisioning.ntp": names})
        for i, names in enumerate([["0.pool.ntp.org"], ["ntp.example", "time.google.com"]])
    ),
    broken("OFF006", "networks.provisioning.ntp[0]", {**OFFLINE, "networks.provisioning.ntp": ["162.159.200.1"]}),
    broken("OFF006", "networks.provisioning.dns[0]", {**OFFLINE, "networks.provisioning.dns": ["8.8.8.8"]}),
    broken("OFF006", "tenant.network.dns[0]", {**OFFLINE, "tenant.network.dns": ["1.1.1.1"]}),
    broken(
        "OFF007",
        ("undercloud.repositories[0].baseurl", "undercloud.repositories[0].gpgkey"),
        {
            **OFFLINE,
            "undercloud.repositories": [
                {"id": "a", "baseurl": "https://vault.centos.org/8-stream", "gpgkey": "https://8.8.8.8/key"}
            ],
        },
    ),
    broken(
        "OFF007",
        ("ufm.host.install.docker.repository", "ufm.host.install.mlnxOfed.package"),
        {
            **OFFLINE,
            "ufm.host.install": {
                "docker": {"repository": "https://download.docker.com/linux/ubuntu", "keyFile": "docker.asc"},
                "mlnxOfed": {"package": f"https://content.mellanox.com{PACKAGE}", "sha256": "0" * 64},
            },
        },
    ),
    broken("OFF005", "ufm.host.image", NO_ARCHIVE),
    broken(
        "OFF005",
        "ufm.host.installerImage",
        {
            **NO_ARCHIVE,
            "ufm.host.image": OWN_UFM,
            "ufm.host.installerImage": "docker.io/mellanox/ufm-enterprise-installer:1",
        },
    ),
    *(
        broken("OFF006", "networks.provisioning.ntp[0]", {**OFFLINE, "networks.provisioning.ntp": [server]})
        for server in (
            "ntp1.ptb.de",
            "time.facebook.com",
            "ntp.ubuntu.com",
            "asia.pool.ntp.org",
            "ntp.example.edu",
            "time.localdomain.net",
        )
    ),
    broken("OFF006", "networks.provisioning.ntp[0]", {**OFFLINE, **OWN, "networks.provisioning.ntp": ["a.notcorp.eu"]}),
    broken("OFF002", "undercloud.containerNamespace", {**OFFLINE, "undercloud.containerNamespace": "ghcr.io/x"}),
    broken("OFF005", "ufm.host.image", {**NO_ARCHIVE, "ufm.host.image": "registry.corp.eu/ufm:1"}),
]

VALID: list[Edits] = [
    OFFLINE,
    *(
        {**OFFLINE, "ufm.host.install.mlnxOfed": {"package": package, "sha256": "0" * 64}}
        for package in (PACKAGE, f"http://mirror.example:8080{PACKAGE}")
    ),
    {**{k: v for k, v in OFFLINE.items() if not k.startswith("ufm")}, "ufm.host": DROP},
    {**NO_ARCHIVE, "ufm.host.image": OWN_UFM},
    {**OFFLINE, "undercloud.repositories": [{"id": "a", "baseurl": "file:///srv/mirror"}]},
    {**OFFLINE, "networks.provisioning.ntp": ["ntp.org.example"]},
    {**OFFLINE, "undercloud.mlnxContainerNamespace": "registry.example:5000/mlnx"},
    {**RHOSP, **OFFLINE, "undercloud.registry": {"caFile": "registry.pem"}, "undercloud.repositories": []},
    *(
        {**OFFLINE, "networks.provisioning.ntp": [server]}
        for server in ("ntp", "ntp.site.internal", "ntp.example.com", "ntp1.local", "10.0.0.2", "192.168.1.9")
    ),
    {**OFFLINE, "cloud.domain": "rack.corp.eu", "networks.provisioning.ntp": ["ntp.rack.corp.eu"]},
    {**OFFLINE, "undercloud.hostname": "director.corp.eu", "networks.provisioning.ntp": ["ntp.corp.eu"]},
    {**OFFLINE, **OWN, "networks.provisioning.ntp": ["corp.eu", "ntp.corp.eu"]},
    {**NO_ARCHIVE, **OWN, "ufm.host.image": "registry.corp.eu/ufm:1"},
    {**OFFLINE, "tenant.network.dns": ["11.11.11.2"]},  # A public address, in the tenant's own network
]


def test_every_source_on_the_internet_is_reported_at_once() -> None:
    assert [line.partition(":")[0] for line in findings({"internet": False})] == [
        "undercloud.repositories",
        "undercloud.containerNamespace",
        "undercloud.imagesArchive",
        "images[0].file",
        "images[1].file",
        "ufm.host.image",
    ]


def test_a_public_registry_is_reported_with_its_name() -> None:
    assert findings({**OFFLINE, "undercloud.containerNamespace": None}) == [
        "undercloud.containerNamespace: found 'quay.io/tripleowallaby', with internet: false; write the namespace in "
        "the site's registry, or its domain in siteDomains if it is the site's own (OFF002)"
    ]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
