# Figure 4 (d): the full 28 x 28 mask is concatenated with RoI features of its size.
_base_ = "{{$ABLATION_OF:../ms_rcnn/ms-rcnn_r18_fpn_18e_coco.py}}"
model = dict(
    roi_head=dict(
        mask_iou_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=28, sampling_ratio=0),
            out_channels=_base_.model.roi_head.mask_roi_extractor.out_channels,
            featmap_strides=_base_.model.roi_head.mask_roi_extractor.featmap_strides,
        ),
        mask_iou_head=dict(roi_feat_size=28, conv_strides=(2, 1, 1, 2)),
    )
)
