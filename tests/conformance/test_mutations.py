"""Each row is one fault in one document, which the named check must report with the given words.

The checks are the Wallaby tools, and the programs in rack/wallaby/inside that use their data.
`tests/rack/tripleo/test_check.py` has the faults that only `rack.tripleo.check` finds. Heat takes seconds, so the
faults in TOGETHER, which do not hide each other, are checked in one run.
"""

import shutil
from pathlib import Path

import pytest

from rack.tripleo.documents import DEPLOY_PATH
from rack.tripleo.loaded import CONTAINERS, ENV, INVENTORY, NETWORKS, NODES, ROLES, SDN, UNDERCLOUD
from rack.wallaby.checks import CheckRun
from tests.rack.tripleo.faults import Fault, drop, put, rename, text

CONTROLLER_NICS = f"{DEPLOY_PATH}/controller-ib-vm-nics.j2"
COMPUTE_NICS = f"{DEPLOY_PATH}/compute-ib-vm-nics.j2"
PREPARE = "parameter_defaults.ContainerImagePrepare"
COMPUTES = "parameter_defaults.ComputeSriovIBParameters"
SERVICES = "OS::TripleO::Services::"

FAULTS = [
    # undercloud.conf
    Fault("unknown option", "undercloud", UNDERCLOUD, text("undercloud_public_host", "undercloud_publc_host"),
          "[DEFAULT] undercloud_publc_host: unknown option; write undercloud_public_host"),
    Fault("unknown option of the subnet", "undercloud", UNDERCLOUD, text("dhcp_start", "dhcp_strat"),
          "[ctlplane-subnet] dhcp_strat: unknown option; write dhcp_start"),
    Fault("the guide's enable_tempest", "undercloud", UNDERCLOUD, text("[DEFAULT]", "[DEFAULT]\nenable_tempest = no"),
          "[DEFAULT] enable_tempest: unknown option"),
    Fault("no boolean", "undercloud", UNDERCLOUD, text("masquerade = true", "masquerade = maybe"),
          "[ctlplane-subnet] masquerade"),
    Fault("no boolean at the top", "undercloud", UNDERCLOUD, text("telemetry = false", "telemetry = nope"),
          "[DEFAULT] enable_telemetry"),
    Fault("no address", "undercloud", UNDERCLOUD, text("192.168.24.1/24", "192.168.24/24"), "192.168.24/24"),
    Fault("dhcp outside", "undercloud", UNDERCLOUD, text("dhcp_end = 192.168.24", "dhcp_end = 192.168.25"),
          "192.168.25.99"),
    Fault("inverted inspection range", "undercloud", UNDERCLOUD,
          text("192.168.24.100,192.168.24.149", "192.168.24.149,192.168.24.100"), "inspection"),
    Fault("no name server", "undercloud", UNDERCLOUD, text("servers = 192.168.24.250", "servers = dns.example"),
          "dns.example"),
    Fault("section not listed", "undercloud", UNDERCLOUD, text("[ctlplane-subnet]", "[ctlplane]"), "[ctlplane-subnet]"),
    # instackenv.json
    Fault("no BMC address", "nodes", INVENTORY, drop("nodes[0].pm_addr"), "pm_addr"),
    Fault("bad MAC", "nodes", INVENTORY, put("nodes[0].ports[0].address", "52:54"), "52:54"),
    Fault("misspelt key", "nodes", INVENTORY, rename("nodes[0].pm_addr", "pm_adr"), "pm_adr"),
    Fault("name twice", "nodes", INVENTORY, put("nodes[0].name", "controller-2"), "controller-2"),
    Fault("capabilities without a colon", "nodes", INVENTORY, put("nodes[0].capabilities", "control"), "apabilit"),
    Fault("unknown BMC type", "nodes", INVENTORY, put("nodes[0].pm_type", "impi"), "impi"),
    # network data
    Fault("VLAN as a word", "networks", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", "eleven"), "eleven"),
    Fault("unknown key of a network", "networks", NETWORKS, rename("[0].mtu", "mtuu"), "mtuu"),
    Fault("no prefix", "networks", NETWORKS, put("[0].subnets.internal_api_subnet.ip_subnet", "172.16.2.0/33"), "/33"),
    Fault("unknown key of a pool", "networks", NETWORKS,
          rename("[0].subnets.internal_api_subnet.allocation_pools[0].start", "strat"), "strat"),
    Fault("subnets misspelt", "networks", NETWORKS, rename("[0].subnets", "subnetz"), "subnetz"),
    Fault("name misspelt", "rendering", NETWORKS, rename("[0].name", "nam"), "process-templates.py"),
    Fault("no YAML", "rendering", NETWORKS, text("- name: Storage\n", "- name: [Storage\n"), "process-templates.py"),
    # node-info
    Fault("unknown key of a group", "networks", NODES, rename("[0].defaults.networks[0].subnet", "subnett"), "subnett"),
    Fault("count as a word", "networks", NODES, put("[0].count", "two"), "two"),
    Fault("more instances than count", "networks", NODES, put("[0].count", 1), "count"),
    Fault("hostname twice", "networks", NODES, put("[0].instances[1].hostname", "overcloud-controller-0"),
          "overcloud-controller-0"),
    # NIC templates
    Fault("PKey as a number", "nics", COMPUTE_NICS,
          text("\"{{ lookup('vars', networks_lower[network] ~ '_vlan_id') }}\"", "12"), "is not of type"),
    Fault("key of a child", "nics", COMPUTE_NICS, text("pkey_id", "pkeyid"), "pkeyid"),
    Fault("unknown type", "nics", COMPUTE_NICS, text("ib_child_interface", "ib_child"), "ib_child"),
    Fault("PKey with the membership bit", "nics", CONTROLLER_NICS,
          text("\"{{ lookup('vars', networks_lower[network] ~ '_vlan_id') }}\"", '"0x8012"'), "Invalid pkey value"),
    Fault("misspelt variable", "nics", CONTROLLER_NICS, text("ctlplane_mtu", "ctlplane_mtuu"), "ctlplane_mtuu"),
    Fault("misspelt VFs", "nics", COMPUTE_NICS, text("numvfs: 8", "numvf: 8"), "numvf"),
    # the deploy command
    Fault("unknown option", "commands", "deploy.sh", text("--vip-file", "--vips-file"), "--vips-file"),
    Fault("abbreviated option", "commands", "deploy.sh", text("--vip-file", "--vip-fil"), "write it in full"),
    Fault("missing file", "commands", "deploy.sh", text("podman.yaml", "podmann.yaml"), "files were not found"),
    Fault("no deployed server", "commands", "deploy.sh", text("  --deployed-server \\\n", ""), "--deployed-server"),
    # containers
    Fault("includes misspelt", "containers", CONTAINERS, rename(f"{PREPARE}[1].includes", "includs"),
          "ContainerImagePrepare[1].includs: unknown key; write includes"),
    Fault("key of a set", "containers", CONTAINERS, rename(f"{PREPARE}[1].set.name_prefix", "nam_prefix"),
          "ContainerImagePrepare[1].set.nam_prefix: unknown key; write name_prefix"),
    Fault("misspelt image", "containers", CONTAINERS, put(f"{PREPARE}[2].includes", ["neutron-mlnx-agnt"]),
          "no entry prepares ContainerNeutronMlnxImage"),
    Fault("no destination", "containers", CONTAINERS, put(f"{PREPARE}[0].push_destination", 17), "TypeError"),
]  # fmt: skip

TOGETHER = [
    Fault("unknown parameter", "templates", ENV,
          rename("parameter_defaults.IPoIBPhysicalInterface", "IPoIBPhysicalInterfce"),
          "IPoIBPhysicalInterfce: no service of these roles declares it; write IPoIBPhysicalInterface"),
    Fault("no boolean", "templates", SDN, put("parameter_defaults.MlnxSDNSyncEnabled", "perhaps"),
          "MlnxSDNSyncEnabled: found 'perhaps'; write a Boolean"),
    Fault("no number of a role", "templates", ENV, put(f"{COMPUTES}.NovaReservedHostMemory", "lots"),
          "ComputeSriovIBParameters.NovaReservedHostMemory: found 'lots'; write a Number"),
    Fault("no list", "templates", ENV, put("parameter_defaults.NtpServer", {"a": "b"}), "NtpServer: found {'a': 'b'}"),
    Fault("missing parameter", "templates", SDN, drop("parameter_defaults.MlnxSDNUrl"), "MlnxSDNUrl: missing"),
    Fault("unknown parameter of a role", "templates", ENV, rename(f"{COMPUTES}.IsolCpusList", "IsolCpuList"),
          "IsolCpuList: no service of this role declares it as role-specific; write IsolCpusList"),
]  # fmt: skip

REFUSED = [
    Fault("wrong type at the top", "templates", ENV, put("parameter_defaults.DnsServers", {"a": "b"}),
          "comma-delimited list"),
    Fault("missing template", "templates", SDN,
          put(f"resource_registry.{SERVICES}NeutronCorePlugin", "./nowhere.yaml"), "Could not fetch contents"),
    Fault("misspelt alias", "templates", SDN,
          put(f"resource_registry.{SERVICES}NeutronCorePlugin", f"{SERVICES}NeutronCorePluginMLNXSDM"),
          "NeutronCorePluginMLNXSDM"),
    Fault("misspelt left side", "templates", SDN,
          rename(f"resource_registry.{SERVICES}NeutronCorePlugin", f"{SERVICES}NeutronCorePlugn"),
          "NeutronCorePlugn: TripleO has no such resource; write OS::TripleO::Services::NeutronCorePlugin"),
    Fault("misspelt service", "templates", ROLES, text("Services::NovaCompute\n", "Services::NovaComputer\n"),
          "NovaComputer"),
]  # fmt: skip


def found(fault: Fault, reference: CheckRun, home: Path, scratch: Path) -> list[str]:
    """Return what the check that should find the fault reports for a folder."""
    fresh = fault.by == "rendering" or fault.file == ROLES  # both change the templates
    run = CheckRun(reference.workers, home, reference.plan, scratch if fresh else reference.scratch)
    run.results = dict(reference.results)
    if fresh and fault.by != "rendering":
        assert run.findings("rendering") == []
    return [str(finding) for finding in run.findings(fault.by)]


@pytest.mark.parametrize("fault", [*FAULTS, *REFUSED], ids=lambda f: f"{f.by}-{Path(f.file).stem}-{f.name}")
def test_a_fault_is_found(fault: Fault, reference: CheckRun, needed: None, home: Path, tmp_path: Path) -> None:
    fault.make(home)
    findings = found(fault, reference, home, tmp_path)
    assert fault.is_in(findings), findings


@pytest.fixture(scope="module")
def needed(reference: CheckRun) -> None:
    """Let Heat report the images that the overcloud needs."""
    assert reference.findings("templates") == []


@pytest.fixture(scope="module")
def together(reference: CheckRun, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    home = tmp_path_factory.mktemp("together") / "home"
    shutil.copytree(reference.home, home)
    for fault in TOGETHER:
        fault.make(home)
    return found(TOGETHER[0], reference, home, home)


@pytest.mark.parametrize("fault", TOGETHER, ids=lambda f: f.name)
def test_a_fault_is_found_among_others(fault: Fault, together: list[str]) -> None:
    assert fault.is_in(together), together


def test_nothing_else_is_found(together: list[str]) -> None:
    assert len(together) == len(TOGETHER), together
