"""Normal forms of PKeys, GUIDs and UFM's answers."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.ufm.partition import QOS, Member, Partition, guid, parse, parse_all, pkey, usable_pkey

NUMBERS = st.integers(1, 0x7FFE)
GUID_NUMBERS = st.integers(1, 2**64 - 1)


@given(NUMBERS, st.booleans(), st.booleans(), st.booleans())
def test_usable_pkey_returns_ufm_s_form_of_every_spelling(number: int, full: bool, padded: bool, upper: bool) -> None:
    digits = format(number | (0x8000 if full else 0), "04x" if padded else "x")
    assert usable_pkey("0x" + (digits.upper() if upper else digits)) == hex(number)


@given(NUMBERS)
def test_pkey_is_idempotent(number: int) -> None:
    assert pkey(pkey(hex(number))) == hex(number)


@pytest.mark.parametrize("value", ["0x0", "0x7fff", "0x8000", "0xffff", "0x07FFF"])
def test_reserved_pkeys_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="found '0x"):
        usable_pkey(value)


@pytest.mark.parametrize("value", ["", "65", "0x", "0x10065", "vlan101", "0x65 ", "-0x1"])
def test_an_invalid_pkey_is_refused_with_an_example(value: str) -> None:
    with pytest.raises(ValueError, match="'0x65'"):
        pkey(value)


@given(GUID_NUMBERS, st.sampled_from(["", "0x"]), st.sampled_from(["", ":", "-", "."]), st.booleans())
def test_guid_returns_ufm_s_form_of_every_spelling(number: int, prefix: str, between: str, upper: bool) -> None:
    digits = format(number, "016x")
    written = between.join(digits[i : i + 4] for i in range(0, 16, 4))
    assert guid(prefix + (written.upper() if upper else written)) == digits


@pytest.mark.parametrize("value", ["", "0" * 16, "b8599f0300b0001", "b8599f0300b000111", "b8599f0300b0001g", "0xb859"])
def test_an_invalid_guid_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="16 hex digits"):
        guid(value)


def listing(members: Mapping[str, Member]) -> list[dict[str, object]]:
    return [{"guid": g.upper(), "membership": m.membership, "index0": m.index0} for g, m in members.items()]


MEMBERS = st.dictionaries(
    GUID_NUMBERS.map(lambda n: format(n, "016x")),
    st.builds(Member, st.sampled_from(["full", "limited"]), st.booleans()),
    max_size=5,
)


@given(NUMBERS, MEMBERS, st.booleans())
def test_flat_wrapped_and_padded_answers_parse_to_the_same_partition(
    number: int, members: dict[str, Member], ip_over_ib: bool
) -> None:
    wanted = hex(number)
    flat = {"guids": listing(members), "ip_over_ib": ip_over_ib, "partition": f"api_pkey_{wanted}"}
    expected = Partition(wanted, members, ip_over_ib, f"api_pkey_{wanted}")
    padded = f"0x{number:04X}"
    assert parse(wanted, flat) == parse(wanted, {wanted: flat}) == parse(wanted, {padded: flat}) == expected
    assert parse_all({padded: flat}) == {wanted: expected}


def test_an_empty_answer_parses_to_no_partition() -> None:
    assert parse("0x65", {}) is None
    assert parse("0x65", {"0x65": {}}) is None
    assert parse_all({}) == {}


def test_members_and_membership_are_optional_in_an_answer() -> None:
    assert parse("0x65", {"partition": "p"}) == Partition("0x65", {}, None, "p")
    bare = parse("0x65", {"guids": [{"guid": "0xB8599F0300B00011"}]})
    assert bare == Partition("0x65", {"b8599f0300b00011": Member("full", False)})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"0x66": {"partition": "p"}}, "another partition than 0x65"),
        ({"error": "busy"}, "none of a partition's fields"),
        ({"guids": "b8599f0300b00011"}, "guids is not a list"),
        ({"guids": [{"guid": "x"}]}, "write a port GUID"),
        ({"guids": ["x"]}, "not a JSON object"),
    ],
)
def test_an_answer_that_is_no_partition_is_an_error(document: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse("0x65", document)


@pytest.mark.parametrize("document", [{"error": "no"}, {"0x65": "p"}])
def test_an_answer_that_is_no_list_of_partitions_is_an_error(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not one partition|not a JSON object"):
        parse_all(document)


def test_qos_accepts_exactly_ufm_s_values() -> None:
    assert {key: list(values) for key, values in QOS.items()} == {
        "mtu_limit": [2, 4],
        "service_level": list(range(16)),
        "rate_limit": [2.5, 5, 10, 14, 20, 25, 30, 40, 56, 60, 80, 100, 112, 120, 168, 200, 300],
    }
