"""Numbers as they are printed."""

from msrcnn_mm.report import wording


def test_numbers() -> None:
    assert wording.percent(0.51345) == "51.3"
    assert wording.gain(0.0132) == "+1.3"
    assert wording.gain(-0.0132) == "\N{MINUS SIGN}1.3"
    assert wording.share(0.2391) == "24%"
    assert wording.score(0.312) == "0.31"
    assert wording.count(1, "class", "classes") == "1 class"
    assert wording.count(12345, "mask") == "12,345 masks"


def test_no_minus_before_zero() -> None:
    assert wording.gain(-0.0001) == "0.0"
    assert wording.share(-0.001) == "0%"
    assert wording.score(-0.001) == "0.00"


def test_undefined_is_a_dash() -> None:
    assert {f(None) for f in (wording.percent, wording.gain, wording.share, wording.score)} == {
        wording.NOTHING
    }
