"""Values that would overwrite or delete what belongs to the hosts or to TripleO."""

from tests.rack.rules.cases import Edits, broken, broken_test, valid_test
from tests.rack.sites import DROP

OTHERS = ("/home/ops", "/home/ops/", "/var/lib/docker", "/var/lib/docker/volumes", "/var/log/ufm")
BROKEN = [
    *(broken("RES001", "cloud.name", {"cloud": {"name": name}}) for name in ("stack", "undercloud")),
    *(
        broken("RES002", "images[2].name", {"images[2]": {"name": built, "elements": ["vm", "centos"]}})
        for built in ("overcloud-full", "ironic-python-agent", "overcloud-hardened-uefi-full")
    ),
    *(
        broken("RES003", "ufm.host.filesDir", {"ufm.host.filesDir": folder})
        for folder in ("/var", "/var/", "/etc/ufm", "/var/ufm/../lib", "/var/lib", "/srv", *OTHERS)
    ),
    broken("RES003", "ufm.host.licenseDir", {"ufm.host.licenseDir": "/opt"}),
    broken("RES004", "tenant.network.name", {"tenant.network.name": "public"}),
    broken("RES004", "tenant.network.subnet", {"tenant.network.subnet": "public_subnet"}),
    broken("RES005", "networks.external.interface", {"networks.external.interface": "eno1"}),
    broken("RES005", "fabric.interface", {"fabric.interface": "eno2"}),
    broken("RES005", "networks.external.interface", {"networks.external.interface": "br-ex"}),
    broken("RES005", "networks.provisioning.interface", {"networks.provisioning.interface": "lo"}),
    broken("RES005", "undercloud.interface", {"undercloud.interface": "br-ctlplane"}),
    broken("RES005", "ufm.host.fabricInterface", {"ufm.host.managementInterface": "ib0"}),
    *(
        broken("RES006", "nodes[0].ipmi.address", {"nodes[0].ipmi.address": address})
        for address in ("192.168.24.11", "192.168.24.200", "192.168.24.60", "192.168.24.120")
    ),
    *(
        broken("RES006", "nodes[0].ipmi.address", {"nodes[0].ipmi.address": address})
        for address in ("192.168.24.2", "192.168.24.201", "192.168.24.251", "10.0.0.1", "10.0.0.60", "172.16.1.60")
    ),
    broken(
        "RES006",
        "nodes[0].ipmi.address",
        {"nodes[0].ipmi.address": "192.168.23.1", "undercloud.managementAddress": "192.168.23.1"},
    ),
    broken("RES007", "undercloud.imagesArchive", {"undercloud.imagesArchive": "/srv/../root/x.tar"}),
    broken("RES007", "builder.imagesDir", {"builder": {"address": "10.1.0.1", "imagesDir": "/var/../etc"}}),
    *(
        broken("RES007", f"undercloud.{key}", {f"undercloud.{key}": "/root/x"})
        for key in ("imagesDir", "elementsPath", "imagesArchive")
    ),
]
VALID: list[Edits] = [
    {"cloud": {"name": "stack1"}},
    {"ufm.host.filesDir": "/srv/ufm"},
    {"ufm.host.filesDir": "/var/lib/ufm"},
    {"ufm.host.filesDir": "/home/ubuntu/ufm_files"},
    {"nodes[0].ipmi.address": "192.168.24.240"},
    {"ufm.host.managementInterface": "eno1", "fabric.interface": DROP},
    {"undercloud.imagesDir": "/rootfs/images"},
]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
