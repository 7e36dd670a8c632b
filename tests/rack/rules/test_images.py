"""Design rules of the guest images."""

from tests.rack.rules.cases import (
    NO_FLOATING,
    Edits,
    broken,
    broken_test,
    findings,
    valid_test,
)
from tests.rack.sites import DROP

GDR, OFED = "images[1]", "/opt/MLNX_OFED_LINUX-{}-rhel8.5-x86_64.iso"
FILE: Edits = {"images[0].elements": [], "images[0].file": "/srv/centos.qcow2"}

FILE_GDR: Edits = {f"{GDR}.elements": [], f"{GDR}.file": "/srv/gdr.qcow2"}
BUILDER = {"address": "192.168.24.240"}

BROKEN = [
    broken(
        "IMG001",
        ("images[0].name", "images[2].name"),
        {"images[2]": {"name": "centos8-stream", "elements": ["vm", "centos"]}},
    ),
    broken("IMG002", "images[0].file", {"images[0].file": "/srv/centos.qcow2"}),
    broken("IMG003", "images[1].elements", {"images[1].elements": ["vm", "cuda", "gpudirect-bench", "centos"]}),
    broken("IMG003", "images[1].elements", {"images[1].elements": ["vm", "mofed", "gpudirect-bench", "centos"]}),
    broken("IMG004", f"{GDR}.environment", {f"{GDR}.environment": {"DIB_MOFED_FILE": OFED.format("5.5-1.0.3.2")}}),
    broken("IMG004", f"{GDR}.environment", {f"{GDR}.environment": {"DIB_MOFED_FILE": OFED.format("4.9-4.0.8.0")}}),
    broken("IMG005", "images[0].environment", {**FILE, "images[0].environment": {"DIB_DHCP_TIMEOUT": "60"}}),
    broken("IMG006", f"{GDR}.environment", {f"{GDR}.environment": {"DIB_YUM_REPO_CONF": "$(reboot)"}}),
    *(
        broken("IMG008", "images[0].environment", {"images[0].environment": {name: value}})
        for name, value in (
            ("DIB_DEV_USER_PASSWORD", "text"),
            ("DIB_CLOUD_IMAGES", "https://user:text@mirror.example/a"),
            ("DIB_DISTRIBUTION_MIRROR", "https://token@mirror.example/a"),
        )
    ),
    *(
        broken("IMG009", "images[0].elements[1]", {"images[0].elements": ["centos", name]})
        for name in ("rdma-cor", "mofeds", "cloud-init-datasource", "dhcp-all-interface", "gpudirect-banch")
    ),
    broken("IMG010", "images[0].elements", {"images[0].elements": ["vm", "centos", "ubuntu-minimal"]}),
    broken("IMG010", "images[0].elements", {"images[0].elements": ["vm", "growroot"]}),
    broken("IMG007", "builder.address", {"builder": {"address": "192.168.24.1"}}),
    broken("IMG007", "builder.address", {"builder": {"address": "192.168.24.21"}}),
    broken("IMG007", "builder.address", {"builder": BUILDER, **FILE, **FILE_GDR}),
    broken("IMG002", "images[0].elements", {"images[0].elements": []}),
    *(
        broken("IMG008", "images[0].environment", {"images[0].environment": {name: value}})
        for name, value in (
            ("DIB_REG_TOKEN", "text"),
            ("DIB_CLIENT_SECRET", "text"),
            ("DIB_ACTIVATION_KEY", "text"),
            ("DIB_SOURCE", "user:text@mirror.example"),
            ("DIB_SOURCE", "https://mirror.example/a?X-Signature=text"),
            ("DIB_OPTIONS", "--password text"),
        )
    ),
    *(
        broken("IMG011", "images[0].environment", {"images[0].environment": {"DIB_IMAGE_SIZE": size}})
        for size in ("41", "forty", "-1", "1e3")
    ),
]

VALID: list[Edits] = [
    *({"images[0].elements": names} for names in (["centos9"], ["vm", "own-system"], ["ubuntu-signed"], ["rocky"])),
    {"images[0].environment": {"DIB_DEV_USER_PWDLESS_SUDO": "yes", "DIB_CLOUD_IMAGES": "https://mirror.example/a"}},
    {"builder": BUILDER, f"{GDR}.kernel": "4.18.0-365.el8.x86_64"},
    {f"{GDR}.environment": {"DIB_MOFED_FILE": OFED.format("5.6-2.0.9.0")}},
    {f"{GDR}.environment": {"DIB_MOFED_FILE": OFED.format("23.10-0.5.5.0")}},
    {f"{GDR}.environment": {"DIB_MOFED_FILE": "/opt/ofed.iso", "DIB_YUM_REPO_CONF": "/etc/yum.repos.d/*.repo"}},
    {
        "images[0].elements": ["vm", "mofed", "centos"],
        "images[0].environment": {"DIB_MOFED_FILE": OFED.format("4.9-4.0.8.0")},
    },
    {"images": [], "tenant.instances": [], "bandwidth": DROP, **NO_FLOATING},
    {"images[0].elements": [], "images[0].file": "/srv/centos.qcow2"},
    {"images[0].environment": {"DIB_IMAGE_SIZE": "40"}},
    {"images[0].environment": {"DIB_IMAGE_SIZE": "100"}, "tenant.flavor.diskGib": 100},
    {"images[0].environment": {"DIB_GPG_PUBLIC_KEY": "/etc/pki/key"}},
]


def test_values_of_variables_are_not_shown() -> None:
    secret = "hunter2"
    for name in ("DIB_MOFED_FILE", "DIB_YUM_REPO_CONF"):
        value = f"https://u:{secret}@mirror.example/MLNX_OFED_LINUX-5.4-1.0.3.1-rhel8.5-x86_64.iso"
        found = findings({f"{GDR}.environment": {name: value}})
        assert len(found) == 2
        assert secret not in "".join(found)


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
