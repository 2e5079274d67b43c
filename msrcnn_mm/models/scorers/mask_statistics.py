"""Computes statistics of mask probabilities, from which a re-scorer learns how sure a mask is.

Shape shorthand: D detections, h x w cells of a probability map, S statistics.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from torch import Tensor

NAMES = (
    "background_mean",
    "uncertain_share",
    "stability",
    "wide_stability",
    "maximum",
    "entropy",
    "foreground_entropy",
    "expected_iou",
    "rim_mean",
)
"""Columns of :func:`mask_statistics`, and their entries in ``mask_statistics`` of results files."""


def mask_statistics(probs: Tensor, foreground: Tensor, inside: Tensor | None = None) -> Tensor:
    """Computes statistics of the probabilities in each mask's box.

    With p the probabilities of the box's cells, the columns are, 0 where a denominator is 0:

    - ``background_mean``: mean of p outside the foreground.
    - ``uncertain_share``: share of cells with 0.2 < p < 0.8.
    - ``stability``: cells with p >= 0.7 / cells with p >= 0.3; ``wide_stability``: 0.9 / 0.1.
    - ``maximum``: of p.
    - ``entropy``: mean of -p log p - (1 - p) log(1 - p), in nats; ``foreground_entropy``: its sum
      over all cells / cells of foreground.
    - ``expected_iou``: E[intersection] / E[union], the sum of p over the foreground / (cells of
      foreground + sum of p over the rest).
    - ``rim_mean``: mean of p over the outermost cells.

    Args:
        probs: (D, h, w) in [0, 1], 0 outside the box.
        foreground: (D, h, w) bool.
        inside: (D, h, w) bool, the cells of the box, a rectangle; None if all are.

    Returns:
        (D, S) float32, finite.
    """
    if not len(probs):
        return probs.new_zeros((0, len(NAMES)), dtype=torch.float32)
    probs = probs.float()
    if inside is None:
        inside = torch.ones_like(foreground)
    padded = F.pad(inside, (1, 1, 1, 1))
    core = padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1] & padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    rim = inside & ~core
    # Only the cells of the boxes, those of one box after the other: a box is a small part of a map.
    where = inside.flatten().nonzero()[:, 0]
    counts = torch.bincount(where // inside[:1].numel(), minlength=len(probs))
    p = probs.flatten()[where]
    fg, edge = (cells.flatten()[where].float() for cells in (foreground, rim))
    cells = torch.stack(
        [
            torch.ones_like(p),
            p,
            p * fg,
            fg,
            ((p > 0.2) & (p < 0.8)).float(),
            *((p >= least).float() for least in (0.7, 0.3, 0.9, 0.1)),
            torch.special.entr(p) + torch.special.entr(1 - p),
            p * edge,
            edge,
        ]
    )
    lengths = counts.repeat(len(cells))
    sums = torch.segment_reduce(cells.flatten(), "sum", lengths=lengths).view(len(cells), -1)
    many, total, on, area, unsure, p7, p3, p9, p1, entropy, on_rim, rims = sums
    columns = {
        "background_mean": _ratio(total - on, many - area),
        "uncertain_share": _ratio(unsure, many),
        "stability": _ratio(p7, p3),
        "wide_stability": _ratio(p9, p1),
        "maximum": torch.segment_reduce(p, "max", lengths=counts, initial=0),
        "entropy": _ratio(entropy, many),
        "foreground_entropy": _ratio(entropy, area),
        "expected_iou": _ratio(on, area + total - on),
        "rim_mean": _ratio(on_rim, rims),
    }
    return torch.stack([columns[name] for name in NAMES], dim=1)


def _ratio(numerators: Tensor, denominators: Tensor) -> Tensor:
    return torch.where(denominators > 0, numerators / denominators, 0)
