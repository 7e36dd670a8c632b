"""The detailed diff: which member of which property differs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.output import Unknown
from pulumi.runtime import proto

from providers.ufm.detail import detailed

pytestmark = pytest.mark.fast

UNKNOWN = Unknown()  # type: ignore[no-untyped-call]
KINDS = {number: name for name, number in proto.PropertyDiff.Kind.items()}


def kinds(old: dict[str, Any], new: dict[str, Any], *replaces: str) -> dict[str, str]:
    """Return path → kind for every property of the inputs."""
    return {path: KINDS[diff.kind] for path, diff in detailed(old, new, list(new), replaces).items()}


def test_members_are_named_one_by_one() -> None:
    old = {"members": {"compute-1/ib2": "a", "compute-2/ib2": "b", "compute-3/ib2": "c"}}
    new = {"members": {"compute-1/ib2": "a", "compute-2/ib2": "x", "compute-4/ib2": "d"}}
    assert kinds(old, new) == {
        'members["compute-2/ib2"]': "UPDATE",
        'members["compute-3/ib2"]': "DELETE",
        'members["compute-4/ib2"]': "ADD",
    }


def test_a_property_that_replaces_says_so() -> None:
    assert kinds({"pkey": "0xb"}, {"pkey": "0xc"}, "pkey") == {"pkey": "UPDATE_REPLACE"}


def test_a_missing_property_is_added_and_an_empty_one_deleted() -> None:
    assert kinds({}, {"qos": {"mtu_limit": 4}}) == {"qos": "ADD"}
    assert kinds({"qos": {"mtu_limit": 4}}, {"qos": None}) == {"qos": "DELETE"}


def test_an_unknown_value_is_an_update_of_the_whole_property() -> None:
    assert kinds({"members": {"a": "1"}}, {"members": UNKNOWN}) == {"members": "UPDATE"}


def test_quotes_and_backslashes_of_a_name_are_escaped() -> None:
    assert list(kinds({"members": {}}, {"members": {'a"b\\c': "1"}})) == ['members["a\\"b\\\\c"]']


@given(*[st.dictionaries(st.text(max_size=5), st.sampled_from("abc"), max_size=6)] * 2)
def test_a_path_exists_for_every_member_that_differs_and_no_other(old: dict[str, str], new: dict[str, str]) -> None:
    found = detailed({"members": old}, {"members": new}, ["members"] if old != new else [], [])
    assert len(found) == sum(old.get(key) != new.get(key) for key in {*old, *new})
