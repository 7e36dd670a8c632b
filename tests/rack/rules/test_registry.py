"""The list of the design rules: complete, unique, tested, and safe for any site."""

import importlib
import pkgutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.rack.rules
from rack import rules
from rack.rules.registry import Rule
from rack.site import Site
from rack.site.load import parse
from rack.site.schema import type_at
from tests.rack.rules.cases import EXTERNAL, FLOATING, PROVISIONING, PUBLIC, VMS
from tests.rack.sites import REFERENCE, documents, steps, unchecked


def modules(package: Any) -> list[Any]:
    found = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    return [importlib.import_module(module.name) for module in found]


def test_every_rule_is_listed() -> None:
    written = [value for module in modules(rules) for value in vars(module).values() if isinstance(value, Rule)]
    assert {rule.id for rule in written} == {rule.id for rule in rules.RULES}
    assert len(written) == len(rules.RULES)


def test_every_rule_has_a_site_that_breaks_it() -> None:
    broken = {case.rule for module in modules(tests.rack.rules) for case in getattr(module, "BROKEN", ())}
    assert broken == {r.id for r in rules.RULES}


def test_ids_are_unique() -> None:
    ids = [r.id for r in rules.RULES]
    assert len(ids) == len(set(ids))


def test_the_reference_has_no_findings() -> None:
    assert rules.check(unchecked({})) == []


def test_findings_are_in_the_order_of_the_rules() -> None:
    edits: dict[str, Any] = {
        "internet": False, "ufm.host.image": "ufm", "compute.sharedCpus": "0-2",
        "networks.tenant.physnet": "datacentre",
        "firmware": {"parameters": [{"role": "Controller", "name": "LINK_TYPE_P1", "value": 1}]}, "compute.vfs": 1,
        "tenant.instances[1].compute": "compute-1", "bandwidth.server": "vm9", "nodes[0].name": "ufm",
    }  # fmt: skip
    found = list(dict.fromkeys(f.rule for f in rules.check(unchecked(edits))))
    assert found == [
        "NET009", "NODE001", "CPU001", "VM002", "FW001", "VM003", "UFM001",
        "OFF001", "OFF002", "OFF003", "OFF004", "OFF005",
    ]  # fmt: skip


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_a_statement_is_text_for_one_line_of_a_table(rule: Rule) -> None:
    assert rule.statement.endswith(".")
    assert "\n" not in rule.statement
    assert "|" not in rule.statement


@given(documents())
def test_valid_sites_break_no_rule(written: dict[str, Any]) -> None:
    parse(written)


addresses = st.integers(0x01000000, 0xDFFFFFFF).map(lambda n: ".".join(str(b) for b in n.to_bytes(4, "big")))


@given(st.data())
def test_rules_judge_any_site_whose_types_hold_and_never_raise(data: st.DataObject) -> None:
    some = st.sampled_from([*data.draw(st.lists(addresses, min_size=1, max_size=4)), "192.168.24.1", "10.0.0.151"])
    edits: dict[str, Any] = {
        path: data.draw(some)
        for path in (
            "ufm.address", "undercloud.address", "nodes[0].address", "nodes[1].ipmi.address",
            f"{PROVISIONING}.gateway", f"{PROVISIONING}.dhcp.start", f"{PROVISIONING}.dhcp.end",
            f"{PROVISIONING}.inspection.start", f"{PROVISIONING}.inspection.end",
            f"{EXTERNAL}.pool.start", f"{EXTERNAL}.gateway", f"{PUBLIC}.pool.end", f"{PUBLIC}.gateway",
            f"{FLOATING}[0].address",
        )
    }  # fmt: skip
    edits["networks.control"] = data.draw(st.sampled_from([{}, REFERENCE["networks"]["control"]]))
    edits["nodes[3].role"] = data.draw(st.sampled_from(["Controller", "ComputeSriovIB"]))
    edits["tenant.instances"] = data.draw(st.sampled_from([[], VMS]))
    edits["images"] = data.draw(st.sampled_from([[], REFERENCE["images"]]))
    found = rules.check(unchecked(edits))
    assert all(type_at(Site, tuple(steps(f.path))) for f in found)
