"""Owner marks, as text."""

import pytest

from rack.owner import Mark, parse


def test_a_mark_is_read_back() -> None:
    mark = Mark("1a2b3c4d", "tenant-vm1_gpu")
    assert str(mark) == "rack 1a2b3c4d tenant-vm1_gpu"
    assert parse(str(mark)) == mark


@pytest.mark.parametrize("text", [None, "", "rack", "my rack 1a2b3c4d x", "rack 1A2B3C4D x", "rack 1a2b3c4d a b"])
def test_another_text_is_no_mark(text: str | None) -> None:
    assert parse(text) is None
