"""MMDetection's names and values for COCO's twelve figures."""

from collections.abc import Mapping

from .average_precision import UNDEFINED
from .protocol import COLUMNS
from .score_evaluation import Ranking
from .score_table import percent, text_table

DEFAULT_ITEMS = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
COCO_ITEMS = (*DEFAULT_ITEMS, "AR@100", "AR@300", "AR@1000", "AR_s@1000", "AR_m@1000", "AR_l@1000")
"""``CocoMetric``'s ``metric_items``. The numbers in them are names: AR is at ``proposal_nums``."""


def coco_items(ranking: Ranking) -> dict[str, float]:
    """Item -> its value in [0, 1], -1 where undefined, as pycocotools has it."""
    values = [*ranking.ap.values(), *ranking.ar.values()]
    defined = [UNDEFINED if value is None else value for value in values]
    return dict(zip(COCO_ITEMS, defined, strict=True))


def class_aps(classes: Mapping[str, Ranking]) -> dict[str, float]:
    """Class name -> its AP at the most detections, rounded; NaN where undefined."""
    return {
        name: float("nan") if ranking.ap_at_most is None else round(ranking.ap_at_most, 3)
        for name, ranking in classes.items()
    }


def class_table(classes: Mapping[str, Ranking]) -> str:
    """AP of every class, in percent."""
    rows = [
        [name, *(percent(ranking.ap[column]) for column in COLUMNS)]
        for name, ranking in classes.items()
    ]
    return text_table(["class", *COLUMNS], rows)
