"""The steps of C1 on the lab's undercloud over SSH, with templates of two minor versions."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.undercloud import INSPECTION
from lab.hosts import templates
from rack.plan import Plan
from tests.components.conftest import Recorder
from tests.components.test_undercloud import undercloud
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    templates.fetch(print)
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.rack.undercloud.release_templates(True)
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def steps(plan: Plan) -> Recorder:
    return undercloud(plan)


def given(steps: Recorder, name: str) -> tuple[str, str]:
    """Return a step's command on the undercloud and its standard input."""
    inputs: dict[str, Any] = steps.resources[name].inputs
    return inputs["create"], inputs.get("stdin") or ""


def test_templates_without_the_token_are_refused_before_anything_is_installed(lab: Lab, steps: Recorder) -> None:
    for name in ("undercloud-release-package", "undercloud-prepare", "undercloud-inspection"):
        lab.ok("undercloud", *given(steps, name))
    said = lab.refused("undercloud", *given(steps, "undercloud-templates"))
    (fault, count) = said.splitlines()
    assert fault.startswith("undercloud: MlnxSDNToken: no template declares it")
    assert fault.endswith("heat-templates")
    assert count == "faults found: 1; nothing was installed"


def test_templates_and_client_of_the_branch_are_accepted(lab: Lab, steps: Recorder) -> None:
    lab.rack.undercloud.release_templates(False)
    assert lab.ok("undercloud", *given(steps, "undercloud-templates")) == ""


def test_an_option_that_the_client_lacks_is_refused(lab: Lab, steps: Recorder) -> None:
    needs = json.loads(given(steps, "undercloud-templates")[1])
    needs["options"].append("--vip-fiel")
    said = lab.refused("undercloud", INSPECTION, json.dumps(needs))
    assert "openstack overcloud deploy --vip-fiel: no option of the installed client" in said
