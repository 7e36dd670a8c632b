"""Nothing broken passes: each row is one fault in one document, and who finds it, with which words.

`own` is `rack.tripleo.check`, where every real tool is silent; the others are the real tools, and the loops beside
them over what they know. Heat takes seconds, so faults that do not hide each other go before it together.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rack.tripleo.check import check
from rack.tripleo.documents import DEPLOYMENT_FOLDER
from rack.tripleo.loaded import CONTAINERS, ENV, INVENTORY, NETWORKS, NODES, ROLES, SDN, UNDERCLOUD, VIPS
from rack.wallaby.checks import CheckRun
from tests.rack.sites import steps

CONTROLLER_NICS, COMPUTE_NICS = (
    f"{DEPLOYMENT_FOLDER}/controller-ib-vm-nics.j2",
    f"{DEPLOYMENT_FOLDER}/compute-ib-vm-nics.j2",
)
PREPARE = "parameter_defaults.ContainerImagePrepare"
COMPUTES = "parameter_defaults.ComputeSriovIBParameters"
SERVICES = "OS::TripleO::Services::"

Edit = Callable[[str], str]


def text(old: str, new: str) -> Edit:
    """Another text in place of one that must be there."""

    def edit(written: str) -> str:
        assert old in written, old
        return written.replace(old, new, 1)

    return edit


def _edited(written: str, path: str, change: Callable[[Any, str | int], None]) -> str:
    document = yaml.safe_load(written)
    *above, last = steps(path)
    here = document
    for step in above:
        here = here[step]
    change(here, last)
    return json.dumps(document) if written.lstrip().startswith("{") else yaml.safe_dump(document, sort_keys=False)


def put(path: str, value: Any) -> Edit:
    return lambda written: _edited(written, path, lambda here, last: here.__setitem__(last, value))


def drop(path: str) -> Edit:
    return lambda written: _edited(written, path, lambda here, last: here.__delitem__(last))


def rename(path: str, name: str) -> Edit:
    return lambda written: _edited(written, path, lambda here, last: here.__setitem__(name, here.pop(last)))


@dataclass(frozen=True)
class Fault:
    name: str
    by: str
    file: str
    edit: Edit
    says: str
    """What must be in a finding, beside the file's name."""

    def make(self, home: Path) -> None:
        path = home / self.file
        path.write_text(self.edit(path.read_text()))

    def is_in(self, found: Sequence[str]) -> bool:
        """Heat names no file; what it refuses, or misses everywhere, is told of the command."""
        return any(line.partition(": ")[0].startswith((self.file, "deploy.sh")) and self.says in line for line in found)


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
    Fault("containers file elsewhere", "own", UNDERCLOUD, text("prepare-parameter-ib", "prepare-ib"),
          "container_images_file: found"),
    # instackenv.json
    Fault("no BMC address", "nodes", INVENTORY, drop("nodes[0].pm_addr"), "pm_addr"),
    Fault("bad MAC", "nodes", INVENTORY, put("nodes[0].ports[0].address", "52:54"), "52:54"),
    Fault("misspelt key", "nodes", INVENTORY, rename("nodes[0].pm_addr", "pm_adr"), "pm_adr"),
    Fault("name twice", "nodes", INVENTORY, put("nodes[0].name", "controller-2"), "controller-2"),
    Fault("capabilities without a colon", "nodes", INVENTORY, put("nodes[0].capabilities", "control"), "apabilit"),
    Fault("unknown BMC type", "nodes", INVENTORY, put("nodes[0].pm_type", "impi"), "impi"),
    Fault("no BMC address but a text", "own", INVENTORY, put("nodes[0].pm_addr", "not-an-ip"),
          "nodes[0] (controller-1).pm_addr: found 'not-an-ip'; write an IPv4 address"),
    Fault("unknown capability", "own", INVENTORY, put("nodes[0].capabilities", "profil:control"),
          "controller-1.capabilities: found 'profil:control'; write profile:control"),
    # roles data
    Fault("unknown network of a role", "own", ROLES, rename("[1].networks.InternalApi", "InternlApi"),
          "ComputeSriovIB.networks.InternlApi: no network of"),
    Fault("unknown key of a role", "own", ROLES, rename("[1].networks", "netwrks"),
          "[1] (ComputeSriovIB).netwrks: unknown key; write networks"),
    Fault("unknown subnet of a role", "own", ROLES, put("[0].networks.Storage.subnet", "storage_subnt"),
          "found 'storage_subnt'; write storage_subnet"),
    # network data
    Fault("VLAN as a word", "networks", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", "eleven"), "eleven"),
    Fault("unknown key of a network", "networks", NETWORKS, rename("[0].mtu", "mtuu"), "mtuu"),
    Fault("no prefix", "networks", NETWORKS, put("[0].subnets.internal_api_subnet.ip_subnet", "172.16.2.0/33"), "/33"),
    Fault("unknown key of a pool", "networks", NETWORKS,
          rename("[0].subnets.internal_api_subnet.allocation_pools[0].start", "strat"), "strat"),
    Fault("subnets misspelt", "networks", NETWORKS, rename("[0].subnets", "subnetz"), "subnetz"),
    Fault("subnets misspelt", "own", NETWORKS, rename("[0].subnets", "subnetz"), "unknown key; write subnets"),
    Fault("name misspelt", "rendering", NETWORKS, rename("[0].name", "nam"), "process-templates.py"),
    Fault("no YAML", "rendering", NETWORKS, text("- name: Storage\n", "- name: [Storage\n"), "process-templates.py"),
    Fault("no YAML", "own", NETWORKS, text("- name: Storage\n", "- name: [Storage\n"), "found no YAML"),
    Fault("one VLAN twice", "own", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 11),
          "vlan: found 11 on InternalApi, Storage"),
    Fault("control PKey inside the tenants' range", "own", NETWORKS,
          put("[0].subnets.internal_api_subnet.vlan", 150),
          "InternalApi.subnets.internal_api_subnet.vlan: found 150 (PKey 0x96), inside the tenants' ibnet:101:200"),
    # node-info
    Fault("unknown key of a group", "networks", NODES, rename("[0].defaults.networks[0].subnet", "subnett"), "subnett"),
    Fault("count as a word", "networks", NODES, put("[0].count", "two"), "two"),
    Fault("more instances than count", "networks", NODES, put("[0].count", 1), "count"),
    Fault("hostname twice", "networks", NODES, put("[0].instances[1].hostname", "overcloud-controller-0"),
          "overcloud-controller-0"),
    Fault("unknown subnet of a node", "own", NODES, put("[0].defaults.networks[0].subnet", "nosuch_subnet"),
          "Controller.defaults.networks.internal_api.subnet: found 'nosuch_subnet'; write internal_api_subnet"),
    Fault("unknown role", "own", NODES, put("[1].name", "ComputeSriov"), "found 'ComputeSriov'; write ComputeSriovIB"),
    Fault("unknown node", "own", NODES, put("[1].instances[0].name", "compute-9"), "no node of instackenv.json"),
    Fault("a role's network left out", "own", NODES, drop("[1].defaults.networks[0]"),
          "ComputeSriovIB.defaults.networks: found storage; write internal_api, storage"),
    Fault("template elsewhere", "own", NODES, text("compute-ib-vm-nics.j2", "compute-ib-nics.j2"), "template: found"),
    # vip data
    Fault("unknown key of a VIP", "own", VIPS, rename("[0].dns_name", "dnsname"),
          "[0] (internal_api).dnsname: unknown key; write dns_name"),
    Fault("unknown network of a VIP", "own", VIPS, put("[0].network", "internalapi"), "write internal_api"),
    Fault("unknown subnet of a VIP", "own", VIPS, put("[0].subnet", "internal_subnet"), "write internal_api_subnet"),
    # environment files
    Fault("key of a device", "own", ENV, rename(f"{COMPUTES}.NovaPCIPassthrough[0].devname", "devnam"),
          "NovaPCIPassthrough[0].devnam: unknown key; write devname"),
    Fault("device of another interface", "own", ENV, put(f"{COMPUTES}.NovaPCIPassthrough[0].devname", "ib0"),
          "found 'ibnet on ib0'; write ibnet on ib2"),
    Fault("puppet's key", "own", ENV,
          rename("parameter_defaults.ControllerExtraConfig.nova::pci::aliases", "nova::pci::aliasess"),
          "ControllerExtraConfig.nova::pci::aliasess: unknown key; write nova::pci::aliases"),
    Fault("key of an alias", "own", ENV,
          rename("parameter_defaults.ControllerExtraConfig.nova::pci::aliases[0].vendor_id", "vendor"),
          "aliases[0] (a100).vendor: unknown key; write vendor_id"),
    Fault("two aliases", "own", ENV,
          put("parameter_defaults.ControllerExtraConfig.nova::pci::aliases[0].name", "a10"), "write the same for both"),
    Fault("slash at the URL's end", "own", SDN, text("ufmRestV3", "ufmRestV3/"), "write it without the slash"),
    Fault("other physical network", "own", SDN, text("BindNormalPortsPhysnet: ibnet", "BindNormalPortsPhysnet: ibne"),
          "BindNormalPortsPhysnet: found 'ibne'; write ibnet"),
    Fault("section misspelt", "own", ENV, text("parameter_defaults", "parameter_default"), "write parameter_defaults"),
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
    Fault("includes misspelt", "own", CONTAINERS, rename(f"{PREPARE}[1].includes", "includs"),
          "ContainerImagePrepare[1].includs: unknown key; write includes"),
    Fault("key of a set", "containers", CONTAINERS, rename(f"{PREPARE}[1].set.name_prefix", "nam_prefix"),
          "ContainerImagePrepare[1].set.nam_prefix: unknown key; write name_prefix"),
    Fault("misspelt image", "containers", CONTAINERS, put(f"{PREPARE}[2].includes", ["neutron-mlnx-agnt"]),
          "no entry prepares ContainerNeutronMlnxImage"),
    Fault("no destination", "containers", CONTAINERS, put(f"{PREPARE}[0].push_destination", 17), "TypeError"),
    Fault("unknown Ansible role", "own", CONTAINERS, put(f"{PREPARE}[1].modify_role", "tripleo-modify-imag"),
          "found 'tripleo-modify-imag'; write tripleo-modify-image"),
    Fault("image prepared twice", "own", CONTAINERS, put(f"{PREPARE}[0].excludes", ["nova-compute"]),
          "neutron-server is prepared twice"),
    # a document that is not there
    Fault("empty", "own", VIPS, lambda written: "", "the document: found nothing; write a list"),
]  # fmt: skip

TOGETHER = [
    Fault("unknown parameter", "templates", ENV,
          rename("parameter_defaults.IPoIBPhysicalInterface", "IPoIBPhysicalInterfce"),
          "IPoIBPhysicalInterfce: declared by no service of these roles; write IPoIBPhysicalInterface"),
    Fault("no boolean", "templates", SDN, put("parameter_defaults.MlnxSDNSyncEnabled", "perhaps"),
          "MlnxSDNSyncEnabled: found 'perhaps'; write a Boolean"),
    Fault("no number of a role", "templates", ENV, put(f"{COMPUTES}.NovaReservedHostMemory", "lots"),
          "ComputeSriovIBParameters.NovaReservedHostMemory: found 'lots'; write a Number"),
    Fault("no list", "templates", ENV, put("parameter_defaults.NtpServer", {"a": "b"}), "NtpServer: found {'a': 'b'}"),
    Fault("missing parameter", "templates", SDN, drop("parameter_defaults.MlnxSDNUrl"), "MlnxSDNUrl: missing"),
    Fault("unknown parameter of a role", "templates", ENV, rename(f"{COMPUTES}.IsolCpusList", "IsolCpuList"),
          "ComputeSriovIBParameters.IsolCpuList: role-specific in no service of this role; write IsolCpusList"),
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
    """What the one who should find it says of a bundle."""
    if fault.by == "own":
        return [str(problem) for problem in check(home)]
    fresh = fault.by == "rendering" or fault.file == ROLES  # these two change the templates
    run = CheckRun(reference.workers, home, reference.plan, scratch if fresh else reference.scratch)
    run.results = dict(reference.results)
    if fresh and fault.by != "rendering":
        assert run.findings("rendering") == []
    return [str(finding) for finding in run.findings(fault.by)]


@pytest.mark.parametrize("fault", [*FAULTS, *REFUSED], ids=lambda f: f"{f.by}-{Path(f.file).stem}-{f.name}")
def test_a_fault_is_found(fault: Fault, reference: CheckRun, needed: None, home: Path, tmp_path: Path) -> None:
    fault.make(home)
    said = found(fault, reference, home, tmp_path)
    assert fault.is_in(said), said


@pytest.fixture(scope="module")
def needed(reference: CheckRun) -> None:
    """The images that the overcloud needs, as Heat tells."""
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


def test_a_missing_document_is_told(home: Path) -> None:
    (home / VIPS).unlink()
    assert any(str(p).startswith(f"{VIPS}: missing") for p in check(home))
