"""An evaluation as text: what the log and the terminal show."""

from collections.abc import Mapping

from terminaltables import AsciiTable

from .protocol import CALIBRATED_SCORE, COLUMNS, MASK_SCORE, MASKNESS, ORACLE
from .score_evaluation import MaskIouQuality, Ranking, ScoreEvaluation


def score_table(evaluation: ScoreEvaluation) -> str:
    """The rankings, the oracle gap, and what each score is worth as a number; in percent."""
    parts = [
        ranking_table("segm", evaluation.rankings),
        _gap_line(evaluation),
        _protocol_line(evaluation),
        _honesty_table(evaluation),
    ]
    if evaluation.mask_iou_quality is not None:
        parts.append(_quality_line(evaluation.mask_iou_quality))
    return "\n".join([*parts, *(f"note: {note}" for note in evaluation.notes)])


def ranking_table(what: str, rankings: Mapping[str, Ranking]) -> str:
    """AP by each ranking, in percent.

    Args:
        what: What is ranked, for the table's corner.
        rankings: Ranking -> AP.
    """
    rows = [
        [_words(name), *(percent(ranking.ap[column]) for column in COLUMNS)]
        for name, ranking in rankings.items()
    ]
    return text_table([f"{what}, ranked by", *COLUMNS], rows)


def text_table(header: list[str], rows: list[list[str]]) -> str:
    """Words to the left, numbers to the right."""
    table = AsciiTable([header, *rows])
    for column in range(1, len(header)):
        table.justify_columns[column] = "right"
    return table.table


def percent(value: float | None) -> str:
    """With one decimal; ``-`` for what is undefined."""
    return "-" if value is None else f"{100 * value:.1f}"


def _gap_line(evaluation: ScoreEvaluation) -> str:
    gap = evaluation.oracle_gap["AP"]
    if ORACLE not in evaluation.rankings:
        return "oracle gap: undefined, class scores are not in [0, 1]"
    if gap is None:
        return "oracle gap: undefined, there is no ground truth"
    shares = {
        name: evaluation.rankings[name].recovered_share["AP"]
        for name in (MASK_SCORE, MASKNESS, CALIBRATED_SCORE)
        if name in evaluation.rankings
    }
    line = f"oracle gap: {percent(gap)} points"
    if not shares:
        return line
    if None in shares.values():
        return f"{line}; recovered share: undefined, the oracle gains nothing"
    told = [f"{percent(share)}% by {_words(name)}" for name, share in shares.items()]
    return f"{line}; recovered share: {', '.join(told)}"


def _protocol_line(evaluation: ScoreEvaluation) -> str:
    most, for_ap = evaluation.max_dets, evaluation.ap_max_dets
    if for_ap == most:
        return f"percent; at most {most} detections of a class in an image"
    return (
        f"percent; at most {for_ap} detections of a class in an image for AP,"
        f" {most} for the other columns"
    )


def _honesty_table(evaluation: ScoreEvaluation) -> str:
    rows = []
    for name, lrp in evaluation.lrp.items():
        errors = evaluation.calibration_errors.get(name)
        calibrated = (errors.laece, errors.laace, errors.dece) if errors else (None, None, None)
        best = lrp.optimal
        parts = (best.error, best.localisation, best.false_positive, best.false_negative)
        rows.append([_words(name), *map(percent, calibrated), *map(percent, parts)])
    header = ["segm, error of", "LaECE", "LaACE", "D-ECE", "oLRP", "oLRP loc", "FP", "FN"]
    return text_table(header, rows)


def _quality_line(quality: MaskIouQuality) -> str:
    def number(value: float | None, form: str = ".3f") -> str:
        return "-" if value is None else f"{value:{form}}"

    return (
        f"s_iou of {quality.masks} matched masks: MAE {number(quality.mean_absolute_error)},"
        f" bias {number(quality.bias, '+.3f')}, Pearson {number(quality.pearson)},"
        f" Spearman {number(quality.spearman)}, AUROC of IoU > 0.75 {number(quality.auroc)}"
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
