"""Digests of the documents of existing stacks: a changed digest repeats a deployment of hours on every stack.

If a change is intended, the release notes name it. Rewrite golden.json with:
`python -m tests.rack.tripleo.test_golden`
"""

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from rack import tripleo
from rack.plan import Plan
from rack.site.load import load_stack_file
from rack.tripleo.documents import rendered
from tests.rack import sites
from tests.rack.rules.cases import OFFLINE, RHOSP

GOLDEN = Path(__file__).with_name("golden.json")


def plans() -> dict[str, Plan]:
    """The stacks in the repository, and sites with a registry, repositories and fewer networks."""
    registry = {"undercloud.registry": {"user": "robot$rack", "insecure": True}}
    files = {name: sites.ROOT / f"Pulumi.{name}.yaml" for name in ("dev", "reference")}
    stacks = {name: Plan(load_stack_file(file), name, "certificate\n") for name, file in files.items()}
    return {
        **stacks,
        "rhosp": sites.plan(RHOSP),
        "offline": sites.plan({**OFFLINE, **registry}),
        "no-storage-mgmt": sites.plan({"networks.control.StorageMgmt": sites.DROP}),
    }


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def golden(plan: Plan) -> dict[str, Any]:
    """Everything of the plan's documents that reaches an input of a resource or a job's key."""
    return {
        "deployment": tripleo.deployment_digest(plan),
        "undercloud": tripleo.digest(tripleo.undercloud_conf(plan), tripleo.containers_prepare(plan)),
        "deploy command": sha256(shlex.join(plan.deploy_command)),
        "node groups": sha256(json.dumps(tripleo.node_groups(plan))),
        "template requirements": sha256(json.dumps(tripleo.template_requirements(plan), indent=1)),
        "inventory": sha256(tripleo.instackenv(plan, "calvin")),
        "sdn": sha256(tripleo.ml2_sdn(plan, "token")),
        "documents": {path: sha256(text) for path, text in rendered(plan).items()},
    }


@pytest.mark.parametrize("name", json.loads(GOLDEN.read_text()))
def test_documents_and_digests_of_existing_stacks_are_unchanged(name: str) -> None:
    assert golden(plans()[name]) == json.loads(GOLDEN.read_text())[name]


def test_every_site_has_golden_digests() -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(plans())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: golden(plan) for name, plan in plans().items()}, indent=1) + "\n")
