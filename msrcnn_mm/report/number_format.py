"""Formats numbers as the page shows them."""

from msrcnn_mm.evaluation.evaluation_result import Estimate

NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def percent(share: float | None) -> str:
    """Formats a share or an AP in percent: 0.5132 as ``51.3``, None as a dash."""
    return NOTHING if share is None else _typeset(f"{100 * share:.1f}")


def gain(difference: float | None) -> str:
    """Formats a difference of APs in points, with its sign: 0.0132 as ``+1.3``."""
    return NOTHING if difference is None else _typeset(f"{100 * difference:+.1f}")


def interval(difference: Estimate) -> str:
    """Formats a difference of APs with its 95% interval: ``+1.3 (+0.8 to +1.8)``."""
    if difference.low is None:
        return gain(difference.value)
    return f"{gain(difference.value)} ({gain(difference.low)} to {gain(difference.high)})"


def share(value: float | None) -> str:
    """Formats a share in whole percent: 0.239 as ``24%``."""
    return NOTHING if value is None else _typeset(f"{100 * value:.0f}%")


def score(value: float | None) -> str:
    """Formats a score or an IoU with two digits: 0.312 as ``0.31``."""
    return NOTHING if value is None else _typeset(f"{value:.2f}")


def count(number: int, one: str, many: str | None = None) -> str:
    """Formats a count with its noun: ``1 mask``, ``3,000 masks``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _typeset(text: str) -> str:
    """Replaces the hyphen by a minus sign, or removes it before a zero."""
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.%") else _MINUS + text[1:]
    return text
