"""Splits a score into its factors."""

import numpy as np

from msrcnn_mm.coco.detections import Detections, ratio
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.overlaps import Floats
from msrcnn_mm.evaluation.protocol import (
    AGREEMENT_SCORE,
    CONSENSUS,
    MASK_SCORE,
    MASKNESS,
    UNFITTED_SCORES,
    words,
)
from msrcnn_mm.evaluation.rankings import score_columns


def score_and_factors(detections: Detections, score: str) -> tuple[Floats, Floats]:
    """Returns a score and the factors of which it is the product.

    A detection without the other factor, where others have one, ranks by its class score.

    Args:
        detections: D detections.
        score: A name of :data:`msrcnn_mm.evaluation.protocol.UNFITTED_SCORES`.

    Returns:
        (D,) scores; (1, D) or (2, D): the class scores and, but for ``class_score``, the other
        factor; of the consensus, which can exceed the class score, itself alone.

    Raises:
        UserError: The detections lack the score, or a score or factor leaves [0, 1].
    """
    class_scores = detections.class_scores
    columns = {n: c for n, c in score_columns(detections).items() if n in UNFITTED_SCORES}
    if score not in columns:
        raise UserError(
            f"the detections have no {words(score)}: fit a re-scorer to a score that they have,"
            f" --score {' or '.join(columns)}"
        )
    scores = np.where(np.isnan(columns[score]), class_scores, columns[score])
    rows: list[Floats] = [scores if score == CONSENSUS else class_scores]
    if score == MASK_SCORE and detections.implied_mask_ious is not None:
        rows.append(detections.implied_mask_ious)
    if score in (MASKNESS, AGREEMENT_SCORE):
        rows.append(ratio(scores, class_scores))
    factors = np.stack(rows)
    factors[1:][np.isnan(factors[1:])] = 1
    factors[(factors > 1) & (factors < 1 + 1e-6)] = 1  # a ratio of rounded scores
    everything = np.stack([scores, *factors])
    outside = ~((everything >= 0) & (everything <= 1)).all(axis=0)
    if outside.any():
        raise UserError(
            f"detection {int(outside.argmax())}: its {words(score)}, or a factor of it, is outside"
            " [0, 1]: only scores in [0, 1] can be calibrated"
        )
    return scores, factors
