"""GUIDs, PKeys and CPU lists: every customary spelling leads to one, everything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rack.site import names
from tests.rack.sites import spellings


@given(st.integers(1, 2**64 - 2).flatmap(lambda n: st.tuples(st.just(n), spellings(n))))
def test_every_spelling_of_a_guid_is_the_same_guid(case: tuple[int, str]) -> None:
    number, written = case
    assert names.guid(written) == f"{number:016x}"


@given(st.text(max_size=24))
def test_a_guid_is_16_hex_digits_or_refused(written: str) -> None:
    try:
        found = names.guid(written)
    except ValueError:
        with pytest.raises(ValueError, match="write a port GUID of 16 hex digits"):
            names.guid(written)
    else:
        assert len(found) == 16
        assert int(found, 16) > 0
        assert found == names.guid(found)


def test_the_lowest_and_the_highest_guid() -> None:
    assert names.guid("0000000000000001") == "0000000000000001"
    assert names.guid("0x" + "F" * 15 + "E") == "f" * 15 + "e"


@pytest.mark.parametrize(
    "written", ["0" * 16, "f" * 16, "", "0x", "b8599f0300b0001", "b8599f0300b000111", "g" * 16, "٣" * 16]
)
def test_a_value_that_is_no_guid_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="write a port GUID"):
        names.guid(written)


@given(st.integers(1, names.PKEY_MAX))
def test_a_pkey_has_one_spelling_with_and_without_the_membership_bit(number: int) -> None:
    spelled = f"0x{number:x}"
    for written in (number, number | names.FULL_MEMBER, spelled, f"{number:x}", f"0X{number:04X}", f" {spelled} "):
        assert names.pkey(written) == spelled


@pytest.mark.parametrize(
    "written",
    [0, -101, 0x7FFF, 0xFFFF, 0x8000, 0x10065, True, 1.0, None, "", "0x", "0x7fff", "1_0", "-65", "xyz", "0x0x65"],
)
def test_a_value_that_is_no_pkey_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="write a PKey from '0x1' to '0x7ffe'"):
        names.pkey(written)


def test_the_guides_vlan_is_the_guides_pkey() -> None:
    assert names.pkey(101) == "0x65"


@pytest.mark.parametrize(
    ("written", "spelled"),
    [("0x1", "0x1"), ("0x7ffe", "0x7ffe"), ("0x8065", "0x65"), (0xFFFE, "0x7ffe"), (0x8001, "0x1")],
)
def test_the_lowest_and_the_highest_pkey_and_the_membership_bit(written: object, spelled: str) -> None:
    assert names.pkey(written) == spelled


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("mellanox/ufm-enterprise:6.14.5-2", "6.14.5-2"),
        ("registry:5000/ufm", ""),
        ("registry:5000/ufm:1@sha256:0123", "1"),
        ("registry:5000/ufm@sha256:0123", ""),
        ("ufm", ""),
    ],
)
def test_the_tag_of_an_image(image: str, tag: str) -> None:
    assert names.image_tag(image) == tag


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpus_of_any_list(wanted: set[int]) -> None:
    assert names.cpus(",".join(map(str, sorted(wanted, reverse=True)))) == wanted


def test_cpus_of_ranges() -> None:
    assert names.cpus("0-2,8,10-11") == {0, 1, 2, 8, 10, 11}
    assert names.cpus("5-5") == {5}
    with pytest.raises(ValueError, match="found '5-2'; write the lower CPU first"):
        names.cpus("1,5-2")
