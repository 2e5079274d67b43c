# YOLACT++ on nuclei.
_base_ = "yolact-dcn-anchors_r18_nuclei.py"
model = dict(
    mask_head=dict(
        type="MaskScoringYOLACTProtonet",
        mask_iou_head=dict(type="FastMaskIoUHead", num_classes=1),
    )
)
