"""Values in messages: short, and without contents that may be secret."""

import pytest

from rack.site.problems import MAX_SHOWN, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"password": "x"}, "a mapping"),
        (["x", "y"], "a list of 2"),
        (None, "nothing"),
        ("first\nsecond", "a text of 2 lines"),
        ("only line\n", r"'only line\n'"),
        (True, "true"),
        (1.5, "1.5"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 59, f"'{'x' * 59}…"),
        (int("9" * 60), "9" * 60),
        (int("9" * 61), "9" * 60 + "…"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_is_shown_in_at_most_60_characters(value: object, text: str) -> None:
    assert MAX_SHOWN == 60
    assert shown(value) == text
