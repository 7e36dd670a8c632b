"""Values in messages: short, and without contents that may be secret."""

import pytest

from rack.site.load import ConfigError, parse
from rack.site.problems import MAX_SHOWN, shown
from tests.rack import sites


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


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"FOO": "x"}, "images[1].environment.FOO: not a valid name; write a variable of diskimage-builder like "),
        ({"DIB_X": 3}, "images[1].environment.DIB_X: found no text; write a text in quotes, of one line"),
        (
            {"DIB_X": "a\nb"},
            "images[1].environment.DIB_X: found a text of 3 characters; write a text in quotes, of one line",
        ),
        (["DIB_X"], "images[1].environment: found a list of 1; write a mapping of a variable of diskimage-builder"),
    ],
)
def test_a_mapping_with_free_names_states_names_and_values(environment: object, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(sites.document({"images[1].environment": environment}))
    (line,) = refused.value.problems
    assert line.startswith(problem)
