"""The firmware parameters of each role, and the nodes of each wave."""

from rack import firmware
from rack.plan import Plan
from rack.site import Role
from tests.rack.sites import plan as rack


def plan(**edits: object) -> Plan:
    return rack(edits)


def test_computes_have_the_guide_s_six_parameters() -> None:
    found = firmware.parameters(plan(**{"compute.vfs": 4, "compute.maxAccOutRead": 40}).site, Role.COMPUTE)
    assert found == {
        "LINK_TYPE_P1": 1, "SRIOV_EN": 1, "NUM_OF_VFS": 4, "ATS_ENABLED": 1, "ADVANCED_PCI_SETTINGS": 1,
        "MAX_ACC_OUT_READ": 40,
    }  # fmt: skip


def test_controllers_have_only_the_link_type() -> None:
    assert firmware.parameters(plan().site, Role.CONTROLLER) == {"LINK_TYPE_P1": 1}


def test_the_site_s_parameters_apply_to_their_role() -> None:
    own = [{"role": "Controller", "name": "PCI_WR_ORDERING", "value": 1}]
    changed = plan(firmware={"parameters": own}).site
    assert firmware.parameters(changed, Role.CONTROLLER) == {"LINK_TYPE_P1": 1, "PCI_WR_ORDERING": 1}
    assert "PCI_WR_ORDERING" not in firmware.parameters(changed, Role.COMPUTE)


def waves(of: Plan, role: Role) -> list[list[str]]:
    return [[host.name for host in wave] for wave in firmware.reboot_waves(of, role)]


def test_a_wave_has_one_compute_by_default() -> None:
    assert waves(plan(), Role.COMPUTE) == [["compute-1"], ["compute-2"]]
    assert waves(plan(firmware={"maxUnavailable": 2}), Role.COMPUTE) == [["compute-1", "compute-2"]]


def test_a_wave_has_one_controller() -> None:
    three = [["controller-1"], ["controller-2"], ["controller-3"]]
    assert waves(plan(firmware={"maxUnavailable": 2}), Role.CONTROLLER) == three
