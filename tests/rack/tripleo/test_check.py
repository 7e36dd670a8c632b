"""rack.tripleo.check: each fault that it must find, and edits that are valid and must not be reported."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from rack.__main__ import write_home
from rack.tripleo.check import check
from rack.tripleo.documents import DOCUMENTS, LOGIN, Document
from rack.tripleo.loaded import CONTAINERS, ENV, INVENTORY, NETWORKS, NODES, ROLES, SDN, UNDERCLOUD, VIPS
from rack.tripleo.models import ImageEntry, NetworkData, NodeInstance, NodeNetwork, RoleData
from tests.rack import sites
from tests.rack.tripleo.faults import Edit, Fault, drop, put, rename, text

PREPARE = "parameter_defaults.ContainerImagePrepare"
COMPUTES = "parameter_defaults.ComputeSriovIBParameters"
RANGES = "parameter_defaults.NeutronNetworkVLANRanges"
ALIASES = "nova::pci::aliases"
ML2 = "neutron::config::plugin_ml2_config"
OPTIONS = f"parameter_defaults.ControllerExtraConfig.{ML2}"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documents of the guide's rack. Tests must not change them."""
    folder = tmp_path_factory.mktemp("reference") / "home"
    write_home(sites.plan(), folder)
    return folder


@pytest.fixture
def home(reference: Path, tmp_path: Path) -> Path:
    """A copy of the documents, for a test to edit."""
    return Path(shutil.copytree(reference, tmp_path / "home"))


def edited(home: Path, *edits: tuple[str, Edit]) -> list[str]:
    """The problems after some edits of files."""
    for file, edit in edits:
        path = home / file
        path.write_text(edit(path.read_text()))
    return [str(problem) for problem in check(home)]


FAULTS = [
    # undercloud.conf
    Fault("containers file elsewhere", "own", UNDERCLOUD, text("prepare-parameter-ib", "prepare-ib"),
          "container_images_file: found"),
    # instackenv.json
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
    Fault("subnets misspelt", "own", NETWORKS, rename("[0].subnets", "subnetz"), "unknown key; write subnets"),
    Fault("no YAML", "own", NETWORKS, text("- name: Storage\n", "- name: [Storage\n"), "found no YAML"),
    Fault("one VLAN twice", "own", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 11),
          "vlan: found 11 on InternalApi, Storage"),
    Fault("control PKey inside the tenants' range", "own", NETWORKS,
          put("[0].subnets.internal_api_subnet.vlan", 150),
          "InternalApi.subnets.internal_api_subnet.vlan: found 150 (PKey 0x96), inside the tenants' ibnet:101:200"),
    # node-info
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
    Fault("puppet's second key", "own", ENV, rename(f"parameter_defaults.ControllerExtraConfig.{ML2}", f"{ML2}s"),
          f"ControllerExtraConfig.{ML2}s: unknown key; write {ML2}"),
    Fault("option without a section", "own", ENV, rename(f"{OPTIONS}.sdn/cert_verify", "cert_verify"),
          "cert_verify: found {'value': True}; write `SECTION/OPTION: {value: VALUE}`"),
    Fault("option without `value`", "own", ENV, put(f"{OPTIONS}.sdn/cert_verify", True), "cert_verify: found True"),
    Fault("option with another key", "own", ENV, put(f"{OPTIONS}.sdn/cert_verify", {"vlaue": True}),
          "cert_verify: found {'vlaue': True}"),
    Fault("options as a list", "own", ENV, put(OPTIONS, []), f"{ML2}: found []; write a mapping"),
    Fault("option that a parameter sets", "own", ENV, put(f"{OPTIONS}.sdn/url", {"value": "https://ufm"}),
          f"sdn/url: Puppet sets this option from the parameters of {SDN}"),
    Fault("other physical network of the SDN driver", "own", ENV,
          put(f"{OPTIONS}.sdn/physical_networks", {"value": "ibne"}),
          "sdn/physical_networks.value: found 'ibne'; write ibnet"),
    Fault("slash at the URL's end", "own", SDN, text("ufmRestV3", "ufmRestV3/"), "write it without the slash"),
    Fault("other physical network", "own", SDN, text("BindNormalPortsPhysnet: ibnet", "BindNormalPortsPhysnet: ibne"),
          "BindNormalPortsPhysnet: found 'ibne'; write ibnet"),
    Fault("section misspelt", "own", ENV, text("parameter_defaults", "parameter_default"), "write parameter_defaults"),
    # containers
    Fault("includes misspelt", "own", CONTAINERS, rename(f"{PREPARE}[1].includes", "includs"),
          "ContainerImagePrepare[1].includs: unknown key; write includes"),
    Fault("unknown Ansible role", "own", CONTAINERS, put(f"{PREPARE}[1].modify_role", "tripleo-modify-imag"),
          "found 'tripleo-modify-imag'; write tripleo-modify-image"),
    Fault("image prepared twice", "own", CONTAINERS, put(f"{PREPARE}[0].excludes", ["nova-compute"]),
          "neutron-server is prepared twice"),
    # a document that is not there
    Fault("empty", "own", VIPS, lambda written: "", "the document: found nothing; write a list"),
    # more than one document, and limits
    Fault("one name twice", "own", NETWORKS, put("[0].name_lower", "storage"), "name_lower: found 'storage' twice"),
    Fault("two virtual addresses", "own", VIPS, put("[0].network", "storage"), "network: found 'storage' twice"),
    Fault("range that is no range", "own", ENV, put(RANGES, ["datacentre:1:1000", "ibnet:101"]),
          "NeutronNetworkVLANRanges: found 'ibnet:101'; write PHYSNET:FIRST:LAST"),
    Fault("first VLAN of the tenants", "own", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 101), "found 101"),
    Fault("last VLAN of the tenants", "own", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 200), "found 200"),
    Fault("VLAN 0", "own", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 0), "found 0; write"),
    Fault("PKey of UFM", "own", NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 0x7FFF), "found 32767; write"),
    Fault("unknown subnet of an instance", "own", NODES,
          put("[0].instances[1].networks[1].subnet", "nosuch_subnet"),
          "Controller.instances.controller-2.networks.internal_api.subnet: found 'nosuch_subnet'"),
    Fault("an instance's network left out", "own", NODES, drop("[1].instances[0].networks[1]"),
          "ComputeSriovIB.instances.compute-1.networks: found storage; write internal_api, storage"),
    Fault("no network", "own", NODES, put("[1].defaults.networks", []),
          "ComputeSriovIB.defaults.networks: found none; write internal_api, storage"),
    Fault("count as a text", "own", NODES, put("[1].count", "2"), "[1] (ComputeSriovIB).count: found '2'; write"),
    Fault("fewer instances than count", "own", NODES, put("[1].count", 3), "ComputeSriovIB.count: found 3; write 2"),
    Fault("more instances than count", "own", NODES, put("[1].count", 1), "ComputeSriovIB.count: found 1; write 2"),
    Fault("host name twice", "own", NODES, put("[0].instances[1].hostname", "overcloud-controller-0"),
          "hostname: found 'overcloud-controller-0' twice"),
    Fault("file that is not in the home directory", "own", UNDERCLOUD,
          text("= /home/stack/containers", "= /root/containers"), "container_images_file: found '/root/containers"),
    Fault("two entries for all images", "own", CONTAINERS, drop(f"{PREPARE}[2].includes"),
          "found 2 entries without includes; write one"),
    Fault("no entry for all images", "own", CONTAINERS, put(f"{PREPARE}[0].includes", ["nova-api"]),
          "found 0 entries without includes; write one"),
    Fault("mapping to another interface", "own", ENV, put("parameter_defaults.NeutronPhysicalDevMappings",
          ["ibnet:ib7"]), "NovaPCIPassthrough[0]: found 'ibnet on ib2'; write ibnet on ib7"),
    Fault("mapping to an interface before it", "own", ENV, put("parameter_defaults.NeutronPhysicalDevMappings",
          ["ibnet:ib1"]), "NovaPCIPassthrough[0]: found 'ibnet on ib2'; write ibnet on ib1"),
    Fault("key of a device's ID", "own", ENV, put(f"{COMPUTES}.NovaPCIPassthrough[1].vendor_id", "10DE"),
          "NovaPCIPassthrough[1].vendor_id: found '10DE'"),
    Fault("alias as a mapping", "own", ENV, put(f"parameter_defaults.ControllerExtraConfig.{ALIASES}", {}),
          "ControllerExtraConfig.nova::pci::aliases: found a mapping; write a list of one or more"),
    *(Fault(f"other physical network in {key}", "own", ENV, put(f"parameter_defaults.{key}", ["ibne:x"]),
            f"parameter_defaults.{key}: found 'ibne'; write ibnet")
      for key in ("NeutronPhysicalDevMappings", "MultiInterfaceDriverMappings", "NeutronBridgeMappings")),
    Fault("no parameters", "own", ENV, put("parameter_defaults", {}), "parameter_defaults: found nothing; write the"),
    Fault("no JSON", "own", INVENTORY, text("{", ""), "found no JSON: Extra data"),
    Fault("empty list", "own", VIPS, lambda written: "[]", "the document: found a list of 0; write a list of one"),
    Fault("text for a list", "own", VIPS, lambda written: "abc", "the document: found 'abc'; write a list of one"),
    Fault("roles that are no YAML", "own", ROLES, lambda written: "a: [", "found no YAML"),
    Fault("no date", "own", VIPS, lambda written: "- name: 2024-99-99", "found no YAML: month must be in 1..12"),
    Fault("no INI file", "own", UNDERCLOUD, text("[DEFAULT]", "DEFAULT"), "found no INI file: File contains"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{Path(f.file).stem}-{f.name}")
def test_a_fault_is_found(fault: Fault, home: Path) -> None:
    found = edited(home, (fault.file, fault.edit))
    assert fault.is_in(found), found


ONE_FAULT = {fault.name: fault for fault in FAULTS}
"""Some of the faults, by name: nothing else must be reported for them."""


@pytest.mark.parametrize(
    "name",
    [
        "control PKey inside the tenants' range", "first VLAN of the tenants", "unknown network of a VIP",
        "unknown subnet of a VIP", "unknown subnet of a role", "unknown subnet of a node", "unknown role",
        "unknown node", "unknown capability", "template elsewhere", "no date", "no INI file", "no JSON", "no YAML",
        "other physical network in NeutronBridgeMappings", "two entries for all images", "empty", "key of a device",
        "VLAN 0", "no parameters", "empty list", "text for a list", "roles that are no YAML",
        "no BMC address but a text", "includes misspelt", "section misspelt",
    ],
)  # fmt: skip
def test_a_fault_causes_no_second_report(name: str, home: Path) -> None:
    fault = ONE_FAULT[name]
    (problem,) = edited(home, (fault.file, fault.edit))
    assert fault.is_in([problem])


@pytest.mark.parametrize(
    ("file", "edit"),
    [
        (NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 100)),
        (NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 201)),
        (NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 1)),
        (NETWORKS, put("[0].subnets.internal_api_subnet.vlan", 0x7FFE)),
        (NETWORKS, put("[3].subnets.external_subnet.vlan", 150)),
        (VIPS, put("[0].subnet", "internal_api_subnet")),
        (VIPS, put("[4].subnet", "ctlplane-subnet")),
        (NODES, put("[0].instances[0].networks[0].subnet", "ctlplane-subnet")),
        (NODES, drop("[0].instances[0].networks[1].subnet")),
        (NODES, drop("[0].instances[0].networks")),
        (NODES, drop("[0].defaults.profile")),
        (UNDERCLOUD, text("container_images_file", "#container_images_file")),
        (UNDERCLOUD, lambda written: "[OTHER]\n"),
        (ENV, put("parameter_defaults.ControllerExtraConfig.tripleo::fact", 1)),
        (ENV, put("parameter_defaults.OtherExtraConfig", 1)),
        (ENV, put(f"{OPTIONS}.sdn/timeout", {"value": 20})),
        (ENV, drop(OPTIONS)),
        (ENV, put(RANGES, "datacentre:1:1000,ibnet:101:200")),
        (ENV, put("parameter_defaults.NeutronPhysicalDevMappings", "ibnet:ib2")),
        (ENV, put("parameter_defaults.NeutronBridgeMappings", "datacentre:br-ex,ibnet:br-ib")),
        (ENV, drop(RANGES)),
        (ENV, drop("parameter_defaults.ComputeSriovIBParameters")),
        (ENV, put("parameter_defaults.ControllerExtraConfig", "none")),
        (SDN, drop("parameter_defaults.MlnxSDNUrl")),
        (SDN, drop("parameter_defaults.BindNormalPortsPhysnet")),
        (CONTAINERS, put(f"{PREPARE}[0].excludes", ["nova", "neutron"])),
        (INVENTORY, put("nodes[0].arch", "x86_64")),
    ],
)
def test_a_valid_edit_is_not_reported(file: str, edit: Edit, home: Path) -> None:
    assert edited(home, (file, edit)) == []


def test_ranges_may_be_a_text(home: Path) -> None:
    problems = edited(home, (ENV, put(RANGES, "datacentre:1:1000,ibnet:12:13")))
    assert [problem.partition(" (PKey")[0] for problem in problems] == [
        f"{NETWORKS}: InternalApi.subnets.internal_api_subnet.vlan: found 12",
        f"{NETWORKS}: StorageMgmt.subnets.storage_mgmt_subnet.vlan: found 13",
    ]


def test_a_faulty_entry_does_not_hide_the_next_one(home: Path) -> None:
    first, second = put("[0].name", "Nobody"), drop("[1].defaults.networks[0]")
    problems = edited(home, (NODES, first), (NODES, second))
    assert any("found 'Nobody'; write one of ComputeSriovIB, Controller" in problem for problem in problems)
    assert any("ComputeSriovIB.defaults.networks: found storage" in problem for problem in problems)


def test_a_role_without_puppet_keys_does_not_hide_the_next_one(home: Path) -> None:
    none = put("parameter_defaults.ControllerExtraConfig", "none")
    misspelt = rename(f"parameter_defaults.ComputeSriovIBExtraConfig.{ALIASES}", f"{ALIASES}s")
    (problem,) = edited(home, (ENV, none), (ENV, misspelt))
    assert problem.endswith(f"ComputeSriovIBExtraConfig.{ALIASES}s: unknown key; write {ALIASES}")


def test_any_control_network_in_the_tenants_range_is_reported(home: Path) -> None:
    """Whether its name sorts before or after External, which may be in the range."""
    renamed, inside = put("[0].name", "Api"), put("[0].subnets.internal_api_subnet.vlan", 150)
    problems = edited(home, (NETWORKS, renamed), (NETWORKS, inside))
    assert any("Api.subnets.internal_api_subnet.vlan: found 150" in problem for problem in problems)


def test_an_inventory_may_be_a_list(home: Path) -> None:
    assert edited(home, (INVENTORY, lambda written: written.partition(":")[2].rpartition("}")[0])) == []


def test_a_network_that_has_no_virtual_addresses_is_unknown_to_vips(home: Path) -> None:
    (problem,) = edited(home, (NETWORKS, drop("[0].vip")))
    assert problem == f"{VIPS}: [0].network: found 'internal_api'; write external"


def test_known_names_are_all_listed_if_none_is_similar(home: Path) -> None:
    (problem,) = edited(home, (VIPS, put("[0].network", "zzz")))
    names = "ctlplane, external, internal_api, storage, storage_mgmt"
    assert problem.endswith(f"[0].network: found 'zzz'; write one of {names}")
    (problem,) = edited(home, (VIPS, put("[0].network", "aaa")))
    assert problem.endswith(f"[0].network: found 'aaa'; write one of {names}")
    (problem,) = edited(
        home, (VIPS, put("[0].network", "internal_api")), (ROLES, put("[0].networks.Storage.subnet", "q"))
    )
    assert problem.endswith("subnet: found 'q'; write storage_subnet")


def test_every_node_of_another_profile_is_reported(home: Path) -> None:
    assert edited(home, (NODES, put("[1].defaults.profile", "control"))) == [
        f"{INVENTORY}: {name}.capabilities: found 'profile:compute,boot_option:local'; "
        f"write profile:control in it, as {NODES} requires"
        for name in ("compute-1", "compute-2")
    ]


def test_the_later_environment_file_takes_precedence(home: Path) -> None:
    put_physnet = put("parameter_defaults.BindNormalPortsPhysnet", "other")
    (problem,) = edited(home, (ENV, put_physnet))
    assert "BindNormalPortsPhysnet: found 'other'" in problem
    assert edited(home, (ENV, put("parameter_defaults.BindNormalPortsPhysnet", "ibnet")), (SDN, put_physnet)) == []


@pytest.mark.parametrize("file", [d.path for d in DOCUMENTS])
def test_a_missing_document_is_the_only_report(file: str, home: Path) -> None:
    (home / file).unlink()
    step = next(d.step for d in DOCUMENTS if d.path == file)
    found = [str(problem) for problem in check(home)]
    assert found[0] == f"{file}: missing; write it with `python -m rack render` ({step})"
    assert all(file in problem for problem in found[1:]), "a file that another document names"


def test_documents_that_the_site_needs_are_required(home: Path) -> None:
    (problem,) = check(home, [*DOCUMENTS, LOGIN])
    assert problem.file == LOGIN.path
    assert "(C3)" in problem.text


def test_files_that_cannot_be_read_are_reported(home: Path) -> None:
    (home / VIPS).write_bytes(b"\xff")
    (home / NODES).unlink()
    (home / NODES).mkdir()
    found = [str(problem) for problem in check(home)]
    assert any(problem.startswith(f"{VIPS}: cannot be read: 'utf-8' codec") for problem in found)
    assert any(problem.startswith(f"{NODES}: cannot be read: [Errno 21]") for problem in found)
    assert len(found) == 3, "and that one is missing"


def test_models_have_the_defaults_of_tripleo() -> None:
    network: dict[str, Any] = {"name": "A", "name_lower": "a", "subnets": {}}
    assert (NetworkData(**network).vip, NetworkData(**network).mtu) == (False, 1500)
    role = RoleData(name="R", services_default=(), networks={})
    assert (role.count_default, role.upgrade_batch_size, role.update_serial) == (0, 1, 1)
    assert (role.disable_constraints, role.disable_upgrade_deployment) == (False, False)
    instance = NodeInstance(hostname="h", name="n")
    assert (instance.provisioned, instance.managed) == (True, True)
    assert NodeNetwork(network="a").vif is False
    assert ImageEntry(push_destination=True, image_set={}).multi_arch is False


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.path)
@pytest.mark.parametrize("content", ["", "3", "[]", "[3]", "{}", "a: [", "parameter_defaults: 3", "- name: [x]", "\0"])
def test_any_content_of_a_document_is_reported_without_a_crash(document: Document, content: str, home: Path) -> None:
    (home / document.path).write_text(content)
    problems = check(home)
    only_tools_check = document.path.endswith((".j2", ".sh", ".conf")) or "/" not in document.path
    assert only_tools_check or problems
