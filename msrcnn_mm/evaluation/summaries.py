"""Summarizes an evaluation as tables of text, and as keys and values of a metric."""

from collections.abc import Mapping, Sequence

from terminaltables import AsciiTable

from .average_precision import UNDEFINED
from .evaluation_result import Estimate, MaskIouQuality, Ranking, ScoreEvaluation
from .protocol import COLUMNS, MASK_SCORE, QUALITY_ORACLE, SCORES, words

DEFAULT_ITEMS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
COCO_ITEMS = (*DEFAULT_ITEMS, "AR@100", "AR@300", "AR@1000", "AR_s@1000", "AR_m@1000", "AR_l@1000")
"""``CocoMetric``'s ``metric_items``. The numbers in them are names: AR is at ``proposal_nums``."""

HELPS = {1: "helps", -1: "does not help", None: "cannot be told from these images"}
""":attr:`.Estimate.sign` of a gain of AP -> what it says of the score."""

_BY_SCORE = SCORES[1:]  # rankings that recover a share of the quality gap


def metric_keys(evaluation: ScoreEvaluation, metrics: Sequence[str]) -> dict[str, float]:
    """Returns key -> value, rounded to three decimals; an AP without ground truth is -1.

    ================================  ==============================================
    ``segm_mAP_RANKING``              AP by each ranking there is
    ``boundary_mAP_RANKING``          the same by Boundary IoU
    ``oracle_gap``                    AP(oracle) - AP(class score), the sum of the next two
    ``quality_gap``                   AP(quality oracle) - AP(class score)
    ``false_alarm_gap``               AP(oracle) - AP(quality oracle)
    ``recovered_share``               (AP(mask score) - AP(class score)) / quality gap
    ``recovered_share_maskness``      the same of maskness; ``_agreement_score``,
                                      ``_consensus`` and ``_rescored_score`` likewise
    ``mask_iou_mae``, ``_bias``       errors of s_iou on matched masks
    ``mask_iou_pearson``              and its correlations with the true IoU there
    ``mask_iou_spearman``
    ``mask_iou_auroc``                and its AUROC for masks above IoU 0.75
    ``segm_laece_SCORE``              LaECE_0; likewise ``laace`` and ``dece``
    ``segm_lrp_SCORE``                LRP of all detections; ``olrp`` is optimal LRP
    ================================  ==============================================

    Args:
        evaluation: The evaluation.
        metrics: ``segm``, ``boundary`` or both.
    """
    keys: dict[str, float | None] = {}
    if "boundary" in metrics and evaluation.boundary is not None:
        keys.update(
            {f"boundary_mAP_{n}": _or_undefined(r.ap["AP"]) for n, r in evaluation.boundary.items()}
        )
    if "segm" in metrics:
        rankings = evaluation.rankings
        keys.update({f"segm_mAP_{n}": _or_undefined(r.ap["AP"]) for n, r in rankings.items()})
        keys["oracle_gap"] = evaluation.oracle_gap["AP"]
        keys["quality_gap"] = evaluation.quality_gap["AP"]
        keys["false_alarm_gap"] = evaluation.false_alarm_gap["AP"]
        for name in _BY_SCORE:
            if name in rankings:
                key = "recovered_share" if name == MASK_SCORE else f"recovered_share_{name}"
                keys[key] = rankings[name].recovered_share["AP"]
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


def coco_items(ranking: Ranking) -> dict[str, float]:
    """Returns item -> its value in [0, 1], -1 where undefined, as in pycocotools."""
    values = [*ranking.ap.values(), *ranking.ar.values()]
    return dict(zip(COCO_ITEMS, map(_or_undefined, values), strict=True))


def class_aps(classes: Mapping[str, Ranking]) -> dict[str, float]:
    """Returns class name -> its AP at the most detections, rounded; NaN where undefined."""
    return {
        name: float("nan") if ranking.ap_at_most is None else round(ranking.ap_at_most, 3)
        for name, ranking in classes.items()
    }


def class_table(classes: Mapping[str, Ranking]) -> str:
    """Returns a table of the AP of every class, in percent."""
    rows = [
        [name, *(percent(ranking.ap[column]) for column in COLUMNS)]
        for name, ranking in classes.items()
    ]
    return text_table(["class", *COLUMNS], rows)


def score_table(evaluation: ScoreEvaluation) -> str:
    """Returns tables of the rankings, the gaps and each score's errors, in percent."""
    parts = [
        ranking_table("segm", evaluation.rankings),
        _gap_line(evaluation),
        *_gain_lines(evaluation),
        _protocol_line(evaluation),
        _error_table(evaluation),
    ]
    if evaluation.mask_iou_quality is not None:
        parts.append(_quality_line(evaluation.mask_iou_quality))
    return "\n".join([*parts, *(f"note: {note}" for note in evaluation.notes)])


def ranking_table(what: str, rankings: Mapping[str, Ranking]) -> str:
    """Returns a table of the AP by each ranking, in percent.

    Args:
        what: ``segm`` or ``boundary``, for the table's first cell.
        rankings: Ranking -> AP.
    """
    rows = [
        [words(name), *(percent(ranking.ap[column]) for column in COLUMNS)]
        for name, ranking in rankings.items()
    ]
    return text_table([f"{what}, ranked by", *COLUMNS], rows)


def text_table(header: list[str], rows: list[list[str]]) -> str:
    """Returns a table, its first column aligned left and the others right."""
    table = AsciiTable([header, *rows])
    for column in range(1, len(header)):
        table.justify_columns[column] = "right"
    return str(table.table)


def percent(value: float | None) -> str:
    """Formats a share as percent with one decimal; ``-`` if it is undefined."""
    return "-" if value is None else f"{100 * value:.1f}"


def _gap_line(evaluation: ScoreEvaluation) -> str:
    quality, false_alarm = evaluation.quality_gap["AP"], evaluation.false_alarm_gap["AP"]
    if QUALITY_ORACLE not in evaluation.rankings:
        return "quality gap: undefined, class scores are not in [0, 1]"
    if quality is None:
        return "quality gap: undefined, there is no ground truth"
    line = f"quality gap: {percent(quality)} points, false-alarm gap: {percent(false_alarm)} points"
    shares = {
        name: evaluation.rankings[name].recovered_share["AP"]
        for name in _BY_SCORE
        if name in evaluation.rankings
    }
    if not shares:
        return line
    if None in shares.values():
        return f"{line}; recovered share: undefined, the quality oracle gains nothing"
    texts = [f"{percent(share)}% by {words(name)}" for name, share in shares.items()]
    return f"{line}; recovered share: {', '.join(texts)}"


def _gain_lines(evaluation: ScoreEvaluation) -> list[str]:
    """Returns a line for each score: its gain of AP, the interval, and whether it helps."""
    return [
        f"{words(name)} {HELPS[gain.sign]}: {gain_text(gain)} AP over class score"
        for name, gain in evaluation.ap_gains.items()
        if name in _BY_SCORE
    ]


def gain_text(gain: Estimate) -> str:
    """Formats a difference in points with its interval: ``+1.3 (95% interval +0.8 to +1.8)``."""
    text = f"{100 * gain.value:+.1f}"
    if gain.low is None or gain.high is None:
        return text
    return f"{text} (95% interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _protocol_line(evaluation: ScoreEvaluation) -> str:
    most, for_ap = evaluation.max_dets, evaluation.ap_max_dets
    if for_ap == most:
        return f"percent; at most {most} detections of a class in an image"
    return (
        f"percent; at most {for_ap} detections of a class in an image for AP,"
        f" {most} for the other columns"
    )


def _error_table(evaluation: ScoreEvaluation) -> str:
    rows = []
    for name, lrp in evaluation.lrp.items():
        errors = evaluation.calibration_errors.get(name)
        calibrated = (errors.laece, errors.laace, errors.dece) if errors else (None, None, None)
        best = lrp.optimal
        parts = (best.error, best.localisation, best.false_positive, best.false_negative)
        rows.append([words(name), *map(percent, calibrated), *map(percent, parts)])
    header = ["segm, error of", "LaECE", "LaACE", "D-ECE", "oLRP", "oLRP loc", "FP", "FN"]
    return text_table(header, rows)


def _quality_line(quality: MaskIouQuality) -> str:
    def number(value: float | None, sign: str = "") -> str:
        return "-" if value is None else f"{value:{sign}.3f}"

    return (
        f"s_iou of {quality.masks} matched masks: MAE {number(quality.mean_absolute_error)},"
        f" bias {number(quality.bias, '+')}, Pearson {number(quality.pearson)},"
        f" Spearman {number(quality.spearman)}, AUROC of IoU > 0.75 {number(quality.auroc)}"
    )


def _or_undefined(ap: float | None) -> float:
    return UNDEFINED if ap is None else ap
