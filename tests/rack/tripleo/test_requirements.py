"""Requirements of rendered documents on the undercloud's templates and client."""

from rack.tripleo.requirements import template_requirements
from tests.rack import sites
from tests.rack.rules.cases import RHOSP
from tests.rack.sites import DROP

REQUIREMENTS = template_requirements(sites.plan())
AGENT = "environments/services/neutron-mlnx-agent.yaml"


def test_requirements_follow_the_site() -> None:
    plan = sites.plan(RHOSP)
    assert "ContainerImageRegistryCredentials" in template_requirements(plan)["parameters"]
    assert "ContainerImageRegistryCredentials" not in REQUIREMENTS["parameters"]
    assert set(REQUIREMENTS["environments"]) == {
        "environments/podman.yaml", "environments/services/neutron-ovs.yaml", AGENT,
        "environments/disable-telemetry.yaml",
    }  # fmt: skip
    assert "KernelArgs" in REQUIREMENTS["parameters"]
    assert "{{role.name}}Parameters" in REQUIREMENTS["parameters"]


def test_requirements_are_known_before_introspection() -> None:
    """No requirement depends on the name of the interface, which introspection finds."""
    assert template_requirements(sites.plan({"fabric.interface": DROP})) == REQUIREMENTS


def test_options_are_those_of_the_deploy_command() -> None:
    assert REQUIREMENTS["options"] == sorted({word for word in sites.plan().deploy_command if word.startswith("-")})
    assert {"-e", "--vip-file", "--deployed-server"} <= set(REQUIREMENTS["options"])


def test_parameters_of_a_role_are_required_by_their_declared_name() -> None:
    parameters = REQUIREMENTS["parameters"]
    assert parameters["{{role.name}}ExtraConfig"] == "ib-env-vm.yaml"
    assert not {name for name in parameters if name.startswith(("Controller", "ComputeSriovIB"))}
    assert parameters["NovaPCIPassthrough"] == "ib-env-vm.yaml"
    assert parameters["MlnxSDNToken"] == "neutron-ml2-mlnx-sdn-vm.yaml"
    assert "vendor_id" not in parameters, "only parameters of a role have parameters inside"


def test_services_are_those_of_roles_and_of_the_sdn_file() -> None:
    services = REQUIREMENTS["services"]
    assert services["OS::TripleO::Services::NovaCompute"] == "roles_data_ib_vm.yaml"
    assert services["OS::TripleO::Services::NeutronCorePluginMLNXSDN"] == "neutron-ml2-mlnx-sdn-vm.yaml"
