"""MMDetection's COCO metric, and beside it what the mask scores are worth."""

from mmdet.evaluation.metrics import CocoMetric
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from ..errors import UserError
from .average_precision import average_precisions
from .detections import Detection, to_detections
from .protocol import Protocol
from .rankings import rank_by_scores

_COCO_AP_MAX_DETS = 100


@METRICS.register_module()
class MaskScoreMetric(CocoMetric):
    """``CocoMetric`` that also ranks the masks by class score, by mask score and by the oracle.

    Every key of ``CocoMetric`` keeps its name and value: ``bbox_*`` rank by class score, ``segm_*``
    by mask score where the results carry one. With ``segm`` these come along, rounded to three
    decimals like them:

    ==========================  ====================================================
    ``segm_mAP_class_score``    AP of the masks ranked by s_cls
    ``segm_mAP_mask_score``     by s_cls * s_iou (= ``segm_mAP``); absent without it
    ``segm_mAP_oracle``         by s_cls * true IoU
    ``oracle_gap``              AP(oracle) - AP(class score)
    ``recovered_share``         (AP(mask score) - AP(class score)) / gap
    ==========================  ====================================================

    Without ground truth every AP is -1, as pycocotools has it, and gap and share are left out;
    where the oracle gains nothing, the share is. The log says why.

    pycocotools takes AP at 100 detections of a class in an image and MMDetection inherits it, so
    that without 100 in ``proposal_nums`` its ``*_mAP`` is -1. There, and only there, we put AP at
    the most detections instead: ``proposal_nums=(1, 10, 400)`` for images of many small things.

    Arguments are those of ``CocoMetric``.
    """

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Evaluates the results of all images.

        Args:
            results: A (ground truth, prediction) pair an image, as ``process`` stored them.

        Returns:
            Metric name -> value, without the ``coco/`` prefix. Empty, with an error in the log,
            if there are no results or no detections at all.

        Raises:
            UserError: ``segm`` is asked for and the results hold no masks.
        """
        logger = MMLogger.get_current_instance()
        if not results:
            logger.error("no image was tested, so there is nothing to evaluate")
            return {}
        predictions = [prediction for _, prediction in results]
        if "segm" in self.metrics and "masks" not in predictions[0]:
            raise UserError("the results hold no masks: evaluate this detector with --eval bbox")
        metrics = super().compute_metrics(results)
        if self.format_only:
            return metrics
        detections = [
            detection
            for prediction in predictions
            for detection in to_detections(prediction, prediction["img_id"], self.cat_ids)
        ]
        if not detections:
            logger.error("no detection in any image, so there is no AP of any ranking")
            return metrics
        protocol = self._protocol()
        self._mend_undefined_map(metrics, detections, protocol, logger)
        if "segm" in self.metrics:
            metrics.update(self._mask_score_metrics(detections, protocol, logger))
        return metrics

    def _protocol(self) -> Protocol:
        max_dets = sorted(self.proposal_nums)
        # MMDetection's multi-process evaluation has dropped the 100 of pycocotools.
        fixed = _COCO_AP_MAX_DETS in max_dets and not self.use_mp_eval
        return Protocol(
            category_ids=self.cat_ids,
            image_ids=self.img_ids,
            max_dets=max_dets,
            ap_max_dets=_COCO_AP_MAX_DETS if fixed else max_dets[-1],
            iou_thrs=self.iou_thrs,
        )

    def _mend_undefined_map(
        self,
        metrics: dict[str, float],
        detections: list[Detection],
        protocol: Protocol,
        logger: MMLogger,
    ) -> None:
        """Puts AP at the most detections where pycocotools found no 100 to take it at.

        ``segm_mAP`` follows with the rankings, which are evaluated anyway.
        """
        if self.use_mp_eval or _COCO_AP_MAX_DETS in protocol.max_dets:
            return
        logger.info(
            f"proposal_nums has no {_COCO_AP_MAX_DETS}, at which pycocotools takes AP (hence the"
            f" -1 above): *_mAP is at {protocol.ap_max_dets} detections of a class in an image"
        )
        if "bbox_mAP" in metrics:
            scores = [d["score"] for d in detections]
            box_aps = average_precisions(self._coco_api, detections, scores, protocol, "bbox")
            metrics["bbox_mAP"] = round(float(box_aps[0]), 3)

    def _mask_score_metrics(
        self, detections: list[Detection], protocol: Protocol, logger: MMLogger
    ) -> dict[str, float]:
        """The APs of the three rankings, which it also logs as a table."""
        rankings = rank_by_scores(self._coco_api, detections, protocol)
        logger.info(f"\n{rankings.table(protocol)}")
        mask_score = None if rankings.mask_score is None else rankings.mask_score[0]
        main = rankings.class_score[0] if mask_score is None else mask_score
        named = {
            "segm_mAP": main if self._reports("mAP") else None,
            "segm_mAP_class_score": rankings.class_score[0],
            "segm_mAP_mask_score": mask_score,
            "segm_mAP_oracle": rankings.oracle[0],
            "oracle_gap": rankings.oracle_gap,
            "recovered_share": rankings.recovered_share,
        }
        return {name: round(float(v), 3) for name, v in named.items() if v is not None}

    def _reports(self, item: str) -> bool:
        return self.metric_items is None or item in self.metric_items
