"""What the documents and the deploy command ask of TripleO's templates and client: what `inspection.py` reads."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import yaml

from rack.plan import HEAT_TEMPLATES, Plan
from rack.site import Role
from rack.tripleo import deployment

ANY_INTERFACE = "ib0"
"""No parameter's name follows from it, and it may be unknown yet."""


def needs(plan: Plan) -> dict[str, Any]:
    """Files and options of the deploy command (O5); parameters and services, each with the document that names it."""
    known = Plan(_with_interface(plan), plan.stack)
    words = plan.deploy_command
    stock = [value for option, value in pairwise(words) if option == "-e" and value.startswith(f"{HEAT_TEMPLATES}/")]
    return {
        "templates": HEAT_TEMPLATES,
        "environments": [value[len(HEAT_TEMPLATES) + 1 :] for value in stock],
        "options": sorted({word for word in words if word.startswith("-")}),
        "parameters": dict(_parameters(known)),
        "services": dict(_services(known)),
    }


def _with_interface(plan: Plan) -> Any:
    fabric = plan.site.fabric.model_copy(update={"interface": ANY_INTERFACE})
    return plan.site.model_copy(update={"fabric": fabric})


def _documents(plan: Plan) -> Iterator[tuple[str, Any]]:
    yield "neutron-ml2-mlnx-sdn-vm.yaml", yaml.safe_load(deployment.ml2_sdn(plan, ""))
    yield "ib-env-vm.yaml", yaml.safe_load(deployment.ib_env(plan))
    yield "containers-prepare-parameter-ib-vm.yaml", yaml.safe_load(deployment.containers_prepare(plan))
    if plan.site.undercloud.registry.user:
        yield "containers-registry-ib-vm.yaml", yaml.safe_load(deployment.registry_login(plan, ""))


def _parameters(plan: Plan) -> Iterator[tuple[str, str]]:
    for document, content in _documents(plan):
        for name, value in content["parameter_defaults"].items():
            yield _of_role(name), document
            if name.endswith("Parameters"):
                yield from ((inner, document) for inner in value)


def _of_role(name: str) -> str:
    """As overcloud.j2.yaml declares it: ControllerExtraConfig → {{role.name}}ExtraConfig."""
    for role in Role:
        if name in (f"{role}ExtraConfig", f"{role}Parameters"):
            return name.replace(role, "{{role.name}}", 1)
    return name


def _services(plan: Plan) -> Iterator[tuple[str, str]]:
    for role in yaml.safe_load(deployment.roles_data(plan)):
        yield from ((service, "roles_data_ib_vm.yaml") for service in role["ServicesDefault"])
    for document, content in _documents(plan):
        for name, target in content.get("resource_registry", {}).items():
            yield from ((service, document) for service in (name, target))
