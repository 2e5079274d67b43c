# The demo as Cascade Mask R-CNN, trained together with a scorer of its own detections.
_base_ = "scored-mask-rcnn_demo.py"
roi_head = dict(_base_.model.roi_head)
coder = dict(type="DeltaXYWHBBoxCoder")
head = roi_head.pop("bbox_head")
rcnn = _base_.model.train_cfg.rcnn
stages = [(0.5, 1), (0.6, 2), (0.7, 3)]  # IoU of positive RoIs, precision of their boxes
model = dict(
    type="CascadeRCNN",
    roi_head=dict(
        _delete_=True,
        **dict(roi_head, type="DetectionScoringCascadeRoIHead"),
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_head=[
            dict(head, bbox_coder=dict(coder, target_stds=[0.1 / n, 0.1 / n, 0.2 / n, 0.2 / n]))
            for _, n in stages
        ],
    ),
    train_cfg=dict(
        rcnn=[
            dict(
                rcnn,
                assigner=dict(
                    rcnn.assigner,
                    pos_iou_thr=iou,
                    neg_iou_thr=iou,
                    min_pos_iou=iou,
                    match_low_quality=False,
                ),
            )
            for iou, _ in stages
        ]
    ),
)
