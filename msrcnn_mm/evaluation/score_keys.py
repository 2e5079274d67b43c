"""The keys under which a metric reports what mask scores are worth."""

from collections.abc import Sequence

from .protocol import CALIBRATED_SCORE, MASK_SCORE, MASKNESS
from .score_evaluation import ScoreEvaluation


def score_keys(evaluation: ScoreEvaluation, metrics: Sequence[str]) -> dict[str, float]:
    """Key -> value, rounded to three decimals; an AP without ground truth is -1, as COCO's.

    ================================  ==============================================
    ``segm_mAP_RANKING``              AP by each ranking there is
    ``boundary_mAP_RANKING``          the same by Boundary IoU
    ``oracle_gap``                    AP(oracle) - AP(class score)
    ``recovered_share``               (AP(mask score) - AP(class score)) / gap
    ``recovered_share_maskness``      the same of maskness; ``_calibrated_score`` likewise
    ``mask_iou_mae``, ``_bias``       errors of s_iou on matched masks
    ``mask_iou_pearson``              and its correlations with the true IoU there
    ``mask_iou_spearman``
    ``mask_iou_auroc``                how well it tells masks above IoU 0.75
    ``segm_laece_SCORE``              LaECE_0; likewise ``laace`` and ``dece``
    ``segm_lrp_SCORE``                LRP of all detections; ``olrp`` is optimal LRP
    ================================  ==============================================

    Args:
        evaluation: What to report.
        metrics: ``segm``, ``boundary`` or both: which of it.
    """
    keys: dict[str, float | None] = {}
    if "boundary" in metrics and evaluation.boundary is not None:
        keys.update(
            {f"boundary_mAP_{n}": _or_minus_1(r.ap["AP"]) for n, r in evaluation.boundary.items()}
        )
    if "segm" in metrics:
        rankings = evaluation.rankings
        keys.update({f"segm_mAP_{n}": _or_minus_1(r.ap["AP"]) for n, r in rankings.items()})
        keys["oracle_gap"] = evaluation.oracle_gap["AP"]
        shares = {MASK_SCORE: "", MASKNESS: "_maskness", CALIBRATED_SCORE: "_calibrated_score"}
        for name, key in shares.items():
            if name in rankings:
                keys[f"recovered_share{key}"] = rankings[name].recovered_share["AP"]
        quality = evaluation.mask_iou_quality
        if quality is not None:
            keys |= {
                "mask_iou_mae": quality.mean_absolute_error,
                "mask_iou_bias": quality.bias,
                "mask_iou_pearson": quality.pearson,
                "mask_iou_spearman": quality.spearman,
                "mask_iou_auroc": quality.auroc,
            }
        for name, errors in evaluation.calibration_errors.items():
            keys |= {
                f"segm_laece_{name}": errors.laece,
                f"segm_laace_{name}": errors.laace,
                f"segm_dece_{name}": errors.dece,
            }
        for name, lrp in evaluation.lrp.items():
            keys |= {
                f"segm_lrp_{name}": lrp.every.error,
                f"segm_olrp_{name}": lrp.optimal.error,
            }
    return {key: round(value, 3) for key, value in keys.items() if value is not None}


def _or_minus_1(ap: float | None) -> float:
    return -1.0 if ap is None else ap
