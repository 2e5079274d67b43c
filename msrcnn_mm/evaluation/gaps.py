"""Computes AP by each ranking, and the gaps between the oracles and the class score."""

from collections.abc import Mapping

from .average_precision import UNDEFINED, Curves
from .evaluation_result import Aps, Ranking
from .overlaps import Floats
from .protocol import CLASS_SCORE, COLUMNS, ORACLE, QUALITY_ORACLE

_NO_GAP = 1e-9  # equal rankings may differ by rounding


def rankings_of(
    measured: Mapping[str, Curves], category: int | slice = slice(None)
) -> tuple[dict[str, Ranking], dict[str, Aps]]:
    """Returns AP by each ranking, and by oracle the gap between it and the class score.

    Args:
        measured: Ranking -> its curves, the class score's among them.
        category: Number of a class; by default all.
    """
    aps = {name: _named(curve.columns(category)) for name, curve in measured.items()}
    undefined: Aps = dict.fromkeys(COLUMNS)
    gaps = {
        name: differences(aps.get(name, undefined), aps[CLASS_SCORE])
        for name in (QUALITY_ORACLE, ORACLE)
    }

    def share(name: str, column: str) -> float | None:
        """Returns 1 for the quality oracle, below 0 for a loss; None where there is no gap."""
        whole = gaps[QUALITY_ORACLE][column]
        won = _difference(aps[name][column], aps[CLASS_SCORE][column])
        return None if won is None or whole is None or whole < _NO_GAP else won / whole

    rankings = {
        name: Ranking(
            ap=aps[name],
            ar={n: _defined(value) for n, value in curve.recalls(category).items()},
            ap_at_most=_defined(curve.ap(category=category)),
            ap_by_iou=[_defined(ap) for ap in curve.ap_by_iou(category)],
            recovered_share={column: share(name, column) for column in COLUMNS},
        )
        for name, curve in measured.items()
    }
    return rankings, gaps


def _named(values: Floats) -> Aps:
    return {name: _defined(value) for name, value in zip(COLUMNS, values.tolist(), strict=True)}


def _defined(ap: float) -> float | None:
    return None if ap == UNDEFINED else ap


def differences(a: Aps, b: Aps) -> Aps:
    """Returns a - b by column, None where one is undefined."""
    return {column: _difference(a[column], b[column]) for column in COLUMNS}


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
