"""MMDetection's COCO metric with the evaluation of mask scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.evaluation.metrics import CocoMetric
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from msrcnn_mm.coco.detections import SCORE_ENTRIES, Detections
from msrcnn_mm.errors import SettingError, UserError
from msrcnn_mm.evaluation.average_precision import curves
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import Ranking, ScoreEvaluation
from msrcnn_mm.evaluation.gaps import rankings_of
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, MASK_SCORE, Protocol
from msrcnn_mm.evaluation.summaries import (
    COCO_ITEMS,
    DEFAULT_ITEMS,
    class_aps,
    class_table,
    coco_items,
    metric_keys,
    ranking_table,
    score_table,
)

from ..config.walk import is_local
from .coco_dataset import CompletedCOCO
from .predictions import to_arrays, to_detections

METRICS_HERE = ("bbox", "segm", "boundary")
"""Metrics evaluated here; MMDetection evaluates those of proposals."""

_COCO_AP_MAX_DETS = 100


@METRICS.register_module()
class MaskScoreMetric(CocoMetric):
    """``CocoMetric`` that also evaluates mask scores.

    Every key of ``CocoMetric`` keeps its name and value: ``bbox_*`` rank by class score, ``segm_*``
    by mask score where the results carry one. With ``segm`` come AP by every ranking, the oracle
    gap, the quality of s_iou, calibration and LRP: see :func:`.metric_keys`. All of them
    are rounded to three decimals. Undefined ones are left out, and the log says why.

    ``metric`` may also name ``boundary``: AP with Boundary IoU, as ``boundary_*``.

    pycocotools takes AP at 100 detections of a class in an image, and MMDetection inherits that:
    without 100 in ``proposal_nums`` its ``*_mAP`` is -1. Here it is then AP at the largest of these
    numbers, as with ``proposal_nums=(1, 10, 400)`` for images of many small objects.

    Args:
        ann_file: The annotations, in COCO's format; without it those of the data samples.
        metric: ``bbox``, ``segm``, ``boundary``, ``proposal``, ``proposal_fast``, one or several.
        **kwargs: Those of ``CocoMetric``.

    Raises:
        UserError: ``ann_file`` is missing or is not a COCO annotation file.
        SettingError: ``metric_items`` names an item that does not exist.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | Sequence[str] = "bbox",
        **kwargs: Any,
    ) -> None:
        metrics = [metric] if isinstance(metric, str) else list(metric)
        # MMDetection reads files of a store, and sorts the categories of Objects365
        sorts = kwargs.get("sort_categories")
        here = bool(ann_file) and not sorts and is_local(str(ann_file), kwargs.get("backend_args"))
        coco_metrics = [m for m in metrics if m != "boundary"]
        super().__init__(None if here else ann_file, coco_metrics, **kwargs)
        if here:
            self._coco_api = CompletedCOCO(str(ann_file))
        self.metrics = metrics
        unknown = set(self.metric_items or ()) - set(COCO_ITEMS)
        if unknown:
            raise SettingError(f"metric_items: there is no {', '.join(sorted(unknown))}")

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keeps the predictions of a batch, masks as RLEs, with all their scores.

        Args:
            data_batch: Not used.
            data_samples: With ``img_id`` and ``pred_instances``, one an image.
        """
        arrays = [to_arrays(sample["pred_instances"]) for sample in data_samples]
        encoded = [
            {**sample, "pred_instances": {**sample["pred_instances"], "masks": own["masks"]}}
            if "masks" in own
            else sample
            for sample, own in zip(data_samples, arrays, strict=True)
        ]
        super().process(data_batch, encoded)
        of_batch = self.results[len(self.results) - len(data_samples) :]
        for (_, kept), own in zip(of_batch, arrays, strict=True):
            kept.update({k: v for k, v in own.items() if k in SCORE_ENTRIES})

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluates the results of all images.

        Args:
            results: A (ground truth, prediction) pair an image, as ``process`` stored them.

        Returns:
            Metric name -> value, without the ``coco/`` prefix. Without AP keys, with an error in
            the log, if there are no results or no detections at all.

        Raises:
            UserError: ``segm`` or ``boundary`` is asked for and the results hold no masks.
        """
        logger = MMLogger.get_current_instance()
        if not results:
            logger.error("no image was tested, so there is nothing to evaluate")
            return {}
        predictions = [prediction for _, prediction in results]
        masks = {"segm", "boundary"} & set(self.metrics)
        if masks and "masks" not in predictions[0]:
            raise UserError("the results hold no masks: evaluate this detector with --eval bbox")
        if self.outfile_prefix is None:  # then no file of masks is asked for
            boxes = [{k: v for k, v in p.items() if k != "masks"} for p in predictions]
            results = [(truth, box) for (truth, _), box in zip(results, boxes, strict=True)]
        metrics = self._of_coco_metric(results, [])  # writes files, sets ids
        if self.format_only:
            return metrics
        detections = Detections.concatenate(
            [to_detections(p, p["img_id"], self.cat_ids) for p in predictions]
        )
        if not len(detections):
            logger.error("no detection in any image, so there is no AP of any ranking")
            return metrics
        protocol = self._protocol()
        untested = set(protocol.image_ids) - {prediction["img_id"] for prediction in predictions}
        if untested:
            logger.warning(
                f"{len(untested)} of the {len(protocol.image_ids)} annotated images were not"
                " tested, and all their instances count as missed: the figures below are of no use"
                " unless that is meant"
            )
        scores = None
        if masks:
            scores = evaluate_scores(
                self._coco_api, detections, protocol, boundary="boundary" in masks
            )
        for metric in self.metrics:
            if metric not in METRICS_HERE:
                metrics.update(self._of_coco_metric(results, [metric]))
            elif metric == "bbox":
                metrics.update(self._box_keys(detections, protocol))
            else:
                assert scores is not None
                metrics.update(self._mask_keys(metric, scores))
        if scores is not None:
            metrics.update(metric_keys(scores, self.metrics))
            if "segm" in masks:
                logger.info(f"\n{score_table(scores)}")
            if scores.boundary is not None:
                logger.info(f"\n{ranking_table('boundary', scores.boundary)}")
        return metrics

    def _of_coco_metric(self, results: list, names: list[str]) -> dict[str, float]:
        """Evaluates the named metrics as ``CocoMetric`` does."""
        ours, self.metrics = self.metrics, names
        try:
            return dict(super().compute_metrics(results))
        finally:
            self.metrics = ours

    def _protocol(self) -> Protocol:
        max_dets = sorted(self.proposal_nums)[:3]  # pycocotools sums up no more
        # MMDetection's multi-process evaluation has dropped the 100 of pycocotools.
        fixed = _COCO_AP_MAX_DETS in max_dets and not self.use_mp_eval
        if not fixed and not self.use_mp_eval:
            MMLogger.get_current_instance().info(
                f"proposal_nums has no {_COCO_AP_MAX_DETS}, at which pycocotools takes AP:"
                f" *_mAP is at {max_dets[-1]} detections of a class in an image"
            )
        return Protocol(
            category_ids=self.cat_ids,
            image_ids=self.img_ids,
            max_dets=max_dets,
            ap_max_dets=_COCO_AP_MAX_DETS if fixed else max_dets[-1],
            iou_thrs=np.atleast_1d(self.iou_thrs),
        )

    def _box_keys(self, detections: Detections, protocol: Protocol) -> dict[str, float]:
        overlaps = find_overlaps(self._coco_api, detections, protocol, "bbox")
        scores = detections.class_scores[overlaps.detections]
        curve = {CLASS_SCORE: curves(overlaps, scores, protocol)}
        names = [self._coco_api.cats[i]["name"] for i in sorted(protocol.category_ids)]
        classes = {name: rankings_of(curve, k)[0][CLASS_SCORE] for k, name in enumerate(names)}
        return self._coco_keys("bbox", rankings_of(curve)[0][CLASS_SCORE], classes)

    def _mask_keys(self, metric: str, scores: ScoreEvaluation) -> dict[str, float]:
        rankings = scores.rankings if metric == "segm" else scores.boundary
        assert rankings is not None
        main = MASK_SCORE if MASK_SCORE in rankings else CLASS_SCORE
        classes = {}
        if metric == "segm":
            classes = {c.name: c.rankings[main] for c in scores.classes}
        return self._coco_keys(metric, rankings[main], classes)

    def _coco_keys(
        self, metric: str, ranking: Ranking, classes: dict[str, Ranking]
    ) -> dict[str, float]:
        """Returns MMDetection's keys, as its settings ask for them."""
        logger = MMLogger.get_current_instance()
        values = coco_items(ranking)
        keys = {}
        if self.classwise and classes:
            logger.info(f"\n{class_table(classes)}")
            keys = {f"{name}_precision": ap for name, ap in class_aps(classes).items()}
        items = DEFAULT_ITEMS if self.metric_items is None else self.metric_items
        keys.update({f"{metric}_{item}": round(values[item], 3) for item in items})
        copied = " ".join(f"{values[item]:.3f}" for item in DEFAULT_ITEMS)
        logger.info(f"{metric}_mAP_copypaste: {copied}")
        return keys
