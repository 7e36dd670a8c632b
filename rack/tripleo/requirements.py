"""What the documents and the deploy command require of the TripleO templates and client on the undercloud.

The program that checks an undercloud for them (C1) reads the requirements as JSON on standard input.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from rack.plan import HEAT_TEMPLATES, Plan
from rack.site import Role, Site
from rack.tripleo import deployment

ANY_INTERFACE = "ib0"
"""Stands for the IPoIB interface, which may be unknown before introspection. No parameter name depends on it."""


def template_requirements(plan: Plan) -> dict[str, Any]:
    """Return the requirements of the deploy command (O5) and of the documents (O1 to O4, C3).

    Returns:
        `templates`: the folder of the templates on the undercloud.
        `environments`: environment files of the deploy command, relative to that folder.
        `options`: options of the deploy command.
        `parameters`, `services`: name → the document that uses it.
    """
    known = replace(plan, site=_with_interface(plan))
    words = plan.deploy_command
    stock = [value for option, value in pairwise(words) if option == "-e" and value.startswith(f"{HEAT_TEMPLATES}/")]
    return {
        "templates": HEAT_TEMPLATES,
        "environments": [value[len(HEAT_TEMPLATES) + 1 :] for value in stock],
        "options": sorted({word for word in words if word.startswith("-")}),
        "parameters": dict(_parameters(known)),
        "services": dict(_services(known)),
    }


def _with_interface(plan: Plan) -> Site:
    fabric = plan.site.fabric.model_copy(update={"interface": ANY_INTERFACE})
    return plan.site.model_copy(update={"fabric": fabric})


def _environment_files(plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "neutron-ml2-mlnx-sdn-vm.yaml", deployment.sdn_environment(plan, "")
    yield "ib-env-vm.yaml", deployment.ib_environment(plan)
    yield "containers-prepare-parameter-ib-vm.yaml", deployment.container_environment(plan)
    if plan.site.undercloud.registry.user:
        yield "containers-registry-ib-vm.yaml", deployment.registry_environment(plan, "")


def _parameters(plan: Plan) -> Iterator[tuple[str, str]]:
    for document, content in _environment_files(plan):
        for name, value in content["parameter_defaults"].items():
            yield _declared_name(name), document
            if name.endswith("Parameters"):
                yield from ((inner, document) for inner in value)


def _declared_name(name: str) -> str:
    """Return the name as overcloud.j2.yaml declares it: ControllerExtraConfig → {{role.name}}ExtraConfig."""
    for role in Role:
        if name in (f"{role}ExtraConfig", f"{role}Parameters"):
            return name.replace(role, "{{role.name}}", 1)
    return name


def _services(plan: Plan) -> Iterator[tuple[str, str]]:
    for role in deployment.roles(plan):
        yield from ((service, "roles_data_ib_vm.yaml") for service in role["ServicesDefault"])
    for document, content in _environment_files(plan):
        for name, target in content.get("resource_registry", {}).items():
            yield from ((service, document) for service in (name, target))
