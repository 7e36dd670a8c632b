"""The output of `ib_write_bw` is parsed and judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rack.bandwidth import NoResultError, Result

GUIDE = """\
 Max inline data : 0[B]
---------------------------------------------------------------------------------------
 #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   MsgRate[Mpps]
 32768      5000             194.32             194.23             0.740946
---------------------------------------------------------------------------------------
deallocating RX GPU buffer 00007f9bcd200000
"""
"""The end of the guide's own transcript (B5)."""


def test_the_guide_s_result_passes() -> None:
    result = Result.parse(GUIDE)
    assert result == Result(32768, 194.32, 194.23)
    assert result.verdict(190) == "pass: 194.23 Gb/s average of 32768-byte writes (at least 190)"


@given(average=st.floats(0.01, 400), minimum=st.floats(0.01, 400))
def test_the_verdict_depends_only_on_the_average(average: float, minimum: float) -> None:
    verdict = Result(65536, 500.0, average).verdict(minimum)
    assert verdict.startswith("pass") == (average >= minimum)


def test_the_result_of_the_last_size_is_used() -> None:
    assert Result.parse(" 2  5000  0.1  0.1  1.0\n 8388608  5000  197.0  196.5  0.01\n").size == 8388608


@pytest.mark.parametrize("output", ["", "Couldn't allocate MR\nfailed to create mr\n", GUIDE.replace("194.23", "nan")])
def test_no_result_shows_the_end_of_the_output(output: str) -> None:
    with pytest.raises(NoResultError) as error:
        Result.parse(output)
    assert str(error.value).startswith("ib_write_bw: found no result line; see the end of its output:\n")
    assert output[-100:].strip() in str(error.value)


def test_no_result_shows_the_last_500_characters() -> None:
    with pytest.raises(NoResultError) as error:
        Result.parse("x" + "y" * 500)
    assert str(error.value).endswith(":\n" + "y" * 500)
