"""docs/configuration.md is generated from the current models."""

import runpy

import pytest

from rack.rules import RULES
from rack.site import SECRETS, Site, reference
from rack.site.schema import Key, keys
from tests import yamls
from tests.rack.site.test_stack_files import leaves
from tests.rack.sites import ROOT

PAGE = (ROOT / "docs" / "configuration.md").read_text()


def test_the_page_is_up_to_date() -> None:
    assert reference.text() == PAGE, "run: python -m rack.site.reference > docs/configuration.md"


@pytest.mark.parametrize("key", list(keys(Site)), ids=lambda key: key.path)
def test_every_key_is_explained(key: Key) -> None:
    assert reference.meaning(key)


def test_every_rule_and_every_secret_has_a_line() -> None:
    lines = PAGE.splitlines()
    for rule in RULES:
        assert f"| {rule.id} | {rule.step} | {rule.statement} |" in lines
    for name, says in SECRETS.items():
        assert f"| `{name}` | {says} |" in lines


def test_every_key_of_the_reference_stack_is_on_the_page() -> None:
    site = yamls.load((ROOT / "Pulumi.reference.yaml").read_text())["config"]["rack:site"]
    documented = {key.path.replace("[]", "") for key in keys(Site)}
    for path, _ in leaves(site, ""):
        parts = path.lstrip(".").split(".")
        if parts[:2] == ["networks", "control"]:
            parts[2] = "NAME"
        assert ".".join(parts) in documented


def test_defaults_and_bounds_are_shown() -> None:
    assert "| `ufm.port` | whole number from 1 to 65535 | `443` |" in PAGE
    assert "| `ssh.knownHostsFile` | path, from the project's folder or from `~` | **required** |" in PAGE
    assert "| `bandwidth.cuda` | true or false | `true` |" in PAGE
    assert "| `networks.tenant.vlans` | list of 2, each a whole number from 1 to 4094 | `[101, 200]` |" in PAGE


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_the_module_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("rack.site.reference", run_name="__main__")
    assert capsys.readouterr().out == PAGE
