"""Sites with invalid values: rules that need none of them are still checked, the others are silent."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rack.site import Site
from rack.site.load import ConfigError, parse
from rack.site.partial import UNKNOWN, UnknownValueError, build
from rack.site.schema import keys
from tests.rack.sites import DROP, document


def paths(edits: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(document(edits))
    return [line.partition(": ")[0] for line in error.value.problems]


def test_type_errors_come_first_and_hide_no_finding() -> None:
    assert paths(
        {
            "ufm.port": "443",
            "nodes[3].guid": 1,
            "nodes[0].address": "192.168.24.60",
            "tenant.network.vlan": 500,
            "cloud": {"name": "stack"},
        }
    ) == ["ufm.port", "nodes[3].guid", "cloud.name", "nodes[0].address", "tenant.network.vlan"]


@pytest.mark.parametrize(
    "edits",
    [
        {"compute.vfz": 1},
        {"networks.control.Storag": {}},
        {"nodes": []},
        {"nodes[0]": 5},
        {"nodes[1].role": "x"},
        {"nodes[1].role": DROP},
        {"networks.provisioning.cidr": "10.0.0.0/33"},
        {"networks.provisioning.dhcp.start": 5},
        {"networks.tenant.vlans": [101]},
        {"tenant.instances[0].compute": 5},
        {"compute.dedicatedCpus": "a"},
        {"networks": 5},
    ],
)
def test_an_invalid_value_has_no_other_problem_as_its_consequence(edits: dict[str, Any]) -> None:
    assert len(paths(edits)) == 1


def test_a_misspelt_key_does_not_have_its_default() -> None:
    site = build(Site, document({"compute.vfz": 1}))
    assert site.compute.vfs == 8, "written too"
    site = build(Site, document({"compute.vfs": DROP, "compute.vfz": 1}))
    assert site.compute.vfs is UNKNOWN
    assert site.compute.max_acc_out_read == 44


@pytest.mark.parametrize(
    "use",
    [
        lambda: getattr(UNKNOWN, "address"),  # noqa: B009
        lambda: UNKNOWN == 1,
        lambda: UNKNOWN < 1,
        lambda: UNKNOWN > 1,
        lambda: f"{UNKNOWN}",
        lambda: {UNKNOWN},
        lambda: bool(UNKNOWN),
        lambda: [*UNKNOWN],
        lambda: 1 + UNKNOWN,
        lambda: repr(UNKNOWN),
    ],
)
def test_an_unknown_value_has_no_use(use: Any) -> None:
    with pytest.raises(UnknownValueError):
        use()


LEAVES = [key.path.replace("[]", "[0]") for key in keys(Site) if "NAME" not in key.path]


@given(st.dictionaries(st.sampled_from(LEAVES), st.sampled_from([5, "?", [], {}, None, True, -1, DROP]), max_size=4))
def test_any_invalid_site_is_reported_without_a_traceback(edits: dict[str, Any]) -> None:
    try:
        written = document(edits)
    except (KeyError, IndexError, TypeError, AttributeError):  # A path below another edit
        return
    with suppress(ConfigError):
        parse(written)
