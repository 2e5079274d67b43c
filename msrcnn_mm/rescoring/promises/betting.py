"""Tests a ratio of sums over images by betting: loss per accepted mask.

An image has a accepted masks, at most B, and a loss x in [0, a], such as the number of wrong ones.
The hypothesis is that images lose more than a share q of their masks, E[x] > q E[a]. Then for any
stake c in [0, 1]

    K_t = product over the images s = 1, ..., t of 1 + c (q a_s - x_s) / ((1 - q) B)

is a non-negative supermartingale that starts at 1, which exceeds 1 / p at any t with a probability
of at most p (Ville's inequality). So is a mixture over stakes. Images are independent of each
other; masks of an image may depend on each other in any way, as an image has one loss.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B
2024 (arXiv 2010.09686). They adapt the stake to the images before; here it is a fixed mixture.

Shape shorthand: n images, T cuts.
"""

import numpy as np

from msrcnn_mm.evaluation.overlaps import Floats

STAKES = np.array([1.0, 0.75, 0.5, 0.25])
WEIGHTS = np.array([0.6, 0.2, 0.1, 0.1])
"""Parts of the money that are bet by each stake.

The full stake gains most where losses are small beside B, which is usual. It is lost where all
masks of an image with B of them are wrong.
"""


def p_values(masks: Floats, losses: Floats, share: float, most: Floats) -> Floats:
    """Returns the p-values of the hypotheses that images lose more than a share of their masks.

    Args:
        masks: (n, T), numbers of accepted masks of the images, in random order. Images with more
            than ``most`` do not count.
        losses: (n, T), of these masks, from 0 to their number.
        share: q in [0, 1]. No more than all can be lost, so that 1 is rejected.
        most: (T,), B; it must not depend on these images.

    Returns:
        (T,), in [0, 1].
    """
    if share >= 1:
        return np.zeros(masks.shape[1])
    counts = (masks <= most) & (most > 0)
    gains = np.divide(
        share * masks - losses, (1 - share) * most, where=counts, out=np.zeros(masks.shape)
    )
    with np.errstate(divide="ignore"):
        logs = [np.log1p(np.maximum(stake * gains, -1)).cumsum(axis=0) for stake in STAKES]
    money = np.tensordot(WEIGHTS, np.exp(np.minimum(logs, 700)), axes=1)
    p: Floats = 1 / money.max(axis=0, initial=1.0)
    return p
