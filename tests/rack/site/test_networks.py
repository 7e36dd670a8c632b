"""Ranges of addresses."""

from ipaddress import IPv4Address

import pytest

from rack.site import Range


def addresses(start: int, end: int) -> Range:
    return Range(start=IPv4Address(f"10.0.0.{start}"), end=IPv4Address(f"10.0.0.{end}"))


@pytest.mark.parametrize(("number", "inside"), [(49, False), (50, True), (75, True), (99, True), (100, False)])
def test_a_range_contains_its_first_and_last_address(number: int, inside: bool) -> None:
    assert (IPv4Address(f"10.0.0.{number}") in addresses(50, 99)) == inside


@pytest.mark.parametrize(("start", "end", "size"), [(50, 99, 50), (50, 50, 1), (50, 49, 0), (50, 48, -1)])
def test_the_size_counts_both_ends(start: int, end: int, size: int) -> None:
    assert addresses(start, end).size == size


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [(40, 49, False), (40, 50, True), (60, 70, True), (40, 120, True), (99, 120, True), (100, 120, False)],
)
def test_ranges_with_a_common_address_overlap(start: int, end: int, overlaps: bool) -> None:
    assert addresses(50, 99).overlaps(addresses(start, end)) == overlaps
    assert addresses(start, end).overlaps(addresses(50, 99)) == overlaps


def test_a_range_is_shown_with_both_ends() -> None:
    assert str(addresses(50, 99)) == "10.0.0.50-10.0.0.99"
