"""The differences that are found in facts, and the step that repairs each."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from drift.cloud import cloud_findings
from drift.compare import host_findings, sha256, ufm_findings
from drift.expected import Expected, File, Rack, Ufm
from drift.finding import Finding, Severity
from drift.nodes import node_findings, node_look
from tests.drift.conftest import as_promised

CONF = File("/home/stack/x.conf", "a = 1\nb = 2\n", "undercloud-x", "stack", "stack", "0644")
LOGIN = File("/home/stack/login", "password: hunter2\n", "undercloud-login", "stack", "stack", "0600", secret=True)


def of_file(file: File, **changes: Any) -> list[Finding]:
    facts = {"files": {file.path: {"answer": {**as_promised(file), **changes}}}, "units": {}}
    return list(host_findings("undercloud", Expected({file.path: file}), facts))


def test_a_file_as_promised_is_no_finding() -> None:
    assert of_file(CONF) == []


def test_a_changed_file_shows_the_changed_lines_and_its_step() -> None:
    (found,) = of_file(CONF, sha256=sha256("a = 1\nb = 3\n"), text="a = 1\nb = 3\n")
    assert (found.found, found.detail) == ("/home/stack/x.conf: its content differs", ("-b = 2", "+b = 3"))
    assert (found.severity, found.step) == (Severity.DRIFT, "undercloud-x")


def test_a_file_with_a_secret_is_never_shown() -> None:
    """Even if the host sent its content."""
    (found,) = of_file(LOGIN, sha256=sha256("password: other\n"), text="password: other\n")
    assert found.detail == ()
    assert "it contains a secret, so it is compared by digest" in found.found
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": "0666"}, "0666 stack stack instead of 0644 stack stack"),
        ({"owner": "root", "group": "root"}, "0644 root root instead of 0644 stack stack"),
        ({"kind": "link"}, "it is a link"),
    ],
)
def test_modes_owners_and_links_are_found(changes: dict[str, str], says: str) -> None:
    (found,) = of_file(CONF, **changes)
    assert found.found == f"/home/stack/x.conf: {says}"


def test_a_missing_file_is_found() -> None:
    facts = {"files": {CONF.path: {"answer": None}}, "units": {}}
    (found,) = host_findings("undercloud", Expected({CONF.path: CONF}), facts)
    assert (found.found, found.step) == ("/home/stack/x.conf: it is missing", "undercloud-x")


def test_a_file_that_cannot_be_read_is_unknown() -> None:
    facts = {"files": {CONF.path: {"fault": "Permission denied"}}, "units": {}}
    (found,) = host_findings("undercloud", Expected({CONF.path: CONF}), facts)
    assert (found.severity, found.step) == (Severity.UNKNOWN, "")


# -- UFM

UFM = Ufm("mellanox/ufm:2", "ib0", "172.31.255.1/30")
GOOD: dict[str, Any] = {
    "container": ["true", "mellanox/ufm:2", "sha256:2"],
    "image": "sha256:2",
    "status": "ufmd is running",
    "unit": None,
    "address_unit": {"enabled": "enabled", "active": "active"},
    "addresses": ["172.31.255.1/30"],
}


@pytest.mark.parametrize(
    ("changes", "says", "severity", "step"),
    [
        ({"container": []}, "container ufm: it does not exist", "broken", "ufm-install"),
        ({"container": ["false", *GOOD["container"][1:]]}, "container ufm: it is stopped", "broken", "ufm-install"),
        ({"status": "ufmd is stopped"}, "ufmd does not run: ufmd is stopped", "broken", "ufm-install"),
        ({"container": ["true", "own:1", "sha256:1"]}, "the image own:1 instead of mellanox/ufm:2", "drift",
         "ufm-install"),
        ({"unit": {"enabled": "disabled", "active": "active"}}, "unit ufm-enterprise: disabled", "drift",
         "ufm-install"),
        ({"address_unit": {"enabled": "disabled"}}, "unit rack-fabric-address: disabled", "drift",
         "ufm-fabric-address"),
        ({"addresses": []}, "interface ib0: it has no address 172.31.255.1/30", "drift", "ufm-fabric-address"),
    ],
)  # fmt: skip
def test_differences_of_ufm_are_found(changes: dict[str, Any], says: str, severity: str, step: str) -> None:
    assert list(ufm_findings("UFM host", UFM, {"answer": GOOD})) == []
    (found,) = ufm_findings("UFM host", UFM, {"answer": {**GOOD, **changes}})
    assert says in found.found
    assert (str(found.severity), found.step) == (severity, step)


# -- nodes


def of_node(promised: Rack, facts: dict[str, Any]) -> list[Finding]:
    return list(node_findings("compute-1", promised.nodes["compute-1"], {"answer": facts}))


def test_a_node_as_promised_is_no_finding(promised: Rack, node_facts: dict[str, Any]) -> None:
    assert of_node(promised, node_facts) == []


def test_a_firmware_value_that_differs_now_or_at_the_next_boot_is_found(
    promised: Rack, node_facts: dict[str, Any]
) -> None:
    adapter = node_facts["adapter"]["answer"]
    good = adapter["settings"]
    line = next(line for line in good.splitlines() if "MAX_ACC_OUT_READ" in line)
    adapter["settings"] = good.replace(line, f"{line.rsplit(maxsplit=1)[0]} 5")
    (found,) = of_node(promised, node_facts)
    assert "MAX_ACC_OUT_READ becomes 5 instead of 44 at the next boot" in found.found
    assert (found.kind, found.step, found.remedy) == ("firmware", "firmware-computes-1", "")
    adapter["settings"] = good.replace(line, line.replace("44", "7"))
    (found,) = of_node(promised, node_facts)
    assert "MAX_ACC_OUT_READ is 7 instead of 44" in found.found
    assert "stop or move the instances" in found.remedy


def test_an_older_release_of_the_firmware_is_found(promised: Rack, node_facts: dict[str, Any]) -> None:
    node = promised.nodes["compute-1"]
    assert node.order
    wanted = replace(node, order=node.order._replace(minimum_release="20.35.1012"))
    (found,) = node_findings("compute-1", wanted, {"answer": node_facts})
    assert found.found == "the adapter's firmware is 20.32.1010"
    assert found.remedy.startswith("bring it to 20.35.1012 or later")


def test_another_number_of_vfs_has_no_step_that_repairs_it(promised: Rack, node_facts: dict[str, Any]) -> None:
    adapter = node_facts["adapter"]["answer"]
    line = next(line for line in adapter["settings"].splitlines() if "NUM_OF_VFS" in line)
    adapter["settings"] = adapter["settings"].replace(line, line.replace("8 ", "4 "))
    (found,) = of_node(promised, node_facts)
    assert (found.step, found.remedy[:29]) == ("", "a deployed node keeps its VFs")


def test_acs_that_is_off_is_found(promised: Rack, node_facts: dict[str, Any]) -> None:
    adapter = node_facts["adapter"]["answer"]
    head, _, control = adapter["bridges"].rpartition("DirectTrans+")
    adapter["bridges"] = f"{head}DirectTrans-{control}"
    (found,) = of_node(promised, node_facts)
    assert found.found == "PCIe bridge c2:04.0: ACS direct translation is off"
    assert (found.kind, found.severity, found.step) == ("acs", Severity.BROKEN, "firmware-computes-1")


def test_a_disabled_unit_is_found(promised: Rack, node_facts: dict[str, Any]) -> None:
    node_facts["units"]["rack-pcie"]["answer"]["enabled"] = "disabled"
    (found,) = of_node(promised, node_facts)
    assert (found.found, found.step) == ("unit rack-pcie: disabled instead of enabled", "firmware-computes-1")


@pytest.mark.parametrize(
    ("there", "says", "step"),
    [
        ({}, "container nova_compute: it does not exist", "repair-containers-compute-1"),
        ({"nova_compute": ["registry/nova:1", "Exited (0) 1 hour ago"]}, "exited (0) 1 hour ago",
         "repair-containers-compute-1"),
        ({"nova_compute": ["registry/nova:1", "Up 1 hour ago (unhealthy)"]}, "container nova_compute: unhealthy", ""),
        ({"nova_compute": ["own/nova:2", "Up 1 hour ago (healthy)"]}, "own/nova:2 instead of registry/nova:1",
         "overcloud-deploy"),
    ],
)  # fmt: skip
def test_containers_and_their_images_are_compared(
    promised: Rack, node_facts: dict[str, Any], there: dict[str, list[str]], says: str, step: str
) -> None:
    node_facts["containers"]["answer"]["found"] = there
    (found,) = of_node(promised, node_facts)
    assert says in found.found
    assert (found.kind, found.step) == ("container", step)


def test_options_of_ml2_conf_are_compared_with_the_documents(promised: Rack) -> None:
    node = promised.nodes["controller-1"]
    assert node.order
    (path,) = node_look("controller-1", node, node.order, deployed=True).order.options
    there: dict[str, str | None] = {**node.options, "sdn/cert_verify": "true", "sdn/physical_networks": "other"}
    del there["mlnx/client_id_hardware"]
    settings = "".join(f"         {name:<35} 0    {value:<16}{value}\n" for name, value in node.order.settings.items())
    facts = {
        "files": {}, "units": {}, "adapter": {"answer": {"release": "", "settings": settings, "bridges": ""}},
        "options": {path: {"answer": {name: there.get(name) for name in node.options}}},
    }  # fmt: skip
    (found,) = node_findings("controller-1", node, {"answer": facts})
    assert found.detail == (
        "-sdn/physical_networks = ibnet", "+sdn/physical_networks = other", "-mlnx/client_id_hardware = True",
    )  # fmt: skip
    assert (found.kind, found.step) == ("option", "overcloud-deploy")


def test_a_node_that_cannot_be_entered_is_unknown(promised: Rack) -> None:
    (found,) = node_findings("compute-1", promised.nodes["compute-1"], {"fault": "compute-1 cannot be reached by SSH"})
    assert (found.severity, found.kind) == (Severity.UNKNOWN, "connection")


def test_a_node_is_never_asked_to_install_a_tool(promised: Rack) -> None:
    node = promised.nodes["compute-1"]
    assert node.order
    adapter = node_look("compute-1", node, node.order, deployed=True).order.adapter
    assert adapter
    assert adapter.tools == ["mstconfig", "mlxconfig"]


# -- the cloud


@pytest.fixture
def seen(promised: Rack) -> dict[str, Any]:
    """What user stack sees when nothing has drifted."""
    nodes = [
        {"name": name, "state": "active", "maintenance": False, "address": address}
        for name, address in promised.registered.items()
    ]
    services = [
        {"Binary": "nova-compute", "Host": node.hostname, "Status": "enabled", "State": "up", "Disabled Reason": None}
        for name, node in promised.nodes.items()
        if name.startswith("compute")
    ]
    return {
        "ironic": {"answer": nodes},
        "services": {"answer": services},
        "deployment": {"answer": {"status": "DEPLOY_SUCCESS", "at": 999.0}},
    }


def of_cloud(promised: Rack, seen: dict[str, Any], **job: Any) -> list[Finding]:
    run = {"key": promised.deployment, "status": 0, "at": 900.0, "ended": 1000.0, **job}
    return list(cloud_findings("undercloud", promised, seen, {"overcloud-deploy": {"answer": run}}))


def test_a_cloud_as_promised_is_no_finding(promised: Rack, seen: dict[str, Any]) -> None:
    assert of_cloud(promised, seen) == []


@pytest.mark.parametrize(
    ("changes", "says", "severity", "step"),
    [
        (
            {"Status": "disabled", "Disabled Reason": "maint"},
            "is disabled: maint",
            "broken",
            "repair-service-compute-2",
        ),
        ({"State": "down"}, "is down", "broken", ""),
    ],
)  # fmt: skip
def test_nova_s_services_are_compared(
    promised: Rack, seen: dict[str, Any], changes: dict[str, Any], says: str, severity: str, step: str
) -> None:
    seen["services"]["answer"][1].update(changes)
    (found,) = of_cloud(promised, seen)
    assert found.found.endswith(says)
    assert (found.host, str(found.severity), found.step) == ("compute-2", severity, step)


def test_a_compute_that_nova_does_not_know_is_found(promised: Rack, seen: dict[str, Any]) -> None:
    del seen["services"]["answer"][0]
    (found,) = of_cloud(promised, seen)
    assert found.found == "nova knows no compute overcloud-computesriov-ib-0.localdomain"


@pytest.mark.parametrize(
    ("changes", "says", "step"),
    [
        ({"maintenance": True}, "ironic has it in maintenance", "repair-maintenance-controller-1"),
        ({"address": "192.0.2.1"}, "the controller 192.0.2.1 instead of 127.0.25.11", "undercloud-nodes"),
        ({"state": "error"}, "in state error instead of active", ""),
    ],
)
def test_ironic_s_nodes_are_compared(
    promised: Rack, seen: dict[str, Any], changes: dict[str, Any], says: str, step: str
) -> None:
    seen["ironic"]["answer"][0].update(changes)
    (found,) = of_cloud(promised, seen)
    assert says in found.found
    assert (found.host, found.step) == ("controller-1", step)


def test_missing_and_foreign_nodes_of_ironic_are_found(promised: Rack, seen: dict[str, Any]) -> None:
    row = seen["ironic"]["answer"].pop()
    seen["ironic"]["answer"].append({**row, "name": "own"})
    missing, foreign = of_cloud(promised, seen)
    assert (missing.host, missing.found, missing.step) == (row["name"], "ironic does not know it", "undercloud-nodes")
    assert foreign.found == "ironic has a node own, which no step registered"


@pytest.mark.parametrize(
    ("noted", "job", "says"),
    [
        ({}, {"key": "other"}, "the last run of its job is not the one in the state"),
        ({}, {"status": 1}, "its last run failed with status 1"),
        ({"status": "DEPLOY_FAILED"}, {}, "says DEPLOY_FAILED"),
        ({"at": 2000.0}, {}, "a deployment ran after the last run of its job"),
    ],
)
def test_the_last_deployment_is_compared_with_ours(
    promised: Rack, seen: dict[str, Any], noted: dict[str, Any], job: dict[str, Any], says: str
) -> None:
    seen["deployment"]["answer"].update(noted)
    (found,) = of_cloud(promised, seen, **job)
    assert says in found.found
    assert (found.kind, found.step) == ("deployment", "overcloud-deploy")


def test_a_deployment_that_runs_is_unknown(promised: Rack, seen: dict[str, Any]) -> None:
    (found,) = of_cloud(promised, seen, status=None, ended=None)
    assert (found.severity, found.step) == (Severity.UNKNOWN, "")


@pytest.mark.parametrize("part", ["services", "ironic", "deployment"])
def test_a_part_that_fails_is_unknown(promised: Rack, seen: dict[str, Any], part: str) -> None:
    broken = {**copy.deepcopy(seen), part: {"fault": "openstack failed: HTTP 503"}}
    (found,) = of_cloud(promised, broken)
    assert found.severity is Severity.UNKNOWN
    assert "HTTP 503" in found.found
