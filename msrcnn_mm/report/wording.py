"""How the page writes names and numbers."""

from msrcnn_mm.evaluation.protocol import (
    CALIBRATED_SCORE,
    CLASS_SCORE,
    MASK_SCORE,
    MASKNESS,
    ORACLE,
)

NAMES = {
    CLASS_SCORE: "class score",
    MASK_SCORE: "mask score",
    MASKNESS: "maskness",
    CALIBRATED_SCORE: "calibrated score",
    ORACLE: "oracle",
}
NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.5132 as ``51.3``: a share, or points of AP."""
    return NOTHING if share is None else _minus(f"{100 * share:.{digits}f}")


def gain(difference: float | None) -> str:
    """0.0132 as ``+1.3``, with its sign."""
    return NOTHING if difference is None else _minus(f"{100 * difference:+.1f}")


def share(value: float | None) -> str:
    """0.239 as ``24%``."""
    return NOTHING if value is None else _minus(f"{100 * value:.0f}%")


def score(value: float | None) -> str:
    """0.312 as ``0.31``."""
    return NOTHING if value is None else _minus(f"{value:.2f}")


def count(number: int, one: str, many: str | None = None) -> str:
    """3 as ``3 masks``, with commas in thousands."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _minus(text: str) -> str:
    """Typeset, and no minus before a zero."""
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.%") else _MINUS + text[1:]
    return text
