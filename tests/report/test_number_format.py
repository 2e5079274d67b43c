"""Tests the format of numbers on the page."""

from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.report.number_format import NOTHING, count, gain, interval, percent, score, share


def test_numbers() -> None:
    assert percent(0.51345) == "51.3"
    assert gain(0.0132) == "+1.3"
    assert gain(-0.0132) == "\N{MINUS SIGN}1.3"
    assert share(0.2391) == "24%"
    assert score(0.312) == "0.31"
    assert count(1, "class", "classes") == "1 class"
    assert count(12345, "mask") == "12,345 masks"


def test_intervals() -> None:
    assert interval(Estimate(0.013, -0.002, 0.02)) == "+1.3 (\N{MINUS SIGN}0.2 to +2.0)"
    assert interval(Estimate(0.013, None, None)) == "+1.3"


def test_no_minus_before_zero() -> None:
    assert gain(-0.0001) == "0.0"
    assert share(-0.001) == "0%"
    assert score(-0.001) == "0.00"


def test_undefined_is_a_dash() -> None:
    assert {f(None) for f in (percent, gain, share, score)} == {NOTHING}
