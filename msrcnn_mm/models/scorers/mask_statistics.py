"""Computes statistics of mask probabilities, from which a re-scorer learns how sure a mask is.

Shape shorthand: D detections, n cells of all their boxes, S statistics.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .box_cells import BoxCells

NAMES = (
    "background_mean",
    "uncertain_share",
    "stability",
    "wide_stability",
    "maximum",
    "entropy",
    "foreground_entropy",
    "soft_iou",
    "rim_mean",
)
"""Columns of :func:`mask_statistics`, and their entries in ``mask_statistics`` of results files."""

_AT_ONCE = 2**20  # cells of sums that are made at once, 8 MB; on a GPU many take as long as one


def mask_statistics(probs: Tensor, foreground: Tensor, cells: BoxCells) -> Tensor:
    """Computes statistics of the probabilities in each mask's box.

    With p the probabilities of the box's cells, the columns are, 0 where a denominator is 0:

    - ``background_mean``: mean of p outside the foreground.
    - ``uncertain_share``: share of cells with 0.2 < p < 0.8.
    - ``stability``: cells with p >= 0.7 / cells with p >= 0.3; ``wide_stability``: 0.9 / 0.1.
    - ``maximum``: of p.
    - ``entropy``: mean of -p log p - (1 - p) log(1 - p), in nats; ``foreground_entropy``: its sum
      over all cells / cells of foreground.
    - ``soft_iou``: E[intersection] / E[union], the sum of p over the foreground / (cells of
      foreground + sum of p over the rest).
    - ``rim_mean``: mean of p over the outermost cells.

    Args:
        probs: (n,) in [0, 1], of the cells.
        foreground: (n,) bool.
        cells: the cells of the D masks' boxes.

    Returns:
        (D, S) float32, finite.
    """
    if not len(cells.lengths):
        return probs.new_zeros((0, len(NAMES)), dtype=torch.float32)
    p = probs.float()
    summed: dict[str, Callable[[], Tensor]] = {
        "foreground": lambda: foreground,
        "p": lambda: p,
        "p_foreground": lambda: p * foreground,
        "uncertain": lambda: (p > 0.2) & (p < 0.8),
        "from_0.1": lambda: p >= 0.1,
        "from_0.3": lambda: p >= 0.3,
        "from_0.7": lambda: p >= 0.7,
        "from_0.9": lambda: p >= 0.9,
        "entropy": lambda: torch.special.entr(p) + torch.special.entr(1 - p),
        "rim": lambda: cells.rim,
        "p_rim": lambda: p * cells.rim,
    }
    total: dict[str, Tensor] = {}
    names, at_once = [*summed], max(1, _AT_ONCE // max(1, len(p)))
    for some in (names[i : i + at_once] for i in range(0, len(names), at_once)):
        # in double precision: it adds one cell after the other, of which a box may have a million
        values = torch.stack([summed[name]().double() for name in some])
        lengths = cells.lengths.expand(len(some), -1)
        totals = torch.segment_reduce(values, "sum", lengths=lengths, axis=1)
        total.update(zip(some, totals, strict=True))
    many, area = cells.lengths, total["foreground"]
    sums, on, entropy = total["p"], total["p_foreground"], total["entropy"]
    columns = {
        "background_mean": _ratio(sums - on, many - area),
        "uncertain_share": _ratio(total["uncertain"], many),
        "stability": _ratio(total["from_0.7"], total["from_0.3"]),
        "wide_stability": _ratio(total["from_0.9"], total["from_0.1"]),
        "maximum": torch.segment_reduce(p, "max", lengths=many, initial=0),
        "entropy": _ratio(entropy, many),
        "foreground_entropy": _ratio(entropy, area),
        "soft_iou": _ratio(on, area + sums - on),
        "rim_mean": _ratio(total["p_rim"], total["rim"]),
    }
    return torch.stack([columns[name].float() for name in NAMES], dim=1)


def _ratio(numerators: Tensor, denominators: Tensor) -> Tensor:
    return torch.where(denominators > 0, numerators / denominators, 0)
